/* SPDX-License-Identifier: MIT */
/*
 * eventfd(2): writes add up, a read takes the sum, or of a semaphore one. Whose number it was is
 * not to be told where several were in it. How much is left is counted, so that it is known when
 * all that was written has been read.
 */
#include <errno.h>
#include <string.h>

#include "carriers.h"

#define NUMBER 8u /* bytes */

void rn_counter_begin(struct carrier *carrier, const struct object *object)
{
	carrier->left = object->initial;
	carrier->counted = object->fresh;
	carrier->initial = object->initial || !object->fresh;
}

/* The number in the buffer of a read or write. */
static bool read_number(const struct rn_event *ev, bool at_exit, uint64_t *number)
{
	if (!ev)
		return false;
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_BUFFER && p->arg == 1 && p->len >= NUMBER &&
		    !!(p->flags & RN_PIECE_AT_EXIT) == at_exit) {
			memcpy(number, rn_piece_data(p), NUMBER);
			return true;
		}
	return false;
}

void rn_counter_write(struct carrier *carrier, const struct cause *cause, const struct rn_event *ev,
		      enum carrier_role role)
{
	uint64_t number = 0;
	bool known = role == CARRIER_WRITE && read_number(ev, false, &number);
	struct put *put;

	if ((known && (number == 0 || number == UINT64_MAX)) ||
	    (role == CARRIER_WRITE && ev->args[2] < NUMBER))
		return; /* nobody can read it */
	put = rn_put_begin(&carrier->carriers->pool, &carrier->puts, cause);
	if (put)
		put->amount = number;
	if (!known || __builtin_add_overflow(carrier->left, number, &carrier->left))
		carrier->counted = false;
}

void rn_counter_written(struct carrier *carrier, const struct rn_call *call)
{
	struct put *put = rn_put_find(&carrier->puts, call->seq);

	if (call->flags & RN_FLAG_UNFINISHED) {
		carrier->counted = false;
		if (put) /* it is over */
			put->ended = carrier->carriers->edges->in->last_seq;
	} else if (call->result < 0 && put) {
		carrier->left -= put->amount;
		rn_put_remove(&carrier->puts, put);
	} else if (call->result < 0) {
		carrier->counted = false;
	} else if (put) {
		put->ended = rn_carrier_end(call);
	}
}

/* At some time since `since` nothing was in it. */
static void was_empty(struct carrier *carrier, uint64_t since)
{
	carrier->initial = false;
	if (!rn_puts_drain(&carrier->puts, since))
		return;
	carrier->left = 0;
	carrier->counted = true;
}

/* It has been taken; false: more than what is known of was there. */
static bool take(struct carrier *carrier, const struct rn_call *call, bool semaphore)
{
	uint64_t number = 1;

	if (!semaphore && !read_number(call->exit, true, &number)) {
		carrier->counted = false;
		return true;
	}
	if (!carrier->counted)
		return true;
	if (number > carrier->left)
		return false;
	carrier->left -= number;
	return true;
}

void rn_counter_read(struct carrier *carrier, struct thread *thread, const struct object *object,
		     const struct rn_call *call, struct joined *joined)
{
	struct take *taking = &thread->carrying->take;
	struct puts *puts = &carrier->puts;
	bool semaphore = object->id.more & 1, alone = rn_take_end(puts, taking);
	bool all, certain;

	if (call->flags & RN_FLAG_UNFINISHED || call->result == -EFAULT) {
		carrier->counted = false; /* it may have taken something */
		return;
	}
	if (call->result <= 0) {
		if (call->result == -EAGAIN && alone)
			was_empty(carrier, taking->since);
		return;
	}
	if (!take(carrier, call, semaphore) || (puts->n == 0 && !puts->older && !carrier->initial))
		rn_carrier_tear(carrier, "untraced");
	all = carrier->counted && carrier->left == 0;
	certain = puts->n == 1 && !puts->older && !carrier->torn && (all || !carrier->initial);
	for (uint32_t i = 0; i < puts->n; i++)
		rn_join(carrier->carriers->edges, thread, joined, &puts->list[i].cause,
			RN_EDGE_EVENTFD, certain);
	rn_carrier_join(carrier, joined);
	if (all) {
		rn_puts_clear(puts);
		carrier->initial = false;
	} else if (!semaphore && alone) {
		was_empty(carrier, taking->since);
	}
}
