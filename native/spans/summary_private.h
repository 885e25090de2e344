/* SPDX-License-Identifier: MIT */
#ifndef RENACER_SPANS_SUMMARY_PRIVATE_H
#define RENACER_SPANS_SUMMARY_PRIVATE_H

#include "renacer/summary.h"

/* Index + 1 of an entry; 0 = free. A power of two of them. */
struct slots {
	uint32_t *slot;
	uint64_t size;
};

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

struct rn_summary {
	struct rn_summary_config config;
	struct rn_summary_group *groups;
	uint64_t n_groups, groups_cap;
	struct slots group_slots;
	struct rn_summary_row *rows;
	uint64_t n_rows, rows_cap;
	struct slots row_slots;
	struct bucket *buckets;
	uint64_t n_buckets, buckets_size;
	uint64_t unknown, uncounted;
	struct task_seen last;
};

uint32_t rn_summary_group_of_task(struct rn_summary *s, uint64_t ordinal, int32_t pid, int32_t tid);
uint32_t rn_summary_group_of_name(struct rn_summary *s, const char *name);

#endif
