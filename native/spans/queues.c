/* SPDX-License-Identifier: MIT */
/*
 * POSIX message queues, mq_overview(7): a receive gets the first message of the highest priority.
 * Its length, and mostly its priority, say which of those that are known it may be.
 */
#include <errno.h>
#include <string.h>

#include "carriers.h"

void rn_queue_begin(struct carrier *carrier, const struct object *object)
{
	carrier->counted = true;
	carrier->initial = !object->fresh;
}

void rn_queue_send(struct carrier *carrier, const struct cause *cause, const struct rn_event *ev)
{
	struct carriers *carriers = carrier->carriers;
	struct put *put = rn_put_begin(&carriers->pool, &carrier->puts, cause);

	if (cause->clock > carriers->sent)
		carriers->sent = cause->clock;
	if (!put)
		return;
	put->length = ev->args[2] < UINT32_MAX ? (uint32_t)ev->args[2] : UINT32_MAX;
	put->priority = (uint32_t)ev->args[3];
}

/* So many of those that may have been taken were: if it is all of them, they are gone. */
static void settle(struct carrier *carrier)
{
	struct puts *puts = &carrier->puts;
	uint32_t maybe = 0;

	for (uint32_t i = 0; i < puts->n; i++)
		maybe += puts->list[i].maybe;
	if (maybe < carrier->left)
		carrier->counted = false;
	if (!carrier->counted || maybe != carrier->left)
		return;
	for (uint32_t i = puts->n; i-- > 0;)
		if (puts->list[i].maybe)
			rn_put_remove(puts, &puts->list[i]);
	carrier->left = 0;
}

void rn_queue_sent(struct carrier *carrier, const struct rn_call *call)
{
	struct put *put = rn_put_find(&carrier->puts, call->seq);

	if (!put)
		return;
	if (call->flags & RN_FLAG_UNFINISHED) {
		carrier->counted = false;
		put->maybe = true;
		put->ended = carrier->carriers->edges->in->last_seq;
	} else if (call->result < 0) {
		rn_put_remove(&carrier->puts, put);
		settle(carrier);
	} else {
		put->ended = rn_carrier_end(call);
	}
}

/* At some time since `since` nothing was in it. */
static void was_empty(struct carrier *carrier, uint64_t since)
{
	carrier->initial = false;
	if (rn_puts_drain(&carrier->puts, since))
		carrier->counted = true;
	else if (carrier->left)
		carrier->counted = false;
	carrier->left = 0;
}

/* A captured structure of at least `len` bytes, or NULL. */
static const uint8_t *struct_of(const struct rn_call *call, unsigned arg, uint32_t len)
{
	const struct rn_piece *piece = rn_call_piece(call, arg);

	return piece && piece->type == RN_PIECE_STRUCT && piece->flags & RN_PIECE_AT_EXIT &&
			       piece->len >= len
		       ? rn_piece_data(piece)
		       : NULL;
}

struct message {
	uint32_t length, priority;
	bool has_priority; /* it is known */
};

static bool fits(const struct put *put, const struct message *got)
{
	return put->length == got->length && (!got->has_priority || put->priority == got->priority);
}

/* Whether `put`, if it is still there, is received rather than `other`. */
static bool is_ahead(const struct put *put, const struct put *other, const struct message *got,
		     uint64_t since)
{
	if (put->priority == other->priority)
		return put->ended && put->ended < other->cause.seq;
	return got->has_priority ||
	       (other->priority < put->priority && put->ended && put->ended < since);
}

/* How many may be it, and of these the one that came first of the highest priority. */
static uint32_t find(struct puts *puts, const struct message *got, struct put **first)
{
	uint32_t n = 0;

	*first = NULL;
	for (uint32_t i = 0; i < puts->n; i++) {
		struct put *put = &puts->list[i];

		if (!fits(put, got))
			continue;
		n++;
		if (!*first || put->priority > (*first)->priority)
			*first = put;
	}
	return n;
}

static bool is_first(const struct puts *puts, const struct put *first, const struct message *got,
		     uint64_t since)
{
	if (first->maybe)
		return false;
	for (uint32_t i = 0; i < puts->n; i++)
		if (&puts->list[i] != first && !is_ahead(first, &puts->list[i], got, since))
			return false;
	return true;
}

static void join(struct carrier *carrier, const struct thread *thread, const struct message *got,
		 bool alone, struct joined *joined)
{
	struct edges *edges = carrier->carriers->edges;
	struct puts *puts = &carrier->puts;
	struct put *first;
	uint32_t n = find(puts, got, &first);
	bool all_known = !carrier->initial && !puts->older;

	if (n == 0 && all_known)
		rn_carrier_tear(carrier, "untraced");
	if (carrier->initial)
		rn_join_incomplete(joined, "untraced");
	if (n && all_known && !carrier->torn &&
	    (n == 1 || (alone && is_first(puts, first, got, thread->carrying->take.since)))) {
		rn_join(edges, thread, joined, &first->cause, RN_EDGE_MQUEUE, true);
		rn_put_remove(puts, first);
		settle(carrier);
		return;
	}
	for (uint32_t i = 0; i < puts->n; i++)
		if (fits(&puts->list[i], got)) {
			rn_join(edges, thread, joined, &puts->list[i].cause, RN_EDGE_MQUEUE, false);
			puts->list[i].maybe = true;
		}
	rn_carrier_join(carrier, joined);
	if (!all_known || carrier->torn)
		carrier->counted = false;
	carrier->left++;
	settle(carrier);
}

void rn_queue_receive(struct carrier *carrier, struct thread *thread, const struct rn_call *call,
		      struct joined *joined)
{
	struct take *take = &thread->carrying->take;
	bool alone = rn_take_end(&carrier->puts, take);
	struct message got = {.length = (uint32_t)call->result};
	const uint8_t *priority = struct_of(call, 3, sizeof(got.priority));

	if (call->flags & RN_FLAG_UNFINISHED || call->result == -EFAULT) {
		/* It may have taken any. */
		for (uint32_t i = 0; i < carrier->puts.n; i++)
			carrier->puts.list[i].maybe = true;
		carrier->counted = false;
		return;
	}
	if (call->result < 0) {
		if ((call->result == -EAGAIN || call->result == -ETIMEDOUT) && alone)
			was_empty(carrier, take->since);
		return;
	}
	if (priority) {
		memcpy(&got.priority, priority, sizeof(got.priority));
		got.has_priority = true;
	}
	join(carrier, thread, &got, alone, joined);
}

void rn_queue_looked(struct carrier *carrier, struct thread *thread, const struct rn_call *call)
{
	struct take *take = &thread->carrying->take;
	bool alone = rn_take_end(&carrier->puts, take);
	/* struct mq_attr: flags, maxmsg, msgsize, curmsgs, each a long */
	uint32_t size = call->abi == RN_ABI_X86_64 || call->abi == RN_ABI_AARCH64 ? 8 : 4;
	const uint8_t *attr = struct_of(call, 2, 4 * size);
	uint64_t there = 0;

	if (!alone || !attr || call->result < 0 || call->flags & RN_FLAG_UNFINISHED)
		return;
	memcpy(&there, attr + 3 * size, size);
	if (there == 0)
		was_empty(carrier, take->since);
}
