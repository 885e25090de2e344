/* SPDX-License-Identifier: MIT */
/*
 * Encoders: from interpreted calls and processes to bytes. Pure functions over a
 * growing buffer; no I/O, no allocation but the buffer's own growth.
 */
#ifndef RENACER_ENCODE_H
#define RENACER_ENCODE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "renacer/span.h"

/* A growing byte buffer. `failed` is sticky: memory ran out, content is unusable. */
struct rn_buf {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};

void rn_buf_init(struct rn_buf *buf);
void rn_buf_deinit(struct rn_buf *buf);
/* Makes room for `more` bytes after len; false and `failed` if there is no memory. */
bool rn_buf_reserve(struct rn_buf *buf, size_t more);
void rn_buf_put(struct rn_buf *buf, const void *data, size_t len);
void rn_buf_printf(struct rn_buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * OTLP protobuf: each function appends one `spans` entry of ScopeSpans (field 2,
 * length-delimited), tag included. A request is made around such entries by the
 * exporter. No attribute value is longer than RN_ATTR_MAX bytes; strings are
 * valid UTF-8 (see rn_utf8_escape()).
 */
#define RN_ATTR_MAX 16384u
void rn_otlp_call(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_call *call);
void rn_otlp_process(struct rn_buf *buf, const struct rn_trace *trace,
		     const struct rn_process *process);
void rn_otlp_run(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_run_span *run);

/* The same spans as OTLP/JSON objects (proto3 JSON with OTLP's changes), no newline. */
void rn_json_call(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_call *call);
void rn_json_process(struct rn_buf *buf, const struct rn_trace *trace,
		     const struct rn_process *process);
void rn_json_run(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_run_span *run);

/*
 * CSV: a row for a call that is over, and one that tells of a loss. Columns: time, pid, tid,
 * process, syscall, args, result, errno, duration.
 */
void rn_csv_call(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_call *call);
void rn_csv_gap(struct rn_buf *buf, const struct rn_trace *trace, const struct rn_event *ev);

/*
 * A listing: calls as objects of "renacer-json-v1" with a comma between, then the end of the
 * document. What stands before the first object is the caller's.
 */
struct rn_listing {
	uint64_t calls, errors, lost; /* so far */
	uint64_t ns; /* in all calls that returned */
};
void rn_listing_call(struct rn_listing *listing, struct rn_buf *buf, const struct rn_trace *trace,
		     const struct rn_call *call);
void rn_listing_gap(struct rn_listing *listing, const struct rn_event *ev);
void rn_listing_end(const struct rn_listing *listing, struct rn_buf *buf, int exit_code);

/*
 * Text, as strace writes it. `rn_text_state` remembers which call each thread has
 * open on paper, so that `<unfinished ...>` and `<... resumed>` pair up.
 */
struct rn_text;
/* Which strings are shown as \xHH (-x): bytes that are not printable ASCII or white space,
   whole strings with such a byte in it, or all. */
enum rn_hex { RN_HEX_NONE = 0, RN_HEX_NON_ASCII_CHARS = 1, RN_HEX_NON_ASCII = 2, RN_HEX_ALL = 3 };
#define RN_TEXT_HEX_SHIFT 16 /* of it in the flags of rn_text_create() */
enum {
	RN_TEXT_PID_ALWAYS = 1u << 0,  /* "123  " before each line (strace -f -o) */
	RN_TEXT_PID_BRACKET = 1u << 1, /* "[pid   123] " once there are several tasks (stderr) */
	RN_TEXT_NO_EXITS = 1u << 2,    /* -qq: no +++ exited with … +++ */
	RN_TEXT_DURATION = 1u << 3,    /* -T */
	RN_TEXT_TIME = 1u << 4,        /* -t: the time of day before each line */
	RN_TEXT_TIME_US = 1u << 5,     /* -tt: with microseconds */
	RN_TEXT_TIME_UNIX = 1u << 6,   /* -ttt: seconds since the epoch, with microseconds */
	RN_TEXT_RELATIVE = 1u << 7,    /* -r: time since the line before */
	RN_TEXT_VERBOSE = 1u << 8      /* -v: nothing is left out */
};
struct rn_text_config {
	unsigned flags; /* RN_TEXT_* */
	uint32_t string_limit;
	uint32_t column;           /* where results start; 0 = 40, as strace's default */
	uint64_t realtime_anchor;  /* CLOCK_REALTIME ns at… */
	uint64_t monotonic_anchor; /* …this CLOCK_MONOTONIC ns */
	/* As in struct rn_trace: shown behind a call, [src/main.c:41 main]. */
	const struct rn_site *(*site)(void *ctx, const struct rn_call *call);
	void *site_ctx;
};
struct rn_text *rn_text_create(const struct rn_text_config *config);
void rn_text_destroy(struct rn_text *text);
/* A call was entered and something else happened before its exit. */
void rn_text_enter(struct rn_text *text, struct rn_buf *buf, const struct rn_call *call);
/* A call finished (after an rn_text_enter of the same tid: its second half only), or
   never will (RN_FLAG_UNFINISHED). */
void rn_text_call(struct rn_text *text, struct rn_buf *buf, const struct rn_call *call);
/* --- SIGCHLD {…} --- and --- stopped by SIGSTOP --- */
void rn_text_signal(struct rn_text *text, struct rn_buf *buf, const struct rn_signal_event *sig);
/* +++ exited with 0 +++, +++ killed by SIGKILL +++; live = tasks left after it */
void rn_text_exit(struct rn_text *text, struct rn_buf *buf, const struct rn_event *ev,
		  uint32_t live);
/* The same without a line. */
void rn_text_gone(struct rn_text *text, int32_t tid, uint32_t live);
/* How many tasks are traced now (for RN_TEXT_PID_BRACKET). */
void rn_text_live(struct rn_text *text, uint32_t live);
/* N events lost here. */
void rn_text_gap(struct rn_text *text, struct rn_buf *buf, const struct rn_event *ev);

/*
 * Appends `len` hostile bytes as valid UTF-8 with no control character: invalid
 * bytes and controls become \xHH, a backslash becomes two. Reversible. Cut at
 * `limit` input bytes, never within a code point.
 */
void rn_utf8_escape(struct rn_buf *buf, const void *data, size_t len, size_t limit);

/* "cfi" of RN_SOURCE_CFI; never NULL. */
const char *rn_source_how(const struct rn_site *site);

/* "SIGUSR1", "SIGRT_3", or the number. */
void rn_format_signal(struct rn_buf *buf, int sig);
/* One argument as text, strace's way, without strace's depth of flags. */
void rn_format_arg(struct rn_buf *buf, const struct rn_call *call, unsigned arg,
		   uint32_t string_limit);

#endif
