/* SPDX-License-Identifier: MIT */
/*
 * Spans as OTLP/JSON: proto3 JSON with OTLP's changes (ids in hex, enums as integers,
 * lowerCamelCase names only; 64-bit integers are decimal strings). What a span says
 * is in span_walk.h; here is only how it is put into text.
 */
#include <string.h>

#include "../decode/decode.h"
#include "attributes.h"

#define LITERAL(buf, text) rn_buf_put(buf, text, sizeof(text) - 1)

struct writer {
	struct rn_buf *buf;
	bool comma;      /* before the next attribute or list element */
	bool item_comma; /* before the next element of an array value */
	struct rn_budget budget;
	struct rn_bounds bounds;
	struct rn_redact *redact;
};

/* Text that is UTF-8 without control characters: only quote and backslash need care. */
static void put_quoted(struct rn_buf *buf, const char *text, size_t len)
{
	uint8_t *out;
	size_t i;

	if (!rn_buf_reserve(buf, 2 * len + 2))
		return;
	out = buf->data + buf->len;
	*out++ = '"';
	for (i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			*out++ = '\\';
		*out++ = (uint8_t)text[i];
	}
	*out++ = '"';
	buf->len = (size_t)(out - buf->data);
}

static void put_u64(struct rn_buf *buf, uint64_t value)
{
	char text[RN_NUMBER_MAX];

	rn_buf_put(buf, text, (size_t)(rn_write_u64(text, value) - text));
}

static void put_hex_byte(char *out, uint8_t byte)
{
	out[0] = "0123456789abcdef"[byte >> 4];
	out[1] = "0123456789abcdef"[byte & 15];
}

static void put_trace_id(struct rn_buf *buf, const uint8_t *trace_id)
{
	char text[32];
	unsigned i;

	for (i = 0; i < 16; i++)
		put_hex_byte(text + 2 * i, trace_id[i]);
	rn_buf_put(buf, text, sizeof(text));
}

static void put_span_id(struct rn_buf *buf, uint64_t id)
{
	char text[16];
	unsigned i;

	for (i = 0; i < 8; i++)
		put_hex_byte(text + 2 * i, (uint8_t)(id >> (56 - 8 * i)));
	rn_buf_put(buf, text, sizeof(text));
}

static void span_open(struct writer *w, const struct rn_span_head *head)
{
	struct rn_buf *buf = w->buf;

	LITERAL(buf, "{\"traceId\":\"");
	put_trace_id(buf, head->trace_id);
	LITERAL(buf, "\",\"spanId\":\"");
	put_span_id(buf, head->span_id);
	if (*head->tracestate) {
		LITERAL(buf, "\",\"traceState\":");
		put_quoted(buf, head->tracestate, strlen(head->tracestate));
	} else {
		LITERAL(buf, "\"");
	}
	if (head->parent_span_id) {
		LITERAL(buf, ",\"parentSpanId\":\"");
		put_span_id(buf, head->parent_span_id);
		LITERAL(buf, "\"");
	}
	LITERAL(buf, ",\"name\":");
	put_quoted(buf, head->name, head->name_len);
	LITERAL(buf, ",\"kind\":1,\"startTimeUnixNano\":\"");
	put_u64(buf, head->start);
	LITERAL(buf, "\",\"endTimeUnixNano\":\"");
	put_u64(buf, head->end);
	LITERAL(buf, "\",\"attributes\":[");
	w->comma = false;
	rn_bounds_open(&w->bounds, w->bounds.limits->attributes);
}
_Static_assert(RN_SPAN_KIND_INTERNAL == 1, "span_open() writes the kind as it is");

static void attrs_close(struct writer *w)
{
	LITERAL(w->buf, "]");
	if (!w->bounds.dropped)
		return;
	LITERAL(w->buf, ",\"droppedAttributesCount\":");
	put_u64(w->buf, w->bounds.dropped);
}

static void span_close(struct writer *w, const struct rn_span_head *head, bool error)
{
	if (error)
		LITERAL(w->buf, ",\"status\":{\"code\":2}");
	LITERAL(w->buf, ",\"flags\":");
	put_u64(w->buf, head->flags);
	LITERAL(w->buf, "}");
}
_Static_assert(RN_STATUS_ERROR == 2, "span_close() writes the code as it is");

static void put_comma(struct writer *w)
{
	if (w->comma)
		LITERAL(w->buf, ",");
	w->comma = true;
}

static void list_open(struct writer *w, enum rn_list list)
{
	if (list == RN_LIST_EVENTS)
		LITERAL(w->buf, ",\"events\":[");
	else
		LITERAL(w->buf, ",\"links\":[");
	w->comma = false;
}

static void list_close(struct writer *w)
{
	LITERAL(w->buf, "]");
}

static void event_open(struct writer *w, const char *name, uint64_t time)
{
	put_comma(w);
	LITERAL(w->buf, "{\"timeUnixNano\":\"");
	put_u64(w->buf, time);
	LITERAL(w->buf, "\",\"name\":");
	put_quoted(w->buf, name, strlen(name));
	LITERAL(w->buf, ",\"attributes\":[");
	w->comma = false;
	rn_bounds_open(&w->bounds, w->bounds.limits->event_attributes);
}

static void events_dropped(struct writer *w, uint32_t n)
{
	LITERAL(w->buf, ",\"droppedEventsCount\":");
	put_u64(w->buf, n);
}

static void event_close(struct writer *w)
{
	LITERAL(w->buf, "}");
	w->comma = true;
}

static void link_open(struct writer *w, const struct rn_link *link)
{
	put_comma(w);
	LITERAL(w->buf, "{\"traceId\":\"");
	put_trace_id(w->buf, link->trace_id);
	LITERAL(w->buf, "\",\"spanId\":\"");
	put_span_id(w->buf, link->span_id);
	LITERAL(w->buf, "\",\"attributes\":[");
	w->comma = false;
	rn_bounds_open(&w->bounds, w->bounds.limits->link_attributes);
}

static void link_close(struct writer *w, uint32_t flags)
{
	LITERAL(w->buf, ",\"flags\":");
	put_u64(w->buf, flags);
	LITERAL(w->buf, "}");
	w->comma = true;
}

static void links_dropped(struct writer *w, uint32_t n)
{
	LITERAL(w->buf, ",\"droppedLinksCount\":");
	put_u64(w->buf, n);
}

/* Keys are ours: nothing in them needs an escape. */
static void put_key(struct writer *w, const char *key, size_t key_len)
{
	put_comma(w);
	LITERAL(w->buf, "{\"key\":\"");
	rn_buf_put(w->buf, key, key_len);
	LITERAL(w->buf, "\",\"value\":{");
}

static void attr_int(struct writer *w, const char *key, size_t key_len, int64_t value)
{
	char text[RN_NUMBER_MAX];

	if (!rn_bounds_take(&w->bounds))
		return;
	put_key(w, key, key_len);
	LITERAL(w->buf, "\"intValue\":\"");
	rn_buf_put(w->buf, text, (size_t)(rn_write_i64(text, value) - text));
	LITERAL(w->buf, "\"}}");
}

static void attr_true(struct writer *w, const char *key, size_t key_len)
{
	if (!rn_bounds_take(&w->bounds))
		return;
	put_key(w, key, key_len);
	LITERAL(w->buf, "\"boolValue\":true}}");
}

/* Digits of our own: printf() would ask the locale for a decimal point. */
static void attr_seconds(struct writer *w, const char *key, size_t key_len, uint64_t ns)
{
	char fraction[9];
	uint64_t rest = ns % 1000000000u;
	unsigned i;

	if (!rn_bounds_take(&w->bounds))
		return;
	for (i = 9; i; i--, rest /= 10)
		fraction[i - 1] = (char)('0' + rest % 10);
	put_key(w, key, key_len);
	LITERAL(w->buf, "\"doubleValue\":");
	put_u64(w->buf, ns / 1000000000u);
	LITERAL(w->buf, ".");
	rn_buf_put(w->buf, fraction, sizeof(fraction));
	LITERAL(w->buf, "}}");
}

static void attr_text(struct writer *w, const char *key, size_t key_len, const char *text,
		      size_t len)
{
	if (!rn_bounds_take(&w->bounds))
		return;
	put_key(w, key, key_len);
	LITERAL(w->buf, "\"stringValue\":");
	put_quoted(w->buf, text, rn_bounds_length(&w->bounds, text, len, false));
	LITERAL(w->buf, "}}");
}

static void put_escaped(struct writer *w, const void *data, size_t data_len)
{
	uint8_t text[RN_ATTR_MAX];
	size_t len = rn_budget_escape(&w->budget, text, data, data_len);

	len = rn_bounds_length(&w->bounds, text, len, true);
	LITERAL(w->buf, "\"stringValue\":");
	put_quoted(w->buf, (const char *)text, len);
}

static void attr_bytes(struct writer *w, const char *key, size_t key_len, const void *data,
		       size_t data_len)
{
	if (!rn_bounds_take(&w->bounds))
		return;
	data = rn_redact_string(w->redact, data, &data_len);
	put_key(w, key, key_len);
	put_escaped(w, data, data_len);
	LITERAL(w->buf, "}}");
}

static void array_open(struct writer *w, const char *key, size_t key_len)
{
	put_key(w, key, key_len);
	LITERAL(w->buf, "\"arrayValue\":{\"values\":[");
	w->item_comma = false;
}

static void item_open(struct writer *w)
{
	if (w->item_comma)
		LITERAL(w->buf, ",");
	w->item_comma = true;
	LITERAL(w->buf, "{");
}

static void array_item(struct writer *w, const void *data, size_t data_len)
{
	item_open(w);
	put_escaped(w, data, data_len);
	LITERAL(w->buf, "}");
}

static void array_more(struct writer *w)
{
	item_open(w);
	LITERAL(w->buf, "\"stringValue\":\"" RN_MORE "\"}");
}

static void array_close(struct writer *w)
{
	LITERAL(w->buf, "]}}}");
}

/* Behind what one attribute takes, so that it can be quoted from there. */
static char *scratch(struct writer *w, size_t room)
{
	size_t before = 2 * (RN_SHOWN_MAX + sizeof(RN_MORE)) + 2 * RN_KEY_MAX + 64;

	if (!rn_buf_reserve(w->buf, before + room))
		return NULL;
	return (char *)w->buf->data + w->buf->len + before;
}

#include "span_walk.h"

static struct writer writer_of(struct rn_buf *buf, const struct rn_trace *trace)
{
	if (trace->redact)
		trace->redact->clean = NULL;
	return (struct writer){
		.buf = buf,
		.redact = trace->redact,
		.budget = {.left = RN_SPAN_STRINGS, .cut = false},
		.bounds = rn_bounds_of(trace),
	};
}

void rn_json_call(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_call *call)
{
	struct writer w = writer_of(buf, trace);

	walk_call(&w, trace, call);
}

void rn_json_process(struct rn_buf *buf, const struct rn_trace *trace,
		     const struct rn_process *process)
{
	struct writer w = writer_of(buf, trace);

	walk_process(&w, trace, process);
}

void rn_json_run(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_run_span *run)
{
	struct writer w = writer_of(buf, trace);

	walk_run(&w, trace, run);
}
