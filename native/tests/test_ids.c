/* SPDX-License-Identifier: MIT */
/* Span ids: never zero, never repeated, and the counter can be had back. */
#include "records.h"
#include "renacer/api.h"
#include "renacer/ids.h"

#ifdef __SANITIZE_THREAD__ /* one thread, and slow */
#define COUNTERS (1u << 16)
#else
#define COUNTERS (1u << 20)
#endif
#define RADIX 2048u

static uint64_t *ids, *other;

/* Least significant digit first: qsort() would take most of the test's time. */
static void sort_ids(size_t n)
{
	static size_t at[RADIX + 1];

	for (unsigned shift = 0; shift < 64; shift += 11) {
		uint64_t *swap;

		memset(at, 0, sizeof(at));
		for (size_t i = 0; i < n; i++)
			at[(ids[i] >> shift) % RADIX + 1]++;
		for (unsigned digit = 0; digit < RADIX; digit++)
			at[digit + 1] += at[digit];
		for (size_t i = 0; i < n; i++)
			other[at[(ids[i] >> shift) % RADIX]++] = ids[i];
		swap = ids;
		ids = other;
		other = swap;
	}
}

static uint64_t repeats(size_t n)
{
	uint64_t found = 0;

	sort_ids(n);
	for (size_t i = 1; i < n; i++) {
		CHECK(ids[i - 1] <= ids[i]); /* the sort itself */
		found += ids[i - 1] == ids[i];
	}
	return found;
}

/* Calls, processes, the run and images of one run: all kinds of counter at once. */
static uint64_t counter_of(uint64_t i)
{
	switch (i % 4) {
	case 0:
		return 1 + i / 4;
	case 1:
		return RN_ID_RUN | (i / 4);
	case 2:
		return RN_ID_IMAGE | (1 + i / 4);
	default:
		return (1ull << 62) - i / 4;
	}
}

static void test_no_repeats(const struct rn_id_key *key)
{
	for (uint64_t i = 0; i < COUNTERS; i++) {
		uint64_t counter = counter_of(i), id = rn_id_of(key, counter);

		CHECK(id != 0);
		CHECK_INT(rn_id_counter(key, id), counter);
		ids[i] = id;
	}
	CHECK_INT(repeats(COUNTERS), 0);
}

/* The sort and the comparison do find a repeat. */
static void test_repeat_is_found(void)
{
	struct rn_id_key key = {1, 2};

	for (uint64_t i = 0; i < COUNTERS; i++)
		ids[i] = rn_id_of(&key, i == 7000 ? 9000 : i + 1);
	CHECK_INT(repeats(COUNTERS), 1);
}

/*
 * A key under which the plain bijection would make a chosen counter zero: keys shift
 * the counter (k0 is added first), so the counter that gives zero is moved where we
 * want it by as much.
 */
static struct rn_id_key key_that_zeroes(uint64_t counter, uint64_t k1)
{
	struct rn_id_key key = {0, k1};
	uint64_t zero = rn_id_counter(&key, 0);

	key.k0 = zero - counter;
	return key;
}

static void test_never_zero(void)
{
	static const uint64_t counters[] = {
		1, 2, 1ull << 62, RN_ID_RUN, RN_ID_RUN | 1, RN_ID_IMAGE | 1, RN_ID_IMAGE | 77};

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		struct rn_id_key key = key_that_zeroes(counters[i], 0x1234567 * i);
		uint64_t id = rn_id_of(&key, counters[i]);

		/* Without the stand-in for zero this id would be zero. */
		CHECK_INT(rn_id_counter(&key, 0), counters[i]);
		CHECK(id != 0);
		CHECK_INT(rn_id_counter(&key, id), counters[i]);
		/* And nobody else's. */
		for (uint64_t j = 0; j < 100000; j++)
			CHECK(counter_of(j) == counters[i] || rn_id_of(&key, counter_of(j)) != id);
	}
}

static void test_inverse(struct rng *rng)
{
	for (unsigned i = 0; i < 300000 * test_scale(); i++) {
		struct rn_id_key key = {rng_next(rng), rng_next(rng)};
		uint64_t counter = rng_next(rng);

		if (counter == 0x7fffffffffffffffull)
			continue; /* stands in for zero; no counter reaches it */
		CHECK_INT(rn_id_counter(&key, rn_id_of(&key, counter)), counter);
		CHECK_INT(rn_id_of(&key, rn_id_counter(&key, counter)), counter);
	}
}

/* A bit of the counter or of either key changes about half of the id's bits. */
static void test_spread(struct rng *rng)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		unsigned changed[3] = {0};

		for (unsigned i = 0; i < 256; i++) {
			struct rn_id_key key = {rng_next(rng), rng_next(rng)};
			struct rn_id_key a = {key.k0 ^ 1ull << bit, key.k1};
			struct rn_id_key b = {key.k0, key.k1 ^ 1ull << bit};
			uint64_t counter = rng_next(rng), id = rn_id_of(&key, counter);

			changed[0] += (unsigned)__builtin_popcountll(
				id ^ rn_id_of(&key, counter ^ 1ull << bit));
			changed[1] += (unsigned)__builtin_popcountll(id ^ rn_id_of(&a, counter));
			changed[2] += (unsigned)__builtin_popcountll(id ^ rn_id_of(&b, counter));
		}
		CHECK(changed[0] > 256 * 20 && changed[0] < 256 * 44);
		CHECK(changed[1] > 256 * 20 && changed[1] < 256 * 44);
		/* The second key is added in the middle: a high bit of it reaches fewer. */
		CHECK(changed[2] > 0);
	}
}

static void test_helpers(void)
{
	struct rn_id_key key = {3, 4};

	CHECK_INT(rn_id_of_process(&key, 9), rn_id_of(&key, RN_ID_RUN + 9));
	CHECK_INT(rn_span_id(3, 4, 77), rn_id_of(&key, 77));
	CHECK(rn_span_id(3, 4, 77) != rn_span_id(4, 3, 77));
}

int main(void)
{
	struct rng rng = test_rng();

	ids = malloc(COUNTERS * sizeof(*ids));
	other = malloc(COUNTERS * sizeof(*other));
	CHECK(ids && other);
	test_repeat_is_found();
	test_no_repeats(&(struct rn_id_key){0, 0});
	test_no_repeats(&(struct rn_id_key){UINT64_MAX, UINT64_MAX});
	for (unsigned i = 0; i < 2 * test_scale(); i++)
		test_no_repeats(&(struct rn_id_key){rng_next(&rng), rng_next(&rng)});
	test_never_zero();
	test_inverse(&rng);
	test_spread(&rng);
	test_helpers();
	free(ids);
	free(other);
	return check_done();
}
