/* SPDX-License-Identifier: MIT */
/* Spans on their way to the queues of OTLP and JSON: what spans there are says spans/shape.h. */
#include <string.h>

#include "run_private.h"

/* Of a trace that a back end can show; some take no more than 5 MB. */
#define TRACE_BYTES 4000000u

/* One encoder for each form. */
struct forms {
	void (*call)(struct rn_buf *, const struct rn_trace *, const struct rn_call *);
	void (*process)(struct rn_buf *, const struct rn_trace *, const struct rn_process *);
	void (*run)(struct rn_buf *, const struct rn_trace *, const struct rn_run_span *);
};

static const struct forms protobuf = {rn_otlp_call, rn_otlp_process, rn_otlp_run};
static const struct forms json = {rn_json_call, rn_json_process, rn_json_run};

/* Where a run's spans go. */
struct way {
	struct sink *sink;
	const struct forms *forms;
};

static unsigned ways_of(struct rn_run *run, struct way ways[2])
{
	unsigned n = 0;

	if (run->config.outputs & RN_OUT_OTLP)
		ways[n++] = (struct way){&run->otlp, run->config.otlp_json ? &json : &protobuf};
	if (run->config.outputs & RN_OUT_JSON)
		ways[n++] = (struct way){&run->json, &json};
	return n;
}

/* Room for the next span; NULL without memory. Spans in JSON have a comma between them. */
static struct rn_buf *begin(const struct way *way)
{
	if (!rn_sink_begin(way->sink))
		return NULL;
	if (way->forms == &json && way->sink->block->spans)
		rn_buf_put(&way->sink->block->buf, ",", 1);
	return &way->sink->block->buf;
}

static size_t greater(size_t a, size_t b)
{
	return a > b ? a : b;
}

typedef void write_span(const struct way *way, struct rn_buf *buf, const void *span);

static void write_call(const struct way *way, struct rn_buf *buf, const void *call)
{
	way->forms->call(buf, &way->sink->trace, call);
}

static void write_process(const struct way *way, struct rn_buf *buf, const void *process)
{
	way->forms->process(buf, &way->sink->trace, process);
}

static void write_run(const struct way *way, struct rn_buf *buf, const void *span)
{
	way->forms->run(buf, &way->sink->trace, span);
}

/* In each form that is wanted, one behind the other; returns the bytes of the longest, and in *split
   those of the first. */
static size_t encode(struct rn_run *run, write_span *write, const void *span, struct rn_buf *buf,
		     uint32_t *split)
{
	struct way ways[2];
	unsigned n = ways_of(run, ways);
	size_t most = 0;

	*split = 0;
	for (unsigned i = 0; i < n; i++) {
		size_t before = buf->len;

		write(&ways[i], buf, span);
		most = greater(most, buf->len - before);
		if (i == 0)
			*split = (uint32_t)buf->len;
	}
	return most;
}

void rn_spans_put(struct rn_run *run, const void *data, size_t len, uint32_t split)
{
	struct way ways[2];
	unsigned n = ways_of(run, ways);

	for (unsigned i = 0; i < n; i++) {
		struct rn_buf *buf = begin(&ways[i]);

		if (!buf)
			continue;
		rn_buf_put(buf, (const uint8_t *)data + (i ? split : 0), i ? len - split : split);
		rn_sink_added(run, ways[i].sink, true);
	}
}

/* To where it is wanted; returns the bytes of the longest form. `last`: it ends the run. */
static size_t tell(struct rn_run *run, write_span *write, const void *span, bool last)
{
	struct way ways[2];
	unsigned n = ways_of(run, ways);
	size_t most = 0;

	for (unsigned i = 0; i < n; i++) {
		struct sink *sink = ways[i].sink;
		struct rn_buf *buf = begin(&ways[i]);
		size_t before = buf ? buf->len : 0;

		if (!buf)
			continue;
		write(&ways[i], buf, span);
		most = greater(most, buf->len - before);
		if (!last) {
			rn_sink_added(run, sink, run->recorder != NULL);
			continue;
		}
		/* Even where the queue is full: it tells of the losses. */
		sink->block->spans++;
		sink->made++;
		sink->block->last = true;
		rn_sink_hand_on(run, sink, true);
	}
	return most;
}

static size_t on_call(void *ctx, const struct rn_call *call)
{
	struct rn_run *run = ctx;
	uint32_t split;
	size_t most;

	if (run->recorder) {
		most = encode(run, write_call, call, rn_recorder_scratch(run->recorder), &split);
		rn_recorder_call(run->recorder, call, split);
		return most;
	}
	most = tell(run, write_call, call, false);
	rn_meter_span(run->meter, call);
	return most;
}

static size_t on_process(void *ctx, const struct rn_process *process)
{
	struct rn_run *run = ctx;
	uint32_t split;
	size_t most;

	if (run->recorder && !process->part) {
		rn_recorder_process(run->recorder, process);
		return 0; /* it counts in no part */
	}
	if (!run->recorder)
		return tell(run, write_process, process, false);
	most = encode(run, write_process, process, rn_recorder_scratch(run->recorder), &split);
	rn_recorder_part(run->recorder, process->part, split);
	return most;
}

void rn_spans_process(void *ctx, const struct rn_process *process)
{
	tell(ctx, write_process, process, false);
}

static size_t on_run(void *ctx, const struct rn_run_span *span)
{
	struct rn_run *run = ctx;
	uint32_t split;
	size_t most;

	if (run->recorder && span->part) {
		most = encode(run, write_run, span, rn_recorder_scratch(run->recorder), &split);
		rn_recorder_part(run->recorder, span->part, split);
		return most;
	}
	if (run->recorder && !rn_recorder_has_flown(run->recorder))
		return 0;
	return tell(run, write_run, span, !span->part);
}

static bool has_part(void *ctx, uint32_t part)
{
	return rn_recorder_has_part(((struct rn_run *)ctx)->recorder, part);
}

bool rn_span_sinks_init(struct rn_run *run)
{
	const rn_config *config = &run->config;
	struct rn_shape_config shape = {
		.parts =
			{
				.trace_flags = config->trace_flags,
				.key = {config->id_key[0], config->id_key[1]},
				.max_spans = config->max_trace_spans,
				.max_bytes = TRACE_BYTES,
				.out = {run, on_call, on_process, on_run,
					config->flight ? has_part : NULL},
			},
		.fold = (enum rn_fold_mode)config->fold,
		.spans = (enum rn_spans_mode)config->spans,
		.min_ns = config->min_duration_ns,
		.errors_only = config->errors_only != 0,
		.keep_errors = config->keep_errors != 0,
		.keep_ns = config->keep_slow_ns,
		.keep = run->kept,
	};

	if (!(config->outputs & (RN_OUT_OTLP | RN_OUT_JSON)))
		return true;
	memcpy(shape.parts.trace_id, config->trace_id, 16);
	run->shape = rn_shape_create(&shape);
	return run->shape != NULL;
}
