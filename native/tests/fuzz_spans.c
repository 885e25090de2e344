/* SPDX-License-Identifier: MIT */
/*
 * Any records through the interpreter and every encoder: no call without the span
 * that it names as its parent, sums that are right, and lines that a terminal can show.
 */
#include "fuzz.h"
#include "records.h"
#include "renacer/encode.h"
#include "renacer/interpret.h"

#define SPANS_MAX 4096u

struct out {
	struct rn_trace trace;
	struct rn_buf buf;
	struct rn_text *text;
	uint64_t calls, processes;
	uint64_t parents[SPANS_MAX], ids[SPANS_MAX];
	unsigned nparents, nids;
};

static void on_call(void *ctx, const struct rn_call *call)
{
	struct out *out = ctx;

	CHECK(call->lamport_end > call->lamport_start);
	rn_otlp_call(&out->buf, &out->trace, call);
	rn_json_call(&out->buf, &out->trace, call);
	out->buf.len = 0;
	rn_text_call(out->text, &out->buf, call);
	out->calls++;
	if (out->nparents < SPANS_MAX)
		out->parents[out->nparents++] = call->parent_span_id;
}

static void on_enter(void *ctx, const struct rn_call *call)
{
	struct out *out = ctx;

	rn_text_enter(out->text, &out->buf, call);
}

static void on_process(void *ctx, const struct rn_process *process)
{
	struct out *out = ctx;

	CHECK(process->lamport_end > process->lamport_start);
	rn_otlp_process(&out->buf, &out->trace, process);
	rn_json_process(&out->buf, &out->trace, process);
	out->buf.len = 0;
	out->processes++;
	if (out->nids < SPANS_MAX)
		out->ids[out->nids++] = process->ctx.span_id;
}

static void on_signal(void *ctx, const struct rn_signal_event *signal)
{
	struct out *out = ctx;

	rn_text_signal(out->text, &out->buf, signal);
}

static void on_exit_of(void *ctx, const struct rn_event *ev, uint32_t live)
{
	struct out *out = ctx;

	rn_text_exit(out->text, &out->buf, ev, live);
}

static void on_gap(void *ctx, const struct rn_event *ev)
{
	struct out *out = ctx;

	rn_text_gap(out->text, &out->buf, ev);
}

static void on_live(void *ctx, uint32_t live)
{
	struct out *out = ctx;

	rn_text_live(out->text, live);
}

/* Text holds no control character but the ends of its lines, and no byte beyond ASCII. */
static void check_text(struct rn_buf *buf)
{
	CHECK(!buf->failed);
	for (size_t i = 0; i < buf->len; i++)
		CHECK(buf->data[i] == '\n' || (buf->data[i] >= 0x20 && buf->data[i] < 0x7f));
	buf->len = 0;
}

int fuzz_spans(const uint8_t *data, size_t size)
{
	static struct out out;
	struct rn_observer observer = {.ctx = &out,
				       .enter = on_enter,
				       .call = on_call,
				       .process = on_process,
				       .signal = on_signal,
				       .exit = on_exit_of,
				       .gap = on_gap,
				       .live = on_live};
	struct rn_interpreter_config config = {
		.trace_id = "the-trace-of-it",
		.trace_flags = 1,
		.key = {1, 2},
		.tracestate = "",
		.engine = "fuzz",
		.command = "x",
		.options = "",
	};
	struct rn_interpreter *in = rn_interpreter_create(&config, &observer, 1);
	uint8_t *bytes = malloc(size ? size : 1);
	struct rn_run_span run;

	out = (struct out){
		.trace = {.string_limit = 32},
		.text = rn_text_create(&(struct rn_text_config){
			.flags = RN_TEXT_PID_BRACKET | RN_TEXT_DURATION, .string_limit = 32})};
	rn_buf_init(&out.buf);
	CHECK(in && bytes && out.text);
	memcpy(bytes, data, size);
	for (size_t at = 0; at < size;) {
		uint32_t len = rn_event_check(bytes + at, size - at);

		if (len == 0)
			break;
		/* Engines number their records and processes; a reader may count on that. */
		((struct rn_event *)(bytes + at))->seq = 1 + 2 * at;
		if (((struct rn_event *)(bytes + at))->kind == RN_PROCESS_START)
			((struct rn_event *)(bytes + at))->args[0] = 1 + at;
		rn_interpreter_feed(in, (const struct rn_event *)(bytes + at));
		check_text(&out.buf);
		at += len;
	}
	rn_interpreter_finish(in, &run);
	check_text(&out.buf);
	CHECK_INT(run.totals.spans, out.calls + out.processes + 1);
	for (unsigned i = 0; i < out.nparents && out.nids < SPANS_MAX; i++) {
		unsigned j = 0;

		while (j < out.nids && out.ids[j] != out.parents[i])
			j++;
		CHECK(j < out.nids);
	}
	rn_otlp_run(&out.buf, &out.trace, &run);
	rn_json_run(&out.buf, &out.trace, &run);
	CHECK(!out.buf.failed);
	rn_buf_deinit(&out.buf);
	rn_text_destroy(out.text);
	rn_interpreter_destroy(in);
	free(bytes);
	return 0;
}

FUZZ_TARGET(fuzz_spans);
