/* SPDX-License-Identifier: MIT */
/*
 * Markers: the application tells which span of its own is live in the thread, by a write(2) of
 * a frame to descriptor -1, which fails by itself. Such a call is no call of the program's. The
 * frame is described in docs/markers.md.
 */
#include <string.h>

#include "engine_private.h"

#define PREFIX "renacer:1:"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define TRACEPARENT_LEN 55u
#define FRAME_MAX (PREFIX_LEN + TRACEPARENT_LEN)

/* What a launched program is told of seccomp filters: how many are there that it can bear. */
#define VARIABLE "RENACER_MARKERS=1:"
#define DIGITS 5u

static bool is_to_nowhere(const struct task *task)
{
	const char *name;

	if ((uint32_t)task->args[0] != UINT32_MAX)
		return false;
	name = task->desc->name;
	return name && strcmp(name, "write") == 0 &&
	       (task->args[2] == PREFIX_LEN || task->args[2] == FRAME_MAX);
}

static bool parse(const char *frame, size_t len, struct rn_live_span *span)
{
	struct traceparent parent;

	*span = (struct rn_live_span){.valid = 0};
	if (memcmp(frame, PREFIX, PREFIX_LEN) != 0)
		return false;
	if (len == PREFIX_LEN)
		return true;
	if (memcmp(frame + PREFIX_LEN, "00", 2) != 0 ||
	    !rn_traceparent_parse(frame + PREFIX_LEN, len - PREFIX_LEN, &parent))
		return false;
	memcpy(span->trace_id, parent.trace_id, sizeof(span->trace_id));
	for (unsigned i = 0; i < sizeof(span->span_id); i++)
		span->span_id[i] = (uint8_t)(parent.span_id >> (56 - 8 * i));
	span->flags = parent.flags;
	span->valid = 1;
	return true;
}

bool rn_take_marker(struct rn_engine *e, const struct task *task)
{
	struct rn_live_span span;
	char frame[FRAME_MAX];
	size_t len;

	if (!is_to_nowhere(task))
		return false;
	len = (size_t)task->args[2];
	if (rn_memory_read_one(e, task->tid, task->args[1], frame, len) != len ||
	    !parse(frame, len, &span))
		return false;
	rn_record_begin(e, &e->work, RN_CONTEXT, task);
	if (span.valid)
		rn_piece_add(&e->work, RN_PIECE_SPAN, RN_PIECE_NO_ARG, &span, sizeof(span),
			     sizeof(span), 0);
	rn_emit_work(e, false);
	return true;
}

void rn_marker_filter_added(char *const *envp)
{
	for (; *envp; envp++) {
		char *digits = *envp + sizeof(VARIABLE) - 1;

		if (strncmp(*envp, VARIABLE, sizeof(VARIABLE) - 1) != 0 || strlen(digits) != DIGITS)
			continue;
		for (unsigned i = DIGITS; i-- > 0;) {
			if (digits[i] != '9') {
				digits[i]++;
				break;
			}
			digits[i] = '0';
		}
	}
}
