/* SPDX-License-Identifier: MIT */
/*
 * marks WHAT TRACEPARENT…: a program in C with spans of its own, which it tells of by markers.
 * Calls of getpgid tell the tests where it was: getpgid(1000 + N).
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "renacer_marker.h"

static char **spans;

static void step(int n)
{
	syscall(SYS_getpgid, 1000 + n);
}

static void plain(void)
{
	step(0);
	errno = E2BIG;
	renacer_marker(spans[0]);
	if (errno != E2BIG)
		_exit(9);
	step(1);
	renacer_marker(spans[1]);
	step(2);
	renacer_marker(spans[0]);
	step(3);
	renacer_marker(NULL);
	step(4);
}

static void *in_thread(void *arg)
{
	step(5);
	renacer_marker(spans[1]);
	step(6);
	return arg;
}

static void threads(void)
{
	pthread_t thread;

	renacer_marker(spans[0]);
	step(0);
	pthread_create(&thread, NULL, in_thread, NULL);
	pthread_join(thread, NULL);
	step(1);
}

static void forks(void)
{
	int pid;

	renacer_marker(spans[0]);
	pid = fork();
	if (pid == 0) {
		step(5);
		renacer_marker(spans[1]);
		step(6);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	step(0);
	pid = fork();
	if (pid == 0) {
		renacer_marker(spans[1]);
		execl("/proc/self/exe", "marks", "after-exec", (char *)NULL);
	}
	waitpid(pid, NULL, 0);
	step(1);
}

static void on_signal(int sig)
{
	(void)sig;
	renacer_marker(spans[1]);
	step(5);
	renacer_marker(spans[0]);
}

static void signals(void)
{
	signal(SIGUSR1, on_signal);
	renacer_marker(spans[0]);
	step(0);
	raise(SIGUSR1);
	step(1);
}

/* A filter of its own: it kills who writes to descriptor -1. */
static void filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffffu, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program)) {
		perror("seccomp");
		_exit(9);
	}
}

/* Frames that are none, and writes to nowhere that are no markers. */
static void others(void)
{
	static const char *const frames[] = {
		"renacer:2:",
		"renacer:1:01-0102030405060708090a0b0c0d0e0f10-00000000deadbeef-01",
		"renacer:1:00-0102030405060708090a0b0c0d0e0f10-0000000000000000-01",
		"renacer:1:00-00000000000000000000000000000000-00000000deadbeef-01",
		"renacer:1:00-0102030405060708090A0b0c0d0e0f10-00000000deadbeef-01",
		"renacer:1:00-0102030405060708090a0b0c0d0e0f10-00000000deadbeef-1",
		"x",
	};

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		syscall(SYS_write, -1, frames[i], strlen(frames[i]));
	syscall(SYS_write, -1, NULL, 65);
	syscall(SYS_write, -1, NULL, 0);
	step(0);
}

#if defined(__x86_64__)
/* By the 32-bit ABI, which 64-bit code can use, too. */
static void compat(void)
{
	char *frame = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long result;

	if (frame == MAP_FAILED)
		_exit(9);
	strcpy(frame, "renacer:1:");
	strcat(frame, spans[0]);
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(4L), "b"(-1L), "c"(frame), "d"(65L)
			 : "memory", "r8", "r9", "r10", "r11");
	if ((int)result != -EBADF)
		_exit(9);
	step(0);
}
#endif

int main(int argc, char **argv)
{
	const char *what = argv[1];

	spans = argv + 2;
	if (strcmp(what, "after-exec") == 0)
		step(7);
	if (argc < 4)
		return 0;
	if (strcmp(what, "plain") == 0)
		plain();
	else if (strcmp(what, "attached") == 0) {
		puts("ready");
		fflush(stdout);
		getchar();
		plain();
	} else if (strcmp(what, "threads") == 0)
		threads();
	else if (strcmp(what, "forks") == 0)
		forks();
	else if (strcmp(what, "signals") == 0)
		signals();
	else if (strcmp(what, "others") == 0)
		others();
#if defined(__x86_64__)
	else if (strcmp(what, "compat") == 0)
		compat();
#endif
	else if (strcmp(what, "filter") == 0) {
		filter();
		plain();
	} else if (strcmp(what, "filter-exec") == 0) {
		filter();
		execv(argv[4], argv + 4);
	} else
		return 2;
	return 0;
}
