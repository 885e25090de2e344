/* SPDX-License-Identifier: MIT */
/* Calls as api.h measures them: of a run, or of the records of a TRACE file. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "renacer/metrics.h"

#include "metered.h"
#include "run_private.h"

_Static_assert(RN_METERED_BUCKETS == RN_HISTOGRAM_BUCKETS && RN_METERED_WAYS == RN_IO_WAYS,
	       "api.h and metrics.h name the same things");

#define HOLD_MS 1000u

struct rn_meter {
	pthread_mutex_t lock; /* of metrics: the consumer takes it with the first call of some… */
	bool held;            /* …and has it until it publishes; its own */
	struct rn_metrics *metrics;
	struct rn_interpreter *interpreter; /* of records from a file, until they end */
	uint64_t ended; /* processes; the consumer's own */
	struct {
		_Atomic uint64_t calls, open_calls, processes, made, making, unmade;
	} published; /* as in rn_flow */
};

struct rn_metered {
	struct rn_measured *measured;
	char **programs; /* as spans show them; of each series, then of each error */
	uint64_t n;
};

/* --- what is measured ------------------------------------------------------------------------ */

static void hold_on(rn_meter *meter)
{
	if (!meter->held)
		pthread_mutex_lock(&meter->lock);
	meter->held = true;
}

static void on_counted(void *ctx, const struct rn_call *call)
{
	rn_meter *meter = ctx;

	hold_on(meter);
	rn_metrics_call(meter->metrics, call);
}

void rn_meter_span(rn_meter *meter, const struct rn_call *call)
{
	if (!meter)
		return;
	hold_on(meter);
	rn_metrics_span(meter->metrics, call);
}

static void on_process(void *ctx, const struct rn_process *process)
{
	((rn_meter *)ctx)->ended += !process->superseded;
}

struct rn_observer rn_meter_observer(rn_meter *meter)
{
	return (struct rn_observer){.ctx = meter, .counted = on_counted, .process = on_process};
}

static void let_go(rn_meter *meter)
{
	if (meter->held)
		pthread_mutex_unlock(&meter->lock);
	meter->held = false;
}

static void publish(_Atomic uint64_t *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_relaxed);
}

void rn_meter_publish(rn_run *run)
{
	rn_meter *meter = run->meter;
	const struct rn_totals *totals;

	if (!meter)
		return;
	totals = rn_interpreter_totals(run->interpreter);
	publish(&meter->published.calls, totals->calls);
	publish(&meter->published.open_calls, rn_interpreter_open_calls(run->interpreter));
	publish(&meter->published.processes, totals->processes - meter->ended);
	publish(&meter->published.made, run->otlp.made);
	publish(&meter->published.making, run->otlp.block ? run->otlp.block->spans : 0);
	publish(&meter->published.unmade, run->otlp.lost);
	let_go(meter);
}

static rn_meter *create(int by_pid, uint32_t limit)
{
	struct rn_metrics_config config = {.by_pid = by_pid != 0, .limit = limit};
	rn_meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	pthread_mutex_init(&meter->lock, NULL);
	meter->metrics = rn_metrics_create(&config);
	if (meter->metrics)
		return meter;
	rn_meter_free(meter);
	return NULL;
}

rn_meter *rn_meter_of_run(const rn_config *config)
{
	return create(config->meter_pids, config->meter_limit);
}

rn_meter *rn_meter_new(int by_pid, uint32_t limit)
{
	static const struct rn_interpreter_config config = {
		.engine = "", .command = "", .no_edges = true};
	rn_meter *meter = create(by_pid, limit);
	struct rn_observer observer;

	if (!meter)
		return NULL;
	observer = rn_meter_observer(meter);
	meter->interpreter = rn_interpreter_create(&config, &observer, 1);
	if (meter->interpreter)
		return meter;
	rn_meter_free(meter);
	return NULL;
}

uint64_t rn_meter_feed(rn_meter *meter, const void *data, uint64_t len)
{
	uint64_t at = 0;

	if (meter->interpreter)
		at = rn_interpreter_feed_all(meter->interpreter, data, len);
	let_go(meter);
	return at;
}

void rn_meter_finish(rn_meter *meter)
{
	struct rn_run_span unused;

	if (!meter->interpreter)
		return;
	rn_interpreter_finish(meter->interpreter, &unused);
	rn_interpreter_destroy(meter->interpreter);
	meter->interpreter = NULL;
	let_go(meter);
}

void rn_meter_free(rn_meter *meter)
{
	if (!meter)
		return;
	rn_interpreter_destroy(meter->interpreter);
	let_go(meter);
	rn_metrics_destroy(meter->metrics);
	pthread_mutex_destroy(&meter->lock);
	free(meter);
}

/* --- what was measured ----------------------------------------------------------------------- */

static char *shown_name(const char *name)
{
	struct rn_buf buf;

	rn_buf_init(&buf);
	rn_utf8_escape(&buf, name, strlen(name), RN_ATTR_MAX);
	rn_buf_put(&buf, "", 1);
	if (!buf.failed)
		return (char *)buf.data;
	rn_buf_deinit(&buf);
	return NULL;
}

/* Names are looked at by who takes them, not under the lock. */
static bool show_names(rn_metered *metered)
{
	uint64_t n_series, n_errors;
	const struct rn_series *series = rn_measured_series(metered->measured, &n_series);
	const struct rn_error_series *errors = rn_measured_errors(metered->measured, &n_errors);

	metered->programs = calloc(n_series + n_errors, sizeof(*metered->programs));
	if (!metered->programs)
		return false;
	for (; metered->n < n_series + n_errors; metered->n++) {
		const struct rn_series_key *key = metered->n < n_series
							  ? &series[metered->n].key
							  : &errors[metered->n - n_series].key;
		char *name = shown_name(rn_measured_program(metered->measured, key));

		if (!name)
			return false;
		metered->programs[metered->n] = name;
	}
	return true;
}

/* The consumer has it for some ms at a time; or as long as it waits for an output, which may be ever. */
static bool hold(rn_meter *meter)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (unsigned i = 0; i < HOLD_MS; i++) {
		if (pthread_mutex_trylock(&meter->lock) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

rn_metered *rn_meter_take(rn_meter *meter, int anew)
{
	rn_metered *metered = calloc(1, sizeof(*metered));

	if (!metered)
		return NULL;
	if (hold(meter)) {
		metered->measured = rn_metrics_take(meter->metrics, (enum rn_anew)anew);
		pthread_mutex_unlock(&meter->lock);
	}
	if (metered->measured && show_names(metered))
		return metered;
	rn_metered_free(metered);
	return NULL;
}

void rn_metered_free(rn_metered *metered)
{
	if (!metered)
		return;
	for (uint64_t i = 0; i < metered->n; i++)
		free(metered->programs[i]);
	free(metered->programs);
	rn_measured_destroy(metered->measured);
	free(metered);
}

int rn_metered_series(const rn_metered *metered, uint64_t at, rn_metered_calls *to)
{
	uint64_t n;
	const struct rn_series *series = rn_measured_series(metered->measured, &n);
	const struct rn_histogram *time;

	if (at >= n)
		return 0;
	series += at;
	time = &series->time;
	*to = (rn_metered_calls){
		.call = series->key.call,
		.program = metered->programs[at],
		.pid = series->key.pid,
		.rest = at == 0,
		.count = time->count,
		.zero = time->zero,
		.sum = time->sum,
		.shortest = time->shortest,
		.longest = time->longest,
		.scale = RN_HISTOGRAM_SCALE - (int32_t)time->coarser,
		.unfinished = series->unfinished,
		.slowest = series->slowest.ns,
		.slowest_at = series->slowest.at,
		.slowest_span = series->slowest.span_id,
	};
	memcpy(to->slowest_trace, series->slowest.trace_id, sizeof(to->slowest_trace));
	for (unsigned way = 0; way < RN_IO_WAYS; way++) {
		to->moved[way] = series->moved[way];
		to->bytes[way] = series->bytes[way];
	}
	if (time->count == time->zero)
		return 1;
	to->offset = time->low;
	to->buckets = (uint32_t)(time->high - time->low) + 1;
	for (uint32_t i = 0; i < to->buckets; i++)
		to->bucket[i] = rn_histogram_at(time, time->low + (int32_t)i);
	return 1;
}

int rn_metered_error(const rn_metered *metered, uint64_t at, rn_metered_errors *to)
{
	uint64_t n, n_series;
	const struct rn_error_series *errors = rn_measured_errors(metered->measured, &n);

	rn_measured_series(metered->measured, &n_series);
	if (at >= n)
		return 0;
	errors += at;
	*to = (rn_metered_errors){
		.call = errors->key.call,
		.program = metered->programs[n_series + at],
		.pid = errors->key.pid,
		.rest = at == 0,
		.err = errors->err,
		.count = errors->count,
	};
	return 1;
}

uint64_t rn_metered_missed(const rn_metered *metered)
{
	return rn_measured_missed(metered->measured);
}

/* --- what is under way ----------------------------------------------------------------------- */

rn_meter *rn_run_meter(rn_run *run)
{
	return run->meter;
}

int rn_run_flow(rn_run *run, rn_flow *to)
{
	const rn_meter *meter = run->meter;

	memset(to, 0, sizeof(*to));
	if (!meter)
		return 0;
	to->calls = atomic_load(&meter->published.calls);
	to->open_calls = atomic_load(&meter->published.open_calls);
	to->processes = atomic_load(&meter->published.processes);
	to->made = atomic_load(&meter->published.made);
	to->making = atomic_load(&meter->published.making);
	to->unmade = atomic_load(&meter->published.unmade);
	pthread_mutex_lock(&run->otlp.queue.lock);
	to->queued = run->otlp.queue.spans;
	to->queued_bytes = run->otlp.queue.bytes;
	to->queue_bytes = run->otlp.queue.limit;
	to->dropped = run->otlp.queue.dropped;
	pthread_mutex_unlock(&run->otlp.queue.lock);
	return 1;
}
