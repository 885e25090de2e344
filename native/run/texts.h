/* SPDX-License-Identifier: MIT */
/* Strings of bytes, each kept once (but for some made to meet in the hash); inner part of the replay. */
#ifndef RENACER_RUN_TEXTS_H
#define RENACER_RUN_TEXTS_H

#include "columns.h"

struct texts {
	struct column rows; /* rn_replay_text; the first is the empty one */
	struct column bytes; /* of all, one behind the other */
	uint32_t *slots; /* rows by their hash, 0 = free; a power of two, half of it in use */
	uint32_t size;
};

void rn_texts_init(struct texts *texts);
/* The row of these bytes, a new one where they are met first; 0: none, or no memory (counted). */
uint32_t rn_texts_row(struct texts *texts, struct allowance *allowance, const void *data,
		      size_t len);
/* Frees what only adding needs. */
void rn_texts_finish(struct texts *texts, struct allowance *allowance);
void rn_texts_deinit(struct texts *texts);

#endif
