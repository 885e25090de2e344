/* SPDX-License-Identifier: MIT */
/* Calls that move bytes between memory and files, pipes or sockets. Inner part of spans/. */
#ifndef RENACER_SPANS_IO_CALLS_H
#define RENACER_SPANS_IO_CALLS_H

#include "renacer/metrics.h"

struct rn_moved {
	unsigned ways; /* bits 1 << enum rn_io_way; 0 = nothing */
	uint64_t bytes;
};

/* Finds all numbers; safe to be called again. */
void rn_io_calls_init(void);
/* What a call that succeeded has moved. */
struct rn_moved rn_io_of(const struct rn_call *call);

#endif
