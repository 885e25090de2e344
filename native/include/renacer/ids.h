/* SPDX-License-Identifier: MIT */
/*
 * Span ids: a keyed bijection of a counter. Never zero, never repeated, no random
 * call per span, and the same on both sides of the ring: the engine writes a
 * process's span id into its environment, the interpreter exports it, and a reader
 * of a TRACE file finds it again from key and counter.
 *
 *   counter of a call     = seq of its entry          (1 … 2^62)
 *   counter of a span of a later part, but for calls: its root, copies of processes
 *                         = 2^62 + how many there were before it (from 1)
 *   counter of a process  = 2^63 + its ordinal        (from 1)
 *   counter of the run    = 2^63
 *   counter of an image   = 2^63 + 2^62 + seq of the exec that began it, where the
 *                           exec moved the process into a foreign trace
 */
#ifndef RENACER_IDS_H
#define RENACER_IDS_H

#include <stdbool.h>
#include <stdint.h>

struct rn_id_key {
	uint64_t k0, k1;
};

#define RN_ID_PART (1ull << 62)
#define RN_ID_RUN (1ull << 63)
#define RN_ID_IMAGE ((1ull << 63) | (1ull << 62))

uint64_t rn_id_of(const struct rn_id_key *key, uint64_t counter);

/* The counter behind an id; of an id that we never made, some other number. */
uint64_t rn_id_counter(const struct rn_id_key *key, uint64_t id);

static inline uint64_t rn_id_of_process(const struct rn_id_key *key, uint64_t ordinal)
{
	return rn_id_of(key, RN_ID_RUN | ordinal);
}

#endif
