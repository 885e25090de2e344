/* SPDX-License-Identifier: MIT */
/*
 * Which calls and signals the observers are told of: a selection that is made behind
 * the ring, by path, outcome and signal. Inner part of spans/.
 */
#ifndef RENACER_SPANS_SELECTION_H
#define RENACER_SPANS_SELECTION_H

#include "renacer/interpret.h"

struct fd_table;
struct fd_user;
struct object_space;
struct rn_selector;

/* NULL: no memory. What `config` points to is borrowed. */
struct rn_selector *rn_selector_create(const struct rn_selection *config);
void rn_selector_destroy(struct rn_selector *selector);

/* Whether the call is of those that the user asked for, not just one that descriptors are
   followed by. */
bool rn_selector_counts(const struct rn_selector *selector, const struct rn_event *ev);
/* Whether a call is selected by what its entry says. `ev` carries the entry's pieces. */
bool rn_selector_wants(const struct rn_selector *selector, const struct fd_table *table,
		       const struct rn_event *ev);
/* The same of a finished call's outcome. */
bool rn_selector_wants_outcome(const struct rn_selector *selector, const struct rn_call *call);
/* Whether that depends on the outcome at all. */
bool rn_selector_waits(const struct rn_selector *selector);
bool rn_selector_wants_signal(const struct rn_selector *selector, int sig);

/* Which descriptors are of selected paths: of a process that begins, by its start's record, once it
   has its table; after a call, once the table is as that has left it. */
void rn_selector_start(const struct rn_selector *selector, struct object_space *space,
		       struct fd_user *user, const struct rn_event *ev);
void rn_selector_return(const struct rn_selector *selector, struct object_space *space,
			struct fd_user *user, const struct rn_call *call);

#endif
