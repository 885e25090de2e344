/* SPDX-License-Identifier: MIT */
/*
 * Locks on files, flock(2) and fcntl(2): from whoever let go of one to whoever got one that could
 * not be held beside it. Inner part of the edges; docs/decisions/0068 tells the model.
 */
#ifndef RENACER_SPANS_LOCKS_H
#define RENACER_SPANS_LOCKS_H

#include "call_kinds.h"
#include "edges_private.h"

#define LOCK_BUCKETS 1024u
#define LOCK_END UINT64_MAX  /* the last byte of a range that has no end */
#define LOCK_DONE UINT64_MAX /* for a call: what it does to a lock is done */

enum lock_owner_kind {
	LOCK_OF_FLOCK,   /* an open file description, for the whole file: beside all others */
	LOCK_OF_PROCESS, /* a table of descriptors, for bytes */
	LOCK_OF_FILE,    /* an open file description, for bytes */
};

struct lock_owner {
	enum lock_owner_kind kind;
	uint64_t number; /* of the table, or of the description */
};

/* Bytes that somebody holds, or has let go of. */
struct lock {
	struct lock *next;
	struct lock_owner owner;
	uint64_t first, last;
	bool writes;   /* exclusive */
	bool released; /* this tells who let go of it; else it is held */
	bool shadowed; /* writers of these bytes come after a reader who came after it */
	bool unsure;   /* it may have been let go of already, or before that */
	bool lowers;   /* the call lets go of the right to write only */
	uint64_t call; /* that is about to let go of it, or to have done so: the seq of its entry */
	struct cause cause; /* of a release */
};

/* A file, as long as it is open, and for some time after that. */
struct lock_file {
	struct locks *locks;
	struct object *object; /* not held; NULL = nobody has it open */
	struct rn_object_id id;
	struct lock *first;
	uint32_t n;
	struct lock_call *calls; /* under way */
	uint32_t busy; /* calls that point here */
	uint64_t clock; /* greatest time of what was forgotten */
	uint64_t losses; /* edges->losses when it began */
	bool untraced; /* somebody else held it */
	bool doubtful; /* what is told here may not be so: nothing is certain */
	bool blind; /* some of it is not told here */
	bool raced; /* it was opened or closed while another thread forked: its child may have it */
	bool haunted; /* so that a lock may have stayed with that one */
	struct lock_file *next_same; /* hash chain */
	struct lock_file *newer, *older; /* of those that nobody has open */
};

/* What a thread's call does to locks. */
struct lock_call {
	struct lock_call *next; /* of the file's */
	struct lock_file *file; /* NULL: it only closes */
	uint64_t seq;
	struct lock_owner owner;
	uint64_t first, last;
	bool unlocks, writes;
	bool converts; /* flock: what it had is gone, whether or not it gets the other */
	struct lock_file **touched; /* of which it lets go something */
	uint32_t n_touched;
};

struct locks {
	struct edges *edges;
	struct lock_file *same[LOCK_BUCKETS];
	struct lock_file *newest, *oldest; /* of those that nobody has open */
	uint32_t n_closed, n_locks;
	uint64_t forgotten; /* greatest time of files that are not remembered */
	uint64_t stray; /* of locks on nobody knows what */
	bool strayed; /* there was one… */
	bool raced, haunted; /* …a file that is not remembered was */
	/* The event that is being recorded: a call of `thread`, or its end or exec. */
	const struct rn_event *now;
	struct thread *thread;
	bool over; /* the call has ended */
};

/* lock_ranges.c */
struct lock_request {
	struct edges *edges;
	const struct thread *thread;
	struct joined *joined;
};

bool rn_lock_owners_equal(const struct lock_owner *a, const struct lock_owner *b);
/* Whether the owner has some of these bytes, as a writer or not. */
bool rn_lock_holds(const struct lock_file *file, const struct lock_call *call, bool writes);
/*
 * `cause` may let go of what this owner has of these bytes; with `lowers` of the right to write them
 * only. `call`: which does it, and may yet fail; or LOCK_DONE. Whether there was something.
 */
bool rn_lock_release(struct lock_file *file, const struct lock_owner *owner, uint64_t first,
		     uint64_t last, bool lowers, const struct cause *cause, uint64_t call);
/* What the call was about to do is done, or not. */
void rn_lock_settle(struct lock_file *file, uint64_t call, bool done);
/* It has got its lock: joins what let it in. */
void rn_lock_acquire(struct lock_file *file, const struct lock_call *call,
		     const struct lock_request *request);
/* Whether others, as far as is known, can have been in its way. */
bool rn_lock_is_barred(const struct lock_file *file, const struct lock_call *call);
/* Whether untraced processes may have it open by other ways than by its name. */
bool rn_lock_is_foreign(const struct lock_file *file);
/* The owner closes something; may be it is this file, by a descriptor that is not told. */
void rn_lock_may_be_gone(struct lock_file *file, const struct lock_owner *owner);
/* Nobody can hold it any more. false: of some it is not known who let go of them. */
bool rn_lock_drop_held(struct lock_file *file);
/* Forgets all but the times. */
void rn_lock_forget(struct lock_file *file);

/* lock_files.c */
/* Of a file that is open; NULL: no memory. */
struct lock_file *rn_lock_file_of(struct locks *locks, struct object *object);
void rn_lock_files_free(struct locks *locks);
/* Room for one more lock; it is no more than all files may have. NULL: there is none. */
struct lock *rn_lock_new(struct locks *locks);
void rn_lock_free(struct locks *locks, struct lock *lock);

/* locks.c: as rn_channels_*(), which see. */
struct locks *rn_locks_create(struct edges *edges); /* NULL: no memory */
void rn_locks_destroy(struct locks *locks);
void rn_locks_begin(struct edges *edges);
void rn_locks_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		    enum call_kind kind);
void rn_locks_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		   struct joined *joined);
void rn_locks_event(struct edges *edges, struct thread *thread, const struct rn_event *ev);
void rn_locks_gone(struct thread *thread);
void rn_locks_lost(struct edges *edges);
#endif
