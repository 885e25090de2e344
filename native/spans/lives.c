/* SPDX-License-Identifier: MIT */
/*
 * From the end of a process to the wait that tells of it. Numbers of processes mean another
 * thing in each PID namespace; a child has one parent. So a number that a call names is believed
 * only where the process of that number was this one's child.
 */
#include "lives.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "call.h"

#define PIDFD 3        /* P_PIDFD: not every libc has it */
#define UNRECORDED 3u /* an interrupted call, the end of a thread, that of the process */
#define ENDED_SLOTS 8192u /* a power of two */

/* Direct-mapped: a slot taken over loses a join (an edge missing, none invented). */
struct ended {
	int32_t pid;
	int32_t parent; /* pid of the process that made it */
	struct cause cause;
	struct cause image; /* the exec that its maker waited for; seq 0 = none */
	bool vforked;
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

void rn_cause_in_process(const struct process *process, uint64_t seq, uint64_t clock, int32_t tid,
			 struct cause *out)
{
	const struct rn_process *pub = &process->pub;

	*out = (struct cause){.seq = seq,
			      .clock = clock,
			      .span_id = pub->ctx.span_id,
			      .ordinal = pub->ordinal,
			      .tid = tid,
			      .trace_flags = pub->ctx.flags};
	memcpy(out->trace_id, pub->ctx.trace_id, sizeof(out->trace_id));
}

void rn_cause_of_end(const struct thread *thread, const struct rn_event *ev, struct cause *out)
{
	rn_cause_in_process(thread->process, ev->seq, thread->clock, ev->tid, out);
}

void rn_holders_add(void *ctx, struct process *process)
{
	struct holders *holders = ctx;

	if (process->clock > holders->joined->clock)
		holders->joined->clock = process->clock;
	holders->several |= holders->process && holders->process != process;
	holders->process = process;
}

bool rn_holder_ended(struct edges *edges, const struct holders *holders,
		     const struct thread *effect, struct cause *out)
{
	const struct process *process = holders->process;
	const struct thread *thread;

	if (!process || holders->several || process == effect->process)
		return false;
	thread = rn_thread_find(&edges->in->tables, process->pub.pid);
	if (!thread || thread->process != process || process->threads != 1)
		return false;
	rn_cause_in_process(process, thread->entered, process->clock, thread->tid, out);
	return true;
}

void rn_lives_ended(struct edges *edges, const struct thread *thread, const struct rn_event *ev)
{
	struct ended *ended = slot_of(edges->lives, ev->pid);

	ended->pid = ev->pid;
	ended->parent = thread->process->pub.parent_pid;
	rn_cause_of_end(thread, ev, &ended->cause);
	ended->vforked = thread->process->vforked;
	ended->image = thread->process->image;
}

/* It has ended before it was recorded that its maker went on. */
static void vforked_and_ended(struct edges *edges, const struct thread *thread, int32_t pid,
			      const struct rn_call *call, struct joined *joined)
{
	const struct ended *ended = slot_of(edges->lives, pid);

	if (!rn_life_was_child(edges, pid, &thread->process->pub) || ended->cause.seq < call->seq ||
	    !ended->vforked)
		return;
	if (ended->image.seq)
		rn_join(edges, thread, joined, &ended->image, RN_EDGE_EXEC, true);
	else if (ended->cause.clock > joined->clock)
		joined->clock = ended->cause.clock; /* its last call is not known any more */
}

bool rn_life_end(struct edges *edges, int32_t pid, struct cause *out)
{
	const struct ended *ended = slot_of(edges->lives, pid);

	if (pid <= 0 || ended->pid != pid)
		return false;
	*out = ended->cause;
	return true;
}

bool rn_life_was_child(struct edges *edges, int32_t pid, const struct rn_process *waiter)
{
	const struct ended *ended = slot_of(edges->lives, pid);

	return ended->pid == pid && ended->parent == waiter->pid;
}

uint64_t rn_life_ready(struct edges *edges, int32_t pid)
{
	const struct thread *thread = rn_thread_find(&edges->in->tables, pid);
	const struct ended *ended = slot_of(edges->lives, pid);

	if (pid > 0 && !thread && ended->pid == pid)
		return ended->cause.clock;
	/* Until its end is recorded there may be ends of its calls, and of its other threads. */
	return edges->in->greatest + UNRECORDED;
}

/* waitid() without a siginfo: one process that was named, and nothing but its end. */
static int32_t named(const struct thread *thread, const struct rn_call *call)
{
	const struct object *object;

	bool is_waitid = call->desc->nargs >= 4 && call->desc->args[2].kind == RN_ARG_STRUCT_OUT;

	if (!is_waitid || call->result != 0 || call->args[2] != 0 ||
	    (call->args[0] != P_PID && call->args[0] != PIDFD))
		return 0;
	if ((call->args[3] & (WEXITED | WSTOPPED | WCONTINUED | WNOHANG)) != WEXITED)
		return 0;
	if (call->args[0] == P_PID)
		return (int32_t)call->args[1];
	object = thread->fds.table ? rn_fd_object(thread->fds.table, (int32_t)call->args[1]) : NULL;
	return object && object->id.kind == RN_OBJECT_PIDFD ? (int32_t)object->id.peer : 0;
}

void rn_lives_waited(struct edges *edges, const struct thread *thread, const struct rn_call *call,
		     struct joined *joined)
{
	int32_t pid;
	struct cause end;

	if (call->flags & (RN_FLAG_FAILED | RN_FLAG_UNFINISHED))
		return;
	pid = rn_waited_for(call);
	if (pid == 0)
		pid = named(thread, call);
	if (!rn_life_end(edges, pid, &end))
		return;
	rn_join(edges, thread, joined, &end, RN_EDGE_WAIT,
		rn_life_was_child(edges, pid, &thread->process->pub));
}

void rn_lives_vforked(struct edges *edges, const struct thread *thread, const struct rn_call *call,
		      struct joined *joined)
{
	int32_t pid = (int32_t)call->result;
	struct thread *child;
	const struct rn_syscall_desc *desc;
	struct cause cause;

	if (call->flags & (RN_FLAG_FAILED | RN_FLAG_UNFINISHED) || thread->process->nested)
		return;
	child = rn_thread_find(&edges->in->tables, pid);
	if (!child)
		vforked_and_ended(edges, thread, pid, call, joined);
	if (!child || !child->process->vforked ||
	    child->process->pub.parent_pid != thread->process->pub.pid)
		return;
	if (child->process->ran) {
		if (child->process->image.seq)
			rn_join(edges, thread, joined, &child->process->image, RN_EDGE_EXEC, true);
		return;
	}
	/* The program runs, or the child's end is near, before the record of that. */
	if (!child->open)
		return;
	desc = rn_syscall(child->entry->abi, child->entry->nr);
	if (!(desc->flags & (RN_CALL_EXEC | RN_CALL_NO_RETURN)))
		return;
	rn_cause_of_entry(edges, child, child->entry, &cause);
	/* Its record may tell that it moves into another trace, with its span. */
	if (desc->flags & RN_CALL_EXEC && edges->in->propagates) {
		cause.span_id = 0;
		child->process->waiter = thread->tid;
		child->process->waiter_ordinal = thread->process->pub.ordinal;
		child->process->waiter_losses = edges->losses;
	}
	rn_join(edges, thread, joined, &cause,
		desc->flags & RN_CALL_EXEC ? RN_EDGE_EXEC : RN_EDGE_WAIT, true);
}

void rn_lives_ran(struct edges *edges, struct process *process)
{
	struct thread *thread;

	if (!process->waiter)
		return;
	thread = rn_thread_find(&edges->in->tables, process->waiter);
	process->waiter = 0;
	if (thread && thread->process->pub.ordinal == process->waiter_ordinal &&
	    process->waiter_losses == edges->losses)
		rn_link_next_to(thread, &process->image, RN_EDGE_EXEC);
}
