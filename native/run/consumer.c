/* SPDX-License-Identifier: MIT */
/*
 * The consumer thread: drains the ring, interprets, encodes. It looks in a few
 * times a hundredth of a second and asks to be woken only when the ring fills, so
 * that the tracer seldom pays for a wake-up; once nothing comes any more it waits
 * for the next record.
 */
#include "run_private.h"
#include "spans/shape.h"

#define NAP_NS 4000000u     /* while events come */
#define IDLE_NS 1000000000u /* while none come: also how old a batch may grow */
#define IDLE_NAPS 8
/* A producer that damages its ring so often is not ours: nothing good is to be had of it. */
#define DAMAGES 1000u

static uint64_t events_in(const struct rn_event *ev)
{
	return ev->kind == RN_GAP ? 0 : 1;
}

/* What another consumer goes on from, should this process die. */
static void tell_successor(struct rn_run *run)
{
	struct rn_ring_taken *taken = &run->ring_read.control->taken;

	atomic_store_explicit(&taken->lamport, rn_interpreter_lamport(run->interpreter),
			      memory_order_relaxed);
	if (!run->held.on) /* else they may be told of only once they are safe */
		atomic_store_explicit(&taken->spans, rn_interpreter_totals(run->interpreter)->spans,
				      memory_order_relaxed);
}

static void consume(struct rn_run *run, const uint8_t *chunk, size_t len)
{
	uint64_t n = 0;

	for (size_t at = 0; at < len;) {
		const struct rn_event *ev = (const struct rn_event *)(chunk + at);

		rn_interpreter_feed(run->interpreter, ev);
		n += events_in(ev);
		at += ev->size;
	}
	rn_recorder_look(run);
	rn_meter_publish(run);
	rn_sinks_record(run, chunk, len, ((const struct rn_event *)chunk)->seq, n ? n : 1);
	if (run->config.side == RN_SIDE_CONSUMER)
		tell_successor(run);
	rn_held_read(run);
}

/* Hands on all that was made, and so whatever of the ring is held for it. */
static void hand_on_all(struct rn_run *run)
{
	if (run->shape)
		rn_shape_flush(run->shape);
	rn_held_read(run);
	rn_sinks_flush(run, true);
	rn_held_read(run);
	run->held.handed = run->ring_read.tail;
}

/* Whether the ring is another's now. */
static bool is_left(const struct rn_run *run)
{
	return atomic_load(&run->left) || !rn_run_has_turn(run);
}

/* Whether no more comes: the producer says so, is dead, or cannot be believed. */
static bool is_over(const struct rn_run *run)
{
	if (rn_ring_closed(&run->ring_read) || atomic_load(&run->cut))
		return true;
	return run->config.side == RN_SIDE_CONSUMER &&
	       atomic_load_explicit(&run->consumed.corrupt, memory_order_relaxed) > DAMAGES;
}

/* Until the end, or until the ring is left to another. */
static void drain(struct rn_run *run, uint8_t *chunk)
{
	struct rn_ring *ring = &run->ring_read;
	uint64_t threshold = ring->size / 4;
	unsigned empty = 0;
	uint64_t end = 0; /* of a producer that was cut off, and may write on: its head then */
	bool is_cut = false;

	while (!is_left(run)) {
		bool closed = is_over(run);
		uint64_t used = rn_ring_used(ring);
		int64_t got;

		if (!is_cut && atomic_load(&run->cut)) {
			is_cut = true;
			end = ring->tail + used;
		}
		got = rn_ring_read(ring, chunk, RN_CHUNK);

		if (used > atomic_load_explicit(&run->consumed.ring_peak, memory_order_relaxed))
			atomic_store_explicit(&run->consumed.ring_peak, used, memory_order_relaxed);
		if (got > 0) {
			empty = 0;
			consume(run, chunk, (size_t)got);
			if (rn_held_is_much(run))
				hand_on_all(run);
			if (is_cut && (int64_t)(ring->tail - end) >= 0)
				return;
			if (rn_ring_used(ring) >= threshold)
				continue;
		} else if (got < 0) {
			if (atomic_fetch_add(&run->consumed.corrupt, 1) < DAMAGES ||
			    run->config.side != RN_SIDE_CONSUMER)
				continue;
			return;
		} else if (closed) {
			return;
		}
		rn_sinks_flush(run, false);
		rn_held_read(run);
		if (closed)
			continue;
		if (got == 0)
			empty++;
		if (empty < IDLE_NAPS)
			rn_ring_sleep(ring, threshold, NAP_NS);
		else
			rn_ring_sleep(ring, 8, IDLE_NS);
	}
}

/* Waits for the launch. */
static bool may_begin(struct rn_run *run)
{
	enum consumer_state state;

	pthread_mutex_lock(&run->lock);
	while ((state = run->consumer_state) == CONSUMER_WAITS)
		pthread_cond_wait(&run->changed, &run->lock);
	pthread_mutex_unlock(&run->lock);
	return state == CONSUMER_RUNS;
}

/* The tracer's own count is exact even where the last gap found no room in the ring. */
static void add_untold_losses(const struct rn_producer_counts *produced, struct rn_totals *totals)
{
	uint64_t calls = produced->lost_calls;
	uint64_t events = produced->lost_events;

	if (calls > totals->lost_calls) {
		totals->calls += calls - totals->lost_calls;
		totals->lost_calls = calls;
	}
	if (events > totals->lost_events)
		totals->lost_events = events;
	totals->lost_calls += totals->missed_calls;
	totals->lost_events += totals->missed_events;
}

/* What came before is another's: no cause is known from it, no descriptor and no live span. */
static void tell_of_gap(struct rn_run *run)
{
	const struct rn_event gap = {
		.size = RN_EVENT_HEADER, .kind = RN_GAP, .args = {0, 0, 0, 0, 1}};

	rn_interpreter_feed(run->interpreter, &gap);
}

/* What is open stays open, for whoever has the ring next. */
static void leave(struct rn_run *run)
{
	hand_on_all(run);
	rn_sinks_end(run);
	rn_run_done(run, rn_interpreter_totals(run->interpreter));
}

void *rn_consumer_main(void *arg)
{
	struct rn_run *run = arg;
	struct rn_producer_counts produced;
	struct rn_run_span span;

	if (!may_begin(run))
		return NULL;
	if (run->config.resumed)
		tell_of_gap(run);
	if (run->config.side == RN_SIDE_CONSUMER) {
		atomic_store(&run->ring_read.control->taken.spans, 0);
		tell_successor(run);
	}
	drain(run, run->chunk);
	if (is_left(run)) {
		leave(run);
		return NULL;
	}
	/* The ring is closed: the tracer is at its end, and its last words are to be had. */
	if (run->tracer_running)
		pthread_join(run->tracer, NULL);
	run->tracer_running = false;
	rn_interpreter_finish(run->interpreter, &span);
	produced = rn_run_produced(run);
	add_untold_losses(&produced, &span.totals);
	span.totals.tracer_ns = produced.tracer_ns;
	span.totals.added_ns = produced.added_ns;
	span.totals.stops = produced.stops;
	span.totals.seccomp = produced.filtered;
	/* Others had the calls before. */
	if (run->config.resumed && produced.calls > span.totals.calls)
		span.totals.calls = produced.calls;
	span.totals.wall_ns = span.t_end - span.t_start;
	if (span.totals.added_ns > span.totals.wall_ns)
		span.totals.added_ns = span.totals.wall_ns;
	rn_sinks_finish(run, &span);
	rn_meter_publish(run);
	rn_run_done(run, &span.totals);
	return NULL;
}
