/* SPDX-License-Identifier: MIT */
/*
 * The application's own span that is live in a thread, and the calls under it. Inner part of
 * spans/. A call's entry settles it, for the whole call: a valid RN_PIECE_SPAN of that entry
 * wins; else what the thread's last RN_CONTEXT told, in this program. Threads and processes
 * begin with none. A span that is not sampled holds no calls: they stay under the process span.
 */
#ifndef RENACER_SPANS_LIVE_H
#define RENACER_SPANS_LIVE_H

#include "tables.h"

/* An RN_CONTEXT record of the thread. */
void rn_live_told(struct thread *thread, const struct rn_event *ev);
/* A call begins; before anything asks for its context. */
void rn_live_entry(struct thread *thread, const struct rn_event *ev);
/* Parent, trace and flags of the call that began last, if it is under the application's span. */
void rn_live_describe(const struct thread *thread, struct rn_call *call);
/* The trace in which the span of the call that began last is, and its flags. */
void rn_live_context(const struct thread *thread, uint8_t trace_id[16], uint8_t *flags);
/* A new program: nothing has been told of it yet. */
void rn_live_exec(struct thread *thread);
/* Records were lost, what a thread told may be among them: of none is anything known. */
void rn_live_lost(struct tables *tables);

/* A span id on the wire as a number. */
uint64_t rn_live_span_id(const struct rn_live_span *span);

#endif
