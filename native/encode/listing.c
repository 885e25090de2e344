/* SPDX-License-Identifier: MIT */
/*
 * A listing: "renacer-json-v1", as Renacer writes it, with arguments as strace shows them and
 * fields of our own beside its own. An object a call, one on each line; the head of the document is
 * the caller's.
 */
#include <string.h>

#include "row.h"

#define SOURCE_MAX_BYTES 4096u

/* Makes a JSON string of all that stands behind `start`. */
static void quote(struct rn_buf *buf, size_t start)
{
	static const char digits[] = "0123456789abcdef";
	size_t len = buf->len - start, more = 2;
	uint8_t *from, *to;

	if (buf->failed)
		return;
	for (size_t i = start; i < buf->len; i++) {
		uint8_t byte = buf->data[i];

		more += byte == '"' || byte == '\\' ? 1 : byte < 0x20 || byte == 0x7f ? 5 : 0;
	}
	if (!rn_buf_reserve(buf, more))
		return;
	from = buf->data + start + len;
	to = from + more;
	*--to = '"';
	while (from > buf->data + start) {
		uint8_t byte = *--from;

		if (byte < 0x20 || byte == 0x7f) {
			*--to = (uint8_t)digits[byte & 15];
			*--to = (uint8_t)digits[byte >> 4];
			to -= 4;
			memcpy(to, "\\u00", 4);
			continue;
		}
		*--to = byte;
		if (byte == '"' || byte == '\\')
			*--to = '\\';
	}
	*--to = '"';
	buf->len += more;
}

static void put_args(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_call *call)
{
	const struct rn_style style = rn_style_of(trace);
	bool first = true;

	for (unsigned arg = 0; arg < call->desc->nargs; arg++) {
		size_t start;
		char *end;

		if (rn_arg_is_void(call, arg))
			continue;
		if (!first)
			PUT_TEXT(buf, ",");
		first = false;
		if (!rn_buf_reserve(buf, rn_call_room(call)))
			return;
		start = buf->len;
		end = rn_write_arg((char *)buf->data + start, call, arg, &style);
		buf->len = (size_t)((uint8_t *)end - buf->data);
		redact_from(buf, start, trace);
		quote(buf, start);
	}
}

/* The kernel's own word, and an error's name: no result is a word, of 0. */
static void put_result(struct rn_buf *buf, const struct rn_call *call)
{
	bool error = call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED);
	const char *name = error ? rn_errno_name((int)-call->result) : NULL;

	PUT_TEXT(buf, "],\"result\":");
	if (call->flags & RN_FLAG_UNFINISHED) {
		PUT_TEXT(buf, "0,\"unfinished\":true");
		return;
	}
	put_number(buf, call->result);
	if (name) {
		PUT_TEXT(buf, ",\"error\":\"");
		rn_buf_put(buf, name, strlen(name));
		PUT_TEXT(buf, "\"");
	}
}

static void put_string(struct rn_buf *buf, const struct rn_trace *trace, const char *text)
{
	size_t start = buf->len, len = strlen(text);
	const void *safe = rn_redact_string(trace->redact, text, &len);

	rn_utf8_escape(buf, safe, len, SOURCE_MAX_BYTES);
	quote(buf, start);
}

/* Renacer's three, as far as they are known, and where they are from. */
static void put_source(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_site *site)
{
	PUT_TEXT(buf, ",\"source\":{\"by\":");
	put_string(buf, trace, rn_source_how(site));
	if (*site->file) {
		PUT_TEXT(buf, ",\"file\":");
		put_string(buf, trace, site->file);
		PUT_TEXT(buf, ",\"line\":");
		put_number(buf, site->line);
	}
	if (*site->function) {
		PUT_TEXT(buf, ",\"function\":");
		put_string(buf, trace, site->function);
	}
	if (*site->module) {
		PUT_TEXT(buf, ",\"module\":");
		put_string(buf, trace, site->module);
		PUT_TEXT(buf, ",\"offset\":");
		put_number(buf, (int64_t)(site->offset & INT64_MAX));
	}
	PUT_TEXT(buf, "}");
}

void rn_listing_call(struct rn_listing *listing, struct rn_buf *buf, const struct rn_trace *trace,
		     const struct rn_call *call)
{
	const struct rn_site *site = rn_site_of(trace, call);
	bool finished = !(call->flags & RN_FLAG_UNFINISHED);
	uint64_t ns = finished && call->t1 > call->t0 ? call->t1 - call->t0 : 0;
	size_t start;

	if (listing->calls++)
		PUT_TEXT(buf, ",\n");
	listing->ns += ns;
	listing->errors += (call->flags & RN_FLAG_FAILED) != 0;
	PUT_TEXT(buf, "{\"name\":\"");
	put_call_name(buf, call);
	PUT_TEXT(buf, "\",\"args\":[");
	put_args(buf, trace, call);
	put_result(buf, call);
	PUT_TEXT(buf, ",\"duration_us\":");
	put_number(buf, (int64_t)(ns / 1000));
	PUT_TEXT(buf, ",\"duration_ns\":");
	put_number(buf, (int64_t)ns);
	PUT_TEXT(buf, ",\"ts_us\":");
	put_number(buf, call->t0 > trace->monotonic_anchor
				? (int64_t)((call->t0 - trace->monotonic_anchor) / 1000)
				: 0);
	PUT_TEXT(buf, ",\"pid\":");
	put_number(buf, call->pid);
	PUT_TEXT(buf, ",\"tid\":");
	put_number(buf, call->tid);
	PUT_TEXT(buf, ",\"process\":");
	start = buf->len;
	put_process_name(buf, trace, call);
	quote(buf, start);
	if (site)
		put_source(buf, trace, site);
	PUT_TEXT(buf, "}");
}

void rn_listing_gap(struct rn_listing *listing, const struct rn_event *ev)
{
	listing->lost += ev->args[1];
}

void rn_listing_end(const struct rn_listing *listing, struct rn_buf *buf, int exit_code)
{
	PUT_TEXT(buf, "\n],\"summary\":{\"total_syscalls\":");
	put_number(buf, (int64_t)listing->calls);
	PUT_TEXT(buf, ",\"total_time_us\":");
	put_number(buf, (int64_t)(listing->ns / 1000));
	PUT_TEXT(buf, ",\"exit_code\":");
	put_number(buf, exit_code);
	PUT_TEXT(buf, ",\"failed_syscalls\":");
	put_number(buf, (int64_t)listing->errors);
	PUT_TEXT(buf, ",\"lost_syscalls\":");
	put_number(buf, (int64_t)listing->lost);
	PUT_TEXT(buf, "}}\n");
}
