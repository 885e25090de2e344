/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables, followed exactly: which object of the kernel's each descriptor of each
 * process means. Inner part of spans/.
 *
 * A table is followed through open, pipe, socket, accept, dup, fcntl, close, close_range, exec,
 * CLONE_FILES, unshare, SCM_RIGHTS, pidfd_getfd; what a process starts with comes from pieces
 * of its start. A call sees the table as it is at its entry: a close takes effect at its entry
 * (the number may be given to another thread before it returns), all else at its exit.
 *
 * What cannot be known is not made up: a descriptor that nothing tells of means NULL, and an
 * object that others may have, too, is `foreign`.
 */
#ifndef RENACER_SPANS_OBJECTS_H
#define RENACER_SPANS_OBJECTS_H

#include "renacer/event.h"
#include "renacer/span.h"

struct fd_table; /* of one process, or shared by several (CLONE_FILES) */
struct object_space; /* all objects of a run */
struct process;

/* One for each pipe, FIFO, socket, …, not one a descriptor. */
struct object {
	uint64_t number; /* from 1; never used again */
	uint32_t users; /* tables' entries, messages under way, and whoever else holds it */
	uint32_t opens; /* of these, tables' entries and messages under way… */
	uint32_t readers, writers; /* …through which can be read, written */
	struct rn_object_id id; /* inode 0 = none, or not known */
	struct object *peer; /* the other socket of a pair or connection; NULL = not known, gone */
	bool foreign; /* untraced processes may have it, too: nothing about it is certain */
	bool named; /* it is foreign for one reason only: it has a name, which any may open (a FIFO, a file) */
	bool odd; /* a socket of whose reads an option makes another thing */
	bool maybe; /* a file that is foreign because another thread forked meanwhile: no more */
	bool fresh; /* a call of this run made it: there is in it… */
	uint32_t initial; /* …what an EVENTFD began with */
	bool was_read; /* somebody had it open for reading, as far as is recorded */
	uint64_t
		gone; /* nobody has it open since this event, and yet it may be found again; else 0 */
	uint64_t again; /* it was found again, though nobody had it open since this event; or 0 */
	uint64_t first_open; /* entry of the call that opened it when nobody had it */
	void *state; /* of edges.c… */
	void (*forget)(
		struct object *object); /* …which is told when the last user goes; may be NULL */

	/* objects.c and fd_messages.c */
	struct object *next, **at; /* all of a space */
	struct object *next_same, *next_tuple; /* hash chains */
	bool hashed, has_tuple, unsure;
	bool met; /* it has, or had, a peer */
	uint8_t senders, receivers; /* of descriptors, at this moment */
	struct flight *inbox, **inbox_end;
};

/* How a thread uses a table; part of the thread. All zero: it has none. */
struct fd_user {
	struct fd_table *table; /* NULL: nothing is known */
	struct process *owner;
	struct fd_user *next, **at; /* all of a table */
	/* Of the call that it is in. */
	struct object *source; /* what it copies, closes, sends or receives by; held */
	uint8_t source_ways;
	uint32_t source_description;
	bool source_maybe;
	bool forks, sends, receives;
	bool opens, closes; /* a file by its path; a descriptor */
	bool races; /* it opens, and a copy of the table was made meanwhile */
	int32_t born; /* what it made */
	uint64_t began; /* its entry */
	uint64_t births; /* the table's at the entry */
	uint64_t first_flight; /* of what it sends */
	struct fd_aside *aside; /* what it replaces, until it is known that it does */
	uint32_t n_aside;
};

struct object_space *rn_objects_create(void); /* NULL: no memory */
void rn_objects_destroy(struct object_space *space);
/*
 * Whether records of these calls (a bitmap as in rn_selection, NULL = all) hold all that tables
 * change by. Where they do not, nothing is known of any table.
 */
bool rn_objects_are_followed(const uint64_t *wanted);
/* Whether a call may make a descriptor of a path. */
bool rn_fd_is_opening(const struct object_space *space, uint8_t abi, int32_t nr);
/*
 * `closed` is told of each descriptor that goes, by how it was open (`ways`) and by which of these
 * ways it was the last (`ended`): during the call of rn_fd_*() that ends it, the entry of a close,
 * dup2, exec or exit, or the end of a thread. A dup2 or exec that fails at last has only seemed to.
 * Who needs the object for longer holds it.
 */
void rn_objects_watch(struct object_space *space,
		      void (*closed)(void *ctx, struct object *object, uint8_t ways, uint8_t ended),
		      void *ctx);

/* What a descriptor means; borrowed; NULL = nothing that is known. */
struct object *rn_fd_object(const struct fd_table *table, int32_t fd);
/* How it is open: RN_WAY_*. */
uint8_t rn_fd_ways(const struct fd_table *table, int32_t fd);
/* Whether it was opened by a path that is selected, or copied from one that was. */
bool rn_fd_is_chosen(const struct fd_table *table, int32_t fd);
/* It was. `cloexec`: of one that nothing else tells of. */
void rn_fd_choose(struct object_space *space, struct fd_user *user, int32_t fd, bool cloexec);
/* Whether an exec closes it. */
bool rn_fd_is_cloexec(const struct fd_table *table, int32_t fd);
/* The first from `fd` on that means something; -1: none. */
int32_t rn_fd_from(const struct fd_table *table, int32_t fd);
struct object *rn_object_hold(struct object *object);
void rn_object_put(struct object_space *space, struct object *object);
/* Holds it in a slot, in place of what the slot held. NULL: nothing. */
void rn_object_keep(struct object_space *space, struct object **slot, struct object *object);
/* Whose locks a process's are (files_struct), never used again; 0 = it has no table. */
uint64_t rn_fd_table_number(const struct fd_table *table);
/* Which open file description a descriptor is of: those that were copied from one another have the
   same; 0 = not known. */
uint32_t rn_fd_description(const struct fd_table *table, int32_t fd);
/* Calls `visit`, if any, for each thread that shares a table with that number… */
void rn_fd_table_users(const struct object_space *space, uint64_t number,
		       void (*visit)(void *ctx, struct process *process), void *ctx);
/* …or with a descriptor of that description of an object. false: nobody has it, no message either.
   Without `visit` it is asked while `left` is told of one, which does not count. */
bool rn_description_users(const struct object_space *space, const struct object *object,
			  uint32_t description, void (*visit)(void *ctx, struct process *process),
			  void *ctx);
/*
 * `left` is told of each descriptor that leaves a table, when it has left: at the times that
 * rn_objects_watch() tells of. A dup2 or exec that fails at last puts it back.
 * `raced` is told of each file that is opened or closed while another thread forks: the child
 * may have it, by this description (0: it is new). Of a close it comes before `left`, or later,
 * until the close has ended. `unseen` is told of each call by which such a child may close one that
 * its table does not tell of, before it does.
 */
void rn_fd_tables_watch(struct object_space *space,
			void (*left)(void *ctx, struct object *object, uint64_t table,
				     uint32_t description),
			void (*raced)(void *ctx, struct object *object, uint32_t description),
			void (*unseen)(void *ctx, uint64_t table), void *ctx);
/* Whether a child may have it though its table does not tell, or not though that does. */
bool rn_description_races(uint32_t description);
/* How such a description is called from now on. */
uint32_t rn_description_raced(uint32_t description);
/* Whether a descriptor may be none, or another one. */
bool rn_fd_is_maybe(const struct fd_table *table, int32_t fd);
/* Whether such calls may be under way at any time. */
bool rn_fd_table_is_unsure(const struct object_space *space, uint64_t number);
/* Whether some file may yet turn out to be one that was opened while another thread forked. */
bool rn_fd_races(const struct object_space *space);
/* Untraced processes have it, too, or may have. */
void rn_object_share(struct object *object);
/*
 * Calls `visit` for each thread that shares a table with a descriptor of this object that has
 * one of `ways`: a process may come several times. Looks through all tables.
 */
void rn_object_owners(const struct object_space *space, const struct object *object, uint8_t ways,
		      void (*visit)(void *ctx, struct process *process), void *ctx);

/* The table of a thread that begins, by its start's record. `maker`: its maker's, or NULL. */
void rn_fd_table_start(struct object_space *space, struct fd_user *user, struct fd_user *maker,
		       const struct rn_event *start, struct process *owner);
/* A record with what did not fit into that of its start. */
bool rn_fd_tells_more(const struct rn_event *ev);
void rn_fd_table_more(struct object_space *space, struct fd_user *user, const struct rn_event *ev);
/* Of one whose start nobody saw, or that shares it: that of another thread. */
void rn_fd_table_join(struct fd_user *user, struct fd_user *other, struct process *owner);
void rn_fd_table_exec(struct object_space *space, struct fd_user *user);
void rn_fd_table_end(struct object_space *space, struct fd_user *user);
/* Records were lost: nothing is known of any table any more, but for what comes to be later. */
void rn_fd_tables_lost(struct object_space *space);

/* CLONE_* of a clone3 or clone; 0 of a fork. */
uint64_t rn_fd_clone_flags(const struct rn_event *ev);

/* What a call does to its thread's table, at its entry and at its exit. */
void rn_fd_entry(struct object_space *space, struct fd_user *user, const struct rn_event *ev);
void rn_fd_exit(struct object_space *space, struct fd_user *user, const struct rn_call *call);
/* What the call makes that is about to end came to be after this event: copies that had been made by
   then do not have it. */
void rn_fd_makes_after(struct fd_user *user, uint64_t seq);

#endif
