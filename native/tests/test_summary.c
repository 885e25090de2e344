/* SPDX-License-Identifier: MIT */
/* Counts against a naive count; buckets against their bound. */
#include "renacer/summary.h"

#include "records.h"
#include "sample.h"

#define CALLS 20000u
#define NUMBERS 300

static struct rn_process process = {.ordinal = 1, .pid = 100, .name = (char *)"first"};

static void count(struct rn_summary *s, int32_t nr, uint64_t duration, uint16_t flags, int32_t tid)
{
	struct rn_call call = {
		.process = &process,
		.desc = rn_syscall(RN_ABI_X86_64, nr),
		.abi = RN_ABI_X86_64,
		.flags = flags,
		.tid = tid,
		.pid = 100,
		.nr = nr,
		.t0 = 1000,
		.t1 = 1000 + duration,
	};

	rn_summary_call(s, &call);
}

static struct rn_summary *open_summary(enum rn_summary_by by, bool wall)
{
	struct rn_summary_config config = {.by = by, .wall = wall};
	struct rn_summary *s = rn_summary_create(&config);

	CHECK(s);
	return s;
}

struct naive {
	uint64_t calls, errors, unfinished, time, shortest, longest;
};

static void test_as_counted_by_hand(void)
{
	static struct naive naive[NUMBERS];
	struct rn_summary *s = open_summary(RN_SUMMARY_ALL, true);
	struct rng rng = test_rng();
	const struct rn_summary_row *rows;
	uint64_t n;

	memset(naive, 0, sizeof(naive));
	for (unsigned i = 0; i < CALLS * test_scale(); i++) {
		int32_t nr = (int32_t)rng_below(&rng, NUMBERS);
		uint64_t duration = rng_next(&rng) >> rng_below(&rng, 60) >> 4;
		static const uint16_t kinds[] = {0, 0, RN_FLAG_FAILED, RN_FLAG_INTERRUPTED,
						 RN_FLAG_UNFINISHED};
		uint16_t flags = kinds[rng_below(&rng, 5)];
		struct naive *at = &naive[nr];

		count(s, nr, duration, flags, 100);
		if (flags & RN_FLAG_UNFINISHED) {
			at->unfinished++;
			continue;
		}
		if (at->calls++ == 0 || duration < at->shortest)
			at->shortest = duration;
		at->longest = duration > at->longest ? duration : at->longest;
		at->errors += flags != 0;
		at->time += duration;
	}
	rows = rn_summary_rows(s, &n);
	CHECK_INT(n, NUMBERS);
	for (uint64_t i = 0; i < n; i++) {
		const struct naive *want = &naive[rows[i].nr];

		CHECK_INT(rows[i].group, 0);
		CHECK_INT(rows[i].calls, want->calls);
		CHECK_INT(rows[i].errors, want->errors);
		CHECK_INT(rows[i].unfinished, want->unfinished);
		CHECK_INT(rows[i].time, want->time);
		CHECK_INT(rows[i].shortest, want->shortest);
		CHECK_INT(rows[i].longest, want->longest);
		CHECK_INT(rows[i].sampled, want->calls);
	}
	CHECK_INT(rn_summary_uncounted(s), 0);
	rn_summary_destroy(s);
}

/* A bucket's middle is within 1/256 of whatever went in, at every edge. */
static void check_bucket(uint64_t duration)
{
	struct rn_summary *s = open_summary(RN_SUMMARY_ALL, true);
	struct rn_summary_bucket bucket;
	uint64_t at = 0, off;

	count(s, 0, duration, 0, 100);
	CHECK_INT(rn_summary_buckets(s, &at, &bucket, 1), 1);
	CHECK_INT(bucket.count, 1);
	CHECK_INT(bucket.row, 0);
	off = bucket.value > duration ? bucket.value - duration : duration - bucket.value;
	CHECK(off <= duration / 256 || (duration < 256 && off <= 1));
	CHECK_INT(rn_summary_buckets(s, &at, &bucket, 1), 0);
	rn_summary_destroy(s);
}

static void test_buckets(void)
{
	struct rng rng = test_rng();

	for (unsigned bit = 0; bit < 63; bit++)
		for (int64_t by = -1; by <= 1; by++)
			check_bucket((1ull << bit) + (uint64_t)by);
	for (unsigned i = 0; i < 2000; i++)
		check_bucket(rng_next(&rng) >> (1 + rng_below(&rng, 62)));
}

/* More durations than there are buckets: the row says that some are missing. */
static void test_bounds(void)
{
	struct rn_summary *s = open_summary(RN_SUMMARY_THREAD, true);
	uint64_t rows, groups, sampled = 0, calls = 0, buckets = 0, at = 0, got;
	const struct rn_summary_row *row;
	struct rn_summary_bucket some[64];

	for (int32_t tid = 1; tid <= 3000; tid++)
		for (uint64_t i = 0; i < 400; i++)
			count(s, 1, i * i * 1000, 0, tid);
	row = rn_summary_rows(s, &rows);
	rn_summary_groups(s, &groups);
	CHECK_INT(rows, 3000);
	CHECK_INT(groups, 3001);
	for (uint64_t i = 0; i < rows; i++) {
		sampled += row[i].sampled;
		calls += row[i].calls;
	}
	CHECK_INT(calls, 3000 * 400);
	CHECK(sampled < calls);
	while ((got = rn_summary_buckets(s, &at, some, 64)))
		for (uint64_t i = 0; i < got; i++)
			buckets += some[i].count;
	CHECK_INT(buckets, sampled);
	rn_summary_destroy(s);
}

static void test_names(void)
{
	struct rn_summary *s = open_summary(RN_SUMMARY_PROCESS, false);
	const struct rn_summary_group *groups;
	struct rn_process again = process;
	uint64_t n, at = 0;
	struct rn_summary_bucket bucket;

	count(s, 0, 5, 0, 100);
	count(s, 0, 5, 0, 101); /* another thread of it */
	rn_summary_process(s, &process);
	again.name = (char *)"second"; /* after an exec */
	rn_summary_process(s, &again);
	groups = rn_summary_groups(s, &n);
	CHECK_INT(n, 2);
	CHECK_STR(groups[1].name, "second");
	CHECK_INT(groups[1].pid, 100);
	CHECK_INT(rn_summary_rows(s, &n)->calls, 2);
	CHECK_INT(rn_summary_rows(s, &n)->time, 0); /* no record, no CPU time */
	CHECK_INT(rn_summary_buckets(s, &at, &bucket, 1), 0);
	rn_summary_destroy(s);
}

int main(void)
{
	test_as_counted_by_hand();
	test_buckets();
	test_bounds();
	test_names();
	return check_done();
}
