/* SPDX-License-Identifier: MIT */
/* Numbers of eventfds between processes. */
#include "channel_world.h"

#include <sys/eventfd.h>

#define AGAIN (-EAGAIN)

static void make_eventfd(int32_t tid, int32_t fd, uint32_t initial, uint64_t flags)
{
	whole(tid, "eventfd2", initial, flags, 0, fd);
}

static struct rn_event *number_record(enum rn_kind kind, int32_t tid, const char *name, int32_t fd,
				      uint64_t number, bool at_exit)
{
	struct rn_event *ev = call_record(kind, tid, name, (uint64_t)fd, 0x1000, 8, 0);

	record_piece(ev, RN_PIECE_BUFFER, 1, at_exit ? RN_PIECE_AT_EXIT : 0, &number,
		     sizeof(number));
	return ev;
}

static uint64_t add(int32_t tid, int32_t fd, uint64_t number)
{
	return feed_whole(number_record(RN_SYSCALL, tid, "write", fd, number, false), 8);
}

static uint64_t begin_add(int32_t tid, int32_t fd, uint64_t number)
{
	number_record(RN_SYSCALL_ENTER, tid, "write", fd, number, false);
	world_feed(&w);
	return w.seq;
}

static void end_add(int32_t tid, int32_t fd, int64_t result)
{
	leave(tid, "write", (uint64_t)fd, 0x1000, 8, result);
}

static uint64_t take(int32_t tid, int32_t fd, uint64_t number)
{
	return feed_whole(number_record(RN_SYSCALL, tid, "read", fd, number, true), 8);
}

static uint64_t begin_take(int32_t tid, int32_t fd)
{
	return enter(tid, "read", (uint64_t)fd, 0x1000, 8);
}

static void end_take(int32_t tid, int32_t fd, uint64_t number)
{
	set_result(number_record(RN_SYSCALL_EXIT, tid, "read", fd, number, true), 8);
	world_feed(&w);
}

static void check_joined(uint64_t effect, unsigned n, const uint64_t *causes)
{
	check_causes(effect, "eventfd", false, n, causes);
	for (unsigned i = 0; i < n; i++)
		CHECK(call_of(effect)->end > call_of(causes[i])->start);
}

static void open_counter(uint32_t initial, uint64_t flags)
{
	open_world();
	make_eventfd(A, 3, initial, flags);
	start(B, A);
	start(C, A);
}

static void test_one_write(void)
{
	uint64_t write, read;

	open_counter(0, 0);
	write = add(A, 3, 1);
	read = take(B, 3, 1);
	check_cause(read, "eventfd", write);
	/* It ends before the write that fed it, again and again: the sum is known. */
	for (unsigned i = 0; i < 3; i++) {
		read = begin_take(B, 3);
		write = begin_add(A, 3, 5);
		end_take(B, 3, 5);
		end_add(A, 3, 8);
		check_cause(read, "eventfd", write);
	}
	/* Through a copy, in a child. */
	whole(B, "dup", 3, 0, 0, 9);
	write = add(C, 3, 1);
	read = take(B, 9, 1);
	check_cause(read, "eventfd", write);
	/* One's own number is no edge. */
	add(A, 3, 1);
	check_causes(take(A, 3, 1), "eventfd", true, 0, NULL);
	/* A zero says nothing, and what failed neither. */
	add(C, 3, 0);
	feed_whole(number_record(RN_SYSCALL, C, "write", 3, 7, false), AGAIN);
	write = add(A, 3, 2);
	read = take(B, 3, 2);
	check_cause(read, "eventfd", write);
	close_world();
}

static void test_sums(void)
{
	uint64_t both[2], read, write;

	open_counter(0, 0);
	both[0] = add(A, 3, 1);
	both[1] = add(C, 3, 2);
	read = take(B, 3, 3);
	check_joined(read, 2, both);
	write = add(C, 3, 2);
	check_cause(take(B, 3, 2), "eventfd", write);
	/* Which of two that overlap the read it got shows only when all has been read. */
	read = begin_take(B, 3);
	both[0] = begin_add(A, 3, 1);
	both[1] = begin_add(C, 3, 1);
	end_take(B, 3, 1);
	end_add(A, 3, 8);
	end_add(C, 3, 8);
	check_joined(read, 2, both);
	check_joined(take(B, 3, 1), 2, both);
	write = add(A, 3, 1);
	check_cause(take(B, 3, 1), "eventfd", write);
	close_world();
}

static void test_initial(void)
{
	uint64_t write, read;

	open_counter(4, 0);
	read = take(B, 3, 4);
	check_causes(read, "eventfd", true, 0, NULL);
	CHECK_STR(call_of(read)->incomplete, NULL);
	close_world();
	open_counter(4, 0);
	write = add(A, 3, 1);
	read = take(B, 3, 5);
	check_cause(read, "eventfd", write);
	close_world();
	/* The write may come after it. */
	open_counter(4, 0);
	read = begin_take(B, 3);
	write = begin_add(A, 3, 1);
	end_take(B, 3, 4);
	end_add(A, 3, 8);
	check_joined(read, 1, &write);
	check_cause(take(B, 3, 1), "eventfd", write);
	close_world();
}

static void test_semaphore(void)
{
	uint64_t both[2], read;

	open_counter(0, EFD_SEMAPHORE);
	both[0] = add(A, 3, 2);
	check_cause(take(B, 3, 1), "eventfd", both[0]);
	both[1] = add(C, 3, 1);
	check_joined(take(B, 3, 1), 2, both);
	check_joined(take(B, 3, 1), 2, both);
	/* None is left. */
	both[0] = add(A, 3, 1);
	check_cause(take(C, 3, 1), "eventfd", both[0]);
	close_world();
	/* What it began with may be what was read. */
	open_counter(1, EFD_SEMAPHORE);
	both[0] = add(A, 3, 1);
	read = take(B, 3, 1);
	check_joined(read, 1, both);
	check_cause(take(B, 3, 1), "eventfd", both[0]);
	close_world();
}

/* Numbers that were not captured: what is left is known when it was empty. */
static void test_unknown_numbers(void)
{
	uint64_t both[2], read;

	open_counter(0, 0);
	both[0] = whole(A, "writev", 3, 0x1000, 1, 8);
	read = whole(B, "readv", 3, 0x1000, 1, 8);
	check_cause(read, "eventfd", both[0]);
	read = begin_take(B, 3);
	both[0] = enter(A, "writev", 3, 0x1000, 1);
	end_take(B, 3, 1);
	leave(A, "writev", 3, 0x1000, 1, 8);
	check_cause(read, "eventfd", both[0]);
	both[1] = add(C, 3, 1);
	check_joined(take(B, 3, 1), 2, both);
	whole(B, "read", 3, 0x1000, 8, AGAIN);
	both[0] = add(A, 3, 1);
	check_cause(take(B, 3, 1), "eventfd", both[0]);
	close_world();
}

static void test_killed(void)
{
	uint64_t both[2], read;

	/* Perhaps it was written. */
	open_counter(0, 0);
	both[0] = begin_add(A, 3, 1);
	world_exit(&w, A, A, 9);
	both[1] = add(C, 3, 1);
	check_joined(take(B, 3, 1), 2, both);
	both[0] = add(C, 3, 1);
	check_cause(take(B, 3, 1), "eventfd", both[0]);
	close_world();
	/* Perhaps it was read. */
	open_counter(0, 0);
	both[0] = add(C, 3, 1);
	begin_take(A, 3);
	world_exit(&w, A, A, 9);
	both[1] = add(C, 3, 1);
	read = take(B, 3, 1);
	check_joined(read, 2, both);
	both[0] = add(C, 3, 1);
	check_cause(take(B, 3, 1), "eventfd", both[0]);
	close_world();
}

/* Two that read at once: who got what is known when nothing is left. */
static void test_two_readers(void)
{
	uint64_t both[2], first, second;

	open_counter(0, 0);
	first = begin_take(B, 3);
	second = begin_take(C, 3);
	both[0] = add(A, 3, 1);
	both[1] = add(A, 3, 2);
	end_take(C, 3, 2);
	end_take(B, 3, 1);
	check_joined(second, 2, both);
	check_joined(first, 2, both);
	both[0] = add(A, 3, 1);
	check_cause(take(B, 3, 1), "eventfd", both[0]);
	close_world();
}

static void test_untraced(void)
{
	uint64_t write, read;

	/* More than was written. */
	open_counter(0, 0);
	write = add(A, 3, 1);
	read = take(B, 3, 3);
	check_joined(read, 1, &write);
	CHECK_STR(call_of(read)->incomplete, "untraced");
	close_world();
	/* Out of nothing. */
	open_counter(0, 0);
	read = take(B, 3, 1);
	CHECK_STR(call_of(read)->incomplete, "untraced");
	add(A, 3, 1);
	read = take(B, 3, 1);
	CHECK_INT(call_of(read)->nlinks, 0);
	CHECK_STR(call_of(read)->incomplete, "untraced");
	close_world();
	/* By requests that are no calls. */
	open_counter(0, 0);
	whole(C, "io_uring_setup", 8, 0x1000, 0, -EPERM);
	write = add(A, 3, 1);
	read = take(B, 3, 1);
	check_joined(read, 1, &write);
	CHECK_STR(call_of(read)->incomplete, "io_uring");
	close_world();
}

/* More than are remembered. */
static void test_bounds(void)
{
	uint64_t first, last = 0, read;

	open_counter(0, 0);
	first = add(A, 3, 1);
	for (unsigned i = 1; i < 1000; i++)
		last = add(A, 3, 1);
	read = take(B, 3, 1000);
	CHECK_INT(call_of(read)->nlinks, 0);
	CHECK(call_of(read)->end > call_of(first)->start);
	CHECK(call_of(read)->end > call_of(last)->start);
	last = add(A, 3, 1);
	check_cause(take(B, 3, 1), "eventfd", last);
	close_world();
	/* None of them is a number that can be. */
	open_counter(0, 0);
	add(A, 3, UINT64_MAX - 1);
	add(A, 3, UINT64_MAX - 1);
	last = add(A, 3, UINT64_MAX);
	read = take(B, 3, UINT64_MAX);
	CHECK_INT(call_of(read)->nlinks, 0);
	end_take(B, 3, 7); /* of a call that never began */
	end_add(B, 3, 8);
	close_world();
}

/* A thread ends inside its call, and another has its number. */
static void test_threads_gone(void)
{
	uint64_t write;

	open_counter(0, 0);
	begin_take(B, 3);
	begin_take(B, 3); /* the end of the first was lost */
	world_exit(&w, B, B, 0);
	start(B, A);
	write = add(A, 3, 1);
	check_cause(take(B, 3, 1), "eventfd", write);
	begin_take(B, 3);
	begin_add(C, 3, 1);
	close_world();
}

int main(void)
{
	test_one_write();
	test_sums();
	test_initial();
	test_semaphore();
	test_unknown_numbers();
	test_killed();
	test_two_readers();
	test_untraced();
	test_bounds();
	test_threads_gone();
	return 0;
}
