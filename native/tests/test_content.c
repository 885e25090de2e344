/* SPDX-License-Identifier: MIT */
/* The hash of written bytes: by its definition, however they are cut. */
#include "records.h"
#include "renacer/content.h"

#define MOST 400u

__extension__ typedef unsigned __int128 wide;

static const uint64_t primes[2] = {RN_CONTENT_PRIME_0, RN_CONTENT_PRIME_1};

static uint64_t power(uint64_t base, uint64_t exponent, uint64_t prime)
{
	uint64_t result = 1;

	for (; exponent; exponent >>= 1) {
		if (exponent & 1)
			result = (uint64_t)((wide)result * base % prime);
		base = (uint64_t)((wide)base * base % prime);
	}
	return result;
}

/* As the header has it, a byte at a time. */
static uint64_t defined(const uint8_t *data, size_t len, uint64_t prime)
{
	uint64_t inverse = power(256, prime - 2, prime), hash = 0;

	for (size_t i = 0; i < len; i++)
		hash = (uint64_t)((wide)(hash + data[i] + 1) * inverse % prime);
	return hash;
}

static void check_same(const struct rn_content *got, const struct rn_content *want)
{
	CHECK(rn_content_is_sound(got));
	CHECK(got->bytes == want->bytes);
	CHECK(got->lanes[0] == want->lanes[0]);
	CHECK(got->lanes[1] == want->lanes[1]);
}

static struct rn_content hash_of(const uint8_t *data, size_t len)
{
	struct rn_content content = {0};

	rn_content_add(&content, data, len);
	return content;
}

/* All lengths, from all places in a word; zeros and ones too, which carry farthest. */
static void test_definition(struct rng *rng)
{
	static uint8_t data[MOST];

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < MOST; i++)
			data[i] = round == 0 ? 0 : round == 1 ? 0xff : (uint8_t)rng_next(rng);
		for (unsigned len = 0; len < MOST - 8; len++) {
			const uint8_t *at = data + len % 8;
			struct rn_content got = hash_of(at, len);

			CHECK_INT(got.bytes, len);
			for (unsigned lane = 0; lane < 2; lane++)
				CHECK(got.lanes[lane] == defined(at, len, primes[lane]));
		}
	}
}

static void test_cuts(struct rng *rng)
{
	static uint8_t data[MOST];

	for (unsigned round = 0; round < 2000 * test_scale(); round++) {
		size_t len = rng_below(rng, MOST), at = 0;
		struct rn_content added = {0}, joined = {0}, whole;

		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)rng_next(rng);
		while (at < len) {
			size_t take = 1 + rng_below(rng, (uint32_t)(len - at));
			struct rn_content part = hash_of(data + at, take);

			rn_content_add(&added, data + at, take);
			rn_content_join(&joined, &part);
			at += take;
		}
		whole = hash_of(data, len);
		check_same(&added, &whole);
		check_same(&joined, &whole);
	}
}

static void test_soundness(void)
{
	struct rn_content content = {1, {RN_CONTENT_PRIME_0 - 1, RN_CONTENT_PRIME_1 - 1}};

	CHECK(rn_content_is_sound(&content));
	/* The greatest there is goes on as any. */
	rn_content_add(&content, "\377\377\377\377\377\377\377\377\377", 9);
	CHECK(rn_content_is_sound(&content));
	content.lanes[1] = RN_CONTENT_PRIME_1;
	CHECK(!rn_content_is_sound(&content));
	content = (struct rn_content){1, {RN_CONTENT_PRIME_0, 0}};
	CHECK(!rn_content_is_sound(&content));
}

int main(void)
{
	struct rng rng = test_rng();

	test_definition(&rng);
	test_cuts(&rng);
	test_soundness();
	return check_done();
}
