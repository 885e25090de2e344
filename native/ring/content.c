/* SPDX-License-Identifier: MIT */
/*
 * Horner's rule, by eight bytes at once: adding a word and dividing by 2^64 modulo a prime is one
 * step of Montgomery's reduction, two multiplications. Lanes hold no more than their prime and 4
 * until the end.
 */
#include "renacer/content.h"

#include <string.h>

#define LANES 2

struct lane {
	uint64_t prime;
	uint64_t factor; /* -1 / prime modulo 2^64 */
};

static const struct lane lanes[LANES] = {
	{RN_CONTENT_PRIME_0, 0x6dc6269b04609a29ull},
	{RN_CONTENT_PRIME_1, 0x5c8ec2ff8aea4139ull},
};

__extension__ typedef unsigned __int128 wide;

#define ONES 0x0101010101010101ull

static inline uint64_t divided(wide sum, const struct lane *lane)
{
	return (uint64_t)(((wide)((uint64_t)sum * lane->factor) * lane->prime + sum) >> 64);
}

static inline uint64_t after_word(uint64_t hash, uint64_t word, const struct lane *lane)
{
	return divided((wide)hash + word + ONES, lane);
}

static inline uint64_t after_byte(uint64_t hash, uint8_t byte, const struct lane *lane)
{
	uint64_t sum = hash + byte + 1;
	uint8_t times = (uint8_t)(sum * lane->factor);

	return (uint64_t)(((wide)times * lane->prime + sum) >> 8);
}

static uint64_t reduced(uint64_t hash, const struct lane *lane)
{
	return hash >= lane->prime ? hash - lane->prime : hash;
}

static inline uint64_t word_at(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

void rn_content_add(struct rn_content *content, const void *data, size_t len)
{
	const struct lane first = lanes[0], second = lanes[1];
	uint64_t a = content->lanes[0], b = content->lanes[1];
	const uint8_t *at = data, *end = at + len;

	for (; end - at >= 8; at += 8) {
		uint64_t word = word_at(at);

		a = after_word(a, word, &first);
		b = after_word(b, word, &second);
	}
	for (; at < end; at++) {
		a = after_byte(a, *at, &first);
		b = after_byte(b, *at, &second);
	}
	content->bytes += len;
	content->lanes[0] = reduced(a, &first);
	content->lanes[1] = reduced(b, &second);
}

static uint64_t times(uint64_t a, uint64_t b, uint64_t prime)
{
	return (uint64_t)((wide)a * b % prime);
}

/* 256^-n */
static uint64_t shift(uint64_t n, const struct lane *lane)
{
	uint64_t power = after_byte(0, 0, lane), result = 1; /* 1 / 256 */

	for (; n; n >>= 1) {
		if (n & 1)
			result = times(result, power, lane->prime);
		power = times(power, power, lane->prime);
	}
	return result;
}

void rn_content_join(struct rn_content *content, const struct rn_content *more)
{
	for (unsigned i = 0; i < LANES; i++) {
		uint64_t moved =
			times(content->lanes[i], shift(more->bytes, &lanes[i]), lanes[i].prime);

		content->lanes[i] = (uint64_t)(((wide)moved + more->lanes[i]) % lanes[i].prime);
	}
	content->bytes += more->bytes;
}

bool rn_content_is_sound(const struct rn_content *content)
{
	return content->lanes[0] < lanes[0].prime && content->lanes[1] < lanes[1].prime;
}
