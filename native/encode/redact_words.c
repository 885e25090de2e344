/* SPDX-License-Identifier: MIT */
/* Words of a command line: flags whose value is secret, and programs that have such flags. */
#include <stdlib.h>

#include "redact_private.h"

#define PROGRAM_MAX 24u /* bytes of the longest name in the table */

/* Programs that ask for a user and a password: there 1:2 is no user and group. */
static const char askers[] = "curl wget http https xh xhs ab";

struct flag {
	const char *programs, *name;
	enum rn_secret how;
};

static const struct flag flags[] = {
#define ROW(programs, name, how) {programs, name, RN_SECRET_##how},
	RN_FLAGS(ROW)
#undef ROW
};
#define N_FLAGS (sizeof(flags) / sizeof(flags[0]))

/* Where a program stands in a list of names, or NULL. */
static const char *in_list(const char *list, const uint8_t *name, size_t len)
{
	while (*list) {
		const char *end = strchr(list, ' ');
		size_t n = end ? (size_t)(end - list) : strlen(list);

		if (n == len && memcmp(list, name, len) == 0)
			return list;
		list += n + (end != NULL);
	}
	return NULL;
}

static int order(const void *a, const void *b)
{
	const struct program *one = a, *other = b;

	if (one->len != other->len)
		return one->len < other->len ? -1 : 1;
	return memcmp(one->name, other->name, one->len);
}

void rn_programs_index(struct rn_rules *rules)
{
	for (size_t i = 0; i < N_FLAGS; i++) {
		const char *at = flags[i].programs;

		while (*at && *at != '*' && rules->n_programs < PROGRAMS_MAX) {
			size_t len = strcspn(at, " ");

			rules->programs[rules->n_programs++] = (struct program){at, len};
			at += len + (at[len] == ' ');
		}
	}
	qsort(rules->programs, rules->n_programs, sizeof(rules->programs[0]), order);
}

static void name_program(const struct rn_rules *rules, struct rn_words *words, const uint8_t *word,
			 size_t len)
{
	const uint8_t *slash = memrchr(word, '/', len);
	struct program wanted;
	const struct program *found;

	if (slash) {
		len -= (size_t)(slash + 1 - word);
		word = slash + 1;
	}
	if (!len || len > PROGRAM_MAX)
		return;
	if (len == 5 && memcmp(word, "login", 5) == 0)
		words->login = 1;
	wanted = (struct program){(const char *)word, len};
	found = bsearch(&wanted, rules->programs, rules->n_programs, sizeof(*found), order);
	if (found) {
		words->named = found->name;
		words->named_len = len;
	}
}

static bool is_digits(const struct scan *s, size_t from, size_t to)
{
	for (; from < to; from++)
		if (!byte_is(s->data[from], BYTE_DIGIT))
			return false;
	return true;
}

/* Marks the secret part of a value. */
static void mark(struct scan *s, const struct rn_words *words, enum rn_secret how, size_t from,
		 size_t to)
{
	static const char marks[] = {[RN_SECRET_USER] = ':',
				     [RN_SECRET_PERCENT] = '%',
				     [RN_SECRET_COMMA] = ',',
				     [RN_SECRET_SLASH] = '/'};
	const uint8_t *found;
	size_t at;

	if (from >= to)
		return;
	if (how < RN_SECRET_USER || how > RN_SECRET_SLASH) {
		rn_scan_found(s, from, to);
		return;
	}
	found = memchr(s->data + from, marks[how], to - from);
	at = found ? (size_t)(found - s->data) : to;
	/* 1000:1000 is a user and a group, but not to a program that asks for a password. */
	if (how == RN_SECRET_USER && is_digits(s, from, at) && is_digits(s, at + 1, to) &&
	    !(words->named && in_list(askers, (const uint8_t *)words->named, words->named_len)))
		return;
	rn_scan_found(s, at + 1, to);
}

static bool is_meant(const struct flag *flag, const struct rn_words *words)
{
	if (flag->how == RN_SECRET_LOGIN && !words->login)
		return false;
	return *flag->programs == '*' ||
	       (words->named &&
		in_list(flag->programs, (const uint8_t *)words->named, words->named_len));
}

/* A flag of the table; false: it is none. */
static bool scan_flag(struct scan *s, struct rn_words *words, size_t from, size_t to)
{
	size_t len = to - from;

	for (size_t i = 0; i < N_FLAGS; i++) {
		const struct flag *flag = &flags[i];
		size_t n = strlen(flag->name);

		if (!n || n > len || memcmp(s->data + from, flag->name, n) != 0 ||
		    !is_meant(flag, words))
			continue;
		if (n == len) {
			if (flag->how != RN_SECRET_TIED)
				words->expect = flag->how;
			return true;
		}
		if (flag->how == RN_SECRET_NEXT)
			continue;
		if (s->data[from + n] == '=')
			n++;
		else if (flag->name[1] == '-') /* --user must not be --username */
			continue;
		mark(s, words, flag->how, from + n, to);
		if (s->end)
			return true;
	}
	return false;
}

/* Programs whose first words are user/password. */
static void scan_operand(struct scan *s, const struct rn_words *words, size_t from, size_t to)
{
	for (size_t i = 0; i < N_FLAGS; i++)
		if (!*flags[i].name && s->data[from] != '/' && is_meant(&flags[i], words))
			mark(s, words, flags[i].how, from, to);
}

void rn_scan_word(struct scan *s, struct rn_words *words, size_t from, size_t to)
{
	enum rn_secret expected = (enum rn_secret)words->expect;
	size_t name = from;

	words->expect = RN_SECRET_NONE;
	if (expected)
		mark(s, words, expected, from, to);
	while (name < to && s->data[name] == '-')
		name++;
	if (name > from) {
		bool whole = name < to;

		if (s->rules->defaults && !expected && scan_flag(s, words, from, to))
			return;
		for (size_t i = name; i < to && whole; i++)
			whole = byte_is(s->data[i], BYTE_NAME);
		if (whole && to - name > 1 && rn_key_how(s->rules, s->data + name, to - name) >= 0)
			words->expect = RN_SECRET_NEXT;
	} else if (s->rules->defaults && !expected) {
		if (s->data[from] == '/' && to - from > 3 && s->data[from + 2] == ':')
			scan_flag(s, words, from, to); /* xfreerdp /p:x */
		else if (words->named)
			scan_operand(s, words, from, to);
		name_program(s->rules, words, s->data + from, to - from);
	}
}
