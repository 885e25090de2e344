/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables, followed exactly: which object of the kernel's each descriptor of each
 * process means. Inner part of spans/.
 *
 * A table is followed through open, pipe, socket, accept, dup, fcntl, close, close_range, exec,
 * CLONE_FILES, unshare, SCM_RIGHTS, pidfd_getfd; what a process starts with comes from pieces
 * of its start. A call sees the table as it is at its entry: a close takes effect at its entry
 * (the number may be given to another thread before it returns), all else at its exit.
 */
#ifndef RENACER_SPANS_OBJECTS_H
#define RENACER_SPANS_OBJECTS_H

#include "renacer/event.h"
#include "renacer/span.h"

struct fd_table; /* of one process, or shared by several (CLONE_FILES) */
struct object_space; /* all objects of a run */

/* An open description's end of something: one for each pipe, FIFO, socket, …, not one a descriptor. */
struct object {
	struct object *next; /* hash chain */
	uint64_t number; /* from 1; never used again */
	uint32_t users; /* tables' entries, messages under way, and whoever else holds it */
	uint32_t readers, writers; /* entries through which can be read, written */
	struct rn_object_id id;
	struct object *peer; /* the other socket of a pair or connection; NULL = not known, gone */
	bool foreign; /* untraced processes may have it, too: nothing about it is certain */
	void *state; /* of edges.c… */
	void (*forget)(
		struct object *object); /* …which is told when the last user goes; may be NULL */
};

struct object_space *rn_objects_create(void); /* NULL: no memory */
void rn_objects_destroy(struct object_space *space);

/* What a descriptor means; borrowed; NULL = nothing that is known. */
struct object *rn_fd_object(const struct fd_table *table, int32_t fd);
/* How it is open: RN_WAY_*. */
uint8_t rn_fd_ways(const struct fd_table *table, int32_t fd);
struct object *rn_object_hold(struct object *object);
void rn_object_put(struct object_space *space, struct object *object);
/* Calls `visit` for each table that has a descriptor of this object, with a way of `ways`. */
struct process;
void rn_object_owners(const struct object_space *space, const struct object *object, uint8_t ways,
		      void (*visit)(void *ctx, struct process *process), void *ctx);

/* The table of a process that begins, by its start's record. `maker`: its maker's, or NULL. */
struct fd_table *rn_fd_table_start(struct object_space *space, struct fd_table *maker,
				   const struct rn_event *start, struct process *owner);
void rn_fd_table_exec(struct object_space *space, struct fd_table **table, struct process *owner);
void rn_fd_table_end(struct object_space *space, struct fd_table *table, struct process *owner);
/* Records were lost: nothing is known of any table any more. */
void rn_fd_tables_lost(struct object_space *space);

/* What a call does to its process's table, at its entry and at its exit. */
void rn_fd_entry(struct object_space *space, struct fd_table **table, const struct rn_event *ev,
		 struct process *owner);
void rn_fd_exit(struct object_space *space, struct fd_table **table, const struct rn_call *call,
		struct process *owner);

#endif
