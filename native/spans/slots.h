/* SPDX-License-Identifier: MIT */
/* Lists that grow, and how their entries are found by a hash. Inner part of spans/. */
#ifndef RENACER_SPANS_SLOTS_H
#define RENACER_SPANS_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Index + 1 of an entry; 0 = free. A power of two of them, at least twice as many as entries. */
struct slots {
	uint32_t *slot;
	uint64_t size;
};

static inline uint64_t rn_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	return x ^ x >> 32;
}

/* Room for one more; false: no memory. */
bool rn_list_room(void **list, uint64_t n, uint64_t *cap, size_t size);
/* Room for one more of `n` entries, of which hash() gives each one's; false: no memory. */
bool rn_slots_grow(struct slots *slots, uint64_t n, uint64_t (*hash)(const void *ctx, uint64_t i),
		   const void *ctx);

#endif
