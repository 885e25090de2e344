/* SPDX-License-Identifier: MIT */
/* Locks on files: what is not known of them, ends, losses, bounds, lies. */
#include "lock_world.h"

static void test_what_is_not_known(void)
{
	uint64_t let, got, both[2];

	open_world();
	start(B, A);
	open_file(A, 3);
	open_file(B, 3);
	/* Somebody who is not traced has it. */
	flock_of(A, 3, LOCK_EX | LOCK_NB, -EAGAIN);
	flock_of(A, 3, LOCK_EX, 0);
	let = flock_of(A, 3, LOCK_UN, 0);
	got = flock_of(B, 3, LOCK_EX, 0);
	CHECK_STR(call_of(got)->incomplete, "untraced");
	CHECK_INT(call_of(got)->nlinks, 0);
	check_after(got, let);
	/* From where the file is at: which bytes? */
	open_born(A, 5, 501, 1, O_RDWR);
	open_born(B, 5, 501, 1, O_RDWR);
	feed_whole(lock_record(RN_SYSCALL, A, 5, F_SETLKW, (struct range){F_WRLCK, SEEK_CUR, 0, 1}),
		   0);
	let = feed_whole(
		lock_record(RN_SYSCALL, A, 5, F_SETLK, (struct range){F_UNLCK, SEEK_CUR, 0, 1}), 0);
	got = set(B, 5, F_SETLKW, F_WRLCK, 7, 1, 0);
	CHECK_INT(call_of(got)->nlinks, 0);
	check_after(got, let);
	/* Two threads of the owner at once. */
	open_born(A, 6, 502, 1, O_RDWR);
	open_born(B, 6, 502, 1, O_RDWR);
	enter(A, "clone", CLONE_VM | CLONE_FILES | CLONE_THREAD, 0, 0);
	{
		struct rn_event *ev = world_next(&w, RN_PROCESS_START, A + 50, A);

		ev->args[0] = 1;
		ev->args[1] = ev->args[2] = A;
		ev->args[3] = CLONE_VM | CLONE_FILES | CLONE_THREAD;
		world_feed(&w);
	}
	leave(A, "clone", CLONE_VM | CLONE_FILES | CLONE_THREAD, 0, 0, A + 50);
	set(A, 6, F_SETLK, F_WRLCK, 0, 10, 0);
	both[0] = begin_set(A, 6, F_SETLK, F_UNLCK, 0, 10);
	call_record(RN_SYSCALL_ENTER, A + 50, "close", 6, 0, 0, 0)->pid = A;
	world_feed(&w);
	both[1] = w.seq;
	end_set(A, 6, F_SETLK, 0);
	got = set(B, 6, F_SETLKW, F_WRLCK, 0, 10, 0);
	CHECK_INT(call_of(got)->nlinks, 0);
	call_record(RN_SYSCALL_EXIT, A + 50, "close", 6, 0, 0, 0)->pid = A;
	world_feed(&w);
	check_after(got, both[0]);
	check_after(got, both[1]);
	close_world();
}

/* Whoever held it was killed, which is recorded later. */
static void test_killed(void)
{
	uint64_t got, held;

	open_world();
	start(B, A);
	open_file(A, 3);
	open_file(B, 3);
	held = flock_of(B, 3, LOCK_EX, 0);
	got = enter(A, "flock", 3, LOCK_EX, 0);
	leave(A, "flock", 3, LOCK_EX, 0, 0);
	CHECK_INT(call_of(got)->nlinks, 1);
	CHECK_STR(call_of(got)->links[0].edge, "lock");
	check_after(got, held);
	world_exit(&w, B, B, 9);
	/* And earlier. */
	start(C, A);
	open_file(C, 4);
	flock_of(A, 3, LOCK_UN, 0);
	flock_of(C, 4, LOCK_EX, 0);
	whole(C, "close", 3, 0, 0, 0);
	world_exit(&w, C, C, 9);
	got = flock_of(A, 3, LOCK_SH, 0);
	CHECK_INT(call_of(got)->nlinks, 1);
	close_world();
}

static void test_losses(void)
{
	uint64_t got, let;
	struct rn_event *ev;

	open_world();
	start(B, A);
	open_file(A, 3);
	flock_of(A, 3, LOCK_EX, 0);
	let = flock_of(A, 3, LOCK_UN, 0);
	ev = world_next(&w, RN_GAP, A, A);
	ev->args[0] = ev->args[4] = 1;
	world_feed(&w);
	open_file(B, 3);
	got = flock_of(B, 3, LOCK_EX, 0);
	CHECK_STR(call_of(got)->incomplete, "lost");
	CHECK_INT(call_of(got)->nlinks, 0);
	check_after(got, let);
	close_world();
}

/* More of them than are kept: what is not is in the time. */
static void test_bounds(void)
{
	uint64_t let = 0, got;

	open_world();
	start(B, A);
	open_file(A, 3);
	open_file(B, 3);
	for (int i = 0; i < 1000; i++)
		set(A, 3, F_SETLK, F_RDLCK, 2 * i, 1, 0);
	for (int i = 0; i < 1000; i++)
		let = set(A, 3, F_SETLK, F_UNLCK, 2 * i, 1, 0);
	got = set(B, 3, F_SETLK, F_WRLCK, 0, 0, 0);
	CHECK_STR(call_of(got)->incomplete, "locks");
	CHECK_INT(call_of(got)->nlinks, 0);
	check_after(got, let);
	for (uint32_t i = 0; i < 1300; i++) {
		open_born(A, 9, 1000 + i, 1, O_RDWR);
		flock_of(A, 9, LOCK_EX, 0);
		if (i == 0)
			let = flock_of(A, 9, LOCK_UN, 0);
		whole(A, "close", 9, 0, 0, 0);
	}
	open_born(B, 9, 1000, 1, O_RDWR);
	got = flock_of(B, 9, LOCK_EX, 0);
	CHECK_INT(call_of(got)->nlinks, 0);
	check_after(got, let);
	close_world();
}

int main(void)
{
	test_what_is_not_known();
	test_killed();
	test_losses();
	test_bounds();
	return check_done();
}
