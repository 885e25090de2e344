/* SPDX-License-Identifier: MIT */
/* Calls on eventfds and message queues: see carriers.h. A put's cause is its entry: before it nobody can take it. */
#include "carriers.h"

#include <stdlib.h>

#include "channels.h"
#include "signals.h"

static const struct {
	const char *name;
	uint8_t role;
} roles[] = {
	{"read", CARRIER_READ},
	{"readv", CARRIER_READ_LIST},
	{"preadv2", CARRIER_READ_LIST},
	{"write", CARRIER_WRITE},
	{"writev", CARRIER_WRITE_LIST},
	{"pwritev2", CARRIER_WRITE_LIST},
	{"mq_timedsend", CARRIER_SEND},
	{"mq_timedsend_time64", CARRIER_SEND},
	{"mq_timedreceive", CARRIER_RECEIVE},
	{"mq_timedreceive_time64", CARRIER_RECEIVE},
	{"mq_getsetattr", CARRIER_LOOK},
};

struct carriers *rn_carriers_create(struct edges *edges, const uint64_t *wanted)
{
	struct carriers *carriers = calloc(1, sizeof(*carriers));

	if (!carriers)
		return NULL;
	carriers->edges = edges;
	for (unsigned i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		rn_roles_set(&carriers->roles, roles[i].name, roles[i].role);
		if (roles[i].role == CARRIER_SEND || roles[i].role == CARRIER_RECEIVE)
			carriers->unseen |= !rn_selection_has_all(wanted, roles[i].name);
	}
	return carriers;
}

void rn_carriers_release(struct carriers *carriers)
{
	if (!carriers)
		return;
	for (unsigned i = 0; i < RN_QUEUES_KEPT; i++)
		rn_object_keep(carriers->edges->in->objects, &carriers->kept[i], NULL);
}

void rn_carriers_destroy(struct carriers *carriers)
{
	free(carriers);
}

static void forget(struct object *object)
{
	struct carrier *carrier = object->state;

	object->state = NULL;
	rn_puts_free(&carrier->carriers->pool, &carrier->puts);
	free(carrier);
}

static void keep(struct carriers *carriers, struct object *object)
{
	struct object **slot = &carriers->kept[carriers->next_kept++ % RN_QUEUES_KEPT];

	rn_object_keep(carriers->edges->in->objects, slot, object);
}

static bool is_queue(const struct object *object)
{
	return object->id.kind == RN_OBJECT_MQUEUE;
}

static struct carrier *carrier_of(struct carriers *carriers, struct object *object)
{
	struct carrier *carrier = object->state;

	if (carrier)
		return carrier;
	carrier = calloc(1, sizeof(*carrier));
	if (!carrier)
		return NULL;
	carrier->carriers = carriers;
	carrier->losses = carriers->edges->losses;
	object->state = carrier;
	object->forget = forget;
	if (is_queue(object)) {
		rn_queue_begin(carrier, object);
		keep(carriers, object);
	} else {
		rn_counter_begin(carrier, object);
	}
	return carrier;
}

void rn_carrier_tear(struct carrier *carrier, const char *why)
{
	if (!carrier->torn)
		carrier->torn = why;
}

void rn_carrier_join(const struct carrier *carrier, struct joined *joined)
{
	if (carrier->puts.older > joined->clock)
		joined->clock = carrier->puts.older;
	if (carrier->torn)
		rn_join_incomplete(joined, carrier->torn);
}

uint64_t rn_carrier_end(const struct rn_call *call)
{
	return call->exit ? call->exit->seq + (call->exit == call->entry) : call->seq;
}

bool rn_carrier_newest(const struct object *object, uint64_t *clock)
{
	const struct carrier *carrier = object->state;

	if (object->id.kind != RN_OBJECT_EVENTFD && !is_queue(object))
		return false;
	*clock = carrier ? carrier->puts.newest : 0;
	return true;
}

/* Whether others, unseen, put into it or take from it. */
static void check(struct carrier *carrier, const struct object *object)
{
	const struct edges *edges = carrier->carriers->edges;

	if (is_queue(object)) {
		if (carrier->carriers->unseen)
			rn_carrier_tear(carrier, "selection");
		if (object->fresh) /* which was told after it was used */
			carrier->initial = false;
	} else if (edges->channels->unsure) {
		rn_carrier_tear(carrier, edges->channels->unsure);
	}
	if (rn_channel_is_foreign(object))
		rn_carrier_tear(carrier, "untraced");
	if (carrier->losses != edges->losses)
		rn_carrier_tear(carrier, "lost");
}

/* The call that a thread was in is over. */
static void leave(struct edges *edges, struct thread *thread)
{
	rn_object_put(edges->in->objects, thread->carrying->object);
	free(thread->carrying);
	thread->carrying = NULL;
}

void rn_carriers_gone(struct edges *edges, struct thread *thread)
{
	struct carrier *carrier;

	if (!thread->carrying)
		return;
	carrier = thread->carrying->object->state;
	if (thread->carrying->take.number) {
		rn_take_end(&carrier->puts, &thread->carrying->take);
		rn_carrier_tear(carrier, "lost");
	}
	leave(edges, thread);
}

void rn_carriers_notified(const struct edges *edges, struct joined *joined)
{
	if (edges->carriers && edges->carriers->sent > joined->clock)
		joined->clock = edges->carriers->sent;
}

/* Whether a call of this role does something to this object. */
static bool is_for(const struct object *object, enum carrier_role role)
{
	if (object->id.kind == RN_OBJECT_SIGNALFD)
		return role == CARRIER_READ || role == CARRIER_READ_LIST;
	return object->id.kind == (role >= CARRIER_SEND ? RN_OBJECT_MQUEUE : RN_OBJECT_EVENTFD);
}

static bool carry(struct thread *thread, struct object *object, enum carrier_role role)
{
	thread->carrying = calloc(1, sizeof(*thread->carrying));
	if (!thread->carrying)
		return false;
	thread->carrying->object = rn_object_hold(object);
	thread->carrying->role = (uint8_t)role;
	return true;
}

static void put(struct edges *edges, struct thread *thread, struct carrier *carrier,
		const struct rn_event *ev, enum carrier_role role)
{
	struct cause cause;

	rn_cause_of_entry(edges, thread, ev, &cause);
	if (role == CARRIER_SEND)
		rn_queue_send(carrier, &cause, ev);
	else
		rn_counter_write(carrier, &cause, ev, role);
}

void rn_carriers_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev)
{
	enum carrier_role role;
	struct carrier *carrier;
	struct object *object;

	if (!edges->carriers)
		return;
	rn_carriers_gone(edges, thread); /* there was no memory for its entry */
	role = (enum carrier_role)rn_role(&edges->carriers->roles, ev->abi, ev->nr);
	object = role ? rn_channel_object(thread, (int32_t)ev->args[0]) : NULL;
	if (!object || !is_for(object, role))
		return;
	if (object->id.kind == RN_OBJECT_SIGNALFD) {
		carry(thread, object, CARRIER_SIGNALS);
		return;
	}
	carrier = carrier_of(edges->carriers, object);
	if (!carrier)
		return;
	if (!carry(thread, object, role)) {
		rn_carrier_tear(carrier, "lost");
		return;
	}
	if (role == CARRIER_WRITE || role == CARRIER_WRITE_LIST || role == CARRIER_SEND)
		put(edges, thread, carrier, ev, role);
	else
		rn_take_begin(&carrier->puts, &thread->carrying->take, ev->seq);
}

void rn_carriers_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		      struct joined *joined)
{
	const struct object *object;
	struct carrier *carrier;

	if (!edges->carriers || !thread->carrying)
		return;
	object = thread->carrying->object;
	if (object->id.kind == RN_OBJECT_SIGNALFD) {
		rn_signals_read(edges, thread, call, joined);
		leave(edges, thread);
		return;
	}
	carrier = object->state;
	check(carrier, object);
	switch ((enum carrier_role)thread->carrying->role) {
	case CARRIER_READ:
	case CARRIER_READ_LIST:
		rn_counter_read(carrier, thread, object, call, joined);
		break;
	case CARRIER_WRITE:
	case CARRIER_WRITE_LIST:
		rn_counter_written(carrier, call);
		break;
	case CARRIER_SEND:
		rn_queue_sent(carrier, call);
		break;
	case CARRIER_RECEIVE:
		rn_queue_receive(carrier, thread, call, joined);
		break;
	case CARRIER_LOOK:
		rn_queue_looked(carrier, thread, call);
		break;
	case CARRIER_SIGNALS:
	case CARRIER_NONE:
		break;
	}
	leave(edges, thread);
}
