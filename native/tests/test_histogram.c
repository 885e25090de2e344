/* SPDX-License-Identifier: MIT */
/* Buckets against whole numbers, histograms against all their values kept in a list. */
#include "renacer/histogram.h"

#include "records.h"

#define VALUES 3000u
#define SECOND 1000000000u

/* The octave by whole numbers: the greatest k with ns > 2^k * 10^9, as the upper bound is inside. */
static int octave_of(uint64_t ns)
{
	int k = 40;

	while (k >= 0 ? (unsigned __int128)ns <= (unsigned __int128)SECOND << k
		      : (unsigned __int128)ns << -k <= SECOND)
		k--;
	return k;
}

/* And the half of an octave: ns^2 against 2^(2k + 1) * 10^18. */
static int half_of(uint64_t ns)
{
	int k = octave_of(ns);
	unsigned __int128 square = (unsigned __int128)ns * ns;
	unsigned __int128 bound = (unsigned __int128)SECOND * SECOND;
	int shift = 2 * k + 1;

	if (shift > 60 || shift < -60)
		return -1; /* not within 128 bits */
	return shift >= 0 ? square > bound << shift : square << -shift > bound;
}

static void check_index(uint64_t ns)
{
	int32_t index = rn_histogram_index(ns);
	int half = ns < 1ull << 30 ? half_of(ns) : -1;

	CHECK_INT(index >> RN_HISTOGRAM_SCALE, octave_of(ns));
	if (half >= 0)
		CHECK_INT((index >> (RN_HISTOGRAM_SCALE - 1)) & 1, half);
	if (ns > 1)
		CHECK(rn_histogram_index(ns - 1) <= index);
}

static void test_buckets(void)
{
	struct rng rng = test_rng();

	/* Whole octaves of a second: the bound itself belongs to the bucket below it. */
	for (int k = 0; k <= 34; k++)
		for (int by = -2; by <= 2; by++)
			check_index(((uint64_t)SECOND << k) + (uint64_t)(int64_t)by);
	for (int k = 1; k <= 9; k++)
		for (int by = -2; by <= 2; by++)
			check_index((SECOND >> k) + (uint64_t)(int64_t)by);
	CHECK_INT(rn_histogram_index(SECOND), -1);
	CHECK_INT(rn_histogram_index(SECOND + 1) >> RN_HISTOGRAM_SCALE, 0);
	CHECK_INT(rn_histogram_index(SECOND / 2), -(1 << RN_HISTOGRAM_SCALE) - 1);
	for (unsigned bit = 0; bit < 64; bit++)
		for (int by = -1; by <= 1; by++)
			if ((1ull << bit) + (uint64_t)(int64_t)by)
				check_index((1ull << bit) + (uint64_t)(int64_t)by);
	check_index(UINT64_MAX);
	for (unsigned i = 0; i < 20000 * test_scale(); i++)
		check_index((rng_next(&rng) >> rng_below(&rng, 64)) | 1);
}

/* What all values come to, by going over them again and again. */
static void check_against(const struct rn_histogram *h, const uint64_t *values, unsigned n)
{
	int32_t low = INT32_MAX, high = INT32_MIN;
	uint64_t sum = 0, zero = 0, shortest = UINT64_MAX, longest = 0;
	unsigned coarser = 0;

	for (unsigned i = 0; i < n; i++) {
		int32_t index = values[i] ? rn_histogram_index(values[i]) : low;

		if (__builtin_add_overflow(sum, values[i], &sum))
			sum = UINT64_MAX;
		zero += values[i] == 0;
		shortest = values[i] < shortest ? values[i] : shortest;
		longest = values[i] > longest ? values[i] : longest;
		if (!values[i])
			continue;
		low = index < low ? index : low;
		high = index > high ? index : high;
	}
	CHECK_INT(h->count, n);
	CHECK_INT(h->zero, zero);
	CHECK(h->sum == sum);
	CHECK(h->shortest == shortest && h->longest == longest);
	if (zero == n)
		return;
	while ((high >> coarser) - (low >> coarser) >= (int32_t)RN_HISTOGRAM_BUCKETS)
		coarser++;
	CHECK_INT(h->coarser, coarser); /* as fine as fits, not coarser */
	CHECK_INT(h->low, low >> coarser);
	CHECK_INT(h->high, high >> coarser);
	for (int32_t index = h->low; index <= h->high; index++) {
		uint64_t count = 0;

		for (unsigned i = 0; i < n; i++)
			count += values[i] && rn_histogram_index(values[i]) >> coarser == index;
		CHECK_INT(rn_histogram_at(h, index), count);
	}
}

static void test_as_a_list(void)
{
	static uint64_t values[VALUES];
	struct rng rng = test_rng();

	for (unsigned round = 0; round < 40 * test_scale(); round++) {
		struct rn_histogram h = {0};
		unsigned n = 1 + rng_below(&rng, round < 30 ? 40 : VALUES);
		unsigned spread = 1 + rng_below(&rng, 63);
		uint64_t around = rng_next(&rng) >> rng_below(&rng, 64);

		for (unsigned i = 0; i < n; i++) {
			values[i] = rng_below(&rng, 3) ? rng_next(&rng) >> rng_below(&rng, spread)
						       : around + rng_below(&rng, 5);
			if (spread < 40)
				values[i] >>= 20;
			rn_histogram_add(&h, values[i]);
		}
		check_against(&h, values, n);
	}
}

static void test_one_value(void)
{
	struct rn_histogram h = {0};

	for (unsigned i = 0; i < 1000; i++)
		rn_histogram_add(&h, 1234567);
	CHECK_INT(h.coarser, 0);
	CHECK_INT(h.low, h.high);
	CHECK_INT(rn_histogram_at(&h, h.low), 1000);
	CHECK_INT(h.sum, 1234567000);
}

static void test_nothing_but_zeros(void)
{
	struct rn_histogram h = {0};

	rn_histogram_add(&h, 0);
	rn_histogram_add(&h, 0);
	CHECK_INT(h.count, 2);
	CHECK_INT(h.zero, 2);
	CHECK_INT(h.shortest, 0);
	rn_histogram_add(&h, 5);
	CHECK_INT(rn_histogram_at(&h, h.low), 1);
	CHECK_INT(h.low, h.high);
}

int main(void)
{
	test_buckets();
	test_as_a_list();
	test_one_value();
	test_nothing_but_zeros();
	return check_done();
}
