/* SPDX-License-Identifier: MIT */
/* Causes and effects from records made by hand: lives, futexes, signals. */
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "world.h"

#define ANY UINT64_MAX
#define WORD 0x7000u
#define PRIVATE(op) ((op) | FUTEX_PRIVATE_FLAG)

static struct world w;

/* A record of a call with arguments; returns the seq of its entry. */
static uint64_t feed(enum rn_kind kind, int32_t tid, int32_t pid, const char *name, int64_t result,
		     const uint64_t args[6])
{
	struct rn_event *ev = world_syscall(&w, kind, tid, pid, name);
	uint64_t seq = ev->seq;

	for (unsigned i = 0; i < 6; i++)
		ev->args[i] = args[i];
	if (kind != RN_SYSCALL_ENTER) {
		ev->result = result;
		ev->flags = result < 0 ? RN_FLAG_FAILED : 0;
	}
	w.seq += kind == RN_SYSCALL;
	world_feed(&w);
	return seq;
}

#define ARGS(...) ((const uint64_t[6]){__VA_ARGS__})
#define ENTER(tid, pid, name, ...) feed(RN_SYSCALL_ENTER, tid, pid, name, 0, ARGS(__VA_ARGS__))
#define LEAVE(tid, pid, name, result, ...)                                                         \
	feed(RN_SYSCALL_EXIT, tid, pid, name, result, ARGS(__VA_ARGS__))
#define CALL(tid, pid, name, result, ...)                                                          \
	feed(RN_SYSCALL, tid, pid, name, result, ARGS(__VA_ARGS__))

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

/* A thread or process as a clone of `maker`'s makes it; returns the seq of that call. */
static uint64_t spawn(int32_t maker, int32_t maker_pid, int32_t tid, int32_t pid, uint64_t ordinal,
		      uint64_t flags, uint64_t clear)
{
	uint64_t seq = ENTER(maker, maker_pid, "clone", flags, 0, 0, clear);
	struct rn_event *ev = world_next(&w, RN_PROCESS_START, tid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = (uint64_t)maker;
	ev->args[2] = (uint64_t)maker_pid;
	ev->args[3] = flags;
	ev->args[4] = flags & CLONE_VFORK    ? RN_BIRTH_VFORK
		      : flags & CLONE_THREAD ? RN_BIRTH_CLONE
					     : RN_BIRTH_FORK;
	world_feed(&w);
	return seq;
}

static void spawned(int32_t maker, int32_t maker_pid, int32_t result)
{
	LEAVE(maker, maker_pid, "clone", result, 0);
}

static void spawn_threads(unsigned n)
{
	for (unsigned i = 1; i <= n; i++) {
		spawn(7, 7, 7 + (int32_t)i, 7, 1, CLONE_VM | CLONE_THREAD, 0);
		spawned(7, 7, 7 + (int32_t)i);
	}
}

/* The edges of an effect: how many, and, where there is one cause, that it is `cause`. */
static unsigned edges_to(uint64_t effect, uint64_t cause, enum rn_edge_kind kind, bool certain)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w.nedges; i++) {
		const struct rn_edge *edge = &w.edges[i];

		if (edge->effect_seq != effect)
			continue;
		n++;
		CHECK_INT(edge->kind, kind);
		CHECK_INT(edge->certain, certain);
		if (cause != ANY)
			CHECK_INT(edge->cause_seq, cause);
	}
	return n;
}

static void linked(uint64_t effect, uint64_t span_id, const char *edge)
{
	const struct seen_call *call = world_find_call(&w, effect);

	CHECK_INT(call->call.nlinks, 1);
	CHECK(call->links[0].span_id == span_id);
	CHECK_STR(call->links[0].edge, edge);
}

/* Of a call that may be under way still. */
static uint64_t start_of(uint64_t seq)
{
	for (unsigned i = 0; i < w.nenters; i++)
		if (w.enters[i].call.seq == seq)
			return w.enters[i].call.lamport_start;
	return world_find_call(&w, seq)->call.lamport_start;
}

static void linked_to_call(uint64_t effect, uint64_t cause, const char *edge)
{
	linked(effect, rn_id_of(&w.key, cause), edge);
	CHECK(world_find_call(&w, effect)->call.lamport_end > start_of(cause));
}

static void not_linked(uint64_t effect)
{
	CHECK_INT(world_find_call(&w, effect)->call.nlinks, 0);
}

static void test_wait(void)
{
	uint64_t fork, start, wait;
	struct rn_event *ev;
	int32_t status = 0;

	begin();
	fork = spawn(7, 7, 8, 8, 2, SIGCHLD, 0);
	start = w.seq;
	spawned(7, 7, 8);
	CHECK_INT(edges_to(start, fork, RN_EDGE_FORK, true), 1);
	wait = world_enter(&w, 7, 7, "wait4");
	world_exit(&w, 8, 8, 0);
	start = w.seq;
	ev = world_syscall(&w, RN_SYSCALL_EXIT, 7, 7, "wait4");
	ev->result = 8;
	record_piece(ev, RN_PIECE_STRUCT, 1, RN_PIECE_AT_EXIT, &status, sizeof(status));
	world_feed(&w);
	CHECK_INT(edges_to(wait, start, RN_EDGE_WAIT, true), 1);
	linked(wait, rn_id_of_process(&w.key, 2), "wait");
	/* Of no child of its own, whatever the number says: another namespace's. */
	spawn(7, 7, 9, 9, 3, SIGCHLD, 0);
	spawned(7, 7, 9);
	spawn(9, 9, 10, 10, 4, SIGCHLD, 0);
	spawned(9, 9, 10);
	world_exit(&w, 10, 10, 0);
	wait = CALL(7, 7, "wait4", 10, 0);
	CHECK_INT(edges_to(wait, ANY, RN_EDGE_WAIT, false), 1);
	not_linked(wait);
	/* waitid() that asked for nothing but the end of one. */
	world_exit(&w, 9, 9, 0);
	wait = CALL(7, 7, "waitid", 0, P_PID, 9, 0, WEXITED);
	linked(wait, rn_id_of_process(&w.key, 3), "wait");
	wait = CALL(7, 7, "waitid", 0, P_PID, 9, 0, WEXITED | WNOHANG);
	not_linked(wait);
	end();
}

/* The maker goes on when its child runs a program, whose record may come later. */
static void test_vfork(void)
{
	uint64_t fork, exec, exit_seq;

	begin();
	fork = spawn(7, 7, 8, 8, 2, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
	exec = world_enter(&w, 8, 8, "execve");
	spawned(7, 7, 8);
	linked_to_call(fork, exec, "exec");
	world_exec(&w, 8, 8, "/bin/true", RN_CONTEXT_OURS, NULL);
	world_return(&w, 8, 8, "execve", 0);
	fork = spawn(7, 7, 9, 9, 3, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
	exit_seq = world_enter(&w, 9, 9, "exit_group");
	spawned(7, 7, 9);
	CHECK_INT(edges_to(fork, exit_seq, RN_EDGE_WAIT, true), 1);
	/* That exec has shown that the next may move its span into another trace. */
	fork = spawn(7, 7, 10, 10, 4, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
	exec = world_enter(&w, 10, 10, "execve");
	spawned(7, 7, 10);
	not_linked(fork);
	CHECK_INT(edges_to(fork, exec, RN_EDGE_EXEC, true), 1);
	end();
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
	wait = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
	wake = ENTER(9, 7, "futex", WORD, PRIVATE(FUTEX_WAKE), 1);
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT));
	LEAVE(9, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE), 1);
	linked_to_call(wait, wake, "futex");
	CHECK_INT(edges_to(wait, wake, RN_EDGE_FUTEX, true), 1);
	/* Ended before the wait began; another word; the other kind; nobody; another's bits. */
	CALL(9, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE), 1);
	wait = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT_BITSET), 0, 0, 0, 2);
	CALL(9, 7, "futex", 1, WORD + 4, PRIVATE(FUTEX_WAKE), 1);
	CALL(9, 7, "futex", 1, WORD, FUTEX_WAKE, 1);
	CALL(9, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAKE), 1);
	CALL(9, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE_BITSET), 1, 0, 0, 4);
	wake = CALL(10, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE_BITSET), 1, 0, 0, 6);
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT_BITSET));
	linked_to_call(wait, wake, "futex");
	/* Not woken. */
	wait = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
	CALL(9, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE), 1);
	LEAVE(8, 7, "futex", -110, WORD, PRIVATE(FUTEX_WAIT));
	not_linked(wait);
	CHECK_INT(edges_to(wait, ANY, RN_EDGE_FUTEX, false), 0);
	/* Two wakers: both are joined, none is linked. */
	wait = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
	wake = ENTER(9, 7, "futex", WORD, PRIVATE(FUTEX_WAKE), 1);
	other = ENTER(10, 7, "futex", WORD, PRIVATE(FUTEX_WAKE), 1);
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT));
	LEAVE(9, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE), 1);
	LEAVE(10, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAKE), 1);
	not_linked(wait);
	CHECK_INT(edges_to(wait, ANY, RN_EDGE_FUTEX, false), 2);
	CHECK(world_find_call(&w, wait)->call.lamport_end > start_of(wake));
	CHECK(world_find_call(&w, wait)->call.lamport_end > start_of(other));
	end();
}

/* What a wake has woken, as many as it said, it cannot have woken again. */
static void test_counted_wakes(void)
{
	uint64_t first, second, wake, wake_2;

	begin();
	spawn_threads(3);
	first = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
	second = ENTER(9, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
	wake = CALL(10, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE), 1);
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT));
	wake_2 = ENTER(7, 7, "futex", WORD, PRIVATE(FUTEX_WAKE), 1);
	LEAVE(9, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT));
	linked_to_call(first, wake, "futex");
	LEAVE(7, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE), 1);
	linked_to_call(second, wake_2, "futex");
	/* One wake of two. */
	first = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
	second = ENTER(9, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
	wake = CALL(10, 7, "futex", 2, WORD, PRIVATE(FUTEX_WAKE), 9);
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT));
	LEAVE(9, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT));
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
	wait = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
	CALL(9, 7, "futex", 1, WORD, PRIVATE(FUTEX_CMP_REQUEUE), 0, 1, WORD + 64);
	wake = CALL(9, 7, "futex", 1, WORD + 64, PRIVATE(FUTEX_WAKE), 1);
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT));
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
	wait = ENTER(8, 8, "futex", page + 16, FUTEX_WAIT);
	wake = CALL(7, 7, "futex", 1, page + 16, FUTEX_WAKE, 1);
	LEAVE(8, 8, "futex", 0, page + 16, FUTEX_WAIT);
	linked_to_call(wait, wake, "futex");
	wait = ENTER(8, 8, "futex", WORD, FUTEX_WAIT);
	CALL(7, 7, "futex", 1, WORD, FUTEX_WAKE, 1);
	LEAVE(8, 8, "futex", 0, WORD, FUTEX_WAIT);
	not_linked(wait);
	/* Moved in one process only: still the same memory. */
	CALL(8, 8, "mremap", 0x90000, page, 4096, 4096, MREMAP_MAYMOVE);
	wait = ENTER(8, 8, "futex", 0x90010, FUTEX_WAIT);
	wake = CALL(7, 7, "futex", 1, page + 16, FUTEX_WAKE, 1);
	LEAVE(8, 8, "futex", 0, 0x90010, FUTEX_WAIT);
	linked_to_call(wait, wake, "futex");
	/* Gone in the other. */
	CALL(7, 7, "munmap", 0, page, 4096);
	wait = ENTER(8, 8, "futex", 0x90010, FUTEX_WAIT);
	CALL(7, 7, "futex", 1, page + 16, FUTEX_WAKE, 1);
	LEAVE(8, 8, "futex", 0, 0x90010, FUTEX_WAIT);
	not_linked(wait);
	end();
}

static void deliver(int32_t tid, int32_t pid, int32_t sig, int32_t code, int32_t from,
		    uint64_t value)
{
	struct rn_event *ev = world_next(&w, RN_SIGNAL, tid, pid);

	ev->nr = sig;
	ev->args[0] = (uint64_t)(int64_t)code;
	ev->args[1] = (uint64_t)from;
	ev->args[3] = value;
	world_feed(&w);
}

static void start_processes(int32_t n)
{
	for (int32_t pid = 8; pid < 8 + n; pid++) {
		spawn(7, 7, pid, pid, (uint64_t)pid - 6, SIGCHLD, 0);
		spawned(7, 7, pid);
	}
}

/* Files that are mapped, of which it is not known which they are: any word that lies alike. */
static void test_unknown_memory(void)
{
	uint64_t wait, wake;

	begin();
	spawn(7, 7, 8, 8, 2, SIGCHLD, 0);
	spawned(7, 7, 8);
	CALL(7, 7, "mmap", 0x10000, 0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 90, 0);
	CALL(8, 8, "mmap", 0x50000, 0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 91, 0);
	wait = ENTER(8, 8, "futex", 0x51010, FUTEX_WAIT);
	wake = CALL(7, 7, "futex", 1, 0x11010, FUTEX_WAKE, 1);
	LEAVE(8, 8, "futex", 0, 0x51010, FUTEX_WAIT);
	not_linked(wait);
	CHECK_INT(edges_to(wait, wake, RN_EDGE_FUTEX, false), 1);
	CHECK(world_find_call(&w, wait)->call.lamport_end > start_of(wake));
	wait = ENTER(8, 8, "futex", 0x51010, FUTEX_WAIT);
	CALL(7, 7, "futex", 1, 0x11014, FUTEX_WAKE, 1);
	LEAVE(8, 8, "futex", 0, 0x51010, FUTEX_WAIT);
	CHECK_INT(edges_to(wait, ANY, RN_EDGE_FUTEX, false), 0);
	end();
}

static void test_signals(void)
{
	uint64_t sent, other, next;

	begin();
	start_processes(3);
	sent = ENTER(8, 8, "kill", 9, SIGUSR1);
	deliver(9, 9, SIGUSR1, SI_USER, 8, 0);
	CHECK_INT(edges_to(w.seq, sent, RN_EDGE_SIGNAL, true), 1);
	LEAVE(8, 8, "kill", 0, 9, SIGUSR1);
	next = world_call(&w, 9, 9, "getpid", 9);
	linked_to_call(next, sent, "signal");
	not_linked(world_call(&w, 9, 9, "getpid", 9));
	/* Once is once; another sender's; another signal; one that failed. */
	deliver(9, 9, SIGUSR1, SI_USER, 8, 0);
	CALL(8, 8, "kill", 0, 9, SIGUSR1);
	CHECK_INT(edges_to(w.seq - 2, ANY, RN_EDGE_SIGNAL, true), 0);
	deliver(9, 9, SIGUSR1, SI_USER, 8, 0);
	CALL(8, 8, "kill", -1, 9, SIGUSR2);
	CALL(8, 8, "kill", 0, 9, SIGTERM);
	deliver(9, 9, SIGUSR2, SI_USER, 8, 0);
	CHECK_INT(edges_to(w.seq, ANY, RN_EDGE_SIGNAL, true), 0);
	world_call(&w, 9, 9, "getpid", 9);
	/* Two senders of a standard signal: siginfo names one, the other's is absorbed. */
	sent = CALL(8, 8, "kill", 0, 9, SIGHUP);
	other = CALL(10, 10, "kill", 0, 9, SIGHUP);
	deliver(9, 9, SIGHUP, SI_USER, 8, 0);
	next = world_call(&w, 9, 9, "getpid", 9);
	linked_to_call(next, sent, "signal");
	CHECK(world_find_call(&w, next)->call.lamport_start > start_of(other));
	/* The same sender, twice: one arrives. */
	CALL(8, 8, "kill", 0, 9, SIGHUP);
	CALL(8, 8, "kill", 0, 9, SIGHUP);
	deliver(9, 9, SIGHUP, SI_USER, 8, 0);
	not_linked(world_call(&w, 9, 9, "getpid", 9));
	/* A thread of another process. */
	sent = CALL(8, 8, "tgkill", 0, 9, 9, SIGHUP);
	deliver(9, 9, SIGHUP, SI_TKILL, 8, 0);
	linked_to_call(world_call(&w, 9, 9, "getpid", 9), sent, "signal");
	end();
}

/* Real-time signals queue up, in order. */
static void test_queued_signals(void)
{
	uint64_t sent[3];

	begin();
	start_processes(2);
	for (unsigned i = 0; i < 3; i++)
		sent[i] = CALL(8, 8, "rt_sigqueueinfo", 0, 9, 40);
	for (unsigned i = 0; i < 3; i++) {
		deliver(9, 9, 40, SI_QUEUE, 8, i);
		linked_to_call(world_call(&w, 9, 9, "getpid", 9), sent[i], "signal");
	}
	deliver(9, 9, 40, SI_QUEUE, 8, 3);
	not_linked(world_call(&w, 9, 9, "getpid", 9));
	/* What was given arrives as it is, whoever it says it is from: these are told apart. */
	for (uint64_t i = 0; i < 2; i++) {
		struct rn_event *ev = world_syscall(&w, RN_SYSCALL, 7 + (int32_t)i, 7 + (int32_t)i,
						    "rt_sigqueueinfo");
		const int32_t info[8] = {41, 0, SI_QUEUE, 0, 1234, 0, (int32_t)i + 50};

		ev->args[0] = 9;
		ev->args[1] = 41;
		record_piece(ev, RN_PIECE_STRUCT, 2, 0, info, sizeof(info));
		sent[i] = ev->seq;
		w.seq++;
		world_feed(&w);
	}
	for (unsigned i = 2; i-- > 0;) {
		deliver(9, 9, 41, SI_QUEUE, 1234, i + 50);
		linked_to_call(world_call(&w, 9, 9, "getpid", 9), sent[i], "signal");
	}
	end();
}

static void test_child_signal(void)
{
	uint64_t ended;

	begin();
	start_processes(1);
	world_exit(&w, 8, 8, 0);
	ended = w.seq;
	deliver(7, 7, SIGCHLD, CLD_EXITED, 8, 0);
	CHECK_INT(edges_to(w.seq, ended, RN_EDGE_WAIT, true), 1);
	linked(world_call(&w, 7, 7, "getpid", 7), rn_id_of_process(&w.key, 2), "wait");
	end();
}

/* After a loss nothing that is under way is certain; what comes then is. */
static void test_losses(void)
{
	uint64_t wait, wake;
	struct rn_event *ev;

	begin();
	spawn_threads(2);
	wait = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
	wake = CALL(9, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE), 1);
	ev = world_next(&w, RN_GAP, 0, 0);
	ev->args[0] = 1;
	world_feed(&w);
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT));
	not_linked(wait);
	CHECK_INT(edges_to(wait, wake, RN_EDGE_FUTEX, false), 1);
	CHECK_STR(world_find_call(&w, wait)->call.incomplete, "lost");
	wait = ENTER(8, 7, "futex", WORD, PRIVATE(FUTEX_WAIT));
	wake = CALL(9, 7, "futex", 1, WORD, PRIVATE(FUTEX_WAKE), 1);
	LEAVE(8, 7, "futex", 0, WORD, PRIVATE(FUTEX_WAIT));
	linked_to_call(wait, wake, "futex");
	end();
}

/* Calls of all kinds with any arguments: no crash, and time never runs backwards. */
static void test_anything(void)
{
	static const char *const names[] = {"futex",
					    "futex_waitv",
					    "futex_wait",
					    "futex_wake",
					    "futex_requeue",
					    "exit",
					    "clone",
					    "mmap",
					    "munmap",
					    "mremap",
					    "kill",
					    "tgkill",
					    "rt_sigqueueinfo",
					    "rt_sigtimedwait",
					    "wait4",
					    "waitid",
					    "unshare",
					    "pidfd_send_signal"};
	struct rng rng = test_rng();

	begin();
	for (unsigned i = 0; i < 20000 * test_scale(); i++) {
		int32_t pid = 7 + (int32_t)rng_below(&rng, 4),
			tid = pid + (int32_t)rng_below(&rng, 2);
		const char *name = names[rng_below(&rng, sizeof(names) / sizeof(names[0]))];
		uint64_t args[6];

		for (unsigned n = 0; n < 6; n++)
			args[n] = rng_below(&rng, 3) ? rng_below(&rng, 14) : rng_next(&rng);
		switch (rng_below(&rng, 8)) {
		case 0:
			world_start(&w, tid, pid, 1 + rng_below(&rng, 5), pid, tid);
			break;
		case 1:
			world_exit(&w, tid, pid, 0);
			break;
		case 2:
			deliver(tid, pid, (int32_t)rng_below(&rng, 70), (int32_t)args[0], pid,
				args[1]);
			break;
		case 3:
			world_exec(&w, pid, tid, "/x", RN_CONTEXT_OURS, NULL);
			break;
		case 4:
			feed(RN_SYSCALL, tid, pid, name, (int64_t)rng_below(&rng, 9) - 1, args);
			break;
		case 5:
			feed(RN_SYSCALL_EXIT, tid, pid, name, (int64_t)rng_below(&rng, 9) - 1,
			     args);
			break;
		default:
			feed(RN_SYSCALL_ENTER, tid, pid, name, 0, args);
			break;
		}
	}
	end();
}

int main(void)
{
	test_wait();
	test_vfork();
	test_join();
	test_futex();
	test_counted_wakes();
	test_requeue();
	test_shared_memory();
	test_unknown_memory();
	test_signals();
	test_queued_signals();
	test_child_signal();
	test_losses();
	test_anything();
	return 0;
}
