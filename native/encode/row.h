/* SPDX-License-Identifier: MIT */
/* What rows of calls have in common, as CSV and as a listing. */
#ifndef RENACER_ENCODE_ROW_H
#define RENACER_ENCODE_ROW_H

#include <string.h>

#include "renacer/redact.h"
#include "style.h"

#define PROCESS_NAME_MAX 256u /* bytes */
#define PUT_TEXT(buf, literal) rn_buf_put(buf, literal, sizeof(literal) - 1)

static inline void put_number(struct rn_buf *buf, int64_t value)
{
	char digits[RN_NUMBER_MAX];

	rn_buf_put(buf, digits, (size_t)(rn_write_i64(digits, value) - digits));
}

static inline void put_call_name(struct rn_buf *buf, const struct rn_call *call)
{
	char digits[RN_NUMBER_MAX];

	if (call->desc->name) {
		rn_buf_put(buf, call->desc->name, strlen(call->desc->name));
		return;
	}
	PUT_TEXT(buf, "syscall_");
	rn_buf_put(buf, digits, (size_t)(rn_write_hex(digits, (uint32_t)call->nr) - digits));
}

static inline void put_process_name(struct rn_buf *buf, const struct rn_trace *trace,
				    const struct rn_call *call)
{
	size_t len = strlen(call->process->name);
	const void *name = rn_redact_string(trace->redact, call->process->name, &len);

	rn_utf8_escape(buf, name, len, PROCESS_NAME_MAX);
}

/* Arguments that stand from `start` on, without what is secret. */
static inline void redact_from(struct rn_buf *buf, size_t start, const struct rn_trace *trace)
{
	size_t len = buf->len - start;
	const void *text;

	if (buf->failed)
		return;
	text = rn_redact_shown(trace->redact, buf->data + start, &len);
	if (text == buf->data + start)
		return;
	buf->len = start;
	rn_buf_put(buf, text, len);
}

#endif
