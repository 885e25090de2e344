/* SPDX-License-Identifier: MIT */
/*
 * Futexes; see futexes.h.
 *
 * A wait that returned 0 was woken by a wake of its word that had begun before the wait's end
 * and had not ended before its beginning. Where there is one such, that was it. A wake that woke
 * as many as it said is out of the question for others.
 */
#include "futexes.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>

#include "call_kinds.h"
#include "memory_map.h"

#define WORD_BUCKETS 1024u /* a power of two */
#define WORDS_MAX 65536u
#define WAKES_MAX 32u /* of one word, that are kept apart */
#define WAIT_WORDS 8u

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

struct wake {
	struct cause cause;
	uint32_t mask;
	uint32_t left;    /* how many more it may have woken, once it has ended */
	uint32_t taken;   /* waits that it ended for certain */
	uint64_t ended;   /* seq of its exit; 0 = not yet */
	bool is_end;      /* of a thread */
	bool unsure;      /* whom it wakes hangs on more than this word */
};

struct word {
	struct word *next;
	struct word_key key;
	bool known;
	uint32_t waits;     /* that are under way */
	uint64_t merged;    /* clock of wakes that are not kept apart… */
	uint64_t merged_at; /* …and until when they may wake: UINT64_MAX = always */
	uint64_t crowded;   /* seq at which a second one queued up for a PI mutex */
	uint32_t n, cap;
	struct wake *wakes;
};

/* What a thread that waits waits for. */
struct futex_wait {
	uint64_t seq, losses;
	uint32_t mask;
	bool unsure, pi;
	unsigned n;
	struct word *words[WAIT_WORDS];
};

struct futexes {
	struct word *bucket[WORD_BUCKETS];
	uint32_t n;
	struct cause last_end; /* of a thread: its robust mutexes are free */
	uint64_t last_end_seq;
};

struct futexes *rn_futexes_create(void)
{
	return calloc(1, sizeof(struct futexes));
}

void rn_futexes_destroy(struct futexes *futexes)
{
	for (unsigned i = 0; futexes && i < WORD_BUCKETS; i++)
		while (futexes->bucket[i]) {
			struct word *word = futexes->bucket[i];

			futexes->bucket[i] = word->next;
			free(word->wakes);
			free(word);
		}
	free(futexes);
}

static struct word **bucket_of(struct futexes *futexes, const struct word_key *key)
{
	uint64_t hash = (key->where * 31 + key->offset / 4) * 0x9e3779b97f4a7c15ull;

	return &futexes->bucket[hash >> 54];
}
_Static_assert(WORD_BUCKETS == 1u << (64 - 54), "bits of a hash");

static struct word *word_at(struct edges *edges, const struct process *process, uint64_t address,
			    bool is_private)
{
	struct futexes *futexes = edges->futexes;
	struct word_key key;
	bool known = rn_word_key(process, address, is_private, &key);
	struct word **bucket = bucket_of(futexes, &key);
	struct word *word = *bucket;

	while (word && (word->key.where != key.where || word->key.offset != key.offset ||
			word->key.kind != key.kind))
		word = word->next;
	if (word || futexes->n == WORDS_MAX)
		return word;
	word = calloc(1, sizeof(*word));
	if (!word)
		return NULL;
	word->key = key;
	word->known = known;
	word->next = *bucket;
	*bucket = word;
	futexes->n++;
	return word;
}

static void drop_if_idle(struct futexes *futexes, struct word *word)
{
	struct word **at = bucket_of(futexes, &word->key);

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
	*at = word->next;
	free(word->wakes);
	free(word);
	futexes->n--;
}

static void add_wake(struct word *word, const struct wake *wake)
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
		word->wakes[word->n++] = *wake;
		return;
	}
	if (wake->cause.clock > word->merged)
		word->merged = wake->cause.clock;
	word->merged_at = UINT64_MAX;
}

/* A futex call as all its forms say it. */
struct operation {
	bool waits, wakes, requeues, pi, private1, private2;
	uint64_t address, address2;
	uint32_t mask;
	bool unsure; /* its result does not say how many it woke at each word */
};

static bool read_futex(const struct rn_event *ev, struct operation *op)
{
	uint32_t code = (uint32_t)ev->args[1];
	uint32_t command = code & ~(uint32_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);

	*op = (struct operation){
		.address = ev->args[0],
		.private1 = code & FUTEX_PRIVATE_FLAG,
		.private2 = code & FUTEX_PRIVATE_FLAG,
		.mask = FUTEX_BITSET_MATCH_ANY,
	};
	switch (command) {
	case FUTEX_WAIT_BITSET:
		op->mask = (uint32_t)ev->args[5];
		op->waits = true;
		break;
	case FUTEX_WAIT:
		op->waits = true;
		break;
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		op->waits = op->pi = true;
		break;
	case FUTEX_WAIT_REQUEUE_PI:
		op->waits = op->pi = op->unsure = true;
		op->address2 = ev->args[4];
		break;
	case FUTEX_WAKE_BITSET:
		op->mask = (uint32_t)ev->args[5];
		op->wakes = true;
		break;
	case FUTEX_WAKE:
		op->wakes = true;
		break;
	case FUTEX_UNLOCK_PI:
		op->wakes = op->pi = true;
		break;
	case FUTEX_WAKE_OP:
		op->wakes = op->unsure = true;
		op->address2 = ev->args[4];
		break;
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_CMP_REQUEUE_PI:
		op->wakes = (int32_t)ev->args[2] > 0;
		op->unsure = command != FUTEX_REQUEUE;
		op->requeues = true;
		op->address2 = ev->args[4];
		break;
	default:
		return false;
	}
	return true;
}

static bool read_operation(const struct rn_event *ev, unsigned kind, struct operation *op)
{
	switch (kind) {
	case CALL_FUTEX:
		return read_futex(ev, op);
	case CALL_FUTEX_WAIT:
		*op = (struct operation){
			.address = ev->args[0],
			.mask = (uint32_t)ev->args[2],
			.private1 = ev->args[3] & FUTEX_PRIVATE_FLAG,
			.waits = true,
		};
		return true;
	case CALL_FUTEX_WAKE:
		*op = (struct operation){
			.address = ev->args[0],
			.mask = (uint32_t)ev->args[1],
			.private1 = ev->args[3] & FUTEX_PRIVATE_FLAG,
			.wakes = true,
		};
		return true;
	default:
		return false;
	}
}

static void wait_for(struct thread *thread, struct word *word)
{
	struct futex_wait *wait = thread->wait;

	if (!word || wait->n == WAIT_WORDS) {
		wait->unsure = true;
		return;
	}
	word->waits++;
	wait->words[wait->n++] = word;
}

/* The list of struct futex_waitv, as captured; uval, uaddr, flags, reserved. */
static void read_vector(struct edges *edges, struct thread *thread, const struct rn_event *ev,
			bool wait, struct word *words[2])
{
	uint64_t n = (uint32_t)ev->args[1], seen = 0;

	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p)) {
		if (p->arg != 0 || p->type != RN_PIECE_STRUCT)
			continue;
		for (uint32_t at = 0; at + 24 <= p->len; at += 24, seen++) {
			uint64_t address;
			uint32_t flags;
			struct word *word;

			memcpy(&address, rn_piece_data(p) + at + 8, 8);
			memcpy(&flags, rn_piece_data(p) + at + 16, 4);
			word = word_at(edges, thread->process, address, flags & FUTEX_PRIVATE_FLAG);
			if (wait)
				wait_for(thread, word);
			else if (seen < 2)
				words[seen] = word;
		}
	}
	if (wait && seen < n)
		thread->wait->unsure = true;
}

static bool may_have_woken(const struct futex_wait *wait, const struct wake *wake)
{
	return (wake->ended == 0 || wake->ended > wait->seq) && wake->mask & wait->mask;
}

/* A wait is over, woken or not. */
static void end_wait(struct edges *edges, struct thread *thread, bool woken, struct joined *joined)
{
	struct futex_wait *wait = thread->wait;
	struct wake *only = NULL;
	struct word *only_word = NULL;
	unsigned n = 0;
	bool unsure = wait->unsure || wait->losses != edges->losses;

	for (unsigned i = 0; woken && i < wait->n; i++) {
		struct word *word = wait->words[i];

		unsure |= !word->known || (wait->pi && word->crowded >= wait->seq);
		if (word->merged_at > wait->seq) {
			unsure = true;
			if (word->merged > joined->clock)
				joined->clock = word->merged;
		}
		for (uint32_t k = 0; k < word->n; k++) {
			if (!may_have_woken(wait, &word->wakes[k]))
				continue;
			/* One that names two words is one cause. */
			n += !only || only->cause.seq != word->wakes[k].cause.seq;
			only = &word->wakes[k];
			only_word = word;
		}
	}
	if (woken && wait->losses != edges->losses)
		rn_join_incomplete(joined, "lost");
	for (unsigned i = 0; n && i < wait->n; i++)
		for (uint32_t k = 0; k < wait->words[i]->n; k++) {
			struct wake *wake = &wait->words[i]->wakes[k];

			if (may_have_woken(wait, wake))
				rn_join(edges, thread, joined, &wake->cause,
					wake->is_end ? RN_EDGE_JOIN : RN_EDGE_FUTEX,
					n == 1 && !unsure);
		}
	if (n == 1 && !unsure) {
		only->taken++;
		if (only->ended && only->taken >= only->left)
			*only = only_word->wakes[--only_word->n];
	} else if (woken && n == 0 && edges->futexes->last_end_seq > wait->seq) {
		/* The owner of a robust mutex has died. */
		rn_join(edges, thread, joined, &edges->futexes->last_end, RN_EDGE_JOIN, false);
	}
	for (unsigned i = 0; i < wait->n; i++) {
		wait->words[i]->waits--;
		drop_if_idle(edges->futexes, wait->words[i]);
	}
	wait->n = 0;
	wait->seq = 0;
}

static bool begin_wait(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		       uint32_t mask, bool unsure)
{
	struct joined nothing;

	if (!thread->wait)
		thread->wait = calloc(1, sizeof(*thread->wait));
	if (!thread->wait)
		return false;
	if (thread->wait->n) { /* nobody heard of its end */
		rn_joined_begin(edges, &nothing);
		end_wait(edges, thread, false, &nothing);
	}
	*thread->wait = (struct futex_wait){
		.seq = ev->seq,
		.losses = edges->losses,
		.mask = mask,
		.unsure = unsure,
	};
	return true;
}

/* All that wait at `from` may be woken at `to` from now on. */
static void requeue(struct edges *edges, struct word *from, struct word *to)
{
	struct tables *tables = &edges->in->tables;

	if (!from || !to || !from->waits || from == to)
		return;
	for (unsigned i = 0; i < THREAD_BUCKETS; i++)
		for (struct thread *t = tables->bucket[i]; t; t = t->next)
			for (unsigned n = 0; t->wait && n < t->wait->n; n++)
				if (t->wait->words[n] == from) {
					wait_for(t, to);
					break;
				}
}

static void end_of_thread(struct edges *edges, struct thread *thread, const struct rn_event *ev)
{
	struct wake wake = {.mask = FUTEX_BITSET_MATCH_ANY, .left = 1, .is_end = true};

	rn_cause_of_entry(edges, thread, ev, &wake.cause);
	edges->futexes->last_end = wake.cause;
	edges->futexes->last_end_seq = ev->seq;
	if (thread->clear_tid)
		add_wake(word_at(edges, thread->process, thread->clear_tid, false), &wake);
}

void rn_futexes_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		      unsigned kind)
{
	struct operation op;
	struct wake wake = {.ended = 0};
	struct word *words[2] = {NULL, NULL};

	if (kind == CALL_EXIT) {
		end_of_thread(edges, thread, ev);
		return;
	}
	if (kind == CALL_FUTEX_WAITV) {
		if (begin_wait(edges, thread, ev, FUTEX_BITSET_MATCH_ANY, false))
			read_vector(edges, thread, ev, true, NULL);
		return;
	}
	if (kind == CALL_FUTEX_REQUEUE) {
		read_vector(edges, thread, ev, false, words);
		op = (struct operation){
			.wakes = (int32_t)ev->args[2] > 0,
			.requeues = true,
			.unsure = true,
			.mask = FUTEX_BITSET_MATCH_ANY,
		};
	} else {
		if (!read_operation(ev, kind, &op))
			return;
		if (op.waits && !begin_wait(edges, thread, ev, op.mask, op.unsure))
			return;
		words[0] = word_at(edges, thread->process, op.address, op.private1);
		if (op.address2)
			words[1] = word_at(edges, thread->process, op.address2, op.private2);
	}
	if (op.waits) {
		wait_for(thread, words[0]);
		if (words[1])
			wait_for(thread, words[1]);
		thread->wait->pi = op.pi;
		if (op.pi && words[0] && words[0]->waits > 1)
			words[0]->crowded = ev->seq;
		return;
	}
	rn_cause_of_entry(edges, thread, ev, &wake.cause);
	wake.mask = op.mask;
	wake.unsure = op.unsure;
	if (op.wakes) {
		add_wake(words[0], &wake);
		if (words[1] && !op.requeues)
			add_wake(words[1], &wake);
	}
	if (op.requeues)
		requeue(edges, words[0], words[1]);
	for (unsigned i = 0; i < 2; i++)
		if (words[i] && words[1 - i] != words[i])
			drop_if_idle(edges->futexes, words[i]);
}

static void end_wake(struct futexes *futexes, struct word *word, uint64_t seq, uint64_t ended,
		     int64_t woken, bool counts)
{
	for (uint32_t i = 0; i < word->n; i++) {
		struct wake *wake = &word->wakes[i];

		if (wake->cause.seq != seq)
			continue;
		wake->ended = ended;
		if (woken <= 0 && counts) {
			*wake = word->wakes[--word->n]; /* it woke nobody */
			break;
		}
		wake->left = counts && !wake->unsure && (uint64_t)woken < UINT32_MAX
				     ? (uint32_t)woken
				     : UINT32_MAX;
		if (wake->left <= wake->taken)
			*wake = word->wakes[--word->n];
		break;
	}
	drop_if_idle(futexes, word);
}

void rn_futexes_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		     unsigned kind, struct joined *joined)
{
	uint64_t ended = call->exit == NULL          ? call->seq + 1
			 : call->exit == call->entry ? call->seq + 1
						     : call->exit->seq;
	bool counted = !(call->flags & RN_FLAG_UNFINISHED);
	struct operation op;
	struct word *words[2] = {NULL, NULL};

	if (kind == CALL_EXIT)
		return;
	if (thread->wait && thread->wait->seq == call->seq) {
		bool woken = counted && !(call->flags & RN_FLAG_FAILED) && call->result >= 0;

		end_wait(edges, thread, woken, joined);
		return;
	}
	if (kind == CALL_FUTEX_REQUEUE)
		read_vector(edges, thread, call->entry, false, words);
	else if (read_operation(call->entry, kind, &op) && !op.waits)
		words[0] = word_at(edges, thread->process, op.address, op.private1);
	else
		return;
	if (kind == CALL_FUTEX && op.address2)
		words[1] = word_at(edges, thread->process, op.address2, op.private2);
	if (words[1] == words[0])
		words[1] = NULL;
	for (unsigned i = 0; i < 2; i++)
		if (words[i])
			end_wake(edges->futexes, words[i], call->seq, ended, call->result,
				 counted && !(kind == CALL_FUTEX && op.pi));
}

void rn_futexes_gone(struct edges *edges, struct thread *thread, uint64_t seq)
{
	struct joined nothing;

	if (thread->wait && thread->wait->seq) {
		rn_joined_begin(edges, &nothing);
		end_wait(edges, thread, false, &nothing);
	}
	free(thread->wait);
	thread->wait = NULL;
	if (thread->clear_tid) {
		struct word *word = word_at(edges, thread->process, thread->clear_tid, false);

		thread->clear_tid = 0;
		for (uint32_t i = 0; word && i < word->n; i++)
			if (word->wakes[i].is_end && word->wakes[i].cause.tid == thread->tid)
				word->wakes[i].ended = seq;
		if (word)
			drop_if_idle(edges->futexes, word);
	}
}
