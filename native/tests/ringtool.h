/* SPDX-License-Identifier: MIT */
/* What the tests of the ring share: numbered records that know their own content. */
#ifndef RENACER_TESTS_RINGTOOL_H
#define RENACER_TESTS_RINGTOOL_H

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "records.h"
#include "renacer/ring.h"

/* CHECK() for threads: it does not count, so that no two of them meet in the counter. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			check_failed(__FILE__, __LINE__, "not true: %s", #condition);              \
	} while (0)

/* Both ends in one process, with byte counters that start at `start`. */
struct ends {
	struct rn_ring producer, consumer;
};

static inline void ends_open(struct ends *ends, uint64_t size, uint64_t start)
{
	struct rn_ring *producer = &ends->producer;

	CHECK_INT(rn_ring_create(producer, size), RN_RING_OK);
	producer->head = producer->cached_tail = start;
	atomic_store(&producer->control->head, start);
	atomic_store(&producer->control->tail, start);
	CHECK_INT(rn_ring_attach(&ends->consumer, producer->fd), RN_RING_OK);
	CHECK(rn_ring_used(&ends->consumer) == 0);
}

static inline void ends_close(struct ends *ends)
{
	rn_ring_deinit(&ends->consumer);
	rn_ring_deinit(&ends->producer);
}

/* Record number `n`, of `len` bytes: every word of its data follows from n. */
static inline void pattern_write(void *to, uint64_t n, uint32_t len)
{
	struct rn_event *ev = record_begin(to, RN_CONTEXT, 1, 1);
	uint64_t *words = (uint64_t *)(ev + 1);
	struct rn_piece *piece = (struct rn_piece *)words;

	ev->seq = n;
	ev->size = len;
	if (len == RN_EVENT_HEADER)
		return;
	ev->pieces = 1;
	*piece = (struct rn_piece){.type = RN_PIECE_BUFFER, .len = len - RN_EVENT_HEADER - 16};
	for (uint32_t i = 2; i < (len - RN_EVENT_HEADER) / 8; i++)
		words[i] = (n + 1) * 0x9e3779b97f4a7c15ull + i;
}

static inline void pattern_check(const void *from, uint64_t n, uint32_t len)
{
	const struct rn_event *ev = from;
	const uint64_t *words = (const uint64_t *)(ev + 1);

	MUST(ev->seq == n && ev->size == len);
	for (uint32_t i = 2; i < (len - RN_EVENT_HEADER) / 8; i++)
		if (words[i] != (n + 1) * 0x9e3779b97f4a7c15ull + i)
			check_failed(__FILE__, __LINE__, "record %llu has a wrong word %u",
				     (unsigned long long)n, i);
}

/* Mostly what calls look like, now and then a huge one. Never 8 bytes more than a header:
   that is no room for a piece. */
static inline uint32_t pattern_len(struct rng *rng)
{
	uint32_t kind = rng_below(rng, 64);

	if (kind == 0)
		return RN_EVENT_MAX - 8 * rng_below(rng, 4096);
	if (kind < 16)
		return RN_EVENT_HEADER;
	return RN_EVENT_HEADER + 16 + 8 * rng_below(rng, kind < 20 ? 2048 : 32);
}

static inline bool put_record(struct rn_ring *ring, uint64_t n, uint32_t len)
{
	void *to = rn_ring_reserve(ring, len, true);

	if (!to)
		return false;
	pattern_write(to, n, len);
	rn_ring_commit(ring, len);
	return true;
}

/* fork(), of a child that does not outlive a test that fails. */
static inline pid_t fork_child(void)
{
	pid_t parent = getpid(), pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) /* it was gone before that took hold */
			_exit(1);
	}
	return pid;
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
