/* SPDX-License-Identifier: MIT */
/* A text from its beginning to its end: names with values, addresses, tokens, keys in PEM. */
#include "redact_private.h"

#define SPACES 2u /* that may stand between a name, = and its value */
#define SCHEME 24u
#define PASSWORD 256u /* bytes of one that has what ends an address in it */
#define LABEL 48u /* of "-----BEGIN ... PRIVATE KEY-----" */

#define SPAN(from, to, kind) [from... to] = (kind)
const uint8_t rn_kinds_of_byte[256] = {
	SPAN(0x00, 0x08, BYTE_BREAK),
	SPAN('\t', '\r', BYTE_SPACE),
	SPAN(0x0e, 0x1f, BYTE_BREAK),
	[' '] = BYTE_SPACE,
	['"'] = BYTE_QUOTE,
	['\''] = BYTE_QUOTE,
	['`'] = BYTE_QUOTE,
	SPAN('0', '9', BYTE_ALNUM | BYTE_DIGIT | BYTE_HEX | BYTE_WORD | BYTE_NAME),
	SPAN('A', 'F', BYTE_ALNUM | BYTE_HEX | BYTE_WORD | BYTE_NAME),
	SPAN('G', 'Z', BYTE_ALNUM | BYTE_WORD | BYTE_NAME),
	SPAN('a', 'f', BYTE_ALNUM | BYTE_HEX | BYTE_WORD | BYTE_NAME),
	SPAN('g', 'z', BYTE_ALNUM | BYTE_WORD | BYTE_NAME),
	['_'] = BYTE_WORD | BYTE_NAME,
	['-'] = BYTE_WORD | BYTE_NAME,
	['.'] = BYTE_NAME,
	[','] = BYTE_BREAK,
	[';'] = BYTE_BREAK,
	['|'] = BYTE_BREAK,
	['&'] = BYTE_BREAK,
	['('] = BYTE_BREAK,
	[')'] = BYTE_BREAK,
	['['] = BYTE_BREAK,
	[']'] = BYTE_BREAK,
	['{'] = BYTE_BREAK,
	['}'] = BYTE_BREAK,
	['<'] = BYTE_BREAK,
	['>'] = BYTE_BREAK,
};

struct key {
	const char *name;
	uint8_t len, how;
};

static const struct key keys[] = {
#define ROW(name, how) {name, sizeof(name) - 1, RN_KEY_##how},
	RN_KEYS(ROW)
#undef ROW
};

size_t rn_key_of_name(const uint8_t *name, size_t len, char *key, bool *starts)
{
	bool start = true;
	size_t n = 0;

	while (len && byte_is(name[len - 1], BYTE_DIGIT))
		len--;
	for (size_t i = 0; i < len && n < KEY_MAX - 1; i++) {
		uint8_t c = name[i];

		if (!byte_is(c, BYTE_ALNUM)) {
			start = true;
			continue;
		}
		if (c >= 'A' && c <= 'Z') {
			start |= i && name[i - 1] >= 'a' && name[i - 1] <= 'z';
			c |= 0x20;
		}
		key[n] = (char)c;
		starts[n++] = start;
		start = false;
	}
	key[n] = 0;
	return n;
}

static bool ends_with(const char *key, size_t n, const char *end, size_t len)
{
	return n >= len && key[n - 1] == end[len - 1] && memcmp(key + n - len, end, len) == 0;
}

int rn_key_how(const struct rn_rules *rules, const uint8_t *name, size_t len)
{
	char key[KEY_MAX];
	bool starts[KEY_MAX];
	size_t n;

	if (len >= KEY_MAX) {
		name += len - (KEY_MAX - 1);
		len = KEY_MAX - 1;
	}
	n = rn_key_of_name(name, len, key, starts);
	if (!n)
		return -1;
	for (size_t i = 0; rules->defaults && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (ends_with(key, n, keys[i].name, keys[i].len) &&
		    (keys[i].how != RN_KEY_PART || starts[n - keys[i].len]))
			return keys[i].how;
	for (size_t i = 0; i < rules->n_keys; i++)
		if (ends_with(key, n, rules->keys[i], strlen(rules->keys[i])))
			return RN_KEY_ENDS;
	return -1;
}

/* A quote, bare or behind a backslash: its length, 0 = none. */
static size_t quote_at(const struct scan *s, size_t at)
{
	if (at < s->len && byte_is(s->data[at], BYTE_QUOTE))
		return 1;
	return at + 1 < s->len && s->data[at] == '\\' && byte_is(s->data[at + 1], BYTE_QUOTE) ? 2
											      : 0;
}

/* The end of a value that begins behind a quote of `size` bytes at `quote`. */
static size_t quoted_end(const struct scan *s, size_t quote, size_t size)
{
	const uint8_t *data = s->data;
	uint8_t mark = data[quote + size - 1];
	size_t at = quote + size;

	for (; at < s->len; at++) {
		if (size == 2 && data[at] == '\\' && at + 1 < s->len && data[at + 1] == mark)
			return at;
		if (size == 1 && data[at] == '\\' && mark != '\'')
			at++;
		else if (size == 1 && data[at] == mark)
			return at;
	}
	return s->len;
}

/* The end of a value without quotes. `query`: & and # end it, too. */
static size_t plain_end(const struct scan *s, size_t at, bool query)
{
	for (; at < s->len; at++) {
		uint8_t c = s->data[at];

		if (c == '\\' && at + 1 < s->len && !byte_is(s->data[at + 1], BYTE_QUOTE)) {
			at++;
			continue;
		}
		if (quote_at(s, at) || byte_is(c, BYTE_SPACE) || c < 0x20 ||
		    (query && (c == '&' || c == '#')))
			return at;
	}
	return at < s->len ? at : s->len;
}

/* To the end of the line, or to the quote that ends the string that the header stands in. */
static size_t header_end(const struct scan *s, size_t at)
{
	for (; at < s->len; at++) {
		uint8_t c = s->data[at];

		if (c == '\n' || c == '\r' || c == 0 || c == 0x1f || quote_at(s, at) ||
		    (c == '\\' && at + 1 < s->len &&
		     (s->data[at + 1] == 'n' || s->data[at + 1] == 'r')))
			return at;
	}
	return at;
}

/* What stands before = or : at `at`, if a name does. */
static size_t name_before(const struct scan *s, size_t at, size_t *from)
{
	const uint8_t *data = s->data;
	size_t end = at, spaces = 0;

	while (end && data[end - 1] == ' ' && spaces++ < SPACES)
		end--;
	if (end && (byte_is(data[end - 1], BYTE_QUOTE) || data[end - 1] == ']'))
		end--; /* "name": or user[name]= */
	if (end && end < at && data[end - 1] == '\\')
		end--;
	*from = end;
	while (*from && end - *from < KEY_MAX && byte_is(data[*from - 1], BYTE_NAME))
		--*from;
	if (*from && *from < end && data[*from - 1] == '\\')
		++*from; /* the n of a line's end */
	return end;
}

/* The value of a name that ends at = or :, if it is secret. Returns where to go on, or 0. */
static size_t value_at(struct scan *s, size_t at)
{
	size_t name, name_end = name_before(s, at, &name), from = at + 1, to, size;
	bool query;
	int how;

	if (name == name_end || (s->data[at] == ':' && from < s->len && s->data[from] == ':'))
		return 0;
	how = rn_key_how(s->rules, s->data + name, name_end - name);
	if (how < 0)
		return 0;
	for (unsigned spaces = 0; from < s->len && s->data[from] == ' ' && spaces < SPACES;
	     spaces++)
		from++;
	query = name && (s->data[name - 1] == '?' || s->data[name - 1] == '&');
	size = quote_at(s, from);
	if (size) {
		to = quoted_end(s, from, size);
		from += size;
	} else if (how == RN_KEY_HEADER && s->data[at] == ':') {
		to = header_end(s, from);
	} else {
		/* A folder, by the names that have both. */
		if (from < s->len && s->data[from] == '/' && s->data[at] == '=' &&
		    name_end - name >= 3 && memcmp(s->data + name_end - 3, "PWD", 3) == 0)
			return 0;
		to = plain_end(s, from, query);
	}
	rn_scan_found(s, from, to);
	return to > at ? to : 0;
}

static bool is_web(const uint8_t *scheme, size_t len)
{
	return (len >= 4 && memcmp(scheme, "http", 4) == 0) ||
	       (len >= 2 && memcmp(scheme, "ws", 2) == 0) ||
	       (len > 5 && memcmp(scheme + len - 5, "+http", 5) == 0) ||
	       (len > 6 && memcmp(scheme + len - 6, "+https", 6) == 0);
}

static bool ends_address(const struct scan *s, size_t at)
{
	uint8_t c = s->data[at];

	return byte_is(c, BYTE_SPACE | BYTE_QUOTE) || c < 0x20 || c == '<' || c == '>' ||
	       (c == '\\' && quote_at(s, at));
}

/* user:password@ behind ://. Returns where to go on. */
static size_t address_at(struct scan *s, size_t at)
{
	const uint8_t *data = s->data;
	size_t from = at + 3, to = from, scheme = at, end, mark = 0, colon = 0;
	bool port = true;

	while (scheme && at - scheme < SCHEME &&
	       (byte_is(data[scheme - 1], BYTE_ALNUM) || data[scheme - 1] == '+' ||
		data[scheme - 1] == '-' || data[scheme - 1] == '.'))
		scheme--;
	for (; to < s->len && !ends_address(s, to) && data[to] != '/' && data[to] != '?' &&
	       data[to] != '#';
	     to++) {
		if (data[to] == '@')
			mark = to;
		else if (data[to] == ':' && !colon)
			colon = to;
		else if (colon && !byte_is(data[to], BYTE_DIGIT))
			port = false;
	}
	/* A password may have any of the characters that end an address. */
	for (end = to; !mark && colon && !port && end < s->len && end - to < PASSWORD &&
		       !ends_address(s, end);
	     end++)
		if (data[end] == '@')
			mark = end;
	if (!mark && s->cut && to == s->len && (colon ? !port : is_web(data + scheme, at - scheme)))
		mark = s->len;
	if (!mark)
		return from;
	if (colon && colon < mark) {
		rn_scan_found(s, from, colon);
		rn_scan_found(s, colon + 1, mark);
	} else if (is_web(data + scheme, at - scheme)) {
		rn_scan_found(s, from, mark);
	} else {
		return from;
	}
	return mark;
}

/*
 * Where a word ends: at a space or a quote. What begins behind a comma and the like within a word
 * ends at the next of these: so no byte is in more than two words.
 */
static size_t word_end(const struct scan *s, size_t at, bool within)
{
	unsigned ends = BYTE_SPACE | BYTE_QUOTE | (within ? BYTE_BREAK : 0u);

	for (; at < s->len; at++)
		if (byte_is(s->data[at], ends) || s->data[at] < 0x20)
			break;
	return at;
}

/* A private key from its first line to its last. Returns its end, or 0. */
static size_t pem_at(struct scan *s, size_t at)
{
	static const char begin[] = "-----BEGIN ", is[] = "PRIVATE KEY", end[] = "-----END ";
	const uint8_t *from = s->data + at, *found;
	size_t left = s->len - at, near = left < LABEL ? left : LABEL;

	if (left < sizeof(begin) - 1 || memcmp(from, begin, sizeof(begin) - 1) != 0 ||
	    !memmem(from, near, is, sizeof(is) - 1))
		return 0;
	found = memmem(from, left, end, sizeof(end) - 1);
	if (!found) {
		rn_scan_found(s, at, s->len);
		return s->len;
	}
	left -= (size_t)(found - from) + sizeof(end) - 1;
	from = memmem(found + sizeof(end) - 1, left < LABEL ? left : LABEL, "-----", 5);
	found = from ? from + 5 : found + sizeof(end) - 1;
	rn_scan_found(s, at, (size_t)(found - s->data));
	return (size_t)(found - s->data);
}

/* "Bearer x" in a sentence. Returns its end, or 0. */
static size_t bearer_at(struct scan *s, size_t at)
{
	static const char word[] = "bearer ";
	size_t from = at + sizeof(word) - 1, to;

	if (from >= s->len)
		return 0;
	for (size_t i = 0; i < sizeof(word) - 1; i++)
		if ((s->data[at + i] | 0x20) != word[i])
			return 0;
	to = plain_end(s, from, false);
	if (to - from < 8 && !(s->cut && to == s->len))
		return 0;
	rn_scan_found(s, from, to);
	return to;
}

/* Whether a token may begin: behind a letter only where that is the end of an escape. */
static bool may_begin(const struct scan *s, size_t at)
{
	const uint8_t *p = s->data + at;

	if (!at || !byte_is(p[-1], BYTE_ALNUM))
		return true;
	return (at > 1 && p[-2] == '\\') || (at > 2 && (p[-3] == '\\' || p[-3] == '%')) ||
	       (at > 3 && p[-4] == '\\');
}

static bool begins_word(const struct scan *s, size_t at)
{
	return (!at || byte_is(s->data[at - 1], BYTE_SPACE | BYTE_QUOTE | BYTE_BREAK)) &&
	       !byte_is(s->data[at], BYTE_SPACE | BYTE_QUOTE | BYTE_BREAK) && s->data[at] != '\\';
}

static size_t word_at(struct scan *s, struct rn_words *words, size_t at)
{
	uint8_t before = at ? s->data[at - 1] : ' ';
	size_t to = word_end(s, at, byte_is(before, BYTE_BREAK) && !words->expect);

	if (words->expect && byte_is(before, BYTE_QUOTE))
		to = quoted_end(s, at - 1, 1);
	while (to > at + 1 && s->data[to - 1] == '\\') /* before a quote that is escaped */
		to--;
	s->end = 0;
	rn_scan_word(s, words, at, to);
	return s->end;
}

void rn_scan_text(struct scan *s, size_t from, struct rn_words *words)
{
	const uint8_t *data = s->data;

	for (size_t at = from, next; at < s->len; at = next) {
		uint8_t c = data[at];

		next = 0;
		if (words && begins_word(s, at))
			next = word_at(s, words, at);
		if (!next && may_begin(s, at)) {
			next = rn_token_at(s, at);
			if (next)
				rn_scan_found(s, at, next);
			else if (s->rules->defaults && (c | 0x20) == 'b')
				next = bearer_at(s, at);
			else if (s->rules->defaults && c == '-')
				next = pem_at(s, at);
		}
		if (!next && s->rules->defaults && c == ':' && s->len - at > 3 &&
		    data[at + 1] == '/' && data[at + 2] == '/')
			next = address_at(s, at);
		if (!next && (c == '=' || c == ':'))
			next = value_at(s, at);
		if (next <= at)
			next = at + 1;
	}
}
