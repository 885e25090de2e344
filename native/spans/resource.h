/* SPDX-License-Identifier: MIT */
/*
 * What a process publishes of itself (OTEP 4719): a ProcessContext of
 * opentelemetry/proto/processcontext, of which the service's attributes are kept. Inner part
 * of spans/.
 */
#ifndef RENACER_SPANS_RESOURCE_H
#define RENACER_SPANS_RESOURCE_H

#include "tables.h"

/* The RN_PIECE_RESOURCE of a record, or NULL. */
const struct rn_piece *rn_resource_piece(const struct rn_event *ev);
/* Takes its attributes in place of those that the process has; false: not well-formed, the
   process keeps what it has. */
bool rn_resource_take(struct rn_process *process, const uint8_t *data, size_t len);
void rn_resource_clear(struct rn_process *process);

#endif
