/* SPDX-License-Identifier: MIT */
/* Locks on files that a thread opens or closes while another thread of its process forks. */
#include "lock_world.h"

#define D 13
#define T 60 /* a thread of A */

static void feed_of_thread(struct rn_event *ev)
{
	ev->pid = A;
	world_feed(&w);
}

static void open_races(void)
{
	struct rn_event *ev;

	open_world();
	start(B, A);
	open_file(B, 3);
	enter(A, "clone", CLONE_VM | CLONE_FILES | CLONE_THREAD, 0, 0);
	ev = world_next(&w, RN_PROCESS_START, T, A);
	ev->args[0] = 1;
	ev->args[1] = ev->args[2] = A;
	ev->args[3] = CLONE_VM | CLONE_FILES | CLONE_THREAD;
	world_feed(&w);
	leave(A, "clone", CLONE_VM | CLONE_FILES | CLONE_THREAD, 0, 0, T);
}

static void begin_fork(void)
{
	feed_of_thread(call_record(RN_SYSCALL_ENTER, T, "fork", 0, 0, 0, 0));
}

/* C starts, and the fork ends. */
static void end_fork(void)
{
	struct rn_event *ev;

	world_start(&w, C, C, 50, T, A);
	ev = call_record(RN_SYSCALL_EXIT, T, "fork", 0, 0, 0, 0);
	ev->result = C;
	feed_of_thread(ev);
}

static void begin_open(int32_t tid)
{
	enter(tid, "openat", (uint64_t)AT_FDCWD, 0x1000, O_RDWR);
}

static void end_open(int32_t tid, int32_t fd)
{
	struct rn_event *ev =
		call_record(RN_SYSCALL_EXIT, tid, "openat", (uint64_t)AT_FDCWD, 0x1000, O_RDWR, 0);
	struct rn_object_id id = {.kind = RN_OBJECT_FILE,
				  .ways = RN_WAY_READ | RN_WAY_WRITE,
				  .dev_minor = 3,
				  .inode = 500,
				  .more = 77};

	add_object(ev, fd, &id);
	set_result(ev, fd);
	world_feed(&w);
}

/* A opens a file while T forks C: the copy is recorded before the open's end, or after it. */
static void open_in_a_fork(bool copied_before)
{
	open_races();
	if (copied_before) {
		begin_open(A);
		begin_fork();
		end_fork();
		end_open(A, 3);
	} else {
		begin_fork();
		open_file(A, 3);
		end_fork();
	}
}

/* A lock that a call lets go of is let go of, whoever has the description. */
static void test_unlocks(void)
{
	for (unsigned before = 0; before < 2; before++) {
		uint64_t let;

		open_in_a_fork(before);
		flock_of(A, 3, LOCK_EX, 0);
		let = flock_of(A, 3, LOCK_UN, 0);
		check_cause(flock_of(B, 3, LOCK_EX, 0), "lock", let);
		let = flock_of(B, 3, LOCK_UN, 0);
		check_cause(flock_of(A, 3, LOCK_EX, 0), "lock", let);
		let = flock_of(A, 3, LOCK_UN, 0);
		/* Nothing is held by it when it is closed, or when the child ends. */
		whole(A, "close", 3, 0, 0, 0);
		check_cause(flock_of(B, 3, LOCK_EX, 0), "lock", let);
		let = flock_of(B, 3, LOCK_UN, 0);
		world_exit(&w, C, C, 0);
		open_file(A, 3);
		check_cause(flock_of(A, 3, LOCK_EX, 0), "lock", let);
		close_world();
	}
}

/* A process's own locks are not its child's, and end with its close. */
static void test_closes_of_the_owner(void)
{
	for (unsigned before = 0; before < 2; before++) {
		uint64_t let;

		open_in_a_fork(before);
		set(A, 3, F_SETLK, F_WRLCK, 0, 10, 0);
		let = whole(A, "close", 3, 0, 0, 0);
		check_cause(set(B, 3, F_SETLK, F_WRLCK, 0, 10, 0), "lock", let);
		close_world();
	}
}

/* The child may have it still: then the lock is not let go of by this close. */
static void test_last_close(void)
{
	for (unsigned before = 0; before < 2; before++) {
		uint64_t let, later, got;

		open_in_a_fork(before);
		flock_of(A, 3, LOCK_EX, 0);
		let = whole(A, "close", 3, 0, 0, 0);
		later = whole(C, "close", 3, 0, 0, 0);
		got = flock_of(B, 3, LOCK_EX, 0);
		CHECK_INT(call_of(got)->nlinks, 0);
		check_after(got, let);
		check_after(got, later);
		close_world();
	}
	/* Nor by the child's, which may not have it. */
	for (unsigned i = 0; i < 2; i++) {
		uint64_t let, got;

		open_in_a_fork(false);
		flock_of(A, 3, LOCK_EX, 0);
		let = whole(A, "close", 3, 0, 0, 0);
		if (i)
			world_exit(&w, C, C, 0);
		got = flock_of(B, 3, LOCK_EX, 0);
		CHECK_INT(call_of(got)->nlinks, 0);
		check_after(got, let);
		close_world();
	}
}

/* A lock that is held by what the fork may have copied, when it is closed during the fork. */
static void test_close_during_the_fork(void)
{
	for (unsigned before = 0; before < 2; before++) {
		uint64_t let, later, got;

		open_races();
		open_file(A, 3);
		flock_of(A, 3, LOCK_EX, 0);
		if (before) {
			let = enter(A, "close", 3, 0, 0);
			begin_fork();
			end_fork();
			leave(A, "close", 3, 0, 0, 0);
		} else {
			begin_fork();
			let = whole(A, "close", 3, 0, 0, 0);
			end_fork();
		}
		later = whole(C, "close", 3, 0, 0, 0);
		got = flock_of(B, 3, LOCK_EX, 0);
		CHECK_INT(call_of(got)->nlinks, 0);
		check_after(got, let);
		check_after(got, later);
		close_world();
	}
}

/* One of two descriptors is closed during the fork; the other one, later, is not the last. */
static void test_close_of_a_copy(void)
{
	for (unsigned locked = 0; locked < 2; locked++) {
		uint64_t let, got;

		open_races();
		open_file(A, 3);
		whole(A, "dup", 3, 0, 0, 4);
		if (locked)
			flock_of(A, 3, LOCK_EX, 0);
		begin_fork();
		whole(A, "close", 3, 0, 0, 0);
		end_fork();
		if (!locked) {
			flock_of(A, 4, LOCK_EX, 0);
			let = flock_of(A, 4, LOCK_UN, 0);
			check_cause(flock_of(B, 3, LOCK_EX, 0), "lock", let);
			flock_of(B, 3, LOCK_UN, 0);
			flock_of(A, 4, LOCK_EX, 0);
		}
		whole(C, "close", 4, 0, 0, 0);
		let = whole(A, "close", 4, 0, 0, 0);
		got = flock_of(B, 3, LOCK_EX, 0);
		CHECK_INT(call_of(got)->nlinks, 0);
		check_after(got, let);
		close_world();
	}
}

/* The child uses what it may have: what that is, and which lock, is not known. */
static void test_the_child_locks(void)
{
	for (unsigned before = 0; before < 2; before++) {
		uint64_t let, got;

		open_in_a_fork(before);
		open_born(A, 7, 501, 1, O_RDWR);
		open_born(B, 7, 501, 1, O_RDWR);
		let = flock_of(C, 3, LOCK_UN, 0);
		flock_of(A, 3, LOCK_EX, 0);
		flock_of(A, 3, LOCK_UN, 0);
		got = flock_of(B, 3, LOCK_EX, 0);
		CHECK_INT(call_of(got)->nlinks, 0);
		check_after(got, let);
		/* Another file it cannot be. */
		flock_of(A, 7, LOCK_EX, 0);
		let = flock_of(A, 7, LOCK_UN, 0);
		check_cause(flock_of(B, 7, LOCK_EX, 0), "lock", let);
		close_world();
	}
	/* By a copy of it. */
	{
		uint64_t let, got;

		open_in_a_fork(false);
		whole(C, "dup", 3, 0, 0, 5);
		let = flock_of(C, 5, LOCK_UN, 0);
		got = flock_of(B, 3, LOCK_EX, 0);
		CHECK_INT(call_of(got)->nlinks, 0);
		check_after(got, let);
		flock_of(B, 3, LOCK_UN, 0);
		CHECK_INT(call_of(flock_of(A, 3, LOCK_EX, 0))->nlinks, 0);
		close_world();
	}
}

/* A child may let go of its own locks by a close of a descriptor that is not told. */
static void test_the_childs_own_locks(void)
{
	for (unsigned before = 0; before < 2; before++) {
		uint64_t let, got;

		open_in_a_fork(before);
		open_file(C, 9);
		open_born(C, 7, 501, 1, O_RDWR);
		open_born(B, 7, 501, 1, O_RDWR);
		set(C, 9, F_SETLK, F_WRLCK, 0, 10, 0);
		let = set(C, 9, F_SETLK, F_UNLCK, 0, 10, 0);
		check_cause(set(B, 3, F_SETLK, F_WRLCK, 0, 10, 0), "lock", let);
		set(B, 3, F_SETLK, F_UNLCK, 0, 10, 0);
		set(C, 9, F_SETLK, F_WRLCK, 0, 10, 0);
		whole(C, "close", 3, 0, 0, before ? 0 : -EBADF);
		let = set(C, 9, F_SETLK, F_UNLCK, 0, 10, 0);
		got = set(B, 3, F_SETLK, F_WRLCK, 0, 10, 0);
		check_causes(got, "lock", false, 1, &let);
		/* Of this one it has no other. */
		set(C, 7, F_SETLK, F_WRLCK, 0, 10, 0);
		whole(C, "close", 11, 0, 0, -EBADF);
		let = set(C, 7, F_SETLK, F_UNLCK, 0, 10, 0);
		check_cause(set(B, 7, F_SETLK, F_WRLCK, 0, 10, 0), "lock", let);
		/* It seems to hold it still. */
		set(B, 3, F_SETLK, F_UNLCK, 0, 10, 0);
		set(C, 9, F_SETLK, F_WRLCK, 0, 10, 0);
		let = whole(C, "close", 11, 0, 0, 0);
		got = set(B, 3, F_SETLK, F_WRLCK, 0, 10, 0);
		CHECK_INT(call_of(got)->nlinks, 0);
		check_after(got, let);
		close_world();
	}
}

/* What the copy may have shows only when the open has ended: until then any file may be it. */
static void test_while_the_open_lasts(void)
{
	uint64_t let, got;

	open_races();
	begin_open(A);
	begin_fork();
	end_fork();
	open_file(C, 9);
	set(C, 9, F_SETLK, F_WRLCK, 0, 10, 0);
	whole(C, "close_range", 10, UINT32_MAX, 0, 0);
	let = set(C, 9, F_SETLK, F_UNLCK, 0, 10, 0);
	got = set(B, 3, F_SETLK, F_WRLCK, 0, 10, 0);
	check_causes(got, "lock", false, 1, &let);
	set(B, 3, F_SETLK, F_UNLCK, 0, 10, 0);
	leave(A, "openat", (uint64_t)AT_FDCWD, 0x1000, O_RDWR, -ENOENT);
	/* It was none. */
	set(C, 9, F_SETLK, F_WRLCK, 0, 10, 0);
	whole(C, "close_range", 10, UINT32_MAX, 0, 0);
	let = set(C, 9, F_SETLK, F_UNLCK, 0, 10, 0);
	check_cause(set(B, 3, F_SETLK, F_WRLCK, 0, 10, 0), "lock", let);
	close_world();
}

/* A file that a later fork copies is the child's for certain. */
static void test_a_later_fork(void)
{
	uint64_t let;

	open_in_a_fork(false);
	start(D, A);
	flock_of(D, 3, LOCK_EX, 0);
	let = flock_of(D, 3, LOCK_UN, 0);
	check_cause(flock_of(B, 3, LOCK_EX, 0), "lock", let);
	close_world();
}

int main(void)
{
	test_unlocks();
	test_closes_of_the_owner();
	test_last_close();
	test_close_during_the_fork();
	test_close_of_a_copy();
	test_the_child_locks();
	test_the_childs_own_locks();
	test_while_the_open_lasts();
	test_a_later_fork();
	return 0;
}
