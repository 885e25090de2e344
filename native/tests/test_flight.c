/* SPDX-License-Identifier: MIT */
/* The newest pieces are kept, by calls and by bytes, the others told of, whatever their sizes. */
#include "check.h"
#include "run/flight.h"
#include "run/kept_processes.h"

#define LARGEST (1u << 20)

static uint8_t data[LARGEST];
static uint32_t gone_next; /* the number that is to go next */
static uint64_t gone_calls;

static void on_gone(void *ctx, const struct flight_label *label, const void *piece, size_t len)
{
	uint32_t number;

	(void)ctx;
	CHECK(len >= sizeof(number));
	memcpy(&number, piece, sizeof(number));
	CHECK_INT(number, gone_next);
	CHECK_INT(label->process, number + 1000u);
	gone_next++;
	gone_calls += label->calls;
}

static struct flight *begin(uint64_t calls, size_t bytes)
{
	struct flight *flight = rn_flight_create(calls, bytes, on_gone, NULL);

	CHECK(flight);
	gone_next = 0;
	gone_calls = 0;
	return flight;
}

static void keep(struct flight *flight, uint32_t number, size_t len, uint64_t calls)
{
	const struct flight_label label = {
		.calls = calls, .ns = number, .process = number + 1000u, .split = (uint32_t)len};

	memcpy(data, &number, sizeof(number));
	data[len - 1] = (uint8_t)(len == sizeof(number) ? data[len - 1] : number);
	rn_flight_keep(flight, &label, data, len);
}

/* The oldest is this one; it is dropped. */
static void take(struct flight *flight, uint32_t number, size_t len)
{
	struct flight_label label;
	size_t have;
	const uint8_t *piece = rn_flight_oldest(flight, &label, &have);
	uint32_t found;

	CHECK(piece);
	memcpy(&found, piece, sizeof(found));
	CHECK_INT(found, number);
	CHECK_INT(have, len);
	CHECK_INT(label.ns, number);
	CHECK_INT(label.split, len);
	if (len > sizeof(found))
		CHECK_INT(piece[len - 1], (uint8_t)number);
	rn_flight_drop(flight);
}

static bool is_empty(const struct flight *flight)
{
	struct flight_label label;
	size_t len;

	return rn_flight_oldest(flight, &label, &len) == NULL;
}

static size_t odd(uint32_t i)
{
	return 4 + i % 97 + (i % 31 == 0 ? 3000 : 0);
}

static void test_the_last_calls(uint32_t limit, uint32_t n)
{
	struct flight *flight = begin(limit, 64u << 20);
	uint32_t first = n > limit ? n - limit : 0;

	for (uint32_t i = 0; i < n; i++)
		keep(flight, i, odd(i), 1);
	CHECK_INT(gone_next, first);
	CHECK_INT(rn_flight_calls(flight), n - first);
	for (uint32_t i = first; i < n; i++)
		take(flight, i, odd(i));
	CHECK(is_empty(flight));
	CHECK_INT(rn_flight_calls(flight), 0);
	rn_flight_release(flight);
	CHECK_INT(rn_flight_room(flight), 0);
	/* And again, with nothing left of the circle. */
	gone_next = n;
	keep(flight, n, 5000, 1);
	take(flight, n, 5000);
	CHECK_INT(gone_next, n);
	rn_flight_destroy(flight);
}

/* A piece may tell of several calls, and is kept whole; one of none goes with what is older. */
static void test_folded_calls(void)
{
	struct flight *flight = begin(10, 1u << 20);

	keep(flight, 0, 8, 7);
	keep(flight, 1, 8, 0);
	keep(flight, 2, 8, 6);
	CHECK_INT(gone_next, 0); /* without the first there would be six */
	CHECK_INT(rn_flight_calls(flight), 13);
	keep(flight, 3, 8, 4);
	CHECK_INT(gone_next, 2);
	CHECK_INT(rn_flight_calls(flight), 10);
	keep(flight, 4, 8, 100);
	CHECK_INT(gone_next, 4);
	CHECK_INT(rn_flight_calls(flight), 100);
	keep(flight, 5, 8, 1);
	CHECK_INT(gone_next, 4); /* one call alone is fewer than ten */
	CHECK_INT(gone_calls, 17);
	rn_flight_let_go(flight);
	CHECK_INT(gone_next, 5);
	take(flight, 5, 8);
	rn_flight_destroy(flight);
}

/* Sizes of all kinds, so that the circle closes at every place; memory stays within its bound. */
static void test_bytes_are_bounded(void)
{
	const size_t limit = 100000;
	struct flight *flight = begin(1000000, limit);
	uint64_t seed = 1;
	size_t sizes[4096];
	uint32_t n = 0, left = 0;

	for (unsigned round = 0; round < 20000; round++) {
		size_t len;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		len = 4 + (size_t)(seed >> 33) % (round % 100 == 99 ? 30000 : 300);
		sizes[n % 4096] = len;
		keep(flight, n++, len, 1);
		CHECK(rn_flight_room(flight) <= limit);
		CHECK_INT(rn_flight_calls(flight) + gone_next - left, n - left);
		if (round % 7 == 0) {
			take(flight, gone_next, sizes[gone_next % 4096]);
			gone_next++;
		}
	}
	while (!is_empty(flight)) {
		take(flight, gone_next, sizes[gone_next % 4096]);
		gone_next++;
	}
	CHECK_INT(gone_next, n);
	rn_flight_destroy(flight);
}

static void test_too_large(void)
{
	struct flight *flight = begin(10, 100000);

	keep(flight, 0, 50, 1);
	gone_next = 1;
	keep(flight, 1, 100000, 1); /* with what is known of it, it is larger than all */
	CHECK_INT(gone_next, 2);
	take(flight, 0, 50);
	rn_flight_destroy(flight);
}

static unsigned taken;

static void on_taken(void *ctx, const struct rn_process *process)
{
	const uint64_t *first = ctx;

	CHECK_INT(process->ctx.span_id, *first + taken);
	CHECK_STR(process->exe, "/bin/true");
	CHECK_STR(process->name, "true");
	CHECK_INT(process->omitted.calls, process->ctx.span_id % 4096 == 5 ? 7 : 0);
	taken++;
}

static void test_processes(void)
{
	struct kept_processes *kept = rn_kept_create();
	const struct rn_omitted more = {.calls = 7, .ns = 70};
	uint64_t first = 3001;

	CHECK(kept);
	for (uint32_t i = 1; i <= RN_KEPT_PROCESSES + 3000; i++) {
		char exe[] = "/bin/true", version[] = "1";
		struct rn_process process = {.exe = exe, .name = exe + 5};

		process.ctx.span_id = i;
		process.resource[RN_RESOURCE_VERSION] = version;
		CHECK(rn_kept_add(kept, &process));
		memset(exe, 'x', sizeof(exe) - 1); /* it is a copy */
	}
	CHECK_INT(rn_kept_omitted(kept), 3000);
	for (uint64_t id = 5; id < RN_KEPT_PROCESSES + 3000; id += 4096)
		rn_kept_omit(kept, id, &more); /* the first of them is not there any more */
	taken = 0;
	rn_kept_take(kept, on_taken, &first);
	CHECK_INT(taken, RN_KEPT_PROCESSES);
	rn_kept_destroy(kept);
}

int main(void)
{
	test_the_last_calls(1, 5);
	test_the_last_calls(10, 3);
	test_the_last_calls(256, 1000);
	test_the_last_calls(1000, 50003);
	test_folded_calls();
	test_bytes_are_bounded();
	test_too_large();
	test_processes();
	return check_done();
}
