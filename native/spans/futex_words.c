/* SPDX-License-Identifier: MIT */
/* Words that threads wait at; see futex_words.h. */
#include "futex_words.h"

#include <stdlib.h>

#define WORDS_MAX 65536u
#define WAKES_MAX 32u /* of one word, that are kept apart */

static void drop(struct edges *edges, struct words *words, struct word **at)
{
	struct word *word = *at;

	*at = word->next;
	if (word->key.object)
		rn_object_put(edges->in->objects, word->key.object);
	free(word->wakes);
	free(word);
	words->n--;
}

void rn_words_clear(struct edges *edges, struct words *words)
{
	for (unsigned i = 0; i < WORD_BUCKETS; i++)
		while (words->bucket[i])
			drop(edges, words, &words->bucket[i]);
}

static struct word **bucket_of(struct words *words, const struct word_key *key)
{
	uint64_t hash = (key->where * 31 + key->offset / 4) * 0x9e3779b97f4a7c15ull;

	return &words->bucket[hash >> 54];
}
_Static_assert(WORD_BUCKETS == 1u << (64 - 54), "bits of a hash");

struct word *rn_word_at(struct edges *edges, struct words *words, const struct process *process,
			uint64_t address, bool is_private)
{
	struct word_key key;
	bool known = rn_word_key(process, address, is_private, &key);
	struct word **bucket = bucket_of(words, &key);
	struct word *word = *bucket;

	while (word && (word->key.where != key.where || word->key.offset != key.offset ||
			word->key.kind != key.kind))
		word = word->next;
	if (word) {
		word->known &= known;
		return word;
	}
	word = words->n < WORDS_MAX ? calloc(1, sizeof(*word)) : NULL;
	if (!word) {
		edges->losses++;
		return NULL;
	}
	word->key = key;
	if (key.object)
		rn_object_hold(key.object);
	word->known = known;
	word->next = *bucket;
	*bucket = word;
	words->n++;
	return word;
}

void rn_word_leave(struct edges *edges, struct words *words, struct word *word)
{
	struct word **at = bucket_of(words, &word->key);

	if (word->waits)
		return;
	/* Wakes that have ended are nothing to waits that begin later. */
	for (uint32_t i = 0; i < word->n;) {
		if (word->wakes[i].ended)
			word->wakes[i] = word->wakes[--word->n];
		else
			i++;
	}
	if (word->n)
		return;
	while (*at != word)
		at = &(*at)->next;
	drop(edges, words, at);
}

void rn_word_add(struct word *word, const struct wake *wake)
{
	if (!word)
		return;
	if (word->n == word->cap && word->cap < WAKES_MAX) {
		uint32_t cap = word->cap ? 2 * word->cap : 4;
		struct wake *grown = realloc(word->wakes, cap * sizeof(*grown));

		if (grown) {
			word->wakes = grown;
			word->cap = cap;
		}
	}
	if (word->n < word->cap) {
		word->wakes[word->n] = *wake;
		word->wakes[word->n++].before = word->begun - word->waits;
		return;
	}
	if (wake->cause.clock > word->merged)
		word->merged = wake->cause.clock;
	word->merged_at = UINT64_MAX;
}

void rn_word_end(struct word *word, uint64_t seq, uint64_t ended, int64_t woken, bool counts)
{
	for (uint32_t i = 0; i < word->n; i++) {
		struct wake *wake = &word->wakes[i];
		uint64_t waited = word->begun - wake->before;

		if (wake->cause.seq != seq)
			continue;
		wake->ended = ended;
		if (woken <= 0 && counts) {
			*wake = word->wakes[--word->n]; /* it woke nobody */
			return;
		}
		counts = counts && !wake->unsure && (uint64_t)woken < UINT32_MAX;
		wake->left = counts ? (uint32_t)woken : UINT32_MAX;
		wake->all = counts && (uint64_t)woken == waited;
		/* One waited, too, who is not traced. */
		if (counts && (uint64_t)woken > waited && word->key.object)
			rn_object_share(word->key.object);
		if (wake->left <= wake->taken)
			*wake = word->wakes[--word->n];
		return;
	}
}
