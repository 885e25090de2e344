/* SPDX-License-Identifier: MIT */
/* cpu WHAT: CPU masks and scheduling classes, as programs see and set them. */
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>

#include "subject.h"

struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void show(const char *what, pid_t tid)
{
	cpu_set_t mask;

	CPU_ZERO(&mask);
	MUST(sched_getaffinity(tid, sizeof(mask), &mask));
	printf("%s", what);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &mask))
			printf(" %d", cpu);
	printf("\n");
	fflush(stdout);
}

static void only(pid_t tid, int cpu)
{
	cpu_set_t mask;

	CPU_ZERO(&mask);
	CPU_SET(cpu, &mask);
	MUST(sched_setaffinity(tid, sizeof(mask), &mask));
}

static int first_cpu(void)
{
	cpu_set_t mask;

	MUST(sched_getaffinity(0, sizeof(mask), &mask));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &mask))
			return cpu;
	return 0;
}

static _Atomic pid_t tid;
static int gate[2];

static void *other(void *unused)
{
	tid = (pid_t)syscall(SYS_gettid);
	MUST(write(gate[1], "r", 1));
	marks(50);
	while (tid)
		sched_yield();
	show("itself", 0);
	return unused;
}

/* Of another thread, of a child, of the parent. */
static int others(void)
{
	pthread_t thread;
	char byte;
	pid_t pid;

	MUST(pipe(gate));
	pthread_create(&thread, NULL, other, NULL);
	MUST(read(gate[0], &byte, 1));
	marks(50);
	show("thread", tid);
	show("self", 0);
	only(tid, first_cpu());
	show("thread set", tid);
	tid = 0;
	pthread_join(thread, NULL);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		marks(50);
		show("parent", getppid());
		MUST(write(gate[1], "r", 1));
		for (;;)
			pause();
	}
	MUST(read(gate[0], &byte, 1));
	show("child", pid);
	kill(pid, SIGKILL);
	ended(pid);
	return 0;
}

/* Its own choice holds, and its children inherit it. */
static int chosen(void)
{
	cpu_set_t all;

	MUST(sched_getaffinity(0, sizeof(all), &all));
	marks(50);
	only(0, first_cpu());
	marks(50);
	show("one", 0);
	if (MUST(fork()) == 0) {
		marks(50);
		show("child of one", 0);
		_exit(0);
	}
	ended(-1);
	MUST(sched_setaffinity(0, sizeof(all), &all));
	marks(50);
	show("all again", 0);
	if (MUST(fork()) == 0) {
		marks(50);
		show("child of all", 0);
		_exit(0);
	}
	ended(-1);
	return 0;
}

static void *asks(void *unused)
{
	cpu_set_t all, mask;

	MUST(sched_getaffinity(0, sizeof(all), &all));
	for (int i = 0; i < 300; i++) {
		MUST(sched_getaffinity(getpid(), sizeof(mask), &mask));
		if (!CPU_EQUAL(&mask, (cpu_set_t *)unused))
			return (void *)1;
	}
	return NULL;
}

/* Several threads ask for the same one's mask at the same time. */
static int crowd(void)
{
	pthread_t threads[4];
	cpu_set_t mask;
	void *wrong;
	int bad = 0;

	MUST(sched_getaffinity(0, sizeof(mask), &mask));
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, asks, &mask);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &wrong);
		bad += wrong != NULL;
	}
	printf("%d saw another mask\n", bad);
	return 0;
}

/* Classes that may not be on one CPU only: what the program gets is what it would get. */
static int classes(void)
{
	struct attributes deadline = {.size = sizeof(deadline),
				      .policy = 6,
				      .runtime = 1000000,
				      .deadline = 10000000,
				      .period = 10000000};
	struct attributes normal = {.size = sizeof(normal)};
	struct sched_param fifo = {.sched_priority = 1}, none = {0};
	int result;

	marks(50);
	result = sched_setscheduler(0, SCHED_FIFO, &fifo);
	printf("fifo %d %s\n", result, result ? strerror(errno) : "-");
	show("fifo", 0);
	sched_setscheduler(0, SCHED_OTHER, &none);
	marks(50);
	show("other", 0);
	result = (int)syscall(SYS_sched_setattr, 0, &deadline, 0);
	printf("deadline %d %s\n", result, result ? strerror(errno) : "-");
	show("deadline", 0);
	result = (int)syscall(SYS_sched_setattr, 0, &normal, 0);
	printf("normal %d %s\n", result, result ? strerror(errno) : "-");
	marks(50);
	show("normal", 0);
	return 0;
}

/* What a child has of its own accord: looked up without a call that a tracer sees first. */
static int child(void)
{
	int code;

	marks(50);
	if (MUST(fork()) == 0) {
		cpu_set_t mask;

		MUST(sched_getaffinity(0, sizeof(mask), &mask));
		_exit(CPU_COUNT(&mask));
	}
	code = ended(-1);
	printf("%d\n", code);
	return 0;
}

int cpu_main(char **argv)
{
	if (strcmp(argv[0], "show") == 0) {
		marks(50);
		show("self", 0);
		return 0;
	}
	if (strcmp(argv[0], "others") == 0)
		return others();
	if (strcmp(argv[0], "chosen") == 0)
		return chosen();
	if (strcmp(argv[0], "crowd") == 0)
		return crowd();
	if (strcmp(argv[0], "classes") == 0)
		return classes();
	if (strcmp(argv[0], "child") == 0)
		return child();
	return 98;
}
