/* SPDX-License-Identifier: MIT */
/*
 * Where threads are, what objects were opened as, and so what paths mean; inner part of the replay.
 * Paths are texts of the details; those from where the command began stay as they were given.
 * By words alone: a name before ".." is taken for a folder, not for a link (path_resolution(7)).
 */
#ifndef RENACER_RUN_FOLDERS_H
#define RENACER_RUN_FOLDERS_H

#include "renacer/syscalls.h"

#include "details.h"

#define RN_FOLDER_OWN 0ull             /* where the thread is */
#define RN_FOLDER_UNKNOWN UINT64_MAX

struct folders {
	struct allowance *allowance;
	struct details *details;
	struct column place; /* uint32_t by thread: row of `where`; 0 = nobody told */
	struct column where; /* uint32_t: a path; 0 = where the command began */
	struct column opened; /* uint32_t by object: a path, 0 = none */
	struct rn_roles roles;
};

/* Borrows both. */
void rn_folders_init(struct folders *folders, struct allowance *allowance, struct details *details);
/* Frees what only adding needs. */
void rn_folders_finish(struct folders *folders);
/* A thread begins. `flags`: of the clone that made it, 0 = not told; `maker`: RN_NO_PLACE = not known. */
void rn_folders_start(struct folders *folders, uint32_t thread, uint32_t maker, bool leads,
		      uint64_t flags);
/* The call's first or second path (`nth` is 0 or 1), given as `path`, from a folder: an object, or as
   above. */
uint32_t rn_folders_path(struct folders *folders, const struct rn_call *call, uint32_t thread,
			 unsigned nth, uint32_t path, uint64_t folder);
uint32_t rn_folders_opened(const struct folders *folders, uint64_t object);
/* The call is over. `path`: what it is about; `object`: that it made, 0 = none. */
void rn_folders_call(struct folders *folders, const struct rn_call *call, uint32_t thread,
		     uint32_t path, uint64_t object);

#endif
