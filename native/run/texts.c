/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "renacer/replay.h"

#define FIRST_SIZE 1024u
#define PROBES 256u /* paths may be chosen to meet in the hash */

void rn_texts_init(struct texts *texts)
{
	*texts = (struct texts){.rows.size = sizeof(rn_replay_text), .bytes.size = 1};
}

/* FNV-1a. */
static uint32_t hash_of(const uint8_t *data, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 0x100000001b3ull;
	return (uint32_t)(hash ^ hash >> 32);
}

static rn_replay_text *text_at(const struct texts *texts, uint32_t row)
{
	return (rn_replay_text *)texts->rows.rows + row;
}

static bool grow(struct texts *texts, struct allowance *allowance)
{
	uint32_t size = texts->size ? 2 * texts->size : FIRST_SIZE;
	uint64_t more = (uint64_t)(size - texts->size) * sizeof(*texts->slots);
	uint32_t *slots;

	if (size == 0 || more > allowance->room)
		return false;
	slots = calloc(size, sizeof(*slots));
	if (!slots)
		return false;
	allowance->room -= more;
	for (uint32_t row = 1; row < texts->rows.n; row++) {
		uint32_t i = text_at(texts, row)->hash & (size - 1);
		uint32_t left = PROBES;

		while (slots[i] && --left)
			i = (i + 1) & (size - 1);
		if (left)
			slots[i] = row;
	}
	free(texts->slots);
	texts->slots = slots;
	texts->size = size;
	return true;
}

static uint32_t add(struct texts *texts, struct allowance *allowance, const void *data, size_t len,
		    uint32_t hash)
{
	uint64_t at = texts->bytes.n;
	uint8_t *bytes = rn_rows_add(allowance, &texts->bytes, len);
	rn_replay_text *text = bytes ? rn_rows_add(allowance, &texts->rows, 1) : NULL;

	if (!text) {
		texts->bytes.n = at;
		return 0;
	}
	memcpy(bytes, data, len);
	*text = (rn_replay_text){.at = at, .len = (uint32_t)len, .hash = hash};
	return (uint32_t)(texts->rows.n - 1);
}

uint32_t rn_texts_row(struct texts *texts, struct allowance *allowance, const void *data,
		      size_t len)
{
	uint32_t hash = hash_of(data, len);
	uint32_t left = PROBES;
	uint32_t row, i;

	if (len == 0)
		return 0;
	if (texts->rows.n == 0 && !rn_rows_add(allowance, &texts->rows, 1))
		return 0;
	if (texts->rows.n >= texts->size / 2 && !grow(texts, allowance)) {
		allowance->missed++;
		return 0;
	}
	for (i = hash & (texts->size - 1); texts->slots[i] && --left;
	     i = (i + 1) & (texts->size - 1)) {
		const rn_replay_text *text = text_at(texts, texts->slots[i]);

		if (text->hash == hash && text->len == len &&
		    memcmp(texts->bytes.rows + text->at, data, len) == 0)
			return texts->slots[i];
	}
	row = add(texts, allowance, data, len, hash);
	if (left)
		texts->slots[i] = row;
	return row;
}

void rn_texts_finish(struct texts *texts, struct allowance *allowance)
{
	free(texts->slots);
	allowance->room += texts->size * sizeof(*texts->slots);
	texts->slots = NULL;
	texts->size = 0;
}

void rn_texts_deinit(struct texts *texts)
{
	free(texts->slots);
	free(texts->rows.rows);
	free(texts->bytes.rows);
}
