/* SPDX-License-Identifier: MIT */
/*
 * births KIND: one child (or thread) made in that way, whose very first call is the
 * marker. Prints its id, and who traces it: in a line of one width, since the size of the
 * write is compared between runs, and ids have more digits in one than in the other.
 */
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "subject.h"

#ifndef CLONE_UNTRACED
#define CLONE_UNTRACED 0x00800000
#endif

/* In the child: the marker, before anything else; then a last word by its exit code. */
static int child(void *unused)
{
	(void)unused;
	mark();
	syscall(SYS_exit, tracer_of("/proc/self/status") ? 8 : 7);
	return 0;
}

/* A child that may share our memory and so must not touch it. */
static int quiet_child(void *unused)
{
	(void)unused;
	mark();
	syscall(SYS_exit, 7);
	return 0;
}

static pid_t cloned(int flags, int (*run)(void *))
{
	size_t size = 256 * 1024;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (stack == MAP_FAILED)
		_exit(99);
	return (pid_t)MUST(clone(run, stack + size, flags, NULL));
}

static pid_t cloned3(uint64_t flags, uint64_t signal)
{
	struct clone_args args;
	long pid;

	memset(&args, 0, sizeof(args));
	args.flags = flags;
	args.exit_signal = signal;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		child(NULL);
	return (pid_t)MUST(pid);
}

static int report(pid_t pid)
{
	int code = ended(pid);

	printf("%10d %3d\n", (int)pid, code);
	return code == 7 || code == 8 ? 0 : 1;
}

static _Atomic pid_t thread_id;

static void *thread(void *unused)
{
	(void)unused;
	mark();
	thread_id = (pid_t)syscall(SYS_gettid);
	return (void *)(intptr_t)tracer_of("/proc/thread-self/status");
}

static int thread_birth(void)
{
	pthread_t made;
	void *tracer;

	if (pthread_create(&made, NULL, thread, NULL))
		return 99;
	pthread_join(made, &tracer);
	printf("%10d %3d\n", (int)thread_id, tracer ? 8 : 7);
	return 0;
}

/* A thread by a clone() that does not look like one: no pthread, a signal in its flags. */
static int odd_thread(int more)
{
	static _Atomic int gone;
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		    CLONE_SYSVSEM | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | more;
	size_t size = 256 * 1024;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t tid;

	gone = -1;
	tid = (pid_t)MUST(
		clone(quiet_child, stack + size, flags, NULL, NULL, NULL, (pid_t *)(void *)&gone));
	while (gone != 0) {
		int seen = gone;

		if (seen)
			syscall(SYS_futex, &gone, 0 /* FUTEX_WAIT */, seen, NULL, NULL, 0);
	}
	printf("%10d   7\n", (int)tid);
	return 0;
}

static int grandchild(void)
{
	int up[2];
	pid_t pid, grand = 0;

	MUST(pipe(up));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		grand = (pid_t)syscall(SYS_fork);
		if (grand == 0)
			child(NULL);
		MUST(write(up[1], &grand, sizeof(grand)));
		_exit(ended(grand));
	}
	MUST(read(up[0], &grand, sizeof(grand)));
	printf("%10d %3d\n", (int)grand, ended(pid));
	return 0;
}

/* A daemon: forked twice, in a session of its own, at work after its maker has ended. */
static int daemonize(void)
{
	int gate[2], up[2];
	pid_t pid, grand = 0;

	MUST(pipe(gate));
	MUST(pipe(up));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		setsid();
		grand = (pid_t)MUST(fork());
		if (grand == 0) {
			char byte;

			close(gate[1]);
			close(up[0]);
			grand = getpid();
			MUST(write(up[1], &grand, sizeof(grand)));
			close(up[1]);
			/* Until the command, which holds the other end, has ended. */
			while (read(gate[0], &byte, 1) > 0)
				;
			mark();
			_exit(7);
		}
		_exit(0);
	}
	ended(pid);
	MUST(read(up[0], &grand, sizeof(grand)));
	printf("%10d   7\n", (int)grand);
	return 0;
}

int births_main(char **argv)
{
	const char *kind = argv[0];
	pid_t pid = 0;

	if (strcmp(kind, "fork") == 0) {
#ifdef SYS_fork
		pid = (pid_t)MUST(syscall(SYS_fork));
		if (pid == 0)
			child(NULL);
#else
		pid = cloned3(0, SIGCHLD);
#endif
	} else if (strcmp(kind, "vfork") == 0) {
		pid = (pid_t)MUST(vfork());
		if (pid == 0)
			quiet_child(NULL);
	} else if (strcmp(kind, "clone") == 0) {
		pid = cloned(SIGCHLD, child);
	} else if (strcmp(kind, "clone-vm") == 0) {
		pid = cloned(CLONE_VM | CLONE_VFORK | SIGCHLD, quiet_child);
	} else if (strcmp(kind, "clone-no-signal") == 0) {
		pid = cloned(0, child);
	} else if (strcmp(kind, "clone-parent") == 0) {
		/* Our child makes a sister of its own: our child, too. */
		int up[2];
		pid_t maker;

		MUST(pipe(up));
		maker = (pid_t)MUST(fork());
		if (maker == 0) {
			pid = cloned(CLONE_PARENT | SIGCHLD, child);
			MUST(write(up[1], &pid, sizeof(pid)));
			_exit(0);
		}
		MUST(read(up[0], &pid, sizeof(pid)));
		ended(maker);
	} else if (strcmp(kind, "clone-ptrace") == 0) {
		pid = cloned(CLONE_PTRACE | SIGCHLD, child);
	} else if (strcmp(kind, "clone-untraced") == 0) {
		pid = cloned(CLONE_UNTRACED | SIGCHLD, child);
	} else if (strcmp(kind, "clone-untraced-ptrace") == 0) {
		pid = cloned(CLONE_UNTRACED | CLONE_PTRACE | SIGCHLD, child);
	} else if (strcmp(kind, "clone3") == 0) {
		pid = cloned3(0, SIGCHLD);
	} else if (strcmp(kind, "clone3-vfork") == 0) {
		pid = cloned3(CLONE_VFORK, SIGCHLD);
	} else if (strcmp(kind, "posix_spawn") == 0) {
		extern char **environ;
		char name[] = "subject", word[] = "mark", one[] = "1";
		char *const words[] = {name, word, one, NULL};

		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, words, environ))
			return 99;
		printf("%10d %3d\n", (int)pid, ended(pid) ? 99 : 7);
		return 0;
	} else if (strcmp(kind, "thread") == 0) {
		return thread_birth();
	} else if (strcmp(kind, "thread-vfork") == 0) {
		return odd_thread(CLONE_VFORK);
	} else if (strcmp(kind, "thread-signal") == 0) {
		return odd_thread(SIGCHLD);
	} else if (strcmp(kind, "grandchild") == 0) {
		return grandchild();
	} else if (strcmp(kind, "daemon") == 0) {
		return daemonize();
	} else {
		return 98;
	}
	return report(pid);
}
