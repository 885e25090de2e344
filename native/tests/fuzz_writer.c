/* SPDX-License-Identifier: MIT */
/*
 * A writer that lies while its ring is read: any content, and words of it, control words too, that
 * change under the consumer's hands. The run of the consumer ends once it is cut off, and its books
 * are right; what is wrong with its memory, the sanitizers tell.
 *
 * Input: u64 start, u64 how often something is changed, u64 a seed, then records.
 */
#include <sched.h>

#include "fuzz.h"
#include "renacer/api.h"
#include "ringtool.h"
#include "taken.h"

#define CHANGES 64u

static rn_run *consumer(int fd, uint64_t kind)
{
	rn_config config = {
		.outputs = RN_OUT_OTLP,
		.string_limit = 32,
		.on_full = RN_ON_FULL_DROP,
		.ring_bytes = RN_RING_MIN,
		.queue_bytes = 1u << (kind & 1 ? 24 : 16),
		.fed = 1,
		.trace_id = {1},
		.trace_flags = 1,
		.id_key = {1, 2},
		.side = RN_SIDE_CONSUMER,
		.ring_fd = fd,
		.resumed = kind >> 1 & 1,
	};
	rn_failure fail;
	rn_run *run = rn_run_new(&config, &fail);

	CHECK(run);
	CHECK_INT(rn_run_start(run, &fail), 0);
	return run;
}

static uint64_t some_number(struct rng *rng, uint64_t near)
{
	switch (rng_below(rng, 4)) {
	case 0:
		return near + 8 * rng_below(rng, 64);
	case 1:
		return near - 8 * rng_below(rng, 64);
	case 2:
		return rng_next(rng) >> rng_below(rng, 64);
	default:
		return UINT64_MAX << rng_below(rng, 64);
	}
}

/* Words of the records: sizes, kinds and counts mostly. */
static void change_data(struct rng *rng, struct rn_ring *ring, uint64_t start, size_t size)
{
	uint64_t at = (start + 8 * rng_below(rng, (uint32_t)(size / 8 + 2))) & (ring->size - 1);
	uint32_t word = (uint32_t)some_number(rng, 8 * rng_below(rng, 64));

	__atomic_store_n((uint32_t *)(void *)(ring->data + at), word, __ATOMIC_RELAXED);
}

static void change(struct rng *rng, struct rn_ring *ring, uint64_t start, size_t size)
{
	struct rn_ring_control *control = ring->control;

	switch (rng_below(rng, 16)) {
	case 0:
		atomic_store(&control->head, some_number(rng, atomic_load(&control->head)));
		break;
	case 1:
		atomic_store(&control->tail, some_number(rng, start));
		break;
	case 2:
		atomic_store(&control->sleeping, (uint32_t)rng_next(rng));
		break;
	case 3:
		atomic_store(&control->wake_at, some_number(rng, start));
		break;
	case 4:
		atomic_store(&control->blocked, (uint32_t)rng_next(rng));
		break;
	case 5:
		atomic_store(&control->told.calls, rng_next(rng));
		atomic_store(&control->told.lost_calls, rng_next(rng));
		break;
	case 6:
		atomic_store(&control->taken.lamport, rng_next(rng));
		break;
	case 7:
		control->size = some_number(rng, control->size);
		control->magic = rng_next(rng);
		break;
	case 8:
		sched_yield();
		break;
	case 9: /* more of the same, as long as there is room: the consumer comes round again */
		atomic_fetch_add(&control->head, 8 * rng_below(rng, (uint32_t)(size / 8 + 1)));
		rn_ring_wake(ring);
		break;
	default:
		change_data(rng, ring, start, size);
		break;
	}
}

static void begin(struct rn_ring *ring, uint64_t start)
{
	struct rn_ring_control *control = ring->control;

	memset(ring->data, 0, ring->size);
	memset(&control->told, 0, sizeof(control->told));
	memset(&control->taken, 0, sizeof(control->taken));
	control->magic = RN_RING_MAGIC;
	control->size = ring->size;
	atomic_store(&control->head, start);
	atomic_store(&control->tail, start);
	atomic_store(&control->closed, 0);
	atomic_store(&control->blocked, 0);
	atomic_store(&control->sleeping, 0);
}

int fuzz_writer(const uint8_t *data, size_t size)
{
	static struct rn_ring ring;
	uint64_t words[3] = {0}, spans;
	struct rng rng;
	rn_result result;
	rn_stats stats;
	rn_run *run;

	if (!ring.control)
		CHECK_INT(rn_ring_create(&ring, RN_RING_MIN), RN_RING_OK);
	memcpy(words, data, size < sizeof(words) ? size : sizeof(words));
	data += size < sizeof(words) ? size : sizeof(words);
	size -= size < sizeof(words) ? size : sizeof(words);
	rng.state = words[2] ? words[2] : 1;
	words[0] &= ~7ull;
	begin(&ring, words[0]);
	run = consumer(ring.fd, words[1]);
	memcpy(ring.data + (words[0] & (ring.size - 1)), data, size);
	atomic_store(&ring.control->head, words[0] + (size & ~7ull));
	rn_ring_wake(&ring);
	for (uint64_t i = 0; i < words[1] % CHANGES; i++)
		change(&rng, &ring, words[0], size);
	rn_run_cut(run);
	for (uint64_t i = 0; i < words[1] % CHANGES; i++)
		change(&rng, &ring, words[0], size);
	spans = spans_taken(run, RN_OUT_OTLP, 0);
	CHECK(rn_run_wait(run, 30000, &result));
	spans += spans_taken(run, RN_OUT_OTLP, 0);
	rn_run_stats(run, &stats);
	CHECK_INT(spans + stats.dropped_spans, stats.spans);
	rn_run_free(run);
	return 0;
}

FUZZ_TARGET(fuzz_writer);
