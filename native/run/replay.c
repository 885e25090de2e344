/* SPDX-License-Identifier: MIT */
/* The records of a TRACE file, interpreted once: columns of calls, events, edges, threads. */
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "details.h"
#include "listed.h"
#include "peaks.h"
#include "places.h"
#include "run_private.h"
#include "shown.h"
#include "symbols/sites.h"

struct rn_replay {
	struct rn_interpreter *interpreter; /* NULL once finished */
	struct column calls, events, edges, threads, processes, names;
	struct peaks peaks;
	struct places places; /* of the threads that live */
	struct allowance allowance;
	struct details *details; /* NULL: not asked for */
	struct rn_sites *sites;  /* NULL: nobody asks for them */
	struct shown *shown;     /* NULL: not asked for */
	struct listed listed;
	uint64_t wanted[RN_ABI_COUNT * RN_ABI_WORDS];
};

static void *add_rows(struct rn_replay *replay, struct column *column, uint64_t n)
{
	return rn_rows_add(&replay->allowance, column, n);
}

static uint32_t add_thread(struct rn_replay *replay, int32_t tid, int32_t pid, uint64_t ordinal,
			   int32_t maker)
{
	uint32_t made_by = maker ? rn_places_get(&replay->places, maker) : RN_NO_PLACE;
	uint32_t row = (uint32_t)replay->threads.n;
	rn_replay_thread *thread;

	if (row == RN_NO_PLACE)
		return RN_NO_PLACE;
	thread = add_rows(replay, &replay->threads, 1);
	if (!thread)
		return RN_NO_PLACE;
	*thread = (rn_replay_thread){.ordinal = ordinal, .tid = tid, .pid = pid, .maker = made_by};
	if (rn_places_put(&replay->places, tid, row))
		return row;
	replay->threads.n--;
	replay->allowance.missed++;
	return RN_NO_PLACE;
}

/* NULL: there is none. */
static const rn_replay_thread *thread_at(const struct rn_replay *replay, uint32_t row)
{
	return row == RN_NO_PLACE ? NULL : (const rn_replay_thread *)replay->threads.rows + row;
}

/* The thread of a record. One that no record announced belongs to its leader's process, or to one
   of its own, whose ordinal is the interpreter's. */
static uint32_t thread_of(struct rn_replay *replay, const struct rn_event *ev)
{
	uint32_t row = rn_places_get(&replay->places, ev->tid);
	uint64_t ordinal = 1ull << 61 | ev->seq;
	const rn_replay_thread *leader;

	if (row != RN_NO_PLACE)
		return row;
	leader = thread_at(replay, rn_places_get(&replay->places, ev->pid));
	if (leader)
		ordinal = leader->ordinal;
	return add_thread(replay, ev->tid, ev->pid, ordinal, 0);
}

static void on_call(void *ctx, const struct rn_call *call)
{
	struct rn_replay *replay = ctx;
	uint32_t thread = rn_places_get(&replay->places, call->tid);
	rn_replay_call *row;

	rn_listed_call(&replay->listed, call);
	/* An exec that never returned: its thread took its process's id meanwhile. */
	if (thread == RN_NO_PLACE && call->flags & RN_FLAG_UNFINISHED)
		thread = rn_places_get(&replay->places, call->pid);
	if (thread == RN_NO_PLACE)
		thread = add_thread(replay, call->tid, call->pid, call->process->ordinal, 0);
	if (thread == RN_NO_PLACE)
		return;
	if (replay->details && !rn_details_add(replay->details, call, thread))
		return;
	if (replay->shown && !rn_shown_add(replay->shown, call, thread)) {
		rn_details_drop(replay->details);
		return;
	}
	row = add_rows(replay, &replay->calls, 1);
	if (!row) {
		if (replay->shown)
			rn_shown_drop(replay->shown);
		if (replay->details)
			rn_details_drop(replay->details);
		return;
	}
	*row = (rn_replay_call){
		.seq = call->seq,
		.t0 = call->t0,
		.t1 = call->t1,
		.lamport_start = call->lamport_start,
		.lamport_end = call->lamport_end,
		.result = call->result,
		.thread = thread,
		.nr = call->nr,
		.flags = call->flags,
		.abi = call->abi,
		.incomplete = call->incomplete != NULL,
	};
	if (call->exit && !(call->flags & RN_FLAG_UNFINISHED))
		row->end = call->exit->seq + (call->exit->kind == RN_SYSCALL);
}

static void on_gap(void *ctx, const struct rn_event *ev)
{
	struct rn_replay *replay = ctx;

	rn_listed_gap(&replay->listed, ev);
}

static void on_edge(void *ctx, const struct rn_edge *edge)
{
	struct rn_replay *replay = ctx;
	rn_replay_edge *row = add_rows(replay, &replay->edges, 1);

	if (row)
		*row = (rn_replay_edge){
			.cause = edge->cause_seq,
			.effect = edge->effect_seq,
			.cause_lamport = edge->cause_lamport,
			.effect_lamport = edge->effect_lamport,
			.cause_tid = edge->cause_tid,
			.effect_tid = edge->effect_tid,
			.kind = (uint32_t)edge->kind,
			.certain = edge->certain,
		};
}

static void on_process(void *ctx, const struct rn_process *process)
{
	struct rn_replay *replay = ctx;
	const char *exe = process->exe ? process->exe : "";
	size_t len = strlen(exe);
	uint64_t at = replay->names.n;
	char *name = len ? add_rows(replay, &replay->names, len) : NULL;
	rn_replay_process *row = add_rows(replay, &replay->processes, 1);

	if (name)
		memcpy(name, exe, len);
	if (!row)
		return;
	*row = (rn_replay_process){
		.ordinal = process->ordinal,
		.t_start = process->t_start,
		.t_end = process->t_end,
		.lamport_start = process->lamport_start,
		.lamport_end = process->lamport_end,
		.calls = process->calls,
		.errors = process->errors,
		.exe_at = at,
		.exe_len = name ? (uint32_t)len : 0,
		.pid = process->pid,
		.parent_pid = process->parent_pid,
		.wait_status = process->wait_status,
		.ended = process->ended,
		.superseded = process->superseded,
	};
	rn_peaks_tell(&replay->peaks, row);
}

rn_replay *rn_replay_new(uint64_t key0, uint64_t key1, uint64_t lamport_seed,
			 const uint64_t *wanted, uint64_t max_bytes)
{
	rn_replay *replay = calloc(1, sizeof(*replay));
	struct rn_interpreter_config config = {.key = {key0, key1},
					       .lamport_seed = lamport_seed,
					       .engine = "",
					       .command = "",
					       .options = ""};
	const struct rn_observer observer = {
		.ctx = replay,
		.call = on_call,
		.process = on_process,
		.gap = on_gap,
		.edge = on_edge,
	};

	if (!replay)
		return NULL;
	if (wanted) {
		memcpy(replay->wanted, wanted, sizeof(replay->wanted));
		config.selection.wanted = replay->wanted;
	}
	replay->allowance.room = max_bytes;
	replay->calls.size = sizeof(rn_replay_call);
	replay->events.size = sizeof(rn_replay_event);
	replay->edges.size = sizeof(rn_replay_edge);
	replay->threads.size = sizeof(rn_replay_thread);
	replay->processes.size = sizeof(rn_replay_process);
	replay->names.size = 1;
	rn_peaks_init(&replay->peaks);
	replay->interpreter = rn_interpreter_create(&config, &observer, 1);
	if (replay->interpreter)
		return replay;
	free(replay);
	return NULL;
}

static bool want_sites(rn_replay *replay)
{
	if (!replay->sites)
		replay->sites = rn_sites_create();
	return replay->sites != NULL;
}

int rn_replay_want_details(rn_replay *replay)
{
	if (replay->details || replay->calls.n || !replay->interpreter || !want_sites(replay))
		return 0;
	replay->details = rn_details_create(replay->interpreter, replay->sites, &replay->allowance);
	return replay->details != NULL;
}

int rn_replay_want_listing(rn_replay *replay, uint64_t realtime_anchor, uint64_t monotonic_anchor,
			   uint32_t string_limit, int sources)
{
	struct rn_rules_error error;

	if (replay->listed.wanted || replay->calls.n || !replay->interpreter ||
	    (sources && !want_sites(replay)))
		return 0;
	replay->listed.rules = rn_rules_create(true, NULL, NULL, &error);
	if (!replay->listed.rules)
		return 0;
	replay->listed.redact.rules = replay->listed.rules;
	rn_buf_init(&replay->listed.buf);
	replay->listed.trace = (struct rn_trace){.realtime_anchor = realtime_anchor,
						 .monotonic_anchor = monotonic_anchor,
						 .string_limit = string_limit,
						 .redact = &replay->listed.redact,
						 .payload = true,
						 .site = sources ? rn_sites_hook : NULL,
						 .site_ctx = replay->sites};
	replay->listed.wanted = true;
	return 1;
}

int rn_replay_want_shown(rn_replay *replay)
{
	if (replay->shown || replay->calls.n || !replay->details || !replay->interpreter)
		return 0;
	replay->shown = rn_shown_create(replay->interpreter, &replay->allowance, replay->details);
	return replay->shown != NULL;
}

int rn_replay_want_portable(rn_replay *replay)
{
	if (replay->calls.n || !replay->details || !replay->interpreter)
		return 0;
	rn_details_portable(replay->details);
	return 1;
}

static void add_event(struct rn_replay *replay, const struct rn_event *ev, uint32_t thread)
{
	rn_replay_event *row = thread == RN_NO_PLACE ? NULL : add_rows(replay, &replay->events, 1);

	if (row)
		*row = (rn_replay_event){
			.seq = ev->seq,
			.t = ev->t0,
			.value = ev->args[1],
			.thread = thread,
			.nr = ev->nr,
			.kind = ev->kind,
			.last = ev->kind == RN_EXIT && ev->args[2] != 0,
		};
}

/* What the interpreter has told of a record is of the threads as they were before it. */
static void follow(struct rn_replay *replay, const struct rn_event *ev)
{
	uint32_t thread;

	switch ((enum rn_kind)ev->kind) {
	case RN_PROCESS_START:
		thread = add_thread(replay, ev->tid, ev->pid, ev->args[0], (int32_t)ev->args[1]);
		if (replay->shown && thread != RN_NO_PLACE)
			rn_shown_start(replay->shown, ev, thread, thread_at(replay, thread)->maker);
		add_event(replay, ev, thread);
		break;
	case RN_EXEC:
		/* The line of the thread that called goes on, under its process's id. */
		thread = rn_places_get(&replay->places, (int32_t)ev->args[1]);
		if ((int32_t)ev->args[1] != ev->tid && thread != RN_NO_PLACE) {
			rn_places_remove(&replay->places, (int32_t)ev->args[1]);
			if (!rn_places_put(&replay->places, ev->tid, thread))
				replay->allowance.missed++;
		} else {
			thread = thread_of(replay, ev);
		}
		add_event(replay, ev, thread);
		break;
	case RN_EXIT:
		thread = rn_places_get(&replay->places, ev->tid);
		add_event(replay, ev, thread);
		rn_places_remove(&replay->places, ev->tid);
		break;
	case RN_SIGNAL:
	case RN_GROUP_STOP:
		add_event(replay, ev, thread_of(replay, ev));
		break;
	default:
		break;
	}
}

uint64_t rn_replay_feed(rn_replay *replay, const void *data, uint64_t len)
{
	uint64_t at = 0;

	rn_listed_begin(&replay->listed);
	while (replay->interpreter && at < len) {
		const struct rn_event *ev = (const struct rn_event *)((const uint8_t *)data + at);
		uint32_t size = rn_event_check(ev, len - at), thread;

		if (size == 0)
			break;
		thread = rn_places_get(&replay->places, ev->tid);
		if (replay->details)
			rn_details_before(replay->details, ev, thread);
		rn_peaks_follow(&replay->peaks, &replay->allowance, ev, replay->threads.n,
				thread_at(replay, thread));
		if (replay->shown)
			rn_shown_before(replay->shown, ev, thread,
					thread != RN_NO_PLACE &&
						thread_at(replay, thread)->maker != RN_NO_PLACE);
		rn_interpreter_feed(replay->interpreter, ev);
		follow(replay, ev);
		at += size;
	}
	return at;
}

uint32_t rn_replay_descriptors(const rn_replay *replay, int32_t tid, int32_t first,
			       rn_replay_descriptor *to, uint32_t max)
{
	struct rn_descriptor one;
	uint32_t n = 0;

	for (; replay->interpreter && n < max &&
	       rn_interpreter_descriptor(replay->interpreter, tid, first, &one);
	     n++, first = one.fd + 1)
		to[n] = (rn_replay_descriptor){
			.object = one.object,
			.inode = one.id.inode,
			.dev_major = one.id.dev_major,
			.dev_minor = one.id.dev_minor,
			.opens = one.opens,
			.readers = one.readers,
			.writers = one.writers,
			.fd = one.fd,
			.kind = one.id.kind,
			.ways = one.id.ways,
			.cloexec = one.cloexec,
			.foreign = one.foreign,
		};
	return n;
}

void rn_replay_finish(rn_replay *replay)
{
	struct rn_run_span unused;

	if (!replay->interpreter)
		return;
	rn_listed_begin(&replay->listed);
	rn_interpreter_finish(replay->interpreter, &unused);
	rn_interpreter_destroy(replay->interpreter);
	replay->interpreter = NULL;
	if (replay->shown)
		rn_shown_finish(replay->shown);
	if (replay->details)
		rn_details_finish(replay->details);
}

void rn_replay_free(rn_replay *replay)
{
	if (!replay)
		return;
	rn_replay_finish(replay);
	free(replay->calls.rows);
	free(replay->events.rows);
	free(replay->edges.rows);
	free(replay->threads.rows);
	free(replay->processes.rows);
	free(replay->names.rows);
	rn_peaks_deinit(&replay->peaks);
	rn_shown_destroy(replay->shown);
	rn_details_destroy(replay->details);
	rn_sites_destroy(replay->sites);
	if (replay->listed.wanted)
		rn_buf_deinit(&replay->listed.buf);
	rn_redact_deinit(&replay->listed.redact);
	rn_rules_destroy(replay->listed.rules);
	rn_places_deinit(&replay->places);
	free(replay);
}

static const void *rows_of(const struct column *column, uint64_t *n)
{
	*n = column->n;
	return column->rows;
}

const rn_replay_call *rn_replay_calls(const rn_replay *replay, uint64_t *n)
{
	return rows_of(&replay->calls, n);
}

const rn_replay_event *rn_replay_events(const rn_replay *replay, uint64_t *n)
{
	return rows_of(&replay->events, n);
}

const rn_replay_edge *rn_replay_edges(const rn_replay *replay, uint64_t *n)
{
	return rows_of(&replay->edges, n);
}

const rn_replay_thread *rn_replay_threads(const rn_replay *replay, uint64_t *n)
{
	return rows_of(&replay->threads, n);
}

const rn_replay_process *rn_replay_processes(const rn_replay *replay, uint64_t *n)
{
	return rows_of(&replay->processes, n);
}

const rn_replay_detail *rn_replay_details(const rn_replay *replay, uint64_t *n)
{
	const struct column none = {0};

	return rows_of(replay->details ? rn_details_rows(replay->details) : &none, n);
}

const rn_replay_source *rn_replay_sources(const rn_replay *replay, uint64_t *n)
{
	const struct column none = {0};

	return rows_of(replay->details ? rn_details_sources(replay->details) : &none, n);
}

const rn_replay_shown *rn_replay_shown_rows(const rn_replay *replay, uint64_t *n)
{
	const struct column none = {0};

	return rows_of(replay->shown ? rn_shown_rows(replay->shown) : &none, n);
}

const rn_replay_text *rn_replay_texts(const rn_replay *replay, uint64_t *n)
{
	const struct column none = {0};

	return rows_of(replay->details ? &rn_details_texts(replay->details)->rows : &none, n);
}

const char *rn_replay_text_bytes(const rn_replay *replay, uint64_t *n)
{
	const struct column none = {0};

	return rows_of(replay->details ? &rn_details_texts(replay->details)->bytes : &none, n);
}

const char *rn_replay_names(const rn_replay *replay, uint64_t *n)
{
	return rows_of(&replay->names, n);
}

const char *rn_replay_listing(const rn_replay *replay, uint64_t *n)
{
	bool is_there = replay->listed.wanted && !replay->listed.buf.failed;

	*n = is_there ? replay->listed.buf.len : 0;
	return is_there ? (const char *)replay->listed.buf.data : NULL;
}

void rn_replay_end_listing(rn_replay *replay, int exit_code)
{
	if (replay->listed.wanted)
		rn_listing_end(&replay->listed.listing, &replay->listed.buf, exit_code);
}

uint64_t rn_replay_missed(const rn_replay *replay)
{
	return replay->allowance.missed;
}
