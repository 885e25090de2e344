/* SPDX-License-Identifier: MIT */
/*
 * Between the interpreter and the encoders: which calls get a span, which are told together as one,
 * and in which trace they are. What is told of a run, once for all encoders, whatever the engine.
 *
 *   thinning    calls without a span are counted at their process's span; links to them are left out
 *   folding     folds.h
 *   splitting   parts.h
 *
 * A call that failed, that has a link or that may get one is never folded; one that something is
 * linked to already is always told.
 */
#ifndef RENACER_SPANS_SHAPE_H
#define RENACER_SPANS_SHAPE_H

#include "parts.h"

enum rn_fold_mode {
	RN_FOLDS_OFF = 0,
	RN_FOLDS_AUTO = 1, /* once the first part is half full */
	RN_FOLDS_ALWAYS = 2
};

enum rn_spans_mode {
	RN_SPANS_ALL = 0,
	RN_SPANS_PROCESS = 1, /* of calls only those that are kept */
	RN_SPANS_NONE = 2     /* the run's alone */
};

struct rn_shape_config {
	struct parts_config parts;
	enum rn_fold_mode fold;
	enum rn_spans_mode spans;
	uint64_t min_ns;  /* calls that took less have no span… */
	bool errors_only; /* …nor have those that did not fail… */
	/* …unless they are kept. */
	bool keep_errors;
	uint64_t keep_ns;      /* those that took so long; 0 = none */
	const uint64_t *keep;  /* as rn_selection.wanted, borrowed; NULL = none */
};

struct rn_shaper;

/* NULL: no memory. */
struct rn_shaper *rn_shape_create(const struct rn_shape_config *config);
void rn_shape_destroy(struct rn_shaper *shape);
/* Of an interpreter that is yet to be made, and is then told to rn_shape_follow(). */
struct rn_observer rn_shape_observer(struct rn_shaper *shape);
void rn_shape_follow(struct rn_shaper *shape, const struct rn_interpreter *in);
/* Tells what has waited for long at this time, CLOCK_MONOTONIC ns. */
void rn_shape_age(struct rn_shaper *shape, uint64_t now);
/* Tells what is being folded, as it is. */
void rn_shape_flush(struct rn_shaper *shape);
/* Calls of the process with this span that were told are left out all the same. false: it does not
   live any more, and the run's span alone tells of them. */
bool rn_shape_omit(struct rn_shaper *shape, uint64_t span_id, const struct rn_omitted *more);
/* Whether anything is being folded. */
bool rn_shape_waiting(const struct rn_shaper *shape);
/* Tells all that is left and the run's own span; its totals' spans are those that were told. */
void rn_shape_finish(struct rn_shaper *shape, struct rn_run_span *run);

#endif
