/* SPDX-License-Identifier: MIT */
/* From records to finished calls and processes; see interpret.h. */
#include "interpreter_private.h"

#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "edges.h"
#include "live.h"
#include "resource.h"

uint64_t rn_advance(struct rn_interpreter *in, struct thread *thread, uint64_t cause)
{
	if (cause > thread->clock)
		thread->clock = cause;
	thread->clock++;
	if (thread->clock > thread->process->clock)
		thread->process->clock = thread->clock;
	if (thread->clock > in->greatest)
		in->greatest = thread->clock;
	return thread->clock;
}

struct rn_interpreter *rn_interpreter_create(const struct rn_interpreter_config *config,
					     const struct rn_observer *observers, unsigned n)
{
	struct rn_interpreter *in = calloc(1, sizeof(*in));
	const struct rn_selection *selection = &config->selection;

	if (!in || n > OBSERVERS)
		goto fail;
	if (selection->paths || selection->hidden_statuses || selection->hidden_signals) {
		in->selector = rn_selector_create(selection);
		if (!in->selector)
			goto fail;
	}
	/* Only edges ask what descriptors mean, and a selection which are of its paths. */
	in->has_tables = !config->no_edges && rn_objects_are_followed(selection->wanted);
	if (in->has_tables || selection->paths) {
		in->objects = rn_objects_create();
		if (!in->objects)
			goto fail;
	}
	in->config = *config;
	if (!in->config.tracestate)
		in->config.tracestate = "";
	in->n_observers = n;
	memcpy(in->observers, observers, n * sizeof(*observers));
	in->beginning = config->lamport_seed + 1; /* the start of the run */
	if (config->resumed && config->lamport_resumed <= RN_LAMPORT_MAX &&
	    config->lamport_resumed > in->beginning)
		in->beginning = config->lamport_resumed;
	in->greatest = in->beginning;
	in->last_time = config->t_start;
	if (!config->no_edges) {
		in->edges = rn_edges_create(in);
		if (!in->edges)
			goto fail;
	}
	return in;
fail:
	if (in) {
		rn_objects_destroy(in->objects);
		rn_selector_destroy(in->selector);
	}
	free(in);
	return NULL;
}

static void describe(const struct rn_interpreter *in, struct rn_call *call,
		     const struct thread *thread, const struct rn_event *ev)
{
	rn_call_describe(&in->config.key, call, &thread->process->pub, ev);
	rn_live_describe(thread, call);
}

/* Whether the call of an entry is told; before that does anything to descriptors. */
static bool is_selected(const struct rn_interpreter *in, const struct thread *thread,
			const struct rn_event *ev)
{
	return !in->selector || rn_selector_wants(in->selector, thread->fds.table, ev);
}

/* Whether a call is one of those asked for, and not just one to follow descriptors by. */
static bool is_counted(const struct rn_interpreter *in, const struct rn_event *ev)
{
	return !in->selector || rn_selector_counts(in->selector, ev);
}

static void follow_entry(struct rn_interpreter *in, struct thread *thread,
			 const struct rn_event *ev)
{
	if (in->objects)
		rn_fd_entry(in->objects, &thread->fds, ev);
}

static void lose_objects(struct rn_interpreter *in)
{
	if (in->objects)
		rn_fd_tables_lost(in->objects);
}

static void count_call(struct rn_interpreter *in, struct rn_process *process,
		       const struct rn_call *call)
{
	process->calls++;
	if (call->flags & RN_FLAG_FAILED) {
		process->errors++;
		in->totals.errors++;
	}
	if (call->flags & RN_FLAG_UNFINISHED)
		in->totals.unfinished++;
}

static void finish_call(struct rn_interpreter *in, struct thread *thread, struct rn_call *call,
			bool selected)
{
	struct rn_process *process = &thread->process->pub;
	struct joined joined;

	rn_edges_exit(in->edges, thread, call, &joined);
	if (in->objects)
		rn_fd_exit(in->objects, &thread->fds, call);
	call->lamport_end = rn_advance(in, thread, joined.clock);
	call->links = joined.links;
	call->nlinks = joined.nlinks;
	call->more_links = joined.more_links;
	call->incomplete = joined.incomplete;
	call->is_cause = thread->is_cause ||
			 call->desc->flags & (RN_CALL_FORK | RN_CALL_EXEC | RN_CALL_NO_RETURN);
	rn_edges_tell(in->edges, thread, call->seq);
	if (in->selector) {
		if (in->objects)
			rn_selector_return(in->selector, in->objects, &thread->fds, call);
		if (!is_counted(in, call->entry))
			return;
		selected = selected && rn_selector_wants_outcome(in->selector, call);
	}
	count_call(in, process, call);
	TELL(in, counted, call);
	if (!selected) {
		in->totals.filtered++;
		return;
	}
	in->totals.spans++;
	TELL(in, call, call);
}

bool rn_has_span(const struct rn_interpreter *in, const struct thread *thread)
{
	return thread->selected && !(in->config.selection.hidden_statuses & RN_STATUS_SUCCESSFUL);
}

/* Ends the open call of a thread that will not come back from it. */
void rn_abandon(struct rn_interpreter *in, struct thread *thread, uint64_t when, uint16_t flags)
{
	struct rn_call call;

	if (!thread->open)
		return;
	thread->open = false;
	in->open_calls--;
	describe(in, &call, thread, thread->entry);
	call.flags |= flags;
	call.t1 = when > call.t0 ? when : call.t0 + 1;
	call.lamport_start = thread->open_lamport;
	finish_call(in, thread, &call, thread->selected);
}

/* There is no memory for what a call, or the end of one, is told by. */
static void miss_call(struct rn_interpreter *in, const struct rn_event *ev)
{
	in->totals.missed_calls += is_counted(in, ev);
	in->totals.missed_events++;
	rn_edges_lost(in->edges);
	lose_objects(in);
}

/* The entry of a call; NULL: no memory for its thread, and it is counted as missed. */
static struct thread *begin_call(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = rn_thread_of(in, ev);

	in->totals.calls += is_counted(in, ev);
	if (!thread) {
		miss_call(in, ev);
		return NULL;
	}
	rn_abandon(in, thread, ev->t0, RN_FLAG_UNFINISHED); /* the exit of one before was lost */
	thread->called = true;
	thread->selected = is_selected(in, thread, ev);
	rn_live_entry(thread, ev);
	thread->is_cause = false;
	thread->open_lamport = rn_advance(in, thread, 0);
	rn_edges_entry(in->edges, thread, ev);
	follow_entry(in, thread, ev);
	return thread;
}

static void on_entry(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = begin_call(in, ev);
	struct rn_call call;

	if (!thread)
		return;
	if (!rn_thread_open(thread, ev)) {
		miss_call(in, ev); /* its end will not be seen */
		return;
	}
	in->open_calls++;
	describe(in, &call, thread, ev);
	call.lamport_start = thread->open_lamport;
	/* Of a call that may still turn out not to be selected nothing is told before its end. */
	if (thread->selected && !(in->selector && rn_selector_waits(in->selector)))
		TELL(in, enter, &call);
}

static void on_return(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = rn_thread_of(in, ev);
	struct rn_call call;

	if (thread && in->config.resumed && !thread->called)
		miss_call(in, ev); /* whoever had its entry is no more */
	if (thread)
		thread->called = true;
	if (!thread || !thread->open || thread->entry->nr != ev->nr)
		return; /* its entry was lost, and counted */
	thread->open = false;
	in->open_calls--;
	describe(in, &call, thread, thread->entry);
	call.flags |= ev->flags;
	call.tid = ev->tid; /* an exec may have changed it */
	call.pid = ev->pid;
	call.t1 = ev->t1;
	call.result = ev->result;
	call.exit = ev;
	call.lamport_start = thread->open_lamport;
	finish_call(in, thread, &call, thread->selected);
}

static void on_call(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = begin_call(in, ev);
	struct rn_call call;

	if (!thread)
		return;
	describe(in, &call, thread, ev);
	call.exit = ev;
	call.lamport_start = thread->open_lamport;
	finish_call(in, thread, &call, thread->selected);
}

static void on_signal(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = rn_thread_of(in, ev);
	struct rn_signal_event signal;
	struct joined joined;

	if (!thread) {
		in->totals.missed_events++;
		return;
	}
	rn_edges_signal(in->edges, thread, ev, &joined);
	rn_advance(in, thread, joined.clock);
	rn_edges_tell(in->edges, thread, ev->seq);
	in->totals.signals += ev->kind == RN_SIGNAL;
	if (in->selector && !rn_selector_wants_signal(in->selector, ev->nr))
		return;
	signal = (struct rn_signal_event){.process = &thread->process->pub, .ev = ev};
	TELL(in, signal, &signal);
}

/* No event of the program's: it has no time of its own. */
static void on_context(struct rn_interpreter *in, const struct rn_event *ev)
{
	const struct rn_piece *resource = rn_resource_piece(ev);
	struct thread *thread = rn_thread_of(in, ev);

	if (!thread)
		return;
	if (rn_fd_tells_more(ev)) {
		if (in->objects)
			rn_fd_table_more(in->objects, &thread->fds, ev);
		return;
	}
	if (!resource)
		rn_live_told(thread, ev);
	else if (!(resource->flags & RN_PIECE_CUT))
		rn_resource_take(&thread->process->pub, rn_piece_data(resource), resource->len);
}

static void on_gap(struct rn_interpreter *in, const struct rn_event *ev)
{
	if (ev->args[4])
		rn_live_lost(&in->tables);
	rn_edges_lost(in->edges);
	lose_objects(in);
	in->totals.lost_events += ev->args[0];
	in->totals.lost_calls += ev->args[1];
	in->totals.calls += ev->args[1];
	TELL(in, gap, ev);
}

void rn_interpreter_feed(struct rn_interpreter *in, const struct rn_event *ev)
{
	rn_edges_begin(in->edges);
	if (ev->kind != RN_GAP)
		in->totals.events += ev->kind == RN_SYSCALL ? 2 : 1;
	if (ev->t1 > in->last_time)
		in->last_time = ev->t1;
	in->last_seq = ev->seq;
	in->next_seq = ev->seq + (ev->kind == RN_SYSCALL ? 2 : 1);
	switch ((enum rn_kind)ev->kind) {
	case RN_SYSCALL:
		on_call(in, ev);
		break;
	case RN_SYSCALL_ENTER:
		on_entry(in, ev);
		break;
	case RN_SYSCALL_EXIT:
		on_return(in, ev);
		break;
	case RN_PROCESS_START:
		rn_interpret_start(in, ev);
		break;
	case RN_EXEC:
		rn_interpret_exec(in, ev);
		break;
	case RN_EXIT:
		rn_interpret_exit(in, ev);
		break;
	case RN_SIGNAL:
	case RN_GROUP_STOP:
		on_signal(in, ev);
		break;
	case RN_GAP:
		on_gap(in, ev);
		break;
	case RN_CONTEXT:
		on_context(in, ev);
		break;
	case RN_KIND_COUNT:
		break;
	}
}

uint64_t rn_interpreter_feed_all(struct rn_interpreter *in, const void *data, uint64_t len)
{
	uint64_t at = 0;

	while (at < len) {
		const uint8_t *record = (const uint8_t *)data + at;
		uint32_t size = rn_event_check(record, len - at);

		if (size == 0)
			break;
		rn_interpreter_feed(in, (const struct rn_event *)record);
		at += size;
	}
	return at;
}

void rn_interpreter_finish(struct rn_interpreter *in, struct rn_run_span *run)
{
	const struct rn_interpreter_config *config = &in->config;

	rn_edges_begin(in->edges);
	for (unsigned i = 0; i < THREAD_BUCKETS; i++) {
		while (in->tables.bucket[i])
			rn_drop_thread(in, in->tables.bucket[i], in->last_time);
	}
	in->totals.spans++;
	*run = (struct rn_run_span){
		.parent_span_id = config->parent_span_id,
		.t_start = config->t_start,
		.t_end = in->last_time,
		.lamport_start = config->lamport_seed + 1,
		.lamport_end = in->greatest + 1,
		.engine = config->engine,
		.command = config->command,
		.options = config->options,
		.totals = in->totals,
	};
	memcpy(run->ctx.trace_id, config->trace_id, 16);
	run->ctx.span_id = rn_id_of(&config->key, RN_ID_RUN);
	run->ctx.flags = config->trace_flags;
	run->ctx.is_remote = config->parent_is_remote;
	run->ctx.tracestate = (char *)(uintptr_t)config->tracestate;
	run->ended = in->command_ended;
	if (in->command_ended)
		run->exit_code = (in->command_status & 0x7f) ? -(in->command_status & 0x7f)
							     : in->command_status >> 8 & 0xff;
}

bool rn_interpreter_descriptor(struct rn_interpreter *in, int32_t tid, int32_t first,
			       struct rn_descriptor *to)
{
	struct thread *thread = rn_thread_find(&in->tables, tid);
	int32_t fd = thread && first >= 0 ? rn_fd_from(thread->fds.table, first) : -1;
	const struct object *object;

	if (fd < 0)
		return false;
	object = rn_fd_object(thread->fds.table, fd);
	*to = (struct rn_descriptor){
		.fd = fd,
		.cloexec = rn_fd_is_cloexec(thread->fds.table, fd),
		.object = object->number,
		.id = object->id,
		.opens = object->opens,
		.readers = object->readers,
		.writers = object->writers,
		.foreign = object->foreign,
	};
	to->id.ways = rn_fd_ways(thread->fds.table, fd);
	return true;
}

uint64_t rn_interpreter_object(struct rn_interpreter *in, int32_t tid, int32_t fd)
{
	const struct thread *thread = rn_thread_find(&in->tables, tid);
	const struct object *object = thread ? rn_fd_object(thread->fds.table, fd) : NULL;

	return object ? object->number : 0;
}

uint64_t rn_interpreter_open_calls(const struct rn_interpreter *in)
{
	return in->open_calls;
}

uint64_t rn_interpreter_next(const struct rn_interpreter *in)
{
	return in->next_seq;
}

void rn_interpreter_open(const struct rn_interpreter *in, rn_open_call *visit, void *ctx)
{
	for (unsigned i = 0; i < THREAD_BUCKETS; i++)
		for (const struct thread *t = in->tables.bucket[i]; t; t = t->next)
			if (t->open && t->selected)
				visit(ctx, &t->process->pub, t->entry, t->open_lamport);
}

uint64_t rn_interpreter_lamport(const struct rn_interpreter *in)
{
	return in->greatest;
}

const struct rn_totals *rn_interpreter_totals(const struct rn_interpreter *in)
{
	return &in->totals;
}

void rn_interpreter_destroy(struct rn_interpreter *in)
{
	struct rn_run_span unused;

	if (!in)
		return;
	in->n_observers = 0;
	rn_interpreter_finish(in, &unused);
	rn_edges_release(in->edges);
	rn_objects_destroy(in->objects);
	rn_edges_destroy(in->edges);
	rn_tables_deinit(&in->tables);
	rn_selector_destroy(in->selector);
	free(in);
}
