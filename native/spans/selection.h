/* SPDX-License-Identifier: MIT */
/*
 * Which calls and signals the observers are told of: a selection that is made behind
 * the ring, by path, outcome and signal. Inner part of spans/.
 */
#ifndef RENACER_SPANS_SELECTION_H
#define RENACER_SPANS_SELECTION_H

#include "renacer/interpret.h"

/* Descriptors of a process that were opened by a selected path; shared like the kernel's table. */
struct rn_fds;

struct rn_selector;

/* NULL: no memory. What `config` points to is borrowed. */
struct rn_selector *rn_selector_create(const struct rn_selection *config);
void rn_selector_destroy(struct rn_selector *selector);

/* Whether the call is of those that the user asked for, not just one that descriptors are
   followed by. */
bool rn_selector_counts(const struct rn_selector *selector, const struct rn_event *ev);
/* Whether a call is selected by what its entry says. `ev` carries the entry's pieces. */
bool rn_selector_wants(const struct rn_selector *selector, const struct rn_fds *fds,
		       const struct rn_event *ev);
/* The same of a finished call's outcome. */
bool rn_selector_wants_outcome(const struct rn_selector *selector, const struct rn_call *call);
/* Whether that depends on the outcome at all. */
bool rn_selector_waits(const struct rn_selector *selector);
bool rn_selector_wants_signal(const struct rn_selector *selector, int sig);

/* Descriptors: what a call's entry and its return do to them. */
void rn_fds_entry(const struct rn_selector *selector, struct rn_fds **fds,
		  const struct rn_event *ev);
void rn_fds_return(const struct rn_selector *selector, struct rn_fds **fds,
		   const struct rn_call *call);
/* Those that the command starts with. */
struct rn_fds *rn_fds_initial(const struct rn_selector *selector);
/* Those of a process that was attached to. */
struct rn_fds *rn_fds_of_pieces(const struct rn_event *ev);
/* A child's: the same table, or a copy. `*fds` of the maker. */
struct rn_fds *rn_fds_inherit(const struct rn_selector *selector, struct rn_fds **fds, bool shared);
void rn_fds_exec(struct rn_fds **fds);
void rn_fds_put(struct rn_fds *fds);

#endif
