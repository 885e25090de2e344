/* SPDX-License-Identifier: MIT */
/* Who woke whom, from records made by hand: futexes in memory of all sorts, ends of threads. */
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>

#include "edge_world.h"

#define WORD 0x7000u
#define PRIVATE(op) ((op) | FUTEX_PRIVATE_FLAG)

/* Threads of process 7, at one private word. */
static uint64_t waits(int32_t tid)
{
	return ENTER(tid, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
}

static void is_woken(int32_t tid)
{
	LEAVE(tid, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT));
}

static uint64_t begins_wake(int32_t tid, uint64_t most)
{
	return ENTER(tid, 7, "futex", WORD, PRIVATE(FUTEX_WAKE), most);
}

static void ends_wake(int32_t tid, uint64_t most, int64_t woken)
{
	LEAVE(tid, 7, "futex", woken, WORD, PRIVATE(FUTEX_WAKE), most);
}

static uint64_t wakes(int32_t tid, uint64_t most, int64_t woken)
{
	return CALL(tid, 7, "futex", woken, WORD, PRIVATE(FUTEX_WAKE), most);
}

/* 8 waits, 9 wakes it, and it goes on. Returns the wait. */
static uint64_t wake_up(uint64_t *wake)
{
	uint64_t wait = waits(8), call = wakes(9, 1, 1);

	is_woken(8);
	if (wake)
		*wake = call;
	return wait;
}

/* Process 7, and 8, which it has made. */
static void begin_two(void)
{
	begin();
	spawn(7, 7, 8, 8, 2, SIGCHLD, 0);
	spawned(7, 7, 8);
}

/* 8 waits at a word of its own memory, 7 wakes at one of its, and 8 goes on. Returns the wait. */
static uint64_t meet(uint64_t there, uint64_t here, uint64_t most, int64_t woken, uint64_t *wake)
{
	uint64_t wait = ENTER(8, 8, "futex", there, FUTEX_WAIT);
	uint64_t call = CALL(7, 7, "futex", woken, here, FUTEX_WAKE, most);

	LEAVE(8, 8, "futex", 0, there, FUTEX_WAIT);
	if (wake)
		*wake = call;
	return wait;
}

static void test_join(void)
{
	uint64_t wait, leave;

	begin();
	spawn(7, 7, 8, 7, 1, CLONE_VM | CLONE_THREAD | CLONE_CHILD_CLEARTID, WORD);
	spawned(7, 7, 8);
	wait = ENTER(7, 7, "futex", WORD, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 8);
	leave = world_enter(&w, 8, 7, "exit");
	LEAVE(7, 7, "futex", 0, WORD, FUTEX_WAIT, 8); /* before the record of its end */
	world_exit(&w, 8, 7, 0);
	CHECK_INT(edges_to(wait, leave, RN_EDGE_JOIN, true), 1);
	linked_to_call(wait, leave, "join");
	/* The same stack, and word, of another thread. */
	spawn(7, 7, 9, 7, 1, CLONE_VM | CLONE_THREAD | CLONE_CHILD_CLEARTID, WORD);
	spawned(7, 7, 9);
	wait = ENTER(7, 7, "futex", WORD, FUTEX_WAIT, 9);
	leave = world_enter(&w, 9, 7, "exit");
	world_exit(&w, 9, 7, 0);
	LEAVE(7, 7, "futex", 0, WORD, FUTEX_WAIT, 9);
	linked_to_call(wait, leave, "join");
	end();
}

static void test_futex(void)
{
	uint64_t wait, wake, other;

	begin();
	spawn_threads(3);
	/* The wake's own end comes after the waiter's. */
	wait = waits(8);
	wake = begins_wake(9, 1);
	is_woken(8);
	ends_wake(9, 1, 1);
	linked_to_call(wait, wake, "futex");
	CHECK_INT(edges_to(wait, wake, RN_EDGE_FUTEX, true), 1);
	/* Ended before the wait began; another word; the other kind; nobody; another's bits. */
	wakes(9, 1, 1);
	wait = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT_BITSET), 0, 0, 0, 2);
	CALL(9, 7, "futex", 1, WORD + 4, PRIVATE(FUTEX_WAKE), 1);
	CALL(9, 7, "futex", 1, WORD, FUTEX_WAKE, 1);
	wakes(9, 1, 0);
	CALL(9, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE_BITSET), 1, 0, 0, 4);
	wake = CALL(10, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE_BITSET), 1, 0, 0, 6);
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT_BITSET));
	linked_to_call(wait, wake, "futex");
	/* Not woken. */
	wait = waits(8);
	wakes(9, 1, 1);
	LEAVE(8, 7, "futex", -110, WORD, PRIVATE(FUTEX_WAIT));
	not_linked(wait);
	CHECK_INT(edges_to(wait, ANY, RN_EDGE_FUTEX, false), 0);
	/* Two wakers: both are joined, none is linked. */
	wait = waits(8);
	wake = begins_wake(9, 1);
	other = begins_wake(10, 1);
	is_woken(8);
	ends_wake(9, 1, 1);
	ends_wake(10, 1, 0);
	not_linked(wait);
	CHECK_INT(edges_to(wait, ANY, RN_EDGE_FUTEX, false), 2);
	comes_after(wait, wake);
	comes_after(wait, other);
	end();
}

/* Lists of words are not captured: whose wake it was is not known, but it was before. */
static void test_lists(void)
{
	uint64_t wait, wake;

	begin();
	spawn_threads(3);
	wait = ENTER(8, 7, "futex_waitv", 0x100, 1);
	for (unsigned i = 0; i < 9; i++)
		CALL(9, 7, "getpid", 7);
	wake = begins_wake(9, 1);
	LEAVE(8, 7, "futex_waitv", 0, 0x100, 1);
	ends_wake(9, 1, 1);
	not_linked(wait);
	comes_after(wait, wake);
	CHECK_STR(incomplete(wait), "futex_waitv");
	/* Moved to a word that is not known, and woken there. */
	wait = waits(8);
	CALL(9, 7, "futex_requeue", 1, 0x100, 0, 0, 1);
	for (unsigned i = 0; i < 9; i++)
		CALL(9, 7, "getpid", 7);
	wake = CALL(9, 7, "futex", 1, WORD + 4, PRIVATE(FUTEX_WAKE), 1);
	is_woken(8);
	not_linked(wait);
	comes_after(wait, wake);
	end();
}

/* What a wake has woken, as many as it said, it cannot have woken again. */
static void test_counted_wakes(void)
{
	uint64_t first, second, wake, wake_2;

	begin();
	spawn_threads(3);
	first = waits(8);
	second = waits(9);
	wake = wakes(10, 1, 1);
	is_woken(8);
	wake_2 = begins_wake(7, 1);
	is_woken(9);
	linked_to_call(first, wake, "futex");
	ends_wake(7, 1, 1);
	linked_to_call(second, wake_2, "futex");
	/* One wake of two. */
	first = waits(8);
	second = waits(9);
	wake = wakes(10, 9, 2);
	is_woken(8);
	is_woken(9);
	linked_to_call(first, wake, "futex");
	linked_to_call(second, wake, "futex");
	end();
}

/* A waiter that was moved to another word is woken there. */
static void test_requeue(void)
{
	uint64_t wait, wake, lock;

	begin();
	spawn_threads(2);
	wait = waits(8);
	CALL(9, 7, "futex", 1, WORD, PRIVATE(FUTEX_CMP_REQUEUE), 0, 1, WORD + 64);
	wake = CALL(9, 7, "futex", 1, WORD + 64, PRIVATE(FUTEX_WAKE), 1);
	is_woken(8);
	linked_to_call(wait, wake, "futex");
	/* A mutex that passes its owner's priority on. */
	lock = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_LOCK_PI));
	wake = CALL(9, 7, "futex", 0, WORD, PRIVATE(FUTEX_UNLOCK_PI));
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_LOCK_PI));
	linked_to_call(lock, wake, "futex");
	/* Two that wait for it: which got it from whom is not known. */
	lock = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_LOCK_PI));
	ENTER(10, 7, "futex", WORD, PRIVATE(FUTEX_LOCK_PI));
	CALL(9, 7, "futex", 0, WORD, PRIVATE(FUTEX_UNLOCK_PI));
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_LOCK_PI));
	not_linked(lock);
	end();
}

/* Processes meet at memory that was shared before the fork; their own memory is apart. */
static void test_shared_memory(void)
{
	const uint64_t page = 0x10000;
	uint64_t wait, wake;

	begin();
	CALL(7, 7, "mmap", page, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	     (uint64_t)-1, 0);
	w.now += 10;
	spawn(7, 7, 8, 8, 2, SIGCHLD, 0);
	spawned(7, 7, 8);
	wait = meet(page + 16, page + 16, 1, 1, &wake);
	linked_to_call(wait, wake, "futex");
	wait = meet(WORD, WORD, 1, 1, NULL);
	not_linked(wait);
	/* Moved in one process only: still the same memory. */
	CALL(8, 8, "mremap", 0x90000, page, 4096, 4096, MREMAP_MAYMOVE);
	wait = meet(0x90010, page + 16, 1, 1, &wake);
	linked_to_call(wait, wake, "futex");
	/* Gone in the other. */
	CALL(7, 7, "munmap", 0, page, 4096);
	wait = meet(0x90010, page + 16, 1, 1, NULL);
	not_linked(wait);
	end();
}

/* Files that are mapped, of which it is not known which they are: any word that lies alike. */
static void test_unknown_memory(void)
{
	uint64_t wait, wake;

	begin_two();
	CALL(7, 7, "mmap", 0x10000, 0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 90, 0);
	CALL(8, 8, "mmap", 0x50000, 0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 91, 0);
	wait = meet(0x51010, 0x11010, 1, 1, &wake);
	not_linked(wait);
	CHECK_INT(edges_to(wait, wake, RN_EDGE_FUTEX, false), 1);
	comes_after(wait, wake);
	wait = meet(0x51010, 0x11014, 1, 1, NULL);
	CHECK_INT(edges_to(wait, ANY, RN_EDGE_FUTEX, false), 0);
	end();
}

/* A file that process `pid` has opened as descriptor 9 and mapped. */
static void map_file(int32_t pid, uint64_t address, uint64_t offset, uint8_t known)
{
	const struct rn_object_id id = {.kind = RN_OBJECT_FILE,
					.known = known,
					.ways = RN_WAY_READ | RN_WAY_WRITE,
					.dev_minor = 3,
					.inode = 77};
	struct rn_event *ev = world_syscall(&w, RN_SYSCALL, pid, pid, "openat");

	ev->args[2] = O_RDWR;
	ev->result = 9;
	record_piece(ev, RN_PIECE_OBJECT, RN_PIECE_NO_ARG, RN_PIECE_AT_EXIT, &id, sizeof(id));
	((struct rn_piece *)((uint8_t *)ev + RN_EVENT_HEADER))->total = 9;
	w.seq++;
	world_feed(&w);
	CALL(pid, pid, "mmap", (int64_t)address, 0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 9,
	     offset);
	CALL(pid, pid, "close", 0, 9);
}

/* Two processes meet at a file that each has opened, until somebody else is seen to be there. */
static void test_named_file(void)
{
	uint64_t wait, wake;

	begin_two();
	map_file(7, 0x10000, 0, RN_OBJECT_IS_REGULAR);
	map_file(8, 0x50000, 4096, RN_OBJECT_IS_REGULAR);
	wait = meet(0x50010, 0x11010, 1, 1, &wake);
	linked_to_call(wait, wake, "futex");
	/* Mapped no longer here, it is the same file there. */
	CALL(7, 7, "munmap", 0, 0x10000, 8192);
	map_file(7, 0x20000, 0, RN_OBJECT_IS_REGULAR);
	wait = meet(0x50010, 0x21010, 1, 1, &wake);
	linked_to_call(wait, wake, "futex");
	/* Two woken where one waits. */
	wait = meet(0x50010, 0x21010, 9, 2, &wake);
	not_linked(wait);
	CHECK_INT(edges_to(wait, wake, RN_EDGE_FUTEX, false), 1);
	CHECK_STR(incomplete(wait), "untraced");
	wait = meet(0x50020, 0x21020, 1, 1, NULL);
	not_linked(wait);
	end();
}

/* Woken by nobody: somebody else has the file. */
static void test_unseen_waker(void)
{
	uint64_t wait, last = 0;

	begin_two();
	map_file(7, 0x10000, 0, RN_OBJECT_IS_REGULAR);
	map_file(8, 0x50000, 0, RN_OBJECT_IS_REGULAR);
	for (unsigned i = 0; i < 10; i++)
		last = world_call(&w, 7, 7, "getpid", 7);
	wait = CALL(8, 8, "futex", 0, 0x50010, FUTEX_WAIT);
	CHECK_STR(incomplete(wait), "untraced");
	/* Or who had its robust mutex was killed: by whatever. */
	comes_after(wait, last);
	wait = meet(0x50010, 0x10010, 1, 1, NULL);
	not_linked(wait);
	end();
}

/* Each mapping of a device may be other memory. */
static void test_device(void)
{
	uint64_t wait;

	begin_two();
	map_file(7, 0x10000, 0, 0);
	map_file(8, 0x50000, 0, 0);
	wait = meet(0x50010, 0x10010, 1, 1, NULL);
	not_linked(wait);
	end();
}

/* One that woke all that waited woke each, whoever else was waking. */
static void test_all_woken(void)
{
	uint64_t first, second, wake;

	begin();
	spawn_threads(3);
	first = waits(8);
	second = waits(9);
	CALL(7, 7, "futex", -11, WORD, PRIVATE(FUTEX_WAIT));
	wake = begins_wake(10, 9);
	ends_wake(10, 9, 2);
	begins_wake(7, 9);
	is_woken(8);
	is_woken(9);
	ends_wake(7, 9, 0);
	linked_to_call(first, wake, "futex");
	linked_to_call(second, wake, "futex");
	/* One of three is still asleep: which one, and who woke the others? */
	first = waits(8);
	second = waits(9);
	wake = begins_wake(10, 9);
	ends_wake(10, 9, 1);
	begins_wake(7, 9);
	is_woken(8);
	is_woken(9);
	ends_wake(7, 9, 1);
	not_linked(first);
	not_linked(second);
	CHECK_INT(edges_to(first, ANY, RN_EDGE_FUTEX, false), 2);
	end();
}

/* A wake of one has woken no second one, even before its result is known. */
static void test_woke_one(void)
{
	uint64_t first, second, wake, other;

	begin();
	spawn_threads(2);
	first = waits(8);
	wake = begins_wake(9, 1);
	is_woken(8);
	second = waits(8);
	other = begins_wake(7, 1);
	is_woken(8);
	linked_to_call(first, wake, "futex");
	linked_to_call(second, other, "futex");
	end();
}

/* Stopped and continued, a wait goes on by another call. */
static void test_restarted(void)
{
	uint64_t wait, other, wake;

	begin();
	spawn_threads(3);
	ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT), 0, 1);
	LEAVE(8, 7, "futex", -516, WORD, PRIVATE(FUTEX_WAIT), 0, 1);
	wait = ENTER(8, 7, "restart_syscall", 0);
	other = waits(9);
	wake = wakes(10, 1, 1);
	begins_wake(7, 1);
	is_woken(9);
	LEAVE(8, 7, "restart_syscall", 0, 0);
	ends_wake(7, 1, 1);
	not_linked(other);
	CHECK_INT(edges_to(wait, ANY, RN_EDGE_FUTEX, false), 2);
	comes_after(wait, wake);
	/* Alone it is linked; one that goes on with something else waits no more. */
	ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT), 0, 1);
	LEAVE(8, 7, "futex", -516, WORD, PRIVATE(FUTEX_WAIT), 0, 1);
	CALL(8, 7, "getpid", 7, 0);
	ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT), 0, 1);
	LEAVE(8, 7, "futex", -516, WORD, PRIVATE(FUTEX_WAIT), 0, 1);
	wait = ENTER(8, 7, "restart_syscall", 0);
	wake = wakes(10, 1, 1);
	LEAVE(8, 7, "restart_syscall", 0, 0);
	linked_to_call(wait, wake, "futex");
	end();
}

/* Who is not traced has what its maker shares with it. */
static void test_untraced_children(void)
{
	uint64_t wait;

	begin();
	spawn_threads(2);
	CALL(7, 7, "mmap", 0x10000, 0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS);
	CALL(7, 7, "fork", 50, 0);
	wait = ENTER(8, 7, "futex", 0x10000, FUTEX_WAIT);
	CALL(9, 7, "futex", 1, 0x10000, FUTEX_WAKE, 1);
	LEAVE(8, 7, "futex", 0, 0x10000, FUTEX_WAIT);
	not_linked(wait);
	CHECK_STR(incomplete(wait), "untraced");
	wait = wake_up(NULL);
	CHECK_INT(edges_to(wait, ANY, RN_EDGE_FUTEX, true), 1);
	CALL(7, 7, "clone", 51, CLONE_VM | CLONE_THREAD);
	wait = wake_up(NULL);
	not_linked(wait);
	CHECK_STR(incomplete(wait), "untraced");
	end();
}

static void test_io_uring(void)
{
	uint64_t wait;

	begin();
	spawn_threads(2);
	CALL(7, 7, "io_uring_setup", 5, 0);
	wait = wake_up(NULL);
	not_linked(wait);
	CHECK_STR(incomplete(wait), "io_uring");
	end();
}

/* After a loss nothing that is under way is certain; what comes then is. */
static void test_losses(void)
{
	uint64_t wait, wake;
	struct rn_event *ev;

	begin();
	spawn_threads(2);
	wait = waits(8);
	wake = wakes(9, 1, 1);
	ev = world_next(&w, RN_GAP, 0, 0);
	ev->args[0] = 1;
	world_feed(&w);
	is_woken(8);
	not_linked(wait);
	CHECK_INT(edges_to(wait, wake, RN_EDGE_FUTEX, false), 1);
	CHECK_STR(world_find_call(&w, wait)->call.incomplete, "lost");
	wait = wake_up(&wake);
	linked_to_call(wait, wake, "futex");
	end();
}

int main(void)
{
	test_join();
	test_futex();
	test_lists();
	test_counted_wakes();
	test_all_woken();
	test_woke_one();
	test_restarted();
	test_requeue();
	test_shared_memory();
	test_unknown_memory();
	test_named_file();
	test_unseen_waker();
	test_device();
	test_untraced_children();
	test_losses();
	test_io_uring();
	return 0;
}
