/* SPDX-License-Identifier: MIT */
/*
 * The ring's own code, run through every order in which its two ends can meet.
 *
 * ring.c is compiled here with its atomics and its futex replaced. Producer and consumer are
 * coroutines; before each of these operations the other may go on instead, and a store that is
 * not sequentially consistent may stay in its thread's buffer until the next one that is (as on
 * x86). All choices are gone through, up to a number of deviations from "go on, store at once":
 * most errors of such protocols need two. No wait has a time limit here, so a wake-up that is
 * lost leaves both waiting, which is the failure that is looked for; and each record has to
 * arrive once, whole, in order.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "records.h"

static uint64_t model_load(const volatile void *at, size_t size);
static void model_store(volatile void *at, size_t size, uint64_t value, int order);
static uint64_t model_exchange(volatile void *at, uint64_t value);
static long model_futex(const volatile void *word, int op, uint32_t value);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#define atomic_load_explicit(at, order) (model_load(at, sizeof(*(at))))
#define atomic_store_explicit(at, value, order) (model_store(at, sizeof(*(at)), value, order))
#define atomic_exchange_explicit(at, value, order) (model_exchange(at, value))
#define syscall(number, word, op, value, timeout, ...)                                             \
	((void)(timeout), model_futex(word, op, value))

#define rn_ring_attach model_attach
#define rn_ring_attach_unsealed model_attach_unsealed
#define rn_ring_close model_close
#define rn_ring_closed model_closed
#define rn_ring_commit model_commit
#define rn_ring_create model_create
#define rn_ring_create_unsealed model_create_unsealed
#define rn_ring_deinit model_deinit
#define rn_ring_free model_free
#define rn_ring_read model_read
#define rn_ring_reserve model_reserve
#define rn_ring_sleep model_sleep
#define rn_ring_used model_used
#define rn_ring_wait_room model_wait_room
#define rn_ring_wake model_wake
#include "ring/ring.c"

#define SIZE 4096u /* of the ring; all but a few records of it is kept */
#define LEN 104u   /* of a record */
#define MOST_STEPS 400u
#define FOREVER (1ull << 60)
#define STACK (256u * 1024u)

enum { PRODUCER, CONSUMER, ENDS };

struct late {
	volatile void *at;
	uint64_t value;
	size_t size;
};

struct end {
	ucontext_t context;
	const volatile void *waits; /* in the futex here */
	bool over;
	struct late late[8]; /* stores that others do not see yet, oldest first */
	unsigned stored;
};

static struct end ends[ENDS];
static ucontext_t scheduler;
static unsigned running;

/* The choices of this execution, and of how many each was. */
static uint8_t chosen[MOST_STEPS], of[MOST_STEPS];
static unsigned step, known;
static unsigned deviations, most_deviations;
static unsigned long executions;

static uint8_t *stacks[ENDS];
static struct rn_ring_control *control;
static uint8_t *data;

/* One of `count`, the first by default. */
static unsigned choose(unsigned count)
{
	unsigned taken = 0;

	if (step == MOST_STEPS)
		check_failed(__FILE__, __LINE__, "no end is in sight: a loop without a wait");
	if (deviations == most_deviations)
		count = 1;
	if (step < known)
		taken = chosen[step];
	chosen[step] = (uint8_t)taken;
	of[step++] = (uint8_t)count;
	deviations += taken > 0;
	return taken;
}

static void write_to(volatile void *at, size_t size, uint64_t value)
{
	if (size == 4)
		*(volatile uint32_t *)at = (uint32_t)value;
	else
		*(volatile uint64_t *)at = value;
}

static void flush(struct end *end)
{
	for (unsigned i = 0; i < end->stored; i++)
		write_to(end->late[i].at, end->late[i].size, end->late[i].value);
	end->stored = 0;
}

/* Back to the scheduler, if the other end is to go on. */
static void point(void)
{
	const struct end *other = &ends[!running];

	if (!other->over && !other->waits && choose(2))
		swapcontext(&ends[running].context, &scheduler);
}

static uint64_t model_load(const volatile void *at, size_t size)
{
	const struct end *end;

	point();
	end = &ends[running];
	for (unsigned i = end->stored; i-- > 0;)
		if (end->late[i].at == at)
			return end->late[i].value;
	return size == 4 ? *(const volatile uint32_t *)at : *(const volatile uint64_t *)at;
}

static void model_store(volatile void *at, size_t size, uint64_t value, int order)
{
	struct end *end;

	point();
	end = &ends[running];
	if (order != memory_order_seq_cst && end->stored < 8 && choose(2)) {
		end->late[end->stored++] = (struct late){at, value, size};
		return;
	}
	flush(end);
	write_to(at, size, value);
}

static uint64_t model_exchange(volatile void *at, uint64_t value)
{
	uint64_t before;

	point();
	flush(&ends[running]);
	before = *(volatile uint32_t *)at;
	write_to(at, 4, value);
	return before;
}

static long model_futex(const volatile void *word, int op, uint32_t value)
{
	point();
	flush(&ends[running]);
	if (op == FUTEX_WAKE) {
		if (ends[!running].waits == word)
			ends[!running].waits = NULL;
		return 0;
	}
	if (*(const volatile uint32_t *)word != value)
		return -1;
	ends[running].waits = word;
	swapcontext(&ends[running].context, &scheduler);
	return 0;
}

/* --- what the two ends do ---------------------------------------------------------------- */

static unsigned records_wanted, slots;
static uint64_t first, threshold;
static unsigned consumed;

static struct rn_ring one_end(void)
{
	return (struct rn_ring){.control = control,
				.data = data,
				.size = SIZE,
				.head = first,
				.tail = first,
				.cached_tail = first,
				.reserve = SIZE - slots * (uint64_t)LEN,
				.fd = -1};
}

static void produce(void)
{
	struct rn_ring ring = one_end();

	for (unsigned n = 0; n < records_wanted; n++) {
		void *to;

		while (!(to = rn_ring_reserve(&ring, LEN, false)))
			CHECK(rn_ring_wait_room(&ring, LEN, false, FOREVER));
		record_begin(to, RN_CONTEXT, 1, 1)->seq = n;
		((struct rn_event *)to)->size = LEN;
		rn_ring_commit(&ring, LEN);
	}
	/* A producer has nothing more for a long while: what it has made is read all the same,
	   where the consumer waits for any record at all. */
	point();
	flush(&ends[PRODUCER]);
	while (threshold <= LEN && consumed < records_wanted) {
		ends[PRODUCER].waits = &consumed;
		swapcontext(&ends[PRODUCER].context, &scheduler);
	}
	rn_ring_close(&ring);
	flush(&ends[PRODUCER]);
	ends[PRODUCER].over = true;
}

static void consume(void)
{
	static _Alignas(8) uint8_t buf[RN_EVENT_MAX];
	struct rn_ring ring = one_end();
	unsigned n = 0;

	for (;;) {
		bool closed = rn_ring_closed(&ring);
		int64_t got = rn_ring_read(&ring, buf, sizeof(buf));

		CHECK(got >= 0 && got % LEN == 0);
		for (int64_t at = 0; at < got; at += LEN)
			CHECK_INT(((struct rn_event *)(buf + at))->seq, n++);
		consumed = n;
		if (ends[PRODUCER].waits == &consumed)
			ends[PRODUCER].waits = NULL;
		if (got == 0 && closed)
			break;
		if (got == 0)
			rn_ring_sleep(&ring, threshold, FOREVER);
	}
	CHECK_INT(n, records_wanted);
	flush(&ends[CONSUMER]);
	ends[CONSUMER].over = true;
}

static void begin(unsigned which, void (*run)(void))
{
	struct end *end = &ends[which];

	memset(end, 0, sizeof(*end));
	getcontext(&end->context);
	end->context.uc_stack.ss_sp = stacks[which];
	end->context.uc_stack.ss_size = STACK;
	end->context.uc_link = &scheduler;
	makecontext(&end->context, run, 0);
}

static void execute(void)
{
	memset(control, 0, RN_RING_CONTROL);
	control->head = control->tail = first;
	step = deviations = consumed = 0;
	begin(PRODUCER, produce);
	begin(CONSUMER, consume);
	running = CONSUMER;
	while (!ends[PRODUCER].over || !ends[CONSUMER].over) {
		running = !running;
		if (ends[running].over || ends[running].waits)
			running = !running;
		if (ends[running].over || ends[running].waits)
			check_failed(__FILE__, __LINE__, "a wake-up is lost (%s waits)",
				     ends[PRODUCER].over ? "the consumer" : "the producer");
		swapcontext(&scheduler, &ends[running].context);
	}
	executions++;
}

/* All executions: from the last choice that had another way on. */
static void explore(void)
{
	known = 0;
	do {
		execute();
		for (known = step; known && chosen[known - 1] + 1 >= of[known - 1]; known--)
			;
		if (known)
			chosen[known - 1]++;
	} while (known);
}

int main(void)
{
	static const uint64_t starts[] = {0, (1ull << 32) - 2 * LEN, 0 - 2ull * LEN};
	struct rn_ring ring = {.fd = memfd_create("model", MFD_CLOEXEC)};

#if defined(__SANITIZE_THREAD__)
	return 77; /* it does not follow coroutines; there is one thread only */
#endif
	most_deviations = test_scale() > 1 ? 5 : 3;
	CHECK(ring.fd >= 0 && ftruncate(ring.fd, RN_RING_CONTROL + SIZE) == 0);
	CHECK_INT(map_ring(&ring, SIZE), RN_RING_OK);
	control = ring.control;
	data = ring.data;
	for (unsigned i = 0; i < ENDS; i++)
		CHECK((stacks[i] = malloc(STACK)) != NULL);
	for (slots = 1; slots <= 3; slots++)
		for (unsigned at = 0; at < sizeof(starts) / sizeof(starts[0]); at++)
			for (threshold = 8; threshold <= 3ull * LEN; threshold += LEN) {
				first = starts[at];
				records_wanted = slots + 1;
				explore();
			}
	printf("%lu executions of the two ends\n", executions);
	for (unsigned i = 0; i < ENDS; i++)
		free(stacks[i]);
	rn_ring_deinit(&ring);
	return check_done();
}
