/* SPDX-License-Identifier: MIT */
#include "tables.h"

#include <stdlib.h>
#include <string.h>

static struct thread **bucket_of(struct tables *tables, int32_t tid)
{
	return &tables->bucket[(uint32_t)tid & (THREAD_BUCKETS - 1)];
}

struct thread *rn_thread_find(struct tables *tables, int32_t tid)
{
	struct thread *thread = *bucket_of(tables, tid);

	while (thread && thread->tid != tid)
		thread = thread->next;
	return thread;
}

struct thread *rn_thread_add(struct tables *tables, int32_t tid)
{
	struct thread *thread = tables->free;
	struct thread **bucket = bucket_of(tables, tid);
	struct rn_event *entry = NULL;
	uint32_t entry_cap = 0;

	if (thread) {
		tables->free = thread->next;
		entry = thread->entry;
		entry_cap = thread->entry_cap;
	} else {
		thread = malloc(sizeof(*thread));
		if (!thread)
			return NULL;
	}
	*thread = (struct thread){
		.next = *bucket,
		.tid = tid,
		.entry = entry,
		.entry_cap = entry_cap,
	};
	*bucket = thread;
	tables->live++;
	return thread;
}

static void unlink_thread(struct tables *tables, struct thread *thread)
{
	struct thread **at = bucket_of(tables, thread->tid);

	while (*at != thread)
		at = &(*at)->next;
	*at = thread->next;
}

void rn_thread_remove(struct tables *tables, struct thread *thread)
{
	unlink_thread(tables, thread);
	thread->next = tables->free;
	tables->free = thread;
	tables->live--;
}

void rn_thread_rename(struct tables *tables, struct thread *thread, int32_t tid)
{
	struct thread **bucket = bucket_of(tables, tid);

	unlink_thread(tables, thread);
	thread->tid = tid;
	thread->next = *bucket;
	*bucket = thread;
}

bool rn_thread_open(struct thread *thread, const struct rn_event *entry)
{
	if (thread->entry_cap < entry->size) {
		struct rn_event *grown = realloc(thread->entry, entry->size);

		if (!grown)
			return false;
		thread->entry = grown;
		thread->entry_cap = entry->size;
	}
	memcpy(thread->entry, entry, entry->size);
	thread->open = true;
	return true;
}

static void free_list(struct thread *thread)
{
	while (thread) {
		struct thread *next = thread->next;

		free(thread->entry);
		free(thread);
		thread = next;
	}
}

void rn_tables_deinit(struct tables *tables)
{
	for (unsigned i = 0; i < THREAD_BUCKETS; i++)
		free_list(tables->bucket[i]);
	free_list(tables->free);
}
