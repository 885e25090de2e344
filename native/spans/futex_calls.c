/* SPDX-License-Identifier: MIT */
/* Futex calls; see futex_calls.h. */
#include "futex_calls.h"

#include <linux/futex.h>
#include <string.h>

#include "call_kinds.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static void name(struct futex_operation *op, uint64_t address, bool is_private)
{
	if (op->n == FUTEX_NAMES) {
		op->cut = true;
		return;
	}
	op->names[op->n++] = (struct futex_name){address, is_private};
}

/* Linux wakes one where none was asked for. */
static uint32_t most(uint64_t wanted)
{
	return (int32_t)wanted < 1 ? 1 : (uint32_t)wanted;
}

static bool read_futex(const struct rn_event *ev, struct futex_operation *op)
{
	uint32_t code = (uint32_t)ev->args[1];
	uint32_t command = code & ~(uint32_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
	bool is_private = code & FUTEX_PRIVATE_FLAG;
	bool second = false;

	switch (command) {
	case FUTEX_WAIT_BITSET:
		op->mask = (uint32_t)ev->args[5];
		op->waits = true;
		break;
	case FUTEX_WAIT:
		op->waits = true;
		break;
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		op->waits = op->pi = true;
		break;
	case FUTEX_WAIT_REQUEUE_PI:
		op->waits = op->pi = op->unsure = second = true;
		break;
	case FUTEX_WAKE_BITSET:
		op->mask = (uint32_t)ev->args[5];
		op->wakes = true;
		op->most = most(ev->args[2]);
		break;
	case FUTEX_WAKE:
		op->wakes = true;
		op->most = most(ev->args[2]);
		break;
	case FUTEX_UNLOCK_PI:
		op->wakes = op->pi = true;
		break;
	case FUTEX_WAKE_OP:
		op->wakes = op->unsure = second = true;
		break;
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_CMP_REQUEUE_PI:
		op->wakes = (int32_t)ev->args[2] > 0;
		op->unsure = command != FUTEX_REQUEUE;
		op->requeues = second = true;
		break;
	default:
		return false;
	}
	name(op, ev->args[0], is_private);
	if (second && ev->args[4])
		name(op, ev->args[4], is_private);
	return true;
}

/* The list of struct futex_waitv, as captured; uval, uaddr, flags, reserved. */
static void read_vector(const struct rn_event *ev, uint64_t n, struct futex_operation *op)
{
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p)) {
		if (p->arg != 0 || p->type != RN_PIECE_STRUCT)
			continue;
		for (uint32_t at = 0; at + 24 <= p->len; at += 24) {
			uint64_t address;
			uint32_t flags;

			memcpy(&address, rn_piece_data(p) + at + 8, 8);
			memcpy(&flags, rn_piece_data(p) + at + 16, 4);
			name(op, address, flags & FUTEX_PRIVATE_FLAG);
		}
	}
	op->cut |= op->n < n;
}

bool rn_futex_read(const struct rn_event *ev, unsigned kind, struct futex_operation *op)
{
	*op = (struct futex_operation){
		.mask = FUTEX_BITSET_MATCH_ANY,
		.most = UINT32_MAX,
	};
	switch (kind) {
	case CALL_FUTEX:
		return read_futex(ev, op);
	case CALL_FUTEX_WAIT:
		op->waits = true;
		op->mask = (uint32_t)ev->args[2];
		name(op, ev->args[0], ev->args[3] & FUTEX_PRIVATE_FLAG);
		return true;
	case CALL_FUTEX_WAKE:
		op->wakes = true;
		op->mask = (uint32_t)ev->args[1];
		op->most = most(ev->args[2]);
		name(op, ev->args[0], ev->args[3] & FUTEX_PRIVATE_FLAG);
		return true;
	case CALL_FUTEX_WAITV:
		op->waits = true;
		read_vector(ev, (uint32_t)ev->args[1], op);
		return true;
	case CALL_FUTEX_REQUEUE:
		op->wakes = (int32_t)ev->args[2] > 0;
		op->requeues = op->unsure = true;
		read_vector(ev, 2, op);
		return true;
	default:
		return false;
	}
}
