/* SPDX-License-Identifier: MIT */
/* Runs whose other half is another process. */
#include <errno.h>
#include <stdlib.h>

#include "run_private.h"

const struct rn_ring *rn_run_own_ring(const rn_run *run)
{
	return run->config.side == RN_SIDE_CONSUMER ? &run->ring_read : &run->ring;
}

struct rn_producer_counts rn_run_produced(const rn_run *run)
{
	const struct rn_ring_told *told = &rn_run_own_ring(run)->control->told;
	const struct rn_engine_counters *counters;
	struct rn_producer_counts counts = {0};

	if (run->config.side == RN_SIDE_CONSUMER) {
		counts = (struct rn_producer_counts){
			.calls = atomic_load(&told->calls),
			.lost_calls = atomic_load(&told->lost_calls),
			.lost_events = atomic_load(&told->lost_events),
			.stops = atomic_load(&told->stops),
			.tracer_ns = atomic_load(&told->tracer_ns),
			.added_ns = atomic_load(&told->added_ns),
			.filtered = atomic_load(&told->filtered) != 0,
		};
	} else if (run->engine) {
		counters = rn_engine_counters(run->engine);
		counts = (struct rn_producer_counts){
			.calls = atomic_load(&counters->calls),
			.lost_calls = atomic_load(&counters->lost_calls),
			.lost_events = atomic_load(&counters->lost_events),
			.stops = atomic_load(&counters->stops),
			.tracer_ns = atomic_load(&counters->cpu_ns),
			.added_ns = atomic_load(&counters->added_ns),
			.filtered = rn_engine_is_filtered(run->engine),
		};
		if (run->config.fed) {
			counts.stops = atomic_load(&run->fed_stops);
			counts.tracer_ns = atomic_load(&run->fed_ns);
		}
	}
	return counts;
}

int rn_run_ring(const rn_run *run)
{
	return run->ring.fd;
}

void rn_run_offer(rn_run *run, uint64_t turn)
{
	atomic_store(&run->ring.control->told.turn, turn);
}

int rn_run_unread(rn_run *run, uint64_t *calls, uint64_t *events)
{
	struct rn_ring ring;
	uint8_t *chunk;
	int64_t got;
	int made = rn_ring_attach(&ring, run->ring.fd);

	*calls = *events = 0;
	if (made != RN_RING_OK)
		return made == RN_RING_SYSTEM ? -errno : -EINVAL;
	chunk = malloc(RN_CHUNK);
	while (chunk && (got = rn_ring_read(&ring, chunk, RN_CHUNK)) > 0) {
		for (int64_t at = 0; at < got;) {
			const struct rn_event *ev = (const struct rn_event *)(chunk + at);

			*calls += ev->kind == RN_SYSCALL || ev->kind == RN_SYSCALL_ENTER;
			*events += ev->kind == RN_GAP ? 0 : ev->kind == RN_SYSCALL ? 2 : 1;
			at += ev->size;
		}
	}
	rn_ring_deinit(&ring);
	if (!chunk)
		return -ENOMEM;
	free(chunk);
	return 0;
}

uint64_t rn_run_taken(const rn_run *run)
{
	return atomic_load(&run->ring.control->taken.spans);
}

bool rn_run_has_turn(const rn_run *run)
{
	const struct rn_ring_told *told = &run->ring_read.control->told;

	return !run->config.turn ||
	       atomic_load_explicit(&told->turn, memory_order_relaxed) == run->config.turn;
}

void rn_run_cut(rn_run *run)
{
	atomic_store(&run->cut, true);
	rn_ring_wake(&run->ring_read);
}

void rn_run_leave(rn_run *run)
{
	atomic_store(&run->left, true);
	rn_ring_wake(&run->ring_read);
}
