/* SPDX-License-Identifier: MIT */
/* Causes and effects from records made by hand: lives, signals. */
#include <sys/wait.h>

#include "edge_world.h"

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

#define FOREIGN "00-0102030405060708090a0b0c0d0e0f10-00000000deadbeef-01"

/* The maker goes on when its child runs a program, whose record may come later. */
static void test_vfork(void)
{
	uint64_t fork, exec, exit_seq, wait;

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
	/* It is the child's first program that it waited for. */
	fork = spawn(7, 7, 11, 11, 5, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
	exec = world_enter(&w, 11, 11, "execve");
	world_exec(&w, 11, 11, "/bin/env", RN_CONTEXT_OURS, NULL);
	world_return(&w, 11, 11, "execve", 0);
	world_enter(&w, 11, 11, "execve");
	world_exec(&w, 11, 11, "/bin/true", RN_CONTEXT_OURS, NULL);
	world_return(&w, 11, 11, "execve", 0);
	spawned(7, 7, 11);
	linked_to_call(fork, exec, "exec");
	/* It may have ended, too, by then. */
	fork = spawn(7, 7, 13, 13, 6, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
	exec = world_enter(&w, 13, 13, "execve");
	world_exec(&w, 13, 13, "/bin/true", RN_CONTEXT_OURS, NULL);
	world_return(&w, 13, 13, "execve", 0);
	world_exit(&w, 13, 13, 0);
	spawned(7, 7, 13);
	linked_to_call(fork, exec, "exec");
	/* That exec has shown that the next may move its span into another trace. */
	fork = spawn(7, 7, 10, 10, 4, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
	exec = world_enter(&w, 10, 10, "execve");
	spawned(7, 7, 10);
	not_linked(fork);
	CHECK_INT(edges_to(fork, exec, RN_EDGE_EXEC, true), 1);
	/* When it has told so, the maker's next call to end is linked to it, and no other. */
	not_linked(world_call(&w, 7, 7, "getpid", 7));
	wait = world_enter(&w, 7, 7, "pause");
	world_exec(&w, 10, 10, "/bin/env", RN_CONTEXT_FOREIGN, FOREIGN);
	not_linked(CALL(8, 8, "getpid", 8, 0));
	world_return(&w, 7, 7, "pause", -4);
	linked_to_call(wait, exec, "exec");
	CHECK_INT(world_find_call(&w, wait)->links[0].trace_id[15], 0x10);
	not_linked(world_call(&w, 7, 7, "getpid", 7));
	end();
}

/* What is under this number since is another thread; and what was lost may have been one's end. */
static void test_vfork_by_who_is_gone(void)
{
	begin();
	for (unsigned lost = 0; lost < 2; lost++) {
		int32_t child = 10 + (int32_t)lost;

		spawn(7, 7, child, child, 2 + lost, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
		world_exec(&w, 7, 7, "/bin/sh", RN_CONTEXT_OURS, NULL);
		world_enter(&w, child, child, "execve");
		spawned(7, 7, child);
		if (lost) {
			world_next(&w, RN_GAP, 0, 0)->args[0] = 1;
			world_feed(&w);
		} else {
			world_exit(&w, 7, 7, 0);
			world_start(&w, 7, 7, 20, 0, 0);
		}
		world_exec(&w, child, child, "/bin/env", RN_CONTEXT_OURS, NULL);
		not_linked(world_call(&w, 7, 7, "getpid", 7));
	}
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
	/* It had stopped before it ended, and this one tells of that alone. */
	deliver(7, 7, SIGCHLD, CLD_STOPPED, 8, 0);
	CHECK_INT(edges_to(w.seq, ANY, RN_EDGE_WAIT, true), 0);
	not_linked(world_call(&w, 7, 7, "getpid", 7));
	/* Another signal whose code may mean another thing. */
	deliver(7, 7, SIGUSR1, CLD_EXITED, 8, 0);
	CHECK_INT(edges_to(w.seq, ended, RN_EDGE_WAIT, false), 1);
	not_linked(world_call(&w, 7, 7, "getpid", 7));
	end();
}

/* What the kernel tells of may be what others did, by no call that sends a signal. */
static void test_signals_from_afar(void)
{
	static const struct {
		int signal, code;
		bool after;
	} cases[] = {
		{SIGIO, SI_KERNEL, true},   {45, POLL_IN, true},
		{SIGHUP, SI_KERNEL, true},  {SIGCHLD, CLD_STOPPED, true},
		{SIGALRM, SI_TIMER, false}, {SIGSEGV, SEGV_MAPERR, false},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t last = 0, next;

		begin();
		start_processes(2);
		for (unsigned n = 0; n < 10; n++)
			last = world_call(&w, 9, 9, "write", 1);
		deliver(8, 8, cases[i].signal, cases[i].code, 1234, 0);
		next = world_call(&w, 8, 8, "getpid", 8);
		not_linked(next);
		CHECK_INT(world_find_call(&w, next)->call.lamport_start > start_of(last),
			  cases[i].after);
		end();
	}
	/* A program gives such a code by a call. */
	begin();
	start_processes(2);
	struct rn_event *ev = world_syscall(&w, RN_SYSCALL, 9, 9, "rt_sigqueueinfo");
	uint64_t sent = ev->seq;

	ev->args[0] = 8;
	ev->args[1] = SIGUSR1;
	w.seq++;
	world_feed(&w);
	deliver(8, 8, SIGUSR1, SI_ASYNCIO, 9, 0);
	linked_to_call(world_call(&w, 8, 8, "getpid", 8), sent, "signal");
	end();
}

/* PR_SET_PDEATHSIG: the end of a parent's thread sends it, no call does. */
static void test_parent_death_signal(void)
{
	static const int signals[] = {SIGUSR1, SIGKILL};
	uint64_t last, next;

	for (unsigned i = 0; i < 2; i++) {
		begin();
		start_processes(1);
		spawn(8, 8, 9, 9, 3, SIGCHLD, 0);
		spawned(8, 8, 9);
		for (unsigned n = 0; n < 10; n++)
			world_call(&w, 8, 8, "getpid", 8);
		last = ENTER(8, 8, "exit_group", 0);
		if (signals[i] == SIGKILL) {
			world_exit(&w, 9, 9, SIGKILL);
			world_exit(&w, 8, 8, 0);
			CHECK(world_process(&w, 3)->pub.lamport_end > start_of(last));
		} else {
			deliver(9, 9, SIGUSR1, SI_USER, 8, 0);
			next = world_call(&w, 9, 9, "getpid", 9);
			not_linked(next);
			world_exit(&w, 8, 8, 0);
			CHECK(world_find_call(&w, next)->call.lamport_start > start_of(last));
		}
		end();
	}
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
	test_vfork_by_who_is_gone();
	test_signals();
	test_queued_signals();
	test_child_signal();
	test_signals_from_afar();
	test_parent_death_signal();
	test_anything();
	return 0;
}
