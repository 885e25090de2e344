/* SPDX-License-Identifier: MIT */
#ifndef RENACER_SPANS_PROCESS_H
#define RENACER_SPANS_PROCESS_H

#include "tables.h"

struct joined;

struct process *rn_process_create(const struct rn_interpreter_config *config, uint64_t ordinal);
/* Trace, parent and executable from the process that made it. */
void rn_process_inherit(struct process *child, const struct process *maker);
/* The call that made it, which its maker is in: under the application's span, if one is live
   there, and with a span of its own, or 0. */
void rn_process_made_by(struct process *child, const struct thread *maker, uint64_t span_id);
/* One that was attached to: its name, and since when it is there. */
void rn_process_attach(struct process *process, const struct rn_event *ev);
/* A new program: its name. */
void rn_process_exec(struct process *process, const struct rn_event *ev);
/* The context of another's span that an exec's record says the new program was given. */
bool rn_process_foreign(const struct rn_event *ev, struct rn_trace_context *to);
/* A new program under a foreign context: turns it into the new program's span. The
   caller has exported the old one. */
void rn_process_adopt(const struct rn_interpreter_config *config, struct process *process,
		      const struct rn_event *ev, const struct rn_trace_context *foreign);
/* The causes of its end. */
void rn_process_link(struct process *process, const struct joined *joined);
void rn_process_free(struct process *process);

#endif
