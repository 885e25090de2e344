/* SPDX-License-Identifier: MIT */
/*
 * Folding: runs of the same call, or of a group of up to RN_FOLD_PERIOD calls, by one thread become
 * one span. Calls are the same if they are of one kind, on the same descriptors, paths and
 * addresses, under the same span; what else they were given may differ, and is then not told.
 *
 * A thread's last few calls are kept until it is known whether they are repeated: four times for a
 * call, twice for a group. What is handed in must be foldable: whoever does so knows which calls
 * have to stay by themselves, and flushes first.
 */
#ifndef RENACER_SPANS_FOLDS_H
#define RENACER_SPANS_FOLDS_H

#include "renacer/span.h"

/* Calls with longer records are not kept. */
#define RN_FOLD_RECORD 4096u

struct folds;

/* Gets calls, with and without a fold, each once. */
typedef void rn_fold_told(void *ctx, const struct rn_call *call);

/* NULL: no memory. */
struct folds *rn_folds_create(rn_fold_told *told, void *ctx);
/* What is kept is not told. */
void rn_folds_destroy(struct folds *folds);
/* false: it cannot be kept, and is to be told by itself. */
bool rn_folds_add(struct folds *folds, const struct rn_call *call);
/* Tells what is kept of a thread, of a process, of all. */
void rn_folds_flush(struct folds *folds, int32_t tid);
void rn_folds_flush_process(struct folds *folds, const struct rn_process *process);
void rn_folds_flush_all(struct folds *folds);
/* Tells what has waited for long at this time, CLOCK_MONOTONIC ns. */
void rn_folds_age(struct folds *folds, uint64_t now);
/* How many spans rn_folds_flush_all() would tell. */
uint64_t rn_folds_waiting(const struct folds *folds);
/* Calls that were told with others. */
uint64_t rn_folds_folded(const struct folds *folds);

/* fold_same.c */
/* Whether they are the same call. */
bool rn_fold_same(const struct rn_call *a, const struct rn_call *b);
/* Bits of the arguments that differ, and RN_FOLD_RESULT. */
uint32_t rn_fold_differs(const struct rn_call *a, const struct rn_call *b);

#endif
