/* SPDX-License-Identifier: MIT */
/*
 * Causes and effects between threads, by the identity of the object that carried them, never
 * by time. Inner part of spans/.
 *
 * Two answers for each effect. Its clock joins every event that may have been a cause (safe: a
 * greater time is never wrong). A link, and a certain edge, is made only where there is one that
 * must have been it.
 */
#ifndef RENACER_SPANS_EDGES_H
#define RENACER_SPANS_EDGES_H

#include "objects.h"
#include "tables.h"

struct edges; /* of a run */

/* What an effect has of its causes. */
struct joined {
	uint64_t clock; /* the greatest time of all that may have been a cause; 0 = none */
	struct rn_link links[RN_CALL_LINKS];
	uint32_t nlinks, more_links;
	const char *incomplete; /* see struct rn_call */
};

struct rn_interpreter;

/* Where `edges` may be NULL, nothing is followed and nothing joined. */
void rn_joined_begin(struct edges *edges, struct joined *joined);

/* NULL: no memory. */
struct edges *rn_edges_create(struct rn_interpreter *in);
/* Lets objects go that it holds; those that there are must go before it is destroyed. */
void rn_edges_release(struct edges *edges);
void rn_edges_destroy(struct edges *edges);
/* Another record comes: what was borrowed of the last one is gone. */
void rn_edges_begin(struct edges *edges);

/* A thread begins, before its time is given; `maker`: NULL = not known. */
void rn_edges_start(struct edges *edges, struct thread *thread, struct thread *maker,
		    const struct rn_event *ev, struct joined *joined);
/* A call begins: thread->clock is its entry's time already. Before rn_fd_entry(). */
void rn_edges_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev);
/* It has ended (or never will: RN_FLAG_UNFINISHED); before its exit's time is given, and before
   rn_fd_exit(). */
void rn_edges_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		   struct joined *joined);
/* A signal has been delivered: its causes' links go to the thread's next call that ends. */
void rn_edges_signal(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		     struct joined *joined);
/* A thread, a process is forgotten. */
void rn_edges_thread_gone(struct edges *edges, struct thread *thread);
void rn_edges_process_gone(struct edges *edges, struct process *process);
/* The effect that was joined last has its time, thread->clock: its edges are told. `seq`: of a
   call's entry, or of the effect's own record. */
void rn_edges_tell(struct edges *edges, const struct thread *effect, uint64_t seq);
/* A thread ends, before its end's time is given; its process too if `last`. */
void rn_edges_thread_ends(struct edges *edges, struct thread *thread, const struct rn_event *ev,
			  bool last, struct joined *joined);
/* It has ended: thread->clock is its end's time. */
void rn_edges_thread_end(struct edges *edges, struct thread *thread, const struct rn_event *ev,
			 bool last);
/* A thread runs a new program, and its time has been told. */
void rn_edges_exec(struct edges *edges, struct thread *thread, const struct rn_event *ev);
/* Records were lost: nothing that is under way is certain any more. */
void rn_edges_lost(struct edges *edges);

#endif
