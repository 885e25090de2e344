/* SPDX-License-Identifier: MIT */
/* How much memory processes had resident at most; inner part of the replay. */
#ifndef RENACER_RUN_PEAKS_H
#define RENACER_RUN_PEAKS_H

#include "columns.h"
#include "renacer/replay.h"
#include "renacer/event.h"

struct peaks {
	struct column rows; /* by ordinal */
};

void rn_peaks_init(struct peaks *peaks);
/* A record, before the interpreter has it, which may be the end. `threads`: so many are known, and no
   more processes; `of`: that of the record, NULL = not known. What there is no memory for is counted. */
void rn_peaks_follow(struct peaks *peaks, struct allowance *allowance, const struct rn_event *ev,
		     uint64_t threads, const rn_replay_thread *of);
/* What is known at a process's end: by its ordinal, end and wait status. */
void rn_peaks_tell(const struct peaks *peaks, rn_replay_process *row);
void rn_peaks_deinit(struct peaks *peaks);

#endif
