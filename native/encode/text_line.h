/* SPDX-License-Identifier: MIT */
/* Making a line of text: inner part of encode/. */
#ifndef RENACER_TEXT_LINE_H
#define RENACER_TEXT_LINE_H

#include "../decode/decode.h"
#include "text_state.h"

/* What a line takes beside arguments: prefix, name, padding, result, errno's text. */
#define LINE_ROOM (512u + RN_NAMES_MAX)

struct rn_text {
	unsigned flags;
	/* As in struct rn_trace. */
	const struct rn_site *(*site)(void *ctx, const struct rn_call *call);
	void *site_ctx;
	struct rn_style style;
	uint32_t column;
	uint64_t realtime_anchor, monotonic_anchor;
	uint64_t last_time;    /* of the line before, CLOCK_MONOTONIC ns; 0 = none */
	uint64_t minute;       /* since the epoch, of which… */
	char minute_text[6];   /* …this is the time of day: HH:MM: */
	uint32_t live;
	struct text_threads threads;
	/* The last line is the first half of a call of this thread and has no end yet; 0 = none. */
	int32_t pending_tid;
	size_t pending_column;
};

/* Of a call's place in the source, so much is shown. */
#define SOURCE_FILE_MAX 512u
#define SOURCE_FUNCTION_MAX 256u
#define SOURCE_ROOM (4u * (SOURCE_FILE_MAX + SOURCE_FUNCTION_MAX) + 64u)

/* A line in the making. */
struct line {
	char *start;
	char *end;
	size_t column; /* of start */
};

/*
 * Starts a line of `tid` at time `at` (CLOCK_MONOTONIC ns) with room for LINE_ROOM + `room`
 * bytes; false without memory. A line that has no end yet is broken off before.
 */
bool rn_text_begin(struct rn_text *text, struct rn_buf *buf, struct line *line, int32_t tid,
		   uint64_t at, size_t room);
/* What comes before a line by -t and -r; see text_time.c. */
void rn_text_put_time(struct rn_text *text, struct line *line, uint64_t at);
/* Ends the line and makes it part of the buffer. */
void rn_text_finish(struct rn_buf *buf, struct line *line);

static inline void put(struct line *line, const char *string)
{
	line->end = rn_write_text(line->end, string);
}

/* Literals only: the length is known to the compiler. */
#define PUT(line, literal)                                                                         \
	do {                                                                                       \
		memcpy((line)->end, literal, sizeof(literal) - 1);                                 \
		(line)->end += sizeof(literal) - 1;                                                \
	} while (0)

#endif
