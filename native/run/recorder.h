/* SPDX-License-Identifier: MIT */
/*
 * The flight recorder: spans, rows and lines are made as ever, but the last of them are kept, and go
 * out only where something fails or somebody asks. The consumer's, but for what says otherwise.
 *
 * Of processes spans are kept as they are until they go out: what is omitted of their calls is
 * counted there as long as they are kept.
 */
#ifndef RENACER_RUN_RECORDER_H
#define RENACER_RUN_RECORDER_H

#include "renacer/encode.h"
#include "renacer/interpret.h"

struct rn_run;
struct recorder;
struct sink;
struct text_out;

/* Where the run's outputs are known; of one that has no recorder nothing is made. false: no memory. */
bool rn_recorder_init(struct rn_run *run);
void rn_recorder_deinit(struct rn_run *run);
/* The last of all observers: it looks for what has crashed. */
struct rn_observer rn_recorder_observer(struct rn_run *run);

/* Where a span is to be encoded for the next three. */
struct rn_buf *rn_recorder_scratch(struct recorder *recorder);
/* What stands there, its first form in `split` bytes: a call, or what makes a later part whole. */
void rn_recorder_call(struct recorder *recorder, const struct rn_call *call, uint32_t split);
void rn_recorder_part(struct recorder *recorder, uint32_t part, uint32_t split);
void rn_recorder_process(struct recorder *recorder, const struct rn_process *process);
/* What was made in the block, or in the text, is kept; false: there is no recorder. `calls`: that it
   tells of. */
bool rn_recorder_row(struct rn_run *run, struct sink *sink, uint64_t calls);
bool rn_recorder_text(struct rn_run *run, struct text_out *out);

/* What was asked for by others is done now. */
void rn_recorder_look(struct rn_run *run);
/* Whether something has gone out; then the run's span is to. */
bool rn_recorder_has_flown(const struct recorder *recorder);
/* Whether calls of this part, from 2 on, have. */
bool rn_recorder_has_part(const struct recorder *recorder, uint32_t part);
/* The end: all goes out, or nothing any more; tells the run's span of it. May wait for whoever
   judges the run. */
void rn_recorder_end(struct rn_run *run, struct rn_run_span *span);
/* Any thread. */
void rn_recorder_counts(const struct recorder *recorder, uint64_t *kept, uint64_t *omitted,
			uint64_t *flown, uint32_t *why);

#endif
