/* SPDX-License-Identifier: MIT */
/* What rows of calls have in common, as CSV and as a listing. */
#ifndef RENACER_ENCODE_ROW_H
#define RENACER_ENCODE_ROW_H

#include <string.h>

#include "../decode/decode.h"

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

static inline void put_process_name(struct rn_buf *buf, const struct rn_call *call)
{
	const char *name = call->process->name;

	rn_utf8_escape(buf, name, strlen(name), PROCESS_NAME_MAX);
}

#endif
