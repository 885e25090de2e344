/* SPDX-License-Identifier: MIT */
/*
 * What calls are measured by, before any of them is left out of a trace: how long they took, how
 * they failed, how many bytes they moved; by the call's and the program's name, and the process if
 * asked. Fed with every call of the interpreter; memory is bounded whatever is traced: series
 * beyond a limit become one (OpenTelemetry specification, metrics/sdk.md, "Cardinality limits").
 * One thread.
 */
#ifndef RENACER_METRICS_H
#define RENACER_METRICS_H

#include "renacer/histogram.h"
#include "renacer/span.h"

#define RN_METRICS_LIMIT 2000u /* series of a metric, the one for the rest included */

struct rn_metrics_config {
	bool by_pid;
	uint32_t limit; /* 2 or more; 0 = RN_METRICS_LIMIT */
};

/* Calls of numbers that no table has, whatever they are. */
#define RN_METRICS_OTHER "_OTHER"

enum rn_io_way { RN_IO_READ = 0, RN_IO_WRITE = 1, RN_IO_WAYS = 2 };

struct rn_series_key {
	const char *call; /* its name, the same pointer for the same one; lives for ever */
	uint32_t program; /* rn_measured_program() */
	int32_t pid;      /* 0 = not told apart */
};

/* The slowest call of a series that has a span. */
struct rn_slowest {
	uint64_t ns;
	uint64_t at;      /* its end, CLOCK_MONOTONIC ns */
	uint64_t span_id; /* 0 = there is none */
	uint8_t trace_id[16];
};

struct rn_series {
	struct rn_series_key key;
	bool moved[RN_IO_WAYS];     /* whether there is anything to tell in… */
	uint64_t bytes[RN_IO_WAYS];
	uint64_t unfinished; /* calls that did not return, or whose exit was lost */
	struct rn_slowest slowest;
	struct rn_histogram time; /* of those that returned */
};

struct rn_error_series {
	struct rn_series_key key;
	int32_t err; /* the kernel's, positive */
	uint64_t count;
};

struct rn_metrics;
struct rn_measured; /* what was measured in some time */

struct rn_metrics *rn_metrics_create(const struct rn_metrics_config *config); /* NULL: no memory */
void rn_metrics_destroy(struct rn_metrics *metrics);
/* A finished call, or one that never will be. */
void rn_metrics_call(struct rn_metrics *metrics, const struct rn_call *call);
/* One of these has a span of its own, in the trace that it says: it may be the slowest. */
void rn_metrics_span(struct rn_metrics *metrics, const struct rn_call *call);
/* What begins anew when it was taken: slowest calls are those since the last time. */
enum rn_anew { RN_ANEW_NOTHING = 0, RN_ANEW_SLOWEST = 1, RN_ANEW_ALL = 2 };

/* All since the start, or since it began anew. NULL: no memory; then nothing is lost. */
struct rn_measured *rn_metrics_take(struct rn_metrics *metrics, enum rn_anew anew);
void rn_measured_destroy(struct rn_measured *measured);

/* The first series of both kinds is for what is beyond the limit. */
const struct rn_series *rn_measured_series(const struct rn_measured *measured, uint64_t *n);
const struct rn_error_series *rn_measured_errors(const struct rn_measured *measured, uint64_t *n);
const char *rn_measured_program(const struct rn_measured *measured,
				const struct rn_series_key *key); /* "" = not known */
/* Calls that could not be measured for want of memory. */
uint64_t rn_measured_missed(const struct rn_measured *measured);

#endif
