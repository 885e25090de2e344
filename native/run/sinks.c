/* SPDX-License-Identifier: MIT */
/* What becomes of finished calls: batches of OTLP and JSON, text, records as they are. */
#include <string.h>

#include "run_private.h"

#define RECORD_BLOCK (1024u * 1024u)
#define RECORD_QUEUE (8u * RECORD_BLOCK)
#define TEXT_BLOCK (64u * 1024u)
/* A collector refuses 4 MiB by default; one span is far below the difference. */
#define BATCH_MAX (3u * 1024u * 1024u)
#define BATCH_AGE_NS 1000000000u

bool rn_sink_begin(struct sink *sink)
{
	if (!sink->block)
		sink->block = rn_blocks_get(&sink->queue);
	if (!sink->block) {
		sink->lost++;
		return false;
	}
	if (sink->block->spans == 0)
		sink->started = rn_now();
	return true;
}

void rn_sink_hand_on(struct rn_run *run, struct sink *sink, bool must)
{
	struct block *block = sink->block;
	bool is_failed;

	if (!block || block->spans == 0)
		return;
	is_failed = block->buf.failed;
	sink->block = NULL;
	if (sink == &run->otlp)
		rn_held_hand_on(run, block);
	if (!rn_blocks_put(&sink->queue, block, must) && sink == &run->otlp)
		rn_held_dropped(run, is_failed);
}

void rn_sink_added(struct rn_run *run, struct sink *sink, bool must)
{
	uint64_t most = sink == &run->otlp ? run->config.batch_spans : 0;

	sink->block->spans++;
	sink->made++;
	if (sink->block->buf.len >= run->config.batch_bytes || (most && sink->block->spans >= most))
		rn_sink_hand_on(run, sink, must);
}

static struct text_out *text_of(struct rn_run *run, int32_t tid)
{
	return run->text_files ? rn_text_files_of(run, tid) : &run->text;
}

static void text_written(struct rn_run *run, struct text_out *out)
{
	if (rn_recorder_text(run, out))
		return;
	if (out->buf.len >= TEXT_BLOCK || out->buf.failed)
		rn_text_write(run, out);
}

static void text_enter(void *ctx, const struct rn_call *call)
{
	struct rn_run *run = ctx;
	struct text_out *out = text_of(run, call->tid);

	if (!out)
		return;
	rn_text_enter(out->text, &out->buf, call);
	text_written(run, out);
}

static void text_call(void *ctx, const struct rn_call *call)
{
	struct rn_run *run = ctx;
	struct text_out *out = text_of(run, call->tid);

	if (!out)
		return;
	rn_text_call(out->text, &out->buf, call);
	text_written(run, out);
}

static void text_signal(void *ctx, const struct rn_signal_event *signal)
{
	struct rn_run *run = ctx;
	struct text_out *out = text_of(run, signal->ev->tid);

	if (!out)
		return;
	rn_text_signal(out->text, &out->buf, signal);
	text_written(run, out);
}

static void text_exit(void *ctx, const struct rn_event *ev, uint32_t live)
{
	struct rn_run *run = ctx;
	unsigned sig = (unsigned)ev->args[1] & 0x7f;
	struct text_out *out = text_of(run, ev->tid);

	if (!out)
		return;
	/* As strace: a death is told if the signal is. */
	if (ev->flags & RN_FLAG_DETACHED || /* it lives on */
	    (sig && sig <= 64 && run->config.hidden_signals >> (sig - 1) & 1u))
		rn_text_gone(out->text, ev->tid, live);
	else
		rn_text_exit(out->text, &out->buf, ev, live);
	if (run->text_files)
		rn_text_files_end(run, ev->tid);
	else
		text_written(run, out);
}

static void put_gap(struct text_out *out, void *ev)
{
	rn_text_gap(out->text, &out->buf, ev);
}

static void text_gap(void *ctx, const struct rn_event *ev)
{
	struct rn_run *run = ctx;

	if (run->text_files) {
		/* Whose events were lost nobody knows. */
		rn_text_files_each(run, put_gap, (void *)(uintptr_t)ev);
		return;
	}
	rn_text_gap(run->text.text, &run->text.buf, ev);
	text_written(run, &run->text);
}

static void text_live(void *ctx, uint32_t live)
{
	struct rn_run *run = ctx;

	if (!run->text_files)
		rn_text_live(run->text.text, live);
}

static void csv_call(void *ctx, const struct rn_call *call)
{
	struct rn_run *run = ctx;

	if (!rn_sink_begin(&run->csv))
		return;
	rn_csv_call(&run->csv.block->buf, &run->csv.trace, call);
	if (!rn_recorder_row(run, &run->csv, 1))
		rn_sink_added(run, &run->csv, false);
}

static void csv_gap(void *ctx, const struct rn_event *ev)
{
	struct rn_run *run = ctx;

	if (!rn_sink_begin(&run->csv))
		return;
	rn_csv_gap(&run->csv.block->buf, &run->trace, ev);
	if (!rn_recorder_row(run, &run->csv, 0))
		rn_sink_added(run, &run->csv, false);
}

static void listing_call(void *ctx, const struct rn_call *call)
{
	struct rn_run *run = ctx;

	if (!rn_sink_begin(&run->listing))
		return;
	rn_listing_call(&run->listed, &run->listing.block->buf, &run->listing.trace, call);
	if (!rn_recorder_row(run, &run->listing, 1))
		rn_sink_added(run, &run->listing, false);
}

static void listing_gap(void *ctx, const struct rn_event *ev)
{
	struct rn_run *run = ctx;

	rn_listing_gap(&run->listed, ev);
}

unsigned rn_sinks_observers(struct rn_run *run, struct rn_observer *to)
{
	unsigned n = 0;

	if (run->shape)
		to[n++] = rn_shape_observer(run->shape);
	if (run->config.outputs & RN_OUT_TEXT)
		to[n++] = (struct rn_observer){
			.ctx = run,
			.enter = text_enter,
			.call = text_call,
			.signal = text_signal,
			.exit = text_exit,
			.gap = text_gap,
			.live = text_live,
		};
	if (run->config.outputs & RN_OUT_CSV)
		to[n++] = (struct rn_observer){.ctx = run, .call = csv_call, .gap = csv_gap};
	if (run->config.outputs & RN_OUT_LISTING)
		to[n++] =
			(struct rn_observer){.ctx = run, .call = listing_call, .gap = listing_gap};
	if (run->config.outputs & RN_OUT_SUMMARY)
		to[n++] = rn_counted_observer(run->counted);
	if (run->config.outputs & RN_OUT_METRICS)
		to[n++] = rn_meter_observer(run->meter);
	if (run->recorder)
		to[n++] = rn_recorder_observer(run);
	return n;
}

void rn_sinks_record(struct rn_run *run, const void *records, size_t len, uint64_t first_seq,
		     uint64_t n)
{
	struct sink *sink = &run->record;

	if (!(run->config.outputs & RN_OUT_RECORD))
		return;
	if (!rn_sink_begin(sink)) {
		sink->lost += n - 1;
		return;
	}
	if (sink->block->spans == 0)
		sink->block->first_seq = first_seq;
	rn_buf_put(&sink->block->buf, records, len);
	sink->block->spans += n;
	if (sink->block->buf.len >= RECORD_BLOCK)
		rn_sink_hand_on(run, sink, true);
}

static void flush_one(struct rn_run *run, struct sink *sink, bool all, uint64_t age_ns)
{
	if (sink->block && sink->block->spans && (all || rn_now() - sink->started > age_ns))
		rn_sink_hand_on(run, sink, false);
}

void rn_sinks_follow(struct rn_run *run)
{
	if (run->shape)
		rn_shape_follow(run->shape, run->interpreter);
}

void rn_sinks_flush(struct rn_run *run, bool all)
{
	uint64_t age_ns = run->config.batch_age_ns ? run->config.batch_age_ns : BATCH_AGE_NS;

	if (run->shape && !all)
		rn_shape_age(run->shape, rn_now());
	if (!all)
		rn_recorder_look(run);
	flush_one(run, &run->otlp, all, age_ns);
	flush_one(run, &run->json, all, BATCH_AGE_NS);
	flush_one(run, &run->record, all, BATCH_AGE_NS);
	flush_one(run, &run->csv, all, BATCH_AGE_NS);
	flush_one(run, &run->listing, all, BATCH_AGE_NS);
	if (run->text_files)
		rn_text_files_flush(run);
	else if (run->text.buf.len)
		rn_text_write(run, &run->text);
}

void rn_sinks_end(struct rn_run *run)
{
	rn_blocks_end(&run->otlp.queue);
	rn_blocks_end(&run->json.queue);
	rn_blocks_end(&run->record.queue);
	rn_blocks_end(&run->csv.queue);
	rn_blocks_end(&run->listing.queue);
}

void rn_sinks_finish(struct rn_run *run, struct rn_run_span *span)
{
	rn_recorder_end(run, span);
	if (run->shape)
		rn_shape_finish(run->shape, span);
	if (run->shape && run->recorder)
		span->totals.spans =
			run->otlp.made > run->json.made ? run->otlp.made : run->json.made;
	if (run->config.outputs & RN_OUT_LISTING && rn_sink_begin(&run->listing)) {
		rn_listing_end(&run->listed, &run->listing.block->buf, span->exit_code);
		run->listing.block->spans += run->listing.block->spans == 0;
		rn_sink_hand_on(run, &run->listing, true);
	}
	rn_sinks_flush(run, true);
	rn_sinks_end(run);
}

/* What it writes leaves the process: what is secret is replaced in it, and counted. */
static void leaves(struct rn_run *run, struct sink *sink)
{
	sink->trace = run->trace;
	sink->redact.rules = run->rules;
	sink->trace.redact = &sink->redact;
}

int rn_sinks_init(struct rn_run *run)
{
	leaves(run, &run->otlp);
	leaves(run, &run->json);
	leaves(run, &run->csv);
	leaves(run, &run->listing);
	if (run->config.batch_bytes == 0 || run->config.batch_bytes > BATCH_MAX)
		run->config.batch_bytes = BATCH_MAX;
	rn_blocks_init(&run->otlp.queue, run->config.queue_bytes, !run->config.otlp_waits);
	run->otlp.queue.limit_spans = run->config.queue_spans;
	rn_blocks_init(&run->json.queue, RECORD_QUEUE, false);
	rn_blocks_init(&run->record.queue, RECORD_QUEUE, false);
	rn_blocks_init(&run->csv.queue, RECORD_QUEUE, false);
	rn_blocks_init(&run->listing.queue, RECORD_QUEUE, false);
	if (!rn_span_sinks_init(run))
		return -1;
	if (run->config.outputs & RN_OUT_SUMMARY) {
		run->counted = rn_counted_of_run(&run->config);
		if (!run->counted)
			return -1;
	}
	if (run->config.outputs & RN_OUT_METRICS) {
		run->meter = rn_meter_of_run(&run->config);
		if (!run->meter)
			return -1;
	}
	if (!rn_recorder_init(run))
		return -1;
	if (!(run->config.outputs & RN_OUT_TEXT))
		return 0;
	if (run->text_prefix) {
		run->text_files = rn_text_files_create();
		return run->text_files ? 0 : -1;
	}
	return rn_text_out_init(run, &run->text) ? 0 : -1;
}

static void sink_deinit(struct sink *sink)
{
	if (sink->block)
		rn_blocks_recycle(&sink->queue, sink->block);
	rn_blocks_deinit(&sink->queue);
	rn_redact_deinit(&sink->redact);
}

void rn_sinks_deinit(struct rn_run *run)
{
	sink_deinit(&run->otlp);
	sink_deinit(&run->json);
	sink_deinit(&run->record);
	sink_deinit(&run->csv);
	sink_deinit(&run->listing);
	rn_text_files_destroy(run->text_files);
	rn_text_out_deinit(&run->text);
	rn_counted_free(run->counted);
	rn_meter_free(run->meter);
	rn_shape_destroy(run->shape);
	rn_recorder_deinit(run);
}
