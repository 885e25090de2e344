/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions as Python writes them, but for what no automaton does: looking ahead or
 * behind, and back references. A byte is a character; of others than ASCII, each byte is one.
 */
#include <stdlib.h>

#include "redact_pattern.h"

#define DEPTH_MAX 40u     /* of groups */
#define REPEAT_MAX 1000u

uint32_t rn_pattern_fail(struct parser *p, const char *what, size_t at)
{
	if (!p->wrong) {
		p->wrong = what;
		p->wrong_at = at;
	}
	p->at = p->len;
	return 0;
}

static uint32_t node(struct parser *p, struct node made)
{
	if (p->n == NODES_MAX)
		return rn_pattern_fail(p, "the pattern is too long", p->at);
	p->nodes[p->n] = made;
	return p->n++;
}

static uint32_t set_node(struct parser *p, const struct set *set)
{
	struct rn_pattern *pattern = p->pattern;

	for (size_t i = 0; i < pattern->n_sets; i++)
		if (memcmp(&pattern->sets[i], set, sizeof(*set)) == 0)
			return node(p, (struct node){.kind = NODE_SET, .a = (uint32_t)i});
	if (pattern->n_sets == SETS_MAX)
		return rn_pattern_fail(p, "the patterns have too many different characters", p->at);
	if (pattern->n_sets == pattern->cap_sets) {
		size_t cap = pattern->cap_sets ? 2 * pattern->cap_sets : 32;
		struct set *sets = realloc(pattern->sets, cap * sizeof(*sets));

		if (!sets)
			return rn_pattern_fail(p, "no memory", p->at);
		pattern->sets = sets;
		pattern->cap_sets = cap;
	}
	pattern->sets[pattern->n_sets] = *set;
	return node(p, (struct node){.kind = NODE_SET, .a = (uint32_t)pattern->n_sets++});
}

static void put(struct set *set, unsigned byte)
{
	set->bits[byte / 8] |= (uint8_t)(1u << (byte % 8));
}

static bool has(const struct set *set, unsigned byte)
{
	return set->bits[byte / 8] >> (byte % 8) & 1;
}

static void put_range(struct set *set, unsigned from, unsigned to)
{
	for (; from <= to; from++)
		put(set, from);
}

static void both_cases(const struct parser *p, struct set *set)
{
	for (unsigned c = 'a'; p->any_case && c <= 'z'; c++)
		if (has(set, c) || has(set, c ^ 0x20)) {
			put(set, c);
			put(set, c ^ 0x20);
		}
}

static void turn(struct set *set)
{
	for (size_t i = 0; i < sizeof(set->bits); i++)
		set->bits[i] = (uint8_t)~set->bits[i];
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \d, \w, \s and their opposites. */
static bool class_of(char c, struct set *set)
{
	switch (c | 0x20) {
	case 'd':
		put_range(set, '0', '9');
		break;
	case 'w':
		put_range(set, '0', '9');
		put_range(set, 'A', 'Z');
		put_range(set, 'a', 'z');
		put(set, '_');
		break;
	case 's':
		put_range(set, '\t', '\r');
		put(set, ' ');
		break;
	default:
		return false;
	}
	if (c >= 'A' && c <= 'Z')
		turn(set);
	return true;
}

/* The byte that an escape means; the backslash is read. -1: it means none. */
static int escaped_byte(struct parser *p, char c)
{
	static const char letters[] = "nrtfva0", bytes[] = "\n\r\t\f\v\a";
	const char *found = c ? strchr(letters, c) : NULL;
	int high, low;

	if (found)
		return (uint8_t)bytes[found - letters];
	if (c == 'x') {
		high = p->at + 1 < p->len ? hex_digit(p->text[p->at]) : -1;
		low = high >= 0 ? hex_digit(p->text[p->at + 1]) : -1;
		if (low < 0)
			return -1;
		p->at += 2;
		return 16 * high + low;
	}
	return byte_is((uint8_t)c, BYTE_ALNUM) ? -1 : (uint8_t)c;
}

static uint32_t escape(struct parser *p)
{
	size_t at = p->at - 1;
	struct set set = {{0}};
	int byte;
	char c;

	if (p->at == p->len)
		return rn_pattern_fail(p, "a backslash with nothing behind it", at);
	c = p->text[p->at++];
	if (c == 'b' || c == 'B')
		return node(p, (struct node){.kind = NODE_ASSERT,
					     .a = c == 'b' ? ASSERT_EDGE : ASSERT_NO_EDGE});
	if (c == 'A' || c == 'Z')
		return node(p, (struct node){.kind = NODE_ASSERT,
					     .a = c == 'A' ? ASSERT_BEGIN : ASSERT_END});
	if (class_of(c, &set))
		return set_node(p, &set);
	if (c >= '1' && c <= '9')
		return rn_pattern_fail(p, "back references are not supported", at);
	byte = escaped_byte(p, c);
	if (byte < 0)
		return rn_pattern_fail(p, "an escape that is not supported", at);
	put(&set, (unsigned)byte);
	both_cases(p, &set);
	return set_node(p, &set);
}

/* One end of a range in brackets, or a class; -1: a class, and it is in the set. */
static int member(struct parser *p, struct set *set)
{
	size_t at = p->at;
	char c = p->text[p->at++];
	int byte;

	if (c != '\\') {
		if ((uint8_t)c >= 0x80)
			rn_pattern_fail(p, "in brackets only ASCII is supported", at);
		return (uint8_t)c;
	}
	if (p->at == p->len)
		return (int)rn_pattern_fail(p, "a backslash with nothing behind it", at);
	c = p->text[p->at++];
	if (class_of(c, set))
		return -1;
	byte = c == 'b' ? '\b' : escaped_byte(p, c);
	if (byte < 0)
		rn_pattern_fail(p, "an escape that is not supported", at);
	return byte;
}

static uint32_t brackets(struct parser *p)
{
	size_t begin = p->at - 1, first;
	struct set set = {{0}}, part;
	bool turned = p->at < p->len && p->text[p->at] == '^';

	p->at += turned;
	for (first = p->at; p->at < p->len && (p->text[p->at] != ']' || p->at == first);) {
		size_t at = p->at;
		int from, to;

		part = (struct set){{0}};
		from = to = member(p, &part);
		if (from >= 0 && p->at + 1 < p->len && p->text[p->at] == '-' &&
		    p->text[p->at + 1] != ']') {
			p->at++;
			to = member(p, &part);
		}
		if (p->wrong)
			return 0;
		if (from >= 0 && to < from)
			return rn_pattern_fail(p, "a range whose end comes before its beginning",
					       at);
		if (from >= 0)
			put_range(&part, (unsigned)from, (unsigned)to);
		for (size_t i = 0; i < sizeof(set.bits); i++)
			set.bits[i] |= part.bits[i];
	}
	if (p->at >= p->len)
		return rn_pattern_fail(p, "a bracket that is not closed", begin);
	p->at++;
	both_cases(p, &set);
	if (turned)
		turn(&set);
	return set_node(p, &set);
}

static uint32_t alternatives(struct parser *p);

static uint32_t group(struct parser *p)
{
	size_t begin = p->at - 1;
	uint32_t inner;

	if (p->at < p->len && p->text[p->at] == '?') {
		const char *rest = p->text + p->at + 1;
		const char *close = strchr(rest, '>');

		if (*rest == ':')
			p->at += 2;
		else if (rest[0] == 'P' && rest[1] == '<' && close)
			p->at = (size_t)(close - p->text) + 1;
		else if (*rest == '=' || *rest == '!' || *rest == '<')
			return rn_pattern_fail(p, "looking ahead or behind is not supported",
					       begin);
		else
			return rn_pattern_fail(
				p, "a group that is not supported; (?i) may stand at the beginning",
				begin);
	}
	if (++p->depth > DEPTH_MAX)
		return rn_pattern_fail(p, "groups are nested too deep", begin);
	inner = alternatives(p);
	p->depth--;
	if (p->wrong)
		return 0;
	if (p->at == p->len || p->text[p->at] != ')')
		return rn_pattern_fail(p, "a group that is not closed", begin);
	p->at++;
	return inner;
}

static uint32_t atom(struct parser *p)
{
	size_t at = p->at;
	struct set set = {{0}};
	char c = p->text[p->at++];

	switch (c) {
	case '(':
		return group(p);
	case '[':
		return brackets(p);
	case '\\':
		return escape(p);
	case '^':
		return node(p, (struct node){.kind = NODE_ASSERT, .a = ASSERT_BEGIN});
	case '$':
		return node(p, (struct node){.kind = NODE_ASSERT, .a = ASSERT_END});
	case '*':
	case '+':
	case '?':
		return rn_pattern_fail(p, "nothing to repeat", at);
	case '.':
		put(&set, '\n');
		turn(&set);
		return set_node(p, &set);
	default:
		put(&set, (uint8_t)c);
		both_cases(p, &set);
		return set_node(p, &set);
	}
}

static bool read_number(struct parser *p, uint32_t *number)
{
	size_t begin = p->at;

	for (*number = 0; p->at < p->len && byte_is((uint8_t)p->text[p->at], BYTE_DIGIT); p->at++)
		*number = *number > REPEAT_MAX ? *number
					       : 10 * *number + (uint32_t)(p->text[p->at] - '0');
	return p->at > begin;
}

/* {n}, {n,}, {,m} or {n,m}; else a brace is a character. */
static bool braces(struct parser *p, uint32_t *min, uint32_t *max)
{
	size_t begin = p->at++;
	bool any = read_number(p, min), comma = p->at < p->len && p->text[p->at] == ',';

	*max = *min;
	if (comma) {
		p->at++;
		if (read_number(p, max))
			any = true;
		else
			*max = UINT32_MAX;
	}
	if (any && p->at < p->len && p->text[p->at] == '}') {
		p->at++;
		if (*min > REPEAT_MAX || (*max > REPEAT_MAX && *max != UINT32_MAX))
			rn_pattern_fail(p, "more than 1000 repeats", begin);
		else if (*max < *min)
			rn_pattern_fail(p, "repeats of which the most is less than the least",
					begin);
		return true;
	}
	p->at = begin;
	return false;
}

static uint32_t repeated(struct parser *p)
{
	uint32_t made = atom(p), min, max;
	bool is_assertion = !p->wrong && p->nodes[made].kind == NODE_ASSERT;

	for (unsigned times = 0; !p->wrong && p->at < p->len; times++) {
		size_t at = p->at;
		char c = p->text[p->at];

		if (c == '{' ? !braces(p, &min, &max) : !strchr("*+?", c))
			break;
		if (c != '{') {
			p->at++;
			min = c == '+';
			max = c == '?' ? 1 : UINT32_MAX;
		}
		if (times || is_assertion)
			return rn_pattern_fail(p, "a repeat of what cannot be repeated", at);
		/* Lazy or not is the same here. */
		if (p->at < p->len && p->text[p->at] == '?')
			p->at++;
		made = node(p, (struct node){NODE_REPEAT, made, 0, min, max});
	}
	return made;
}

static uint32_t alternatives(struct parser *p)
{
	uint32_t all = 0, one = node(p, (struct node){.kind = NODE_EMPTY}), next;
	bool several = false;

	while (!p->wrong) {
		char c = p->at < p->len ? p->text[p->at] : ')';

		if (c == '|' || c == ')') {
			all = several ? node(p, (struct node){.kind = NODE_ALT, .a = all, .b = one})
				      : one;
			if (c == ')')
				return all;
			several = true;
			p->at++;
			one = node(p, (struct node){.kind = NODE_EMPTY});
			continue;
		}
		next = repeated(p);
		one = node(p, (struct node){.kind = NODE_CAT, .a = one, .b = next});
	}
	return 0;
}

uint32_t rn_pattern_parse(struct parser *p, const char *text)
{
	uint32_t top;

	p->text = text;
	p->len = strnlen(text, PATTERN_MAX + 1);
	p->at = p->depth = p->n = 0;
	p->any_case = strncmp(text, "(?i)", 4) == 0;
	if (p->any_case)
		p->at = 4;
	if (p->len > PATTERN_MAX)
		return rn_pattern_fail(p, "the pattern is longer than 1000 bytes", PATTERN_MAX);
	if (p->at == p->len)
		return rn_pattern_fail(p, "the pattern is empty", 0);
	top = alternatives(p);
	if (!p->wrong && p->at < p->len)
		return rn_pattern_fail(p, "a parenthesis that was not opened", p->at);
	return top;
}
