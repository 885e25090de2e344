/* SPDX-License-Identifier: MIT */
/* From records to finished calls and processes; see interpret.h. */
#include "renacer/interpret.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "process.h"
#include "selection.h"

#define OBSERVERS 4

struct rn_interpreter {
	struct rn_interpreter_config config;
	struct rn_observer observers[OBSERVERS];
	unsigned n_observers;
	struct tables tables;
	struct rn_totals totals;
	struct rn_selector *selector; /* NULL = all is told */
	uint64_t greatest; /* Lamport time of any event */
	uint64_t last_time;
	int command_status;
	bool command_ended;
};

#define TELL(in, member, ...)                                                                      \
	do {                                                                                       \
		for (unsigned tell_i = 0; tell_i < (in)->n_observers; tell_i++)                    \
			if ((in)->observers[tell_i].member)                                        \
				(in)->observers[tell_i].member((in)->observers[tell_i].ctx,        \
							       __VA_ARGS__);                       \
	} while (0)

static uint64_t advance(struct rn_interpreter *in, struct thread *thread, uint64_t cause)
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
	in->config = *config;
	if (!in->config.tracestate)
		in->config.tracestate = "";
	in->n_observers = n;
	memcpy(in->observers, observers, n * sizeof(*observers));
	in->greatest = config->lamport_seed + 1; /* the start of the run */
	in->last_time = config->t_start;
	return in;
fail:
	free(in);
	return NULL;
}

static void describe(const struct rn_interpreter *in, struct rn_call *call,
		     const struct thread *thread, const struct rn_event *ev)
{
	rn_call_describe(&in->config.key, call, &thread->process->pub, ev);
}

/* An entry: whether its call is told, and what it does to descriptors at once. */
static bool select_entry(struct rn_interpreter *in, struct thread *thread,
			 const struct rn_event *ev)
{
	bool selected;

	if (!in->selector)
		return true;
	selected = rn_selector_wants(in->selector, thread->process->fds, ev);
	rn_fds_entry(in->selector, &thread->process->fds, ev);
	return selected;
}

/* Whether a call is one of those asked for, and not just one to follow descriptors by. */
static bool is_counted(const struct rn_interpreter *in, const struct rn_event *ev)
{
	return !in->selector || rn_selector_counts(in->selector, ev);
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
	uint64_t cause = 0;

	if (call->desc->flags & RN_CALL_WAIT && !(call->flags & RN_FLAG_UNFINISHED)) {
		int32_t pid = rn_waited_for(call);

		if (pid > 0)
			cause = rn_ended_get(&in->tables, pid);
	}
	call->lamport_end = advance(in, thread, cause);
	if (in->selector) {
		rn_fds_return(in->selector, &thread->process->fds, call);
		if (!is_counted(in, call->entry))
			return;
		selected = selected && rn_selector_wants_outcome(in->selector, call);
	}
	count_call(in, process, call);
	if (!selected) {
		in->totals.filtered++;
		return;
	}
	in->totals.spans++;
	TELL(in, call, call);
}

/* Ends the open call of a thread that will not come back from it. */
static void abandon_as(struct rn_interpreter *in, struct thread *thread, uint64_t when,
		       uint16_t flags)
{
	struct rn_call call;

	if (!thread->open)
		return;
	thread->open = false;
	describe(in, &call, thread, thread->entry);
	call.flags |= flags;
	call.t1 = when > call.t0 ? when : call.t0 + 1;
	call.lamport_start = thread->open_lamport;
	finish_call(in, thread, &call, thread->selected);
}

static void abandon(struct rn_interpreter *in, struct thread *thread, uint64_t when)
{
	abandon_as(in, thread, when, RN_FLAG_UNFINISHED);
}

static void end_process(struct rn_interpreter *in, struct process *process, uint64_t when,
			uint64_t clock)
{
	process->pub.t_end = when > process->pub.t_start ? when : process->pub.t_start + 1;
	process->pub.lamport_end = clock;
	in->totals.spans++;
	TELL(in, process, &process->pub);
}

/* Forgets a thread that is gone, with its process if it was the last. Of an end that nobody told
   of it is known only that it came after all else. */
static void drop_thread(struct rn_interpreter *in, struct thread *thread, uint64_t when)
{
	struct process *process = thread->process;

	abandon(in, thread, when);
	if (--process->threads == 0) {
		if (!process->pub.ended)
			end_process(in, process, when, advance(in, thread, process->clock));
		rn_process_free(process);
	}
	rn_thread_remove(&in->tables, thread);
}

/* A thread by its id. One whose process has ended is gone, and the record of its end was
   lost: what comes under this id now is another's. */
static struct thread *find_thread(struct rn_interpreter *in, int32_t tid, uint64_t when)
{
	struct thread *thread = rn_thread_find(&in->tables, tid);

	if (!thread || !thread->process->pub.ended)
		return thread;
	drop_thread(in, thread, when);
	return NULL;
}

/* The thread of a record; one that no record announced gets a process of its own. */
static struct thread *thread_of(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = find_thread(in, ev->tid, ev->t0);
	struct thread *leader;

	if (thread)
		return thread;
	thread = rn_thread_add(&in->tables, ev->tid);
	if (!thread)
		return NULL;
	leader = ev->pid == ev->tid ? NULL : find_thread(in, ev->pid, ev->t0);
	if (leader) {
		thread->process = leader->process;
		thread->clock = leader->process->pub.lamport_start;
	} else {
		/* Its start was lost; the counter cannot meet one that an engine gives. */
		thread->process = rn_process_create(&in->config, (1ull << 61) | ev->seq);
		if (!thread->process) {
			rn_thread_remove(&in->tables, thread);
			return NULL;
		}
		thread->process->pub.pid = ev->pid;
		thread->process->pub.parent_span_id = rn_id_of(&in->config.key, RN_ID_RUN);
		thread->process->pub.t_start = ev->t0;
		thread->clock = in->config.lamport_seed + 1;
		thread->process->pub.lamport_start = advance(in, thread, 0);
		in->totals.processes++;
	}
	thread->process->threads++;
	in->totals.threads++;
	TELL(in, live, in->tables.live);
	return thread;
}

static void on_entry(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = thread_of(in, ev);
	struct rn_call call;

	if (!thread)
		return;
	abandon(in, thread, ev->t0); /* its exit was lost */
	in->totals.calls += is_counted(in, ev);
	thread->selected = select_entry(in, thread, ev);
	thread->open_lamport = advance(in, thread, 0);
	if (!rn_thread_open(thread, ev))
		return;
	describe(in, &call, thread, ev);
	call.lamport_start = thread->open_lamport;
	/* Of a call that may still turn out not to be selected nothing is told before its end. */
	if (thread->selected && !(in->selector && rn_selector_waits(in->selector)))
		TELL(in, enter, &call);
}

static void on_return(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = thread_of(in, ev);
	struct rn_call call;

	if (!thread || !thread->open || thread->entry->nr != ev->nr)
		return; /* its entry was lost, and counted */
	thread->open = false;
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
	struct thread *thread = thread_of(in, ev);
	struct rn_call call;

	if (!thread)
		return;
	abandon(in, thread, ev->t0);
	in->totals.calls += is_counted(in, ev);
	thread->selected = select_entry(in, thread, ev);
	describe(in, &call, thread, ev);
	call.exit = ev;
	call.lamport_start = advance(in, thread, 0);
	finish_call(in, thread, &call, thread->selected);
}

/* Whether the call that a thread is in, a birth, will have a span to link to. */
static bool has_span(const struct rn_interpreter *in, const struct thread *maker)
{
	return maker->selected && !(in->config.selection.hidden_statuses & RN_STATUS_SUCCESSFUL);
}

/* The descriptors of a process that begins. */
static struct rn_fds *first_fds(struct rn_interpreter *in, struct thread *maker,
				const struct rn_event *ev)
{
	if (!in->selector)
		return NULL;
	if (ev->args[4] == RN_BIRTH_ATTACH)
		return rn_fds_of_pieces(ev);
	if (!maker)
		return ev->args[4] == RN_BIRTH_LAUNCH ? rn_fds_initial(in->selector) : NULL;
	return rn_fds_inherit(in->selector, &maker->process->fds, ev->args[3] & CLONE_FILES);
}

static void on_start(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = find_thread(in, ev->tid, ev->t0);
	struct thread *maker, *leader;
	struct process *process = NULL;
	uint64_t cause = in->config.lamport_seed + 1;

	/* A start is the first record of its thread: the id is used again, and the record of
	   the former one's end was lost. */
	if (thread)
		drop_thread(in, thread, ev->t0);
	maker = find_thread(in, (int32_t)ev->args[1], ev->t0);
	leader = ev->tid == ev->pid ? NULL : find_thread(in, ev->pid, ev->t0);
	thread = rn_thread_add(&in->tables, ev->tid);
	if (!thread)
		return;
	if (leader)
		process = leader->process;
	else if (ev->tid != ev->pid && maker)
		process = maker->process; /* of a leader that has ended */
	if (!process) {
		process = rn_process_create(&in->config, ev->args[0]);
		if (!process) {
			rn_thread_remove(&in->tables, thread);
			return;
		}
		process->pub.pid = ev->pid;
		process->pub.parent_pid = (int32_t)ev->args[2];
		process->pub.t_start = ev->t0;
		process->pub.parent_span_id = rn_id_of(&in->config.key, RN_ID_RUN);
		if (maker)
			rn_process_inherit(process, maker->process);
		if (ev->args[4] == RN_BIRTH_ATTACH) {
			rn_process_attach(process, ev);
			in->totals.attached++;
		}
		process->fds = first_fds(in, maker, ev);
		if (maker && maker->open && has_span(in, maker))
			process->maker_call_span = rn_id_of(&in->config.key, maker->entry->seq);
		in->totals.processes++;
	} else {
		cause = process->pub.lamport_start; /* of its process, at least */
	}
	thread->process = process;
	process->threads++;
	in->totals.threads++;
	/* From the entry of the call that made it. */
	if (maker)
		cause = maker->open ? maker->open_lamport : maker->clock;
	advance(in, thread, cause);
	if (process->pub.lamport_start == 0)
		process->pub.lamport_start = thread->clock;
	TELL(in, live, in->tables.live);
}

static void on_exec(struct rn_interpreter *in, const struct rn_event *ev)
{
	int32_t former = (int32_t)ev->args[1];
	struct rn_trace_context foreign;
	struct thread *thread;
	struct process *process;

	if (former != ev->tid && (thread = find_thread(in, former, ev->t0)) != NULL) {
		struct thread *leader = find_thread(in, ev->tid, ev->t0);

		if (leader)
			drop_thread(in, leader, ev->t0);
		rn_thread_rename(&in->tables, thread, ev->tid);
	} else {
		thread = thread_of(in, ev);
	}
	if (!thread)
		return;
	process = thread->process;
	/* It outlives the other threads: all that they did came before. */
	advance(in, thread, process->clock);
	if (rn_process_foreign(ev, &foreign)) {
		process->pub.superseded = true;
		end_process(in, process, ev->t0, thread->clock);
		process->pub.superseded = false;
		rn_process_adopt(&in->config, process, ev, &foreign);
		process->pub.lamport_start = thread->clock;
	}
	rn_process_exec(process, ev);
	rn_fds_exec(&process->fds);
}

static void on_thread_exit(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = find_thread(in, ev->tid, ev->t0);
	struct process *process;

	if (!thread)
		return;
	process = thread->process;
	abandon_as(in, thread, ev->t0,
		   ev->flags & RN_FLAG_DETACHED ? RN_FLAG_UNFINISHED | RN_FLAG_DETACHED
						: RN_FLAG_UNFINISHED);
	/* A process ends after all of its threads. */
	advance(in, thread, ev->args[2] ? process->clock : 0);
	TELL(in, exit, ev, in->tables.live - 1);
	if (ev->args[2]) {
		process->pub.ended = true;
		process->pub.wait_status = (int)ev->args[1];
		rn_ended_put(&in->tables, ev->pid, thread->clock);
		end_process(in, process, ev->t0, thread->clock);
		if (process->pub.ordinal == RN_ORDINAL_COMMAND) {
			in->command_status = process->pub.wait_status;
			in->command_ended = true;
		}
	}
	drop_thread(in, thread, ev->t0);
}

static void on_signal(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = thread_of(in, ev);
	struct rn_signal_event signal;

	if (!thread)
		return;
	advance(in, thread, 0);
	in->totals.signals += ev->kind == RN_SIGNAL;
	if (in->selector && !rn_selector_wants_signal(in->selector, ev->nr))
		return;
	signal = (struct rn_signal_event){.process = &thread->process->pub, .ev = ev};
	TELL(in, signal, &signal);
}

static void on_gap(struct rn_interpreter *in, const struct rn_event *ev)
{
	in->totals.lost_events += ev->args[0];
	in->totals.lost_calls += ev->args[1];
	in->totals.calls += ev->args[1];
	TELL(in, gap, ev);
}

void rn_interpreter_feed(struct rn_interpreter *in, const struct rn_event *ev)
{
	if (ev->kind != RN_GAP)
		in->totals.events += ev->kind == RN_SYSCALL ? 2 : 1;
	if (ev->t1 > in->last_time)
		in->last_time = ev->t1;
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
		on_start(in, ev);
		break;
	case RN_EXEC:
		on_exec(in, ev);
		break;
	case RN_EXIT:
		on_thread_exit(in, ev);
		break;
	case RN_SIGNAL:
	case RN_GROUP_STOP:
		on_signal(in, ev);
		break;
	case RN_GAP:
		on_gap(in, ev);
		break;
	case RN_CONTEXT:
	case RN_KIND_COUNT:
		break;
	}
}

void rn_interpreter_finish(struct rn_interpreter *in, struct rn_run_span *run)
{
	const struct rn_interpreter_config *config = &in->config;

	for (unsigned i = 0; i < THREAD_BUCKETS; i++) {
		while (in->tables.bucket[i])
			drop_thread(in, in->tables.bucket[i], in->last_time);
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
	rn_tables_deinit(&in->tables);
	rn_selector_destroy(in->selector);
	free(in);
}
