/* SPDX-License-Identifier: MIT */
/*
 * Redaction: what is secret in a text is found in ranges, then the text is made anew without
 * them. All of it takes a time that grows with the text alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "redact_private.h"

void rn_ranges_add(struct rn_ranges *to, size_t from, size_t end)
{
	while (to->n && to->list[to->n - 1].to >= from) {
		const struct rn_range *last = &to->list[--to->n];

		from = last->from < from ? last->from : from;
		end = last->to > end ? last->to : end;
	}
	if (to->n == to->cap) {
		size_t cap = to->cap ? 2 * to->cap : 16;
		struct rn_range *list = realloc(to->list, cap * sizeof(*list));

		if (!list) {
			to->failed = true;
			return;
		}
		to->list = list;
		to->cap = cap;
	}
	to->list[to->n++] = (struct rn_range){from, end};
}

void rn_scan_found(struct scan *s, size_t from, size_t to)
{
	static const char *const nothing[] = {RN_REDACTED, "\xe2\x80\xa6"}; /* … */

	if (from >= to)
		return;
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		size_t len = strlen(nothing[i]);

		if (to - from == len && memcmp(s->data + from, nothing[i], len) == 0)
			return;
	}
	rn_ranges_add(s->found, s->base + from, s->base + to);
	s->end = to;
}

static bool add_key(struct rn_rules *rules, const char *name, struct rn_rules_error *error)
{
	char key[KEY_MAX];
	bool starts[KEY_MAX];
	size_t len = strnlen(name, KEY_MAX);
	size_t letters =
		len < KEY_MAX ? rn_key_of_name((const uint8_t *)name, len, key, starts) : 0;

	if (!letters || rules->n_keys == KEYS_MAX) {
		snprintf(error->what, sizeof(error->what), "%s",
			 rules->n_keys == KEYS_MAX ? "there are too many keys: at most 64"
			 : len < KEY_MAX           ? "a key without letters"
						   : "a key longer than 63 bytes");
		return false;
	}
	rules->keys[rules->n_keys] = strndup(key, letters);
	if (!rules->keys[rules->n_keys]) {
		snprintf(error->what, sizeof(error->what), "no memory");
		return false;
	}
	rules->n_keys++;
	return true;
}

struct rn_rules *rn_rules_create(bool defaults, const char *const *patterns,
				 const char *const *keys, struct rn_rules_error *error)
{
	struct rn_rules *rules = calloc(1, sizeof(*rules));

	*error = (struct rn_rules_error){.what = "no memory", .pattern = -1};
	if (!rules)
		return NULL;
	rules->defaults = defaults;
	if (defaults) {
		rn_tokens_index(rules);
		rn_programs_index(rules);
	}
	for (; keys && *keys; keys++)
		if (!add_key(rules, *keys, error))
			goto failed;
	if (patterns && *patterns) {
		rules->pattern = rn_pattern_create(patterns, error);
		if (!rules->pattern)
			goto failed;
	}
	return rules;
failed:
	rn_rules_destroy(rules);
	return NULL;
}

void rn_rules_destroy(struct rn_rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->n_keys; i++)
		free(rules->keys[i]);
	rn_pattern_destroy(rules->pattern);
	free(rules);
}

void rn_redact_deinit(struct rn_redact *redact)
{
	rn_buf_deinit(&redact->out);
	free(redact->found.list);
	free(redact->matched.list);
	free(redact->threads);
	*redact = (struct rn_redact){0};
}

/* What looks for defaults and for keys; with neither there is nothing to look for. */
static bool looks(const struct rn_rules *rules)
{
	return rules->defaults || rules->n_keys;
}

static struct scan begin(struct rn_redact *redact, const void *data, size_t len)
{
	struct scan s = {
		.rules = redact->rules,
		.found = &redact->found,
		.data = data,
		.len = len,
		.cut = redact->cut,
	};

	redact->cut = false;
	redact->found.n = redact->matched.n = 0;
	return s;
}

/* The next range of both lists, merged with all that it touches. */
static bool next_range(const struct rn_redact *redact, size_t *a, size_t *b, struct rn_range *range)
{
	const struct rn_ranges *lists[] = {&redact->found, &redact->matched};
	size_t *at[] = {a, b};
	bool any = false;

	for (bool more = true; more;) {
		more = false;
		for (int i = 0; i < 2; i++) {
			const struct rn_range *one = lists[i]->list + *at[i];
			int other = 1 - i;

			if (*at[i] == lists[i]->n)
				continue;
			if (!any && *at[other] < lists[other]->n &&
			    lists[other]->list[*at[other]].from < one->from)
				continue;
			if (any && one->from > range->to)
				continue;
			if (!any)
				*range = *one;
			range->to = one->to > range->to ? one->to : range->to;
			range->from = one->from < range->from ? one->from : range->from;
			++*at[i];
			any = more = true;
		}
	}
	return any;
}

/* A range that ends within a code point takes all of it. */
static size_t whole_point(const uint8_t *data, size_t at, size_t len)
{
	for (unsigned i = 0; i < 3 && at < len && (data[at] & 0xc0) == 0x80; i++)
		at++;
	return at;
}

static const void *finish(struct rn_redact *redact, const struct scan *s, size_t *len)
{
	size_t a = 0, b = 0, done = 0;
	struct rn_range range = {0, 0};

	if (redact->rules->pattern)
		rn_pattern_find(redact->rules->pattern, &redact->threads, s->data, s->len,
				&redact->matched);
	if (redact->found.failed || redact->matched.failed)
		goto failed;
	if (!redact->found.n && !redact->matched.n)
		return s->data;
	redact->out.len = 0;
	while (next_range(redact, &a, &b, &range)) {
		if (range.from < done) /* by whole_point() */
			range.from = done;
		rn_buf_put(&redact->out, s->data + done, range.from - done);
		rn_buf_put(&redact->out, RN_REDACTED, sizeof(RN_REDACTED) - 1);
		redact->count++;
		done = whole_point(s->data, range.to, s->len);
	}
	rn_buf_put(&redact->out, s->data + done, s->len - done);
	if (redact->out.failed)
		goto failed;
	*len = redact->out.len;
	return redact->out.data;
failed:
	/* Without memory nothing is shown. */
	redact->found.failed = redact->matched.failed = redact->out.failed = false;
	redact->count++;
	*len = sizeof(RN_REDACTED) - 1;
	return RN_REDACTED;
}

const void *rn_redact_string(struct rn_redact *redact, const void *data, size_t *len)
{
	struct scan s;

	if (!redact || !redact->rules || !*len)
		return data;
	if (!redact->rules->pattern && !redact->cut) {
		if (data == redact->clean && *len == redact->clean_len)
			return data;
		if (rn_is_clean(data, *len)) {
			redact->clean = data;
			redact->clean_len = *len;
			return data;
		}
	}
	s = begin(redact, data, *len);
	if (looks(s.rules))
		rn_scan_text(&s, 0, NULL);
	return finish(redact, &s, len);
}

const void *rn_redact_text(struct rn_redact *redact, const void *data, size_t *len)
{
	struct rn_words words = {0};
	struct scan s;

	if (!redact || !redact->rules || !*len)
		return data;
	s = begin(redact, data, *len);
	if (looks(s.rules))
		rn_scan_text(&s, 0, &words);
	return finish(redact, &s, len);
}

/* NAME=value or Name: value at the beginning of a word: all of the rest is the value. */
static size_t whole_value(const struct scan *s, size_t from)
{
	size_t name = from, at;
	int how;

	while (name < s->len && s->data[name] == '-')
		name++;
	for (at = name; at < s->len && byte_is(s->data[at], BYTE_NAME); at++)
		;
	if (at == s->len || at == name || (s->data[at] != '=' && s->data[at] != ':'))
		return 0;
	how = rn_key_how(s->rules, s->data + name, at - name);
	if (how < 0 || (s->data[at] == ':' && how != RN_KEY_HEADER))
		return 0;
	for (at++; at < s->len && s->data[at] == ' '; at++)
		;
	/* PWD is a folder where it is one. */
	return at < s->len && s->data[at] == '/' && s->data[at - 1] == '=' ? 0 : at;
}

static bool has_space(const struct scan *s, size_t from)
{
	for (size_t i = from; i < s->len; i++)
		if (byte_is(s->data[i], BYTE_SPACE))
			return true;
	return false;
}

/* A word of a command line, which ends with the text. */
static void scan_word(struct scan *s, struct rn_words *words)
{
	struct rn_words inner = {0};
	bool spaces = has_space(s, 0);
	size_t value;

	if (words->expect || s->data[0] == '-' || !spaces)
		rn_scan_word(s, words, 0, s->len);
	if (s->end)
		return;
	value = whole_value(s, 0);
	if (value)
		rn_scan_found(s, value, s->len);
	else
		rn_scan_text(s, 0, spaces ? &inner : NULL);
}

const void *rn_redact_word(struct rn_redact *redact, struct rn_words *words, const void *data,
			   size_t *len)
{
	struct scan s;

	if (!redact || !redact->rules)
		return data;
	if (!*len) {
		words->expect = RN_SECRET_NONE;
		return data;
	}
	s = begin(redact, data, *len);
	if (looks(s.rules))
		scan_word(&s, words);
	return finish(redact, &s, len);
}

/* The end of a string in quotes that begins there: where its closing quote is. */
static size_t closing(const uint8_t *data, size_t at, size_t len)
{
	while (at < len && data[at] != '"')
		at += data[at] == '\\' && at + 1 < len ? 2 : 1;
	return at;
}

const void *rn_redact_shown(struct rn_redact *redact, const void *data, size_t *len)
{
	const uint8_t *bytes = data;
	struct rn_words words = {0};
	struct scan all;
	size_t at = 0;

	if (!redact || !redact->rules || !*len)
		return data;
	all = begin(redact, data, *len);
	while (looks(all.rules) && at < *len) {
		const uint8_t *quote = memchr(bytes + at, '"', *len - at);
		size_t from = quote ? (size_t)(quote - bytes) + 1 : *len, to;
		struct scan s = all;

		/* Outside of quotes there are names of the kernel's, and paths behind descriptors. */
		for (size_t i = at; i < from; i++) {
			to = i == 0 || !byte_is(bytes[i - 1], BYTE_ALNUM) ? rn_token_at(&all, i)
									  : 0;
			if (to && to <= from) {
				rn_scan_found(&all, i, to);
				i = to - 1;
			}
		}
		if (!quote)
			break;
		to = closing(bytes, from, *len);
		s.data = bytes + from;
		s.len = to - from;
		s.cut = to == *len || (to + 3 < *len && memcmp(bytes + to + 1, "...", 3) == 0);
		s.base = from;
		if (s.len)
			scan_word(&s, &words);
		at = to + 1;
	}
	return finish(redact, &all, len);
}
