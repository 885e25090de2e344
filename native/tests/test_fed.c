/* SPDX-License-Identifier: MIT */
/* Runs whose records come from another engine: what is taken, what is refused, how they end. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "records.h"
#include "renacer/api.h"
#include "renacer/ring.h"

#define LONG_MS 100000
#define NO_LIMIT 100000000000u

static rn_run *fed(int on_full, uint64_t limit_ns)
{
	rn_config config = {
		.outputs = RN_OUT_RECORD,
		.string_limit = 32,
		.on_full = on_full,
		.block_limit_ns = limit_ns,
		.ring_bytes = RN_RING_MIN,
		.queue_bytes = 4096,
		.fed = 1,
		.trace_id = {1},
		.trace_flags = 1,
		.id_key = {1, 2},
	};
	rn_failure fail;
	rn_run *run = rn_run_new(&config, &fail);

	CHECK(run);
	CHECK_INT(rn_run_start(run, &fail), 0);
	return run;
}

/* getpid() of thread 7, at its place in the order. */
static struct rn_event *call(void *bytes, uint64_t seq)
{
	struct rn_event *ev = record_begin(bytes, RN_SYSCALL, 7, 7);

	ev->abi = RN_ABI_X86_64;
	ev->nr = 39;
	ev->seq = seq;
	ev->t0 = ev->t1 = seq;
	ev->result = 7;
	return ev;
}

static rn_stats ended(rn_run *run, int *status)
{
	rn_result result;
	rn_stats stats;

	while (!rn_run_wait(run, LONG_MS, &result))
		;
	CHECK(result.ended);
	*status = result.wait_status;
	rn_run_stats(run, &stats);
	return stats;
}

/* Every record comes out as it went in, from any address, and the end says what it was told. */
static void test_records_come_out(void)
{
	_Alignas(8) uint8_t bytes[RN_EVENT_HEADER + 1];
	uint64_t seen = 0;
	rn_run *run = fed(RN_ON_FULL_BLOCK, NO_LIMIT);
	rn_block block;
	rn_stats stats;
	int status;

	for (uint64_t seq = 1; seq < 200; seq += 2) {
		call(bytes, seq);
		memmove(bytes + 1, bytes, RN_EVENT_HEADER);
		CHECK_INT(rn_run_feed(run, bytes + 1, RN_EVENT_HEADER), 0);
	}
	rn_run_feed_end(run, 3 << 8, 42, 1234);
	rn_run_feed_end(run, 9, 9, 9); /* the first word counts */
	while (rn_block_take(run, RN_OUT_RECORD, LONG_MS, &block) == 1) {
		const uint8_t *at = block.data;

		for (uint64_t left = block.len; left; seen++) {
			const struct rn_event *ev = (const void *)at;

			CHECK_INT(rn_event_check(ev, left), RN_EVENT_HEADER);
			CHECK_INT(ev->seq, 1 + 2 * seen);
			at += ev->size;
			left -= ev->size;
		}
		rn_block_release(run, RN_OUT_RECORD, &block);
	}
	CHECK_INT(seen, 100);
	stats = ended(run, &status);
	CHECK_INT(status, 3 << 8);
	CHECK_INT(stats.calls, 100);
	CHECK_INT(stats.stops, 42);
	CHECK_INT(stats.tracer_ns, 1234);
	rn_run_free(run);
}

static void test_what_is_no_record_is_refused(void)
{
	_Alignas(8) static uint8_t bytes[RN_EVENT_MAX + 8];
	rn_run *run = fed(RN_ON_FULL_BLOCK, NO_LIMIT);
	struct rn_event *ev = call(bytes, 1);
	rn_stats stats;
	int status;

	CHECK_INT(rn_run_feed(run, bytes, 0), -EINVAL);
	CHECK_INT(rn_run_feed(run, bytes, RN_EVENT_HEADER - 8), -EINVAL);
	CHECK_INT(rn_run_feed(run, bytes, RN_EVENT_HEADER + 4), -EINVAL);
	CHECK_INT(rn_run_feed(run, bytes, RN_EVENT_MAX + 8), -EINVAL);
	CHECK_INT(rn_run_feed(run, bytes, RN_EVENT_HEADER + 8), -EINVAL); /* longer than it says */
	ev->size = RN_EVENT_HEADER + 64;
	CHECK_INT(rn_run_feed(run, bytes, RN_EVENT_HEADER), -EINVAL); /* shorter */
	call(bytes, 1)->kind = 255;
	CHECK_INT(rn_run_feed(run, bytes, RN_EVENT_HEADER), -EINVAL);
	call(bytes, 1)->pieces = 3;
	CHECK_INT(rn_run_feed(run, bytes, RN_EVENT_HEADER), -EINVAL);
	/* None of them is in the way of one that is. */
	call(bytes, 1);
	CHECK_INT(rn_run_feed(run, bytes, RN_EVENT_HEADER), 0);
	rn_run_feed_end(run, 0, 0, 0);
	CHECK_INT(rn_run_feed(run, bytes, RN_EVENT_HEADER), -EINVAL);
	rn_run_give_up(run);
	stats = ended(run, &status);
	CHECK_INT(stats.calls, 1);
	rn_run_free(run);
}

/* Nobody takes the blocks: the ring fills up, and whoever feeds is told, by either policy. */
static void test_a_full_ring_is_told(int on_full)
{
	_Alignas(8) uint8_t bytes[RN_EVENT_HEADER];
	uint64_t seq = 1, refused = 0, fit = 0;
	rn_run *run = fed(on_full, 10000000);

	while (refused < 3) {
		int result;

		call(bytes, seq);
		result = rn_run_feed(run, bytes, RN_EVENT_HEADER);
		CHECK(result == 0 || result == -ENOBUFS);
		refused += result < 0;
		fit += result == 0;
		seq += 2;
	}
	CHECK(fit > 100);
	rn_run_free(run); /* ends what was never said to end */
}

/* One that is not fed takes nothing. */
static void test_others_take_no_records(void)
{
	_Alignas(8) uint8_t bytes[RN_EVENT_HEADER];
	rn_config config = {
		.outputs = RN_OUT_RECORD,
		.block_limit_ns = NO_LIMIT,
		.ring_bytes = RN_RING_MIN,
		.trace_id = {1},
		.id_key = {1, 2},
	};
	rn_failure fail;
	rn_run *run = rn_run_new(&config, &fail);

	CHECK(run);
	call(bytes, 1);
	CHECK_INT(rn_run_feed(run, bytes, RN_EVENT_HEADER), -EINVAL);
	rn_run_free(run);
}

int main(void)
{
	alarm(120 * test_scale()); /* a wait that nobody ends is a failure */
	test_records_come_out();
	test_what_is_no_record_is_refused();
	test_a_full_ring_is_told(RN_ON_FULL_DROP);
	test_a_full_ring_is_told(RN_ON_FULL_BLOCK);
	test_others_take_no_records();
	return check_done();
}
