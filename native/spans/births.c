/* SPDX-License-Identifier: MIT */
/* Threads and processes as the records tell of them: births, execs, ends. */
#include <sched.h>
#include <string.h>

#include "edges.h"
#include "interpreter_private.h"
#include "live.h"

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
void rn_drop_thread(struct rn_interpreter *in, struct thread *thread, uint64_t when)
{
	struct process *process = thread->process;

	rn_abandon(in, thread, when, RN_FLAG_UNFINISHED);
	if (in->objects)
		rn_fd_table_end(in->objects, &thread->fds);
	rn_edges_begin(in->edges); /* this thread is nothing to point at any more */
	rn_edges_thread_gone(in->edges, thread);
	if (--process->threads == 0) {
		if (!process->pub.ended)
			end_process(in, process, when, rn_advance(in, thread, process->clock));
		rn_edges_process_gone(in->edges, process);
		rn_process_free(process);
	}
	rn_thread_remove(&in->tables, thread);
}

/* A thread by its id. One whose process has ended is gone, and the record of its end was
   lost: what comes under this id now is another's. */
struct thread *rn_find_thread(struct rn_interpreter *in, int32_t tid, uint64_t when)
{
	struct thread *thread = rn_thread_find(&in->tables, tid);

	if (!thread || !thread->process->pub.ended)
		return thread;
	rn_drop_thread(in, thread, when);
	return NULL;
}

/* The thread of a record; one that no record announced gets a process of its own. */
struct thread *rn_thread_of(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = rn_find_thread(in, ev->tid, ev->t0);
	struct thread *leader;

	if (thread)
		return thread;
	thread = rn_thread_add(&in->tables, ev->tid);
	if (!thread)
		return NULL;
	leader = ev->pid == ev->tid ? NULL : rn_find_thread(in, ev->pid, ev->t0);
	if (leader) {
		thread->process = leader->process;
		thread->clock = leader->process->pub.lamport_start;
		if (in->objects)
			rn_fd_table_join(&thread->fds, &leader->fds, thread->process);
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
		thread->clock = in->beginning;
		thread->process->pub.lamport_start = rn_advance(in, thread, 0);
		in->totals.processes++;
		TELL(in, begin, &thread->process->pub);
	}
	thread->process->threads++;
	in->totals.threads++;
	TELL(in, live, in->tables.live);
	return thread;
}

/* The descriptors of a thread that begins: its maker's, by the maker's flags; or, of one that was
   there before, its leader's. */
static void begin_table(struct rn_interpreter *in, struct thread *thread, struct thread *maker,
			struct thread *leader, const struct rn_event *ev)
{
	struct thread *told = NULL; /* whose table it shares */

	if (ev->args[4] == RN_BIRTH_ATTACH && ev->result != ev->tid)
		told = rn_find_thread(in, (int32_t)ev->result, ev->t0);
	else if (ev->args[4] == RN_BIRTH_ATTACH)
		leader = NULL;
	if (maker)
		rn_fd_table_start(in->objects, &thread->fds, &maker->fds, ev, thread->process);
	else if (told && told != thread)
		rn_fd_table_join(&thread->fds, &told->fds, thread->process);
	else if (leader)
		rn_fd_table_join(&thread->fds, &leader->fds, thread->process);
	else
		rn_fd_table_start(in->objects, &thread->fds, NULL, ev, thread->process);
}

void rn_interpret_start(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = rn_find_thread(in, ev->tid, ev->t0);
	struct thread *maker, *leader;
	struct process *process = NULL;
	uint64_t cause = in->beginning;
	struct joined joined;

	/* A start is the first record of its thread: the id is used again, and the record of
	   the former one's end was lost. */
	if (thread)
		rn_drop_thread(in, thread, ev->t0);
	maker = rn_find_thread(in, (int32_t)ev->args[1], ev->t0);
	leader = ev->tid == ev->pid ? NULL : rn_find_thread(in, ev->pid, ev->t0);
	thread = rn_thread_add(&in->tables, ev->tid);
	if (!thread) {
		in->totals.missed_events++;
		return;
	}
	if (leader)
		process = leader->process;
	else if (ev->tid != ev->pid && maker)
		process = maker->process; /* of a leader that has ended */
	if (!process) {
		process = rn_process_create(&in->config, ev->args[0]);
		if (!process) {
			in->totals.missed_events++;
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
		if (maker && maker->open)
			rn_process_made_by(process, maker,
					   rn_has_span(in, maker)
						   ? rn_id_of(&in->config.key, maker->entry->seq)
						   : 0);
		in->totals.processes++;
	} else {
		cause = process->pub.lamport_start; /* of its process, at least */
	}
	thread->process = process;
	if (in->objects)
		begin_table(in, thread, maker, leader, ev);
	if (in->objects && in->selector && !maker)
		rn_selector_start(in->selector, in->objects, &thread->fds, ev);
	process->threads++;
	in->totals.threads++;
	if (maker && !maker->open)
		cause = maker->clock; /* the call that made it was not recorded */
	rn_edges_start(in->edges, thread, maker, ev, &joined);
	rn_advance(in, thread, joined.clock > cause ? joined.clock : cause);
	rn_edges_tell(in->edges, thread, ev->seq);
	if (process->pub.lamport_start == 0) {
		process->pub.lamport_start = thread->clock;
		TELL(in, begin, &process->pub);
	}
	TELL(in, live, in->tables.live);
}

void rn_interpret_exec(struct rn_interpreter *in, const struct rn_event *ev)
{
	int32_t former = (int32_t)ev->args[1];
	uint64_t heard = ev->args[3] <= RN_LAMPORT_MAX ? ev->args[3] : 0;
	struct rn_trace_context foreign;
	struct thread *thread;
	struct process *process;

	if (former != ev->tid && (thread = rn_find_thread(in, former, ev->t0)) != NULL) {
		struct thread *leader = rn_find_thread(in, ev->tid, ev->t0);

		if (leader)
			rn_drop_thread(in, leader, ev->t0);
		rn_thread_rename(&in->tables, thread, ev->tid);
	} else {
		thread = rn_thread_of(in, ev);
	}
	if (!thread)
		return;
	process = thread->process;
	in->propagates |= ev->args[2] != RN_CONTEXT_NONE;
	/* It outlives the other threads: all that they did came before. So did what whoever sent
	   its TRACESTATE had done until then. */
	rn_advance(in, thread, heard > process->clock ? heard : process->clock);
	if (rn_process_foreign(ev, &foreign)) {
		process->pub.superseded = true;
		end_process(in, process, ev->t0, thread->clock);
		process->pub.superseded = false;
		rn_process_adopt(&in->config, process, ev, &foreign);
		process->pub.lamport_start = thread->clock;
		TELL(in, begin, &process->pub);
	}
	rn_process_exec(process, ev);
	rn_live_exec(thread);
	rn_edges_exec(in->edges, thread, ev);
	if (in->objects)
		rn_fd_table_exec(in->objects, &thread->fds);
}

void rn_interpret_exit(struct rn_interpreter *in, const struct rn_event *ev)
{
	struct thread *thread = rn_find_thread(in, ev->tid, ev->t0);
	struct process *process;
	struct joined joined;

	if (!thread)
		return;
	process = thread->process;
	rn_abandon(in, thread, ev->t0,
		   ev->flags & RN_FLAG_DETACHED ? RN_FLAG_UNFINISHED | RN_FLAG_DETACHED
						: RN_FLAG_UNFINISHED);
	/* A process ends after all of its threads. */
	rn_edges_thread_ends(in->edges, thread, ev, ev->args[2], &joined);
	if (ev->args[2] && process->clock > joined.clock)
		joined.clock = process->clock;
	rn_advance(in, thread, joined.clock);
	if (ev->args[2])
		rn_process_link(process, &joined);
	rn_edges_tell(in->edges, thread, ev->seq);
	rn_edges_thread_end(in->edges, thread, ev, ev->args[2]);
	TELL(in, exit, ev, in->tables.live - 1);
	if (ev->args[2]) {
		process->pub.ended = true;
		process->pub.wait_status = (int)ev->args[1];
		end_process(in, process, ev->t0, thread->clock);
		if (process->pub.ordinal == RN_ORDINAL_COMMAND) {
			in->command_status = process->pub.wait_status;
			in->command_ended = true;
		}
	}
	rn_drop_thread(in, thread, ev->t0);
}
