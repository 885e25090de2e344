/* SPDX-License-Identifier: MIT */
/*
 * The parts of a run, each a trace of its own that a back end can show.
 *
 * The first part is the trace that the run began in: its root, all process spans, and calls. Once
 * it is as large as a trace may be, calls go to a second part, and so on. A part from the second
 * on has a trace id of its own, a root, and thin copies of the processes whose calls it has, and
 * of the living ones that made these, so that each parent is there. The roots are linked: each to
 * the run's, the one before and the one after it, and the run's to all of them, as far as there
 * is room. What is under a span of the application's is in that span's trace, whatever the part.
 *
 * Which part a call is in is decided by its entry: what began before the next part did is in the
 * former one, and may end after the copies there do. So a link knows the trace of a call that has
 * not ended. Of each part is kept where it begins, of the last RN_PARTS_KEPT.
 */
#ifndef RENACER_SPANS_PARTS_H
#define RENACER_SPANS_PARTS_H

#include "renacer/interpret.h"

#define RN_PARTS_KEPT 65536u

/* Encodes a span; returns how many bytes it takes. */
struct rn_shape_out {
	void *ctx;
	size_t (*call)(void *ctx, const struct rn_call *call);
	size_t (*process)(void *ctx, const struct rn_process *process);
	size_t (*run)(void *ctx, const struct rn_run_span *run);
	/* Whether anything of this part, from 2 on, goes out at all; NULL = of each. */
	bool (*has_part)(void *ctx, uint32_t part);
};

struct parts_config {
	uint8_t trace_id[16]; /* of the run */
	uint8_t trace_flags;
	struct rn_id_key key;
	uint64_t max_spans; /* in one trace; 0 = all are in the first part */
	uint64_t max_bytes;
	struct rn_shape_out out;
};

struct parts;

/* NULL: no memory. */
struct parts *rn_parts_create(const struct parts_config *config);
void rn_parts_destroy(struct parts *parts);

/* A process span began. */
void rn_parts_begin(struct parts *parts, const struct rn_process *process);
/* It ended: its copy in this part is told, the process itself is not. */
void rn_parts_end(struct parts *parts, const struct rn_process *process);
/* What is counted of its calls that have no span; never NULL. */
struct rn_omitted *rn_parts_omitted(struct parts *parts, const struct rn_process *process);
/* The same of the process with this span; of one that does not live the run's own. */
struct rn_omitted *rn_parts_omitted_of(struct parts *parts, uint64_t span_id, bool *lives);

/* Tells a call, in its part: trace, parent and flags are set here. */
void rn_parts_call(struct parts *parts, struct rn_call *call);
/* Gives a link the trace of the part that it points into. false: that is not known any more. */
bool rn_parts_link(const struct parts *parts, struct rn_link *link);
/* Whether the call that has this number is in the part that is being filled. */
bool rn_parts_is_current(const struct parts *parts, uint64_t seq);

/* Whether there is no room for more; `waiting` spans are still to come, besides those of `threads`
   that are in calls. */
bool rn_parts_full(const struct parts *parts, uint64_t waiting, uint64_t threads);
/* Whether half of the first part is filled, or more. */
bool rn_parts_big(const struct parts *parts);
/* Begins the next part: with the calls that have not begun yet. */
void rn_parts_turn(struct parts *parts, const struct rn_interpreter *in);
/* Ends the last part, and tells the run's own span of the parts. */
void rn_parts_finish(struct parts *parts, struct rn_run_span *run);

#endif
