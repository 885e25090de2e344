/* SPDX-License-Identifier: MIT */
/* Which row a live thread has; inner part of the replay. */
#ifndef RENACER_RUN_PLACES_H
#define RENACER_RUN_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#define RN_NO_PLACE UINT32_MAX

struct place {
	int32_t tid;
	uint32_t row; /* RN_NO_PLACE = free */
};

/* By thread id: open addressing, a power of two of places, at most three quarters in use. */
struct places {
	struct place *at;
	uint32_t size, used;
};

/* RN_NO_PLACE: none. */
uint32_t rn_places_get(const struct places *places, int32_t tid);
/* Puts, or replaces; false: no memory. */
bool rn_places_put(struct places *places, int32_t tid, uint32_t row);
void rn_places_remove(struct places *places, int32_t tid);
void rn_places_deinit(struct places *places);

#endif
