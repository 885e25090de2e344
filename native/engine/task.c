/* SPDX-License-Identifier: MIT */
/* Threads by tid. Memory comes in slabs and is reused, so that steady state allocates nothing. */
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

static uint32_t bucket_of(int tid)
{
	return (uint32_t)tid & (TASK_BUCKETS - 1);
}

struct task *rn_task_find(struct rn_engine *e, int tid)
{
	struct task *task = e->tasks.bucket[bucket_of(tid)];

	while (task && task->tid != tid)
		task = task->next;
	return task;
}

static void link_in(struct task_table *table, struct task *task)
{
	struct task **bucket = &table->bucket[bucket_of(task->tid)];

	task->next = *bucket;
	*bucket = task;
}

static void link_out(struct task_table *table, struct task *task)
{
	struct task **at = &table->bucket[bucket_of(task->tid)];

	while (*at != task)
		at = &(*at)->next;
	*at = task->next;
}

static bool more_tasks(struct task_table *table)
{
	struct task_slab *slab = calloc(1, sizeof(*slab));

	if (!slab)
		return false;
	slab->next = table->slabs;
	table->slabs = slab;
	for (size_t i = 0; i < sizeof(slab->tasks) / sizeof(slab->tasks[0]); i++) {
		slab->tasks[i].next = table->free;
		table->free = &slab->tasks[i];
	}
	return true;
}

struct task *rn_task_add(struct rn_engine *e, int tid)
{
	struct task_table *table = &e->tasks;
	struct task *task;

	if (!table->free && !more_tasks(table))
		return NULL;
	task = table->free;
	table->free = task->next;
	memset(task, 0, sizeof(*task));
	task->tid = tid;
	task->pid = tid;
	link_in(table, task);
	table->count++;
	return task;
}

void rn_task_remove(struct rn_engine *e, struct task *task)
{
	rn_space_leave(task);
	link_out(&e->tasks, task);
	task->next = e->tasks.free;
	e->tasks.free = task;
	e->tasks.count--;
}

void rn_task_rename(struct rn_engine *e, struct task *task, int tid)
{
	link_out(&e->tasks, task);
	task->tid = tid;
	link_in(&e->tasks, task);
}

void rn_tasks_free(struct rn_engine *e)
{
	for (unsigned i = 0; i < TASK_BUCKETS; i++)
		for (struct task *task = e->tasks.bucket[i]; task; task = task->next)
			rn_space_leave(task);
	while (e->tasks.slabs) {
		struct task_slab *slab = e->tasks.slabs;

		e->tasks.slabs = slab->next;
		free(slab);
	}
}
