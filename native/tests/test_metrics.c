/* SPDX-License-Identifier: MIT */
/* Series against a naive count; what is beyond the limit is in one, and nothing is lost. */
#include "renacer/metrics.h"

#include <errno.h>

#include "records.h"

#define CALLS 20000u
#define NUMBERS 20
#define PROGRAMS 4
#define ERRORS 3

static struct rn_process process = {.ordinal = 1, .pid = 100, .name = (char *)"first"};

static struct rn_call made_nr(enum rn_abi abi, int32_t nr, uint64_t duration, int64_t result)
{
	struct rn_call call = {
		.process = &process,
		.desc = rn_syscall(abi, nr),
		.abi = (uint8_t)abi,
		.tid = 100,
		.pid = 100,
		.nr = nr,
		.t0 = 1000,
		.t1 = 1000 + duration,
		.result = result,
		.trace_flags = 1,
		.trace_id = (const uint8_t *)"a-trace-of-a-run",
		.span_id = duration + 1,
	};

	if (result < 0)
		call.flags |= RN_FLAG_FAILED;
	return call;
}

static struct rn_call made(const char *name, uint64_t duration, int64_t result)
{
	return made_nr(RN_ABI_X86_64, rn_syscall_number(RN_ABI_X86_64, name), duration, result);
}

static struct rn_metrics *opened(bool by_pid, uint32_t limit)
{
	struct rn_metrics_config config = {.by_pid = by_pid, .limit = limit};
	struct rn_metrics *metrics = rn_metrics_create(&config);

	CHECK(metrics);
	return metrics;
}

static struct rn_measured *taken(struct rn_metrics *metrics, enum rn_anew anew)
{
	struct rn_measured *measured = rn_metrics_take(metrics, anew);

	CHECK(measured);
	CHECK_INT(rn_measured_missed(measured), 0);
	return measured;
}

/* The series of a call's name by a program; NULL: there is none. */
static const struct rn_series *series_of(const struct rn_measured *measured, const char *call,
					 const char *program)
{
	uint64_t n;
	const struct rn_series *series = rn_measured_series(measured, &n);

	for (uint64_t i = 1; i < n; i++)
		if (strcmp(series[i].key.call, call) == 0 &&
		    strcmp(rn_measured_program(measured, &series[i].key), program) == 0)
			return &series[i];
	return NULL;
}

static uint64_t errors_of(const struct rn_measured *measured, const char *call, const char *program,
			  int32_t err)
{
	uint64_t n, count = 0;
	const struct rn_error_series *errors = rn_measured_errors(measured, &n);

	for (uint64_t i = 1; i < n; i++)
		if (errors[i].err == err && strcmp(errors[i].key.call, call) == 0 &&
		    strcmp(rn_measured_program(measured, &errors[i].key), program) == 0)
			count += errors[i].count;
	return count;
}

struct naive {
	uint64_t calls, sum, longest, unfinished, errors[ERRORS];
};

static void test_as_counted_by_hand(void)
{
	static struct naive naive[PROGRAMS][NUMBERS];
	static const int32_t errs[ERRORS] = {ENOENT, EAGAIN, 512};
	static char names[PROGRAMS][8];
	struct rn_metrics *metrics = opened(false, 0);
	struct rng rng = test_rng();
	struct rn_measured *measured;
	uint64_t n;

	memset(naive, 0, sizeof(naive));
	for (unsigned p = 0; p < PROGRAMS; p++)
		snprintf(names[p], sizeof(names[p]), "p%u", p);
	for (unsigned i = 0; i < CALLS * test_scale(); i++) {
		unsigned p = rng_below(&rng, PROGRAMS), kind = rng_below(&rng, 6);
		int32_t nr = (int32_t)rng_below(&rng, NUMBERS);
		uint64_t duration = rng_next(&rng) >> (20 + rng_below(&rng, 40));
		struct rn_call call = made_nr(RN_ABI_X86_64, nr, duration, 0);
		struct rn_process program = {.name = names[p]};
		struct naive *at = &naive[p][nr];

		/* Ordinals that share a place of the cache, and programs that change with an exec. */
		program.ordinal = 1 + 64 * rng_below(&rng, 5);
		program.execs = p + 1;
		call.process = &program;
		if (kind == 0) {
			call.flags |= RN_FLAG_UNFINISHED;
			at->unfinished++;
		} else {
			at->calls++;
			at->sum += duration;
			at->longest = duration > at->longest ? duration : at->longest;
		}
		if (kind > 0 && kind <= ERRORS) {
			call.result = -errs[kind - 1];
			call.flags |= kind == 3 ? RN_FLAG_INTERRUPTED : RN_FLAG_FAILED;
			at->errors[kind - 1]++;
		}
		rn_metrics_call(metrics, &call);
		rn_metrics_span(metrics, &call);
	}
	measured = taken(metrics, RN_ANEW_NOTHING);
	rn_measured_series(measured, &n);
	CHECK_INT(n, 1 + PROGRAMS * NUMBERS);
	for (unsigned p = 0; p < PROGRAMS; p++)
		for (int nr = 0; nr < NUMBERS; nr++) {
			const char *name = rn_syscall(RN_ABI_X86_64, nr)->name;
			const struct rn_series *series = series_of(measured, name, names[p]);
			const struct naive *want = &naive[p][nr];

			CHECK(series);
			CHECK_INT(series->time.count, want->calls);
			CHECK_INT(series->time.sum, want->sum);
			CHECK_INT(series->time.longest, want->longest);
			CHECK_INT(series->unfinished, want->unfinished);
			CHECK_INT(series->slowest.ns, want->longest);
			for (unsigned e = 0; e < ERRORS; e++)
				CHECK_INT(errors_of(measured, name, names[p], errs[e]),
					  want->errors[e]);
		}
	rn_measured_destroy(measured);
	rn_metrics_destroy(metrics);
}

static void check_moved(const char *name, uint64_t length, int64_t result, int64_t read,
			int64_t written)
{
	struct rn_metrics *metrics = opened(false, 0);
	struct rn_call call = made(name, 5, result);
	const struct rn_series *series;
	struct rn_measured *measured;
	int64_t want[RN_IO_WAYS] = {read, written};

	call.args[2] = length;
	rn_metrics_call(metrics, &call);
	rn_metrics_call(metrics, &call);
	measured = taken(metrics, RN_ANEW_NOTHING);
	series = series_of(measured, name, "first");
	CHECK(series);
	for (unsigned way = 0; way < RN_IO_WAYS; way++) {
		CHECK_INT(series->moved[way], want[way] >= 0);
		CHECK_INT(series->bytes[way], want[way] >= 0 ? 2 * want[way] : 0);
	}
	rn_measured_destroy(measured);
	rn_metrics_destroy(metrics);
}

static void test_bytes(void)
{
	check_moved("read", 100, 7, 7, -1);
	check_moved("read", 100, 0, 0, -1); /* the end of a file: nothing, and told so */
	check_moved("recvmsg", 0, 9, 9, -1);
	check_moved("pwritev2", 0, 11, -1, 11);
	check_moved("sendto", 4, 4, -1, 4);
	check_moved("copy_file_range", 0, 13, 13, 13);
	check_moved("splice", 0, 5, 5, 5);
	check_moved("msgsnd", 21, 0, -1, 21);
	check_moved("mq_timedsend", 6, 0, -1, 6);
	check_moved("write", 100, -EPIPE, -1, -1); /* it has moved nothing */
	check_moved("openat", 100, 3, -1, -1);
	check_moved("sendmmsg", 8, 3, -1, -1);
}

/* One name in two ABIs is one series; numbers that no table has are one, too. */
static void test_names(void)
{
	struct rn_metrics *metrics = opened(false, 0);
	struct rn_measured *measured;
	struct rn_call call = made("read", 1, 1);
	uint64_t n;

	rn_metrics_call(metrics, &call);
	call = made_nr(RN_ABI_I386, rn_syscall_number(RN_ABI_I386, "read"), 1, 1);
	rn_metrics_call(metrics, &call);
	for (int32_t nr = 5000; nr < 9000; nr++) {
		call = made_nr(RN_ABI_X86_64, nr, 1, -ENOSYS);
		rn_metrics_call(metrics, &call);
	}
	call = made_nr(RN_ABI_X86_64, -1, 1, -ENOSYS);
	rn_metrics_call(metrics, &call);
	measured = taken(metrics, RN_ANEW_NOTHING);
	rn_measured_series(measured, &n);
	CHECK_INT(n, 3);
	CHECK_INT(series_of(measured, "read", "first")->time.count, 2);
	CHECK_INT(series_of(measured, RN_METRICS_OTHER, "first")->time.count, 4001);
	CHECK_INT(errors_of(measured, RN_METRICS_OTHER, "first", ENOSYS), 4001);
	rn_measured_destroy(measured);
	rn_metrics_destroy(metrics);
}

/* As many programs, calls, errors as anybody may make up: bounded, and all is counted. */
static void check_limit(uint32_t limit, bool by_pid)
{
	struct rn_metrics *metrics = opened(by_pid, limit);
	uint64_t n, calls = 0, failed = 0, bytes = 0, made_calls = 0, want_bytes = 0,
		    want_failed = 0;
	const struct rn_error_series *errors;
	const struct rn_series *series;
	struct rn_measured *measured;

	for (int32_t i = 0; i < 600; i++) {
		char name[300];
		struct rn_process program = {.ordinal = 1 + (uint64_t)i, .name = name};
		struct rn_call call = made_nr(RN_ABI_X86_64, i % 300, 1, 1);

		/* Longer than a name can be. */
		snprintf(name, sizeof(name), "%d%0280d", i / (by_pid ? 600 : 2), 1);
		call.process = &program;
		call.pid = i;
		if (i % 3 == 0) {
			call = made("write", 1, 10);
			call.pid = i;
			call.process = &program;
			want_bytes += 10;
		} else if (i % 3 == 1) {
			call.result = -(i % 50) - 1;
			call.flags = RN_FLAG_FAILED;
			want_failed++;
		} else if (call.desc->name && strcmp(call.desc->name, "read") == 0) {
			want_bytes++;
		} else {
			call.result = 0;
		}
		rn_metrics_call(metrics, &call);
		made_calls++;
	}
	measured = taken(metrics, RN_ANEW_ALL);
	series = rn_measured_series(measured, &n);
	CHECK(n <= limit);
	for (uint64_t i = 0; i < n; i++) {
		calls += series[i].time.count;
		bytes += series[i].bytes[RN_IO_READ] + series[i].bytes[RN_IO_WRITE];
	}
	errors = rn_measured_errors(measured, &n);
	CHECK(n <= limit);
	for (uint64_t i = 0; i < n; i++)
		failed += errors[i].count;
	CHECK_INT(calls, made_calls);
	CHECK_INT(failed, want_failed);
	CHECK(bytes >= want_bytes);
	CHECK((limit < 100) == (series[0].time.count > 0));
	rn_measured_destroy(measured);
	/* After that there is room again. */
	rn_metrics_call(metrics, &(struct rn_call){.process = &process,
						   .desc = rn_syscall(RN_ABI_X86_64, 0),
						   .abi = RN_ABI_X86_64});
	measured = taken(metrics, RN_ANEW_ALL);
	CHECK_INT(series_of(measured, "read", "first")->time.count, 1);
	rn_measured_destroy(measured);
	rn_metrics_destroy(metrics);
}

static void test_take(void)
{
	struct rn_metrics *metrics = opened(false, 0);
	struct rn_call call = made("read", 50, 1);
	struct rn_measured *looked, *first, *second;

	rn_metrics_call(metrics, &call);
	rn_metrics_span(metrics, &call);
	looked = taken(metrics, RN_ANEW_NOTHING);
	first = taken(metrics, RN_ANEW_SLOWEST);
	call = made("read", 20, 1);
	rn_metrics_call(metrics, &call);
	rn_metrics_span(metrics, &call);
	second = taken(metrics, RN_ANEW_SLOWEST);
	CHECK_INT(series_of(first, "read", "first")->time.count, 1);
	CHECK_INT(series_of(second, "read", "first")->time.count, 2);
	/* The slowest is that of the time between, and has the call's own span. */
	CHECK_INT(series_of(looked, "read", "first")->slowest.span_id, 51);
	CHECK_INT(series_of(first, "read", "first")->slowest.span_id, 51);
	CHECK_INT(series_of(second, "read", "first")->slowest.span_id, 21);
	CHECK_INT(series_of(second, "read", "first")->slowest.at, 1020);
	CHECK(memcmp(series_of(second, "read", "first")->slowest.trace_id, "a-trace-of-a-run",
		     16) == 0);
	rn_measured_destroy(looked);
	rn_measured_destroy(first);
	rn_measured_destroy(second);
	first = taken(metrics, RN_ANEW_ALL);
	CHECK_INT(series_of(first, "read", "first")->time.count, 2);
	second = taken(metrics, RN_ANEW_ALL);
	CHECK(!series_of(second, "read", "first"));
	rn_measured_destroy(second);
	rn_metrics_destroy(metrics);
	/* What was taken outlives it. */
	CHECK_INT(series_of(first, "read", "first")->time.sum, 70);
	rn_measured_destroy(first);
}

/* What has no span of its own, or one that is not sampled, is no example. */
static void test_examples_have_spans(void)
{
	static const struct rn_fold fold;
	struct rn_metrics *metrics = opened(false, 0);
	struct rn_call call = made("read", 50, 1);
	struct rn_measured *measured;

	rn_metrics_span(metrics, &call); /* never counted */
	rn_metrics_call(metrics, &call);
	rn_metrics_call(metrics, &call);
	call.trace_flags = 0;
	rn_metrics_span(metrics, &call);
	call.trace_flags = 1;
	call.fold = &fold;
	rn_metrics_span(metrics, &call);
	measured = taken(metrics, RN_ANEW_NOTHING);
	CHECK_INT(series_of(measured, "read", "first")->slowest.span_id, 0);
	CHECK_INT(series_of(measured, "read", "first")->time.count, 2);
	rn_measured_destroy(measured);
	rn_metrics_destroy(metrics);
}

int main(void)
{
	test_as_counted_by_hand();
	test_bytes();
	test_names();
	check_limit(2, false);
	check_limit(7, true);
	check_limit(60, false);
	check_limit(2000, true);
	test_take();
	test_examples_have_spans();
	return check_done();
}
