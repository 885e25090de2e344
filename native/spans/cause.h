/* SPDX-License-Identifier: MIT */
#ifndef RENACER_SPANS_CAUSE_H
#define RENACER_SPANS_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

/* An event that may cause others: a call's entry, or the end of a thread or process. */
struct cause {
	uint64_t seq;     /* of its record */
	uint64_t clock;   /* Lamport time */
	uint64_t span_id; /* that a link can name; 0 = none is told */
	uint64_t ordinal; /* of its process */
	int32_t tid;
	bool is_call; /* that span is the call's own… */
	bool in_part; /* …in the trace of its part, see parts.h */
	uint8_t trace_flags;
	uint8_t trace_id[16]; /* of that span */
};

#endif
