/* SPDX-License-Identifier: MIT */
/* seccomp PART: filters of the program's own, and what it then sees. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "conform.h"

#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000U
#endif

/* `action` for faccessat-like calls on the marker number `nr`, all else allowed. */
static long filter(long nr, unsigned action, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static long probe(void)
{
	return syscall(SYS_getpgid, 0);
}

static int returns_errno(char **argv)
{
	(void)argv;
	MUST(filter(SYS_getpgid, SECCOMP_RET_ERRNO | 77, 0));
	say("%s\n", error_of(probe()));
	mark("goes on");
	if (MUST(fork()) == 0) {
		say("child: %s\n", error_of(probe()));
		_exit(0);
	}
	ended("child", -1);
	return 0;
}

static void on_sys(int sig, siginfo_t *info, void *context)
{
	(void)context;
	say("signal %d code %d errno %d call %d\n", sig, info->si_code, info->si_errno,
	    info->si_syscall == SYS_getpgid);
}

static int traps(char **argv)
{
	struct sigaction action;

	(void)argv;
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_sys;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGSYS, &action, NULL);
	MUST(filter(SYS_getpgid, SECCOMP_RET_TRAP | 5, 0));
	probe();
	mark("goes on");
	return 0;
}

/* Nobody listens: ENOSYS; a tracer must not change that. */
static int traces(char **argv)
{
	(void)argv;
	MUST(filter(SYS_getpgid, SECCOMP_RET_TRACE | 9, 0));
	say("%s\n", error_of(probe()));
	mark("goes on");
	return 0;
}

static int logs(char **argv)
{
	(void)argv;
	say("%s\n", error_of(filter(SYS_getpgid, SECCOMP_RET_LOG, 0)));
	say("%d\n", probe() >= 0);
	return 0;
}

static int kills(char **argv)
{
	unsigned action =
		strcmp(argv[2], "thread") == 0 ? SECCOMP_RET_KILL_THREAD : SECCOMP_RET_KILL_PROCESS;

	if (MUST(fork()) == 0) {
		MUST(filter(SYS_getpgid, action, 0));
		probe();
		say("not reached\n");
		_exit(1);
	}
	ended("child", -1);
	return 0;
}

/* One thread is killed, the others go on. */
static int calls_probe(void *unused)
{
	(void)unused;
	probe();
	return 0;
}

static int kills_one(char **argv)
{
	static struct strand strand;

	(void)argv;
	MUST(filter(SYS_getpgid, SECCOMP_RET_KILL_THREAD, 0));
	strand_start(&strand, stacks(1), 0, calls_probe, NULL);
	strand_join(&strand);
	mark("the first goes on");
	say("the other was killed\n");
	return 0;
}

/* Strict mode: read, write, exit and sigreturn, and nothing else. */
static int strict(char **argv)
{
	if (MUST(fork()) == 0) {
		MUST(strcmp(argv[2], "prctl") == 0
			     ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)
			     : syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
		say("in strict mode\n");
		if (strcmp(argv[3], "exits") == 0)
			syscall(SYS_exit, 3);
		syscall(SYS_getppid);
		say("not reached\n");
		syscall(SYS_exit, 4);
	}
	ended("child", -1);
	return 0;
}

static int says_mode(char **argv)
{
	(void)argv;
	say("%d\n", prctl(PR_GET_SECCOMP));
	MUST(filter(SYS_getpgid, SECCOMP_RET_ERRNO | 1, 0));
	say("%d %s\n", prctl(PR_GET_SECCOMP), error_of(probe()));
	return 0;
}

static _Atomic bool go;

static int waits(void *unused)
{
	(void)unused;
	while (!go)
		__asm__ volatile("" ::: "memory");
	return probe() == -1 && errno == 77 ? 0 : 1;
}

/* A filter that one thread gives to all. */
static int tsync(char **argv)
{
	static struct strand strand;

	(void)argv;
	strand_start(&strand, stacks(1), 0, waits, NULL);
	say("%ld\n", filter(SYS_getpgid, SECCOMP_RET_ERRNO | 77, SECCOMP_FILTER_FLAG_TSYNC));
	go = true;
	strand_join(&strand);
	say("%s\n", error_of(probe()));
	return 0;
}

static int wrong(char **argv)
{
	(void)argv;
	say("%s\n", error_of(syscall(SYS_seccomp, 99, 0, NULL)));
	say("%s\n", error_of(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (void *)16)));
	say("%s\n", error_of(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1u << 30, NULL)));
	say("%s\n", error_of(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 16)));
	say("%s\n", error_of(prctl(PR_SET_SECCOMP, 99)));
	return 0;
}

/* A filter, then a child that no tracer is told of: its calls are as bare. */
static int escaped(void *unused)
{
	(void)unused;
	syscall(SYS_exit, probe() >= 0 && access("/conformance/mark/x", F_OK) < 0 && errno == ENOENT
				  ? 7
				  : errno);
	return 0;
}

static int untraced(char **argv)
{
	(void)argv;
	ended("untraced", (pid_t)MUST(clone(escaped, stacks(4) + 4 * STRAND_STACK,
					    CLONE_UNTRACED | SIGCHLD, NULL)));
	return 0;
}

/* A new program under the filter; execve itself forbidden. */
static int no_exec(char **argv)
{
	(void)argv;
	MUST(filter(SYS_execve, SECCOMP_RET_ERRNO | 13, 0));
	say("%s\n", error_of(execv("/proc/self/exe", argv)));
	return 0;
}

MAIN({"errno", returns_errno}, {"trap", traps}, {"trace", traces}, {"log", logs}, {"kill", kills},
     {"kill-one", kills_one}, {"strict", strict}, {"mode", says_mode}, {"tsync", tsync},
     {"wrong", wrong}, {"untraced", untraced}, {"no-exec", no_exec})
