/* SPDX-License-Identifier: MIT */
/* Tokens by their formats, and the quick look that tells of most texts that none is there. */
#include "redact_private.h"

#define RUN 20u /* no token has fewer letters, digits, _ and - in a row */
#define ONES 0x0101010101010101ull
#define DECIDES 3u /* characters of its own by which a token is known that is cut */

static const char *const patterns[] = {
#define ROW(name, pattern) pattern,
	RN_TOKENS(ROW)
#undef ROW
};
#define N_PATTERNS (sizeof(patterns) / sizeof(patterns[0]))
_Static_assert(N_PATTERNS < 256, "rows are numbered by a byte");

static bool in_class(char class, uint8_t byte)
{
	switch (class) {
	case 'd':
		return byte_is(byte, BYTE_DIGIT);
	case 'h':
		return byte_is(byte, BYTE_HEX);
	case 'l':
		return byte_is(byte, BYTE_ALNUM) && !(byte >= 'A' && byte <= 'Z');
	case 'u':
		return byte_is(byte, BYTE_ALNUM) && !(byte >= 'a' && byte <= 'z');
	case 'a':
		return byte_is(byte, BYTE_ALNUM);
	case 'w':
		return byte_is(byte, BYTE_WORD);
	case 'j':
		return byte_is(byte, BYTE_NAME);
	case 'p':
		return byte_is(byte, BYTE_NAME) || byte == '/';
	case 'b':
		return byte_is(byte, BYTE_WORD) || byte == '+' || byte == '/' || byte == '=';
	default: /* 'm' */
		return byte == 'M' || byte == 'N' || byte == 'O';
	}
}

static size_t number(const char **p)
{
	size_t n = 0;

	for (; **p >= '0' && **p <= '9'; ++*p)
		n = 10 * n + (size_t)(**p - '0');
	return n;
}

/* "{3}", "{3,}" or "{3,5}". */
static const char *limits(const char *p, size_t *min, size_t *max)
{
	p++;
	*min = *max = number(&p);
	if (*p == ',') {
		p++;
		*max = *p == '}' ? SIZE_MAX : number(&p);
	}
	return p + 1;
}

static size_t match(const char *p, const struct scan *s, size_t at)
{
	unsigned own = 0;

	while (*p) {
		size_t min, max, n = 0;
		char class;

		if (*p != '%') {
			if (at == s->len)
				return s->cut && own >= DECIDES ? at : 0;
			if (s->data[at] != (uint8_t)*p)
				return 0;
			at++;
			p++;
			own++;
			continue;
		}
		class = p[1];
		p = limits(p + 2, &min, &max);
		for (; n < max && at < s->len && in_class(class, s->data[at]); n++)
			at++;
		if (n < min)
			return at == s->len && s->cut && own >= DECIDES ? at : 0;
	}
	return at < s->len && byte_is(s->data[at], BYTE_ALNUM) ? 0 : at;
}

void rn_tokens_index(struct rn_rules *rules)
{
	size_t n = 0;

	for (unsigned byte = 0; byte < 256; byte++) {
		rules->first[byte] = (uint16_t)n;
		for (size_t row = 0; row < N_PATTERNS; row++) {
			const char *p = patterns[row];
			bool may = *p == '%' ? in_class(p[1], (uint8_t)byte) : (uint8_t)*p == byte;

			if (may && n < sizeof(rules->rows))
				rules->rows[n++] = (uint8_t)row;
		}
	}
	rules->first[256] = (uint16_t)n;
}

size_t rn_token_at(const struct scan *s, size_t at)
{
	const struct rn_rules *rules = s->rules;
	size_t longest = 0;

	if (!rules->defaults)
		return 0;
	for (unsigned i = rules->first[s->data[at]]; i < rules->first[s->data[at] + 1u]; i++) {
		size_t end = match(patterns[rules->rows[i]], s, at);

		longest = end > longest ? end : longest;
	}
	return longest;
}

/* Whether one of eight bytes is : ; < = > ? or @. */
static bool has_mark(uint64_t word)
{
	uint64_t low = word & (ONES * 0x7f);

	return (low + ONES * (0x80 - ':')) & ~(low + ONES * (0x80 - ('@' + 1))) & ~word &
	       (ONES * 0x80);
}

bool rn_is_clean(const uint8_t *data, size_t len)
{
	size_t at = 0;
	uint64_t word;

	for (; len - at >= 8; at += 8) {
		memcpy(&word, data + at, 8);
		if (has_mark(word))
			return false;
	}
	if (at < len) {
		word = 0;
		memcpy(&word, data + at, len - at);
		if (has_mark(word))
			return false;
	}
	/* Only a run of RUN has none but such bytes in each RUN. */
	for (at = RUN - 1; at < len;) {
		size_t back = at;

		while (byte_is(data[back], BYTE_WORD)) {
			if (at - back + 1 == RUN)
				return false;
			back--;
		}
		at = back + RUN;
	}
	return true;
}
