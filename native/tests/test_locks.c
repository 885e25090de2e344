/* SPDX-License-Identifier: MIT */
/* Locks on files: who let go of what somebody else then got. */
#include "lock_world.h"

static void test_flock(void)
{
	uint64_t first, let, got, both[2];

	open_world();
	start(B, A);
	open_file(A, 3);
	open_file(B, 3);
	first = flock_of(A, 3, LOCK_EX, 0);
	check_none(first);
	CHECK_STR(call_of(first)->incomplete, NULL);
	/* It waits; it has it before the unlock has ended. */
	got = enter(B, "flock", 3, LOCK_EX, 0);
	let = enter(A, "flock", 3, LOCK_UN, 0);
	leave(B, "flock", 3, LOCK_EX, 0, 0);
	leave(A, "flock", 3, LOCK_UN, 0, 0);
	check_cause(got, "lock", let);
	/* Nobody was in the way, and it comes after the former one all the same. */
	let = flock_of(B, 3, LOCK_UN, 0);
	got = flock_of(A, 3, LOCK_EX | LOCK_NB, 0);
	check_cause(got, "lock", let);
	/* One's own is no cause; the former ones are before it. */
	flock_of(A, 3, LOCK_UN, 0);
	check_none(flock_of(A, 3, LOCK_EX, 0));
	/* Readers are let in by the one writer, a writer by several readers. */
	let = flock_of(A, 3, LOCK_UN, 0);
	start(C, A);
	open_file(C, 4);
	check_cause(flock_of(B, 3, LOCK_SH, 0), "lock", let);
	check_cause(flock_of(C, 4, LOCK_SH, 0), "lock", let);
	both[0] = flock_of(C, 4, LOCK_UN, 0);
	both[1] = flock_of(B, 3, LOCK_UN, 0);
	got = flock_of(A, 3, LOCK_EX, 0);
	check_causes(got, "lock", false, 2, both);
	check_after(got, both[0]);
	check_after(got, both[1]);
	close_world();
}

static void test_flock_conversion(void)
{
	uint64_t change, got;

	open_world();
	start(B, A);
	start(C, A);
	open_file(A, 3);
	open_file(B, 3);
	open_file(C, 3);
	flock_of(A, 3, LOCK_EX, 0);
	/* Down: it lets readers in, but no writer. */
	got = enter(B, "flock", 3, LOCK_SH, 0);
	change = enter(A, "flock", 3, LOCK_SH, 0);
	leave(B, "flock", 3, LOCK_SH, 0, 0);
	leave(A, "flock", 3, LOCK_SH, 0, 0);
	check_cause(got, "lock", change);
	check_cause(flock_of(C, 3, LOCK_SH, 0), "lock", change);
	flock_of(C, 3, LOCK_UN, 0);
	flock_of(B, 3, LOCK_UN, 0);
	/* Up: what it had is gone for a moment, also where it does not get the other. */
	flock_of(B, 3, LOCK_SH, 0);
	change = flock_of(A, 3, LOCK_EX | LOCK_NB, -EAGAIN);
	flock_of(B, 3, LOCK_UN, 0);
	got = flock_of(C, 3, LOCK_EX, 0);
	check_after(got, change);
	CHECK_INT(call_of(got)->nlinks, 0);
	/* The same again changes nothing. */
	flock_of(C, 3, LOCK_EX, 0);
	change = flock_of(C, 3, LOCK_UN, 0);
	check_cause(flock_of(A, 3, LOCK_EX, 0), "lock", change);
	close_world();
}

static void test_flock_follows_the_description(void)
{
	uint64_t let, got;

	open_world();
	open_file(A, 3);
	whole(A, "dup", 3, 0, 0, 5);
	start(B, A);
	start(C, A);
	open_file(C, 7);
	flock_of(A, 3, LOCK_EX, 0);
	/* Others have it still. */
	whole(C, "close", 3, 0, 0, 0);
	whole(C, "close", 5, 0, 0, 0);
	got = enter(C, "flock", 7, LOCK_EX, 0);
	whole(A, "close", 3, 0, 0, 0);
	whole(A, "close", 5, 0, 0, 0);
	whole(B, "close", 3, 0, 0, 0);
	let = enter(B, "close", 5, 0, 0);
	leave(C, "flock", 7, LOCK_EX, 0, 0);
	leave(B, "close", 5, 0, 0, 0);
	check_cause(got, "lock", let);
	close_world();
}

static void test_last_close(void)
{
	uint64_t let, got;

	open_world();
	start(B, A);
	open_file(A, 3);
	open_file(B, 3);
	flock_of(A, 3, LOCK_EX, 0);
	got = enter(B, "flock", 3, LOCK_EX, 0);
	/* A dup2 that fails has not closed it. */
	open_born(A, 4, 501, 1, O_RDWR);
	enter(A, "dup2", 4, 3, 0);
	leave(A, "dup2", 4, 3, 0, -EBUSY);
	let = whole(A, "dup2", 4, 3, 0, 3);
	leave(B, "flock", 3, LOCK_EX, 0, 0);
	check_cause(got, "lock", let);
	/* By the end of a process. */
	open_file(A, 5);
	start(C, B);
	whole(B, "close", 3, 0, 0, 0); /* C has it still */
	got = enter(A, "flock", 5, LOCK_SH, 0);
	let = enter(C, "exit_group", 0, 0, 0);
	leave(A, "flock", 5, LOCK_SH, 0, 0);
	world_exit(&w, C, C, 0);
	check_cause(got, "lock", let);
	close_world();
}

/* The end of a process closes several descriptors of a file: the lock goes once. */
static void test_end_closes_several(void)
{
	uint64_t let, got;

	open_world();
	start(B, A);
	open_file(A, 3);
	open_file(B, 3);
	open_file(B, 4);
	set(B, 3, F_SETLK, F_WRLCK, 0, 0, 0);
	got = begin_set(A, 3, F_SETLKW, F_WRLCK, 5, 1);
	let = enter(B, "exit_group", 0, 0, 0);
	end_set(A, 3, F_SETLKW, 0);
	world_exit(&w, B, B, 0);
	check_cause(got, "lock", let);
	close_world();
}

static void test_exec(void)
{
	uint64_t let, got;

	open_world();
	start(B, A);
	open_file(B, 3);
	open_born(A, 3, 500, 77, O_RDWR | O_CLOEXEC);
	open_file(A, 4);
	set(A, 4, F_SETLK, F_WRLCK, 0, 0, 0);
	got = begin_set(B, 3, F_SETLKW, F_WRLCK, 5, 1);
	/* One that fails has closed nothing. */
	enter(A, "execve", 0, 0, 0);
	leave(A, "execve", 0, 0, 0, -ENOENT);
	let = enter(A, "execve", 0, 0, 0);
	end_set(B, 3, F_SETLKW, 0);
	check_cause(got, "lock", let);
	world_exec(&w, A, A, "/bin/true", RN_CONTEXT_NONE, NULL);
	leave(A, "execve", 0, 0, 0, 0);
	close_world();
}

static void test_ranges(void)
{
	uint64_t left, right, whole_file, got;

	open_world();
	start(B, A);
	open_file(A, 3);
	open_file(B, 3);
	set(A, 3, F_SETLK, F_WRLCK, 0, 0, 0);
	/* The middle; what is left on both sides is held. */
	left = set(A, 3, F_SETLK, F_UNLCK, 10, 10, 0);
	check_cause(set(B, 3, F_SETLK, F_WRLCK, 12, 4, 0), "lock", left);
	got = begin_set(B, 3, F_SETLKW, F_RDLCK, 9, 1);
	right = begin_set(A, 3, F_SETLK, F_UNLCK, 0, 0);
	end_set(B, 3, F_SETLKW, 0);
	end_set(A, 3, F_SETLK, 0);
	check_cause(got, "lock", right);
	/* Of two releases of one thread the last let it in. */
	got = set(B, 3, F_SETLK, F_WRLCK, 15, 10, 0);
	check_cause(got, "lock", right);
	/* Up to the end of the file is up to the end. */
	got = set(B, 3, F_SETLK, F_WRLCK, 1ll << 40, 1, 0);
	check_cause(got, "lock", right);
	/* Backwards. */
	set(B, 3, F_SETLK, F_UNLCK, 0, 0, 0);
	set(A, 3, F_SETLK, F_WRLCK, 100, -10, 0);
	left = set(A, 3, F_SETLK, F_UNLCK, 90, 10, 0);
	check_cause(set(B, 3, F_SETLK, F_WRLCK, 100, 1, 0), "lock", right);
	check_cause(set(B, 3, F_SETLK, F_WRLCK, 99, 1, 0), "lock", left);
	/* Of one call are both sides of what somebody else has read since. */
	set(B, 3, F_SETLK, F_UNLCK, 0, 0, 0);
	set(A, 3, F_SETLK, F_WRLCK, 300, 30, 0);
	left = set(A, 3, F_SETLK, F_UNLCK, 300, 30, 0);
	set(A, 3, F_SETLK, F_RDLCK, 310, 10, 0);
	check_cause(set(B, 3, F_SETLK, F_RDLCK, 300, 30, 0), "lock", left);
	set(A, 3, F_SETLK, F_UNLCK, 0, 0, 0);
	set(B, 3, F_SETLK, F_UNLCK, 0, 0, 0);
	/* What lies side by side is one, and goes by one call. */
	set(A, 3, F_SETLK, F_WRLCK, 200, 5, 0);
	set(A, 3, F_SETLK, F_WRLCK, 205, 5, 0);
	whole_file = set(A, 3, F_SETLK, F_UNLCK, 0, 0, 0);
	check_cause(set(B, 3, F_SETLK, F_WRLCK, 203, 4, 0), "lock", whole_file);
	close_world();
}

static void test_process_locks(void)
{
	uint64_t let, got, down;

	open_world();
	open_file(A, 3);
	set(A, 3, F_SETLK, F_WRLCK, 0, 10, 0);
	start(B, A); /* which has the descriptor, but not the lock */
	/* A close of any descriptor of the file lets go of all. */
	open_file(A, 4);
	got = begin_set(B, 3, F_SETLKW, F_WRLCK, 0, 1);
	let = enter(A, "close", 4, 0, 0);
	end_set(B, 3, F_SETLKW, 0);
	leave(A, "close", 4, 0, 0, 0);
	check_cause(got, "lock", let);
	/* To a reader's: others may read then; that it lets go of writing lets no writer in. */
	got = begin_set(A, 3, F_SETLKW, F_RDLCK, 0, 1);
	down = begin_set(B, 3, F_SETLK, F_RDLCK, 0, 1);
	end_set(A, 3, F_SETLKW, 0);
	end_set(B, 3, F_SETLK, 0);
	check_cause(got, "lock", down);
	got = begin_set(A, 3, F_SETLKW, F_WRLCK, 0, 1);
	let = set(B, 3, F_SETLK, F_UNLCK, 0, 1, 0);
	end_set(A, 3, F_SETLKW, 0);
	check_cause(got, "lock", let);
	/* One that fails has changed nothing. */
	set(A, 3, F_SETLK, F_UNLCK, 0, 1, -ENOLCK);
	got = begin_set(B, 3, F_SETLKW, F_WRLCK, 0, 1);
	let = set(A, 3, F_SETLK, F_UNLCK, 0, 1, 0);
	end_set(B, 3, F_SETLKW, 0);
	check_cause(got, "lock", let);
	close_world();
}

static void test_description_locks(void)
{
	uint64_t let, got;

	open_world();
	open_file(A, 3);
	start(B, A); /* has the same description */
	open_file(B, 4);
	set(A, 3, OFD_SETLKW, F_WRLCK, 0, 10, 0);
	/* Another process may let go of it; and it meets the locks of processes. */
	let = set(B, 3, OFD_SETLKW, F_UNLCK, 0, 10, 0);
	start(C, A);
	got = set(C, 3, F_SETLK, F_WRLCK, 5, 1, 0);
	check_cause(got, "lock", let);
	/* flock does not. */
	check_none(flock_of(B, 4, LOCK_EX, 0));
	/* A process's own descriptions may be in each other's way. */
	set(B, 4, OFD_SETLKW, F_WRLCK, 50, 1, 0);
	let = set(B, 4, OFD_SETLKW, F_UNLCK, 50, 1, 0);
	got = set(A, 3, OFD_SETLKW, F_WRLCK, 50, 1, 0);
	check_cause(got, "lock", let);
	/* It is there until nobody has the description any more. */
	whole(C, "close", 3, 0, 0, 0);
	got = begin_set(B, 4, OFD_SETLKW, F_WRLCK, 50, 1);
	let = enter(A, "close", 3, 0, 0);
	leave(A, "close", 3, 0, 0, 0);
	end_set(B, 4, OFD_SETLKW, 0);
	check_after(got, let);
	CHECK_INT(call_of(got)->nlinks, 0); /* B itself has it, too */
	close_world();
	open_world();
	open_file(A, 3);
	start(B, A);
	open_file(B, 4);
	set(A, 3, OFD_SETLKW, F_WRLCK, 50, 1, 0);
	whole(B, "close", 3, 0, 0, 0);
	got = begin_set(B, 4, OFD_SETLKW, F_WRLCK, 50, 1);
	let = enter(A, "close", 3, 0, 0);
	end_set(B, 4, OFD_SETLKW, 0);
	leave(A, "close", 3, 0, 0, 0);
	check_cause(got, "lock", let);
	close_world();
}

/* i386 has its own numbers, and its structure is packed; the old one has 32 bits. */
static void test_narrow(void)
{
	struct {
		int16_t type, whence;
		int32_t start[2], len[2];
	} wide = {F_UNLCK, SEEK_SET, {8, 0}, {4, 0}};
	struct {
		int16_t type, whence;
		int32_t start, len, pid;
	} old = {F_WRLCK, SEEK_SET, 9, 1, 0};
	struct rn_event *ev;
	uint64_t let, got;

	open_world();
	start(B, A);
	open_file(A, 3);
	open_file(B, 3);
	set(A, 3, F_SETLK, F_WRLCK, 0, 100, 0);
	ev = call_record(RN_SYSCALL, A, "fcntl", 3, SETLKW64, 0x2000, 0);
	ev->abi = RN_ABI_I386;
	ev->nr = rn_syscall_number(RN_ABI_I386, "fcntl64");
	record_piece(ev, RN_PIECE_STRUCT, 2, 0, &wide, sizeof(wide));
	let = feed_whole(ev, 0);
	ev = call_record(RN_SYSCALL, B, "fcntl", 3, F_SETLKW, 0x2000, 0);
	ev->abi = RN_ABI_I386;
	ev->nr = rn_syscall_number(RN_ABI_I386, "fcntl");
	record_piece(ev, RN_PIECE_STRUCT, 2, 0, &old, sizeof(old));
	got = feed_whole(ev, 0);
	check_cause(got, "lock", let);
	close_world();
}

/* Nobody has it open meanwhile: it is known again by its inode, and when it was made. */
static void test_reopened(void)
{
	uint64_t let, got;

	open_world();
	start(B, A);
	open_file(A, 3);
	flock_of(A, 3, LOCK_EX, 0);
	let = whole(A, "close", 3, 0, 0, 0);
	open_file(B, 3);
	check_cause(flock_of(B, 3, LOCK_EX, 0), "lock", let);
	whole(B, "close", 3, 0, 0, 0);
	/* It is open again before the call has ended that let go of it. */
	open_file(A, 3);
	flock_of(A, 3, LOCK_EX, 0);
	let = enter(A, "close", 3, 0, 0);
	open_file(B, 3);
	got = flock_of(B, 3, LOCK_EX, 0);
	leave(A, "close", 3, 0, 0, 0);
	check_cause(got, "lock", let);
	whole(B, "close", 3, 0, 0, 0);
	/* Another file, with an inode that was given anew. */
	open_born(A, 3, 500, 78, O_RDWR);
	check_none(flock_of(A, 3, LOCK_EX, 0));
	let = whole(A, "close", 3, 0, 0, 0);
	/* It may be: it comes after that, and is not linked. */
	open_born(B, 3, 500, 0, O_RDWR);
	got = flock_of(B, 3, LOCK_EX, 0);
	check_none(got);
	check_after(got, let);
	close_world();
}

int main(void)
{
	test_flock();
	test_flock_conversion();
	test_flock_follows_the_description();
	test_last_close();
	test_end_closes_several();
	test_exec();
	test_ranges();
	test_process_locks();
	test_description_locks();
	test_narrow();
	test_reopened();
	return check_done();
}
