/* SPDX-License-Identifier: MIT */
/* See slots.h. */
#include "slots.h"

#include <stdlib.h>

#define FIRST_ROOM 64u
#define FIRST_SLOTS 256u

bool rn_list_room(void **list, uint64_t n, uint64_t *cap, size_t size)
{
	uint64_t more = *cap ? 2 * *cap : FIRST_ROOM;
	void *grown;

	if (n < *cap)
		return true;
	grown = realloc(*list, more * size);
	if (!grown)
		return false;
	*list = grown;
	*cap = more;
	return true;
}

bool rn_slots_grow(struct slots *slots, uint64_t n, uint64_t (*hash)(const void *, uint64_t),
		   const void *ctx)
{
	uint64_t size = slots->size ? 2 * slots->size : FIRST_SLOTS;
	uint32_t *slot;

	if (2 * (n + 1) <= slots->size)
		return true;
	slot = calloc(size, sizeof(*slot));
	if (!slot)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = hash(ctx, i) & (size - 1);

		while (slot[at])
			at = (at + 1) & (size - 1);
		slot[at] = (uint32_t)i + 1;
	}
	free(slots->slot);
	slots->slot = slot;
	slots->size = size;
	return true;
}
