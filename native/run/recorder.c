/* SPDX-License-Identifier: MIT */
#include "recorder.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "flight.h"
#include "kept_processes.h"
#include "run_private.h"

#define BYTES (256u << 20)      /* of calls, rows or lines, at most */
#define PARTS_BYTES (32u << 20) /* of what makes later parts whole */
#define LOOK_MS 50

/* What is kept of one output, or of all that have spans. */
struct reel {
	struct recorder *recorder;
	struct flight *flight; /* NULL: there is no such output */
	struct sink *sink;
	bool counts;  /* it is what the user is told of */
	bool is_cut; /* text: what went last was the beginning of a line */
};

struct recorder {
	struct rn_run *run;
	struct reel calls, csv, listing, text;
	struct flight *parts; /* roots, and copies of processes, of later parts */
	struct kept_processes *processes;
	struct rn_buf scratch;
	uint8_t *flown_parts; /* a bit for each part of which calls went out */
	size_t flown_room;    /* bytes */
	bool text_is_open;    /* the line that went out last has no end */
	bool is_over;
	_Atomic uint32_t asked; /* RN_FLOWN_*, by others */
	_Atomic uint32_t why;
	_Atomic uint64_t kept, omitted, flown; /* calls */
};

bool rn_recorder_has_part(const struct recorder *recorder, uint32_t part)
{
	return part / 8 < recorder->flown_room &&
	       recorder->flown_parts[part / 8] >> (part % 8) & 1u;
}

static void note_part(struct recorder *recorder, uint32_t part)
{
	size_t need = part / 8 + 1;

	if (!part)
		return;
	if (need > recorder->flown_room) {
		size_t room = 2 * need;
		uint8_t *bits = realloc(recorder->flown_parts, room);

		if (!bits)
			return; /* its root is missing then */
		memset(bits + recorder->flown_room, 0, room - recorder->flown_room);
		recorder->flown_parts = bits;
		recorder->flown_room = room;
	}
	recorder->flown_parts[part / 8] |= (uint8_t)(1u << (part % 8));
}

static void count_kept(struct reel *reel)
{
	if (reel->counts)
		atomic_store(&reel->recorder->kept, rn_flight_calls(reel->flight));
}

static void count_gone(struct reel *reel, uint64_t calls)
{
	if (reel->counts && !reel->recorder->is_over)
		atomic_fetch_add(&reel->recorder->omitted, calls);
}

static void call_gone(void *ctx, const struct flight_label *label, const void *data, size_t len)
{
	struct reel *reel = ctx;
	struct recorder *recorder = reel->recorder;
	const struct rn_omitted more = {.calls = label->calls, .ns = label->ns};

	(void)data;
	(void)len;
	if (!rn_shape_omit(recorder->run->shape, label->process, &more))
		rn_kept_omit(recorder->processes, label->process, &more);
	count_gone(reel, label->calls);
}

static void row_gone(void *ctx, const struct flight_label *label, const void *data, size_t len)
{
	struct reel *reel = ctx;

	reel->is_cut = len && ((const char *)data)[len - 1] != '\n';
	count_gone(reel, label->calls);
}

static void part_gone(void *ctx, const struct flight_label *label, const void *data, size_t len)
{
	(void)ctx;
	(void)label;
	(void)data;
	(void)len;
}

static bool make_reel(struct recorder *recorder, struct reel *reel, uint32_t outputs,
		      flight_gone *gone)
{
	const rn_config *config = &recorder->run->config;

	reel->recorder = recorder;
	if (!(config->outputs & outputs))
		return true;
	reel->flight = rn_flight_create(config->flight, BYTES, gone, reel);
	reel->counts = !recorder->calls.counts;
	return reel->flight != NULL;
}

bool rn_recorder_init(struct rn_run *run)
{
	struct recorder *recorder;

	if (!run->config.flight)
		return true;
	recorder = run->recorder = calloc(1, sizeof(*recorder));
	if (!recorder)
		return false;
	recorder->run = run;
	rn_buf_init(&recorder->scratch);
	recorder->csv.sink = &run->csv;
	recorder->listing.sink = &run->listing;
	recorder->parts = rn_flight_create(UINT64_MAX, PARTS_BYTES, part_gone, NULL);
	recorder->processes = rn_kept_create();
	return recorder->parts && recorder->processes &&
	       make_reel(recorder, &recorder->calls, RN_OUT_OTLP | RN_OUT_JSON, call_gone) &&
	       make_reel(recorder, &recorder->csv, RN_OUT_CSV, row_gone) &&
	       make_reel(recorder, &recorder->listing, RN_OUT_LISTING, row_gone) &&
	       make_reel(recorder, &recorder->text, RN_OUT_TEXT, row_gone);
}

void rn_recorder_deinit(struct rn_run *run)
{
	struct recorder *recorder = run->recorder;

	if (!recorder)
		return;
	rn_flight_destroy(recorder->calls.flight);
	rn_flight_destroy(recorder->csv.flight);
	rn_flight_destroy(recorder->listing.flight);
	rn_flight_destroy(recorder->text.flight);
	rn_flight_destroy(recorder->parts);
	rn_kept_destroy(recorder->processes);
	rn_buf_deinit(&recorder->scratch);
	free(recorder->flown_parts);
	free(recorder);
	run->recorder = NULL;
}

struct rn_buf *rn_recorder_scratch(struct recorder *recorder)
{
	recorder->scratch.len = 0;
	recorder->scratch.failed = false;
	return &recorder->scratch;
}

/* The oldest part of which something may go out. */
static void forget_parts(struct recorder *recorder)
{
	struct flight_label label, first;
	size_t len;

	if (!rn_flight_oldest(recorder->calls.flight, &first, &len))
		return;
	while (rn_flight_oldest(recorder->parts, &label, &len) && label.part < first.part)
		rn_flight_drop(recorder->parts);
}

void rn_recorder_call(struct recorder *recorder, const struct rn_call *call, uint32_t split)
{
	struct flight_label label = {
		.calls = 1,
		.ns = call->t1 > call->t0 ? call->t1 - call->t0 : 0,
		.process = call->process->ctx.span_id,
		.part = call->part,
		.split = split,
	};

	if (recorder->scratch.failed) {
		recorder->run->otlp.lost++;
		return;
	}
	if (call->fold) {
		label.calls = call->fold->count;
		label.ns = 0;
		for (uint32_t i = 0; i < call->fold->period; i++)
			label.ns += call->fold->of[i].sum_ns;
	}
	rn_flight_keep(recorder->calls.flight, &label, recorder->scratch.data,
		       recorder->scratch.len);
	count_kept(&recorder->calls);
}

void rn_recorder_part(struct recorder *recorder, uint32_t part, uint32_t split)
{
	const struct flight_label label = {.part = part, .split = split};
	const struct rn_buf *made = &recorder->scratch;

	if (made->failed) {
		recorder->run->otlp.lost++;
	} else if (rn_recorder_has_part(recorder, part)) {
		rn_spans_put(recorder->run, made->data, made->len, split);
	} else {
		forget_parts(recorder);
		rn_flight_keep(recorder->parts, &label, made->data, made->len);
	}
}

void rn_recorder_process(struct recorder *recorder, const struct rn_process *process)
{
	if (!rn_kept_add(recorder->processes, process))
		recorder->run->otlp.lost++;
}

bool rn_recorder_row(struct rn_run *run, struct sink *sink, uint64_t calls)
{
	const struct flight_label label = {.calls = calls};
	struct rn_buf *buf = &sink->block->buf;
	struct reel *reel;
	size_t skip = 0;

	if (!run->recorder)
		return false;
	reel = sink == &run->csv ? &run->recorder->csv : &run->recorder->listing;
	/* Which object is the first is not known yet. */
	if (sink == &run->listing && buf->len >= 2 && memcmp(buf->data, ",\n", 2) == 0)
		skip = 2;
	if (buf->failed)
		sink->lost++;
	else
		rn_flight_keep(reel->flight, &label, buf->data + skip, buf->len - skip);
	buf->len = 0;
	buf->failed = false;
	count_kept(reel);
	return true;
}

bool rn_recorder_text(struct rn_run *run, struct text_out *out)
{
	struct flight_label label = {0};

	if (!run->recorder || run->text_files || out->buf.failed)
		return false;
	for (size_t i = 0; i < out->buf.len; i++)
		label.calls += out->buf.data[i] == '\n';
	if (out->buf.len)
		rn_flight_keep(run->recorder->text.flight, &label, out->buf.data, out->buf.len);
	out->buf.len = 0;
	count_kept(&run->recorder->text);
	return true;
}

static void fly_calls(struct recorder *recorder)
{
	struct rn_run *run = recorder->run;
	struct flight *flight = recorder->calls.flight;
	struct flight_label label;
	const void *data;
	size_t len;

	if (!flight)
		return;
	rn_kept_take(recorder->processes, rn_spans_process, run);
	while ((data = rn_flight_oldest(flight, &label, &len))) {
		note_part(recorder, label.part);
		rn_spans_put(run, data, len, label.split);
		rn_flight_drop(flight);
	}
	/* What is not of these parts is of earlier ones. */
	while ((data = rn_flight_oldest(recorder->parts, &label, &len))) {
		if (rn_recorder_has_part(recorder, label.part))
			rn_spans_put(run, data, len, label.split);
		rn_flight_drop(recorder->parts);
	}
	rn_sink_hand_on(run, &run->otlp, true);
	rn_sink_hand_on(run, &run->json, true);
	rn_flight_release(flight);
	rn_flight_release(recorder->parts);
}

static void fly_rows(struct recorder *recorder, struct reel *reel)
{
	struct flight_label label;
	const void *data;
	size_t len;

	if (!reel->flight)
		return;
	while ((data = rn_flight_oldest(reel->flight, &label, &len))) {
		if (rn_sink_begin(reel->sink)) {
			struct rn_buf *buf = &reel->sink->block->buf;

			if (reel->sink == &recorder->run->listing && reel->sink->made)
				rn_buf_put(buf, ",\n", 2);
			rn_buf_put(buf, data, len);
			rn_sink_added(recorder->run, reel->sink, true);
		}
		rn_flight_drop(reel->flight);
	}
	rn_sink_hand_on(recorder->run, reel->sink, true);
	rn_flight_release(reel->flight);
}

static void fly_text(struct recorder *recorder)
{
	struct rn_run *run = recorder->run;
	struct reel *reel = &recorder->text;
	struct flight_label label;
	const char *data;
	size_t len;

	if (!reel->flight)
		return;
	while ((data = rn_flight_oldest(reel->flight, &label, &len))) {
		const char *end = reel->is_cut ? memchr(data, '\n', len) : NULL;
		size_t skip = reel->is_cut ? (end ? (size_t)(end + 1 - data) : len) : 0;

		reel->is_cut = reel->is_cut && !end;
		rn_buf_put(&run->text.buf, data + skip, len - skip);
		if (len > skip)
			recorder->text_is_open = data[len - 1] != '\n';
		rn_flight_drop(reel->flight);
		if (run->text.buf.len >= 65536)
			rn_text_write(run, &run->text);
	}
	reel->is_cut = false;
	if (run->text.buf.len)
		rn_text_write(run, &run->text);
	rn_flight_release(reel->flight);
}

static void fly(struct rn_run *run, uint32_t why)
{
	struct recorder *recorder = run->recorder;

	if (run->shape)
		rn_shape_flush(run->shape);
	atomic_fetch_or(&recorder->why, why);
	atomic_fetch_add(&recorder->flown, atomic_load(&recorder->kept));
	fly_calls(recorder);
	fly_rows(recorder, &recorder->csv);
	fly_rows(recorder, &recorder->listing);
	fly_text(recorder);
	atomic_store(&recorder->kept, 0);
}

/* Signals that leave a core: who gets one has not been asked to end. */
static bool is_crash(int wait_status)
{
	static const int numbers[] = {SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,
				      SIGFPE,  SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == numbers[i])
			return true;
	return false;
}

static void on_process(void *ctx, const struct rn_process *process)
{
	struct rn_run *run = ctx;
	/* Where there is no command, those that were attached to are what is watched. */
	bool is_watched = !run->argv[0] && process->created;

	if (!process->ended)
		return;
	if (is_crash(process->wait_status))
		fly(run, RN_FLOWN_CRASHED);
	else if (is_watched && process->wait_status)
		fly(run, RN_FLOWN_FAILED);
}

struct rn_observer rn_recorder_observer(struct rn_run *run)
{
	return (struct rn_observer){.ctx = run, .process = on_process};
}

void rn_recorder_look(struct rn_run *run)
{
	uint32_t why;

	if (!run->recorder || !atomic_load_explicit(&run->recorder->asked, memory_order_relaxed))
		return;
	why = atomic_exchange(&run->recorder->asked, 0);
	fly(run, why);
}

bool rn_recorder_has_flown(const struct recorder *recorder)
{
	return atomic_load(&recorder->why) != 0;
}

/* What was kept since the last flight is omitted; what went out is made whole. */
static void stay(struct rn_run *run)
{
	struct recorder *recorder = run->recorder;
	struct flight_label label;
	size_t len;

	recorder->is_over = true;
	while (recorder->calls.flight && rn_flight_oldest(recorder->calls.flight, &label, &len))
		rn_flight_let_go(recorder->calls.flight);
	if (!rn_recorder_has_flown(recorder))
		return;
	if (recorder->calls.flight)
		fly_calls(recorder);
	if (recorder->text_is_open) {
		rn_buf_put(&run->text.buf, "\n", 1);
		rn_text_write(run, &run->text);
	}
}

/* Whoever reads the records says whether the run is as it should be. */
static uint32_t judged(struct rn_run *run)
{
	uint32_t why = 0;

	rn_sink_hand_on(run, &run->record, true);
	rn_blocks_end(&run->record.queue);
	pthread_mutex_lock(&run->lock);
	while (!run->judged && !atomic_load(&run->given_up)) {
		struct timespec until = rn_deadline(LOOK_MS);

		pthread_cond_timedwait(&run->changed, &run->lock, &until);
	}
	if (run->violated)
		why = RN_FLOWN_VIOLATED;
	pthread_mutex_unlock(&run->lock);
	return why;
}

void rn_recorder_end(struct rn_run *run, struct rn_run_span *span)
{
	struct recorder *recorder = run->recorder;
	uint32_t why;

	if (!recorder)
		return;
	if (run->shape)
		rn_shape_flush(run->shape);
	why = atomic_exchange(&recorder->asked, 0);
	if (span->ended && span->exit_code != 0)
		why |= RN_FLOWN_FAILED;
	if (!why && run->config.flight_held)
		why = judged(run);
	if (why)
		fly(run, why);
	else
		stay(run);
	span->flown = atomic_load(&recorder->why);
	span->omitted_processes = rn_kept_omitted(recorder->processes);
}

void rn_recorder_counts(const struct recorder *recorder, uint64_t *kept, uint64_t *omitted,
			uint64_t *flown, uint32_t *why)
{
	*kept = atomic_load(&recorder->kept);
	*omitted = atomic_load(&recorder->omitted);
	*flown = atomic_load(&recorder->flown);
	*why = atomic_load(&recorder->why);
}

void rn_run_fly(rn_run *run, uint32_t why)
{
	if (!run->recorder)
		return;
	atomic_fetch_or(&run->recorder->asked, why);
	rn_ring_wake(&run->ring_read);
}

void rn_run_judge(rn_run *run, int violated)
{
	pthread_mutex_lock(&run->lock);
	run->judged = true;
	run->violated = violated != 0;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
}
