/* SPDX-License-Identifier: MIT */
/*
 * Any content of a ring, and any control words: what is read is whole records, the
 * consumer comes to the producer's head, and it ends.
 *
 * Input: u64 head, u64 tail, u32 sleeping, u32 blocked, then bytes from `tail` on.
 */
#include "fuzz.h"
#include "ringtool.h"

static _Alignas(8) uint8_t buf[RN_EVENT_MAX];

static void read_all(struct rn_ring *ring)
{
	uint64_t head = atomic_load(&ring->control->head);
	unsigned corrupt = 0;

	for (;;) {
		uint64_t tail = ring->tail;
		int64_t got = rn_ring_read(ring, buf, sizeof(buf));

		CHECK(ring->tail == atomic_load(&ring->control->tail));
		if (got == 0)
			break;
		if (got < 0) {
			CHECK_INT(got, RN_RING_CORRUPT);
			CHECK(ring->tail == head);
			corrupt++;
			continue;
		}
		CHECK((uint64_t)got <= ring->size && got <= (int64_t)sizeof(buf));
		CHECK(ring->tail == tail + (uint64_t)got);
		for (int64_t at = 0; at < got;) {
			uint32_t size = rn_event_check(buf + at, (size_t)(got - at));

			CHECK(size != 0);
			at += size;
		}
	}
	CHECK(ring->tail == head);
	CHECK(corrupt <= 1);
}

int fuzz_ring(const uint8_t *data, size_t size)
{
	static struct rn_ring producer, consumer;
	struct rn_ring_control *control;
	uint64_t words[3] = {0}, spill;

	if (!producer.control)
		CHECK_INT(rn_ring_create(&producer, RN_RING_MIN), RN_RING_OK);
	memcpy(words, data, size < sizeof(words) ? size : sizeof(words));
	data += size < sizeof(words) ? size : sizeof(words);
	size -= size < sizeof(words) ? size : sizeof(words);
	if (size > producer.size)
		size = producer.size;
	control = producer.control;
	/* Mostly a head that could be: as many bytes behind the tail as there are. */
	if (words[0] >> 60 != 0xf)
		words[0] = words[1] + size - (words[0] >> 60 == 0 ? size % 8 : 0);
	atomic_store(&control->head, words[0]);
	atomic_store(&control->tail, words[1]);
	atomic_store(&control->closed, 1);
	atomic_store(&control->sleeping, (uint32_t)words[2]);
	atomic_store(&control->blocked, (uint32_t)(words[2] >> 32));
	CHECK_INT(rn_ring_attach(&consumer, producer.fd), RN_RING_OK);
	memcpy(producer.data + (words[1] & (producer.size - 1)), data, size);
	read_all(&consumer);
	rn_ring_sleep(&consumer, 8, 1); /* closed: at once */
	/* A producer whose consumer moves its tail about writes within the ring or not at all. */
	producer.head = words[0] & ~7ull;
	producer.cached_tail = words[2];
	atomic_store(&control->tail, words[2]);
	if (rn_ring_reserve(&producer, RN_EVENT_MAX, true)) {
		spill = (producer.head & (producer.size - 1)) + RN_EVENT_MAX;
		CHECK(spill <= 2 * producer.size);
	}
	rn_ring_deinit(&consumer);
	return 0;
}

FUZZ_TARGET(fuzz_ring);
