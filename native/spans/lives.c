/* SPDX-License-Identifier: MIT */
/*
 * From the end of a process to the wait that tells of it. Numbers of processes mean another
 * thing in each PID namespace; a child has one parent. So a number that a call names is believed
 * only where the process of that number was this one's child.
 */
#include "lives.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

#define ENDED_SLOTS 8192u /* a power of two */

/* Direct-mapped: a slot taken over loses a join (an edge missing, none invented). */
struct ended {
	int32_t pid;
	int32_t parent; /* pid of the process that made it */
	struct cause cause;
};

struct lives {
	struct ended ended[ENDED_SLOTS];
};

struct lives *rn_lives_create(void)
{
	return calloc(1, sizeof(struct lives));
}

void rn_lives_destroy(struct lives *lives)
{
	free(lives);
}

static struct ended *slot_of(struct lives *lives, int32_t pid)
{
	return &lives->ended[(uint32_t)pid & (ENDED_SLOTS - 1)];
}

void rn_lives_ended(struct edges *edges, const struct thread *thread, const struct rn_event *ev)
{
	const struct rn_process *process = &thread->process->pub;
	struct ended *ended = slot_of(edges->lives, ev->pid);

	*ended = (struct ended){
		.pid = ev->pid,
		.parent = process->parent_pid,
		.cause = {.seq = ev->seq,
			  .clock = thread->clock,
			  .span_id = process->ctx.span_id,
			  .ordinal = process->ordinal,
			  .tid = ev->tid,
			  .trace_flags = process->ctx.flags},
	};
	memcpy(ended->cause.trace_id, process->ctx.trace_id, sizeof(ended->cause.trace_id));
}

bool rn_life_end(struct edges *edges, int32_t pid, struct cause *out)
{
	const struct ended *ended = slot_of(edges->lives, pid);

	if (pid <= 0 || ended->pid != pid)
		return false;
	*out = ended->cause;
	return true;
}

void rn_lives_waited(struct edges *edges, const struct thread *thread, const struct rn_call *call,
		     struct joined *joined)
{
	int32_t pid;
	const struct ended *ended;

	if (call->flags & RN_FLAG_UNFINISHED)
		return;
	pid = rn_waited_for(call);
	if (pid <= 0)
		return;
	ended = slot_of(edges->lives, pid);
	if (ended->pid != pid)
		return;
	rn_join(edges, thread, joined, &ended->cause, RN_EDGE_WAIT,
		ended->parent == thread->process->pub.pid);
}
