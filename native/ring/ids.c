/* SPDX-License-Identifier: MIT */
/* Two rounds of xor-shift and odd multiplication between two keys: invertible step by step. */
#include "renacer/ids.h"

#define MUL_A 0xbf58476d1ce4e5b9ull
#define MUL_B 0x94d049bb133111ebull
/* The counter whose id stands in for the one counter that would give zero. */
#define SPARE 0x7fffffffffffffffull

static uint64_t inverse(uint64_t odd)
{
	uint64_t x = odd; /* right to 3 bits; each step of Newton's doubles that */

	for (int i = 0; i < 5; i++)
		x *= 2 - odd * x;
	return x;
}

static uint64_t unshift(uint64_t x, int by)
{
	uint64_t y = x;

	for (int done = by; done < 64; done += by)
		y = x ^ (y >> by);
	return y;
}

static uint64_t mix(const struct rn_id_key *key, uint64_t x)
{
	x += key->k0;
	x ^= x >> 30;
	x *= MUL_A;
	x ^= key->k1;
	x ^= x >> 27;
	x *= MUL_B;
	x ^= x >> 31;
	return x;
}

static uint64_t unmix(const struct rn_id_key *key, uint64_t x)
{
	x = unshift(x, 31);
	x *= inverse(MUL_B);
	x = unshift(x, 27);
	x ^= key->k1;
	x *= inverse(MUL_A);
	x = unshift(x, 30);
	return x - key->k0;
}

uint64_t rn_id_of(const struct rn_id_key *key, uint64_t counter)
{
	uint64_t id = mix(key, counter);

	return id ? id : mix(key, SPARE);
}

uint64_t rn_id_counter(const struct rn_id_key *key, uint64_t id)
{
	uint64_t counter = unmix(key, id);

	return counter == SPARE ? unmix(key, 0) : counter;
}
