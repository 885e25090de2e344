/* SPDX-License-Identifier: MIT */
/*
 * The consumer thread: drains the ring, interprets, encodes. It looks in a few
 * times a hundredth of a second and asks to be woken only when the ring fills, so
 * that the tracer seldom pays for a wake-up; once nothing comes any more it waits
 * for the next record.
 */
#include "run_private.h"

#define NAP_NS 4000000u     /* while events come */
#define IDLE_NS 1000000000u /* while none come: also how old a batch may grow */
#define IDLE_NAPS 8

static uint64_t events_in(const struct rn_event *ev)
{
	return ev->kind == RN_GAP ? 0 : 1;
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
	rn_meter_publish(run);
	rn_sinks_record(run, chunk, len, ((const struct rn_event *)chunk)->seq, n ? n : 1);
}

static void drain(struct rn_run *run, uint8_t *chunk)
{
	struct rn_ring *ring = &run->ring_read;
	uint64_t threshold = ring->size / 4;
	unsigned empty = 0;

	for (;;) {
		bool closed = rn_ring_closed(ring);
		uint64_t used = rn_ring_used(ring);
		int64_t got = rn_ring_read(ring, chunk, RN_CHUNK);

		if (used > atomic_load_explicit(&run->consumed.ring_peak, memory_order_relaxed))
			atomic_store_explicit(&run->consumed.ring_peak, used, memory_order_relaxed);
		if (got > 0) {
			empty = 0;
			consume(run, chunk, (size_t)got);
			if (rn_ring_used(ring) >= threshold)
				continue;
		} else if (got < 0) {
			atomic_fetch_add(&run->consumed.corrupt, 1);
			continue;
		} else if (closed) {
			return;
		}
		rn_sinks_flush(run, false);
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
static void add_untold_losses(const struct rn_run *run, struct rn_totals *totals)
{
	const struct rn_engine_counters *counters = rn_engine_counters(run->engine);
	uint64_t calls = atomic_load(&counters->lost_calls);
	uint64_t events = atomic_load(&counters->lost_events);

	if (calls > totals->lost_calls) {
		totals->calls += calls - totals->lost_calls;
		totals->lost_calls = calls;
	}
	if (events > totals->lost_events)
		totals->lost_events = events;
	totals->lost_calls += totals->missed_calls;
	totals->lost_events += totals->missed_events;
}

void *rn_consumer_main(void *arg)
{
	struct rn_run *run = arg;
	struct rn_run_span span;

	if (!may_begin(run))
		return NULL;
	drain(run, run->chunk);
	/* The ring is closed: the tracer is at its end, and its last words are to be had. */
	pthread_join(run->tracer, NULL);
	run->tracer_running = false;
	rn_interpreter_finish(run->interpreter, &span);
	add_untold_losses(run, &span.totals);
	span.totals.tracer_ns =
		run->engine ? atomic_load(&rn_engine_counters(run->engine)->cpu_ns) : 0;
	span.totals.added_ns =
		run->engine ? atomic_load(&rn_engine_counters(run->engine)->added_ns) : 0;
	span.totals.stops = run->engine ? atomic_load(&rn_engine_counters(run->engine)->stops) : 0;
	span.totals.seccomp = run->engine && rn_engine_is_filtered(run->engine);
	if (run->config.fed) {
		span.totals.tracer_ns = atomic_load(&run->fed_ns);
		span.totals.stops = atomic_load(&run->fed_stops);
	}
	span.totals.wall_ns = span.t_end - span.t_start;
	if (span.totals.added_ns > span.totals.wall_ns)
		span.totals.added_ns = span.totals.wall_ns;
	rn_sinks_finish(run, &span);
	rn_meter_publish(run);
	pthread_mutex_lock(&run->lock);
	run->totals = span.totals;
	run->done = true;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
	return NULL;
}
