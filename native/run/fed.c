/* SPDX-License-Identifier: MIT */
/* Records from an engine that is not ours: into the ring, as the tracer's would go. */
#include <errno.h>
#include <string.h>

#include "run_private.h"

static void *room_for(struct rn_run *run, uint32_t len)
{
	uint64_t limit = run->config.block_limit_ns;
	uint64_t deadline = rn_now() + limit;
	void *to = rn_ring_reserve(&run->ring, len, true);

	if (to)
		run->fed_stalled = false;
	if (run->config.on_full == RN_ON_FULL_DROP || run->fed_stalled)
		return to;
	while (!to) {
		uint64_t now = rn_now();

		if (now >= deadline)
			break;
		if (rn_ring_wait_room(&run->ring, len, true, deadline - now))
			deadline = rn_now() + limit;
		to = rn_ring_reserve(&run->ring, len, true);
	}
	run->fed_stalled = !to;
	return to;
}

int rn_run_feed(rn_run *run, const void *record, uint64_t len)
{
	void *to;

	/* As bytes: a record of the caller's may lie at any address. */
	if (!run->config.fed || run->fed_ended || len < RN_EVENT_HEADER || len > RN_EVENT_MAX ||
	    len % 8)
		return -EINVAL;
	to = room_for(run, (uint32_t)len);
	if (!to)
		return -ENOBUFS;
	memcpy(to, record, len);
	/* The ring is mapped at a page: in it the record is aligned. */
	if (rn_event_check(to, len) != len)
		return -EINVAL;
	rn_ring_commit(&run->ring, (uint32_t)len);
	return 0;
}

void rn_run_feed_end(rn_run *run, int wait_status, uint64_t stops, uint64_t tracer_ns)
{
	pthread_mutex_lock(&run->lock);
	if (!run->fed_ended) {
		run->fed_ended = true;
		run->wait_status = wait_status;
		atomic_store(&run->fed_stops, stops);
		atomic_store(&run->fed_ns, tracer_ns);
		pthread_cond_broadcast(&run->changed);
	}
	pthread_mutex_unlock(&run->lock);
}

void rn_fed_wait(struct rn_run *run)
{
	pthread_mutex_lock(&run->lock);
	while (!run->fed_ended)
		pthread_cond_wait(&run->changed, &run->lock);
	pthread_mutex_unlock(&run->lock);
	rn_ring_close(&run->ring);
}
