/* SPDX-License-Identifier: MIT */
/* The interpreter: an exec under another's TRACEPARENT moves the process into that trace. */
#include "world.h"

static struct world w;

#define FOREIGN "00-0102030405060708090a0b0c0d0e0f10-00000000deadbeef-01"
#define FOREIGN_2 "00-1102030405060708090a0b0c0d0e0f10-0000000000c0ffee-02"

static const uint8_t trace_1[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t trace_2[16] = {17, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static uint64_t id(uint64_t counter)
{
	return rn_id_of(&w.key, counter);
}

static void link_is(const struct rn_link *link, const char *edge, const void *trace, uint64_t span)
{
	CHECK_STR(link->edge, edge);
	CHECK(memcmp(link->trace_id, trace, 16) == 0);
	CHECK(link->span_id == span);
}

/* sh forks, the child execs an instrumented program's child: FOREIGN names that span. */
static void test_moved_into_a_foreign_trace(void)
{
	const struct seen_process *old, *image, *grandchild;
	const struct seen_call *moved, *stays;
	uint64_t fork_seq, before, after, deep, image_id;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_exec(&w, 7, 7, "/bin/sh", RN_CONTEXT_OURS, NULL);
	fork_seq = world_enter(&w, 7, 7, "fork");
	world_start(&w, 8, 8, 2, 7, 7);
	world_return(&w, 7, 7, "fork", 8);
	before = world_call(&w, 8, 8, "close", -9);
	world_exec(&w, 8, 8, "/opt/tool", RN_CONTEXT_FOREIGN, FOREIGN);
	image_id = id(RN_ID_IMAGE | w.seq);
	CHECK_INT(w.nprocesses, 1); /* the old span, as soon as it is over */
	after = world_call(&w, 8, 8, "openat", 3);
	world_start(&w, 9, 9, 3, 8, 8);
	deep = world_call(&w, 9, 9, "getpid", 9);
	world_exit(&w, 9, 9, 0);
	world_exit(&w, 8, 8, 1 << 8);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	CHECK_INT(w.nprocesses, 4);

	old = world_process(&w, 2);
	CHECK(old->pub.superseded && !old->pub.ended);
	CHECK(old->pub.parent_span_id == id(RN_ID_RUN | 1));
	CHECK(memcmp(old->pub.ctx.trace_id, WORLD_TRACE, 16) == 0);
	CHECK_STR(old->name, "sh");
	CHECK_INT(old->pub.calls, 1);
	CHECK_INT(old->pub.errors, 1);
	CHECK(old->pub.lamport_end > old->pub.lamport_start);

	image = world_find_process(&w, image_id);
	CHECK(!image->pub.superseded && image->pub.ended);
	CHECK_INT(image->pub.wait_status, 1 << 8);
	CHECK(memcmp(image->pub.ctx.trace_id, trace_1, 16) == 0);
	CHECK(image->pub.parent_span_id == 0xdeadbeef);
	CHECK(image->pub.parent_is_remote);
	CHECK_INT(image->pub.ctx.flags, 1);
	CHECK_STR(image->exe, "/opt/tool");
	CHECK_INT(image->pub.context, RN_CONTEXT_FOREIGN);
	CHECK_INT(image->pub.calls, 1);
	CHECK_INT(image->pub.errors, 0);
	CHECK(image->pub.t_start == old->pub.t_end);
	CHECK(image->pub.lamport_start >= old->pub.lamport_end);
	CHECK(image->pub.lamport_end > image->pub.lamport_start);
	CHECK_INT(image->pub.nlinks, 3);
	link_is(&image->pub.links[0], "parent", WORLD_TRACE, id(RN_ID_RUN | 1));
	link_is(&image->pub.links[1], "fork", WORLD_TRACE, id(fork_seq));
	link_is(&image->pub.links[2], "exec", WORLD_TRACE, id(RN_ID_RUN | 2));

	stays = world_find_call(&w, before);
	CHECK(stays->call.parent_span_id == old->pub.ctx.span_id);
	CHECK(memcmp(stays->trace_id, WORLD_TRACE, 16) == 0);
	moved = world_find_call(&w, after);
	CHECK(moved->call.parent_span_id == image_id);
	CHECK(memcmp(moved->trace_id, trace_1, 16) == 0);
	CHECK_INT(moved->call.trace_flags, 1);
	/* What it makes lives in its trace, and is no child of a remote span. */
	grandchild = world_process(&w, 3);
	CHECK(grandchild->pub.parent_span_id == image_id);
	CHECK(memcmp(grandchild->pub.ctx.trace_id, trace_1, 16) == 0);
	CHECK(!grandchild->pub.parent_is_remote);
	CHECK(memcmp(world_find_call(&w, deep)->trace_id, trace_1, 16) == 0);
	CHECK_INT(w.run.totals.processes, 3);
	CHECK_INT(w.run.totals.spans, w.ncalls + 4 + 1);
	world_close(&w);
}

static void test_moved_twice(void)
{
	const struct seen_process *first, *second;
	uint64_t first_id, second_id;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_exec(&w, 7, 7, "/a", RN_CONTEXT_FOREIGN, FOREIGN);
	first_id = id(RN_ID_IMAGE | w.seq);
	world_exec(&w, 7, 7, "/b", RN_CONTEXT_FOREIGN, FOREIGN_2);
	second_id = id(RN_ID_IMAGE | w.seq);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);
	CHECK_INT(w.nprocesses, 3);
	first = world_find_process(&w, first_id);
	second = world_find_process(&w, second_id);
	CHECK(first->pub.superseded && !second->pub.superseded);
	/* Nobody made the command: no link to a parent that is not there. */
	CHECK_INT(first->pub.nlinks, 1);
	link_is(&first->pub.links[0], "exec", WORLD_TRACE, id(RN_ID_RUN | 1));
	CHECK_INT(second->pub.nlinks, 1);
	link_is(&second->pub.links[0], "exec", trace_1, first_id);
	CHECK(memcmp(second->pub.ctx.trace_id, trace_2, 16) == 0);
	CHECK_INT(second->pub.ctx.flags, 2);
	CHECK_INT(second->pub.parent_span_id, 0xc0ffee);
	CHECK_INT(w.run.exit_code, 0);
	world_close(&w);
}

/* An exec of ours, or none of these: the process stays where it is, one span. */
static void test_stays(void)
{
	static const enum rn_context contexts[] = {RN_CONTEXT_NONE,      RN_CONTEXT_ABSENT,
						   RN_CONTEXT_OURS,      RN_CONTEXT_UNREADABLE,
						   RN_CONTEXT_UNSAMPLED, RN_CONTEXT_INVALID};

	for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
		world_open(&w);
		world_start(&w, 7, 7, 1, 0, 0);
		world_exec(&w, 7, 7, "/a", contexts[i], FOREIGN);
		world_exit(&w, 7, 7, 0);
		world_finish(&w);
		CHECK_INT(w.nprocesses, 1);
		CHECK_INT(w.processes[0].pub.context, contexts[i]);
		CHECK_INT(w.processes[0].pub.nlinks, 0);
		CHECK(w.processes[0].pub.ctx.span_id == id(RN_ID_RUN | 1));
		world_close(&w);
	}
}

/* A record that says FOREIGN and names no span: nothing is exported twice or taken back. */
static void test_foreign_without_a_name(void)
{
	static const char *const bad[] = {
		NULL,
		"",
		"00-0102030405060708090a0b0c0d0e0f10-00000000deadbeef-0",
		"00-0102030405060708090A0b0c0d0e0f10-00000000deadbeef-01",
		"00-0102030405060708090a0b0c0d0e0f1x-00000000deadbeef-01",
		"00-00000000000000000000000000000000-00000000deadbeef-01",
		"00-0102030405060708090a0b0c0d0e0f10-0000000000000000-01",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t before, after;

		world_open(&w);
		world_start(&w, 7, 7, 1, 0, 0);
		before = world_call(&w, 7, 7, "getpid", 7);
		world_exec(&w, 7, 7, "/a", RN_CONTEXT_FOREIGN, bad[i]);
		after = world_call(&w, 7, 7, "getpid", 7);
		world_exit(&w, 7, 7, 0);
		world_finish(&w);
		CHECK_INT(w.nprocesses, 1);
		CHECK(w.processes[0].pub.ctx.span_id == id(RN_ID_RUN | 1));
		CHECK(!w.processes[0].pub.superseded);
		CHECK_INT(w.processes[0].pub.calls, 2);
		CHECK(world_find_call(&w, before)->call.parent_span_id == id(RN_ID_RUN | 1));
		CHECK(world_find_call(&w, after)->call.parent_span_id == id(RN_ID_RUN | 1));
		CHECK_INT(w.run.totals.spans, 2 + 1 + 1);
		world_close(&w);
	}
}

/* A time that TRACESTATE held joins, whoever sent it; one that cannot be is ignored. */
static void test_times_from_outside(void)
{
	const uint64_t far = 1ull << 40;
	const struct seen_process *child, *command;
	uint64_t waiting, after, start;

	world_open(&w);
	world_start(&w, 7, 7, 1, 0, 0);
	world_exec_hearing(&w, 7, 7, "/bin/sh", RN_CONTEXT_OURS, NULL, 0, far / 2);
	waiting = world_enter(&w, 7, 7, "wait4");
	world_start(&w, 8, 8, 2, 7, 7);
	world_exec_hearing(&w, 8, 8, "/a", RN_CONTEXT_FOREIGN, FOREIGN, far, far + 9);
	start = id(RN_ID_IMAGE | w.seq);
	after = world_call(&w, 8, 8, "getpid", 8);
	world_exec_hearing(&w, 8, 8, "/b", RN_CONTEXT_OURS, NULL, 2, 0); /* a smaller one */
	world_exec_hearing(&w, 8, 8, "/c", RN_CONTEXT_OURS, NULL, RN_LAMPORT_MAX + 1, 0);
	world_exit(&w, 8, 8, 0);
	world_return(&w, 7, 7, "wait4", 8);
	world_exit(&w, 7, 7, 0);
	world_finish(&w);

	command = world_process(&w, 1);
	CHECK(command->pub.lamport_sent == far / 2);
	CHECK(world_find_call(&w, waiting)->call.lamport_start < 2000);
	child = world_find_process(&w, start);
	CHECK(child->pub.lamport_start == far + 1);
	CHECK_INT(child->pub.lamport_sent, 0); /* of its last exec */
	CHECK(world_find_call(&w, after)->call.lamport_start == far + 2);
	CHECK(child->pub.lamport_end == far + 6);
	CHECK(world_find_call(&w, waiting)->call.lamport_end == far + 7);
	CHECK(w.run.lamport_end == far + 9);
	world_close(&w);
}

int main(void)
{
	test_moved_into_a_foreign_trace();
	test_moved_twice();
	test_stays();
	test_foreign_without_a_name();
	test_times_from_outside();
	return check_done();
}
