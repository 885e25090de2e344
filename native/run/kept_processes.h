/* SPDX-License-Identifier: MIT */
/* Spans of processes that have ended, not encoded yet: the last so many. One thread. */
#ifndef RENACER_RUN_KEPT_PROCESSES_H
#define RENACER_RUN_KEPT_PROCESSES_H

#include "renacer/span.h"

#define RN_KEPT_PROCESSES 10000u

struct kept_processes;

/* NULL: no memory. */
struct kept_processes *rn_kept_create(void);
void rn_kept_destroy(struct kept_processes *kept);
/* Copies it; the oldest goes where there are too many, counted. false: no memory. */
bool rn_kept_add(struct kept_processes *kept, const struct rn_process *process);
/* Of the process with this span, if it is kept: more calls have no span. */
void rn_kept_omit(struct kept_processes *kept, uint64_t span_id, const struct rn_omitted *more);
/* Hands over each, the oldest first, and forgets it. */
void rn_kept_take(struct kept_processes *kept,
		  void (*take)(void *ctx, const struct rn_process *process), void *ctx);
/* How many went because of others. */
uint64_t rn_kept_omitted(const struct kept_processes *kept);

#endif
