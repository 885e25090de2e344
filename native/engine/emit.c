/* SPDX-License-Identifier: MIT */
/*
 * Records into the ring, in causal order. At most one entry is held back, in the
 * hope that its exit comes next; whatever else happens first sends it ahead. What
 * the ring cannot take is counted and told by a gap record in its place.
 */
#include <string.h>

#include "engine_private.h"

static uint64_t add(_Atomic uint64_t *counter, uint64_t n)
{
	return atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void tell(_Atomic uint64_t *to, const _Atomic uint64_t *from)
{
	atomic_store_explicit(to, atomic_load_explicit(from, memory_order_relaxed),
			      memory_order_relaxed);
}

void rn_emit_tell(struct rn_engine *e)
{
	struct rn_ring_told *told = &e->config.ring->control->told;
	struct rn_engine_counters *counters = &e->counters;

	tell(&told->calls, &counters->calls);
	tell(&told->lost_calls, &counters->lost_calls);
	tell(&told->lost_events, &counters->lost_events);
	tell(&told->stops, &counters->stops);
	/* So far: who is killed has no end at which to count it. */
	atomic_store_explicit(&told->tracer_ns, rn_thread_time(), memory_order_relaxed);
	tell(&told->added_ns, &counters->added_ns);
	atomic_store_explicit(&told->filtered, rn_engine_is_filtered(e), memory_order_relaxed);
}

void rn_record_begin(struct rn_engine *e, struct record *rec, enum rn_kind kind,
		     const struct task *task)
{
	rec->ev = (struct rn_event){
		.size = RN_EVENT_HEADER,
		.kind = (uint8_t)kind,
		.tid = task->tid,
		.pid = task->pid,
		.t0 = e->now,
		.t1 = e->now,
	};
}

/* Room for `len` bytes by the run's policy, or NULL. */
static void *room_for(struct rn_engine *e, uint32_t len, bool structural)
{
	struct rn_ring *ring = e->config.ring;
	void *to = rn_ring_reserve(ring, len, structural);
	uint64_t deadline;

	if (to) {
		e->stalled = false;
		return to;
	}
	if (e->config.drop_on_full || e->stalled)
		return NULL;
	deadline = rn_monotonic() + e->config.block_limit_ns;
	for (;;) {
		uint64_t now = rn_monotonic();

		if (now >= deadline)
			break;
		if (rn_ring_wait_room(ring, len, structural, deadline - now))
			deadline = rn_monotonic() + e->config.block_limit_ns;
		to = rn_ring_reserve(ring, len, structural);
		if (to)
			return to;
	}
	e->stalled = true;
	return NULL;
}

static bool put_gap(struct rn_engine *e, bool wait)
{
	struct gap *gap = &e->gap;
	struct rn_event *ev;

	ev = wait ? room_for(e, RN_EVENT_HEADER, true)
		  : rn_ring_reserve(e->config.ring, RN_EVENT_HEADER, true);
	if (!ev)
		return false;
	*ev = (struct rn_event){
		.size = RN_EVENT_HEADER,
		.kind = RN_GAP,
		.seq = gap->first_seq,
		.t0 = gap->t0,
		.t1 = gap->t1,
		.args = {gap->events, gap->calls, gap->exits, gap->signals, gap->others,
			 gap->bytes},
	};
	rn_ring_commit(e->config.ring, RN_EVENT_HEADER);
	*gap = (struct gap){0};
	return true;
}

static void count_loss(struct rn_engine *e, const struct rn_event *ev, uint64_t events)
{
	struct gap *gap = &e->gap;

	if (gap->events == 0) {
		gap->t0 = ev->t0;
		gap->first_seq = ev->seq;
	}
	gap->t1 = ev->t1;
	gap->events += events;
	gap->bytes += ev->size;
	add(&e->counters.lost_events, events);
	tell(&e->config.ring->control->told.lost_events, &e->counters.lost_events);
}

static void count_lost_call(struct rn_engine *e)
{
	e->gap.calls++;
	add(&e->counters.lost_calls, 1);
	tell(&e->config.ring->control->told.lost_calls, &e->counters.lost_calls);
}

/* Puts a finished record into the ring; false if it was lost (not yet counted). */
static bool put(struct rn_engine *e, const struct rn_event *ev, bool structural)
{
	uint32_t size = ev->size;
	void *to;

	if (e->gap.events) {
		/* The gap's own room must be there too, or the order would lie. */
		if (!room_for(e, size + RN_EVENT_HEADER, structural) || !put_gap(e, false))
			return false;
	}
	to = room_for(e, size, structural);
	if (!to)
		return false;
	memcpy(to, ev, size);
	rn_ring_commit(e->config.ring, size);
	return true;
}

void rn_emit_flush_pending(struct rn_engine *e)
{
	struct task *task = e->pending;

	if (!task)
		return;
	e->pending = NULL;
	if (put(e, &e->entry.ev, false)) {
		task->entry_in_ring = true;
		return;
	}
	task->entry_lost = true;
	count_loss(e, &e->entry.ev, 1);
	count_lost_call(e);
}

void rn_emit_entry(struct rn_engine *e, struct task *task)
{
	e->entry.ev.seq = ++e->seq;
	e->pending = task;
	task->entry_in_ring = false;
	task->entry_lost = false;
}

static void describe_exit(const struct task *task, struct rn_event *ev, int64_t result,
			  uint16_t flags)
{
	ev->flags |= flags;
	ev->abi = task->abi;
	ev->nr = task->nr;
	ev->t0 = task->t_entry;
	ev->result = result;
	memcpy(ev->args, task->args, sizeof(ev->args));
}

/* What a call's exit adds to its record. */
static void finish(struct rn_engine *e, struct task *task, int64_t result, struct record *rec)
{
	uint64_t time = e->stime > task->stime_entry ? e->stime - task->stime_entry : 0;

	rn_capture_exit(e, task, result, rec);
	if (e->config.hashes)
		rn_content_at_exit(e, task, result, rec);
	if (e->config.cpu_times)
		rn_piece_add(rec, RN_PIECE_CPU_TIME, RN_PIECE_NO_ARG, &time, sizeof(time),
			     sizeof(time), RN_PIECE_AT_EXIT);
}

void rn_emit_exit(struct rn_engine *e, struct task *task, int64_t result, uint16_t flags)
{
	struct rn_event *ev = &e->entry.ev;

	if (e->pending == task) {
		/* Nothing came between: one record for both events. */
		e->pending = NULL;
		ev->kind = RN_SYSCALL;
		ev->t1 = e->now;
		ev->result = result;
		ev->flags |= flags;
		finish(e, task, result, &e->entry);
		e->seq++;
		if (!put(e, ev, false)) {
			count_loss(e, ev, 2);
			count_lost_call(e);
		}
		return;
	}
	rn_emit_flush_pending(e);
	rn_record_begin(e, &e->work, RN_SYSCALL_EXIT, task);
	ev = &e->work.ev;
	describe_exit(task, ev, result, flags);
	ev->seq = ++e->seq;
	if (task->entry_lost) {
		count_loss(e, ev, 1);
		return;
	}
	finish(e, task, result, &e->work);
	if (!put(e, ev, false)) {
		count_loss(e, ev, 1);
		e->gap.exits++;
	}
}

void rn_emit_work(struct rn_engine *e, bool structural)
{
	struct rn_event *ev = &e->work.ev;

	rn_emit_flush_pending(e);
	ev->seq = ++e->seq;
	if (put(e, ev, structural))
		return;
	count_loss(e, ev, 1);
	if (ev->kind == RN_SIGNAL)
		e->gap.signals++;
	else
		e->gap.others++;
}

void rn_emit_forget(struct rn_engine *e, struct task *task)
{
	if (e->pending == task)
		rn_emit_flush_pending(e);
	task->entry_in_ring = false;
	task->entry_lost = false;
}

void rn_emit_end(struct rn_engine *e)
{
	rn_emit_flush_pending(e);
	/* The last word on losses is worth the whole block limit. */
	if (e->gap.events) {
		e->stalled = false;
		put_gap(e, true);
	}
	rn_emit_tell(e);
	rn_ring_close(e->config.ring);
}
