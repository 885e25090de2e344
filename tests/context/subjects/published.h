/* SPDX-License-Identifier: MIT */
/* Publishes a thread's live span as OTEP 4947 has it. */
#ifndef PUBLISHED_H
#define PUBLISHED_H

#include <stdint.h>
#include <string.h>

struct published {
	uint8_t trace_id[16], span_id[8];
	uint8_t valid, flags;
	uint16_t attributes;
};

/* All bytes of the trace id are `trace`, all of the span id `span`. */
static inline void fill_record(struct published *record, int trace, int span)
{
	memset(record->trace_id, trace, sizeof(record->trace_id));
	memset(record->span_id, span, sizeof(record->span_id));
	record->flags = 1;
	record->attributes = 0;
	record->valid = 1;
}

#endif
