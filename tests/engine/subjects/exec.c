/* SPDX-License-Identifier: MIT */
/* exec WHAT: a new program, from threads and with files that are none. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "subject.h"

static char **words;
static atomic_bool all_made;

static void *do_exec(void *unused)
{
	/* Without a call: the leader is to have left its clone, and this thread to have made none. */
	while (!atomic_load(&all_made))
		;
	mark();
	execv(words[0], words);
	fprintf(stderr, "%s: %s\n", words[0], strerror(errno));
	_exit(96);
	return unused;
}

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* From a thread that is not the first; others are inside calls. */
static int from_thread(bool leader_gone)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, idle, NULL);
	pthread_create(&thread, NULL, do_exec, NULL);
	atomic_store(&all_made, true);
	if (leader_gone)
		pthread_exit(NULL);
	for (;;)
		pause();
}

static int fails(const char *path)
{
	char *const argv[] = {words[0], NULL};

	execv(path, argv);
	printf("%s\n", strerror(errno));
	return 0;
}

int exec_main(char **argv)
{
	words = argv + 1;
	if (strcmp(argv[0], "thread") == 0)
		return from_thread(false);
	if (strcmp(argv[0], "orphan") == 0)
		return from_thread(true);
	if (strcmp(argv[0], "fails") == 0)
		return fails(argv[1]);
	return 98;
}
