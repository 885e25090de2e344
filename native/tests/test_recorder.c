/* SPDX-License-Identifier: MIT */
/* The flight recorder in a run: what goes out, when, and what is counted; on two outputs at once. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "records.h"
#include "renacer/api.h"
#include "renacer/ring.h"
#include "taken.h"

#define LONG_MS 100000

static uint64_t seq;

static rn_run *begin(uint64_t keep, int held)
{
	const rn_config config = {
		.outputs = RN_OUT_OTLP | RN_OUT_JSON | (held ? RN_OUT_RECORD : 0),
		.string_limit = 32,
		.block_limit_ns = 100000000000u,
		.ring_bytes = RN_RING_MIN,
		.queue_bytes = 1, /* none of what goes out is dropped for that */
		.max_trace_spans = 16,
		.fed = 1,
		.trace_id = {1},
		.trace_flags = 3,
		.id_key = {1, 2},
		.tracestate = "",
		.flight = keep,
		.flight_held = held,
	};
	rn_failure fail;
	rn_run *run = rn_run_new(&config, &fail);

	CHECK(run);
	CHECK_INT(rn_run_start(run, &fail), 0);
	seq = 1;
	return run;
}

static void feed(rn_run *run, struct rn_event *ev)
{
	ev->abi = RN_ABI_X86_64;
	ev->seq = seq;
	ev->t0 = ev->t1 = 1000 + 10 * seq;
	seq += ev->kind == RN_SYSCALL ? 2 : 1;
	CHECK_INT(rn_run_feed(run, ev, ev->size), 0);
}

static void start(rn_run *run, int32_t pid, uint64_t ordinal, int32_t parent)
{
	_Alignas(8) uint8_t bytes[RN_EVENT_HEADER];
	struct rn_event *ev = record_begin(bytes, RN_PROCESS_START, pid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = (uint64_t)parent;
	ev->args[2] = (uint64_t)parent;
	feed(run, ev);
}

static void call(rn_run *run, int32_t pid)
{
	_Alignas(8) uint8_t bytes[RN_EVENT_HEADER];
	struct rn_event *ev = record_begin(bytes, RN_SYSCALL, pid, pid);

	ev->nr = 39; /* getpid */
	ev->result = pid;
	feed(run, ev);
}

static void exits(rn_run *run, int32_t pid, int status)
{
	_Alignas(8) uint8_t bytes[RN_EVENT_HEADER];
	struct rn_event *ev = record_begin(bytes, RN_EXIT, pid, pid);

	ev->args[1] = (uint64_t)status;
	ev->args[2] = 1;
	feed(run, ev);
}

struct reader {
	rn_run *run;
	uint64_t spans;
};

static void *read_json(void *arg)
{
	struct reader *reader = arg;

	reader->spans = spans_taken(reader->run, RN_OUT_JSON, LONG_MS);
	return NULL;
}

/* All spans, of both forms alike. */
static uint64_t finish(rn_run *run, rn_stats *stats)
{
	struct reader json = {.run = run};
	rn_result result;
	pthread_t thread;
	uint64_t spans;

	CHECK_INT(pthread_create(&thread, NULL, read_json, &json), 0);
	spans = spans_taken(run, RN_OUT_OTLP, LONG_MS);
	pthread_join(thread, NULL);
	while (!rn_run_wait(run, LONG_MS, &result))
		;
	rn_run_stats(run, stats);
	CHECK_INT(json.spans, spans);
	CHECK_INT(stats->spans, spans);
	CHECK_INT(stats->dropped_spans, 0);
	rn_run_free(run);
	return spans;
}

static void test_all_is_well(void)
{
	rn_run *run = begin(10, 0);
	rn_stats stats;

	start(run, 7, 1, 0);
	for (unsigned i = 0; i < 300; i++)
		call(run, 7);
	exits(run, 7, 0);
	rn_run_feed_end(run, 0, 0, 0);
	CHECK_INT(finish(run, &stats), 0);
	CHECK_INT(stats.kept, 10);
	CHECK_INT(stats.omitted, 290);
	CHECK_INT(stats.flown, 0);
	CHECK_INT(stats.why, 0);
	CHECK_INT(stats.calls, 300);
}

/* A child crashes in the middle, the command ends badly: two windows. */
static void test_crash_and_failure(void)
{
	rn_run *run = begin(10, 0);
	rn_stats stats;
	uint64_t spans;

	start(run, 7, 1, 0);
	for (unsigned i = 0; i < 100; i++)
		call(run, 7);
	start(run, 8, 2, 7);
	for (unsigned i = 0; i < 5; i++)
		call(run, 8);
	exits(run, 8, SIGSEGV);
	for (unsigned i = 0; i < 100; i++)
		call(run, 7);
	exits(run, 7, 3 << 8);
	rn_run_feed_end(run, 3 << 8, 0, 0);
	spans = finish(run, &stats);
	CHECK_INT(stats.flown, 20);
	CHECK_INT(stats.omitted, 185);
	CHECK_INT(stats.kept, 0);
	CHECK_INT(stats.why, RN_FLOWN_CRASHED | RN_FLOWN_FAILED);
	/* Calls, two processes, the run; of each part with calls a root, and a copy or two. */
	CHECK(spans >= 23 + 2 && spans <= 23 + 4 * 3);
}

static void test_judged(int violated)
{
	rn_run *run = begin(10, 1);
	rn_stats stats;

	start(run, 7, 1, 0);
	for (unsigned i = 0; i < 12; i++)
		call(run, 7);
	exits(run, 7, 0);
	rn_run_feed_end(run, 0, 0, 0);
	/* All records are there before anybody judges. */
	CHECK_INT(spans_taken(run, RN_OUT_RECORD, LONG_MS), 14);
	rn_run_judge(run, violated);
	CHECK(violated ? finish(run, &stats) >= 12 : finish(run, &stats) == 0);
	CHECK_INT(stats.why, violated ? RN_FLOWN_VIOLATED : 0);
	CHECK_INT(stats.flown, violated ? 10 : 0);
}

static void test_asked(void)
{
	rn_run *run = begin(10, 0);
	rn_block block;
	rn_stats stats;
	uint64_t before;

	start(run, 7, 1, 0);
	for (unsigned i = 0; i < 4; i++)
		call(run, 7);
	do
		rn_run_stats(run, &stats);
	while (stats.kept < 4);
	rn_run_fly(run, RN_FLOWN_ASKED);
	CHECK_INT(rn_block_take(run, RN_OUT_OTLP, LONG_MS, &block), 1);
	before = block.spans;
	rn_block_release(run, RN_OUT_OTLP, &block);
	CHECK_INT(before, 4);
	CHECK_INT(rn_block_take(run, RN_OUT_JSON, LONG_MS, &block), 1);
	CHECK_INT(block.spans, 4);
	rn_block_release(run, RN_OUT_JSON, &block);
	call(run, 7);
	exits(run, 7, 0);
	rn_run_feed_end(run, 0, 0, 0);
	/* The process and the run; the last call is nobody's wish. */
	CHECK_INT(spans_taken(run, RN_OUT_OTLP, LONG_MS), 2);
	CHECK_INT(spans_taken(run, RN_OUT_JSON, LONG_MS), 2);
	rn_run_stats(run, &stats);
	CHECK_INT(stats.kept, 1);
	CHECK_INT(stats.flown, 4);
	CHECK_INT(stats.why, RN_FLOWN_ASKED);
	rn_run_free(run);
}

/* Whoever holds the run may go without a word. */
static void test_freed_before_it_is_judged(void)
{
	rn_run *run = begin(10, 1);

	start(run, 7, 1, 0);
	call(run, 7);
	exits(run, 7, 0);
	rn_run_feed_end(run, 0, 0, 0);
	rn_run_free(run);
}

int main(void)
{
	alarm(120 * test_scale()); /* a wait that nobody ends is a failure */
	test_all_is_well();
	test_crash_and_failure();
	test_judged(0);
	test_judged(1);
	test_asked();
	test_freed_before_it_is_judged();
	return check_done();
}
