/* SPDX-License-Identifier: MIT */
/*
 * The interpreter with records missing, ids used again, and records in no order at
 * all: no call without its parent, nothing told twice, and the sums are right.
 */
#include "world.h"

static struct world w;

static uint64_t id(uint64_t counter)
{
	return rn_id_of(&w.key, counter);
}

static void test_gap(void)
{
	struct rn_event *ev;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_call(&w, 7, 7, "getpid", 7);
	ev = world_next(&w, RN_GAP, 0, 0);
	ev->args[0] = 12; /* five calls whole, an exit, a signal */
	ev->args[1] = 5;
	ev->args[2] = 1;
	ev->args[3] = 1;
	world_feed(&w);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	CHECK_INT(w.ngaps, 1);
	CHECK_INT(w.nprocesses, 1); /* a gap is nobody's */
	CHECK_INT(w.run.totals.events, 1 + 2 + 1);
	CHECK_INT(w.run.totals.lost_events, 12);
	CHECK_INT(w.run.totals.lost_calls, 5);
	CHECK_INT(w.run.totals.calls, 6);
	CHECK_INT(w.run.totals.spans, 1 + 1 + 1);
	world_close(&w);
}

/* The first that is heard of a process is a call, a signal, an exec or the end of a call. */
static void test_lost_start(void)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		const struct rn_process *process = NULL;
		struct rn_event *ev;
		uint64_t seq;

		world_open(&w);
		world_start(&w, 7, 7, 1, 0, 0);
		if (kind == 0)
			world_call(&w, 8, 8, "getpid", 8);
		else if (kind == 1)
			world_exec(&w, 8, 8, "/bin/a", RN_CONTEXT_OURS, NULL);
		else if (kind == 2)
			world_return(&w, 8, 8, "read", 1);
		else {
			ev = world_next(&w, RN_SIGNAL, 8, 8);
			ev->nr = 15;
			world_feed(&w);
		}
		CHECK_INT(w.live, 2);
		seq = world_call(&w, 8, 8, "getpid", 8);
		world_exit(&w, 8, 8, 0);
		CHECK_INT(w.live, 1);
		world_exit(&w, 7, 7, 0);
		world_finish(&w);
		CHECK_INT(w.nprocesses, 2);
		process = &w.processes[0].pub;
		CHECK_INT(process->pid, 8);
		CHECK(process->parent_span_id == id(RN_ID_RUN));
		CHECK(process->ctx.span_id == world_find_call(&w, seq)->call.parent_span_id);
		CHECK(process->ctx.span_id != id(RN_ID_RUN | 1));
		CHECK(process->ended);
		CHECK(process->t_start != 0);
		CHECK(process->lamport_start > WORLD_SEED + 1);
		CHECK(process->lamport_end > process->lamport_start);
		CHECK(world_find_call(&w, seq)->call.lamport_start > process->lamport_start);
		CHECK_INT(w.run.totals.processes, 2);
		CHECK_INT(w.run.totals.threads, 2);
		CHECK_INT(w.run.totals.signals, kind == 3);
		world_close(&w);
	}
}

/* A thread whose start was lost belongs to its leader's process. */
static void test_lost_start_of_a_thread(void)
{
	uint64_t seq;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	seq = world_call(&w, 8, 7, "getpid", 7);
	world_exit(&w, 8, 7, 0);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	CHECK_INT(w.nprocesses, 1);
	CHECK(world_find_call(&w, seq)->call.parent_span_id == id(RN_ID_RUN | 1));
	CHECK_INT(w.run.totals.processes, 1);
	CHECK_INT(w.run.totals.threads, 2);
	world_close(&w);
}

static void test_lost_entry(void)
{
	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_return(&w, 7, 7, "read", 1);
	world_enter(&w, 7, 7, "read");
	world_return(&w, 7, 7, "write", 1); /* of a later call, whose entry was lost */
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	CHECK_INT(w.ncalls, 1);
	CHECK(w.calls[0].call.flags & RN_FLAG_UNFINISHED);
	CHECK_STR(w.calls[0].call.desc->name, "read");
	CHECK_INT(w.run.totals.calls, 1);
	world_close(&w);
}

/* The kernel gives the pid of a process that is gone to a new one. */
static void test_pid_used_again(void)
{
	uint64_t first, second;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_start(&w, 8, 8, 2, 7, 7);
	first = world_call(&w, 8, 8, "getpid", 8);
	world_exit(&w, 8, 8, 0);
	world_start(&w, 8, 8, 3, 7, 7);
	second = world_call(&w, 8, 8, "getpid", 8);
	world_exit(&w, 8, 8, 0);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	CHECK_INT(w.nprocesses, 3);
	CHECK(world_find_call(&w, first)->call.parent_span_id == id(RN_ID_RUN | 2));
	CHECK(world_find_call(&w, second)->call.parent_span_id == id(RN_ID_RUN | 3));
	CHECK_INT(world_process(&w, 2)->pub.calls, 1);
	CHECK_INT(world_process(&w, 3)->pub.calls, 1);
	world_close(&w);
}

/* The same, but the record of the first one's end was lost. */
static void test_pid_used_again_after_a_lost_exit(void)
{
	uint64_t first, open, second;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_start(&w, 8, 8, 2, 7, 7);
	first = world_call(&w, 8, 8, "getpid", 8);
	open = world_enter(&w, 8, 8, "read");
	world_start(&w, 8, 8, 3, 7, 7);
	second = world_call(&w, 8, 8, "getpid", 8);
	world_exit(&w, 8, 8, 5 << 8);
	world_finish(&w);
	CHECK_INT(w.nprocesses, 3);
	CHECK(!world_process(&w, 2)->pub.ended);
	CHECK(world_process(&w, 3)->pub.ended);
	CHECK_INT(world_process(&w, 3)->pub.wait_status, 5 << 8);
	CHECK(world_find_call(&w, first)->call.parent_span_id == id(RN_ID_RUN | 2));
	CHECK(world_find_call(&w, open)->call.parent_span_id == id(RN_ID_RUN | 2));
	CHECK(world_find_call(&w, open)->call.flags & RN_FLAG_UNFINISHED);
	CHECK(world_find_call(&w, second)->call.parent_span_id == id(RN_ID_RUN | 3));
	world_close(&w);
}

/* A thread whose end was lost outlives its process here; its id then serves another. */
static void test_thread_left_behind(void)
{
	uint64_t first, second;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_start(&w, 8, 8, 2, 7, 7);
	world_start(&w, 9, 8, 2, 8, 8);
	first = world_call(&w, 9, 8, "getpid", 8);
	world_exit(&w, 8, 8, 0);
	CHECK_INT(w.nprocesses, 1);
	second = world_call(&w, 9, 9, "getpid", 9); /* its start was lost as well */
	world_exit(&w, 9, 9, 0);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	CHECK_INT(w.nprocesses, 3);
	CHECK(world_find_call(&w, first)->call.parent_span_id == id(RN_ID_RUN | 2));
	CHECK(world_find_call(&w, second)->call.parent_span_id != id(RN_ID_RUN | 2));
	world_find_process(&w, world_find_call(&w, second)->call.parent_span_id);
	world_close(&w);
}

/* Threads and no word of their process's end: its span ends with the last of them. */
static void test_lost_end_of_a_process(void)
{
	uint64_t seq;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	seq = world_call(&w, 9, 8, "getpid", 8); /* of process 8, unheard of */
	world_exit(&w, 9, 8, 0);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	CHECK_INT(w.nprocesses, 2);
	CHECK(!world_find_process(&w, world_find_call(&w, seq)->call.parent_span_id)->pub.ended);
	world_close(&w);
}

static const char *const names[] = {"read",   "write",  "fork",       "clone", "wait4",
				    "waitid", "execve", "exit_group", "futex"};
static const char *const contexts[] = {"00-0102030405060708090a0b0c0d0e0f10-00000000deadbeef-01",
				       "00-x", "",
				       "00-0102030405060708090a0b0c0d0e0f10-0000000000000000-01"};

/* A record of any kind about few ids; ordinals and seq are new each time, as an engine's are. */
static void random_record(struct rng *rng, uint64_t *ordinals)
{
	int32_t tid = (int32_t)rng_below(rng, 12), pid = rng_below(rng, 3) ? tid : 0;
	struct rn_event *ev;
	uint8_t bytes[128];

	if (pid == 0)
		pid = (int32_t)rng_below(rng, 12);
	ev = world_next(&w, (enum rn_kind)(1 + rng_below(rng, RN_GAP)), tid, pid);
	ev->t0 = rng_below(rng, 50) ? w.now : rng_next(rng);
	ev->t1 = rng_below(rng, 50) ? w.now + rng_below(rng, 9) : rng_next(rng) >> 2;
	ev->flags = (uint16_t)(rng_below(rng, 4) ? 0 : rng_next(rng));
	for (unsigned i = 0; i < 6; i++)
		ev->args[i] = rng_below(rng, 3) ? rng_below(rng, 12) : rng_next(rng);
	switch (ev->kind) {
	case RN_SYSCALL:
		w.seq++;
		/* fall through */
	case RN_SYSCALL_ENTER:
	case RN_SYSCALL_EXIT:
		ev->abi = (uint8_t)(rng_below(rng, 8) ? RN_ABI_X86_64 : rng_below(rng, 6));
		ev->nr = rn_syscall_number(RN_ABI_X86_64, names[rng_below(rng, 9)]);
		if (rng_below(rng, 16) == 0)
			ev->nr = (int32_t)rng_next(rng);
		ev->result = rng_below(rng, 8) ? rng_below(rng, 14) - 1 : (int64_t)rng_next(rng);
		break;
	case RN_PROCESS_START:
		ev->args[0] = ++*ordinals;
		break;
	case RN_EXEC:
		if (rng_below(rng, 2))
			ev->args[2] = RN_CONTEXT_FOREIGN;
		break;
	case RN_EXIT:
		ev->args[2] = rng_below(rng, 2);
		break;
	case RN_GAP:
		for (unsigned i = 0; i < 6; i++)
			ev->args[i] = rng_below(rng, 10);
		break;
	default:
		break;
	}
	for (unsigned n = rng_below(rng, 4); n > 0; n--) {
		const char *context = contexts[rng_below(rng, 4)];
		uint32_t len = rng_below(rng, sizeof(bytes));

		for (uint32_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)(rng_below(rng, 2) ? 0 : rng_next(rng));
		if (ev->kind == RN_EXEC && rng_below(rng, 2))
			record_piece(ev, RN_PIECE_CONTEXT, RN_PIECE_NO_ARG, 0, context,
				     (uint32_t)strlen(context));
		else
			record_piece(ev, (enum rn_piece_type)rng_below(rng, 13), rng_below(rng, 8),
				     rng_below(rng, 8), bytes, len);
	}
	world_feed(&w);
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void check_invariants(uint64_t lost)
{
	uint64_t *ids = malloc((w.ncalls + w.nprocesses + 1) * sizeof(*ids)), n = 0, calls = 0,
		 errors = 0, unfinished = 0;

	CHECK(ids);
	for (unsigned i = 0; i < w.nprocesses; i++) {
		const struct rn_process *process = &w.processes[i].pub;

		ids[n++] = process->ctx.span_id;
		calls += process->calls;
		errors += process->errors;
		CHECK(process->lamport_end > process->lamport_start);
		CHECK(process->lamport_start > WORLD_SEED);
		CHECK(process->lamport_end < w.run.lamport_end);
		/* Its calls so far ended before it. */
		for (unsigned c = 0; c < w.processes[i].calls_before; c++)
			CHECK(w.calls[c].call.parent_span_id != process->ctx.span_id ||
			      w.calls[c].call.lamport_end < process->lamport_end);
		if (process->parent_is_remote)
			CHECK_INT(process->parent_span_id, 0xdeadbeef);
		else if (process->parent_span_id != id(RN_ID_RUN))
			world_find_process(&w, process->parent_span_id);
	}
	for (unsigned i = 0; i < w.ncalls; i++) {
		const struct seen_call *seen = &w.calls[i];
		const struct seen_process *process =
			world_find_process(&w, seen->call.parent_span_id);

		ids[n++] = seen->call.span_id;
		CHECK(memcmp(seen->trace_id, process->pub.ctx.trace_id, 16) == 0);
		CHECK(seen->process_span == seen->call.parent_span_id);
		CHECK(seen->call.lamport_end > seen->call.lamport_start);
		CHECK(seen->call.lamport_start > WORLD_SEED);
		CHECK(seen->call.lamport_end < w.run.lamport_end);
		CHECK(seen->call.desc != NULL);
		unfinished += !!(seen->call.flags & RN_FLAG_UNFINISHED);
	}
	ids[n++] = w.run.ctx.span_id;
	qsort(ids, n, sizeof(*ids), compare_ids);
	for (uint64_t i = 1; i < n; i++)
		CHECK(ids[i] != ids[i - 1]);
	free(ids);
	CHECK_INT(w.run.totals.spans, w.ncalls + w.nprocesses + 1);
	CHECK_INT(w.run.totals.calls, w.ncalls + lost);
	CHECK(calls <= w.ncalls); /* those told after their process's end are not in its sum */
	CHECK(errors <= w.run.totals.errors);
	CHECK_INT(w.run.totals.unfinished, unfinished);
	CHECK(w.run.totals.processes <= w.nprocesses);
	CHECK(w.run.totals.threads >= w.run.totals.processes);
}

static void test_random_records(struct rng *rng)
{
	const unsigned streams = 400 * test_scale();
	unsigned long calls = 0, processes = 0;

	for (unsigned i = 0; i < streams; i++) {
		uint64_t ordinals = 0, lost;

		world_open(&w);
		for (unsigned n = 1 + rng_below(rng, 400); n > 0; n--)
			random_record(rng, &ordinals);
		lost = rn_interpreter_totals(w.in)->lost_calls;
		world_finish(&w);
		check_invariants(lost);
		calls += w.ncalls;
		processes += w.nprocesses;
		world_close(&w);
	}
	CHECK(calls > streams * 10ul);
	CHECK(processes > streams * 3ul);
}

/* A run that is thrown away with everything still open: its memory goes too. */
static void test_destroyed_in_the_middle(struct rng *rng)
{
	for (unsigned i = 0; i < 20; i++) {
		uint64_t ordinals = 0;

		world_open(&w);
		for (unsigned n = 0; n < 50; n++)
			random_record(rng, &ordinals);
		world_close(&w);
	}
	rn_interpreter_destroy(NULL);
}

int main(void)
{
	struct rng rng = test_rng();

	test_gap();
	test_lost_start();
	test_lost_start_of_a_thread();
	test_lost_entry();
	test_pid_used_again();
	test_pid_used_again_after_a_lost_exit();
	test_thread_left_behind();
	test_lost_end_of_a_process();
	test_random_records(&rng);
	test_destroyed_in_the_middle(&rng);
	return check_done();
}
