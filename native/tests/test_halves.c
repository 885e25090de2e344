/* SPDX-License-Identifier: MIT */
/* A run in two halves, on one ring: what one puts in, the other makes spans of, whoever dies. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "records.h"
#include "renacer/api.h"
#include "renacer/ring.h"
#include "taken.h"

#define LONG_MS 100000

static rn_config config_of(int side)
{
	return (rn_config){
		.outputs = RN_OUT_OTLP,
		.string_limit = 32,
		.on_full = RN_ON_FULL_DROP,
		.ring_bytes = RN_RING_MIN,
		.queue_bytes = 1u << 24,
		.fed = 1,
		.trace_id = {1},
		.trace_flags = 1,
		.id_key = {1, 2},
		.side = side,
	};
}

static rn_run *producer(void)
{
	rn_config config = config_of(RN_SIDE_PRODUCER);
	rn_failure fail;
	rn_run *run = rn_run_new(&config, &fail);

	CHECK(run);
	CHECK_INT(rn_run_start(run, &fail), 0);
	return run;
}

static rn_run *consumer(int fd, int resumed)
{
	rn_config config = config_of(RN_SIDE_CONSUMER);
	rn_failure fail;
	rn_run *run;

	config.ring_fd = fd;
	config.resumed = resumed;
	run = rn_run_new(&config, &fail);
	CHECK(run);
	CHECK_INT(rn_run_start(run, &fail), 0);
	return run;
}

static void feed_of(rn_run *run, int32_t tid, uint64_t first, unsigned calls)
{
	_Alignas(8) uint8_t bytes[RN_EVENT_HEADER];

	for (unsigned i = 0; i < calls; i++) {
		struct rn_event *ev = record_begin(bytes, RN_SYSCALL, tid, tid);

		ev->abi = RN_ABI_X86_64;
		ev->nr = 39;
		ev->seq = first + 2 * i;
		ev->t0 = ev->t1 = ev->seq;
		CHECK_INT(rn_run_feed(run, ev, RN_EVENT_HEADER), 0);
	}
}

static void feed(rn_run *run, uint64_t first, unsigned calls)
{
	feed_of(run, 7, first, calls);
}

static rn_stats ended(rn_run *run)
{
	rn_result result;
	rn_stats stats;

	while (!rn_run_wait(run, LONG_MS, &result))
		;
	rn_run_stats(run, &stats);
	return stats;
}

static void until_taken(rn_run *run, uint64_t spans)
{
	while (rn_run_taken(run) < spans)
		usleep(1000);
}

/* The run, the process that no record announced, and the calls. */
static void test_both_halves_make_one_run(void)
{
	rn_run *from = producer(), *to = consumer(rn_run_ring(from), 0);
	rn_stats stats;

	feed(from, 1, 100);
	rn_run_feed_end(from, 0, 5, 6);
	stats = ended(to);
	CHECK_INT(stats.calls, 100);
	CHECK_INT(stats.spans, 102);
	CHECK_INT(spans_taken(to, RN_OUT_OTLP, LONG_MS), 102);
	CHECK_INT(stats.lost_calls, 0);
	ended(from);
	CHECK_INT(rn_run_taken(from), 102 - 2);
	rn_run_free(to);
	rn_run_free(from);
}

/* A producer that dies has not closed the ring. */
static void test_dead_producer(void)
{
	rn_run *from = producer(), *to = consumer(rn_run_ring(from), 0);

	feed(from, 1, 10);
	rn_run_cut(to);
	CHECK_INT(ended(to).calls, 10);
	CHECK_INT(spans_taken(to, RN_OUT_OTLP, LONG_MS), 12);
	rn_run_free(to);
	rn_run_free(from);
}

/* What one consumer leaves the next has, once; nobody's root is made twice. */
static void test_ring_changes_hands(void)
{
	rn_run *from = producer(), *first = consumer(rn_run_ring(from), 0), *second;
	uint64_t spans, calls, events;

	feed(from, 1, 10);
	until_taken(from, 10);
	rn_run_leave(first);
	ended(first);
	spans = spans_taken(first, RN_OUT_OTLP, LONG_MS);
	CHECK_INT(spans, 10); /* neither process nor run have ended */
	rn_run_free(first);

	feed(from, 21, 7);
	second = consumer(rn_run_ring(from), 1);
	rn_run_feed_end(from, 0, 0, 0);
	ended(second);
	CHECK_INT(spans_taken(second, RN_OUT_OTLP, LONG_MS), 7 + 2);
	CHECK_INT(rn_run_unread(from, &calls, &events), 0);
	CHECK_INT(calls, 0);
	rn_run_free(second);
	rn_run_free(from);
}

/* A call whose entry another had is no call of ours, and is counted. */
static void test_open_call_over_the_change(void)
{
	_Alignas(8) uint8_t bytes[RN_EVENT_HEADER];
	rn_run *from = producer(), *first = consumer(rn_run_ring(from), 0), *second;
	struct rn_event *ev = record_begin(bytes, RN_SYSCALL_ENTER, 7, 7);
	rn_stats stats;

	feed(from, 1, 1);
	ev->abi = RN_ABI_X86_64;
	ev->nr = 39;
	ev->seq = 3;
	CHECK_INT(rn_run_feed(from, ev, RN_EVENT_HEADER), 0);
	feed_of(from, 8, 4, 1);
	until_taken(from, 2);
	rn_run_leave(first);
	ended(first);
	rn_run_free(first);
	ev->kind = RN_SYSCALL_EXIT;
	ev->seq = 6;
	CHECK_INT(rn_run_feed(from, ev, RN_EVENT_HEADER), 0);
	second = consumer(rn_run_ring(from), 1);
	rn_run_feed_end(from, 0, 0, 0);
	stats = ended(second);
	CHECK_INT(stats.lost_calls, 1);
	CHECK_INT(spans_taken(second, RN_OUT_OTLP, LONG_MS), 2);
	rn_run_free(second);
	rn_run_free(from);
}

/* Who comes late, when another was asked meanwhile, reads nothing. */
static void test_whose_turn_it_is(void)
{
	rn_run *from = producer(), *late, *now;
	rn_config config = config_of(RN_SIDE_CONSUMER);
	rn_failure fail;

	feed(from, 1, 5);
	rn_run_offer(from, 2);
	config.ring_fd = rn_run_ring(from);
	config.turn = 1;
	late = rn_run_new(&config, &fail);
	CHECK_INT(rn_run_start(late, &fail), 0);
	CHECK_INT(ended(late).spans, 0);
	CHECK_INT(spans_taken(late, RN_OUT_OTLP, LONG_MS), 0);
	config.turn = 2;
	now = rn_run_new(&config, &fail);
	CHECK_INT(rn_run_start(now, &fail), 0);
	rn_run_feed_end(from, 0, 0, 0);
	ended(now);
	CHECK_INT(spans_taken(now, RN_OUT_OTLP, LONG_MS), 5 + 2);
	rn_run_free(late);
	rn_run_free(now);
	rn_run_free(from);
}

static rn_run *holder(rn_run *from, uint64_t turn)
{
	rn_config config = config_of(RN_SIDE_CONSUMER);
	rn_failure fail;
	rn_run *run;

	rn_run_offer(from, turn);
	config.ring_fd = rn_run_ring(from);
	config.holds = config.otlp_waits = 1;
	config.batch_age_ns = 1;
	config.turn = turn;
	config.resumed = turn > 1;
	run = rn_run_new(&config, &fail);
	CHECK(run);
	CHECK_INT(rn_run_start(run, &fail), 0);
	return run;
}

/* One that dies has had what it made; the next one makes again what of it nobody says is safe. */
static void test_what_is_not_safe_stays_in_the_ring(void)
{
	rn_run *from = producer(), *first = holder(from, 1), *second;
	rn_block block, unsafe;

	feed(from, 1, 10);
	CHECK_INT(rn_block_take(first, RN_OUT_OTLP, LONG_MS, &block), 1);
	CHECK_INT(rn_run_taken(from), 0);
	rn_block_release(first, RN_OUT_OTLP, &block);
	until_taken(from, 10);
	feed(from, 21, 7);
	CHECK_INT(rn_block_take(first, RN_OUT_OTLP, LONG_MS, &unsafe), 1);
	CHECK_INT(unsafe.spans, 7);

	second = holder(from, 2);
	/* Too late: the ring is another's. */
	rn_block_release(first, RN_OUT_OTLP, &unsafe);
	rn_run_feed_end(from, 0, 0, 0);
	CHECK_INT(spans_taken(second, RN_OUT_OTLP, LONG_MS), 7 + 2);
	ended(second);
	rn_run_free(first);
	rn_run_free(second);
	rn_run_free(from);
}

/* What was made and found nobody is not given up with the consumer. */
static void test_what_nobody_takes_stays_in_the_ring(void)
{
	rn_run *from = producer(), *first = holder(from, 1), *second;
	uint64_t calls, events;

	feed(from, 1, 10);
	rn_run_free(first);
	CHECK_INT(rn_run_taken(from), 0);
	second = holder(from, 2);
	rn_run_feed_end(from, 0, 0, 0);
	CHECK_INT(spans_taken(second, RN_OUT_OTLP, LONG_MS), 10 + 2);
	ended(second);
	CHECK_INT(rn_run_unread(from, &calls, &events), 0);
	CHECK_INT(calls, 0);
	rn_run_free(second);
	rn_run_free(from);
}

/* A ring that is full of what is held is emptied all the same. */
static void test_a_held_ring_does_not_stall(void)
{
	rn_run *from = producer(), *to = holder(from, 1);
	unsigned calls = 3 * RN_RING_MIN / RN_EVENT_HEADER;
	uint64_t spans = 0;
	rn_block block;

	for (unsigned i = 0; i < calls; i += 100) {
		feed(from, 1 + 2 * i, 100);
		/* A sixth of the ring may be on its way. */
		while (rn_run_taken(from) + 900 < i) {
			CHECK_INT(rn_block_take(to, RN_OUT_OTLP, LONG_MS, &block), 1);
			spans += block.spans;
			rn_block_release(to, RN_OUT_OTLP, &block);
		}
	}
	rn_run_feed_end(from, 0, 0, 0);
	spans += spans_taken(to, RN_OUT_OTLP, LONG_MS);
	CHECK_INT(spans, ended(to).calls + 2);
	rn_run_free(to);
	rn_run_free(from);
}

static void test_what_nobody_reads_is_counted(void)
{
	rn_run *from = producer();
	uint64_t calls, events;

	feed(from, 1, 33);
	rn_run_feed_end(from, 0, 0, 0);
	ended(from);
	CHECK_INT(rn_run_unread(from, &calls, &events), 0);
	CHECK_INT(calls, 33);
	CHECK_INT(events, 66);
	rn_run_free(from);
}

static void refused(int fd, int err)
{
	rn_config config = config_of(RN_SIDE_CONSUMER);
	rn_failure fail;

	config.ring_fd = fd;
	CHECK(!rn_run_new(&config, &fail));
	CHECK_INT(fail.code, RN_FAIL_RING);
	if (err)
		CHECK_INT(fail.err, err);
}

static void test_what_is_no_ring_is_refused(void)
{
	int pipes[2], fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK_INT(ftruncate(fd, RN_RING_CONTROL + RN_RING_MIN), 0);
	refused(fd, 0);
	CHECK_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	refused(fd, 0); /* it has no header */
	close(fd);
	CHECK_INT(pipe(pipes), 0);
	refused(pipes[0], 0);
	close(pipes[0]);
	close(pipes[1]);
	refused(-1, EBADF);
}

/* Damage without end is the end. */
static void test_hostile_producer(void)
{
	struct rn_ring ring;
	rn_run *to;

	CHECK_INT(rn_ring_create(&ring, RN_RING_MIN), RN_RING_OK);
	to = consumer(ring.fd, 0);
	for (uint64_t head = 1;; head += 3) {
		rn_result result;

		atomic_store(&ring.control->head, head << 20);
		rn_ring_wake(&ring);
		if (rn_run_wait(to, 0, &result))
			break;
	}
	CHECK(ended(to).corrupt > 100);
	rn_run_free(to);
	rn_ring_deinit(&ring);
}

int main(void)
{
	test_both_halves_make_one_run();
	test_dead_producer();
	test_ring_changes_hands();
	test_open_call_over_the_change();
	test_whose_turn_it_is();
	test_what_is_not_safe_stays_in_the_ring();
	test_what_nobody_takes_stays_in_the_ring();
	test_a_held_ring_does_not_stall();
	test_what_nobody_reads_is_counted();
	test_what_is_no_ring_is_refused();
	test_hostile_producer();
	return check_done();
}
