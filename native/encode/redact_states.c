/* SPDX-License-Identifier: MIT */
/* Regular expressions that have been read, as states of one automaton. */
#include <stdio.h>
#include <stdlib.h>

#include "redact_pattern.h"

static uint16_t state(struct parser *p, struct state made)
{
	struct rn_pattern *pattern = p->pattern;

	if (pattern->n == STATES_MAX) {
		rn_pattern_fail(p, "the patterns are too large together: repeat less", 0);
		return 0;
	}
	if (pattern->n == pattern->cap) {
		size_t cap = pattern->cap ? 2 * pattern->cap : 64;
		struct state *states = realloc(pattern->states, cap * sizeof(*states));

		if (!states) {
			rn_pattern_fail(p, "no memory", 0);
			return 0;
		}
		pattern->states = states;
		pattern->cap = cap;
	}
	pattern->states[pattern->n] = made;
	return (uint16_t)pattern->n++;
}

/*
 * States are made from the end to the beginning: each knows what comes next. Returns where the
 * node begins, if `next` comes behind it.
 */
static uint16_t emit(struct parser *p, uint32_t at, uint16_t next)
{
	const struct node *is = &p->nodes[at];
	uint16_t loop;

	if (p->wrong)
		return 0;
	switch (is->kind) {
	case NODE_EMPTY:
		return next;
	case NODE_SET:
		return state(p, (struct state){STATE_SET, (uint16_t)is->a, next, 0});
	case NODE_ASSERT:
		return state(p, (struct state){STATE_ASSERT, (uint16_t)is->a, next, 0});
	case NODE_CAT:
		/* Long chains hang on their left. */
		while (is->kind == NODE_CAT) {
			next = emit(p, is->b, next);
			is = &p->nodes[is->a];
		}
		return emit(p, (uint32_t)(is - p->nodes), next);
	case NODE_ALT:
		loop = emit(p, is->a, next);
		return state(p, (struct state){STATE_SPLIT, 0, loop, emit(p, is->b, next)});
	case NODE_REPEAT:
		break;
	}
	if (is->max == UINT32_MAX) {
		loop = state(p, (struct state){STATE_SPLIT, 0, 0, next});
		next = emit(p, is->a, loop);
		if (p->wrong)
			return 0;
		p->pattern->states[loop].next = next;
		next = loop;
	}
	for (uint32_t i = is->min; is->max != UINT32_MAX && i < is->max && !p->wrong; i++)
		next = state(p, (struct state){STATE_SPLIT, 0, emit(p, is->a, next), next});
	for (uint32_t i = 0; i < is->min && !p->wrong; i++)
		next = emit(p, is->a, next);
	return next;
}

/* Bytes that any state takes that is reached from the beginning without one. */
static void find_first(struct rn_pattern *pattern, uint16_t begin, bool *seen, uint16_t *stack)
{
	size_t n = 0;

	stack[n++] = begin;
	while (n) {
		uint16_t at = stack[--n];
		const struct state *is = &pattern->states[at];

		if (seen[at])
			continue;
		seen[at] = true;
		if (is->kind == STATE_SET)
			for (unsigned byte = 0; byte < 256; byte++)
				pattern->first[byte] |=
					pattern->sets[is->what].bits[byte / 8] >> (byte % 8) & 1;
		if (is->kind == STATE_SPLIT || is->kind == STATE_ASSERT)
			stack[n++] = is->next;
		if (is->kind == STATE_SPLIT)
			stack[n++] = is->other;
	}
}

struct rn_pattern *rn_pattern_create(const char *const *patterns, struct rn_rules_error *error)
{
	struct rn_pattern *pattern = calloc(1, sizeof(*pattern));
	struct parser *p = calloc(1, sizeof(*p));
	bool *seen = calloc(STATES_MAX, sizeof(*seen));
	uint16_t *stack = calloc(2 * STATES_MAX + 2, sizeof(*stack));
	uint16_t begin = 0, match;

	if (!pattern || !p || !seen || !stack)
		goto failed;
	p->pattern = pattern;
	/* The first is where all begin; it is filled in at the end. */
	state(p, (struct state){STATE_SPLIT, 0, 0, 0});
	match = state(p, (struct state){STATE_MATCH, 0, 0, 0});
	for (size_t i = 0; patterns[i] && !p->wrong; i++) {
		uint16_t one = emit(p, rn_pattern_parse(p, patterns[i]), match);

		begin = i ? state(p, (struct state){STATE_SPLIT, 0, begin, one}) : one;
		if (p->wrong) {
			error->pattern = (int32_t)i;
			error->at = (uint32_t)p->wrong_at;
			snprintf(error->what, sizeof(error->what), "%s", p->wrong);
			goto failed;
		}
	}
	pattern->states[0].next = pattern->states[0].other = begin;
	find_first(pattern, 0, seen, stack);
	free(p);
	free(seen);
	free(stack);
	return pattern;
failed:
	free(p);
	free(seen);
	free(stack);
	rn_pattern_destroy(pattern);
	return NULL;
}

void rn_pattern_destroy(struct rn_pattern *pattern)
{
	if (!pattern)
		return;
	free(pattern->states);
	free(pattern->sets);
	free(pattern);
}
