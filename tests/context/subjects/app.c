/* SPDX-License-Identifier: MIT */
/*
 * Makes calls under spans of its own: getpriority(0, N), where N says which span is live by
 * then: 0 = none, else that of bytes N. The parts are the words.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "published.h"

#ifdef ALIGNED
static __thread _Alignas(64) char before[3] = "a";
#endif
#ifdef OWN
__thread struct published *otel_thread_ctx_v1;
static void own_publish(struct published *record)
{
	otel_thread_ctx_v1 = record;
}
static void (*publish)(struct published *) = own_publish;
#elif defined(LINKED)
void publish(struct published *record);
#else
static void (*publish)(struct published *);
#endif

#define TRACE 0xaa

static void call_under(int span)
{
	syscall(SYS_getpriority, PRIO_PROCESS, span);
}

static void under(struct published *record, int span)
{
	fill_record(record, TRACE, span);
	publish(record);
	call_under(span);
}

static void none(void)
{
	publish(NULL);
	call_under(0);
}

static void *thread(void *number)
{
	struct published record;

	call_under(0);
	under(&record, (int)(intptr_t)number);
	none();
	return NULL;
}

static void threads(void)
{
	pthread_t made[3];

	for (intptr_t i = 0; i < 3; i++)
		pthread_create(&made[i], NULL, thread, (void *)(0x20 + i));
	for (int i = 0; i < 3; i++)
		pthread_join(made[i], NULL);
}

static void forked(void)
{
	struct published record;
	int status;

	under(&record, 0x31);
	if (fork() == 0) {
		call_under(0x31); /* its copy */
		under(&record, 0x32);
		none();
		_exit(0);
	}
	wait(&status);
	call_under(0x31);
	none();
}

static void simple(void)
{
	struct published first, second;

	under(&first, 0x11);
	under(&second, 0x12);
	fill_record(&second, TRACE, 0x13); /* in place */
	call_under(0x13);
	second.valid = 0;
	call_under(0);
	fill_record(&second, 0, 0);
	call_under(0);
	none();
	under(&first, 0x14);
	none();
}

#if !defined(OWN) && !defined(LINKED)
static void *library;

static void open_library(const char *path)
{
	void *symbol;

	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library || !(symbol = dlsym(library, "publish"))) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	memcpy(&publish, &symbol, sizeof(publish));
}

/* The thread has the old object's block still, and no call of its own in between. */
static pthread_barrier_t barrier;

static void *bystander(void *unused)
{
	struct published record;

	under(&record, 0x41);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	call_under(0); /* another object has the old one's place */
	under(&record, 0x42);
	none();
	return unused;
}

static void reopened(const char *path)
{
	struct published record;
	pthread_t made;

	pthread_barrier_init(&barrier, NULL, 2);
	under(&record, 0x43);
	pthread_create(&made, NULL, bystander, NULL);
	pthread_barrier_wait(&barrier);
	dlclose(library);
	call_under(0);
	open_library(path);
	call_under(0);
	pthread_barrier_wait(&barrier);
	pthread_join(made, NULL);
	under(&record, 0x44);
	none();
}
#endif

int main(int argc, char **argv)
{
	(void)argc;
#ifdef ALIGNED
	before[1] = (char)argc;
#endif
	call_under(0);
	for (char **word = argv + 1; *word; word++) {
		if (strcmp(*word, "simple") == 0)
			simple();
		else if (strcmp(*word, "threads") == 0)
			threads();
		else if (strcmp(*word, "fork") == 0)
			forked();
		else if (strcmp(*word, "wait") == 0) {
			char token = '.';

			if (write(atoi(*++word), &token, 1) != 1 || read(atoi(*++word), &token, 1) != 1)
				return 1;
		} else if (strcmp(*word, "many") == 0) {
			struct published record;

			fill_record(&record, TRACE, 0x51);
			publish(&record);
			for (int i = 0; i < 1000; i++)
				call_under(0x51);
		} else if (strcmp(*word, "exec") == 0) {
			struct published record;

			under(&record, 0x61); /* gone with the program */
			execv(argv[0], (char *[]){argv[0], NULL});
		}
#if !defined(OWN) && !defined(LINKED)
		else if (strcmp(*word, "open") == 0)
			open_library(*++word);
		else if (strcmp(*word, "reopened") == 0)
			reopened(*++word);
#endif
	}
	return 0;
}
