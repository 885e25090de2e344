/* SPDX-License-Identifier: MIT */
/*
 * The user's regular expressions, run all at once as an automaton: a text of n bytes takes n steps
 * of at most one look at each state, whatever stands in it. What is marked is all that is in any
 * match; so no choice between matches is to be made, and none is ever tried again.
 */
#include <stdlib.h>

#include "redact_pattern.h"

static bool holds(uint8_t assertion, const uint8_t *data, size_t len, size_t at)
{
	bool before = at && (byte_is(data[at - 1], BYTE_ALNUM) || data[at - 1] == '_');
	bool after = at < len && (byte_is(data[at], BYTE_ALNUM) || data[at] == '_');

	switch (assertion) {
	case ASSERT_BEGIN:
		return at == 0;
	case ASSERT_END:
		return at == len;
	case ASSERT_EDGE:
		return before != after;
	default:
		return before == after;
	}
}

/* Where matches may stand: the state, and where the earliest of them began. */
struct thread {
	size_t from;
	uint16_t state;
};

struct threads {
	struct thread *list;
	size_t n;
	size_t *seen; /* of each state: the last position for which it was added, and one */
};

struct running {
	const struct rn_pattern *pattern;
	const uint8_t *data;
	size_t len;
	struct rn_ranges *to;
	uint16_t *stack;
};

/*
 * A state and all that are reached from it without a byte. Threads come in the order of their
 * beginnings, so that the first to reach a state is the one that counts.
 */
static void add(const struct running *run, struct threads *threads, uint16_t first, size_t from,
		size_t at)
{
	size_t n = 0;

	run->stack[n++] = first;
	while (n) {
		uint16_t state = run->stack[--n];
		const struct state *is = &run->pattern->states[state];

		if (threads->seen[state] == at + 1)
			continue;
		threads->seen[state] = at + 1;
		switch (is->kind) {
		case STATE_SPLIT:
			run->stack[n++] = is->other;
			run->stack[n++] = is->next;
			break;
		case STATE_ASSERT:
			if (holds(is->what, run->data, run->len, at))
				run->stack[n++] = is->next;
			break;
		case STATE_MATCH:
			if (at > from)
				rn_ranges_add(run->to, from, at);
			break;
		default:
			threads->list[threads->n++] = (struct thread){from, state};
		}
	}
}

static bool takes(const struct rn_pattern *pattern, const struct state *state, uint8_t byte)
{
	return pattern->sets[state->what].bits[byte / 8] >> (byte % 8) & 1;
}

/* One block for all: two lists, two times what was seen, the stack. */
static bool make_room(const struct rn_pattern *pattern, void **room, struct threads lists[2],
		      struct running *run)
{
	size_t n = pattern->n;
	size_t list = n * sizeof(struct thread), seen = n * sizeof(size_t);
	uint8_t *at;

	if (!*room)
		*room = malloc(2 * list + 2 * seen + (2 * n + 2) * sizeof(uint16_t));
	at = *room;
	if (!at)
		return false;
	for (int i = 0; i < 2; i++) {
		lists[i] = (struct threads){.list = (struct thread *)(void *)at,
					    .seen = (size_t *)(void *)(at + list)};
		memset(lists[i].seen, 0, seen);
		at += list + seen;
	}
	run->stack = (uint16_t *)(void *)at;
	return true;
}

void rn_pattern_find(const struct rn_pattern *pattern, void **room, const uint8_t *data, size_t len,
		     struct rn_ranges *to)
{
	struct running run = {.pattern = pattern, .data = data, .len = len, .to = to};
	struct threads lists[2];
	struct threads *now = &lists[0], *next = &lists[1], *done;

	if (!make_room(pattern, room, lists, &run)) {
		to->failed = true;
		return;
	}
	for (size_t at = 0;; at++) {
		if (at == len)
			return;
		if (pattern->first[data[at]])
			add(&run, now, 0, at, at);
		next->n = 0;
		for (size_t i = 0; i < now->n; i++) {
			const struct state *state = &pattern->states[now->list[i].state];

			if (takes(pattern, state, data[at]))
				add(&run, next, state->next, now->list[i].from, at + 1);
		}
		done = now;
		now = next;
		next = done;
	}
}
