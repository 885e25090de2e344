/* SPDX-License-Identifier: MIT */
/*
 * Hostile bytes as valid UTF-8 that is safe to store and to print.
 *
 * Kept: every well-formed code point (RFC 3629: shortest form, no surrogates, at
 * most U+10FFFF) that is not a control character. Written as \xHH, byte by byte:
 * what is not well formed, and the controls U+0000-001F, U+007F and U+0080-009F.
 * A backslash is doubled, so the way back is unambiguous: \\ is one backslash,
 * \xHH one byte, all else stands for itself.
 */
#include <string.h>

#include "attributes.h"

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

/* Whether all eight bytes are printable ASCII other than a backslash. */
static inline bool plain8(uint64_t w)
{
	uint64_t bad = w & HIGHS;                /* not ASCII */
	uint64_t backslash = w ^ (ONES * '\\');

	bad |= (w - ONES * 0x20) & HIGHS;        /* < 0x20; a borrow only errs to bad */
	bad |= (w + ONES) & HIGHS;               /* 0x7f */
	bad |= (backslash - ONES) & ~backslash & HIGHS;
	return !bad;
}

static inline bool plain1(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '\\';
}

static inline bool cont(const uint8_t *p)
{
	return (*p & 0xc0) == 0x80;
}

/* Bytes of the well-formed code point >= U+0080 at p[0..len), or 0. */
static unsigned multibyte(const uint8_t *p, size_t len)
{
	uint8_t c = p[0];

	if (c >= 0xc2 && c <= 0xdf)
		return len >= 2 && cont(p + 1) ? 2 : 0;
	if ((c & 0xf0) == 0xe0) {
		if (len < 3 || !cont(p + 1) || !cont(p + 2))
			return 0;
		if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if (len < 4 || !cont(p + 1) || !cont(p + 2) || !cont(p + 3))
			return 0;
		if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

size_t rn_utf8_escape_to(uint8_t *out, size_t room, const void *data, size_t len, size_t limit,
			 bool *cut)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *in = data;
	size_t stop = len < limit ? len : limit;
	size_t i = 0, o = 0;

	while (i < stop) {
		uint64_t w;
		uint8_t c;
		unsigned n;

		while (stop - i >= 8 && room - o >= 8) {
			memcpy(&w, in + i, 8);
			if (!plain8(w))
				break;
			memcpy(out + o, &w, 8);
			i += 8;
			o += 8;
		}
		if (i >= stop)
			break;
		c = in[i];
		if (plain1(c)) {
			if (room - o < 1)
				break;
			out[o++] = c;
			i++;
		} else if (c == '\\') {
			if (room - o < 2)
				break;
			out[o++] = '\\';
			out[o++] = '\\';
			i++;
		} else if (c >= 0x80 && (n = multibyte(in + i, len - i)) != 0 &&
			   !(c == 0xc2 && in[i + 1] < 0xa0)) {
			/* Cut before, never within a code point. */
			if (n > stop - i || room - o < n)
				break;
			memcpy(out + o, in + i, n);
			o += n;
			i += n;
		} else {
			if (room - o < 4)
				break;
			out[o++] = '\\';
			out[o++] = 'x';
			out[o++] = (uint8_t)hex[c >> 4];
			out[o++] = (uint8_t)hex[c & 15];
			i++;
		}
	}
	if (cut)
		*cut = i < len;
	return o;
}

void rn_utf8_escape(struct rn_buf *buf, const void *data, size_t len, size_t limit)
{
	size_t most = len < limit ? len : limit;

	/* A byte becomes four at most. */
	if (!most || __builtin_mul_overflow(most, (size_t)4, &most) || !rn_buf_reserve(buf, most))
		return;
	buf->len += rn_utf8_escape_to(buf->data + buf->len, most, data, len, limit, NULL);
}
