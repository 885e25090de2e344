/* SPDX-License-Identifier: MIT */
/* What calls were given, in words, and through which descriptors; inner part of the replay. */
#ifndef RENACER_RUN_SHOWN_H
#define RENACER_RUN_SHOWN_H

#include <stdbool.h>

#include "renacer/interpret.h"

#include "columns.h"

struct details;
struct shown;

/* Borrows all. NULL: no memory. */
struct shown *rn_shown_create(struct rn_interpreter *in, struct allowance *allowance,
			      struct details *details);
void rn_shown_destroy(struct shown *shown);
/* A record, before the interpreter has it: what its call's descriptors mean at its entry. `is_made`:
   the thread is one that another of the run has made. */
void rn_shown_before(struct shown *shown, const struct rn_event *ev, uint32_t thread, bool is_made);
/* A thread begins; `maker`: RN_NO_PLACE = not known. */
void rn_shown_start(struct shown *shown, const struct rn_event *ev, uint32_t thread,
		    uint32_t maker);
/* The row of a call of which the details have theirs. false: no memory, counted. */
bool rn_shown_add(struct shown *shown, const struct rn_call *call, uint32_t thread);
/* Takes the last row back. */
void rn_shown_drop(struct shown *shown);
/* The interpreter is gone. */
void rn_shown_finish(struct shown *shown);
const struct column *rn_shown_rows(const struct shown *shown);

#endif
