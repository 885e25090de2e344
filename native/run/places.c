/* SPDX-License-Identifier: MIT */
#include "places.h"

#include <stdlib.h>

#define FIRST_SIZE 64u

static uint32_t home(const struct places *places, int32_t tid)
{
	return (uint32_t)((uint64_t)(uint32_t)tid * 0x9e3779b97f4a7c15ull >> 32) &
	       (places->size - 1);
}

/* Where the thread is, or would be. There is a free place. */
static uint32_t find(const struct places *places, int32_t tid)
{
	uint32_t i = home(places, tid);

	while (places->at[i].row != RN_NO_PLACE && places->at[i].tid != tid)
		i = (i + 1) & (places->size - 1);
	return i;
}

uint32_t rn_places_get(const struct places *places, int32_t tid)
{
	return places->size ? places->at[find(places, tid)].row : RN_NO_PLACE;
}

static bool grow(struct places *places)
{
	struct places more = {.size = places->size ? 2 * places->size : FIRST_SIZE,
			      .used = places->used};

	more.at = malloc(more.size * sizeof(*more.at));
	if (!more.at)
		return false;
	for (uint32_t i = 0; i < more.size; i++)
		more.at[i].row = RN_NO_PLACE;
	for (uint32_t i = 0; i < places->size; i++)
		if (places->at[i].row != RN_NO_PLACE)
			more.at[find(&more, places->at[i].tid)] = places->at[i];
	free(places->at);
	*places = more;
	return true;
}

bool rn_places_put(struct places *places, int32_t tid, uint32_t row)
{
	uint32_t i;

	if (places->used >= places->size / 4 * 3 && !grow(places) &&
	    places->used + 1 >= places->size)
		return false;
	i = find(places, tid);
	places->used += places->at[i].row == RN_NO_PLACE;
	places->at[i] = (struct place){tid, row};
	return true;
}

/* What stands behind a freed place, and may have been pushed there by it, moves up. */
void rn_places_remove(struct places *places, int32_t tid)
{
	uint32_t mask = places->size - 1;
	uint32_t hole, i;

	if (places->size == 0)
		return;
	hole = find(places, tid);
	if (places->at[hole].row == RN_NO_PLACE)
		return;
	places->used--;
	for (i = (hole + 1) & mask; places->at[i].row != RN_NO_PLACE; i = (i + 1) & mask) {
		uint32_t from = home(places, places->at[i].tid);

		if (((i - from) & mask) < ((i - hole) & mask))
			continue;
		places->at[hole] = places->at[i];
		hole = i;
	}
	places->at[hole].row = RN_NO_PLACE;
}

void rn_places_deinit(struct places *places)
{
	free(places->at);
	*places = (struct places){0};
}
