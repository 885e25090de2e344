/* SPDX-License-Identifier: MIT */
/* Address spaces and the shared memory in them; see memory_map.h. */
#include "memory_map.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "call_kinds.h"

#define REGIONS_MAX 4096u
#define PAGE 4096u

struct region {
	uint64_t start, end;
	uint64_t memory; /* number of what is mapped; inode of a file; 0 = not known */
	uint64_t device; /* of a file, and one more; 0 = no file */
	uint64_t offset; /* of `start` in it */
	struct object *object; /* the file; held; NULL = none, or not known */
	bool untraced; /* others have it who are not traced */
};

struct space {
	uint32_t users;
	uint64_t number;
	bool unsure;   /* there may be shared memory that nothing was heard of */
	bool untraced; /* somebody who is not traced runs in it */
	struct region *regions;
	uint32_t n, cap;
};

static struct space *make(struct edges *edges)
{
	struct space *space = calloc(1, sizeof(*space));

	if (!space)
		return NULL;
	space->users = 1;
	space->number = ++edges->numbers;
	return space;
}

static void hold(const struct region *region)
{
	if (region->object)
		rn_object_hold(region->object);
}

static void put(struct edges *edges, const struct region *region)
{
	if (region->object)
		rn_object_put(edges->in->objects, region->object);
}

void rn_map_put(struct edges *edges, struct space *space)
{
	if (!space || --space->users)
		return;
	for (uint32_t i = 0; i < space->n; i++)
		put(edges, &space->regions[i]);
	free(space->regions);
	free(space);
}

void rn_map_lost(struct space *space)
{
	if (space)
		space->unsure = true;
}

void rn_map_untraced(struct space *space, bool same)
{
	if (!space)
		return;
	space->untraced |= same;
	for (uint32_t i = 0; i < space->n; i++) {
		space->regions[i].untraced = true;
		if (space->regions[i].object)
			rn_object_share(space->regions[i].object);
	}
}

static void copy_regions(struct space *to, const struct space *from)
{
	to->unsure = from->unsure;
	if (from->n == 0)
		return;
	to->regions = malloc(from->n * sizeof(*to->regions));
	if (!to->regions) {
		to->unsure = true;
		return;
	}
	memcpy(to->regions, from->regions, from->n * sizeof(*to->regions));
	to->n = to->cap = from->n;
	for (uint32_t i = 0; i < to->n; i++)
		hold(&to->regions[i]);
}

void rn_map_start(struct edges *edges, struct process *process, const struct process *maker,
		  const struct rn_event *start)
{
	uint64_t birth = start->args[4];

	if (process->space)
		return;
	if (maker && maker->space && (start->args[3] & CLONE_VM || birth == RN_BIRTH_VFORK)) {
		process->space = maker->space;
		process->space->users++;
		return;
	}
	process->space = make(edges);
	if (!process->space)
		return;
	if (maker && maker->space)
		copy_regions(process->space, maker->space);
	else
		process->space->unsure = birth != RN_BIRTH_LAUNCH;
}

void rn_map_exec(struct edges *edges, struct process *process)
{
	rn_map_put(edges, process->space);
	process->space = make(edges);
}

static bool grow(struct space *space)
{
	uint32_t cap = space->cap ? 2 * space->cap : 8;
	struct region *grown;

	if (space->n < space->cap)
		return true;
	if (cap > REGIONS_MAX)
		return false;
	grown = realloc(space->regions, cap * sizeof(*grown));
	if (!grown)
		return false;
	space->regions = grown;
	space->cap = cap;
	return true;
}

static void add(struct space *space, const struct region *region)
{
	if (!grow(space)) {
		space->unsure = true;
		return;
	}
	space->regions[space->n++] = *region;
	hold(region);
}

/* Nothing of what was known of [start, end) holds any more. */
static void cut(struct edges *edges, struct space *space, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < space->n;) {
		struct region *region = &space->regions[i];
		struct region rest = *region;

		if (region->end <= start || region->start >= end) {
			i++;
			continue;
		}
		hold(&rest);
		if (region->start < start) {
			region->end = start;
			i++;
		} else {
			put(edges, region);
			*region = space->regions[--space->n];
		}
		if (rest.end > end) {
			rest.offset += end - rest.start;
			rest.start = end;
			add(space, &rest);
		}
		put(edges, &rest);
	}
}

static uint64_t end_of(uint64_t start, uint64_t len)
{
	uint64_t end = start + (len + PAGE - 1) / PAGE * PAGE;

	return end < start ? UINT64_MAX : end;
}

void rn_map_entry(struct edges *edges, struct process *process, const struct rn_event *ev)
{
	/* The addresses may be given to another thread's mapping before the call returns. */
	if (process->space && rn_call_kind(ev->abi, ev->nr) == CALL_MUNMAP)
		cut(edges, process->space, ev->args[0], end_of(ev->args[0], ev->args[1]));
}

/* Which file is mapped: the descriptor's, as it is while the call is under way. */
static void find_file(const struct thread *thread, int32_t fd, struct region *region)
{
	struct object *object = thread->fds.table ? rn_fd_object(thread->fds.table, fd) : NULL;

	if (!object || object->id.kind != RN_OBJECT_FILE || !object->id.inode)
		return;
	/* What a mapping of a device is, is the device's affair. */
	if (!(object->id.known & RN_OBJECT_IS_REGULAR))
		return;
	region->object = object;
	region->memory = object->id.inode;
	region->device = 1 + ((uint64_t)object->id.dev_major << 32 | object->id.dev_minor);
}

static void mapped(struct edges *edges, const struct thread *thread, const struct rn_call *call,
		   uint64_t unit)
{
	struct process *process = thread->process;
	uint64_t start = (uint64_t)call->result, type = call->args[3] & MAP_TYPE;
	struct region region = {
		.start = start,
		.end = end_of(start, call->args[1]),
		.offset = 0,
	};

	cut(edges, process->space, region.start, region.end);
	if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return;
	if (call->args[3] & MAP_ANONYMOUS) {
		region.memory = ++edges->numbers;
	} else {
		find_file(thread, (int32_t)call->args[4], &region);
		region.offset = call->args[5] * unit;
	}
	add(process->space, &region);
}

static void moved(struct edges *edges, struct process *process, const struct rn_call *call)
{
	uint64_t from = call->args[0], len = call->args[1], to = (uint64_t)call->result;
	struct space *space = process->space;
	struct region found = {.start = 0};

	for (uint32_t i = 0; i < space->n; i++)
		if (space->regions[i].start <= from && from < space->regions[i].end)
			found = space->regions[i];
	hold(&found);
	/* An old length of 0 makes another mapping of the same memory. */
	cut(edges, space, from, end_of(from, len));
	cut(edges, space, to, end_of(to, call->args[2]));
	if (found.end) {
		struct region next = found;

		next.offset += from - found.start;
		next.start = to;
		next.end = end_of(to, call->args[2]);
		add(space, &next);
	}
	put(edges, &found);
}

void rn_map_exit(struct edges *edges, struct thread *thread, const struct rn_call *call)
{
	struct process *process = thread->process;

	if (!process->space || call->flags & (RN_FLAG_FAILED | RN_FLAG_UNFINISHED))
		return;
	switch (rn_call_kind(call->abi, call->nr)) {
	case CALL_MMAP:
		mapped(edges, thread, call, 1);
		break;
	case CALL_MMAP2:
		mapped(edges, thread, call, PAGE);
		break;
	case CALL_MREMAP:
		moved(edges, process, call);
		break;
	case CALL_MMAP_OLD: /* its arguments are in memory */
	case CALL_SHMAT:    /* how long it is was said to another call */
		process->space->unsure = true;
		break;
	case CALL_REMAP_PAGES:
		process->space->unsure = true;
		cut(edges, process->space, call->args[0], end_of(call->args[0], call->args[1]));
		break;
	default:
		break;
	}
}

/* A word in memory of which nothing is known: it may be any that lies alike in its page. */
static bool unknown(uint64_t address, struct word_key *key)
{
	*key = (struct word_key){.offset = address % PAGE, .kind = WORD_UNKNOWN};
	return false;
}

bool rn_word_is_foreign(const struct word_key *key)
{
	return key->object && key->object->foreign && !key->object->named;
}

bool rn_word_key(const struct process *process, uint64_t address, bool is_private,
		 struct word_key *key)
{
	const struct space *space = process->space;

	if (!space)
		return unknown(address, key);
	*key = (struct word_key){
		.where = space->number,
		.offset = address,
		.kind = is_private ? WORD_PRIVATE : WORD_OWN,
	};
	if (is_private)
		return !space->untraced;
	for (uint32_t i = 0; i < space->n; i++) {
		const struct region *region = &space->regions[i];

		if (address < region->start || address >= region->end)
			continue;
		if (!region->memory)
			return unknown(address, key);
		*key = (struct word_key){
			.where = region->memory,
			.offset = region->offset + (address - region->start),
			.kind = WORD_SHARED + region->device,
			.object = region->object,
		};
		return !space->untraced && !region->untraced;
	}
	return space->unsure ? unknown(address, key) : !space->untraced;
}
