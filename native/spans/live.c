/* SPDX-License-Identifier: MIT */
/* Which of the application's spans a call is under; see live.h. */
#include "live.h"

#include <string.h>

#define W3C_SAMPLED 1u
#define W3C_FLAGS 3u

static bool is_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

/* The span that a record names. false: none, or nothing that could be one. */
static bool find(const struct rn_event *ev, struct rn_live_span *span)
{
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p)) {
		if (p->type != RN_PIECE_SPAN || p->len < sizeof(*span))
			continue;
		memcpy(span, rn_piece_data(p), sizeof(*span));
		if (span->valid == 1 && !is_zero(span->trace_id, sizeof(span->trace_id)) &&
		    !is_zero(span->span_id, sizeof(span->span_id)))
			return true;
	}
	*span = (struct rn_live_span){.valid = 0};
	return false;
}

void rn_live_told(struct thread *thread, const struct rn_event *ev)
{
	find(ev, &thread->told);
}

void rn_live_entry(struct thread *thread, const struct rn_event *ev)
{
	if (!find(ev, &thread->live))
		thread->live = thread->told;
	if (!(thread->live.flags & W3C_SAMPLED))
		thread->live.valid = 0;
}

uint64_t rn_live_span_id(const struct rn_live_span *span)
{
	uint64_t id = 0;

	for (unsigned i = 0; i < sizeof(span->span_id); i++)
		id = id << 8 | span->span_id[i];
	return id;
}

void rn_live_describe(const struct thread *thread, struct rn_call *call)
{
	if (!thread->live.valid)
		return;
	call->under_application = true;
	call->trace_id = thread->live.trace_id;
	call->parent_span_id = rn_live_span_id(&thread->live);
	call->trace_flags = thread->live.flags & W3C_FLAGS;
}

void rn_live_context(const struct thread *thread, uint8_t trace_id[16], uint8_t *flags)
{
	const struct rn_trace_context *own = &thread->process->pub.ctx;

	memcpy(trace_id, thread->live.valid ? thread->live.trace_id : own->trace_id, 16);
	*flags = thread->live.valid ? thread->live.flags & W3C_FLAGS : own->flags;
}

void rn_live_exec(struct thread *thread)
{
	thread->told.valid = 0;
}

void rn_live_lost(struct tables *tables)
{
	for (unsigned i = 0; i < THREAD_BUCKETS; i++)
		for (struct thread *thread = tables->bucket[i]; thread; thread = thread->next)
			thread->told.valid = 0;
}
