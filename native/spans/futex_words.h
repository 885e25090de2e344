/* SPDX-License-Identifier: MIT */
/* Words of memory that threads wait at, and who may have woken them. Inner part of futexes.c. */
#ifndef RENACER_SPANS_FUTEX_WORDS_H
#define RENACER_SPANS_FUTEX_WORDS_H

#include "memory_map.h"

#define WORD_BUCKETS 1024u /* a power of two */

struct wake {
	struct cause cause;
	uint32_t mask;
	uint32_t left;   /* how many more it may have woken, once it has ended */
	uint32_t taken;  /* waits that it ended for certain */
	uint64_t ended;  /* seq of its exit; 0 = not yet */
	uint64_t before; /* waits at this word that were over when it began */
	bool all;        /* it has ended, and woke every one that waited meanwhile */
	bool is_end;     /* of a thread */
	bool unsure;     /* whom it wakes hangs on more than this word */
};

struct word {
	struct word *next;
	struct word_key key; /* its object is held */
	bool known;
	uint32_t waits;     /* that are under way… */
	uint64_t begun;     /* …or were */
	uint64_t merged;    /* clock of wakes that are not kept apart… */
	uint64_t merged_at; /* …and until when they may wake: UINT64_MAX = always */
	uint64_t crowded;   /* seq at which a second one queued up for a PI mutex */
	uint32_t n, cap;
	struct wake *wakes;
};

struct words {
	struct word *bucket[WORD_BUCKETS];
	uint32_t n;
};

/* All zero: none. */
void rn_words_clear(struct edges *edges, struct words *words);
/* NULL: no memory, or too many; told as a loss of records, since a cause may be missing. */
struct word *rn_word_at(struct edges *edges, struct words *words, const struct process *process,
			uint64_t address, bool is_private);
/* Forgets a word that nobody waits at and nobody is waking. */
void rn_word_leave(struct edges *edges, struct words *words, struct word *word);
void rn_word_add(struct word *word, const struct wake *wake); /* `word` may be NULL */
/*
 * The wake whose call began at `seq` has ended, at `ended`. `woken`: how many, if `counts`; else
 * it is not known.
 */
void rn_word_end(struct word *word, uint64_t seq, uint64_t ended, int64_t woken, bool counts);

#endif
