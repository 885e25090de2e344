/* SPDX-License-Identifier: MIT */
/*
 * Private to encode/: what the OTLP protobuf and the OTLP/JSON back end share. The
 * attributes themselves are in span_walk.h.
 */
#ifndef RENACER_ENCODE_ATTRIBUTES_H
#define RENACER_ENCODE_ATTRIBUTES_H

#include <string.h>

#include "renacer/encode.h"
#include "renacer/redact.h"

#define RN_INLINE static inline __attribute__((always_inline))

/*
 * Strings from outside may take this much of one span, all of them together; what a
 * span has besides them is below RN_SPAN_FIXED. So no span is longer than 128 KiB,
 * whatever a tracee does.
 */
#define RN_SPAN_STRINGS (120u * 1024u)
#define RN_SPAN_FIXED (8u * 1024u)
/* An argv takes no more than this of it, overhead included. */
#define RN_ARRAY_MAX (32u * 1024u)
/* What a list element costs over its bytes, as the budget counts it. */
#define RN_ITEM_COST 8u
/* The element that ends a cut list. */
#define RN_MORE "\xe2\x80\xa6"
#define RN_MORE_COST (RN_ITEM_COST + 3u)
#define RN_NAME_MAX 256u
/* W3C asks for at least 512 characters of tracestate to be passed on. */
#define RN_TRACESTATE_MAX 1024u
/* A structure or list as text: the longest, see span_args.h. */
#define RN_SHOWN_MAX 1024u
/* Longest attribute key: "syscall.args." and a parameter's name. */
#define RN_KEY_MAX 64u

#define RN_SPAN_KIND_INTERNAL 1
#define RN_STATUS_ERROR 2
/* Span.flags and Link.flags above the W3C byte (trace.proto, SpanFlags). */
#define RN_FLAG_HAS_IS_REMOTE 0x100u
#define RN_FLAG_IS_REMOTE 0x200u

enum rn_list { RN_LIST_EVENTS, RN_LIST_LINKS };

/* A key and its length, for literals: the compiler then knows the length. */
#define RN_KEY(literal) ("" literal), (sizeof(literal) - 1)

/* What a span has before its attributes. */
struct rn_span_head {
	const uint8_t *trace_id;
	uint64_t span_id, parent_span_id;
	const char *tracestate; /* safe ASCII, "" = none */
	const char *name;       /* safe, see rn_utf8_escape() */
	size_t name_len;
	uint64_t start, end; /* Unix ns */
	uint32_t flags;      /* as on the wire */
};

/* How much of RN_SPAN_STRINGS is left, and whether something had to be cut. */
struct rn_budget {
	size_t left;
	bool cut;
};

/* What the limits of a trace leave of a span. */
struct rn_bounds {
	const struct rn_limits *limits;
	uint32_t left, dropped; /* attributes of what is open: span, event or link */
	bool shortened;         /* a text is */
};

static inline struct rn_bounds rn_bounds_of(const struct rn_trace *trace)
{
	static const struct rn_limits none = {UINT32_MAX, UINT32_MAX, UINT32_MAX,
					      UINT32_MAX, UINT32_MAX, UINT32_MAX};

	return (struct rn_bounds){.limits = trace->limits ? trace->limits : &none};
}

/* Something that may have so many attributes is opened. */
RN_INLINE void rn_bounds_open(struct rn_bounds *bounds, uint32_t attributes)
{
	bounds->left = attributes;
	bounds->dropped = 0;
}

/* Whether there may be one more; else it is counted. */
RN_INLINE bool rn_bounds_take(struct rn_bounds *bounds)
{
	if (__builtin_expect(bounds->left == 0, 0)) {
		bounds->dropped++;
		return false;
	}
	bounds->left--;
	return true;
}

/*
 * The length that a text may have: the limit's characters. Of an escaped one (see
 * rn_utf8_escape()) whole escapes stay.
 */
size_t rn_bounds_cut(const char *text, size_t len, uint32_t characters, bool escaped);

RN_INLINE size_t rn_bounds_length(struct rn_bounds *bounds, const void *text, size_t len,
				  bool escaped)
{
	size_t cut = len;

	/* No text has more characters than bytes. */
	if (__builtin_expect(len > bounds->limits->value_length, 0)) {
		cut = rn_bounds_cut(text, len, bounds->limits->value_length, escaped);
		bounds->shortened |= cut < len;
	}
	return cut;
}

/*
 * rn_utf8_escape() into a fixed place: writes at most `room` bytes, consumes at most
 * `limit` of `len`, whole code points and whole escapes only. Returns the bytes
 * written; *cut (may be NULL) tells whether input was left over.
 */
size_t rn_utf8_escape_to(uint8_t *out, size_t room, const void *data, size_t len, size_t limit,
			 bool *cut);

/* Escapes into `out` as far as attribute limit and budget go. Returns bytes written. */
static inline size_t rn_budget_escape(struct rn_budget *budget, uint8_t *out, const void *data,
				      size_t len)
{
	size_t room = budget->left < RN_ATTR_MAX ? budget->left : RN_ATTR_MAX;
	bool cut = false;
	size_t n = rn_utf8_escape_to(out, room, data, len, len, &cut);

	budget->left -= n;
	budget->cut |= cut;
	return n;
}

#endif
