/* SPDX-License-Identifier: MIT */
/* The meter of a run; what Python sees of it is in api.h. */
#ifndef RENACER_RUN_METERED_H
#define RENACER_RUN_METERED_H

#include "renacer/api.h"
#include "renacer/interpret.h"

rn_meter *rn_meter_of_run(const rn_config *config); /* NULL: no memory */
struct rn_observer rn_meter_observer(rn_meter *meter);
/* By the consumer: the call has a span, of itself or with others. */
void rn_meter_span(rn_meter *meter, const struct rn_call *call);
/* By the consumer, after some records: where spans are, for rn_run_flow(); and lets others take
   what was measured. */
void rn_meter_publish(rn_run *run);

#endif
