/* SPDX-License-Identifier: MIT */
/*
 * Counts and times of calls by their number, and by process, thread, path or peer if
 * asked: what -c prints. Fed with the interpreter's calls; memory is bounded whatever
 * is traced. One thread.
 *
 * Times are exact sums; for quantiles each duration is also counted in a bucket, which
 * is one value wide below 128 ns and at most 1/128 of its value above, so that the
 * bucket's middle is within 1/256 of any duration in it.
 */
#ifndef RENACER_SUMMARY_H
#define RENACER_SUMMARY_H

#include "renacer/span.h"

enum rn_summary_by {
	RN_SUMMARY_ALL = 0,
	RN_SUMMARY_PROCESS = 1,
	RN_SUMMARY_THREAD = 2,
	RN_SUMMARY_PATH = 3,
	RN_SUMMARY_PEER = 4
};

struct rn_summary_config {
	enum rn_summary_by by;
	bool wall; /* time from entry to exit, and quantiles of it; else system CPU time, which
		      the records carry (RN_PIECE_CPU_TIME) */
};

/* The first group takes all calls where there are no groups, and what is beyond the bounds. */
struct rn_summary_group {
	uint64_t ordinal; /* of the process; 0 = this is no process or thread */
	int32_t pid, tid; /* tid: 0 = a process */
	char *name;       /* of the process, the path, the peer; "" = none, unknown */
};

/* A number that is in no table, once too many different ones of that kind were seen. */
#define RN_SUMMARY_OTHER_NR INT32_MAX

struct rn_summary_row {
	uint32_t group;
	int32_t nr; /* or RN_SUMMARY_OTHER_NR */
	uint8_t abi;
	uint64_t calls;      /* that returned */
	uint64_t errors;     /* of these, with an error or cut short by a signal */
	uint64_t unfinished; /* that did not return, or whose exit was lost; not in calls */
	uint64_t time, shortest, longest; /* ns, of those that returned */
	uint64_t sampled; /* durations in buckets: fewer than calls = no room for more */
};

struct rn_summary_bucket {
	uint32_t row;
	uint64_t value; /* ns, the middle */
	uint64_t count;
};

struct rn_summary;

struct rn_summary *rn_summary_create(const struct rn_summary_config *config); /* NULL: no memory */
void rn_summary_destroy(struct rn_summary *summary);
/* A finished call, or one that never will be. */
void rn_summary_call(struct rn_summary *summary, const struct rn_call *call);
/* A process has ended: what it is called. */
void rn_summary_process(struct rn_summary *summary, const struct rn_process *process);

const struct rn_summary_row *rn_summary_rows(const struct rn_summary *summary, uint64_t *n);
const struct rn_summary_group *rn_summary_groups(const struct rn_summary *summary, uint64_t *n);
/* Calls that could not be counted for want of memory. */
uint64_t rn_summary_uncounted(const struct rn_summary *summary);
/* The buckets from place *at on; returns how many, at most `cap`, 0 at the end. */
uint64_t rn_summary_buckets(const struct rn_summary *summary, uint64_t *at,
			    struct rn_summary_bucket *to, uint64_t cap);

#endif
