/* SPDX-License-Identifier: MIT */
/* See histogram.h; OpenTelemetry specification, metrics/data-model.md, "ExponentialHistogram". */
#include "renacer/histogram.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define SECOND 1000000000u
#define LOG2_SECOND 29.897352853986263 /* of that many ns */
#define PER_OCTAVE (1 << RN_HISTOGRAM_SCALE)

#define TABLE_BITS 8
#define TABLE (1u << TABLE_BITS)
#define FRACTION_BITS 44 /* of the logarithms in it */

/*
 * At the scales that histograms of calls mostly come to, a bucket is found without a logarithm. Bounds
 * are the same in every octave of ns, and no two of them are within one of TABLE parts of an octave: so
 * the part tells the bucket, but for one bound that may be in it.
 */
#define COARSE 7 /* the finest scale of these */
#define PER_COARSE (1u << COARSE)
#define COARSER (RN_HISTOGRAM_SCALE - COARSE)

static double table[TABLE]; /* log2(1 + i / TABLE) */
static struct {
	uint64_t bound; /* the last mantissa of the bucket; above it is the next one */
	int32_t index;
} parts[TABLE];
static pthread_once_t once = PTHREAD_ONCE_INIT, once_parts = PTHREAD_ONCE_INIT;
static _Atomic bool has_parts; /* asked for each call, where pthread_once() takes longer */

/* By squaring: log2 of x, from 1 to below 2, has as its first bit whether x * x is 2 or more. */
static double log2_of(uint64_t x)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < FRACTION_BITS; i++) {
		unsigned __int128 square = (unsigned __int128)x * x;
		bool two = square >> 127;

		x = (uint64_t)(square >> (two ? 64 : 63));
		bits = bits << 1 | two;
	}
	return (double)bits / (double)(1ull << FRACTION_BITS);
}

static void fill_table(void)
{
	for (uint64_t i = 0; i < TABLE; i++)
		table[i] = log2_of((TABLE + i) << (63 - TABLE_BITS));
}

/* log2 of a number of ns, right to about 2^-40. */
static double log2_ns(uint64_t ns)
{
	unsigned shift = (unsigned)__builtin_clzll(ns);
	uint64_t mantissa = ns << shift;
	unsigned at = (unsigned)(mantissa >> (63 - TABLE_BITS)) & (TABLE - 1);
	uint64_t from = (uint64_t)(TABLE + at) << (63 - TABLE_BITS);
	double r = (double)(mantissa - from) / (double)from; /* below 2^-8 */
	double ln = r * (1 - r * (1.0 / 2 - r * (1.0 / 3 - r * (1.0 / 4))));

	return (double)(63 - shift) + (table[at] + ln * 1.4426950408889634);
}

/* Whether a duration is longer than 2^octave seconds, which it is close to. */
static bool is_above(uint64_t ns, int octave)
{
	return octave<0 ? ns << -octave > SECOND : ns>(uint64_t) SECOND << octave;
}

/* The upper bound belongs to a bucket. Of all bounds only whole octaves are numbers of ns. */
int32_t rn_histogram_index(uint64_t ns)
{
	double x;
	int32_t floor, nearest;

	pthread_once(&once, fill_table);
	x = (log2_ns(ns) - LOG2_SECOND) * PER_OCTAVE;
	floor = (int32_t)x;
	floor -= x < floor;
	nearest = floor + (x - floor > 0.5);
	if (nearest % PER_OCTAVE == 0 && x - nearest < 1e-3 && nearest - x < 1e-3)
		return is_above(ns, nearest / PER_OCTAVE) ? nearest : nearest - 1;
	return floor;
}

/* The same at the scale COARSE. A bound's own mantissa was looked for among those of 2^63 ns and more,
   where no two are farther apart than what log2_ns() tells apart. */
static int32_t coarse_index(uint64_t ns)
{
	unsigned shift = (unsigned)__builtin_clzll(ns);
	uint64_t mantissa = ns << shift;
	unsigned at = (unsigned)(mantissa >> (63 - TABLE_BITS)) & (TABLE - 1);

	return parts[at].index + (mantissa > parts[at].bound) - (int32_t)(shift * PER_COARSE);
}

static void fill_parts(void)
{
	for (uint64_t i = 0; i < TABLE; i++) {
		uint64_t low = (TABLE + i) << (63 - TABLE_BITS);
		uint64_t high = low + ((1ull << (63 - TABLE_BITS)) - 1);
		int32_t first = rn_histogram_index(low) >> COARSER;

		parts[i].index = first;
		parts[i].bound = UINT64_MAX;
		if (rn_histogram_index(high) >> COARSER == first)
			continue;
		while (high - low > 1) {
			uint64_t middle = low + (high - low) / 2;

			if (rn_histogram_index(middle) >> COARSER == first)
				low = middle;
			else
				high = middle;
		}
		parts[i].bound = low;
	}
	atomic_store_explicit(&has_parts, true, memory_order_release);
}

static unsigned slot(int32_t index)
{
	return ((uint32_t)index + (1u << 31)) % RN_HISTOGRAM_BUCKETS;
}

static void coarsen(struct rn_histogram *h, unsigned steps)
{
	uint64_t bucket[RN_HISTOGRAM_BUCKETS] = {0};

	for (int32_t i = h->low; i <= h->high; i++)
		bucket[slot(i >> steps)] += h->bucket[slot(i)];
	memcpy(h->bucket, bucket, sizeof(bucket));
	h->low >>= steps;
	h->high >>= steps;
	h->coarser += steps;
}

/* Makes room for a bucket; its index, at what is the scale then. */
static int32_t reach(struct rn_histogram *h, int32_t index)
{
	int32_t low = index < h->low ? index : h->low;
	int32_t high = index > h->high ? index : h->high;
	unsigned steps = 0;

	while ((high >> steps) - (low >> steps) >= (int32_t)RN_HISTOGRAM_BUCKETS)
		steps++;
	if (steps)
		coarsen(h, steps);
	h->low = low >> steps;
	h->high = high >> steps;
	return index >> steps;
}

void rn_histogram_add(struct rn_histogram *h, uint64_t ns)
{
	int32_t index;

	if (h->count++ == 0 || ns < h->shortest)
		h->shortest = ns;
	if (ns > h->longest)
		h->longest = ns;
	/* Centuries: of a damaged record only. */
	if (__builtin_add_overflow(h->sum, ns, &h->sum))
		h->sum = UINT64_MAX;
	if (ns == 0) {
		h->zero++;
		return;
	}
	if (h->coarser >= COARSER) {
		if (!atomic_load_explicit(&has_parts, memory_order_acquire))
			pthread_once(&once_parts, fill_parts);
		index = coarse_index(ns) >> (h->coarser - COARSER);
	} else {
		index = rn_histogram_index(ns) >> h->coarser;
	}
	if (h->count - h->zero == 1)
		h->low = h->high = index;
	else if (index < h->low || index > h->high)
		index = reach(h, index);
	h->bucket[slot(index)]++;
}

uint64_t rn_histogram_at(const struct rn_histogram *h, int32_t index)
{
	return h->bucket[slot(index)];
}
