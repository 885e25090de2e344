/* SPDX-License-Identifier: MIT */
/*
 * Signals; see signals.h.
 *
 * siginfo(7) says by which call and by which process a signal was sent; where one send under way
 * fits, that was it. Of a standard signal one is pending at a time: those sent meanwhile are
 * absorbed. Real-time signals queue up: of one thread's, the first comes first.
 */
#include "signals.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "call_kinds.h"
#include "carriers.h"

#define SENDS_MAX 256u
#define FIRST_REAL_TIME 32

struct send {
	struct cause cause;
	int32_t sender, pid, tid; /* to; 0 = more than one, or not known which */
	int32_t sig;
	uint8_t kind; /* enum call_kind */
	bool plain;   /* no siginfo was given: it says who sent it */
	bool ended;
	bool blurred; /* it may have arrived already */
	bool has_info; /* the siginfo that was given is known: it arrives as it is */
	int32_t code, info_pid;
	uint64_t value;
	uint64_t losses; /* of records, before it */
};

struct signals {
	struct send sends[SENDS_MAX]; /* in the order of their entries */
	unsigned n;
	uint64_t forgotten[65]; /* signals of which a send was forgotten: the greatest clock */
	/* Calls that are not recorded: that send to processes, to threads, what they are given. */
	bool no_kill, no_tkill, no_queue;
};

struct signals *rn_signals_create(const uint64_t *wanted)
{
	struct signals *signals = calloc(1, sizeof(*signals));
	bool all, pidfd;

	if (!signals)
		return NULL;
	/* In which PID namespace a sender's numbers are, and what has been taken already. */
	all = rn_kinds_are_wanted(wanted, CALL_UNSHARE, CALL_SETNS) &&
	      rn_kinds_are_wanted(wanted, CALL_SIGWAIT, CALL_SIGWAIT);
	pidfd = all && rn_kinds_are_wanted(wanted, CALL_PIDFD_SIGNAL, CALL_PIDFD_SIGNAL);
	signals->no_kill = !pidfd || !rn_kinds_are_wanted(wanted, CALL_KILL, CALL_KILL);
	signals->no_tkill = !pidfd || !rn_kinds_are_wanted(wanted, CALL_TKILL, CALL_TGKILL);
	signals->no_queue = !pidfd || !rn_kinds_are_wanted(wanted, CALL_SIGQUEUE, CALL_TGSIGQUEUE);
	return signals;
}

void rn_signals_destroy(struct signals *signals)
{
	free(signals);
}

static void remove_at(struct signals *signals, unsigned i)
{
	memmove(&signals->sends[i], &signals->sends[i + 1],
		(--signals->n - i) * sizeof(signals->sends[0]));
}

/* The siginfo_t that a 64-bit program gives: signo, errno, code, (hole), pid, uid, value. */
static void read_given(const struct rn_event *ev, unsigned arg, struct send *send)
{
	send->plain = false;
	if (ev->abi != RN_ABI_X86_64 && ev->abi != RN_ABI_AARCH64)
		return;
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->arg == arg && p->type == RN_PIECE_STRUCT && p->len >= 32) {
			memcpy(&send->code, rn_piece_data(p) + 8, 4);
			memcpy(&send->info_pid, rn_piece_data(p) + 16, 4);
			memcpy(&send->value, rn_piece_data(p) + 24, 8);
			send->has_info = true;
			return;
		}
}

/* The process that a pidfd means; 0 = not known, or one of its threads, or its group. */
static int32_t process_of(struct edges *edges, const struct thread *thread,
			  const struct rn_event *ev)
{
	const struct object *object =
		thread->fds.table ? rn_fd_object(thread->fds.table, (int32_t)ev->args[0]) : NULL;
	const struct thread *to;

	if (!object || object->id.kind != RN_OBJECT_PIDFD || ev->args[3] != 0)
		return 0;
	to = rn_thread_find(&edges->in->tables, (int32_t)object->id.peer);
	return to && to->process->pub.pid == to->tid ? to->tid : 0;
}

static bool describe(struct edges *edges, const struct thread *thread, const struct rn_event *ev,
		     unsigned kind, struct send *send)
{
	const struct thread *to;

	*send = (struct send){
		.sender = thread->process->pub.pid,
		.kind = (uint8_t)kind,
		.plain = true,
		.sig = (int32_t)ev->args[1],
		.losses = edges->losses,
	};
	switch (kind) {
	case CALL_KILL:
		send->pid = (int32_t)ev->args[0];
		break;
	case CALL_SIGQUEUE:
		send->pid = (int32_t)ev->args[0];
		read_given(ev, 2, send);
		break;
	case CALL_TKILL:
		send->tid = (int32_t)ev->args[0];
		break;
	case CALL_TGKILL:
		send->tid = (int32_t)ev->args[1];
		send->sig = (int32_t)ev->args[2];
		break;
	case CALL_TGSIGQUEUE:
		send->tid = (int32_t)ev->args[1];
		send->sig = (int32_t)ev->args[2];
		read_given(ev, 3, send);
		break;
	case CALL_PIDFD_SIGNAL:
		send->pid = process_of(edges, thread, ev);
		if (ev->args[2])
			read_given(ev, 2, send);
		break;
	default:
		return false;
	}
	if (send->sig < 1 || send->sig > 64)
		return false;
	if (thread->process->nested || send->pid < 0) {
		/* Numbers of another namespace, or of groups. */
		send->pid = send->tid = 0;
		return true;
	}
	/* Nobody whose signals are seen. */
	to = rn_thread_find(&edges->in->tables, send->tid ? send->tid : send->pid);
	return !(send->tid || send->pid) || to;
}

void rn_signals_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		      unsigned kind)
{
	struct signals *signals = edges->signals;
	struct send send;

	if (!describe(edges, thread, ev, kind, &send))
		return;
	rn_cause_of_entry(edges, thread, ev, &send.cause);
	if (signals->n == SENDS_MAX) {
		const struct send *oldest = &signals->sends[0];

		if (oldest->cause.clock > signals->forgotten[oldest->sig])
			signals->forgotten[oldest->sig] = oldest->cause.clock;
		remove_at(signals, 0);
	}
	signals->sends[signals->n++] = send;
}

/* The siginfo_t that a call has filled in: signo, errno, code, pid, uid, value. */
static void read_info(const struct rn_call *call, unsigned arg, struct signal_info *info)
{
	const struct rn_piece *piece = rn_call_piece(call, arg);
	bool wide = call->abi == RN_ABI_X86_64 || call->abi == RN_ABI_AARCH64;
	int32_t words[8];

	info->sig = (int32_t)call->result;
	info->unknown = true;
	if (!piece || !(piece->flags & RN_PIECE_AT_EXIT) || piece->len < sizeof(words))
		return;
	memcpy(words, rn_piece_data(piece), sizeof(words));
	info->unknown = false;
	info->code = words[2];
	info->pid = words[wide ? 4 : 3];
	if (wide) {
		memcpy(&info->value, &words[6], 8);
		info->has_value = true;
	}
}

void rn_signals_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		     unsigned kind, struct joined *joined)
{
	struct signals *signals = edges->signals;

	if (kind == CALL_SIGWAIT) {
		struct signal_info info = {.sig = 0};

		if (call->flags & (RN_FLAG_FAILED | RN_FLAG_UNFINISHED) || call->result < 1 ||
		    call->result > 64)
			return;
		read_info(call, 1, &info);
		rn_signals_arrived(edges, thread, &info, joined);
		return;
	}
	for (unsigned i = signals->n; i-- > 0;) {
		struct send *send = &signals->sends[i];

		if (send->cause.seq != call->seq)
			continue;
		send->ended = true;
		if (call->flags & RN_FLAG_FAILED)
			remove_at(signals, i);
		return;
	}
}

void rn_signals_thread_gone(struct edges *edges, const struct thread *thread)
{
	struct signals *signals = edges->signals;

	for (unsigned i = signals->n; i-- > 0;) {
		struct send *send = &signals->sends[i];

		if (send->tid != thread->tid)
			continue;
		if (send->sig != SIGKILL) {
			remove_at(signals, i);
			continue;
		}
		send->pid = thread->process->pub.pid;
		send->tid = 0;
	}
}

void rn_signals_gone(struct edges *edges, const struct process *process)
{
	struct signals *signals = edges->signals;

	for (unsigned i = signals->n; i-- > 0;)
		if (signals->sends[i].pid == process->pub.pid)
			remove_at(signals, i);
}

/* Whether it may be for the process, or for any thread of it. */
static bool is_for_process(struct edges *edges, const struct send *send,
			   const struct process *process)
{
	const struct thread *to = send->tid ? rn_thread_find(&edges->in->tables, send->tid) : NULL;

	if (send->tid)
		return to && to->process == process;
	return send->pid == 0 || send->pid == process->pub.pid;
}

void rn_signals_killed(struct edges *edges, const struct thread *thread, bool last,
		       struct joined *joined)
{
	const struct signals *signals = edges->signals;
	bool certain = last && !signals->forgotten[SIGKILL] && !signals->no_kill &&
		       !signals->no_tkill && !signals->no_queue;
	unsigned n = 0;

	if (signals->forgotten[SIGKILL] > joined->clock)
		joined->clock = signals->forgotten[SIGKILL];
	for (unsigned i = 0; i < signals->n; i++) {
		const struct send *send = &signals->sends[i];

		if (send->sig != SIGKILL || !is_for_process(edges, send, thread->process))
			continue;
		certain &= n++ == 0 && (send->pid || send->tid) && send->losses == edges->losses;
		if (send->cause.clock > joined->clock)
			joined->clock = send->cause.clock;
	}
	/* Nobody who is traced, or the end of its parent's thread, prctl(2). */
	if (n == 0)
		joined->clock = edges->in->greatest;
	for (unsigned i = 0; last && i < signals->n; i++) {
		const struct send *send = &signals->sends[i];

		if (send->sig == SIGKILL && is_for_process(edges, send, thread->process))
			rn_join(edges, thread, joined, &send->cause, RN_EDGE_SIGNAL, certain);
	}
}

/* Whether this send may be the one that siginfo tells of. */
static bool fits(const struct send *send, const struct signal_info *info)
{
	if (info->unknown)
		return true;
	if (send->has_info)
		return send->code == info->code && send->info_pid == info->pid &&
		       (!info->has_value || send->value == info->value);
	if (send->sender != info->pid)
		return false;
	if (!send->plain) /* any code below zero may have been given */
		return info->code < 0;
	switch (send->kind) {
	case CALL_KILL:
		return info->code == SI_USER;
	case CALL_PIDFD_SIGNAL:
		return info->code == SI_USER || info->code == SI_TKILL;
	default:
		return info->code == SI_TKILL;
	}
}

/* Whether a call that is not recorded may have sent it; siginfo(7). */
static bool is_hidden(const struct signals *signals, const struct thread *thread,
		      const struct signal_info *info)
{
	/* A process may give itself any siginfo. */
	bool own = info->pid == thread->process->pub.pid;

	if (info->unknown)
		return signals->no_kill || signals->no_tkill || signals->no_queue;
	if (signals->no_queue && (own || (info->code != SI_USER && info->code != SI_TKILL)))
		return true;
	return info->code == SI_USER ? signals->no_kill
				     : info->code == SI_TKILL && signals->no_tkill;
}

static bool is_for(const struct send *send, const struct thread *thread, int32_t sig)
{
	if (send->sig != sig)
		return false;
	if (send->tid)
		return send->tid == thread->tid;
	return send->pid == 0 || send->pid == thread->process->pub.pid;
}

static bool is_traced(struct edges *edges, int32_t pid)
{
	struct cause end;

	return rn_thread_find(&edges->in->tables, pid) || rn_life_end(edges, pid, &end);
}

static bool is_for_one(const struct send *send)
{
	return send->pid || send->tid;
}

/* The number of those that fit, and the first of them; all of one thread if `same`. */
static unsigned find(struct signals *signals, const struct thread *thread,
		     const struct signal_info *info, unsigned *first, bool *same)
{
	unsigned n = 0;

	*same = true;
	for (unsigned i = 0; i < signals->n; i++) {
		const struct send *send = &signals->sends[i];

		if (!is_for(send, thread, info->sig) || !fits(send, info))
			continue;
		if (n++ == 0)
			*first = i;
		*same &= send->cause.tid == signals->sends[*first].cause.tid;
	}
	return n;
}

/* Below zero there is what the kernel says, and what programs give a signal, mostly by its example. */
static bool is_of_kernel(int32_t code)
{
	return code == SI_TIMER || code == SI_MESGQ || code == SI_ASYNCIO || code == SI_SIGIO;
}

/* Whether something that others did may have sent it: made a descriptor ready, hung up a terminal. */
static bool is_from_afar(const struct signal_info *info)
{
	switch (info->sig) {
	case SIGCHLD:
		return info->code > CLD_DUMPED; /* somebody stopped it, or made it go on */
	case SIGILL:
	case SIGTRAP:
	case SIGBUS:
	case SIGFPE:
	case SIGSEGV:
	case SIGSYS:
		return false;
	default:
		return info->code > 0 || info->code == SI_SIGIO || info->code == SI_ASYNCIO;
	}
}

/* The kernel tells of a process that ended, of a message, of a descriptor that is ready. */
static void by_kernel(struct edges *edges, struct thread *thread, const struct signal_info *info,
		      struct joined *joined)
{
	bool ended = info->code >= CLD_EXITED && info->code <= CLD_DUMPED;
	/* Any signal may tell of a child's end, clone(2); the codes of others are the same. */
	bool certain =
		info->sig == SIGCHLD && rn_life_was_child(edges, info->pid, &thread->process->pub);
	struct cause end;

	if (ended && rn_life_end(edges, info->pid, &end))
		rn_join(edges, thread, joined, &end, RN_EDGE_WAIT, certain);
	if (info->code == SI_MESGQ)
		rn_carriers_notified(edges, joined);
	if (is_from_afar(info))
		joined->clock = edges->in->greatest;
}

void rn_signals_arrived(struct edges *edges, struct thread *thread, const struct signal_info *info,
			struct joined *joined)
{
	struct signals *signals = edges->signals;
	bool queues = info->sig >= FIRST_REAL_TIME;
	bool same, certain, hidden;
	unsigned first = 0, n;

	if (info->sig < 1 || info->sig > 64)
		return;
	n = find(signals, thread, info, &first, &same);
	if (!info->unknown && (info->code > 0 || (n == 0 && is_of_kernel(info->code)))) {
		by_kernel(edges, thread, info, joined);
		return;
	}
	hidden = is_hidden(signals, thread, info);
	if (hidden)
		rn_join_incomplete(joined, "selection");
	if (signals->forgotten[info->sig] > joined->clock)
		joined->clock = signals->forgotten[info->sig];
	if (n == 0) {
		/* A traced process sent it by no call: it is the end of a parent's thread, prctl(2). */
		if (info->pid != thread->process->pub.pid && is_traced(edges, info->pid))
			joined->clock = edges->in->greatest;
		return;
	}
	certain = !hidden && !signals->forgotten[info->sig] &&
		  signals->sends[first].losses == edges->losses && !info->unknown &&
		  !thread->process->nested && !signals->sends[first].blurred &&
		  (n == 1 || (queues && same));
	if (certain && queues && n > 1) {
		/* Those behind it in the queue have not arrived. */
		rn_join(edges, thread, joined, &signals->sends[first].cause, RN_EDGE_SIGNAL, true);
		if (is_for_one(&signals->sends[first]))
			remove_at(signals, first);
		return;
	}
	for (unsigned i = signals->n; i-- > 0;) {
		struct send *send = &signals->sends[i];
		bool fit = fits(send, info);

		if (!is_for(send, thread, info->sig) || (queues && !fit))
			continue;
		/* Of a standard signal the others' are absorbed. */
		rn_join(edges, thread, joined, &send->cause, RN_EDGE_SIGNAL, fit && certain);
		if (!is_for_one(send))
			send->blurred = n > 1;
		else if ((fit && certain) || (send->ended && !queues))
			remove_at(signals, i);
		else if (queues)
			send->blurred = true; /* any of them may have come */
	}
}

void rn_signals_unknown(struct edges *edges, const struct thread *thread, struct joined *joined)
{
	struct signals *signals = edges->signals;

	/* It may as well tell of the end of a process. */
	joined->clock = edges->in->greatest;
	for (unsigned i = 0; i < signals->n; i++)
		if (is_for(&signals->sends[i], thread, signals->sends[i].sig))
			signals->sends[i].blurred = true;
}
