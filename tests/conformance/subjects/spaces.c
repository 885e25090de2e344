/* SPDX-License-Identifier: MIT */
/* spaces PART: PID and user namespaces; ids in them are not the tracer's. */
#include <sys/prctl.h>

#include "conform.h"

static int in_there(void *unused)
{
	pid_t pid;
	int status;

	(void)unused;
	say("pid %d ppid %d\n", getpid(), getppid());
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		mark("second");
		say("pid %d ppid %d\n", getpid(), getppid());
		_exit(4);
	}
	MUST(waitpid(pid, &status, 0));
	say_status(pid == 2 ? "2" : "another", status);
	/* The first of a namespace has no handlers: this is for nobody. */
	kill(1, SIGTERM);
	_exit(5);
}

static pid_t into(int flags)
{
	return (pid_t)MUST(clone(in_there, stacks(4) + 4 * STRAND_STACK, flags | SIGCHLD, NULL));
}

static int pids(char **argv)
{
	(void)argv;
	ended("first", into(CLONE_NEWPID));
	return 0;
}

static int unshared(char **argv)
{
	(void)argv;
	MUST(unshare(CLONE_NEWPID));
	for (int i = 0; i < 1; i++) {
		pid_t pid = (pid_t)MUST(fork());

		if (pid == 0)
			in_there(NULL);
		ended("first", pid);
	}
	say("%s\n", error_of(fork())); /* the first is gone: no more */
	return 0;
}

/* A namespace of namespaces; the innermost knows nothing of the others. */
static int nested(char **argv)
{
	(void)argv;
	if (MUST(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL)) == 0) {
		say("outer %d\n", getpid());
		ended("inner", into(CLONE_NEWPID));
		_exit(6);
	}
	ended("outer", -1);
	return 0;
}

/* Its first process ends: all others are killed. */
static int first_ends(char **argv)
{
	int up[2], there[2];
	pid_t pid;
	char byte;

	(void)argv;
	MUST(pipe(up));
	MUST(pipe(there));
	pid = (pid_t)MUST(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL));
	if (pid == 0) {
		for (int i = 0; i < 3; i++)
			if (MUST(fork()) == 0) {
				helper();
				put_byte(there[1]);
				for (;;)
					pause();
			}
		for (int i = 0; i < 3; i++)
			take_byte(there[0]);
		_exit(8);
	}
	close(up[1]);
	ended("first", pid);
	say("nobody holds the pipe: %ld\n", MUST(read(up[0], &byte, 1)));
	return 0;
}

static void put(const char *path, const char *text)
{
	int fd = (int)MUST(open(path, O_WRONLY));

	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static int users(char **argv)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];
	pid_t pid = (pid_t)MUST(fork());

	(void)argv;
	if (pid == 0) {
		MUST(unshare(CLONE_NEWUSER));
		say("nobody %d\n", getuid() == 65534);
		put("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", uid);
		put("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1", gid);
		put("/proc/self/gid_map", map);
		say("root there %d\n", getuid() == 0 && getgid() == 0);
		ended("first", into(CLONE_NEWPID));
		_exit(0);
	}
	ended("child", pid);
	return 0;
}

/* Threads and signals within; the ids are of the inner namespace. */
static int inner_signals(void *unused)
{
	sigset_t set;
	siginfo_t info;
	pid_t pid;

	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		kill(1, SIGUSR1);
		syscall(SYS_tgkill, getpid(), getpid(), SIGKILL);
	}
	MUST(sigwaitinfo(&set, &info));
	say("from %d\n", info.si_pid);
	ended("child", -1);
	_exit(0);
}

static int signals(char **argv)
{
	(void)argv;
	ended("first", (pid_t)MUST(clone(inner_signals, stacks(4) + 4 * STRAND_STACK,
					 CLONE_NEWPID | SIGCHLD, NULL)));
	return 0;
}

/* Asks and sets the CPU masks of others by their ids in there. */
static int inner_masks(void *unused)
{
	cpu_set_t mine, other, one;
	int up[2], first = 0;
	pid_t pid;

	(void)unused;
	MUST(sched_getaffinity(0, sizeof(mine), &mine));
	while (!CPU_ISSET(first, &mine))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	MUST(pipe(up));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		close(up[1]);
		take_byte(up[0]);
		MUST(sched_getaffinity(0, sizeof(other), &other));
		_exit(CPU_EQUAL(&other, &one) ? 0 : 1);
	}
	MUST(sched_getaffinity(pid, sizeof(other), &other));
	say("child has ours %d\n", CPU_EQUAL(&mine, &other));
	MUST(sched_setaffinity(pid, sizeof(one), &one));
	MUST(sched_getaffinity(pid, sizeof(other), &other));
	say("child has one %d\n", CPU_EQUAL(&one, &other));
	MUST(sched_getaffinity(0, sizeof(other), &other));
	say("we have ours %d\n", CPU_EQUAL(&mine, &other));
	put_byte(up[1]);
	ended("child", pid);
	_exit(0);
}

static int masks(char **argv)
{
	(void)argv;
	ended("first", (pid_t)MUST(clone(inner_masks, stacks(4) + 4 * STRAND_STACK,
					 CLONE_NEWPID | SIGCHLD, NULL)));
	return 0;
}

MAIN({"pids", pids}, {"unshared", unshared}, {"nested", nested}, {"first-ends", first_ends},
     {"users", users}, {"signals", signals}, {"masks", masks})
