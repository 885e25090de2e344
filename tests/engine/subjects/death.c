/* SPDX-License-Identifier: MIT */
/* death WHAT: ends of every kind. */
#include <pthread.h>

#include "subject.h"

static int gate[2];

static void *blocked(void *unused)
{
	char byte;

	MUST(read(gate[0], &byte, 1)); /* for ever */
	return unused;
}

static void *spin(void *unused)
{
	for (;;)
		mark();
	return unused;
}

/* exit_group() while threads are inside calls and between them. */
static int group(int code)
{
	pthread_t thread;

	MUST(pipe(gate));
	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, blocked, NULL);
	pthread_create(&thread, NULL, spin, NULL);
	marks(20);
	_exit(code);
}

static pthread_t first;

static void *outlives(void *unused)
{
	pthread_join(first, NULL);
	mark();
	exit(9);
	return unused;
}

/* The first thread ends, another goes on, and decides the exit code. */
static int leader(void)
{
	pthread_t thread;

	first = pthread_self();
	pthread_create(&thread, NULL, outlives, NULL);
	pthread_exit(NULL);
}

/* Threads and children that make calls until somebody kills them. */
static int busy(void)
{
	pthread_t thread;

	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 2; i++)
		pthread_create(&thread, NULL, spin, NULL);
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			marks(3);
			_exit(0);
		}
		pthread_create(&thread, NULL, spin, NULL);
		marks(2);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
	}
}

int death_main(char **argv)
{
	if (strcmp(argv[0], "exit") == 0)
		return (int)number(argv, 1, 0);
	if (strcmp(argv[0], "signal") == 0) {
		raise((int)number(argv, 1, SIGKILL));
		return 97;
	}
	if (strcmp(argv[0], "group") == 0)
		return group((int)number(argv, 1, 0));
	if (strcmp(argv[0], "leader") == 0)
		return leader();
	if (strcmp(argv[0], "busy") == 0)
		return busy();
	return 98;
}
