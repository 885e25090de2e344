/* SPDX-License-Identifier: MIT */
/* Known numbers of calls from threads, children, their threads, and programs they start. */
#include <pthread.h>
#include <spawn.h>

#include "subject.h"

static void *thread_marks(void *n)
{
	marks((long)(intptr_t)n);
	return NULL;
}

static void in_threads(long threads, long n)
{
	pthread_t *all = calloc((size_t)threads + 1, sizeof(*all));

	for (long i = 0; i < threads; i++)
		if (pthread_create(&all[i], NULL, thread_marks, (void *)(intptr_t)n))
			_exit(99);
	for (long i = 0; i < threads; i++)
		pthread_join(all[i], NULL);
	free(all);
}

/* count THREADS CHILDREN N: prints how many marker calls there were in all. */
int count_main(char **argv)
{
	long threads = number(argv, 0, 2), children = number(argv, 1, 2), n = number(argv, 2, 10);
	extern char **environ;
	char text[32], name[] = "subject", word[] = "mark";
	char *const spawned[] = {name, word, text, NULL};
	pid_t *pids = calloc((size_t)children + 1, sizeof(*pids));
	pid_t other;

	snprintf(text, sizeof(text), "%ld", n);
	for (long i = 0; i < children; i++) {
		pids[i] = (pid_t)MUST(fork());
		if (pids[i] == 0) {
			in_threads(threads, n);
			marks(n);
			_exit(0);
		}
	}
	if (posix_spawn(&other, "/proc/self/exe", NULL, NULL, spawned, environ))
		return 99;
	in_threads(threads, n);
	marks(n);
	for (long i = 0; i < children; i++)
		ended(pids[i]);
	ended(other);
	free(pids);
	/* This process and each child: its threads and its first thread; and the program. */
	printf("%ld\n", n * ((1 + children) * (threads + 1) + 1));
	return 0;
}

static pthread_barrier_t barrier;

static void *wait_and_mark(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&barrier);
	mark();
	return NULL;
}

/* crowd children|threads N: N at once or one after another, each with one marker call. */
int crowd_main(char **argv)
{
	long n = number(argv, 1, 10);

	if (strcmp(argv[0], "children") == 0) {
		for (long i = 0; i < n; i++) {
			pid_t pid = (pid_t)MUST(fork());

			if (pid == 0) {
				mark();
				_exit((int)(i % 200));
			}
			if (ended(pid) != i % 200)
				return 1;
		}
	} else if (strcmp(argv[0], "together") == 0) {
		int gate[2];
		char byte;

		MUST(pipe(gate));
		for (long i = 0; i < n; i++) {
			if (MUST(fork()) == 0) {
				close(gate[1]);
				if (read(gate[0], &byte, 1) != 0)
					_exit(1);
				mark();
				_exit(0);
			}
		}
		close(gate[1]);
		for (long i = 0; i < n; i++)
			if (ended(-1) != 0)
				return 1;
	} else {
		pthread_t *all = calloc((size_t)n, sizeof(*all));
		pthread_attr_t small;

		pthread_attr_init(&small);
		pthread_attr_setstacksize(&small, 65536);
		pthread_barrier_init(&barrier, NULL, (unsigned)n);
		for (long i = 0; i < n; i++)
			if (pthread_create(&all[i], &small, wait_and_mark, NULL))
				return 99;
		for (long i = 0; i < n; i++)
			pthread_join(all[i], NULL);
		free(all);
	}
	printf("%ld\n", n);
	return 0;
}
