/* SPDX-License-Identifier: MIT */
/*
 * What the interpreter (spans/) hands to the encoders (encode/): finished calls,
 * processes and the run, with ids, clocks and parents settled. Everything here is
 * borrowed: valid only during the callback that carries it.
 */
#ifndef RENACER_SPAN_H
#define RENACER_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "renacer/event.h"
#include "renacer/syscalls.h"

#define RN_SCOPE_NAME "renacer_otel"

struct rn_trace_context {
	uint8_t trace_id[16];
	uint64_t span_id;  /* big-endian on the wire; 0 = none */
	uint8_t flags;     /* W3C trace-flags, bits 0 and 1 only */
	bool is_remote;    /* the parent lives in another process */
	char *tracestate;  /* NUL-terminated, "" = none */
};

struct rn_link {
	uint8_t trace_id[16];
	uint64_t span_id;
	uint8_t flags;
	bool in_part;     /* to a call whose trace is that of its part, see spans/parts.h */
	uint64_t call;    /* seq of the entry of the call that it points to; 0 = to no call */
	const char *edge; /* value of the link attribute renacer.edge */
};

/* Kinds of edges: what carried the cause to the effect. Values of renacer.edge, see rn_edge_name(). */
enum rn_edge_kind {
	RN_EDGE_NONE = 0,
	RN_EDGE_FORK = 1,
	RN_EDGE_EXEC = 2,
	RN_EDGE_WAIT = 3,   /* the end of a process -> wait, pidfd */
	RN_EDGE_JOIN = 4,   /* the end of a thread -> its futex */
	RN_EDGE_PIPE = 5,   /* and FIFOs */
	RN_EDGE_UNIX = 6,
	RN_EDGE_TCP = 7,
	RN_EDGE_EVENTFD = 8,
	RN_EDGE_SIGNAL = 9,
	RN_EDGE_FUTEX = 10,
	RN_EDGE_MQUEUE = 11,
	RN_EDGE_LOCK = 12,
	RN_EDGE_EOF = 13,     /* close -> end of file */
	RN_EDGE_CONNECT = 14, /* connect -> accept */
	RN_EDGE_READY = 15,   /* -> poll, select, epoll_wait: clocks only, never a link */
	RN_EDGE_KIND_COUNT = 16
};

/* "pipe" of RN_EDGE_PIPE; never NULL. */
const char *rn_edge_name(enum rn_edge_kind kind);

/* An effect and one of its causes, both events by their sequence numbers. */
struct rn_edge {
	enum rn_edge_kind kind;
	bool certain;        /* no other event can have been the cause: it is linked */
	uint64_t cause_seq;  /* of the cause's entry; an exit's or death's own record */
	uint64_t effect_seq; /* of the effect's entry, or of its own record (RN_SIGNAL, …) */
	int32_t cause_tid, effect_tid;
	uint64_t cause_lamport, effect_lamport;
};

#define RN_CALL_LINKS 8 /* causes of a call that are linked; more are counted */

#define RN_PROCESS_LINKS 4

/* What is kept of what a process publishes of itself: service.* of its resource. */
enum rn_resource_key {
	RN_RESOURCE_NAME = 0,
	RN_RESOURCE_NAMESPACE = 1,
	RN_RESOURCE_VERSION = 2,
	RN_RESOURCE_INSTANCE = 3,
	RN_RESOURCE_KEYS = 4
};

/* Calls that have no span, by choice: they are in all counts, and cause what they cause. */
struct rn_omitted {
	uint64_t calls;
	uint64_t ns;    /* they took */
	uint64_t links; /* to them, that are left out */
};

/* A process span (and its threads). */
struct rn_process {
	uint64_t ordinal;
	int32_t pid, parent_pid;
	struct rn_trace_context ctx; /* its own trace id and span id */
	uint64_t parent_span_id;     /* in ctx.trace_id; 0 = none */
	bool parent_is_remote;
	uint64_t t_start, t_end; /* CLOCK_MONOTONIC ns */
	uint64_t created;        /* Unix time, ns; 0 = at t_start */
	uint64_t lamport_start, lamport_end;
	uint64_t lamport_sent; /* that its last exec wrote into TRACESTATE; 0 = none */
	char *exe;           /* path; "" = unknown */
	char *name;          /* base name; "" = unknown */
	uint32_t execs;      /* how often it ran a new program */
	uint32_t context;    /* enum rn_context of the last exec */
	int wait_status;     /* wait(2); valid if `ended` */
	bool ended;          /* else: unfinished */
	bool superseded;     /* ended by an exec that moved it into a foreign trace */
	uint64_t calls, errors;
	struct rn_link links[RN_PROCESS_LINKS];
	uint32_t nlinks, more_links; /* and links that were left out */
	char *resource[RN_RESOURCE_KEYS]; /* NULL = not published */
	struct rn_omitted omitted;
	uint32_t part; /* 0, or a thin copy of its span in this part of the run, from 2 on */
};

#define RN_FOLD_PERIOD 4      /* at most so many calls make a group */
#define RN_FOLD_RESULT (1u << 6) /* bit of rn_fold.varies: the result */

/* Of one call of a group that was repeated. */
struct rn_folded {
	const struct rn_syscall_desc *desc;
	int32_t nr;
	bool moves; /* bytes, as its results say */
	uint64_t min_ns, max_ns, sum_ns, bytes;
};

/* What is told as one span: calls of one thread, one after the other, none of which failed. */
struct rn_fold {
	uint32_t period; /* calls in a group: 1 = always the same call */
	uint32_t varies; /* period 1: bits of arguments that are not the same in all of them */
	uint64_t count;  /* of all calls */
	struct rn_folded of[RN_FOLD_PERIOD];
};

/* A call, finished or not. */
struct rn_call {
	const struct rn_process *process;
	const struct rn_syscall_desc *desc;
	uint8_t abi;
	uint16_t flags; /* RN_FLAG_* */
	int32_t tid, pid, nr;
	uint64_t span_id, parent_span_id;
	const uint8_t *trace_id; /* 16 bytes */
	uint8_t trace_flags;
	uint32_t part; /* 0, or in which part of the run it is, from 2 on */
	bool under_application; /* its parent is the application's span; it has a link "process" */
	uint64_t seq; /* of the entry */
	uint64_t t0, t1; /* CLOCK_MONOTONIC ns */
	uint64_t lamport_start, lamport_end;
	uint64_t args[6];
	int64_t result;
	/* Pieces: those of the entry, then those of the exit. `entry` and `exit` are the
	   records that carry them; they are the same record for RN_SYSCALL, and either
	   may be NULL. Use rn_call_piece(). */
	const struct rn_event *entry;
	const struct rn_event *exit;
	const struct rn_link *links; /* its causes in other threads; at most RN_CALL_LINKS */
	uint32_t nlinks;
	uint32_t more_links; /* that were left out */
	const char *
		incomplete; /* why causes may be missing: "untraced", "lost", "io_uring", …; NULL */
	bool is_cause; /* something may be linked to it, now or later */
	/* NULL, or the call is the first of so many: t0, t1 and both Lamport times are all calls'. */
	const struct rn_fold *fold;
};

/* The piece that was captured for argument `arg` (exit's first, then entry's), or NULL. */
const struct rn_piece *rn_call_piece(const struct rn_call *call, unsigned arg);

struct rn_signal_event {
	const struct rn_process *process;
	const struct rn_event *ev; /* RN_SIGNAL or RN_GROUP_STOP */
};

struct rn_totals {
	uint64_t events; /* in the ring, gaps not counted */
	uint64_t calls; /* entries seen by the tracer, the lost ones included */
	uint64_t errors; /* calls that failed */
	uint64_t signals;
	uint64_t processes, threads;
	uint64_t attached; /* processes that ran before */
	uint64_t unfinished;
	uint64_t lost_calls; /* calls of which no span can be made */
	uint64_t lost_events; /* all events that the ring could not take */
	uint64_t missed_calls, missed_events; /* for which the interpreter had no memory */
	uint64_t spans; /* spans made (calls + processes + root) */
	uint64_t tracer_ns; /* CPU time of the tracer thread */
	uint64_t added_ns; /* by tracing to the command's time, estimated */
	uint64_t wall_ns; /* from launch to the last exit */
	uint64_t stops; /* ptrace stops */
	uint64_t filtered; /* calls of which no span was made because none was asked for */
	uint64_t seccomp; /* 1 = calls that were not wanted were filtered in the kernel */
};

#define RN_RUN_LINKS 64 /* to parts of the run, of its first span; more are counted */

/* The root span; or that of a later part, which has links to the others and little else. */
struct rn_run_span {
	struct rn_trace_context ctx;
	uint64_t parent_span_id;
	uint64_t t_start, t_end;
	uint64_t lamport_start, lamport_end;
	const char *engine; /* "ptrace" */
	const char *command; /* argv[0]; "" = none */
	const char *options; /* how the run was asked for, one line */
	bool ended; /* the command did */
	int exit_code; /* of the command; -signal where a signal ended it */
	struct rn_totals totals;
	uint32_t part; /* 0, or of which part, from 2 on */
	uint32_t parts; /* of a run that was split: how many; 0 = it was not */
	const struct rn_link *links; /* to other parts; at most RN_RUN_LINKS */
	uint32_t nlinks, more_links;
	uint64_t folded; /* calls that are told with others as one span */
	struct rn_omitted omitted;
	uint32_t
		flown; /* RN_FLOWN_* of api.h: why the flight recorder let calls go; 0 = there is none */
	uint64_t omitted_processes; /* spans that it did not keep */
};

/* Where in a source a call was made: what RN_PIECE_SOURCE tells, by names. */
struct rn_site {
	uint32_t id; /* from 1 on; 0: one of many that are not kept */
	uint8_t how; /* enum rn_source_how */
	uint32_t line; /* 0 = not known */
	const char *path; /* of the source file, absolute if the program says so; "" = not known */
	const char *file; /* the same, from the folder on in which the compiler ran */
	const char *function; /* as the linker knows it; "" = not known */
	const char *module; /* the file that the code is from; "" = no place is known */
	uint64_t offset; /* in it */
};

/* How much of a span goes out: OpenTelemetry's span limits. UINT32_MAX = no limit. */
struct rn_limits {
	uint32_t attributes; /* of a span */
	uint32_t value_length; /* characters of a text */
	uint32_t events, links;
	uint32_t event_attributes, link_attributes; /* of each */
};

struct rn_redact; /* redact.h */

/* What every encoder knows of the trace. */
struct rn_trace {
	struct rn_redact *redact; /* the output's; NULL = nothing is secret */
	bool payload; /* rows and spans show what buffers hold; else its address */
	/* Of a call with RN_PIECE_SOURCE, borrowed for the encoding; NULL = not asked for. */
	const struct rn_site *(*site)(void *ctx, const struct rn_call *call);
	void *site_ctx;
	uint64_t realtime_anchor; /* CLOCK_REALTIME ns at… */
	uint64_t monotonic_anchor; /* …this CLOCK_MONOTONIC ns */
	uint32_t string_limit; /* -s */
	const struct rn_limits *limits; /* NULL = none */
};

/* NULL: nothing is known of where it was made. */
static inline const struct rn_site *rn_site_of(const struct rn_trace *trace,
					       const struct rn_call *call)
{
	return trace->site ? trace->site(trace->site_ctx, call) : NULL;
}

static inline uint64_t rn_unix_ns(const struct rn_trace *trace, uint64_t monotonic)
{
	return trace->realtime_anchor + (monotonic - trace->monotonic_anchor);
}

#endif
