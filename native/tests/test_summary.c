/* SPDX-License-Identifier: MIT */
/* Counts against a naive count; buckets against their bound. */
#include "renacer/summary.h"

#include "records.h"
#include "sample.h"

#define CALLS 20000u
#define NUMBERS 300
#define NOISE_MAX 4500u /* bytes of a piece: two are longer than a name may be */

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
		if (__builtin_add_overflow(at->time, duration, &at->time))
			at->time = UINT64_MAX;
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

static struct rn_summary *counted_by(enum rn_summary_by by, const struct sample *s,
				     const char **name)
{
	struct rn_summary *summary = open_summary(by, true);
	struct rn_call call = s->call;
	uint64_t n;

	call.process = &process;
	rn_summary_call(summary, &call);
	*name = rn_summary_groups(summary, &n)[n - 1].name;
	return summary;
}

#define CHECK_NAME(by, want)                                                                       \
	do {                                                                                       \
		const char *name;                                                                  \
		struct rn_summary *summary = counted_by(by, &sample_of, &name);                    \
		CHECK_STR(name, want);                                                             \
		rn_summary_destroy(summary);                                                       \
	} while (0)

static struct sample sample_of;

static void add(enum rn_piece_type type, unsigned arg, unsigned flags, const void *data,
		uint32_t len)
{
	void *record = flags & RN_PIECE_AT_EXIT ? sample_of.exit : sample_of.entry;

	record_piece(record, type, arg, flags, data, len);
}

static void link(unsigned arg, unsigned flags, const char *to)
{
	add(RN_PIECE_FD_LINK, arg, flags, to, (uint32_t)strlen(to));
}

static void test_paths(void)
{
	sample(&sample_of, "openat", ARGS(5, 0x1000, 0, 0));
	sample_path(&sample_of, 1, "name");
	CHECK_NAME(RN_SUMMARY_PATH, "name");
	link(0, 0, "/folder");
	CHECK_NAME(RN_SUMMARY_PATH, "/folder/name");
	sample_result(&sample_of, 3);
	link(RN_PIECE_NO_ARG, RN_PIECE_AT_EXIT, "/target");
	CHECK_NAME(RN_SUMMARY_PATH, "/target");
	sample(&sample_of, "newfstatat", ARGS(5, 0x1000, 0, 0x1000));
	sample_path(&sample_of, 1, "");
	link(0, 0, "/the/file");
	CHECK_NAME(RN_SUMMARY_PATH, "/the/file");
	sample(&sample_of, "unlinkat", ARGS(5, 0x1000, 0));
	sample_path(&sample_of, 1, "x");
	link(0, 0, "/");
	CHECK_NAME(RN_SUMMARY_PATH, "/x");
	sample(&sample_of, "read", ARGS(5, 0x1000, 9));
	CHECK_NAME(RN_SUMMARY_PATH, "");
	link(0, 0, "pipe:[7]");
	CHECK_NAME(RN_SUMMARY_PATH, "pipe:[7]");
	sample(&sample_of, "getpid", ARGS(0));
	CHECK_NAME(RN_SUMMARY_PATH, "");
}

/* Paths may be long, and each another: they take no more than so much memory together. */
static void test_long_paths_are_bounded(void)
{
	struct rn_summary *summary = open_summary(RN_SUMMARY_PATH, true);
	const struct rn_summary_group *groups;
	const struct rn_summary_row *rows;
	uint64_t n_groups, n_rows, bytes = 0, calls = 0;
	char path[4001];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	for (int i = 0; i < 1500; i++) {
		path[0] = (char)('a' + i % 26);
		path[1] = (char)('a' + i / 26 % 26);
		path[2] = (char)('a' + i / 676);
		sample(&sample_of, "open", ARGS(0x1000, 0, 0));
		sample_path(&sample_of, 0, path);
		sample_result(&sample_of, 3);
		sample_of.call.process = &process;
		rn_summary_call(summary, &sample_of.call);
	}
	groups = rn_summary_groups(summary, &n_groups);
	for (uint64_t i = 0; i < n_groups; i++)
		bytes += strlen(groups[i].name) + 1;
	CHECK(bytes <= 4u << 20);
	CHECK(n_groups > 1000);
	rows = rn_summary_rows(summary, &n_rows);
	for (uint64_t i = 0; i < n_rows; i++)
		calls += rows[i].calls;
	CHECK_INT(calls, 1500);
	/* What found no room is in the first group, which has no name. */
	CHECK_INT(rows[n_rows - 1].group, 0);
	CHECK_INT(rows[n_rows - 1].calls, 1500 - (n_groups - 1));
	rn_summary_destroy(summary);
}

/* Records from elsewhere may hold anything. */
static void test_any_pieces(void)
{
	static const char *const calls[] = {"openat", "read",      "connect", "accept4",
					    "sendto", "renameat2", "mmap"};
	static uint8_t noise[NOISE_MAX];
	struct rng rng = test_rng();

	for (unsigned i = 0; i < 2000 * test_scale(); i++) {
		enum rn_summary_by by = i & 1 ? RN_SUMMARY_PATH : RN_SUMMARY_PEER;
		const char *name;

		sample(&sample_of, calls[rng_below(&rng, 7)], ARGS(5, 0x1000, 110, 0, 0x1000, 110));
		sample_result(&sample_of, 3);
		for (unsigned n = rng_below(&rng, 4); n; n--) {
			static const uint8_t types[] = {RN_PIECE_FD_LINK, RN_PIECE_FD_DETAIL,
							RN_PIECE_PATH, RN_PIECE_STRUCT};
			uint32_t type = rng_below(&rng, 4);
			uint32_t len = rng_below(&rng, 4) ? rng_below(&rng, 20) : sizeof(noise);

			if (type == 1)
				len = sizeof(struct rn_fd_detail);
			if (type == 3)
				len = rng_below(&rng, 129);
			for (uint32_t at = 0; at < len; at++)
				noise[at] = (uint8_t)(rng_below(&rng, 3) ? rng_next(&rng) : 1);
			if (type == 1 && rng_below(&rng, 2)) {
				struct rn_fd_detail *detail = (struct rn_fd_detail *)(void *)noise;

				detail->kind = RN_FD_SOCKET;
				detail->known = 3;
				detail->family = (uint16_t)(rng_below(&rng, 2) ? 1 : 2);
			}
			add(types[type], rng_below(&rng, 4) ? rng_below(&rng, 3) : RN_PIECE_NO_ARG,
			    rng_below(&rng, 2) ? RN_PIECE_AT_EXIT : 0, noise, len);
		}
		rn_summary_destroy(counted_by(by, &sample_of, &name));
	}
}

int main(void)
{
	test_paths();
	test_long_paths_are_bounded();
	test_any_pieces();
	test_as_counted_by_hand();
	test_buckets();
	test_bounds();
	test_names();
	return check_done();
}
