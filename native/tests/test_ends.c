/* SPDX-License-Identifier: MIT */
/* Ends of processes: by a signal that somebody sent, and told of by pidfds. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "channel_world.h"

static const struct rn_edge *edge_to(uint64_t effect)
{
	const struct rn_edge *found = NULL;

	for (unsigned i = 0; i < told.nedges; i++)
		if (told.edges[i].effect_seq == effect) {
			CHECK(!found);
			found = &told.edges[i];
		}
	return found;
}

static uint64_t kill_of(int32_t tid, int64_t to, int sig, int64_t result)
{
	return whole(tid, "kill", (uint64_t)to, (uint64_t)sig, 0, result);
}

static uint64_t die(int32_t tid, int sig)
{
	world_exit(&w, tid, tid, sig);
	return w.seq;
}

static void test_killed(void)
{
	const struct rn_edge *edge;
	uint64_t cause, end;

	open_world();
	start(B, A);
	kill_of(A, B, SIGKILL, -EPERM);
	kill_of(A, B, SIGUSR1, 0);
	cause = kill_of(A, B, SIGKILL, 0);
	end = die(B, SIGKILL);
	edge = edge_to(end);
	CHECK(edge);
	CHECK_INT(edge->certain, true);
	CHECK_INT(edge->kind, RN_EDGE_SIGNAL);
	CHECK_INT(edge->cause_seq, cause);
	CHECK_INT(edge->effect_tid, B);
	CHECK(edge->effect_lamport > call_of(cause)->start);
	/* A thread of it was meant; the call has not ended yet. */
	start(B, A);
	enter(A, "tgkill", B, B, SIGKILL);
	cause = w.seq;
	end = die(B, SIGKILL);
	leave(A, "tgkill", B, B, SIGKILL, 0);
	CHECK(edge_to(end));
	CHECK_INT(edge_to(end)->cause_seq, cause);
	/* Another signal ended it; it was sent for a former process of this number. */
	start(B, A);
	kill_of(A, B, SIGKILL, 0);
	CHECK(!edge_to(die(B, SIGSEGV)));
	start(B, A);
	CHECK(!edge_to(die(B, SIGKILL)));
	close_world();
}

static void test_not_certain(void)
{
	uint64_t first, second, end;
	unsigned n = 0;

	open_world();
	start(B, A);
	start(C, A);
	first = kill_of(A, C, SIGKILL, 0);
	second = kill_of(B, C, SIGKILL, 0);
	end = die(C, SIGKILL);
	for (unsigned i = 0; i < told.nedges; i++) {
		const struct rn_edge *edge = &told.edges[i];

		if (edge->effect_seq != end)
			continue;
		CHECK(!edge->certain);
		CHECK(edge->effect_lamport > call_of(first)->start);
		CHECK(edge->effect_lamport > call_of(second)->start);
		n++;
	}
	CHECK_INT(n, 2);
	/* To a group: whom it meant is not known. */
	start(C, A);
	kill_of(A, 0, SIGKILL, 0);
	end = die(C, SIGKILL);
	CHECK(edge_to(end));
	CHECK_INT(edge_to(end)->certain, false);
	close_world();
}

static void open_pidfd(int32_t tid, int32_t fd, int32_t pid)
{
	struct rn_event *ev = call_record(RN_SYSCALL, tid, "pidfd_open", (uint64_t)pid, 0, 0, 0);
	struct rn_object_id id = {.kind = RN_OBJECT_PIDFD, .peer = (uint32_t)pid};

	add_object(ev, fd, &id);
	feed_whole(ev, fd);
}

static uint64_t poll_of(int32_t tid, int32_t fd)
{
	const struct pollfd one = {.fd = fd, .events = POLLIN, .revents = POLLIN};
	struct rn_event *ev = call_record(RN_SYSCALL, tid, "poll", 0x1000, 1, 0, 0);

	record_piece(ev, RN_PIECE_STRUCT, 0, RN_PIECE_AT_EXIT, &one, sizeof(one));
	return feed_whole(ev, 1);
}

static void test_pidfd(void)
{
	uint64_t clock, end, ready, sent, got;

	open_world();
	start(B, A);
	start(C, A);
	open_pidfd(A, 3, B);
	open_pidfd(A, 4, C);
	/* It is ready before the end is recorded. */
	for (unsigned i = 0; i < 50; i++)
		whole(B, "getpid", 0, 0, 0, B);
	ready = poll_of(A, 3);
	clock = call_of(ready)->end;
	die(B, 0);
	CHECK(!edge_to(ready));
	/* And after it. */
	ready = poll_of(A, 3);
	CHECK(call_of(ready)->end > clock);
	/* Without a siginfo the pidfd says whose end it was. */
	enter(C, "exit_group", 0, 0, 0);
	end = die(C, 0);
	{
		struct rn_event *ev = call_record(RN_SYSCALL, A, "waitid", 3, 4, 0, WEXITED);

		got = feed_whole(ev, 0);
	}
	CHECK(edge_to(got));
	CHECK_INT(edge_to(got)->certain, true);
	CHECK_INT(edge_to(got)->cause_seq, end);
	/* By a pidfd it is known whom a signal is for. */
	start(B, A);
	start(C, A);
	open_pidfd(A, 5, B);
	whole(A, "pidfd_send_signal", 5, SIGKILL, 0, 0);
	CHECK(!edge_to(die(C, SIGKILL)));
	sent = told.calls[told.ncalls - 1].seq;
	end = die(B, SIGKILL);
	CHECK(edge_to(end));
	CHECK_INT(edge_to(end)->certain, true);
	CHECK_INT(edge_to(end)->cause_seq, sent);
	close_world();
}

int main(void)
{
	test_killed();
	test_not_certain();
	test_pidfd();
	return 0;
}
