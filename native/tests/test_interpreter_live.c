/* SPDX-License-Identifier: MIT */
/* The interpreter: calls under the application's own span. */
#include "world.h"

static struct world w;

static const struct rn_live_span first = {
	.trace_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	.span_id = {0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef},
	.valid = 1,
	.flags = 3,
};
static const struct rn_live_span second = {
	.trace_id = {17, 2, 3},
	.span_id = {0x80, 0, 0, 0, 0, 0, 0, 1},
	.valid = 1,
	.flags = 0xff,
};

#define FIRST_ID 0xdeadbeefu
#define SECOND_ID 0x8000000000000001u

static void begin(void)
{
	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
}

static void end(void)
{
	world_finish(&w);
	world_close(&w);
}

/* NULL: it has no span now. */
static void tell(int32_t tid, int32_t pid, const struct rn_live_span *span)
{
	struct rn_event *ev = world_next(&w, RN_CONTEXT, tid, pid);

	if (span)
		record_piece(ev, RN_PIECE_SPAN, RN_PIECE_NO_ARG, 0, span, sizeof(*span));
	world_feed(&w);
}

/* A call whose entry carries what was read of the thread. */
static uint64_t call_with(int32_t tid, int32_t pid, const struct rn_live_span *span, uint32_t len)
{
	struct rn_event *ev = world_syscall(&w, RN_SYSCALL, tid, pid, "getpid");

	record_piece(ev, RN_PIECE_SPAN, RN_PIECE_NO_ARG, 0, span, len);
	ev->t1 = ++w.now;
	world_feed(&w);
	return w.seq++;
}

static uint64_t call(int32_t tid, int32_t pid)
{
	return world_call(&w, tid, pid, "getpid", 1);
}

static void is_under(uint64_t seq, const struct rn_live_span *span, uint64_t id)
{
	const struct seen_call *seen = world_find_call(&w, seq);

	CHECK(seen->call.under_application);
	CHECK(seen->call.parent_span_id == id);
	CHECK(memcmp(seen->trace_id, span->trace_id, 16) == 0);
	CHECK_INT(seen->call.trace_flags, span->flags & 3);
}

static void is_under_process(uint64_t seq, uint64_t ordinal)
{
	const struct seen_call *seen = world_find_call(&w, seq);

	CHECK(!seen->call.under_application);
	CHECK(seen->call.parent_span_id == rn_id_of_process(&w.key, ordinal));
	CHECK(memcmp(seen->trace_id, WORLD_TRACE, 16) == 0);
	CHECK_INT(seen->call.trace_flags, 3);
}

/* What is told holds until the next, of that thread alone. */
static void test_told(void)
{
	uint64_t before, under, nested, over, other, none, events;

	begin();
	world_start(&w, 8, 7, 1, 7, 7);
	before = call(7, 7);
	events = rn_interpreter_totals(w.in)->events;
	tell(7, 7, &first);
	CHECK_INT(rn_interpreter_totals(w.in)->events, events + 1);
	under = call(7, 7);
	other = call(8, 7);
	tell(7, 7, &second);
	nested = call(7, 7);
	tell(7, 7, &first);
	over = call(7, 7);
	tell(7, 7, NULL);
	none = call(7, 7);
	is_under_process(before, 1);
	is_under(under, &first, FIRST_ID);
	is_under_process(other, 1);
	is_under(nested, &second, SECOND_ID);
	is_under(over, &first, FIRST_ID);
	is_under_process(none, 1);
	CHECK_INT(w.ncalls, 6);
	/* Telling is no event of the clock, no call and no error. */
	CHECK(world_find_call(&w, under)->call.lamport_start ==
	      world_find_call(&w, before)->call.lamport_end + 1);
	CHECK_INT(rn_interpreter_totals(w.in)->calls, 6);
	CHECK_INT(rn_interpreter_totals(w.in)->errors, 0);
	end();
}

/* An entry's own piece is for that call alone, and wins. */
static void test_read_at_the_entry(void)
{
	const struct rn_live_span none = {.valid = 0};
	uint64_t own, after, beside, invalid, cut;

	begin();
	own = call_with(7, 7, &second, sizeof(second));
	after = call(7, 7);
	tell(7, 7, &first);
	beside = call_with(7, 7, &second, sizeof(second));
	invalid = call_with(7, 7, &none, sizeof(none));
	cut = call_with(7, 7, &second, sizeof(second) - 4);
	is_under(own, &second, SECOND_ID);
	is_under_process(after, 1);
	is_under(beside, &second, SECOND_ID);
	is_under(invalid, &first, FIRST_ID);
	is_under(cut, &first, FIRST_ID);
	end();
}

static void test_not_sampled_or_no_span(void)
{
	struct rn_live_span bad[] = {first, first, first, first};

	bad[0].flags = 2;
	bad[1].valid = 2;
	memset(bad[2].trace_id, 0, sizeof(bad[2].trace_id));
	memset(bad[3].span_id, 0, sizeof(bad[3].span_id));
	for (unsigned i = 0; i < 4; i++) {
		begin();
		tell(7, 7, &second);
		tell(7, 7, &bad[i]);
		is_under_process(call(7, 7), 1);
		end();
	}
	/* A thread context that is not sampled wins, too. */
	begin();
	tell(7, 7, &second);
	is_under_process(call_with(7, 7, &bad[0], sizeof(bad[0])), 1);
	end();
}

/* The entry settles it, though the exit comes later. */
static void test_call_in_two_records(void)
{
	uint64_t seq, unfinished;

	begin();
	tell(7, 7, &first);
	seq = world_enter(&w, 7, 7, "read");
	CHECK(w.enters[0].call.under_application);
	CHECK(memcmp(w.enters[0].trace_id, first.trace_id, 16) == 0);
	tell(7, 7, NULL); /* from elsewhere: a thread that is in a call tells nothing */
	world_return(&w, 7, 7, "read", 0);
	is_under(seq, &first, FIRST_ID);
	tell(7, 7, &second);
	unfinished = world_enter(&w, 7, 7, "read");
	world_exit(&w, 7, 7, 0);
	is_under(unfinished, &second, SECOND_ID);
	end();
}

static const struct rn_link *link_of(const struct seen_process *process, const char *edge)
{
	for (unsigned i = 0; i < process->pub.nlinks; i++)
		if (strcmp(process->pub.links[i].edge, edge) == 0)
			return &process->pub.links[i];
	return NULL;
}

#define FOREIGN "00-1102030405060708090a0b0c0d0e0f10-0000000000c0ffee-01"
#define FOREIGN_FIRST "00-0102030405060708090a0b0c0d0e0f10-00000000deadbeef-01"

/* What is made under a live span stays in the tree, with a link; it begins with no span. */
static void test_births(void)
{
	uint64_t fork_seq, child_call;
	const struct rn_link *link;
	const struct seen_process *child;

	begin();
	tell(7, 7, &first);
	fork_seq = world_enter(&w, 7, 7, "fork");
	world_start(&w, 8, 8, 2, 7, 7);
	world_return(&w, 7, 7, "fork", 8);
	child_call = call(8, 8);
	world_exec(&w, 8, 8, "/tool", RN_CONTEXT_FOREIGN, FOREIGN);
	tell(7, 7, NULL);
	world_enter(&w, 7, 7, "fork");
	world_start(&w, 9, 9, 3, 7, 7);
	world_finish(&w);
	is_under(fork_seq, &first, FIRST_ID);
	is_under_process(child_call, 2);
	child = world_process(&w, 2);
	CHECK(child->pub.parent_span_id == rn_id_of_process(&w.key, 1));
	CHECK(memcmp(child->pub.ctx.trace_id, WORLD_TRACE, 16) == 0);
	CHECK_INT(child->pub.nlinks, 2);
	link = link_of(child, "fork");
	CHECK(link && link->span_id == rn_id_of(&w.key, fork_seq));
	CHECK(memcmp(link->trace_id, first.trace_id, 16) == 0);
	link = link_of(child, "application");
	CHECK(link && link->span_id == FIRST_ID && link->flags == 3);
	CHECK(memcmp(link->trace_id, first.trace_id, 16) == 0);
	CHECK_INT(world_process(&w, 3)->pub.nlinks, 1);
	CHECK(link_of(world_process(&w, 3), "fork"));
	/* Its new program, in another's trace: the call that made it is in the application's. */
	for (unsigned i = 0; i < w.nprocesses; i++)
		if (strcmp(w.processes[i].exe, "/tool") == 0)
			child = &w.processes[i];
	CHECK(child->pub.parent_span_id == 0xc0ffee);
	link = link_of(child, "fork");
	CHECK(link && link->span_id == rn_id_of(&w.key, fork_seq));
	CHECK(memcmp(link->trace_id, first.trace_id, 16) == 0);
	CHECK(link_of(child, "application"));
	world_close(&w);
}

/* The span that it got as its parent needs no link besides. */
static void test_born_and_handed_on(void)
{
	begin();
	tell(7, 7, &first);
	world_enter(&w, 7, 7, "fork");
	world_start(&w, 8, 8, 2, 7, 7);
	world_exec(&w, 8, 8, "/tool", RN_CONTEXT_FOREIGN, FOREIGN_FIRST);
	world_finish(&w);
	for (unsigned i = 0; i < w.nprocesses; i++)
		if (strcmp(w.processes[i].exe, "/tool") == 0) {
			CHECK(w.processes[i].pub.parent_span_id == FIRST_ID);
			CHECK(!link_of(&w.processes[i], "application"));
			CHECK(link_of(&w.processes[i], "fork"));
		}
	CHECK_INT(w.nprocesses, 3);
	world_close(&w);
}

/* A new program has told nothing, though the exec itself was still the former one's. */
static void test_exec(void)
{
	uint64_t exec, after;

	begin();
	tell(7, 7, &first);
	exec = world_enter(&w, 7, 7, "execve");
	world_exec(&w, 7, 7, "/other", RN_CONTEXT_ABSENT, NULL);
	world_return(&w, 7, 7, "execve", 0);
	after = call(7, 7);
	is_under(exec, &first, FIRST_ID);
	is_under_process(after, 1);
	end();
}

/* What was lost may have been a word of the application's. */
static void test_losses(void)
{
	struct rn_event *ev;
	uint64_t calls_lost, others_lost, again;

	begin();
	tell(7, 7, &first);
	ev = world_next(&w, RN_GAP, 0, 0);
	ev->args[0] = ev->args[1] = 1;
	world_feed(&w);
	calls_lost = call(7, 7);
	ev = world_next(&w, RN_GAP, 0, 0);
	ev->args[0] = ev->args[4] = 1;
	world_feed(&w);
	others_lost = call(7, 7);
	tell(7, 7, &second);
	again = call(7, 7);
	is_under(calls_lost, &first, FIRST_ID);
	is_under_process(others_lost, 1);
	is_under(again, &second, SECOND_ID);
	end();
}

/* A thread id that is used again. */
static void test_used_again(void)
{
	begin();
	world_start(&w, 8, 7, 1, 7, 7);
	tell(8, 7, &first);
	world_exit(&w, 8, 7, 0);
	world_start(&w, 8, 7, 1, 7, 7);
	is_under_process(call(8, 7), 1);
	/* One that no record announced. */
	tell(99, 99, &first);
	is_under(call(99, 99), &first, FIRST_ID);
	end();
}

int main(void)
{
	test_told();
	test_read_at_the_entry();
	test_not_sampled_or_no_span();
	test_call_in_two_records();
	test_births();
	test_born_and_handed_on();
	test_exec();
	test_losses();
	test_used_again();
	return check_done();
}
