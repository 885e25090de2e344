/* SPDX-License-Identifier: MIT */
/*
 * What a consumer has read stays in the ring until what it made of it is safe with somebody else:
 * a consumer that dies then takes nothing with it, as the next one reads it again, and makes spans
 * with the same ids. A call that had begun before, and ends after, is lost all the same.
 *
 * Blocks are released in the order in which they were handed on.
 */
#include "run_private.h"

void rn_held_begin(rn_run *run)
{
	struct held *held = &run->held;

	held->on = run->config.side == RN_SIDE_CONSUMER && run->config.holds;
	if (!held->on)
		return;
	run->ring_read.holds = true;
	held->freed = held->handed = run->ring_read.tail;
	held->read.tail = held->clean.tail = run->ring_read.tail;
}

/* Under the lock. Another consumer may have been asked meanwhile: then the ring is not ours. */
static void free_to(rn_run *run, struct held_mark mark)
{
	struct held *held = &run->held;

	if (held->stays || (int64_t)(mark.tail - held->freed) <= 0 || !rn_run_has_turn(run))
		return;
	held->freed = mark.tail;
	rn_ring_free(&run->ring_read, mark.tail);
	atomic_store_explicit(&run->ring_read.control->taken.spans, mark.made,
			      memory_order_relaxed);
}

static bool is_folding(const rn_run *run)
{
	return run->shape && rn_shape_waiting(run->shape);
}

void rn_held_read(rn_run *run)
{
	struct held *held = &run->held;
	const struct sink *sink = &run->otlp;

	if (!held->on || is_folding(run))
		return;
	pthread_mutex_lock(&held->lock);
	held->read = (struct held_mark){run->ring_read.tail, sink->made};
	if (!sink->block || !sink->block->spans) {
		held->clean = held->read;
		if (!held->unreleased)
			free_to(run, held->clean);
	}
	pthread_mutex_unlock(&held->lock);
}

bool rn_held_is_much(const rn_run *run)
{
	const struct rn_ring *ring = &run->ring_read;

	return run->held.on && ring->tail - run->held.handed >= ring->size / 4;
}

void rn_held_hand_on(rn_run *run, struct block *block)
{
	struct held *held = &run->held;

	if (!held->on)
		return;
	pthread_mutex_lock(&held->lock);
	block->mark = held->read;
	held->unreleased++;
	pthread_mutex_unlock(&held->lock);
	held->handed = run->ring_read.tail;
}

/* Under the lock. */
static void one_less(rn_run *run)
{
	struct held *held = &run->held;

	if (--held->unreleased == 0)
		free_to(run, held->clean);
}

void rn_held_dropped(rn_run *run, bool is_failed)
{
	struct held *held = &run->held;

	if (!held->on)
		return;
	pthread_mutex_lock(&held->lock);
	held->stays = held->stays || !is_failed;
	one_less(run);
	pthread_mutex_unlock(&held->lock);
}

void rn_held_release(rn_run *run, const struct block *block)
{
	struct held *held = &run->held;

	if (!held->on)
		return;
	pthread_mutex_lock(&held->lock);
	free_to(run, block->mark);
	one_less(run);
	pthread_mutex_unlock(&held->lock);
}
