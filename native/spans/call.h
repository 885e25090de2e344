/* SPDX-License-Identifier: MIT */
#ifndef RENACER_SPANS_CALL_H
#define RENACER_SPANS_CALL_H

#include "renacer/ids.h"
#include "renacer/span.h"

/* All that the entry `ev` tells, or the only record, of a call of `process`. */
void rn_call_describe(const struct rn_id_key *key, struct rn_call *call,
		      const struct rn_process *process, const struct rn_event *ev);

/* The pid whose end this wait has told of, or 0. */
int32_t rn_waited_for(const struct rn_call *call);

#endif
