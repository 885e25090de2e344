/* SPDX-License-Identifier: MIT */
/* An automaton of regular expressions: made by redact_syntax.c, run by redact_pattern.c. */
#ifndef RENACER_ENCODE_REDACT_PATTERN_H
#define RENACER_ENCODE_REDACT_PATTERN_H

#include "redact_private.h"

#define STATES_MAX 4000u /* of all patterns: what a byte of a text may cost at most */
#define SETS_MAX 1000u

enum { STATE_SET, STATE_SPLIT, STATE_ASSERT, STATE_MATCH };
enum { ASSERT_BEGIN, ASSERT_END, ASSERT_EDGE, ASSERT_NO_EDGE };

struct state {
	uint8_t kind;
	uint16_t what; /* of STATE_SET: which set; of STATE_ASSERT: which one */
	uint16_t next, other;
};

struct set {
	uint8_t bits[32];
};

struct rn_pattern {
	struct state *states;
	size_t n, cap;
	struct set *sets;
	size_t n_sets, cap_sets;
	bool first[256]; /* bytes with which a match may begin */
};

#define PATTERN_MAX 1000u /* bytes */
#define NODES_MAX (2 * PATTERN_MAX + 8)

enum node_kind { NODE_EMPTY, NODE_SET, NODE_ASSERT, NODE_CAT, NODE_ALT, NODE_REPEAT };

struct node {
	enum node_kind kind;
	uint32_t a, b;     /* what it is made of; of a set or an assertion, which one */
	uint32_t min, max; /* of a repeat; UINT32_MAX: without end */
};

struct parser {
	struct rn_pattern *pattern;
	const char *text;
	size_t at, len;
	unsigned depth;
	bool any_case;
	struct node nodes[NODES_MAX];
	uint32_t n;
	const char *wrong; /* what is; NULL = nothing */
	size_t wrong_at;
};

/* redact_syntax.c: the node of a whole pattern; 0 and p->wrong: there is none. */
uint32_t rn_pattern_parse(struct parser *p, const char *text);
/* Returns 0. */
uint32_t rn_pattern_fail(struct parser *p, const char *what, size_t at);

#endif
