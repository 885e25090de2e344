/* SPDX-License-Identifier: MIT */
/* Calls at marked lines: each mark is the name of a call and, after a colon, its function. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "other.h"

static __attribute__((noinline)) int after(int value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

static void *thread_main(void *arg)
{
	(void)arg;
	return after(getuid() != 0) ? NULL : arg; /* getuid: thread_main */
}

static int compare(const void *a, const void *b)
{
	after(getgid() != 0); /* getgid: compare */
	return *(const int *)a - *(const int *)b;
}

static void handler(int sig)
{
	(void)sig;
	after((int)geteuid()); /* geteuid: handler */
}

/* A big frame, and a number of bytes that the compiler does not know. */
static __attribute__((noinline)) int deep(int n)
{
	volatile char big[20000];
	volatile char more[n + 16];

	big[0] = more[0] = 1;
	if (n > 0)
		return after(deep(n - 1) + big[0]);
	return after(chdir(".") + more[0]); /* chdir: deep */
}

int main(int argc, char **argv)
{
	int numbers[3] = {3, 1, 2};
	char text[64];
	pthread_t thread;
	pid_t child;

	after(mkdir("/nonexistent/a", 0700)); /* mkdir: main */
	snprintf(text, sizeof(text), "%.3f", argc * 1.5);
	qsort(numbers, 3, sizeof(int), compare);
	deep(argc + 2);
	signal(SIGUSR1, handler);
	after(raise(SIGUSR1)); /* tgkill: main */
	other(text);
	pthread_create(&thread, NULL, thread_main, NULL); /* clone3: main */
	pthread_join(thread, NULL);
	child = fork(); /* clone: main */
	if (child == 0) {
		after(rmdir("/nonexistent/b")); /* rmdir: main */
		_exit(0);
	}
	after(waitpid(child, NULL, 0)); /* wait4: main */
	child = vfork();
	if (child == 0)
		_exit(unlink("/nonexistent/c") == 0); /* unlink: main */
	if (argc > 1) {
		void *object = dlopen(argv[1], RTLD_NOW);
		void (*call)(void) = object ? (void (*)(void))dlsym(object, "from_object") : NULL;

		if (!call)
			return 1;
		call();
		dlclose(object);
		object = dlopen(argv[2], RTLD_NOW);
		call = object ? (void (*)(void))dlsym(object, "from_object") : NULL;
		if (!call)
			return 2;
		call();
	}
	return 0;
}
