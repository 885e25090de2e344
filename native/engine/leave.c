/* SPDX-License-Identifier: MIT */
/*
 * Letting go of all tracees that are left, at the user's wish: the command has ended
 * and something that it started goes on. Each goes on as if nobody had ever looked.
 */
#include <sys/wait.h>

#include "engine_private.h"

/* What the thread was in the middle of is known no further. */
static void tell_departure(struct rn_engine *e, struct task *task)
{
	if (!task->known || task->hidden || task->silent)
		return;
	rn_emit_forget(e, task);
	rn_record_begin(e, &e->work, RN_EXIT, task);
	e->work.ev.flags |= RN_FLAG_DETACHED;
	e->work.ev.args[0] = task->ordinal;
	rn_emit_work(e, true);
}

void rn_leave(struct rn_engine *e)
{
	if (e->leaving)
		return;
	e->leaving = true;
	e->now = rn_monotonic();
	rn_emit_flush_pending(e);
	rn_cpu_end(e);
	e->cpu.possible = false;
	for (unsigned i = 0; i < TASK_BUCKETS; i++) {
		struct task *next;

		for (struct task *task = e->tasks.bucket[i]; task; task = next) {
			next = task->next;
			/*
			 * An attached one need not stop to be let go: the end of our thread
			 * does it, unseen, even in the middle of a call that a stop would
			 * cut short, or that does not stop (a parent in vfork).
			 */
			if (task->attached) {
				if (!task->dead)
					tell_departure(e, task);
				atomic_fetch_add(&e->counters.let_go, 1);
			} else if (task->held && !task->dead) {
				rn_leave_at_stop(e, task->tid, 0);
			} else {
				rn_ptrace(RN_PTRACE_INTERRUPT, task->tid, 0, 0);
			}
		}
	}
}

void rn_send_signals(struct rn_engine *e)
{
	uint64_t signals = atomic_exchange(&e->signals, 0);

	for (unsigned i = 0; i < TASK_BUCKETS; i++)
		for (const struct task *task = e->tasks.bucket[i]; task; task = task->next)
			for (int sig = 1; task->tid == task->pid && sig < 64; sig++) {
				bool key = sig == SIGINT || sig == SIGQUIT;

				if (signals >> sig & 1u &&
				    !(key && getpgid(task->pid) == getpgrp()))
					kill(task->pid, sig);
			}
}

bool rn_has_left(struct rn_engine *e)
{
	if (!e->peek && e->command_gone)
		return false; /* wait(2) tells */
	for (unsigned i = 0; i < TASK_BUCKETS; i++)
		for (const struct task *task = e->tasks.bucket[i]; task; task = task->next)
			if (!task->attached && !task->dead && !task->left)
				return false;
	return true;
}

/* Of an attached one all has been told. */
static bool is_launched(struct rn_engine *e, int tid)
{
	const struct task *task = rn_task_find(e, tid);

	return !task || !task->attached;
}

/*
 * One that is being born while all are let go must be waited for, or it would end with
 * us. Its stop and its maker's come in any order.
 */
static void expect_child(struct rn_engine *e, int maker)
{
	unsigned long tid;
	struct task *task;

	if (!is_launched(e, maker) ||
	    rn_ptrace(RN_PTRACE_GETEVENTMSG, maker, 0, (uintptr_t)&tid) < 0)
		return;
	task = rn_task_find(e, (int)tid);
	if (task && task->left) {
		rn_task_remove(e, task);
	} else if (!task) {
		task = rn_task_add(e, (int)tid);
		if (task)
			task->expected = true;
	}
}

static bool is_birth(int status)
{
	int event = status >> 16;

	return event == RN_PTRACE_EVENT_FORK || event == RN_PTRACE_EVENT_VFORK ||
	       event == RN_PTRACE_EVENT_CLONE;
}

void rn_leave_at_stop(struct rn_engine *e, int tid, int status)
{
	struct task *task;
	int sig = 0;

	if (status >> 16 == RN_PTRACE_EVENT_EXEC && is_launched(e, tid))
		rn_on_exec(e, tid);
	else if (status >> 16 == 0 && WSTOPSIG(status) != (SIGTRAP | 0x80))
		sig = WSTOPSIG(status); /* about to be delivered */
	else if (is_birth(status))
		expect_child(e, tid);
	if (rn_ptrace(RN_PTRACE_DETACH, tid, 0, (uintptr_t)sig) == 0)
		atomic_fetch_add(&e->counters.let_go, 1);
	task = rn_task_find(e, tid);
	if (!task)
		task = rn_task_add(e, tid);
	if (!task)
		return;
	if (task->held)
		e->tasks.held--;
	task->held = false;
	if (!task->known && !task->expected) {
		task->left = true; /* until its maker tells of it */
		return;
	}
	if (!task->attached)
		tell_departure(e, task);
	rn_task_remove(e, task);
}
