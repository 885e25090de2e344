/* SPDX-License-Identifier: MIT */
/* Counts and times of calls; see summary.h. Hash tables with open addressing, bounded. */
#include "renacer/summary.h"

#include <stdlib.h>
#include <string.h>

#include "summary_private.h"

/* At most 1 MiB, 4 MiB, 6 MiB and 16 MiB here, and some times that in what makes tables of them. */
#define GROUPS_MAX (1u << 14)
#define NAMES_MAX (4u << 20) /* bytes, NULs with them: a path may have 4095, a hostile one more */
#define ROWS_MAX (1u << 16)
#define BUCKETS_MAX (1u << 19)
#define UNKNOWN_MAX 256u /* rows for numbers that no table has */
#define FIRST_SLOTS 256u

#define SUB_BITS 7 /* of a duration, behind its first bit */

static uint16_t bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < 1u << SUB_BITS)
		return (uint16_t)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
	return (uint16_t)((shift + 1) << SUB_BITS | ((value >> shift) & ((1u << SUB_BITS) - 1)));
}

static uint64_t middle_of(uint16_t bucket)
{
	unsigned shift;
	uint64_t from;

	if (bucket < 1u << SUB_BITS)
		return bucket;
	shift = (bucket >> SUB_BITS) - 1u;
	from = (1u << SUB_BITS | (bucket & ((1u << SUB_BITS) - 1u)));
	return (from << shift) + ((1ull << shift) >> 1);
}

static uint64_t row_hash(uint32_t group, uint8_t abi, int32_t nr)
{
	return rn_mix((uint64_t)group << 35 ^ (uint64_t)abi << 32 ^ (uint32_t)nr);
}

static uint64_t hash_of_row(const void *ctx, uint64_t i)
{
	const struct rn_summary_row *row = &((const struct rn_summary *)ctx)->rows[i];

	return row_hash(row->group, row->abi, row->nr);
}

static struct rn_summary_row *find_row(const struct rn_summary *s, uint32_t group, uint8_t abi,
				       int32_t nr)
{
	uint64_t mask = s->row_slots.size - 1;
	uint64_t at = row_hash(group, abi, nr) & mask;

	if (!s->row_slots.size)
		return NULL;
	for (; s->row_slots.slot[at]; at = (at + 1) & mask) {
		struct rn_summary_row *row = &s->rows[s->row_slots.slot[at] - 1];

		if (row->group == group && row->abi == abi && row->nr == nr)
			return row;
	}
	return NULL;
}

static struct rn_summary_row *add_row(struct rn_summary *s, uint32_t group, uint8_t abi, int32_t nr)
{
	uint64_t at;

	if (!rn_list_room((void **)&s->rows, s->n_rows, &s->rows_cap, sizeof(*s->rows)) ||
	    !rn_slots_grow(&s->row_slots, s->n_rows, hash_of_row, s))
		return NULL;
	at = row_hash(group, abi, nr) & (s->row_slots.size - 1);
	while (s->row_slots.slot[at])
		at = (at + 1) & (s->row_slots.size - 1);
	s->rows[s->n_rows] = (struct rn_summary_row){
		.group = group, .abi = abi, .nr = nr, .shortest = UINT64_MAX};
	s->row_slots.slot[at] = (uint32_t)++s->n_rows;
	return &s->rows[s->n_rows - 1];
}

/* The first group's rows are bounded by the tables, and so go in where the others no longer do. */
static struct rn_summary_row *row_of(struct rn_summary *s, uint32_t group,
				     const struct rn_call *call)
{
	struct rn_summary_row *row = find_row(s, group, call->abi, call->nr);
	int32_t nr = call->nr;

	if (row)
		return row;
	if (group && s->n_rows >= ROWS_MAX)
		return row_of(s, 0, call);
	if (!call->desc->name && ++s->unknown > UNKNOWN_MAX) {
		nr = RN_SUMMARY_OTHER_NR;
		row = find_row(s, 0, call->abi, nr);
		if (row)
			return row;
		group = 0;
	}
	return add_row(s, group, call->abi, nr);
}

static void grow_buckets(struct rn_summary *s)
{
	uint64_t size = s->buckets_size ? 2 * s->buckets_size : FIRST_SLOTS;
	struct bucket *grown = calloc(size, sizeof(*grown));

	if (!grown)
		return;
	for (uint64_t i = 0; i < s->buckets_size; i++) {
		const struct bucket *from = &s->buckets[i];
		uint64_t at = rn_mix((uint64_t)from->row << 16 ^ from->bucket) & (size - 1);

		if (!from->count)
			continue;
		while (grown[at].count)
			at = (at + 1) & (size - 1);
		grown[at] = *from;
	}
	free(s->buckets);
	s->buckets = grown;
	s->buckets_size = size;
}

static bool count_in_bucket(struct rn_summary *s, uint32_t row, uint64_t value)
{
	uint16_t bucket = bucket_of(value);
	uint64_t at;

	if (2 * (s->n_buckets + 1) > s->buckets_size && s->n_buckets < BUCKETS_MAX)
		grow_buckets(s);
	if (!s->buckets_size)
		return false;
	at = rn_mix((uint64_t)row << 16 ^ bucket) & (s->buckets_size - 1);
	for (; s->buckets[at].count; at = (at + 1) & (s->buckets_size - 1))
		if (s->buckets[at].row == row && s->buckets[at].bucket == bucket) {
			s->buckets[at].count++;
			return true;
		}
	if (2 * (s->n_buckets + 1) > s->buckets_size)
		return false;
	s->buckets[at] = (struct bucket){.row = row, .bucket = bucket, .count = 1};
	s->n_buckets++;
	return true;
}

/* Time of a call as the run counts it. */
static uint64_t time_of(const struct rn_summary *s, const struct rn_call *call)
{
	uint64_t time = 0;

	if (s->config.wall)
		return call->t1 > call->t0 ? call->t1 - call->t0 : 0;
	for (const struct rn_piece *p = call->exit ? rn_piece_first(call->exit) : NULL; p;
	     p = rn_piece_next(call->exit, p))
		if (p->type == RN_PIECE_CPU_TIME && p->len == sizeof(time))
			memcpy(&time, rn_piece_data(p), sizeof(time));
	return time;
}

static uint32_t group_of(struct rn_summary *s, const struct rn_call *call)
{
	char name[RN_SUMMARY_NAME_MAX];

	switch (s->config.by) {
	case RN_SUMMARY_PROCESS:
		return rn_summary_group_of_task(s, call->process->ordinal, call->pid, 0);
	case RN_SUMMARY_THREAD:
		return rn_summary_group_of_task(s, call->process->ordinal, call->pid, call->tid);
	case RN_SUMMARY_PATH:
		rn_summary_path(call, name);
		return rn_summary_group_of_name(s, name);
	case RN_SUMMARY_PEER:
		return rn_summary_group_of_peer(s, call);
	case RN_SUMMARY_ALL:
		break;
	}
	return 0;
}

void rn_summary_call(struct rn_summary *s, const struct rn_call *call)
{
	struct rn_summary_row *row = row_of(s, group_of(s, call), call);
	uint64_t time;

	if (!row) {
		s->uncounted++;
		return;
	}
	if (call->flags & RN_FLAG_UNFINISHED) {
		row->unfinished++;
		return;
	}
	time = time_of(s, call);
	row->calls++;
	row->errors += (call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED)) != 0;
	/* Centuries: of a damaged record only. */
	if (__builtin_add_overflow(row->time, time, &row->time))
		row->time = UINT64_MAX;
	if (time < row->shortest)
		row->shortest = time;
	if (time > row->longest)
		row->longest = time;
	if (s->config.wall)
		row->sampled += count_in_bucket(s, (uint32_t)(row - s->rows), time);
}

static uint64_t group_hash(uint64_t ordinal, int32_t tid, const char *name)
{
	uint64_t hash = rn_mix(rn_mix(ordinal) ^ (uint32_t)tid);

	for (const char *c = name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
	return rn_mix(hash);
}

static uint64_t hash_of_group(const void *ctx, uint64_t i)
{
	const struct rn_summary_group *group = &((const struct rn_summary *)ctx)->groups[i];

	return group_hash(group->ordinal, group->tid, group->ordinal ? "" : group->name);
}

static bool same_group(const struct rn_summary_group *group, uint64_t ordinal, int32_t tid,
		       const char *name)
{
	return group->ordinal == ordinal && group->tid == tid &&
	       (ordinal || strcmp(group->name, name) == 0);
}

/* The group of that key, made if there is none yet; 0 where there is no room. */
static uint32_t group_for(struct rn_summary *s, uint64_t ordinal, int32_t pid, int32_t tid,
			  const char *name)
{
	uint64_t mask, at;
	size_t size;
	char *copy;

	if (!rn_list_room((void **)&s->groups, s->n_groups, &s->groups_cap, sizeof(*s->groups)) ||
	    !rn_slots_grow(&s->group_slots, s->n_groups, hash_of_group, s))
		return 0;
	mask = s->group_slots.size - 1;
	at = group_hash(ordinal, tid, ordinal ? "" : name) & mask;
	for (; s->group_slots.slot[at]; at = (at + 1) & mask) {
		uint32_t index = s->group_slots.slot[at] - 1;

		/* The first is no key's. */
		if (index && same_group(&s->groups[index], ordinal, tid, name))
			return index;
	}
	size = strlen(name) + 1;
	if (s->n_groups >= GROUPS_MAX || size > NAMES_MAX - s->name_bytes || !(copy = strdup(name)))
		return 0;
	s->name_bytes += size;
	s->groups[s->n_groups] = (struct rn_summary_group){ordinal, pid, tid, copy};
	s->group_slots.slot[at] = (uint32_t)++s->n_groups;
	return (uint32_t)s->n_groups - 1;
}

uint32_t rn_summary_group_of_task(struct rn_summary *s, uint64_t ordinal, int32_t pid, int32_t tid)
{
	struct task_seen *last = &s->last;

	if (last->ordinal == ordinal && last->tid == tid && last->group)
		return last->group;
	*last = (struct task_seen){ordinal, tid, group_for(s, ordinal, pid, tid, "")};
	return last->group;
}

uint32_t rn_summary_group_of_name(struct rn_summary *s, const char *name)
{
	return group_for(s, 0, 0, 0, name);
}

void rn_summary_process(struct rn_summary *s, const struct rn_process *process)
{
	uint32_t group;
	char *name;

	if (s->config.by != RN_SUMMARY_PROCESS && s->config.by != RN_SUMMARY_THREAD)
		return;
	group = rn_summary_group_of_task(s, process->ordinal, process->pid, 0);
	name = group ? strdup(process->name) : NULL;
	if (!name)
		return;
	free(s->groups[group].name);
	s->groups[group].name = name;
}

struct rn_summary *rn_summary_create(const struct rn_summary_config *config)
{
	struct rn_summary *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->config = *config;
	/* The first group. */
	group_for(s, 0, 0, 0, "");
	if (s->n_groups == 1)
		return s;
	rn_summary_destroy(s);
	return NULL;
}

void rn_summary_destroy(struct rn_summary *s)
{
	if (!s)
		return;
	for (uint64_t i = 0; i < s->n_groups; i++)
		free(s->groups[i].name);
	free(s->groups);
	free(s->group_slots.slot);
	free(s->rows);
	free(s->row_slots.slot);
	free(s->buckets);
	free(s);
}

const struct rn_summary_row *rn_summary_rows(const struct rn_summary *s, uint64_t *n)
{
	*n = s->n_rows;
	return s->rows;
}

const struct rn_summary_group *rn_summary_groups(const struct rn_summary *s, uint64_t *n)
{
	*n = s->n_groups;
	return s->groups;
}

uint64_t rn_summary_uncounted(const struct rn_summary *s)
{
	return s->uncounted;
}

uint64_t rn_summary_buckets(const struct rn_summary *s, uint64_t *at, struct rn_summary_bucket *to,
			    uint64_t cap)
{
	uint64_t n = 0;

	for (; *at < s->buckets_size && n < cap; ++*at) {
		const struct bucket *from = &s->buckets[*at];

		if (from->count)
			to[n++] = (struct rn_summary_bucket){from->row, middle_of(from->bucket),
							     from->count};
	}
	return n;
}
