/* SPDX-License-Identifier: MIT */
/*
 * Which threads have a call open on paper. Only those are kept, so that the table is
 * as large as the number of calls that were ever in flight at once, however many
 * threads come and go.
 */
#include <stdlib.h>
#include <string.h>

#include "text_state.h"

#define FIRST_CAP 64u

static size_t home_of(const struct text_threads *threads, int32_t tid)
{
	/* Fibonacci hashing: neighbouring tids do not pile up. */
	uint32_t hash = (uint32_t)tid * 2654435769u;

	return (hash ^ hash >> 16) & (threads->cap - 1);
}

void rn_text_threads_deinit(struct text_threads *threads)
{
	free(threads->slots);
	memset(threads, 0, sizeof(*threads));
}

struct text_thread *rn_text_threads_find(struct text_threads *threads, int32_t tid)
{
	size_t i;

	if (threads->count == 0 || tid == 0)
		return NULL;
	for (i = home_of(threads, tid); threads->slots[i].tid != 0;
	     i = (i + 1) & (threads->cap - 1))
		if (threads->slots[i].tid == tid)
			return &threads->slots[i];
	return NULL;
}

static struct text_thread *free_slot(struct text_threads *threads, int32_t tid)
{
	size_t i = home_of(threads, tid);

	while (threads->slots[i].tid != 0)
		i = (i + 1) & (threads->cap - 1);
	return &threads->slots[i];
}

static bool grow(struct text_threads *threads)
{
	struct text_threads wider = {.count = threads->count};

	wider.cap = threads->cap ? 2 * threads->cap : FIRST_CAP;
	wider.slots = calloc(wider.cap, sizeof(*wider.slots));
	if (!wider.slots)
		return false;
	for (size_t i = 0; i < threads->cap; i++)
		if (threads->slots[i].tid != 0)
			*free_slot(&wider, threads->slots[i].tid) = threads->slots[i];
	free(threads->slots);
	*threads = wider;
	return true;
}

struct text_thread *rn_text_threads_add(struct text_threads *threads, int32_t tid)
{
	struct text_thread *thread = rn_text_threads_find(threads, tid);

	if (thread || tid == 0)
		return thread;
	if (3 * (threads->count + 1) > 2 * threads->cap && !grow(threads))
		return NULL;
	thread = free_slot(threads, tid);
	*thread = (struct text_thread){.tid = tid};
	threads->count++;
	return thread;
}

void rn_text_threads_remove(struct text_threads *threads, struct text_thread *thread)
{
	size_t mask = threads->cap - 1;
	size_t hole = (size_t)(thread - threads->slots);
	size_t i = hole;

	/* Whoever was pushed past the hole moves up, so that searches need no tombstones. */
	for (;;) {
		size_t home;

		i = (i + 1) & mask;
		if (threads->slots[i].tid == 0)
			break;
		home = home_of(threads, threads->slots[i].tid);
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			threads->slots[hole] = threads->slots[i];
			hole = i;
		}
	}
	memset(&threads->slots[hole], 0, sizeof(threads->slots[hole]));
	threads->count--;
}
