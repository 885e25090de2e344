/* SPDX-License-Identifier: MIT */
/* What calls were given, a row a call; inner part of the replay. */
#ifndef RENACER_RUN_DETAILS_H
#define RENACER_RUN_DETAILS_H

#include <stdbool.h>

#include "renacer/interpret.h"
#include "renacer/replay.h"

#include "texts.h"

struct details;

struct rn_sites;

/* Borrows all. NULL: no memory. */
struct details *rn_details_create(struct rn_interpreter *in, struct rn_sites *sites,
				  struct allowance *allowance);
void rn_details_destroy(struct details *details);
/* Contents are to be the same wherever the run began. */
void rn_details_portable(struct details *details);
/* A record, before the interpreter has it: what its call's descriptor means at its entry. `thread`:
   RN_NO_PLACE = not known. */
void rn_details_before(struct details *details, const struct rn_event *ev, uint32_t thread);
/* The row of a call. false: no memory, counted. */
bool rn_details_add(struct details *details, const struct rn_call *call, uint32_t thread);
/* The row that was added last; whether its path is the call's own, not its object's. */
const rn_replay_detail *rn_details_last(const struct details *details, bool *path_is_own);
/* Which argument is a path that says nothing, or is NULL, behind a folder's descriptor that is meant
   itself then (AT_EMPTY_PATH, utimensat(2)); -1: none. `ev`: of the call's entry. */
int rn_details_empty_path(const struct rn_syscall_desc *desc, const uint64_t args[6],
			  const struct rn_event *ev);
/* The call's first descriptor, but for a folder that a path is from; -1: none. */
int32_t rn_details_fd(const struct rn_syscall_desc *desc, const uint64_t args[6],
		      const struct rn_event *ev);
/* The text's row; 0: none, or no memory (counted). */
uint32_t rn_details_text(struct details *details, const void *data, size_t len);
/* What an object is called: its path, or else its peer; 0: not known. */
uint32_t rn_details_name(const struct details *details, uint64_t object);
/* Takes the last row back. */
void rn_details_drop(struct details *details);
/* The interpreter is gone. */
void rn_details_finish(struct details *details);
const struct column *rn_details_rows(const struct details *details);
/* rn_replay_source; the first is empty. */
const struct column *rn_details_sources(const struct details *details);
const struct texts *rn_details_texts(const struct details *details);

#endif
