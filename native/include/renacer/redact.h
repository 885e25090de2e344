/* SPDX-License-Identifier: MIT */
/*
 * What is secret in texts that leave the process: REDACTED stands in its place. The default
 * patterns are in encode/redact_table.h; docs/redaction.md tells of them.
 */
#ifndef RENACER_REDACT_H
#define RENACER_REDACT_H

#include "renacer/encode.h"

/* What semantic conventions put in place of a secret (url.full). */
#define RN_REDACTED "REDACTED"

/* What is secret. Made once, read by any thread. */
struct rn_rules;

struct rn_rules_error {
	char what[120];
	int32_t pattern; /* which, from 0; -1: none of them */
	uint32_t at;     /* byte of it, from 0 */
};

/*
 * `defaults`: the default patterns; `patterns`, `keys`: the user's own, NULL-ended, or NULL. A
 * pattern is a regular expression; of a key, as of the default ones, the value is secret. NULL:
 * *error says why.
 */
struct rn_rules *rn_rules_create(bool defaults, const char *const *patterns,
				 const char *const *keys, struct rn_rules_error *error);
void rn_rules_destroy(struct rn_rules *rules);

struct rn_range {
	size_t from, to;
};

/* Ranges in order, none of which touches another. `failed`: no memory for all of them. */
struct rn_ranges {
	struct rn_range *list;
	size_t n, cap;
	bool failed;
};

/* The words of one command line so far. All zero at its start. */
struct rn_words {
	uint32_t expect; /* what the next word is, by the last: enum rn_secret of redact_table.h */
	uint32_t login; /* a word "login" was there */
	const char *named; /* the last program that was named and is in the table */
	size_t named_len;
};

/* One output's: the count, and room to work in. One thread. All zero but `rules` at first. */
struct rn_redact {
	const struct rn_rules *rules; /* NULL: nothing is secret */
	uint64_t count; /* of what was replaced */
	bool cut; /* of the next text the end is missing; taken back by it */
	const void *clean; /* a text of the same span in which nothing is secret… */
	size_t clean_len; /* …and its length */
	struct rn_buf out;
	struct rn_ranges found, matched;
	void *threads;
};

void rn_redact_deinit(struct rn_redact *redact);

/*
 * Each returns `data` itself where nothing is secret in it, else a text of *len bytes that stands
 * until the next call. `redact` may be NULL: nothing is secret.
 */
/* A string by itself: a path, a name. */
const void *rn_redact_string(struct rn_redact *redact, const void *data, size_t *len);
/* The next word of a command line. */
const void *rn_redact_word(struct rn_redact *redact, struct rn_words *words, const void *data,
			   size_t *len);
/* Anything: sentences, command lines, lines of a report. */
const void *rn_redact_text(struct rn_redact *redact, const void *data, size_t *len);
/* An argument as strace writes it: its strings stand in quotes. */
const void *rn_redact_shown(struct rn_redact *redact, const void *data, size_t *len);

#endif
