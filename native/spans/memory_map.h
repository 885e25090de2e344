/* SPDX-License-Identifier: MIT */
/*
 * What two addresses have in common: address spaces, and the memory in them that is shared
 * with others. Inner part of spans/. Only MAP_SHARED mappings are kept; all else is a space's own.
 */
#ifndef RENACER_SPANS_MEMORY_MAP_H
#define RENACER_SPANS_MEMORY_MAP_H

#include "edges_private.h"

struct space; /* an address space; of one process, or of several (CLONE_VM) */

/* Of a space's own words private futexes and others are never the same. */
enum { WORD_PRIVATE = 1, WORD_OWN = 2, WORD_UNKNOWN = 3, WORD_SHARED = 4 };

/* Where a word of memory is: equal for equal words; of words in memory of which nothing is known,
   for those that lie alike in their pages. */
struct word_key {
	uint64_t where;  /* number of a space or of a shared memory; inode of a file */
	uint64_t offset; /* address there */
	uint64_t kind;   /* WORD_*; of a file WORD_SHARED and its device… */
	struct object *object; /* …and the file, as long as it is mapped there; else NULL */
};

/* A process begins; `maker`: whose space is shared (CLONE_VM) or copied, or NULL. */
void rn_map_start(struct edges *edges, struct process *process, const struct process *maker,
		  const struct rn_event *start);
void rn_map_exec(struct edges *edges, struct process *process);
void rn_map_put(struct edges *edges, struct space *space); /* may be NULL */
/* Records were lost: mappings may be among them. */
void rn_map_lost(struct space *space);

/* Somebody has been made in it who is not traced, with the same addresses or with a copy. */
void rn_map_untraced(struct space *space, bool same);

void rn_map_entry(struct edges *edges, struct process *process, const struct rn_event *ev);
void rn_map_exit(struct edges *edges, struct thread *thread, const struct rn_call *call);

/* false: what is at this address is not known, or others may have it, too; whether others have
   a file, rn_word_is_foreign() tells. */
bool rn_word_key(const struct process *process, uint64_t address, bool is_private,
		 struct word_key *key);
/* Whether processes that are not traced have it. That any may open a file by its name is noticed
   only where one has been woken by nobody, or more than there are: rn_object_share(). */
bool rn_word_is_foreign(const struct word_key *key);

#endif
