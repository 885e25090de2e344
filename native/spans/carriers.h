/* SPDX-License-Identifier: MIT */
/*
 * What passes between threads through descriptors that are no channels: the numbers of eventfds,
 * the messages of POSIX queues. Inner part of the edges.
 */
#ifndef RENACER_SPANS_CARRIERS_H
#define RENACER_SPANS_CARRIERS_H

#include "edges_private.h"
#include "puts.h"
#include "renacer/syscalls.h"

/* What calls do, by their names. */
enum carrier_role {
	CARRIER_NONE,
	CARRIER_READ,
	CARRIER_READ_LIST, /* readv, … */
	CARRIER_WRITE,
	CARRIER_WRITE_LIST,
	CARRIER_SEND,
	CARRIER_RECEIVE,
	CARRIER_LOOK, /* mq_getattr, mq_setattr */
	CARRIER_SIGNALS, /* a read of a signalfd */
};

/* Message queues that are kept though nobody has them open: they stay, with what is in them. */
#define RN_QUEUES_KEPT 64u

struct carriers {
	struct edges *edges;
	struct puts_pool pool;
	struct rn_roles roles; /* enum carrier_role */
	bool unseen; /* messages may pass by calls that are not recorded */
	uint64_t sent; /* greatest time of a message */
	struct object *kept[RN_QUEUES_KEPT]; /* held */
	unsigned next_kept;
};

/* Of an object. */
struct carrier {
	struct carriers *carriers;
	struct puts puts;
	uint64_t losses; /* edges->losses when it began */
	const char *torn; /* why nothing about it is certain any more; NULL = it may be */
	/* EVENTFD: what is in it, and what those under way may put there. MQUEUE: how many have been
	   taken of those that may have been… */
	uint64_t left;
	bool counted; /* …which is known */
	bool initial; /* what it began with may be in it */
};

/* Of the call that a thread is in. */
struct carrying {
	struct object *object; /* held */
	uint8_t role; /* enum carrier_role */
	struct take take;
};

/* NULL: no memory. `wanted`: calls that are recorded; NULL = all. */
struct carriers *rn_carriers_create(struct edges *edges, const uint64_t *wanted);
/* Lets objects go that it holds; those that there are must go before it is destroyed. */
void rn_carriers_release(struct carriers *carriers);
void rn_carriers_destroy(struct carriers *carriers);
/* As rn_edges_entry() and its like, which call them, before descriptors change. */
void rn_carriers_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev);
void rn_carriers_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		      struct joined *joined);
/* A thread is forgotten. */
void rn_carriers_gone(struct edges *edges, struct thread *thread);
/* A queue has told by a signal that a message came. */
void rn_carriers_notified(const struct edges *edges, struct joined *joined);
/* Greatest time of all that may have made an object ready to be taken from; false = it is none
   that is followed. */
bool rn_carrier_newest(const struct object *object, uint64_t *clock);
/* From now on nothing about it is certain; the first reason stays. */
void rn_carrier_tear(struct carrier *carrier, const char *why);
/* A take has got something: what is known of no one put. */
void rn_carrier_join(const struct carrier *carrier, struct joined *joined);
/* The event that is a call's end. */
uint64_t rn_carrier_end(const struct rn_call *call);

/* counters.c */
void rn_counter_begin(struct carrier *carrier, const struct object *object);
void rn_counter_write(struct carrier *carrier, const struct cause *cause, const struct rn_event *ev,
		      enum carrier_role role);
void rn_counter_written(struct carrier *carrier, const struct rn_call *call);
void rn_counter_read(struct carrier *carrier, struct thread *thread, const struct object *object,
		     const struct rn_call *call, struct joined *joined);

/* queues.c */
void rn_queue_begin(struct carrier *carrier, const struct object *object);
void rn_queue_send(struct carrier *carrier, const struct cause *cause, const struct rn_event *ev);
void rn_queue_sent(struct carrier *carrier, const struct rn_call *call);
void rn_queue_receive(struct carrier *carrier, struct thread *thread, const struct rn_call *call,
		      struct joined *joined);
/* mq_getattr tells how many messages there are. */
void rn_queue_looked(struct carrier *carrier, struct thread *thread, const struct rn_call *call);

#endif
