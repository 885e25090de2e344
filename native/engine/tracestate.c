/* SPDX-License-Identifier: MIT */
/* See tracestate.h. */
#include "tracestate.h"

#include <string.h>

#define KEY "renacer"
#define KEY_LEN (sizeof(KEY) - 1)
#define DIGITS 16u
#define MEMBERS 32u
#define PART_MAX 256u /* of a key, and of a value */

struct part {
	const char *text;
	size_t len;
};

static bool is_key(struct part key)
{
	if (key.len == 0 || key.len > PART_MAX)
		return false;
	for (size_t i = 0; i < key.len; i++) {
		char c = key.text[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			continue;
		if (i == 0 || !c || !strchr("_-*/@", c))
			return false;
	}
	return true;
}

/* It ends in no space: what is around a member is cut off before. */
static bool is_value(struct part value)
{
	if (value.len == 0 || value.len > PART_MAX)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (value.text[i] < 0x20 || value.text[i] > 0x7e || value.text[i] == '=')
			return false;
	return true;
}

static bool is_same(struct part a, struct part b)
{
	return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

static bool is_white(char c)
{
	return c == ' ' || c == '\t';
}

static bool digits(struct part value, uint64_t *time)
{
	if (value.len != DIGITS)
		return false;
	*time = 0;
	for (size_t i = 0; i < DIGITS; i++) {
		char c = value.text[i];

		if (c >= '0' && c <= '9')
			*time = *time << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*time = *time << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

bool rn_tracestate_find(const char *text, size_t len, struct rn_lamport_member *member)
{
	const struct part ours = {KEY, KEY_LEN};
	struct part keys[MEMBERS];
	unsigned n = 0;
	bool found = false;

	if (len > RN_TRACESTATE_LIMIT)
		return false;
	for (size_t from = 0, end; from <= len; from = end + 1) {
		const char *comma = memchr(text + from, ',', len - from);
		struct part key, value;
		const char *equals;
		size_t first = from, last;

		end = last = comma ? (size_t)(comma - text) : len;
		while (first < last && is_white(text[first]))
			first++;
		while (last > first && is_white(text[last - 1]))
			last--;
		if (first == last)
			continue; /* an empty member is legal */
		equals = memchr(text + first, '=', last - first);
		if (!equals || n == MEMBERS)
			return false;
		key = (struct part){text + first, (size_t)(equals - (text + first))};
		value = (struct part){equals + 1, (size_t)(text + last - (equals + 1))};
		if (!is_key(key) || !is_value(value))
			return false;
		for (unsigned i = 0; i < n; i++)
			if (is_same(keys[i], key))
				return false;
		keys[n++] = key;
		if (!is_same(key, ours))
			continue;
		found = digits(value, &member->time);
		member->from = from;
		member->end = end;
		member->digits = (size_t)(value.text - text);
	}
	return found;
}

void rn_tracestate_set(char *text, const struct rn_lamport_member *member, uint64_t time)
{
	size_t len = member->end - member->from;
	char item[RN_TRACESTATE_LIMIT];

	for (unsigned i = 0; i < DIGITS; i++)
		text[member->digits + i] = "0123456789abcdef"[time >> (60 - 4 * i) & 15];
	if (member->from == 0)
		return;
	memcpy(item, text + member->from, len);
	memmove(text + len + 1, text, member->from - 1);
	memcpy(text, item, len);
	text[len] = ',';
}
