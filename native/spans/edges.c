/* SPDX-License-Identifier: MIT */
/* Causes and effects: what all kinds share; see edges.h. */
#include "edges_private.h"

#include <stdlib.h>
#include <string.h>

#include "lives.h"
#include "live.h"

struct edges *rn_edges_create(struct rn_interpreter *in)
{
	struct edges *edges = calloc(1, sizeof(*edges));

	if (!edges)
		return NULL;
	edges->in = in;
	edges->lives = rn_lives_create();
	if (in->objects)
		edges->channels = rn_channels_create(edges, in->config.selection.wanted);
	if (!edges->lives || (in->objects && !edges->channels)) {
		rn_edges_destroy(edges);
		return NULL;
	}
	return edges;
}

void rn_edges_release(struct edges *edges)
{
	if (edges)
		rn_channels_release(edges->channels);
}

void rn_edges_destroy(struct edges *edges)
{
	if (!edges)
		return;
	rn_channels_destroy(edges->channels);
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

void rn_cause_of_entry(struct edges *edges, const struct thread *thread, const struct rn_event *ev,
		       struct cause *out)
{
	const struct rn_interpreter *in = edges->in;

	*out = (struct cause){
		.seq = ev->seq,
		.clock = thread->open_lamport,
		.span_id = rn_has_span(in, thread) ? rn_id_of(&in->config.key, ev->seq) : 0,
		.ordinal = thread->process->pub.ordinal,
		.tid = thread->tid,
	};
	rn_live_context(thread, out->trace_id, &out->trace_flags);
}

static void add_link(struct joined *joined, const struct cause *cause, enum rn_edge_kind kind)
{
	struct rn_link *link = &joined->links[joined->nlinks];
	const char *edge = rn_edge_name(kind);

	for (unsigned i = 0; i < joined->nlinks; i++)
		if (joined->links[i].span_id == cause->span_id && joined->links[i].edge == edge)
			return;
	if (joined->nlinks == RN_CALL_LINKS) {
		joined->more_links++;
		return;
	}
	*link = (struct rn_link){
		.span_id = cause->span_id,
		.flags = cause->trace_flags,
		.edge = edge,
	};
	memcpy(link->trace_id, cause->trace_id, sizeof(link->trace_id));
	joined->nlinks++;
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
		add_link(joined, cause, kind);
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

void rn_edges_start(struct edges *edges, struct thread *thread, const struct thread *maker,
		    struct joined *joined)
{
	struct cause cause;

	rn_joined_begin(edges, joined);
	if (!edges || !maker || !maker->open)
		return;
	rn_cause_of_entry(edges, maker, maker->entry, &cause);
	rn_join(edges, thread, joined, &cause, RN_EDGE_FORK, true);
}

void rn_edges_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev)
{
	if (!edges)
		return;
	rn_channels_entry(edges, thread, ev);
}

void rn_edges_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		   struct joined *joined)
{
	rn_joined_begin(edges, joined);
	if (!edges)
		return;
	if (call->desc->flags & RN_CALL_WAIT)
		rn_lives_waited(edges, thread, call, joined);
	rn_channels_exit(edges, thread, call, joined);
}

void rn_edges_thread_end(struct edges *edges, struct thread *thread, const struct rn_event *ev,
			 bool last)
{
	if (!edges)
		return;
	if (last)
		rn_lives_ended(edges, thread, ev);
	rn_channels_event(edges, thread, ev);
}

void rn_edges_exec(struct edges *edges, struct thread *thread, const struct rn_event *ev)
{
	if (edges)
		rn_channels_event(edges, thread, ev);
}

void rn_edges_begin(struct edges *edges)
{
	if (edges)
		rn_channels_begin(edges);
}

void rn_edges_lost(struct edges *edges)
{
	if (edges)
		edges->losses++;
}
