/* SPDX-License-Identifier: MIT */
/* Causes and effects: what all kinds share; see edges.h. */
#include "edges_private.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "call_kinds.h"
#include "carriers.h"
#include "futexes.h"
#include "live.h"
#include "lives.h"
#include "locks.h"
#include "memory_map.h"
#include "signals.h"

/* Causes of what is no span, a signal's delivery, or whose span has been told. */
struct next_links {
	struct rn_link links[RN_CALL_LINKS];
	uint32_t n, more;
	const char *incomplete;
};

struct edges *rn_edges_create(struct rn_interpreter *in)
{
	struct edges *edges = calloc(1, sizeof(*edges));

	if (!edges)
		return NULL;
	rn_call_kinds_init();
	edges->in = in;
	edges->lives = rn_lives_create();
	if (in->has_tables) {
		edges->channels = rn_channels_create(edges, in->config.selection.wanted);
		edges->carriers = rn_carriers_create(edges, in->config.selection.wanted);
		edges->locks = rn_locks_create(edges);
	}
	edges->futexes = rn_futexes_create(in->config.selection.wanted, in->has_tables);
	edges->signals = rn_signals_create(in->config.selection.wanted);
	if (!edges->lives || !edges->futexes || !edges->signals ||
	    (in->has_tables && !(edges->channels && edges->carriers && edges->locks))) {
		rn_edges_destroy(edges);
		return NULL;
	}
	return edges;
}

void rn_edges_release(struct edges *edges)
{
	if (!edges)
		return;
	rn_futexes_destroy(edges, edges->futexes);
	edges->futexes = NULL;
	rn_channels_release(edges->channels);
	rn_carriers_release(edges->carriers);
}

void rn_edges_destroy(struct edges *edges)
{
	if (!edges)
		return;
	rn_locks_destroy(edges->locks);
	rn_channels_destroy(edges->channels);
	rn_carriers_destroy(edges->carriers);
	rn_signals_destroy(edges->signals);
	rn_futexes_destroy(edges, edges->futexes);
	rn_lives_destroy(edges->lives);
	free(edges);
}

void rn_joined_begin(struct edges *edges, struct joined *joined)
{
	joined->clock = 0;
	joined->nlinks = joined->more_links = 0;
	joined->incomplete = NULL;
	if (edges)
		edges->n_pending = 0;
}

void rn_cause_of_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		       struct cause *out)
{
	const struct rn_interpreter *in = edges->in;

	*out = (struct cause){
		.seq = ev->seq,
		.clock = thread->open_lamport,
		.span_id = rn_has_span(in, thread) ? rn_id_of(&in->config.key, ev->seq) : 0,
		.ordinal = thread->process->pub.ordinal,
		.tid = thread->tid,
		.is_call = true,
		.in_part = !thread->live.valid,
	};
	thread->is_cause = true;
	rn_live_context(thread, out->trace_id, &out->trace_flags);
}

static void add_link(struct joined *joined, const struct rn_link *link)
{
	for (unsigned i = 0; i < joined->nlinks; i++)
		if (joined->links[i].span_id == link->span_id &&
		    joined->links[i].edge == link->edge)
			return;
	if (joined->nlinks == RN_CALL_LINKS)
		joined->more_links++;
	else
		joined->links[joined->nlinks++] = *link;
}

static void link_cause(struct joined *joined, const struct cause *cause, enum rn_edge_kind kind)
{
	struct rn_link link = {
		.span_id = cause->span_id,
		.flags = cause->trace_flags,
		.in_part = cause->in_part,
		.call = cause->is_call ? cause->seq : 0,
		.edge = rn_edge_name(kind),
	};

	memcpy(link.trace_id, cause->trace_id, sizeof(link.trace_id));
	add_link(joined, &link);
}

void rn_link_next(struct thread *thread, const struct joined *joined)
{
	struct next_links *next;

	if (joined->nlinks == 0 && !joined->incomplete)
		return;
	if (!thread->next_links)
		thread->next_links = calloc(1, sizeof(*next));
	next = thread->next_links;
	if (next && !next->incomplete)
		next->incomplete = joined->incomplete;
	for (unsigned i = 0; next && i < joined->nlinks; i++) {
		if (next->n < RN_CALL_LINKS)
			next->links[next->n++] = joined->links[i];
		else
			next->more++;
	}
}

void rn_link_next_to(struct thread *thread, const struct cause *cause, enum rn_edge_kind kind)
{
	struct joined joined;

	rn_joined_begin(NULL, &joined);
	if (cause->span_id)
		link_cause(&joined, cause, kind);
	rn_link_next(thread, &joined);
}

static void take_next_links(struct thread *thread, struct joined *joined)
{
	if (!thread->next_links)
		return;
	for (unsigned i = 0; i < thread->next_links->n; i++)
		add_link(joined, &thread->next_links->links[i]);
	joined->more_links += thread->next_links->more;
	if (thread->next_links->incomplete)
		rn_join_incomplete(joined, thread->next_links->incomplete);
	free(thread->next_links);
	thread->next_links = NULL;
}

/* Whether the cause is an event of the thread itself: those are in order anyhow. */
static bool is_own(const struct thread *effect, const struct cause *cause)
{
	return cause->tid == effect->tid && cause->ordinal == effect->process->pub.ordinal;
}

void rn_join(struct edges *edges, const struct thread *effect, struct joined *joined,
	     const struct cause *cause, enum rn_edge_kind kind, bool certain)
{
	if (cause->clock > joined->clock)
		joined->clock = cause->clock;
	if (is_own(effect, cause))
		return;
	if (edges->n_pending < EDGES_PENDING)
		edges->pending[edges->n_pending++] = (struct rn_edge){
			.kind = kind,
			.certain = certain,
			.cause_seq = cause->seq,
			.cause_tid = cause->tid,
			.cause_lamport = cause->clock,
		};
	if (certain && cause->span_id)
		link_cause(joined, cause, kind);
}

void rn_join_incomplete(struct joined *joined, const char *reason)
{
	if (!joined->incomplete)
		joined->incomplete = reason;
}

void rn_edges_tell(struct edges *edges, const struct thread *effect, uint64_t seq)
{
	if (!edges)
		return;
	for (unsigned i = 0; i < edges->n_pending; i++) {
		struct rn_edge *edge = &edges->pending[i];

		edge->effect_seq = seq;
		edge->effect_tid = effect->tid;
		edge->effect_lamport = effect->clock;
		TELL(edges->in, edge, edge);
	}
	edges->n_pending = 0;
}

/* The word that the end of a thread clears, as the call says that makes it. */
static uint64_t child_tid(const struct rn_event *entry, enum call_kind kind)
{
	uint64_t address = 0;

	if (kind == CALL_CLONE)
		return entry->args[entry->abi == RN_ABI_X86_64 || entry->abi == RN_ABI_X32 ? 3 : 4];
	for (const struct rn_piece *p = rn_piece_first(entry); p; p = rn_piece_next(entry, p))
		if (p->arg == 0 && p->type == RN_PIECE_STRUCT && p->len >= 24 &&
		    !(p->flags & RN_PIECE_AT_EXIT)) {
			memcpy(&address, rn_piece_data(p) + 16, 8);
			break;
		}
	return address;
}

void rn_edges_start(struct edges *edges, struct thread *thread, struct thread *maker,
		    const struct rn_event *ev, struct joined *joined)
{
	struct process *process = thread->process;
	struct cause cause;
	enum call_kind kind;

	rn_joined_begin(edges, joined);
	if (!edges)
		return;
	rn_map_start(edges, process, maker ? maker->process : NULL, ev);
	if (maker && process != maker->process)
		process->nested = process->nests =
			maker->process->nests || ev->args[3] & CLONE_NEWPID;
	if (process->pub.pid == thread->tid)
		process->vforked = ev->args[4] == RN_BIRTH_VFORK || ev->args[3] & CLONE_VFORK;
	if (maker)
		maker->bears = false;
	if (!maker || !maker->open)
		return;
	rn_cause_of_entry(edges, maker, maker->entry, &cause);
	rn_join(edges, thread, joined, &cause, RN_EDGE_FORK, true);
	kind = rn_call_kind(maker->entry->abi, maker->entry->nr);
	if (ev->args[3] & CLONE_CHILD_CLEARTID && (kind == CALL_CLONE || kind == CALL_CLONE3))
		thread->clear_tid = child_tid(maker->entry, kind);
}

void rn_edges_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev)
{
	enum call_kind kind;

	if (!edges)
		return;
	kind = rn_call_kind(ev->abi, ev->nr);
	thread->bears = kind >= CALL_CLONE && kind <= CALL_VFORK;
	if (thread->wait || (kind <= CALL_EXIT && kind != CALL_OTHER && kind != CALL_SET_TID))
		rn_futexes_entry(edges, thread, ev, kind);
	if (kind == CALL_MUNMAP)
		rn_map_entry(edges, thread->process, ev);
	else if (kind >= CALL_KILL)
		rn_signals_entry(edges, thread, ev, kind);
	rn_channels_entry(edges, thread, ev);
	rn_locks_entry(edges, thread, ev, kind);
	rn_carriers_entry(edges, thread, ev);
}

/* A child that is not traced shares memory, and what that holds. */
static void untraced_child(struct edges *edges, struct process *process, const struct rn_call *call)
{
	uint64_t flags = rn_fd_clone_flags(call->entry);

	if (rn_call_kind(call->abi, call->nr) == CALL_VFORK || flags & CLONE_VFORK) {
		edges->losses++; /* it ran here, but does so no more */
		flags = 0;
	}
	rn_map_untraced(process->space, flags & CLONE_VM);
}

/* Calls of which one more thing must be known. */
static void follow(struct edges *edges, struct thread *thread, const struct rn_call *call,
		   enum call_kind kind)
{
	struct process *process = thread->process;

	if (call->flags & (RN_FLAG_FAILED | RN_FLAG_UNFINISHED))
		return;
	if (kind == CALL_SET_TID)
		thread->clear_tid = call->args[0];
	else if (kind == CALL_IO_URING)
		rn_futexes_unseen(edges->futexes, "io_uring");
	else if (kind >= CALL_CLONE && kind <= CALL_VFORK && thread->bears)
		untraced_child(edges, process, call);
	else if (kind == CALL_UNSHARE)
		process->nests |= (call->args[0] & CLONE_NEWPID) != 0;
	else if (kind == CALL_SETNS)
		process->nests |= call->args[1] == 0 || call->args[1] & CLONE_NEWPID;
	else if (kind >= CALL_MMAP && kind <= CALL_REMAP_PAGES)
		rn_map_exit(edges, thread, call);
}

void rn_edges_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		   struct joined *joined)
{
	enum call_kind kind;

	rn_joined_begin(edges, joined);
	if (!edges)
		return;
	kind = rn_call_kind(call->abi, call->nr);
	if (call->desc->flags & RN_CALL_WAIT)
		rn_lives_waited(edges, thread, call, joined);
	if (kind >= CALL_KILL)
		rn_signals_exit(edges, thread, call, kind, joined);
	else if (kind <= CALL_RESTART && kind != CALL_OTHER)
		rn_futexes_exit(edges, thread, call, kind, joined);
	else if (kind != CALL_OTHER)
		follow(edges, thread, call, kind);
	if (kind == CALL_VFORK || kind == CALL_CLONE || kind == CALL_CLONE3)
		rn_lives_vforked(edges, thread, call, joined);
	rn_channels_exit(edges, thread, call, joined);
	rn_locks_exit(edges, thread, call, joined);
	rn_carriers_exit(edges, thread, call, joined);
	take_next_links(thread, joined);
}

void rn_edges_signal(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		     struct joined *joined)
{
	const struct signal_info info = {
		.sig = ev->nr,
		.code = (int32_t)ev->args[0],
		.pid = (int32_t)ev->args[1],
		.has_value = true,
		.value = ev->args[3],
	};

	rn_joined_begin(edges, joined);
	if (!edges || ev->kind != RN_SIGNAL)
		return;
	rn_signals_arrived(edges, thread, &info, joined);
	rn_link_next(thread, joined);
}

void rn_edges_thread_gone(struct edges *edges, struct thread *thread)
{
	if (edges) {
		rn_futexes_gone(edges, thread, edges->in->last_seq);
		rn_carriers_gone(edges, thread);
		rn_signals_thread_gone(edges, thread);
	}
	rn_locks_gone(thread);
	free(thread->next_links);
	thread->next_links = NULL;
}

void rn_edges_process_gone(struct edges *edges, struct process *process)
{
	if (edges)
		rn_signals_gone(edges, process);
	rn_map_put(edges, process->space);
	process->space = NULL;
}

void rn_edges_thread_ends(struct edges *edges, struct thread *thread, const struct rn_event *ev,
			  bool last, struct joined *joined)
{
	int status = (int)ev->args[1];

	rn_joined_begin(edges, joined);
	if (!edges || ev->flags & RN_FLAG_DETACHED || !WIFSIGNALED(status))
		return;
	if (WTERMSIG(status) == SIGKILL)
		rn_signals_killed(edges, thread, last, joined);
	else if (last)
		take_next_links(thread, joined); /* it was delivered, and ended all */
}

void rn_edges_thread_end(struct edges *edges, struct thread *thread, const struct rn_event *ev,
			 bool last)
{
	if (!edges)
		return;
	if (last)
		rn_lives_ended(edges, thread, ev);
	rn_channels_event(edges, thread, ev);
	rn_locks_event(edges, thread, ev);
}

void rn_edges_exec(struct edges *edges, struct thread *thread, const struct rn_event *ev)
{
	if (!edges)
		return;
	if (thread->open && !thread->process->ran)
		rn_cause_of_entry(edges, thread, thread->entry, &thread->process->image);
	rn_lives_ran(edges, thread->process);
	thread->process->ran = true;
	thread->clear_tid = 0;
	rn_map_exec(edges, thread->process);
	rn_channels_event(edges, thread, ev);
	rn_locks_event(edges, thread, ev);
}

void rn_edges_begin(struct edges *edges)
{
	if (!edges)
		return;
	rn_channels_begin(edges);
	rn_locks_begin(edges);
}

void rn_edges_lost(struct edges *edges)
{
	struct tables *tables;

	if (!edges)
		return;
	edges->losses++;
	rn_locks_lost(edges);
	tables = &edges->in->tables;
	for (unsigned i = 0; i < THREAD_BUCKETS; i++)
		for (struct thread *thread = tables->bucket[i]; thread; thread = thread->next)
			rn_map_lost(thread->process->space);
}
