/* SPDX-License-Identifier: MIT */
/*
 * Any records through thinning, folding and splitting: every call is in one span or counted as
 * omitted, every parent and every end of a link is in the trace that is named, no id comes twice
 * in a trace, and no later part is larger than it may be.
 */
#include "fuzz.h"
#include "records.h"
#include "spans/shape.h"

#define SPANS_MAX 65536u
#define LINKS_MAX 65536u
#define MOST 32u /* spans in a trace */

struct place {
	uint8_t trace_id[16];
	uint64_t span_id;
};

struct shape_out {
	struct place spans[SPANS_MAX], parents[SPANS_MAX], links[LINKS_MAX];
	unsigned nspans, nparents, nlinks;
	uint64_t calls, told_alone, omitted, omitted_at_processes, told;
	bool none; /* --spans none */
};

static void put(struct place *list, unsigned *n, unsigned most, const uint8_t *trace_id,
		uint64_t span_id)
{
	CHECK(*n < most);
	memcpy(list[*n].trace_id, trace_id, 16);
	list[(*n)++].span_id = span_id;
}

static void put_span(struct shape_out *out, const uint8_t *trace_id, uint64_t span_id,
		     uint64_t parent)
{
	put(out->spans, &out->nspans, SPANS_MAX, trace_id, span_id);
	if (parent)
		put(out->parents, &out->nparents, SPANS_MAX, trace_id, parent);
}

static void put_links(struct shape_out *out, const struct rn_link *links, uint32_t n)
{
	/* What an application's span is called nobody checks. */
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(links[i].edge, "application") != 0)
			put(out->links, &out->nlinks, LINKS_MAX, links[i].trace_id,
			    links[i].span_id);
}

static size_t on_call(void *ctx, const struct rn_call *call)
{
	struct shape_out *out = ctx;

	CHECK(call->lamport_end > call->lamport_start);
	put_span(out, call->trace_id, call->span_id,
		 call->under_application ? 0 : call->parent_span_id);
	put_links(out, call->links, call->nlinks);
	out->told += call->fold ? call->fold->count : 1;
	if (call->fold) {
		CHECK(call->nlinks == 0 && !(call->flags & RN_FLAG_FAILED) && !call->is_cause);
		CHECK(call->t1 >= call->t0);
		CHECK(call->fold->count >= 4 && call->fold->count % call->fold->period == 0);
		for (unsigned i = 0; i < call->fold->period; i++) {
			const struct rn_folded *of = &call->fold->of[i];
			uint64_t n = call->fold->count / call->fold->period;

			CHECK(of->min_ns <= of->max_ns && of->min_ns * n <= of->sum_ns &&
			      of->sum_ns <= of->max_ns * n);
		}
	}
	return 900;
}

static size_t on_process(void *ctx, const struct rn_process *process)
{
	struct shape_out *out = ctx;

	put_span(out, process->ctx.trace_id, process->ctx.span_id,
		 process->parent_is_remote ? 0 : process->parent_span_id);
	put_links(out, process->links, process->nlinks);
	if (!process->part)
		out->omitted_at_processes += process->omitted.calls;
	return 500;
}

static size_t on_run(void *ctx, const struct rn_run_span *run)
{
	struct shape_out *out = ctx;

	put_span(out, run->ctx.trace_id, run->ctx.span_id, 0);
	put_links(out, run->links, run->nlinks);
	if (!run->part)
		out->omitted = run->omitted.calls;
	return 500;
}

static void on_told(void *ctx, const struct rn_call *call)
{
	(void)call;
	((struct shape_out *)ctx)->calls++;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct place));
}

static void check(struct shape_out *out)
{
	unsigned in_trace = 0;

	qsort(out->spans, out->nspans, sizeof(out->spans[0]), compare);
	for (unsigned i = 0; i < out->nspans; i++) {
		bool same =
			i && memcmp(out->spans[i - 1].trace_id, out->spans[i].trace_id, 16) == 0;

		CHECK(i == 0 || compare(&out->spans[i - 1], &out->spans[i]) != 0);
		in_trace = same ? in_trace + 1 : 1;
		/* Foreign traces are the records' own; they have texts or small numbers in them. */
		if (memcmp(out->spans[i].trace_id, "the-trace-of-it", 16) != 0 &&
		    out->spans[i].trace_id[0] != 1)
			CHECK(in_trace <= MOST);
	}
	if (out->none)
		return;
	for (unsigned i = 0; i < out->nparents; i++)
		CHECK(bsearch(&out->parents[i], out->spans, out->nspans, sizeof(out->spans[0]),
			      compare));
	for (unsigned i = 0; i < out->nlinks; i++)
		CHECK(bsearch(&out->links[i], out->spans, out->nspans, sizeof(out->spans[0]),
			      compare));
}

int fuzz_shape(const uint8_t *data, size_t size)
{
	static struct shape_out out;
	uint64_t kept[RN_ABI_COUNT * RN_ABI_WORDS];
	unsigned choice = size ? data[size / 2] : 0;
	struct rn_shape_config config = {
		.parts = {.trace_id = "the-trace-of-it",
			  .trace_flags = 1,
			  .key = {1, 2},
			  .max_spans = choice & 1 ? MOST : 0,
			  .max_bytes = choice & 2 ? 300000 : UINT64_MAX,
			  .out = {&out, on_call, on_process, on_run}},
		.fold = (enum rn_fold_mode)(choice / 4 % 3),
		.spans = (enum rn_spans_mode)(choice / 16 % 5 < 3 ? choice / 16 % 5 : 0),
		.min_ns = choice & 128 ? 300 : 0,
		.errors_only = choice & 64,
		.keep_errors = choice & 32,
		.keep_ns = choice & 8 ? 500 : 0,
		.keep = choice % 7 ? NULL : kept,
	};
	struct rn_shaper *shape;
	struct rn_observer observers[2] = {{.ctx = &out, .call = on_told}};
	struct rn_interpreter_config interpreter = {
		.trace_id = "the-trace-of-it",
		.trace_flags = 1,
		.key = {1, 2},
		.tracestate = "",
		.engine = "fuzz",
		.command = "x",
		.options = "",
	};
	struct rn_interpreter *in;
	uint8_t *bytes = malloc(size ? size : 1);
	struct rn_run_span run;

	memset(kept, 0x11, sizeof(kept));
	memset(&out, 0, sizeof(out));
	out.none = config.spans == RN_SPANS_NONE;
	shape = rn_shape_create(&config);
	CHECK(shape && bytes);
	observers[1] = rn_shape_observer(shape);
	in = rn_interpreter_create(&interpreter, observers, 2);
	CHECK(in);
	rn_shape_follow(shape, in);
	memcpy(bytes, data, size);
	for (size_t at = 0; at < size;) {
		struct rn_event *ev = (struct rn_event *)(bytes + at);
		uint32_t len = rn_event_check(ev, size - at);

		if (len == 0)
			break;
		/* Engines number their records and processes; a reader may count on that. */
		ev->seq = 1 + 2 * at;
		if (ev->kind == RN_PROCESS_START)
			ev->args[0] = 1 + at;
		rn_interpreter_feed(in, ev);
		if (at % 11 == 0)
			rn_shape_age(shape, 1000000000ull * (at + 1));
		at += len;
	}
	rn_interpreter_finish(in, &run);
	rn_shape_finish(shape, &run);
	CHECK_INT(out.told + out.omitted, out.calls);
	CHECK_INT(run.totals.spans, out.nspans);
	check(&out);
	rn_interpreter_destroy(in);
	rn_shape_destroy(shape);
	free(bytes);
	return 0;
}

FUZZ_TARGET(fuzz_shape);
