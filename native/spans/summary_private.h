/* SPDX-License-Identifier: MIT */
#ifndef RENACER_SPANS_SUMMARY_PRIVATE_H
#define RENACER_SPANS_SUMMARY_PRIVATE_H

#include "renacer/summary.h"

#include "slots.h"

struct bucket {
	uint32_t row;
	uint16_t bucket;
	uint64_t count; /* 0 = free */
};

/* The group of the last call: the next one's, mostly. */
struct task_seen {
	uint64_t ordinal;
	int32_t tid;
	uint32_t group;
};

/* Of a socket that was connected: whom to. */
struct connected {
	uint64_t inode;
	uint32_t group; /* 0 = nothing is known */
};

#define RN_SUMMARY_CONNECTED 1024u
#define RN_SUMMARY_NAME_MAX 8192u /* a folder's path, one relative to it, NUL */

struct rn_summary {
	struct rn_summary_config config;
	struct rn_summary_group *groups;
	uint64_t n_groups, groups_cap;
	size_t name_bytes; /* of names that are keys */
	struct slots group_slots;
	struct rn_summary_row *rows;
	uint64_t n_rows, rows_cap;
	struct slots row_slots;
	struct bucket *buckets;
	uint64_t n_buckets, buckets_size;
	uint64_t unknown, uncounted;
	struct task_seen last;
	struct connected connected[RN_SUMMARY_CONNECTED]; /* by inode, the last one of each place */
};

uint32_t rn_summary_group_of_task(struct rn_summary *s, uint64_t ordinal, int32_t pid, int32_t tid);
uint32_t rn_summary_group_of_name(struct rn_summary *s, const char *name);
/* summary_names.c: "" = none */
void rn_summary_path(const struct rn_call *call, char to[RN_SUMMARY_NAME_MAX]);
uint32_t rn_summary_group_of_peer(struct rn_summary *s, const struct rn_call *call);

#endif
