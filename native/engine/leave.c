/* SPDX-License-Identifier: MIT */
/*
 * Letting go of all tracees that are left, at the user's wish: the command has ended
 * and something that it started goes on. Each goes on as if nobody had ever looked.
 */
#include <sys/wait.h>

#include "engine_private.h"

void rn_leave(struct rn_engine *e)
{
	if (e->leaving)
		return;
	e->leaving = true;
	rn_emit_flush_pending(e);
	rn_cpu_end(e);
	e->cpu.possible = false;
	for (unsigned i = 0; i < TASK_BUCKETS; i++) {
		struct task *next;

		for (struct task *task = e->tasks.bucket[i]; task; task = next) {
			next = task->next;
			if (task->held && !task->dead)
				rn_leave_at_stop(e, task->tid, 0);
			else
				rn_ptrace(RN_PTRACE_INTERRUPT, task->tid, 0, 0);
		}
	}
}

void rn_leave_at_stop(struct rn_engine *e, int tid, int status)
{
	struct task *task;
	int sig = 0;

	if (status >> 16 == RN_PTRACE_EVENT_EXEC)
		rn_on_exec(e, tid);
	else if (status >> 16 == 0 && WSTOPSIG(status) != (SIGTRAP | 0x80))
		sig = WSTOPSIG(status); /* about to be delivered */
	if (rn_ptrace(RN_PTRACE_DETACH, tid, 0, (uintptr_t)sig) == 0)
		atomic_fetch_add(&e->counters.let_go, 1);
	task = rn_task_find(e, tid);
	if (!task)
		return;
	if (task->held)
		e->tasks.held--;
	rn_task_remove(e, task);
}
