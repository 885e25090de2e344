/* SPDX-License-Identifier: MIT */
/*
 * An exponential histogram of durations, as OpenTelemetry's metrics have them (base 2): bucket
 * `index` at a scale holds the values above base^index and up to base^(index + 1) seconds, where
 * base is 2^(2^-scale). At most RN_HISTOGRAM_BUCKETS of them: it begins with the finest scale and
 * makes two buckets one whenever the values need more. Count, sum, shortest and longest are exact.
 */
#ifndef RENACER_HISTOGRAM_H
#define RENACER_HISTOGRAM_H

#include <stdint.h>

#define RN_HISTOGRAM_BUCKETS 160u
#define RN_HISTOGRAM_SCALE 20 /* the finest */

/* Zeroed = empty. */
struct rn_histogram {
	uint64_t count; /* all of them */
	uint64_t zero;  /* of 0 ns */
	uint64_t sum, shortest, longest; /* ns; sum: UINT64_MAX = more */
	uint32_t coarser; /* than RN_HISTOGRAM_SCALE, by so many steps */
	int32_t low, high; /* index of the first and last bucket; only with count > zero */
	uint64_t bucket[RN_HISTOGRAM_BUCKETS]; /* see rn_histogram_at() */
};

/* The bucket, at the finest scale, of a duration in ns that is not 0. */
int32_t rn_histogram_index(uint64_t ns);
void rn_histogram_add(struct rn_histogram *histogram, uint64_t ns);
/* How many are in the bucket, which is from low to high. */
uint64_t rn_histogram_at(const struct rn_histogram *histogram, int32_t index);

#endif
