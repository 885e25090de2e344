/* SPDX-License-Identifier: MIT */
/* Private to redact*.c. */
#ifndef RENACER_ENCODE_REDACT_PRIVATE_H
#define RENACER_ENCODE_REDACT_PRIVATE_H

#include <string.h>

#include "renacer/redact.h"

#include "redact_table.h"

/* What a byte is; bits of rn_kinds_of_byte[]. */
enum {
	BYTE_ALNUM = 1u << 0,
	BYTE_DIGIT = 1u << 1,
	BYTE_HEX = 1u << 2,
	BYTE_WORD = 1u << 3, /* letters, digits, _ and - */
	BYTE_NAME = 1u << 4, /* those and . */
	BYTE_SPACE = 1u << 5,
	BYTE_QUOTE = 1u << 6,
	BYTE_BREAK = 1u << 7 /* where a word of a text ends, but for spaces and quotes */
};
extern const uint8_t rn_kinds_of_byte[256];

static inline bool byte_is(uint8_t byte, unsigned kinds)
{
	return rn_kinds_of_byte[byte] & kinds;
}

#define KEY_MAX 64u  /* bytes of a name that are looked at */
#define PROGRAMS_MAX 200u
#define KEYS_MAX 64u /* of the user's */

struct rn_pattern;

/* One that has a flag in the table. */
struct program {
	const char *name;
	size_t len;
};

struct rn_rules {
	bool defaults;
	struct rn_pattern *pattern; /* the user's, all in one; NULL: none */
	char *keys[KEYS_MAX];       /* the user's, as key_of_name() makes them */
	size_t n_keys;
	struct program programs[PROGRAMS_MAX];
	size_t n_programs;
	/* Rows of RN_TOKENS that may begin with a byte. */
	uint16_t first[257];
	uint8_t rows[2048];
};

/* A text that is looked through. */
struct scan {
	const struct rn_rules *rules;
	struct rn_ranges *found;
	const uint8_t *data;
	size_t len;
	size_t base; /* where it stands in the whole, of which ranges tell */
	size_t end;  /* of what was marked last */
	bool cut;    /* more of it is not known */
};

/* redact.c: marks data[from..to); ranges come in the order of their starts. */
void rn_scan_found(struct scan *s, size_t from, size_t to);

/* redact_tokens.c */
void rn_tokens_index(struct rn_rules *rules);
/* The end of the token that begins there; 0: none does. */
size_t rn_token_at(const struct scan *s, size_t at);
/* Whether surely no token is in a text, and no name with a value. */
bool rn_is_clean(const uint8_t *data, size_t len);

/* redact_scan.c: all but what flags mean; `words`: flags, too, of the words in it. */
void rn_scan_text(struct scan *s, size_t from, struct rn_words *words);
/* Whether a value of this name is secret, and how long it is: enum rn_key_how, -1: it is not. */
int rn_key_how(const struct rn_rules *rules, const uint8_t *name, size_t len);
/* A name as keys are compared: returns its length; starts[i]: a part begins there. */
size_t rn_key_of_name(const uint8_t *name, size_t len, char *key, bool *starts);

/* redact_words.c: looks at data[from..to), a word of a command line, and marks what is secret. */
void rn_scan_word(struct scan *s, struct rn_words *words, size_t from, size_t to);
void rn_programs_index(struct rn_rules *rules);

/* redact_pattern.c */
struct rn_pattern *rn_pattern_create(const char *const *patterns, struct rn_rules_error *error);
void rn_pattern_destroy(struct rn_pattern *pattern);
/* Marks all that is in any match. *threads: room, made at the first use; freed by free(). */
void rn_pattern_find(const struct rn_pattern *pattern, void **threads, const uint8_t *data,
		     size_t len, struct rn_ranges *to);

/* redact.c: *to grows; a range that touches those at the end becomes one with them. */
void rn_ranges_add(struct rn_ranges *to, size_t from, size_t end);

#endif
