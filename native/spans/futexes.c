/* SPDX-License-Identifier: MIT */
/*
 * Futexes; see futexes.h.
 *
 * A wait that returned 0 was woken by a wake of its word that had begun before the wait's end
 * and had not ended before its beginning. Where there is one such, that was it. A wake that woke
 * as many as it said is out of the question for others; one that woke as many as there were woke
 * each of them.
 */
#include "futexes.h"

#include <linux/futex.h>
#include <stdlib.h>

#include "call_kinds.h"
#include "futex_calls.h"
#include "futex_words.h"

#define RESTARTED (-516) /* ERESTART_RESTARTBLOCK, which no program sees */

/* What a thread that waits waits for. */
struct futex_wait {
	uint64_t seq, losses;
	uint64_t call; /* seq of the call that is in it now: another where it was restarted */
	uint32_t mask;
	bool unsure, pi;
	bool cut; /* what it waits for is not known, or not all of it */
	unsigned n;
	struct word *words[FUTEX_NAMES];
};

struct futexes {
	struct words words;
	struct cause last_end; /* of a thread: its robust mutexes are free */
	uint64_t last_end_seq;
	const char *unsure; /* why nothing is certain; NULL = it is… */
	const char *mapped; /* …and where words are that others may have, too */
};

struct futexes *rn_futexes_create(const uint64_t *wanted, bool files)
{
	struct futexes *futexes = calloc(1, sizeof(*futexes));

	if (!futexes)
		return NULL;
	if (!rn_kinds_are_wanted(wanted, CALL_FUTEX, CALL_CLONE3))
		futexes->unsure = "selection";
	if (!files || !rn_kinds_are_wanted(wanted, CALL_MMAP, CALL_SHMAT))
		futexes->mapped = "selection";
	return futexes;
}

void rn_futexes_destroy(struct edges *edges, struct futexes *futexes)
{
	if (futexes)
		rn_words_clear(edges, &futexes->words);
	free(futexes);
}

void rn_futexes_unseen(struct futexes *futexes, const char *why)
{
	if (!futexes->unsure)
		futexes->unsure = why;
}

static struct word *word_at(struct edges *edges, const struct process *process, uint64_t address,
			    bool is_private)
{
	return rn_word_at(edges, &edges->futexes->words, process, address, is_private);
}

static void leave(struct edges *edges, struct word *word)
{
	rn_word_leave(edges, &edges->futexes->words, word);
}

static void wait_for(struct thread *thread, struct word *word)
{
	struct futex_wait *wait = thread->wait;

	if (!word || wait->n == FUTEX_NAMES) {
		wait->cut = true;
		return;
	}
	word->waits++;
	word->begun++;
	wait->words[wait->n++] = word;
}

static bool may_have_woken(const struct futex_wait *wait, const struct wake *wake)
{
	return (wake->ended == 0 || wake->ended > wait->seq) && wake->mask & wait->mask &&
	       wake->taken < wake->left;
}

/* Wakes that may have ended a wait. */
struct candidates {
	unsigned n;         /* calls */
	struct wake *only;  /* the last of them… */
	struct word *place; /* …and its word */
	unsigned forced;    /* those that woke all that waited */
	struct wake *force;
	struct word *force_place;
	const char *missing; /* why there may be more; NULL = there are not */
};

/* Why this word may have been woken by what is not seen. */
static const char *hidden(const struct futexes *futexes, const struct word *word)
{
	if (word->key.kind != WORD_PRIVATE && futexes->mapped)
		return futexes->mapped;
	return !word->known || rn_word_is_foreign(&word->key) ? "untraced" : NULL;
}

static struct candidates find(const struct edges *edges, const struct futex_wait *wait,
			      struct joined *joined)
{
	struct candidates found = {.missing = edges->futexes->unsure};

	if (wait->losses != edges->losses)
		found.missing = "lost";
	for (unsigned i = 0; i < wait->n; i++) {
		struct word *word = wait->words[i];

		if (!found.missing)
			found.missing = hidden(edges->futexes, word);
		for (uint32_t k = 0; k < word->n; k++) {
			struct wake *wake = &word->wakes[k];

			if (!may_have_woken(wait, wake))
				continue;
			/* One that names two words is one cause. */
			found.n += !found.only || found.only->cause.seq != wake->cause.seq;
			found.only = wake;
			found.place = word;
			if (!wake->all)
				continue;
			found.forced++;
			found.force = wake;
			found.force_place = word;
		}
		if (word->merged_at <= wait->seq)
			continue;
		found.n += 2; /* or more */
		if (word->merged > joined->clock)
			joined->clock = word->merged;
	}
	return found;
}

static void take(struct wake *wake, struct word *word)
{
	wake->taken++;
	if (wake->ended && wake->taken >= wake->left)
		*wake = word->wakes[--word->n];
}

static void join(struct edges *edges, struct thread *thread, const struct wake *wake,
		 struct joined *joined, bool certain)
{
	rn_join(edges, thread, joined, &wake->cause, wake->is_end ? RN_EDGE_JOIN : RN_EDGE_FUTEX,
		certain);
}

/* Somebody has woken it who was not seen: who has that file is not known. */
static void woken_by_nobody(struct edges *edges, struct thread *thread, struct joined *joined)
{
	const struct futexes *futexes = edges->futexes;
	const struct futex_wait *wait = thread->wait;

	for (unsigned i = 0; i < wait->n; i++)
		if (wait->words[i]->key.object)
			rn_object_share(wait->words[i]->key.object);
	/* The owner of a robust mutex may have died: of a signal, it made no call, and its end may be
	   recorded later. */
	joined->clock = edges->in->greatest;
	if (futexes->last_end_seq > wait->seq)
		rn_join(edges, thread, joined, &futexes->last_end, RN_EDGE_JOIN, false);
	else
		rn_join_incomplete(joined, "untraced");
}

static void woken(struct edges *edges, struct thread *thread, struct joined *joined)
{
	struct futex_wait *wait = thread->wait;
	struct candidates found = find(edges, wait, joined);
	bool sure = !found.missing && !wait->unsure && !wait->cut;

	for (unsigned i = 0; i < wait->n; i++)
		sure &= !wait->pi || wait->words[i]->crowded < wait->seq;
	if (found.missing)
		rn_join_incomplete(joined, found.missing);
	if (sure && (found.forced == 1 || found.n == 1)) {
		struct wake *cause = found.forced == 1 ? found.force : found.only;

		join(edges, thread, cause, joined, true);
		take(cause, found.forced == 1 ? found.force_place : found.place);
		return;
	}
	for (unsigned i = 0; i < wait->n; i++)
		for (uint32_t k = 0; k < wait->words[i]->n; k++)
			if (may_have_woken(wait, &wait->words[i]->wakes[k]))
				join(edges, thread, &wait->words[i]->wakes[k], joined, false);
	if (sure && found.n == 0 && !wait->pi)
		woken_by_nobody(edges, thread, joined);
	if (wait->cut)
		rn_join_incomplete(joined, "futex_waitv");
	/* It may have been woken where it is not known to wait: by anybody so far. */
	if (wait->cut || wait->losses != edges->losses)
		joined->clock = edges->in->greatest;
}

/* A wait is over. `failed`: for certain nobody has woken it. */
static void end_wait(struct edges *edges, struct thread *thread, bool failed)
{
	struct futex_wait *wait = thread->wait;

	for (unsigned i = 0; i < wait->n; i++) {
		struct word *word = wait->words[i];

		word->waits--;
		for (uint32_t k = 0; failed && k < word->n; k++)
			word->wakes[k].before += word->wakes[k].ended == 0;
		leave(edges, word);
	}
	wait->n = 0;
	wait->seq = wait->call = 0;
}

static void begin_wait(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		       const struct futex_operation *op, struct word *words[FUTEX_NAMES])
{
	if (!thread->wait)
		thread->wait = calloc(1, sizeof(*thread->wait));
	if (!thread->wait) {
		edges->losses++;
		return;
	}
	*thread->wait = (struct futex_wait){
		.seq = ev->seq,
		.call = ev->seq,
		.losses = edges->losses,
		.mask = op->mask,
		.unsure = op->unsure,
		.cut = op->cut,
		.pi = op->pi,
	};
	for (unsigned i = 0; i < op->n; i++)
		wait_for(thread, words[i]);
	if (op->pi && words[0] && words[0]->waits > 1)
		words[0]->crowded = ev->seq;
}

/* All that wait at `from` may be woken at `to` from now on. */
static void requeue(struct edges *edges, struct word *from, struct word *to)
{
	struct tables *tables = &edges->in->tables;

	if (!from || !from->waits || from == to)
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
		rn_word_add(word_at(edges, thread->process, thread->clear_tid, false), &wake);
}

static void begin_wake(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		       const struct futex_operation *op, struct word *words[FUTEX_NAMES])
{
	struct wake wake = {.mask = op->mask, .left = op->most, .unsure = op->unsure};

	rn_cause_of_entry(edges, thread, ev, &wake.cause);
	if (op->wakes)
		rn_word_add(words[0], &wake);
	if (op->requeues && op->cut)
		edges->losses++; /* where those wait from now on is not known */
	else if (op->requeues)
		requeue(edges, words[0], words[1]);
	else if (op->wakes && words[1] && words[1] != words[0])
		rn_word_add(words[1], &wake);
}

void rn_futexes_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		      unsigned kind)
{
	struct futex_operation op;
	struct word *words[FUTEX_NAMES] = {NULL};

	if (kind == CALL_RESTART) {
		if (thread->wait && thread->wait->seq)
			thread->wait->call = ev->seq;
		return;
	}
	if (thread->wait &&
	    thread->wait->seq) /* it was not restarted, or nobody heard of its end */
		end_wait(edges, thread, false);
	if (kind == CALL_EXIT)
		end_of_thread(edges, thread, ev);
	if (!rn_futex_read(ev, kind, &op))
		return;
	for (unsigned i = 0; i < op.n; i++)
		words[i] = word_at(edges, thread->process, op.names[i].address,
				   op.names[i].is_private);
	if (op.waits)
		begin_wait(edges, thread, ev, &op, words);
	else
		begin_wake(edges, thread, ev, &op, words);
	for (unsigned i = 0; i < op.n; i++) {
		for (unsigned k = 0; k < i && words[i]; k++)
			if (words[k] == words[i])
				words[i] = NULL;
		if (words[i])
			leave(edges, words[i]);
	}
}

void rn_futexes_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		     unsigned kind, struct joined *joined)
{
	uint64_t ended = call->exit == NULL          ? call->seq + 1
			 : call->exit == call->entry ? call->seq + 1
						     : call->exit->seq;
	bool counted = !(call->flags & RN_FLAG_UNFINISHED);
	struct futex_operation op;

	if (thread->wait && thread->wait->seq && thread->wait->call == call->seq) {
		bool failed = call->flags & RN_FLAG_FAILED || call->result < 0;

		if (call->result == RESTARTED)
			return;
		if (counted && !failed)
			woken(edges, thread, joined);
		end_wait(edges, thread, counted && failed);
		return;
	}
	if (!rn_futex_read(call->entry, kind, &op) || op.waits)
		return;
	for (unsigned i = 0; i < op.n && i < 2; i++) {
		struct word *word = word_at(edges, thread->process, op.names[i].address,
					    op.names[i].is_private);

		if (!word)
			continue;
		rn_word_end(word, call->seq, ended, call->result, counted && !op.pi);
		leave(edges, word);
	}
}

void rn_futexes_gone(struct edges *edges, struct thread *thread, uint64_t seq)
{
	if (thread->wait && thread->wait->seq)
		end_wait(edges, thread, false);
	free(thread->wait);
	thread->wait = NULL;
	if (thread->clear_tid) {
		struct word *word = word_at(edges, thread->process, thread->clear_tid, false);

		thread->clear_tid = 0;
		for (uint32_t i = 0; word && i < word->n; i++)
			if (word->wakes[i].is_end && word->wakes[i].cause.tid == thread->tid)
				word->wakes[i].ended = seq;
		if (word)
			leave(edges, word);
	}
}
