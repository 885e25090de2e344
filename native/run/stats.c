/* SPDX-License-Identifier: MIT */
/* What a run has counted. */
#include "run_private.h"

void rn_run_done(rn_run *run, const struct rn_totals *totals)
{
	pthread_mutex_lock(&run->lock);
	run->totals = *totals;
	run->done = true;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
}

void rn_run_stats(rn_run *run, rn_stats *stats)
{
	const struct rn_producer_counts produced = rn_run_produced(run);
	const bool consumes = run->config.side != RN_SIDE_PRODUCER;
	const struct rn_engine_counters *counters;
	const struct rn_totals *totals;

	pthread_mutex_lock(&run->lock);
	totals = &run->totals;
	*stats = (rn_stats){
		.events = totals->events,
		.calls = totals->calls,
		.errors = totals->errors,
		.signals = totals->signals,
		.processes = totals->processes,
		.threads = totals->threads,
		.unfinished = totals->unfinished,
		.spans = totals->spans,
		.wall_ns = totals->wall_ns,
		.added_ns = totals->added_ns,
		.filtered = totals->filtered,
	};
	if (!run->done || !consumes)
		stats->calls = produced.calls;
	if (!run->done)
		stats->wall_ns = rn_now() - run->t_start;
	else if (!consumes)
		stats->added_ns =
			produced.added_ns < stats->wall_ns ? produced.added_ns : stats->wall_ns;
	stats->lost_calls = produced.lost_calls + totals->missed_calls;
	stats->lost_events = produced.lost_events + totals->missed_events;
	pthread_mutex_unlock(&run->lock);
	stats->tracer_ns = produced.tracer_ns;
	stats->stops = produced.stops;
	stats->seccomp = produced.filtered;
	if (run->engine) {
		counters = rn_engine_counters(run->engine);
		stats->seccomp = atomic_load(&counters->filter);
		stats->cpu_shared = atomic_load(&counters->shared);
		stats->void_set_id = atomic_load(&counters->void_set_id);
	}
	if (!consumes)
		return;
	rn_blocks_counts(&run->otlp.queue, &stats->dropped_spans, &stats->queued_spans);
	stats->dropped_spans += run->otlp.lost;
	if (run->recorder)
		rn_recorder_counts(run->recorder, &stats->kept, &stats->omitted, &stats->flown,
				   &stats->why);
	stats->text_lost = atomic_load(&run->consumed.text_lost);
	stats->corrupt = atomic_load(&run->consumed.corrupt);
	stats->text_errno = atomic_load(&run->consumed.text_errno);
	stats->ring_peak = atomic_load(&run->consumed.ring_peak);
}
