/* SPDX-License-Identifier: MIT */
/* The strict mode of seccomp: what may be done in it, and what ends it. */
#include <pthread.h>
#include <sys/time.h>

#include "seccomp.h"

static void strict(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0)
		syscall(SYS_write, 1, "strict\n", 7);
}

static void strict_exits(void)
{
	char byte;

	strict();
	syscall(SYS_read, -1, &byte, 1);
}

static void strict_by_seccomp(void)
{
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) == 0)
		syscall(SYS_write, 1, "strict too\n", 11);
}

static void strict_getppid(void)
{
	strict();
	syscall(SYS_getppid);
}

static void strict_getpgid(void)
{
	strict();
	syscall(SYS_getpgid, 0);
}

static void strict_exit_group(void)
{
	strict();
	_exit(3);
}

static void strict_prctl(void)
{
	strict();
	prctl(PR_GET_SECCOMP);
}

static void strict_fork(void)
{
	strict();
	syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void on_signal(int sig)
{
	static int ticks;

	(void)sig;
	/* Not the first: that may come before the mode is on. */
	if (++ticks == 3)
		syscall(SYS_write, 1, "handled\n", 8);
	if (ticks == 3)
		syscall(SYS_exit, 5);
}

static void strict_handler(void)
{
	struct itimerval every = {{0, 20000}, {0, 20000}};
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	action.sa_flags = SA_RESTART;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	MUST(setitimer(ITIMER_REAL, &every, NULL));
	strict();
	for (;;) {
		char byte;

		/* A pipe that nobody writes to. */
		if (syscall(SYS_read, 100, &byte, 1) < 0)
			return;
	}
}

static void strict_clock(void)
{
	strict();
#if defined(__x86_64__)
	__builtin_ia32_rdtsc();
#endif
}

static void strict_late(void)
{
	allow_filters();
	MUST(filter(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV, 0));
	printf("strict under a filter: %s\n", word(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)));
	fflush(stdout);
}

int strict_mode(void)
{
	int ends[2];

	MUST(pipe(ends));
	MUST(dup2(ends[0], 100));
	in_child("plain", strict_exits);
	in_child("seccomp", strict_by_seccomp);
	in_child("getppid", strict_getppid);
	in_child("getpgid", strict_getpgid);
	in_child("exit_group", strict_exit_group);
	in_child("prctl", strict_prctl);
	in_child("fork", strict_fork);
	in_child("handler", strict_handler);
	in_child("clock", strict_clock);
	in_child("late", strict_late);
	return 0;
}

static void *strict_thread(void *unused)
{
	strict();
	syscall(SYS_getpgid, 0);
	syscall(SYS_write, 1, "not reached\n", 12);
	return unused;
}

/* One thread breaks the rule; the others live. */
int strict_in_thread(void)
{
	pthread_t thread;
	char path[64];
	long tid = 0;

	if (pthread_create(&thread, NULL, strict_thread, NULL))
		return 99;
	/* Its end clears no futex that tells: look for it. */
	for (tid = 0; tid < 2000; tid++) {
		snprintf(path, sizeof(path), "/proc/self/status");
		FILE *file = fopen(path, "re");
		char line[128];
		int threads = 0;

		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "Threads: %d", &threads) == 1)
				break;
		if (file)
			fclose(file);
		if (threads == 1)
			break;
		usleep(5000);
	}
	printf("alone: %s\n", tid < 2000 ? "yes" : "no");
	return 0;
}
