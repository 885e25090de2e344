/* SPDX-License-Identifier: MIT */
/*
 * Edges from inside: what the files share that find causes. Each follows some calls, keeps
 * what may still be a cause, bounded, and joins it at the effect.
 */
#ifndef RENACER_SPANS_EDGES_PRIVATE_H
#define RENACER_SPANS_EDGES_PRIVATE_H

#include "cause.h"
#include "edges.h"
#include "interpreter_private.h"

#define EDGES_PENDING 64u /* edges of one effect that are told */

struct carriers;
struct channels;
struct futexes;
struct lives;
struct locks;
struct signals;

struct edges {
	struct rn_interpreter *in;
	struct lives *lives;
	struct channels *channels; /* NULL: objects cannot be followed */
	struct locks *locks;       /* NULL: nor can they */
	struct carriers *carriers; /* NULL: as of channels */
	struct futexes *futexes;
	struct signals *signals;
	uint64_t numbers; /* given to spaces and memories so far */
	struct rn_edge pending[EDGES_PENDING]; /* of the effect under way */
	unsigned n_pending;
	uint64_t losses; /* how often records were lost */
};

/* edges.c */
/* The entry of a call, whose time thread->clock is. */
void rn_cause_of_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		       struct cause *out);
/*
 * `cause` may have caused the effect under way: its clock is joined. Where it must have, and is
 * another thread's, it is linked. A thread's own former events are before it anyhow: they are
 * neither edge nor link.
 */
void rn_join(struct edges *edges, const struct thread *effect, struct joined *joined,
	     const struct cause *cause, enum rn_edge_kind kind, bool certain);
/* Links of causes that are told too late for the effect's own span go to the next call to end. */
void rn_link_next(struct thread *thread, const struct joined *joined);
/* The same of one cause that must have been it. */
void rn_link_next_to(struct thread *thread, const struct cause *cause, enum rn_edge_kind kind);
/* Causes of this effect may be missing; the first reason stays. */
void rn_join_incomplete(struct joined *joined, const char *reason);

/* lives.c */
/* An event of a process that no other span than its own shows. */
void rn_cause_in_process(const struct process *process, uint64_t seq, uint64_t clock, int32_t tid,
			 struct cause *out);
/* The end of a thread or process, whose time thread->clock is. */
void rn_cause_of_end(const struct thread *thread, const struct rn_event *ev, struct cause *out);
/* The end of a process that nobody has taken the number of. false: not known. */
bool rn_life_end(struct edges *edges, int32_t pid, struct cause *out);
/* Those who have something, as rn_object_owners() and its like visit them. */
struct holders {
	struct joined *joined; /* after all of them */
	const struct process *process; /* the last one; NULL = there is none */
	bool several;
};
void rn_holders_add(void *ctx, struct process *process); /* a visitor */
/* Somebody has had what they have: the only one of them has ended by its last call, of which no end
   is recorded yet. false: it need not be so. out->seq 0: that call is not known. */
bool rn_holder_ended(struct edges *edges, const struct holders *holders,
		     const struct thread *effect, struct cause *out);
/* Whether that process's parent is `waiter`, for certain. */
bool rn_life_was_child(struct edges *edges, int32_t pid, const struct rn_process *waiter);

/* channels.c, channel_calls.c: what passes through descriptors; as rn_edges_entry() and its like,
   which call them, before descriptors change. `wanted`: calls that are recorded; NULL = all. */
struct channels *rn_channels_create(struct edges *edges, const uint64_t *wanted);
/* Lets objects go that it holds; those that there are must go before it is destroyed. */
void rn_channels_release(struct channels *channels);
void rn_channels_destroy(struct channels *channels);
void rn_channels_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev);
void rn_channels_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		      struct joined *joined);
/* A thread has ended, or runs a new program. */
void rn_channels_event(struct edges *edges, struct thread *thread, const struct rn_event *ev);
/* Another record comes. */
void rn_channels_begin(struct edges *edges);

#endif
