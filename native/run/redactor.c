/* SPDX-License-Identifier: MIT */
/* Redaction as Python sees it; see api.h. */
#include <stdlib.h>
#include <string.h>

#include "renacer/api.h"
#include "renacer/redact.h"

struct rn_redactor {
	struct rn_rules *rules;
	struct rn_redact redact;
	struct rn_buf words;
};

_Static_assert(sizeof(((rn_redactor_error *)0)->what) == sizeof(((struct rn_rules_error *)0)->what),
	       "what is wrong is told whole");

rn_redactor *rn_redactor_new(int defaults, const char *const *patterns, const char *const *keys,
			     rn_redactor_error *error)
{
	rn_redactor *redactor = calloc(1, sizeof(*redactor));
	struct rn_rules_error wrong = {.what = "no memory", .pattern = -1};

	if (redactor) {
		rn_buf_init(&redactor->words);
		redactor->rules = rn_rules_create(defaults != 0, patterns, keys, &wrong);
	}
	if (redactor && redactor->rules) {
		redactor->redact.rules = redactor->rules;
		return redactor;
	}
	free(redactor);
	memcpy(error->what, wrong.what, sizeof(error->what));
	error->pattern = wrong.pattern;
	error->at = wrong.at;
	return NULL;
}

void rn_redactor_free(rn_redactor *redactor)
{
	if (!redactor)
		return;
	rn_redact_deinit(&redactor->redact);
	rn_rules_destroy(redactor->rules);
	rn_buf_deinit(&redactor->words);
	free(redactor);
}

static uint64_t apply_words(rn_redactor *redactor, const char *data, size_t len, const char **made)
{
	struct rn_words words = {0};
	struct rn_buf *to = &redactor->words;

	to->len = 0;
	to->failed = false;
	for (size_t at = 0; at < len;) {
		const char *nul = memchr(data + at, 0, len - at);
		size_t size = nul ? (size_t)(nul - (data + at)) : len - at, shown = size;
		const void *word = rn_redact_word(&redactor->redact, &words, data + at, &shown);

		rn_buf_put(to, word, shown);
		rn_buf_put(to, "", 1);
		at += size + 1;
	}
	*made = to->failed ? "" : (const char *)to->data;
	return to->failed ? 0 : to->len;
}

uint64_t rn_redactor_apply(rn_redactor *redactor, int how, const char *data, uint64_t len,
			   const char **made)
{
	size_t size = (size_t)len;

	if (how == RN_REDACT_WORDS)
		return apply_words(redactor, data, size, made);
	*made = rn_redact_text(&redactor->redact, data, &size);
	return size;
}

uint64_t rn_redactor_count(const rn_redactor *redactor)
{
	return redactor->redact.count;
}
