/* SPDX-License-Identifier: MIT */
/* The interpreter: parents, ids, clocks and totals, from records made by hand. */
#include "world.h"

static struct world w;

static uint64_t id(uint64_t counter)
{
	return rn_id_of(&w.key, counter);
}

static const struct rn_call *call(uint64_t seq)
{
	return &world_find_call(&w, seq)->call;
}

static void test_one_process(void)
{
	const struct rn_process *process;
	uint64_t open, fails;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	CHECK_INT(w.live, 1);
	world_exec(&w, 7, 7, "/usr/bin/env", RN_CONTEXT_OURS, NULL);
	open = world_call(&w, 7, 7, "openat", 3);
	fails = world_call(&w, 7, 7, "read", -5);
	CHECK_INT(w.ncalls, 2); /* told as they end */
	CHECK_INT(w.nprocesses, 0);
	world_exit(&w, 7, 7, 3 << 8);
	CHECK_INT(w.nprocesses, 1);
	CHECK_INT(w.live, 0);
	world_finish(&w);

	CHECK(call(open)->span_id == id(open));
	CHECK(call(open)->parent_span_id == id(RN_ID_RUN | 1));
	CHECK(memcmp(world_find_call(&w, open)->trace_id, WORLD_TRACE, 16) == 0);
	CHECK_INT(call(open)->trace_flags, 3);
	CHECK_STR(call(open)->desc->name, "openat");
	CHECK_INT(call(open)->result, 3);
	CHECK_INT(call(open)->t1 - call(open)->t0, 1);
	CHECK(call(open)->entry && call(open)->entry == call(open)->exit);
	CHECK_INT(call(fails)->flags, RN_FLAG_FAILED);
	/* The run starts at seed + 1; start of the process, exec, and two events a call. */
	CHECK_INT(call(open)->lamport_start, WORLD_SEED + 4);
	CHECK_INT(call(open)->lamport_end, WORLD_SEED + 5);
	CHECK_INT(call(fails)->lamport_start, WORLD_SEED + 6);
	CHECK_INT(call(fails)->lamport_end, WORLD_SEED + 7);

	process = &world_process(&w, 1)->pub;
	CHECK_STR(w.processes[0].exe, "/usr/bin/env");
	CHECK_STR(w.processes[0].name, "env");
	CHECK(process->parent_span_id == id(RN_ID_RUN));
	CHECK(!process->parent_is_remote && !process->superseded && process->ended);
	CHECK_INT(process->wait_status, 3 << 8);
	CHECK_INT(process->calls, 2);
	CHECK_INT(process->errors, 1);
	CHECK_INT(process->execs, 1);
	CHECK_INT(process->context, RN_CONTEXT_OURS);
	CHECK_INT(process->nlinks, 0);
	CHECK_INT(process->lamport_start, WORLD_SEED + 2);
	CHECK_INT(process->lamport_end, WORLD_SEED + 8);
	CHECK(process->t_start == WORLD_START + 10 && process->t_end == w.now);

	CHECK(w.run.ctx.span_id == id(RN_ID_RUN));
	CHECK_INT(w.run.parent_span_id, WORLD_PARENT);
	CHECK(w.run.ctx.is_remote);
	CHECK(memcmp(w.run.ctx.trace_id, WORLD_TRACE, 16) == 0);
	CHECK_STR(w.run.ctx.tracestate, "a=b");
	CHECK_INT(w.run.t_start, WORLD_START);
	CHECK_INT(w.run.t_end, w.now);
	CHECK_INT(w.run.lamport_start, WORLD_SEED + 1);
	CHECK_INT(w.run.lamport_end, WORLD_SEED + 9);
	CHECK_INT(w.run.exit_code, 3);
	CHECK_INT(w.run.totals.events, 3 + 2 * 2);
	CHECK_INT(w.run.totals.calls, 2);
	CHECK_INT(w.run.totals.errors, 1);
	CHECK_INT(w.run.totals.processes, 1);
	CHECK_INT(w.run.totals.threads, 1);
	CHECK_INT(w.run.totals.unfinished, 0);
	CHECK_INT(w.run.totals.spans, 2 + 1 + 1);
	world_close(&w);
}

static void test_exit_codes(void)
{
	static const int codes[][2] = {
		{0, 0}, {255 << 8, 255}, {9, -9}, {11 | 0x80, -11}, {1 << 8, 1}};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		world_open(&w);
		world_start(&w, 7, 7, 1, 0, 0);
		world_start(&w, 8, 8, 2, 7, 7);
		world_exit(&w, 7, 7, codes[i][0]);
		world_exit(&w, 8, 8, 77 << 8); /* the last, but not the command */
		world_finish(&w);
		CHECK_INT(w.run.exit_code, codes[i][1]);
		world_close(&w);
	}
}

/* Entry and exit apart: one span, told at its end, with the pieces of both. */
static void test_call_in_two_records(void)
{
	struct rn_event *ev;
	uint64_t read_seq;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_start(&w, 8, 7, 1, 7, 7);
	CHECK_INT(w.live, 2);
	read_seq = world_enter(&w, 7, 7, "read");
	CHECK_INT(w.nenters, 1);
	CHECK(w.enters[0].call.span_id == id(read_seq));
	CHECK_INT(w.ncalls, 0);
	world_call(&w, 8, 7, "write", 1);
	ev = world_syscall(&w, RN_SYSCALL_EXIT, 7, 7, "read");
	ev->result = 1;
	ev->t0 = 0; /* the entry's own time is what counts */
	ev->flags = RN_FLAG_INTERRUPTED;
	world_feed(&w);
	world_exit(&w, 8, 7, 0);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	CHECK_INT(w.ncalls, 2);
	CHECK(call(read_seq)->parent_span_id == id(RN_ID_RUN | 1));
	CHECK(call(read_seq)->entry && call(read_seq)->exit);
	CHECK(call(read_seq)->entry != call(read_seq)->exit);
	CHECK_INT(call(read_seq)->result, 1);
	CHECK_INT(call(read_seq)->flags, RN_FLAG_INTERRUPTED);
	CHECK_INT(call(read_seq)->t0, WORLD_START + 30);
	/* Its own line: start at +2, so entry +3 and exit +4 whatever the other thread did. */
	CHECK_INT(call(read_seq)->lamport_start, WORLD_SEED + 3);
	CHECK_INT(call(read_seq)->lamport_end, WORLD_SEED + 4);
	CHECK_INT(w.run.totals.events, 2 + 2 + 2 + 2);
	CHECK_INT(w.run.totals.threads, 2);
	CHECK_INT(w.run.totals.processes, 1);
	CHECK_INT(w.nprocesses, 1);
	world_close(&w);
}

/* The entry of fork ⇝ the first event of the child; the child's span hangs below the maker's. */
static void test_fork_edge(void)
{
	const struct rn_process *child;
	uint64_t fork_seq;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_exec(&w, 7, 7, "/bin/sh", RN_CONTEXT_OURS, NULL);
	for (unsigned i = 0; i < 10; i++)
		world_call(&w, 7, 7, "getpid", 7);
	fork_seq = world_enter(&w, 7, 7, "fork"); /* +3 + 2 * 10 + 1 */
	world_start(&w, 8, 8, 2, 7, 7);
	CHECK_INT(w.live, 2);
	world_return(&w, 7, 7, "fork", 8);
	world_exit(&w, 8, 8, 0);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	child = &world_process(&w, 2)->pub;
	CHECK(child->parent_span_id == id(RN_ID_RUN | 1));
	CHECK_INT(child->parent_pid, 7);
	CHECK_STR(w.processes[0].name, "sh"); /* what it runs until it execs */
	CHECK_INT(call(fork_seq)->lamport_start, WORLD_SEED + 24);
	CHECK_INT(call(fork_seq)->lamport_end, WORLD_SEED + 25);
	CHECK_INT(child->lamport_start, WORLD_SEED + 25);
	CHECK_INT(child->nlinks, 1);
	CHECK(child->links[0].span_id == id(fork_seq));
	CHECK_STR(child->links[0].edge, "fork");
	world_close(&w);
}

enum told { BY_STATUS, BY_RESULT, BY_INFO, BY_INFO_32 };

/* A parent that waited, and what its clock was afterwards; the child's exit is at +18. */
static uint64_t wait_for(const char *name, enum told told, int64_t result, int32_t value)
{
	int32_t info[32] = {17, 0, value, 99, 8};
	int32_t info32[32] = {17, 0, value, 8, 99};
	struct rn_event *ev;
	uint64_t seq, end;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0); /* +2 */
	seq = world_enter(&w, 7, 7, "fork"); /* +3 */
	world_start(&w, 8, 8, 2, 7, 7); /* +4 */
	world_return(&w, 7, 7, "fork", 8); /* +4 */
	for (unsigned i = 0; i < 100; i++)
		world_call(&w, 8, 8, "getpid", 8); /* to +204 */
	world_exit(&w, 8, 8, 0); /* +205 */
	ev = world_next(&w, RN_SYSCALL, 7, 7);
	ev->abi = told == BY_INFO_32 ? RN_ABI_I386 : RN_ABI_X86_64;
	ev->nr = rn_syscall_number((enum rn_abi)ev->abi, name);
	CHECK(ev->nr >= 0);
	ev->result = result;
	if (told == BY_STATUS)
		record_piece(ev, RN_PIECE_STRUCT, 1, RN_PIECE_AT_EXIT, &value, sizeof(value));
	else if (told == BY_INFO)
		record_piece(ev, RN_PIECE_STRUCT, 2, RN_PIECE_AT_EXIT, info, sizeof(info));
	else if (told == BY_INFO_32)
		record_piece(ev, RN_PIECE_STRUCT, 2, RN_PIECE_AT_EXIT, info32, sizeof(info32));
	seq = w.seq++;
	world_feed(&w);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	CHECK_INT(call(seq)->lamport_start, WORLD_SEED + 5);
	CHECK_INT(world_process(&w, 2)->pub.lamport_end, WORLD_SEED + 205);
	end = call(seq)->lamport_end - WORLD_SEED;
	CHECK(end == 6 || end == 206);
	world_close(&w);
	return end;
}

/* exit ⇝ the exit of the wait that told of it, and of no other. */
static void test_wait_edge(void)
{
	CHECK_INT(wait_for("wait4", BY_STATUS, 8, 0), 206);
	CHECK_INT(wait_for("wait4", BY_STATUS, 8, 3 << 8), 206);
	CHECK_INT(wait_for("wait4", BY_STATUS, 8, 9), 206);
	CHECK_INT(wait_for("wait4", BY_STATUS, 8, 11 | 0x80), 206);
	CHECK_INT(wait_for("wait4", BY_RESULT, 8, 0), 206);   /* status not asked for */
	CHECK_INT(wait_for("wait4", BY_STATUS, 8, 0x137f), 6); /* stopped */
	CHECK_INT(wait_for("wait4", BY_STATUS, 8, 0xffff), 6); /* continued */
	CHECK_INT(wait_for("wait4", BY_STATUS, 0, 0), 6);      /* WNOHANG: nobody yet */
	CHECK_INT(wait_for("wait4", BY_STATUS, 9, 0), 6);      /* another, whose exit we missed */
	CHECK_INT(wait_for("wait4", BY_STATUS, 8 + 8192, 0), 6); /* shares its slot in the table */
	CHECK_INT(wait_for("wait4", BY_STATUS, -10, 0), 6);
	CHECK_INT(wait_for("waitid", BY_INFO, 0, 1), 206); /* CLD_EXITED */
	CHECK_INT(wait_for("waitid", BY_INFO, 0, 2), 206); /* CLD_KILLED */
	CHECK_INT(wait_for("waitid", BY_INFO, 0, 3), 206); /* CLD_DUMPED */
	CHECK_INT(wait_for("waitid", BY_INFO, 0, 4), 6); /* CLD_TRAPPED */
	CHECK_INT(wait_for("waitid", BY_INFO, 0, 5), 6); /* CLD_STOPPED */
	CHECK_INT(wait_for("waitid", BY_INFO, 0, 6), 6); /* CLD_CONTINUED */
	CHECK_INT(wait_for("waitid", BY_INFO, 0, 0), 6); /* WNOHANG: nobody yet */
	CHECK_INT(wait_for("waitid", BY_INFO, -10, 1), 6);
	CHECK_INT(wait_for("waitid", BY_RESULT, 0, 0), 6); /* infop not asked for */
	CHECK_INT(wait_for("waitid", BY_INFO_32, 0, 1), 206);
	CHECK_INT(wait_for("getpid", BY_STATUS, 8, 0), 6);
}

/* All that a process's threads did comes before its end, and so before who waited for it. */
static void test_threads_end_before_their_process(void)
{
	struct rn_event *ev;
	uint64_t last, wait_seq;
	int32_t status = 0;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_start(&w, 8, 8, 2, 7, 7);
	world_start(&w, 9, 8, 2, 8, 8);
	for (unsigned i = 0; i < 50; i++)
		last = world_call(&w, 9, 8, "getpid", 8);
	world_exit(&w, 9, 8, 0);
	CHECK_INT(w.nprocesses, 0);
	world_exit(&w, 8, 8, 0);
	CHECK_INT(w.nprocesses, 1);
	ev = world_syscall(&w, RN_SYSCALL, 7, 7, "wait4");
	ev->result = 8;
	record_piece(ev, RN_PIECE_STRUCT, 1, RN_PIECE_AT_EXIT, &status, sizeof(status));
	wait_seq = w.seq++;
	world_feed(&w);
	world_finish(&w);
	CHECK(world_process(&w, 2)->pub.lamport_end > call(last)->lamport_end);
	CHECK(call(wait_seq)->lamport_end > world_process(&w, 2)->pub.lamport_end);
	world_close(&w);
}

static void test_unfinished(void)
{
	uint64_t at_exit, at_end, lost, after;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_start(&w, 8, 8, 2, 7, 7);
	world_start(&w, 9, 9, 3, 7, 7);
	at_exit = world_enter(&w, 8, 8, "pause");
	world_exit(&w, 8, 8, 9);
	lost = world_enter(&w, 7, 7, "read");
	after = world_enter(&w, 7, 7, "write"); /* the exit of read was lost */
	CHECK(call(lost)->flags & RN_FLAG_UNFINISHED);
	CHECK_INT(call(lost)->t1, w.now);
	world_return(&w, 7, 7, "write", 1);
	at_end = world_enter(&w, 7, 7, "futex");
	world_call(&w, 9, 9, "getpid", 9);
	world_finish(&w);

	CHECK(call(at_exit)->flags & RN_FLAG_UNFINISHED);
	CHECK(call(at_exit)->exit == NULL);
	CHECK(call(at_exit)->lamport_end > call(at_exit)->lamport_start);
	CHECK(world_process(&w, 2)->pub.lamport_end > call(at_exit)->lamport_end);
	CHECK_INT(call(at_exit)->t1, world_process(&w, 2)->pub.t_end);
	CHECK(!(call(after)->flags & RN_FLAG_UNFINISHED));
	CHECK(call(at_end)->flags & RN_FLAG_UNFINISHED);
	CHECK_INT(call(at_end)->t1, w.run.t_end);
	CHECK(!world_process(&w, 1)->pub.ended);
	CHECK(!world_process(&w, 3)->pub.ended);
	CHECK(world_process(&w, 2)->pub.ended);
	CHECK_INT(w.run.totals.unfinished, 3);
	CHECK_INT(w.run.totals.spans, w.ncalls + 3 + 1);
	CHECK_INT(w.run.exit_code, 0);
	CHECK(w.run.lamport_end > world_process(&w, 1)->pub.lamport_end);
	world_close(&w);
}

/* A process that did nothing, and one that did: even those have an end behind their start. */
static void test_open_processes_end(void)
{
	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_start(&w, 8, 7, 1, 7, 7);
	world_call(&w, 8, 7, "getpid", 7);
	world_start(&w, 9, 9, 2, 7, 7);
	world_finish(&w);
	CHECK_INT(w.nprocesses, 2);
	for (unsigned i = 0; i < 2; i++)
		CHECK(w.processes[i].pub.lamport_end > w.processes[i].pub.lamport_start);
	CHECK(world_process(&w, 1)->pub.lamport_end > w.calls[0].call.lamport_end);
	CHECK(w.run.lamport_end > world_process(&w, 1)->pub.lamport_end);
	world_close(&w);
}

/* The thread that execs takes its leader's id; the others are gone. */
static void test_exec_from_another_thread(void)
{
	uint64_t leaders, own, before, after;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_start(&w, 8, 7, 1, 7, 7);
	for (unsigned i = 0; i < 20; i++)
		before = world_call(&w, 8, 7, "getpid", 7);
	leaders = world_enter(&w, 7, 7, "pause");
	own = world_enter(&w, 8, 7, "execve");
	world_exec(&w, 7, 8, "/bin/true", RN_CONTEXT_ABSENT, NULL);
	CHECK(call(leaders)->flags & RN_FLAG_UNFINISHED);
	world_return(&w, 7, 7, "execve", 0);
	after = world_call(&w, 7, 7, "brk", 0);
	world_exit(&w, 7, 7, 0);
	CHECK_INT(w.live, 0);
	world_finish(&w);
	CHECK(!(call(own)->flags & RN_FLAG_UNFINISHED));
	CHECK_INT(call(own)->tid, 7);
	CHECK_INT(call(own)->result, 0);
	CHECK(call(own)->parent_span_id == id(RN_ID_RUN | 1));
	/* The line of the thread that called goes on. */
	CHECK(call(own)->lamport_end > call(own)->lamport_start);
	CHECK(call(own)->lamport_start > call(before)->lamport_end);
	CHECK(call(after)->lamport_start > call(own)->lamport_end);
	CHECK_INT(w.nprocesses, 1);
	CHECK_STR(w.processes[0].name, "true");
	CHECK_INT(w.processes[0].pub.calls, 20 + 3);
	world_close(&w);
}

int main(void)
{
	test_one_process();
	test_exit_codes();
	test_call_in_two_records();
	test_fork_edge();
	test_wait_edge();
	test_threads_end_before_their_process();
	test_unfinished();
	test_open_processes_end();
	test_exec_from_another_thread();
	return check_done();
}
