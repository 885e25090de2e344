/* SPDX-License-Identifier: MIT */
/* Records made up for tests: whole ones, piece by piece, and random ones from a seed. */
#ifndef RENACER_TESTS_RECORDS_H
#define RENACER_TESTS_RECORDS_H

#include "check.h"
#include "renacer/event.h"

/* xorshift64*: the same numbers for the same seed on every machine. */
struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	rng->state ^= rng->state >> 12;
	rng->state ^= rng->state << 25;
	rng->state ^= rng->state >> 27;
	return rng->state * 0x2545f4914f6cdd1dull;
}

/* From 0 to n - 1. */
static inline uint32_t rng_below(struct rng *rng, uint32_t n)
{
	return (uint32_t)((rng_next(rng) >> 32) * n >> 32);
}

/* A record without pieces at `bytes`, which is 8-byte aligned. */
static inline struct rn_event *record_begin(void *bytes, enum rn_kind kind, int32_t tid,
					    int32_t pid)
{
	struct rn_event *ev = bytes;

	memset(ev, 0, sizeof(*ev));
	ev->size = RN_EVENT_HEADER;
	ev->kind = (uint8_t)kind;
	ev->tid = tid;
	ev->pid = pid;
	return ev;
}

/* Appends a piece; the caller has the room. */
static inline void record_piece(struct rn_event *ev, enum rn_piece_type type, unsigned arg,
				unsigned flags, const void *data, uint32_t len)
{
	struct rn_piece *piece = (struct rn_piece *)((uint8_t *)ev + ev->size);

	memset(piece, 0, sizeof(*piece) + rn_pad8(len));
	piece->type = (uint8_t)type;
	piece->arg = (uint8_t)arg;
	piece->flags = (uint16_t)flags;
	piece->len = len;
	piece->total = len;
	if (len)
		memcpy(piece + 1, data, len);
	ev->size += (uint32_t)sizeof(*piece) + rn_pad8(len);
	ev->pieces++;
}

/* 10 with RENACER_TEST_SCALE=full, else 1: factor for sizes and counts. */
static inline unsigned test_scale(void)
{
	const char *scale = getenv("RENACER_TEST_SCALE");

	return scale && strcmp(scale, "full") == 0 ? 10 : 1;
}

/* RENACER_TEST_SEED, or a fixed number; told, so that a failure can be had again. */
static inline struct rng test_rng(void)
{
	const char *seed = getenv("RENACER_TEST_SEED");
	struct rng rng = {seed ? strtoull(seed, NULL, 0) : 0x5eed5eed5eedull};

	if (rng.state == 0)
		rng.state = 1;
	printf("RENACER_TEST_SEED=%#llx\n", (unsigned long long)rng.state);
	return rng;
}

#endif
