/* SPDX-License-Identifier: MIT */
/*
 * Reading bytes that nobody vouches for: never outside [at, end), little-endian, LEB128 as DWARF 5
 * says in 7.6. What is not there reads as zero and makes the cursor `bad`, for good.
 */
#ifndef RENACER_CURSOR_H
#define RENACER_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rn_cursor {
	const uint8_t *at, *end;
	bool bad;
};

static inline struct rn_cursor rn_cursor_over(const void *data, size_t len)
{
	const uint8_t *at = data;

	return (struct rn_cursor){at, len ? at + len : at, false};
}

static inline size_t rn_cursor_left(const struct rn_cursor *c)
{
	return (size_t)(c->end - c->at);
}

static inline const uint8_t *rn_cursor_take(struct rn_cursor *c, uint64_t len)
{
	const uint8_t *at = c->at;

	if (c->bad || len > rn_cursor_left(c)) {
		c->bad = true;
		c->at = c->end;
		return NULL;
	}
	c->at += len;
	return at;
}

/* 1 to 8 bytes. */
static inline uint64_t rn_cursor_unsigned(struct rn_cursor *c, unsigned len)
{
	const uint8_t *at = rn_cursor_take(c, len);
	uint64_t value = 0;

	for (unsigned i = 0; at && i < len; i++)
		value |= (uint64_t)at[i] << 8 * i;
	return value;
}

static inline int64_t rn_cursor_signed(struct rn_cursor *c, unsigned len)
{
	uint64_t value = rn_cursor_unsigned(c, len);
	unsigned shift = 64 - 8 * len;

	return (int64_t)(value << shift) >> shift;
}

static inline uint64_t rn_cursor_leb(struct rn_cursor *c, bool is_signed)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)rn_cursor_unsigned(c, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !c->bad);
	if (is_signed && shift < 64 && byte & 0x40)
		value |= ~(uint64_t)0 << shift;
	return value;
}

static inline uint64_t rn_cursor_uleb(struct rn_cursor *c)
{
	return rn_cursor_leb(c, false);
}

static inline int64_t rn_cursor_sleb(struct rn_cursor *c)
{
	return (int64_t)rn_cursor_leb(c, true);
}

/* A string and the NUL behind it; NULL: it has no end. */
static inline const char *rn_cursor_string(struct rn_cursor *c)
{
	const uint8_t *end = c->bad ? NULL : memchr(c->at, 0, rn_cursor_left(c));
	const uint8_t *at = c->at;

	if (!end) {
		c->bad = true;
		c->at = c->end;
		return NULL;
	}
	c->at = end + 1;
	return (const char *)at;
}

#endif
