/* SPDX-License-Identifier: MIT */
/*
 * Spans as OTLP protobuf (opentelemetry/proto/trace/v1/trace.proto), written by hand:
 * the fields are few and the path is hot. What a span says, attribute by attribute,
 * is in span_walk.h; here is only how it is put into bytes.
 *
 * Room for the largest possible span is reserved once; after that a pointer advances
 * and nothing is checked again but the budget for strings (attributes.h). Fields go in
 * the order of their numbers and every length in its shortest form, so that the bytes
 * are those that the official classes would make. A length that is not known before
 * its content gets the bytes that it usually needs; where the guess was wrong, the
 * content moves.
 */
#include <endian.h>
#include <string.h>

#include "attributes.h"

/* Tags: field number << 3 | wire type. */
#define TAG_SPANS 0x12          /* ScopeSpans.spans */
#define TAG_TRACE_ID 0x0a       /* Span and Span.Link */
#define TAG_SPAN_ID 0x12        /* Span and Span.Link */
#define TAG_TRACE_STATE 0x1a    /* Span.trace_state */
#define TAG_PARENT 0x22         /* Span.parent_span_id */
#define TAG_NAME 0x2a           /* Span.name */
#define TAG_KIND 0x30           /* Span.kind */
#define TAG_START 0x39          /* Span.start_time_unix_nano */
#define TAG_END 0x41            /* Span.end_time_unix_nano */
#define TAG_ATTRIBUTES 0x4a     /* Span.attributes */
#define TAG_DROPPED_ATTRIBUTES 0x50 /* Span.dropped_attributes_count */
#define TAG_EVENTS 0x5a         /* Span.events */
#define TAG_DROPPED_EVENTS 0x60 /* Span.dropped_events_count */
#define TAG_LINKS 0x6a          /* Span.links */
#define TAG_DROPPED_LINKS 0x70  /* Span.dropped_links_count */
#define TAG_STATUS 0x7a         /* Span.status */
#define TAG_STATUS_CODE 0x18    /* Status.code */
#define TAG_FLAGS_0 0x85        /* Span.flags, a tag of two bytes */
#define TAG_FLAGS_1 0x01
#define TAG_EVENT_TIME 0x09     /* Span.Event.time_unix_nano */
#define TAG_EVENT_NAME 0x12     /* Span.Event.name */
#define TAG_EVENT_ATTRIBUTES 0x1a
#define TAG_EVENT_DROPPED 0x20  /* Span.Event.dropped_attributes_count */
#define TAG_LINK_ATTRIBUTES 0x22
#define TAG_LINK_DROPPED 0x28   /* Span.Link.dropped_attributes_count */
#define TAG_LINK_FLAGS 0x35
#define TAG_KEY 0x0a            /* KeyValue.key */
#define TAG_VALUE 0x12          /* KeyValue.value */
#define TAG_STRING 0x0a         /* AnyValue.string_value */
#define TAG_BOOL 0x10
#define TAG_INT 0x18
#define TAG_DOUBLE 0x21
#define TAG_ARRAY 0x2a
#define TAG_ARRAY_VALUES 0x0a   /* ArrayValue.values */

/* One key is shorter than 128 - 16 bytes, so lengths around small values take one byte. */
_Static_assert(RN_KEY_MAX < 100, "a key and a number fit a length of one byte");

#define SPAN_LENGTH_GUESS 2u /* 128 to 16383 bytes */

struct writer {
	uint8_t *p;
	uint8_t *marks[4]; /* of the messages that are open */
	unsigned depth;
	uint8_t attr_tag; /* where attributes go: span, event or link */
	uint8_t *end;     /* what a span may take */
	size_t room;      /* behind it, for text in the making */
	struct rn_redact *redact;
	struct rn_budget budget;
	struct rn_bounds bounds;
};

RN_INLINE uint8_t *put_varint(uint8_t *p, uint64_t value)
{
	while (value >= 0x80) {
		*p++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*p++ = (uint8_t)value;
	return p;
}

RN_INLINE unsigned varint_size(uint64_t value)
{
	/* Bits in sevens, at least one. */
	return (unsigned)(63 - __builtin_clzll(value | 1)) / 7u + 1u;
}

RN_INLINE uint8_t *put_fixed64(uint8_t *p, uint64_t value)
{
	value = htole64(value);
	memcpy(p, &value, 8);
	return p + 8;
}

RN_INLINE uint8_t *put_fixed32(uint8_t *p, uint32_t value)
{
	value = htole32(value);
	memcpy(p, &value, 4);
	return p + 4;
}

RN_INLINE uint8_t *put_id(uint8_t *p, uint8_t tag, uint64_t id)
{
	*p++ = tag;
	*p++ = 8;
	id = htobe64(id);
	memcpy(p, &id, 8);
	return p + 8;
}

RN_INLINE uint8_t *put_trace_id(uint8_t *p, const uint8_t *trace_id)
{
	*p++ = TAG_TRACE_ID;
	*p++ = 16;
	memcpy(p, trace_id, 16);
	return p + 16;
}

/* A length-delimited field of known length. */
RN_INLINE uint8_t *put_bytes(uint8_t *p, uint8_t tag, const void *data, size_t len)
{
	*p++ = tag;
	p = put_varint(p, len);
	memcpy(p, data, len);
	return p + len;
}

/* Opens a message whose length probably takes `guess` bytes. */
RN_INLINE void open_message(struct writer *w, uint8_t tag, unsigned guess)
{
	*w->p++ = tag;
	w->marks[w->depth++] = w->p;
	w->p += guess;
}

RN_INLINE void close_message(struct writer *w, unsigned guess)
{
	uint8_t *mark = w->marks[--w->depth];
	size_t len = (size_t)(w->p - (mark + guess));
	unsigned size = varint_size(len);

	if (__builtin_expect(size != guess, 0)) {
		memmove(mark + size, mark + guess, len);
		w->p += size;
		w->p -= guess;
	}
	put_varint(mark, len);
}

RN_INLINE void span_open(struct writer *w, const struct rn_span_head *head)
{
	uint8_t *p;

	open_message(w, TAG_SPANS, SPAN_LENGTH_GUESS);
	p = put_trace_id(w->p, head->trace_id);
	p = put_id(p, TAG_SPAN_ID, head->span_id);
	if (*head->tracestate)
		p = put_bytes(p, TAG_TRACE_STATE, head->tracestate, strlen(head->tracestate));
	if (head->parent_span_id)
		p = put_id(p, TAG_PARENT, head->parent_span_id);
	p = put_bytes(p, TAG_NAME, head->name, head->name_len);
	*p++ = TAG_KIND;
	*p++ = RN_SPAN_KIND_INTERNAL;
	*p++ = TAG_START;
	p = put_fixed64(p, head->start);
	*p++ = TAG_END;
	w->p = put_fixed64(p, head->end);
	w->attr_tag = TAG_ATTRIBUTES;
	rn_bounds_open(&w->bounds, w->bounds.limits->attributes);
}

static void attrs_dropped(struct writer *w)
{
	*w->p++ = w->attr_tag == TAG_ATTRIBUTES         ? TAG_DROPPED_ATTRIBUTES
		  : w->attr_tag == TAG_EVENT_ATTRIBUTES ? TAG_EVENT_DROPPED
							: TAG_LINK_DROPPED;
	w->p = put_varint(w->p, w->bounds.dropped);
}

RN_INLINE void attrs_close(struct writer *w)
{
	if (__builtin_expect(w->bounds.dropped != 0, 0))
		attrs_dropped(w);
}

RN_INLINE void span_close(struct writer *w, const struct rn_span_head *head, bool error)
{
	uint8_t *p = w->p;

	if (error) {
		*p++ = TAG_STATUS;
		*p++ = 2;
		*p++ = TAG_STATUS_CODE;
		*p++ = RN_STATUS_ERROR;
	}
	*p++ = TAG_FLAGS_0;
	*p++ = TAG_FLAGS_1;
	w->p = put_fixed32(p, head->flags);
	close_message(w, SPAN_LENGTH_GUESS);
}

/* Repeated fields need no bracket. */
static void list_open(struct writer *w, enum rn_list list)
{
	(void)w;
	(void)list;
}

static void list_close(struct writer *w)
{
	(void)w;
}

static void event_open(struct writer *w, const char *name, uint64_t time)
{
	open_message(w, TAG_EVENTS, 1);
	*w->p++ = TAG_EVENT_TIME;
	w->p = put_fixed64(w->p, time);
	w->p = put_bytes(w->p, TAG_EVENT_NAME, name, strlen(name));
	w->attr_tag = TAG_EVENT_ATTRIBUTES;
	rn_bounds_open(&w->bounds, w->bounds.limits->event_attributes);
}

static void events_dropped(struct writer *w, uint32_t n)
{
	*w->p++ = TAG_DROPPED_EVENTS;
	w->p = put_varint(w->p, n);
}

static void event_close(struct writer *w)
{
	close_message(w, 1);
}

static void link_open(struct writer *w, const struct rn_link *link)
{
	open_message(w, TAG_LINKS, 1);
	w->p = put_trace_id(w->p, link->trace_id);
	w->p = put_id(w->p, TAG_SPAN_ID, link->span_id);
	w->attr_tag = TAG_LINK_ATTRIBUTES;
	rn_bounds_open(&w->bounds, w->bounds.limits->link_attributes);
}

static void link_close(struct writer *w, uint32_t flags)
{
	*w->p++ = TAG_LINK_FLAGS;
	w->p = put_fixed32(w->p, flags);
	close_message(w, 1);
}

static void links_dropped(struct writer *w, uint32_t n)
{
	*w->p++ = TAG_DROPPED_LINKS;
	w->p = put_varint(w->p, n);
}

/* A KeyValue up to its AnyValue; the caller fills in the length at p[1]. */
RN_INLINE uint8_t *put_key(uint8_t *p, uint8_t tag, const char *key, size_t key_len)
{
	*p = tag;
	p[2] = TAG_KEY;
	p[3] = (uint8_t)key_len;
	memcpy(p + 4, key, key_len);
	p[4 + key_len] = TAG_VALUE;
	return p + 5 + key_len;
}

RN_INLINE void attr_int(struct writer *w, const char *key, size_t key_len, int64_t value)
{
	uint8_t *start = w->p;
	uint8_t *any, *end;

	if (!rn_bounds_take(&w->bounds))
		return;
	any = put_key(start, w->attr_tag, key, key_len);
	any[1] = TAG_INT;
	end = put_varint(any + 2, (uint64_t)value);
	any[0] = (uint8_t)(end - (any + 1));
	start[1] = (uint8_t)(end - (start + 2));
	w->p = end;
}

RN_INLINE void attr_true(struct writer *w, const char *key, size_t key_len)
{
	uint8_t *start = w->p;
	uint8_t *any;

	if (!rn_bounds_take(&w->bounds))
		return;
	any = put_key(start, w->attr_tag, key, key_len);
	any[0] = 2;
	any[1] = TAG_BOOL;
	any[2] = 1;
	w->p = any + 3;
	start[1] = (uint8_t)(w->p - (start + 2));
}

RN_INLINE void attr_seconds(struct writer *w, const char *key, size_t key_len, uint64_t ns)
{
	uint8_t *start = w->p;
	uint8_t *any;
	double value = (double)ns / 1e9;
	uint64_t bits;

	if (!rn_bounds_take(&w->bounds))
		return;
	any = put_key(start, w->attr_tag, key, key_len);
	memcpy(&bits, &value, 8);
	any[0] = 9;
	any[1] = TAG_DOUBLE;
	w->p = put_fixed64(any + 2, bits);
	start[1] = (uint8_t)(w->p - (start + 2));
}

/* Bytes before the text in an attribute whose value is a text of `len` bytes. */
RN_INLINE size_t text_header_size(size_t key_len, size_t len)
{
	size_t any = 1 + varint_size(len) + len;
	size_t pair = 2 + key_len + 1 + varint_size(any) + any;

	return 1 + varint_size(pair) + (pair - len);
}

RN_INLINE void put_text_header(uint8_t *p, uint8_t tag, const char *key, size_t key_len, size_t len)
{
	size_t any = 1 + varint_size(len) + len;
	size_t pair = 2 + key_len + 1 + varint_size(any) + any;

	*p++ = tag;
	p = put_varint(p, pair);
	*p++ = TAG_KEY;
	*p++ = (uint8_t)key_len;
	memcpy(p, key, key_len);
	p += key_len;
	*p++ = TAG_VALUE;
	p = put_varint(p, any);
	*p++ = TAG_STRING;
	put_varint(p, len);
}

/* A short text that needs no escape: ours, or made of digits. */
RN_INLINE void attr_text(struct writer *w, const char *key, size_t key_len, const char *text,
			 size_t len)
{
	size_t header;

	if (!rn_bounds_take(&w->bounds))
		return;
	len = rn_bounds_length(&w->bounds, text, len, false);
	header = text_header_size(key_len, len);
	put_text_header(w->p, w->attr_tag, key, key_len, len);
	memcpy(w->p + header, text, len);
	w->p += header + len;
}

static void attr_bytes(struct writer *w, const char *key, size_t key_len, const void *data,
		       size_t data_len)
{
	size_t guess, len, header;

	if (!rn_bounds_take(&w->bounds))
		return;
	data = rn_redact_string(w->redact, data, &data_len);
	/* Mostly nothing needs an escape. */
	guess = text_header_size(key_len, data_len);
	len = rn_budget_escape(&w->budget, w->p + guess, data, data_len);
	len = rn_bounds_length(&w->bounds, w->p + guess, len, true);
	header = text_header_size(key_len, len);
	if (header != guess)
		memmove(w->p + header, w->p + guess, len);
	put_text_header(w->p, w->attr_tag, key, key_len, len);
	w->p += header + len;
}

static void array_open(struct writer *w, const char *key, size_t key_len)
{
	open_message(w, w->attr_tag, 1);
	w->p = put_bytes(w->p, TAG_KEY, key, key_len);
	open_message(w, TAG_VALUE, 1);
	open_message(w, TAG_ARRAY, 1);
}

static size_t item_header(uint8_t *p, size_t len, bool write)
{
	size_t any = 1 + varint_size(len) + len;
	size_t size = 1 + varint_size(any) + 1 + varint_size(len);

	if (write) {
		*p++ = TAG_ARRAY_VALUES;
		p = put_varint(p, any);
		*p++ = TAG_STRING;
		put_varint(p, len);
	}
	return size;
}

static void array_item(struct writer *w, const void *data, size_t data_len)
{
	size_t guess = item_header(NULL, data_len, false);
	size_t len = rn_budget_escape(&w->budget, w->p + guess, data, data_len);
	size_t header;

	len = rn_bounds_length(&w->bounds, w->p + guess, len, true);
	header = item_header(NULL, len, false);
	if (header != guess)
		memmove(w->p + header, w->p + guess, len);
	item_header(w->p, len, true);
	w->p += header + len;
}

static void array_more(struct writer *w)
{
	size_t header = item_header(w->p, sizeof(RN_MORE) - 1, true);

	memcpy(w->p + header, RN_MORE, sizeof(RN_MORE) - 1);
	w->p += header + sizeof(RN_MORE) - 1;
}

static void array_close(struct writer *w)
{
	close_message(w, 1);
	close_message(w, 1);
	close_message(w, 1);
}

static char *scratch(struct writer *w, size_t room)
{
	return room <= w->room ? (char *)w->end : NULL;
}

#include "span_walk.h"

/* False if there is no memory: then buf->failed is set. */
RN_INLINE bool writer_begin(struct writer *w, struct rn_buf *buf, const struct rn_trace *trace,
			    size_t room)
{
	if (!rn_buf_reserve(buf, RN_SPAN_STRINGS + RN_SPAN_FIXED + room))
		return false;
	w->end = buf->data + buf->len + RN_SPAN_STRINGS + RN_SPAN_FIXED;
	w->room = room;
	w->p = buf->data + buf->len;
	w->depth = 0;
	w->redact = trace->redact;
	if (w->redact)
		w->redact->clean = NULL;
	w->budget = (struct rn_budget){.left = RN_SPAN_STRINGS, .cut = false};
	w->bounds = rn_bounds_of(trace);
	return true;
}

RN_INLINE void writer_end(const struct writer *w, struct rn_buf *buf)
{
	buf->len = (size_t)(w->p - buf->data);
}

void rn_otlp_call(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_call *call)
{
	struct writer w;

	if (!writer_begin(&w, buf, trace, walk_room(trace, call)))
		return;
	walk_call(&w, trace, call);
	writer_end(&w, buf);
}

void rn_otlp_process(struct rn_buf *buf, const struct rn_trace *trace,
		     const struct rn_process *process)
{
	struct writer w;

	if (!writer_begin(&w, buf, trace, 0))
		return;
	walk_process(&w, trace, process);
	writer_end(&w, buf);
}

void rn_otlp_run(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_run_span *run)
{
	struct writer w;

	if (!writer_begin(&w, buf, trace, 0))
		return;
	walk_run(&w, trace, run);
	writer_end(&w, buf);
}
