/* SPDX-License-Identifier: MIT */
/* POSIX message queues between processes: who sent what was received. */
#include "channel_world.h"

#include <signal.h>

#define NEW (O_RDWR | O_CREAT | O_EXCL)
#define LONGEST 1024

/* `kind`: of the whole call, or of its exit. */
static struct rn_event *open_record(enum rn_kind kind, int32_t tid, int32_t fd, uint64_t inode,
				    uint64_t flags)
{
	struct rn_event *ev = call_record(kind, tid, "mq_open", 0x1000, flags, 0600, 0);
	const struct rn_object_id id = {.kind = RN_OBJECT_MQUEUE,
					.ways = RN_WAY_READ | RN_WAY_WRITE,
					.dev_minor = 20,
					.inode = inode};

	add_object(ev, fd, &id);
	return ev;
}

static void open_queue(int32_t tid, int32_t fd, uint64_t inode, uint64_t flags)
{
	feed_whole(open_record(RN_SYSCALL, tid, fd, inode, flags), fd);
}

static void open_three(uint64_t flags)
{
	open_world();
	open_queue(A, 3, 77, flags);
	start(B, A);
	start(C, A);
}

static uint64_t send_one(int32_t tid, int32_t fd, uint64_t len, uint64_t priority)
{
	return feed_whole(
		call_record(RN_SYSCALL, tid, "mq_timedsend", (uint64_t)fd, 0x1000, len, priority),
		0);
}

static uint64_t begin_send(int32_t tid, int32_t fd, uint64_t len, uint64_t priority)
{
	call_record(RN_SYSCALL_ENTER, tid, "mq_timedsend", (uint64_t)fd, 0x1000, len, priority);
	world_feed(&w);
	return w.seq;
}

static void end_send(int32_t tid, int32_t fd, uint64_t len, uint64_t priority, int64_t result)
{
	set_result(call_record(RN_SYSCALL_EXIT, tid, "mq_timedsend", (uint64_t)fd, 0x1000, len,
			       priority),
		   result);
	world_feed(&w);
}

/* `priority` < 0: it was not asked for. */
static struct rn_event *receive_record(enum rn_kind kind, int32_t tid, int32_t fd, int64_t priority)
{
	struct rn_event *ev = call_record(kind, tid, "mq_timedreceive", (uint64_t)fd, 0x1000,
					  LONGEST, priority < 0 ? 0 : 0x2000);
	uint32_t number = (uint32_t)priority;

	if (priority >= 0)
		record_piece(ev, RN_PIECE_STRUCT, 3, RN_PIECE_AT_EXIT, &number, sizeof(number));
	return ev;
}

static uint64_t receive(int32_t tid, int32_t fd, int64_t len, int64_t priority)
{
	return feed_whole(receive_record(RN_SYSCALL, tid, fd, priority), len);
}

static uint64_t begin_receive(int32_t tid, int32_t fd)
{
	call_record(RN_SYSCALL_ENTER, tid, "mq_timedreceive", (uint64_t)fd, 0x1000, LONGEST, 0);
	world_feed(&w);
	return w.seq;
}

static void end_receive(int32_t tid, int32_t fd, int64_t len, int64_t priority)
{
	set_result(receive_record(RN_SYSCALL_EXIT, tid, fd, priority), len);
	world_feed(&w);
}

/* It is told how many messages there are. */
static void look(int32_t tid, int32_t fd, int64_t messages)
{
	const int64_t attr[4] = {0, 10, LONGEST, messages};
	struct rn_event *ev =
		call_record(RN_SYSCALL, tid, "mq_getsetattr", (uint64_t)fd, 0, 0x1000, 0);

	record_piece(ev, RN_PIECE_STRUCT, 2, RN_PIECE_AT_EXIT, attr, sizeof(attr));
	feed_whole(ev, 0);
}

static void check_joined(uint64_t effect, unsigned n, const uint64_t *causes)
{
	check_causes(effect, "mqueue", false, n, causes);
	for (unsigned i = 0; i < n; i++)
		CHECK(call_of(effect)->end > call_of(causes[i])->start);
}

static void test_order(void)
{
	uint64_t sent[4], got;

	open_three(NEW);
	sent[0] = send_one(A, 3, 8, 0);
	sent[1] = send_one(C, 3, 8, 0);
	sent[2] = send_one(A, 3, 8, 5);
	sent[3] = send_one(A, 3, 0, 5);
	check_cause(receive(B, 3, 8, 5), "mqueue", sent[2]);
	check_cause(receive(B, 3, 0, -1), "mqueue", sent[3]);
	check_cause(receive(B, 3, 8, -1), "mqueue", sent[0]);
	check_cause(receive(B, 3, 8, 0), "mqueue", sent[1]);
	/* It ends before the send that fed it. */
	for (unsigned i = 0; i < 3; i++) {
		got = begin_receive(B, 3);
		sent[0] = begin_send(A, 3, 8, 1);
		end_receive(B, 3, 8, 1);
		end_send(A, 3, 8, 1, 0);
		check_cause(got, "mqueue", sent[0]);
	}
	/* What failed was not sent, one's own is no edge. */
	feed_whole(call_record(RN_SYSCALL, A, "mq_timedsend", 3, 0x1000, 8, 0), -EAGAIN);
	sent[0] = send_one(C, 3, 8, 0);
	check_cause(receive(B, 3, 8, 0), "mqueue", sent[0]);
	send_one(B, 3, 8, 0);
	check_causes(receive(B, 3, 8, 0), "mqueue", true, 0, NULL);
	close_world();
}

/* Another may have come before it. */
static void test_overlaps(void)
{
	uint64_t sent[3], got;

	open_three(NEW);
	sent[0] = begin_send(A, 3, 8, 0);
	sent[1] = send_one(C, 3, 8, 0);
	end_send(A, 3, 8, 0, 0);
	check_joined(receive(B, 3, 8, 0), 2, sent);
	check_joined(receive(B, 3, 8, 0), 2, sent);
	sent[0] = send_one(C, 3, 8, 0);
	check_cause(receive(B, 3, 8, 0), "mqueue", sent[0]);
	/* Lengths and priorities tell them apart. */
	sent[0] = begin_send(A, 3, 8, 0);
	sent[1] = send_one(C, 3, 9, 0);
	end_send(A, 3, 8, 0, 0);
	check_cause(receive(B, 3, 9, 0), "mqueue", sent[1]);
	sent[1] = send_one(C, 3, 8, 1);
	check_cause(receive(B, 3, 8, 1), "mqueue", sent[1]);
	check_cause(receive(B, 3, 8, 0), "mqueue", sent[0]);
	/* One of a greater priority may come meanwhile; where that is not told, each may be it. */
	sent[0] = send_one(A, 3, 8, 1);
	got = begin_receive(B, 3);
	sent[1] = begin_send(C, 3, 8, 2);
	end_receive(B, 3, 8, -1);
	end_send(C, 3, 8, 2, 0);
	check_joined(got, 2, sent);
	check_joined(receive(B, 3, 8, -1), 2, sent);
	/* Of a smaller one it makes no difference. */
	sent[0] = send_one(A, 3, 8, 1);
	got = begin_receive(B, 3);
	sent[1] = send_one(C, 3, 8, 0);
	end_receive(B, 3, 8, -1);
	check_cause(got, "mqueue", sent[0]);
	check_cause(receive(B, 3, 8, -1), "mqueue", sent[1]);
	close_world();
}

static void test_two_receivers(void)
{
	uint64_t sent[2], first, second;

	open_three(NEW);
	first = begin_receive(B, 3);
	second = begin_receive(C, 3);
	sent[0] = send_one(A, 3, 8, 0);
	sent[1] = send_one(A, 3, 8, 0);
	end_receive(C, 3, 8, 0);
	end_receive(B, 3, 8, 0);
	check_joined(first, 2, sent);
	check_joined(second, 2, sent);
	/* One by its length. */
	first = begin_receive(B, 3);
	second = begin_receive(C, 3);
	sent[0] = send_one(A, 3, 8, 0);
	sent[1] = send_one(A, 3, 9, 0);
	end_receive(C, 3, 9, 0);
	end_receive(B, 3, 8, 0);
	check_cause(first, "mqueue", sent[0]);
	check_cause(second, "mqueue", sent[1]);
	close_world();
}

/* A queue may have been there, with messages in it. */
static void test_found(void)
{
	uint64_t sent, got;

	open_three(O_RDWR | O_CREAT);
	sent = send_one(A, 3, 8, 0);
	got = receive(B, 3, 8, 0);
	check_joined(got, 1, &sent);
	CHECK_STR(call_of(got)->incomplete, "untraced");
	receive(B, 3, -EAGAIN, -1);
	sent = send_one(A, 3, 8, 0);
	check_cause(receive(B, 3, 8, 0), "mqueue", sent);
	close_world();
	/* It says that it is empty. */
	open_three(O_RDWR | O_CREAT);
	look(B, 3, 0);
	sent = send_one(A, 3, 8, 0);
	check_cause(receive(B, 3, 8, 0), "mqueue", sent);
	/* Now it says that it is not. */
	sent = send_one(A, 3, 8, 0);
	look(B, 3, 1);
	check_cause(receive(B, 3, 8, 0), "mqueue", sent);
	close_world();
}

/* It stays what it is while nobody has it open; others open it by its name. */
static void test_by_name(void)
{
	uint64_t sent;

	open_world();
	start(B, A);
	open_queue(A, 3, 77, NEW);
	sent = send_one(A, 3, 8, 0);
	whole(A, "close", 3, 0, 0, 0);
	open_queue(B, 5, 77, O_RDONLY);
	check_cause(receive(B, 5, 8, 0), "mqueue", sent);
	/* Its end of the open that made it is recorded last. */
	enter(A, "mq_open", 0x1000, NEW, 0600);
	open_queue(B, 6, 78, O_WRONLY);
	sent = send_one(B, 6, 8, 0);
	set_result(open_record(RN_SYSCALL_EXIT, A, 3, 78, NEW), 3);
	world_feed(&w);
	check_cause(receive(A, 3, 8, 0), "mqueue", sent);
	/* Many come and go. */
	for (uint64_t i = 0; i < 200; i++) {
		open_queue(A, 7, 100 + i, NEW);
		send_one(A, 7, 8, 0);
		whole(A, "close", 7, 0, 0, 0);
	}
	open_queue(B, 8, 299, O_RDONLY);
	CHECK_INT(call_of(receive(B, 8, 8, 0))->nlinks, 1);
	open_queue(B, 9, 100, O_RDONLY);
	CHECK_STR(call_of(receive(B, 9, 8, 0))->incomplete, "untraced");
	close_world();
}

static void test_untraced(void)
{
	uint64_t sent, got;

	/* Nobody has sent such a one. */
	open_three(NEW);
	sent = send_one(A, 3, 8, 0);
	got = receive(B, 3, 9, 0);
	CHECK_STR(call_of(got)->incomplete, "untraced");
	got = receive(B, 3, 8, 0);
	check_joined(got, 1, &sent);
	CHECK_STR(call_of(got)->incomplete, "untraced");
	close_world();
}

static void test_killed(void)
{
	uint64_t sent[2];

	/* Perhaps it was sent. */
	open_three(NEW);
	sent[0] = begin_send(A, 3, 8, 0);
	world_exit(&w, A, A, 9);
	sent[1] = send_one(C, 3, 8, 0);
	check_joined(receive(B, 3, 8, 0), 2, sent);
	receive(B, 3, -EAGAIN, -1);
	sent[0] = send_one(C, 3, 8, 0);
	check_cause(receive(B, 3, 8, 0), "mqueue", sent[0]);
	/* Perhaps it was received. */
	sent[0] = send_one(C, 3, 8, 0);
	start(A, C);
	begin_receive(A, 3);
	world_exit(&w, A, A, 9);
	sent[1] = send_one(C, 3, 8, 0);
	check_joined(receive(B, 3, 8, 0), 2, sent);
	receive(B, 3, -ETIMEDOUT, -1);
	sent[0] = send_one(C, 3, 8, 0);
	check_cause(receive(B, 3, 8, 0), "mqueue", sent[0]);
	close_world();
}

static void test_bounds(void)
{
	uint64_t first, last = 0, got;

	open_three(NEW);
	first = send_one(A, 3, 8, 0);
	for (unsigned i = 0; i < 1000; i++)
		last = send_one(A, 3, 8, 0);
	got = receive(B, 3, 8, 0);
	CHECK_INT(call_of(got)->nlinks, 0);
	CHECK(call_of(got)->end > call_of(first)->start);
	for (unsigned i = 0; i < 1000; i++) {
		got = receive(B, 3, 8, 0);
		told.nedges = 0;
	}
	CHECK_INT(call_of(got)->nlinks, 0);
	CHECK(call_of(got)->end > call_of(last)->start);
	receive(B, 3, -EAGAIN, -1);
	last = send_one(A, 3, 8, 0);
	check_cause(receive(B, 3, 8, 0), "mqueue", last);
	close_world();
}

static void test_notified(void)
{
	uint64_t sent, next;
	struct rn_event *ev;

	open_three(NEW);
	for (unsigned i = 0; i < 20; i++)
		whole(A, "getppid", 0, 0, 0, 1);
	sent = send_one(A, 3, 8, 0);
	ev = world_next(&w, RN_SIGNAL, B, B);
	ev->nr = SIGUSR1;
	ev->args[0] = (uint64_t)(int64_t)SI_MESGQ;
	ev->args[1] = A;
	world_feed(&w);
	next = whole(B, "getppid", 0, 0, 0, 1);
	CHECK(call_of(next)->start > call_of(sent)->start);
	CHECK_INT(call_of(next)->nlinks, 0);
	close_world();
}

int main(void)
{
	test_order();
	test_overlaps();
	test_two_receivers();
	test_found();
	test_by_name();
	test_untraced();
	test_killed();
	test_bounds();
	test_notified();
	return 0;
}
