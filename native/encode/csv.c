/* SPDX-License-Identifier: MIT */
/*
 * One row a call, RFC 4180. Texts are quoted, printable, and no formula for a
 * spreadsheet: ' goes before one that begins with =, +, -, @ or '. Arguments are
 * escaped as strace's are; a name has each byte that is not printable as \xHH.
 */
#include <string.h>

#include "row.h"

/* Makes a quoted text of all that stands behind `start`. */
static void quote(struct rn_buf *buf, size_t start)
{
	size_t len = buf->len - start, more = 2;
	uint8_t *from, *to;
	bool formula;

	if (buf->failed)
		return;
	formula = len && strchr("=+-@'", buf->data[start]);
	more += formula;
	for (size_t i = start; i < buf->len; i++)
		more += buf->data[i] == '"';
	if (!rn_buf_reserve(buf, more))
		return;
	from = buf->data + start + len;
	to = from + more;
	*--to = '"';
	while (from > buf->data + start) {
		*--to = *--from;
		if (*to == '"')
			*--to = '"';
	}
	if (formula)
		*--to = '\'';
	*--to = '"';
	buf->len += more;
}

/* Seconds with nine decimals. */
static void put_time(struct rn_buf *buf, uint64_t ns)
{
	char digits[2 * RN_NUMBER_MAX];
	char *end = rn_write_u64(digits, ns / 1000000000u);
	uint32_t rest = (uint32_t)(ns % 1000000000u);

	*end++ = '.';
	for (unsigned i = 9; i-- > 0; rest /= 10)
		end[i] = (char)('0' + rest % 10);
	rn_buf_put(buf, digits, (size_t)(end + 9 - digits));
}

static void put_args(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_call *call)
{
	const struct rn_style style = rn_style_of(trace);
	size_t start = buf->len;
	bool first = true;
	char *end;

	if (!rn_buf_reserve(buf, rn_call_room(call) + 2u * call->desc->nargs))
		return;
	end = (char *)buf->data + buf->len;
	for (unsigned arg = 0; arg < call->desc->nargs; arg++) {
		if (rn_arg_is_void(call, arg))
			continue;
		if (!first)
			end = rn_write_text(end, ", ");
		first = false;
		end = rn_write_arg(end, call, arg, &style);
	}
	buf->len = (size_t)((uint8_t *)end - buf->data);
	redact_from(buf, start, trace);
	quote(buf, start);
}

/* Result and errno, and the comma between; neither of a call that did not return. */
static void put_result(struct rn_buf *buf, const struct rn_call *call)
{
	bool error = call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED);
	const char *name = error ? rn_errno_name((int)-call->result) : NULL;
	char digits[RN_NUMBER_MAX];
	char *end = digits;

	if (call->flags & RN_FLAG_UNFINISHED) {
		PUT_TEXT(buf, ",");
		return;
	}
	if (error)
		end = rn_write_text(end, call->flags & RN_FLAG_INTERRUPTED ? "" : "-1");
	else if (call->desc->flags & RN_CALL_RESULT_PTR)
		end = rn_write_hex(end, (uint64_t)call->result);
	else if (call->desc->flags & RN_CALL_RESULT_OCTAL)
		end = rn_write_octal(end, (uint64_t)call->result);
	else
		end = rn_write_i64(end, call->result);
	rn_buf_put(buf, digits, (size_t)(end - digits));
	PUT_TEXT(buf, ",");
	if (name)
		rn_buf_put(buf, name, strlen(name));
	else if (error)
		put_number(buf, -call->result);
}

void rn_csv_call(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_call *call)
{
	size_t start;

	put_time(buf, rn_unix_ns(trace, call->t0));
	PUT_TEXT(buf, ",");
	put_number(buf, call->pid);
	PUT_TEXT(buf, ",");
	put_number(buf, call->tid);
	PUT_TEXT(buf, ",");
	start = buf->len;
	put_process_name(buf, trace, call);
	quote(buf, start);
	PUT_TEXT(buf, ",");
	put_call_name(buf, call);
	PUT_TEXT(buf, ",");
	put_args(buf, trace, call);
	PUT_TEXT(buf, ",");
	put_result(buf, call);
	PUT_TEXT(buf, ",");
	if (!(call->flags & RN_FLAG_UNFINISHED))
		put_time(buf, call->t1 > call->t0 ? call->t1 - call->t0 : 0);
	PUT_TEXT(buf, "\r\n");
}

void rn_csv_gap(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_event *ev)
{
	put_time(buf, rn_unix_ns(trace, ev->t0));
	PUT_TEXT(buf, ",,,,(lost),\"");
	put_number(buf, (int64_t)ev->args[0]);
	PUT_TEXT(buf, " events, ");
	put_number(buf, (int64_t)ev->args[1]);
	PUT_TEXT(buf, " calls\",,,\r\n");
}
