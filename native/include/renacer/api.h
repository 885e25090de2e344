/* SPDX-License-Identifier: MIT */
/*
 * What Python sees of the core. Read by the C compiler and by cffi, which takes
 * plain declarations only: lines that start with # (but for `#define NAME number`)
 * are skipped by the generator. replay.h is the same for what a TRACE file tells.
 *
 * One rn_run is one traced command, or processes attached to: a tracer thread, a consumer thread, and queues
 * of blocks that Python takes from. All functions but rn_block_take(),
 * rn_run_wait() and rn_run_free() return at once.
 */
#ifndef RENACER_API_H
#define RENACER_API_H

#include <stddef.h>
#include <stdint.h>

#define RN_API_VERSION 1

typedef struct rn_run rn_run;

/* Which blocks a run makes; bits of rn_config.outputs, and the queue to take from. */
#define RN_OUT_OTLP 1   /* `spans` entries of ScopeSpans: protobuf */
#define RN_OUT_JSON 2   /* comma-separated span objects: OTLP/JSON */
#define RN_OUT_RECORD 4 /* records as they came */
#define RN_OUT_TEXT 8   /* written by the core to text_fd; never taken */
#define RN_OUT_SUMMARY 16 /* counted; see rn_run_summary() */
#define RN_OUT_CSV 32 /* rows */
#define RN_OUT_LISTING 64 /* comma-separated objects of calls, and the end of the document */
#define RN_OUT_METRICS 128 /* measured; see rn_run_meter() */

/* rn_config.summary_by */
#define RN_BY_ALL 0
#define RN_BY_PROCESS 1
#define RN_BY_THREAD 2
#define RN_BY_PATH 3
#define RN_BY_PEER 4

#define RN_CPU_AUTO 0
#define RN_CPU_SHARE 1
#define RN_CPU_FREE 2

#define RN_ON_FULL_BLOCK 0
#define RN_ON_FULL_DROP 1

/* rn_config.disable: fallbacks forced, for tests and odd kernels */
#define RN_NO_GET_SYSCALL_INFO 1
#define RN_NO_PROCESS_VM_READV 2
#define RN_NO_SECCOMP 4
#define RN_NO_SEALING 8
#define RN_NO_APPLICATION 16
#define RN_NO_EDGES 32

/* rn_config.side: which half of a run this process has; the other half has another, on the same ring */
#define RN_SIDE_BOTH 0
#define RN_SIDE_PRODUCER 1 /* traces; nothing is interpreted. `outputs` says what the other makes */
#define RN_SIDE_CONSUMER 2 /* traces nothing */

/* rn_config.filter: whether the kernel lets through what is not wanted; see engine.h */
#define RN_SECCOMP_OFF 0
#define RN_SECCOMP_AUTO 1
#define RN_SECCOMP_ON 2

/* rn_config.fold: whether calls that are repeated are told as one span; see spans/shape.h */
#define RN_FOLD_OFF 0
#define RN_FOLD_AUTO 1
#define RN_FOLD_ALWAYS 2

/* rn_config.spans: which there are */
#define RN_TELL_ALL 0
#define RN_TELL_PROCESS 1
#define RN_TELL_NONE 2

/* Why the flight recorder let go what it had: bits of rn_stats.flown */
#define RN_FLOWN_FAILED 1 /* the command ended with another exit code than 0, or by a signal */
#define RN_FLOWN_CRASHED 2 /* a process was ended by a signal that leaves a core */
#define RN_FLOWN_ASKED 4 /* by rn_run_fly() */
#define RN_FLOWN_VIOLATED 8 /* by rn_run_judge() */

/* See struct rn_limits of span.h. */
typedef struct {
	uint32_t attributes;
	uint32_t value_length;
	uint32_t events;
	uint32_t links;
	uint32_t event_attributes;
	uint32_t link_attributes;
} rn_span_limits;

typedef struct {
	const char *const *argv; /* NULL = no command */
	const char *const *envp;
	const int32_t *attach; /* processes to attach to */
	uint32_t attach_count;
	int32_t adopt_pid; /* the process that is to be the command, 0 = a new one… */
	int32_t adopt_fd; /* …and a socket to it; see rn_become() */
	uint32_t outputs;
	int otlp_json; /* the blocks of RN_OUT_OTLP are as those of RN_OUT_JSON */
	int text_fd;
	uint32_t text_flags;
	uint32_t text_column; /* where results start; 0 = 40 */
	const char *text_prefix; /* not NULL: each thread's text goes to a file, this and .TID */
	int text_append; /* such files are not emptied first */
	uint32_t string_limit;
	uint32_t describe_fds; /* RN_FDS_*, see engine.h */
	int peaks; /* ends of programs tell how much memory they had resident */
	int hashes; /* records of what is written or sent carry its hash */
	int states; /* enum rn_states of engine.h: rn_run_looked() */
	int source; /* which code made each call is recorded, and shown by its source */
	/* Whom the command runs as, if change_user. */
	int change_user;
	uint32_t uid, gid;
	const uint32_t *groups;
	uint32_t group_count;
	int follow; /* 0 = --no-follow */
	uint32_t max_depth; /* generations of processes below the command that are followed */
	int filter; /* RN_SECCOMP_* */
	int no_new_privs; /* set it for the filter */
	int cpu; /* RN_CPU_* */
	int on_full; /* RN_ON_FULL_* */
	uint64_t block_limit_ns;
	uint64_t ring_bytes;
	uint64_t batch_bytes; /* soft limit of an OTLP or JSON block; a block is cut before it
	                          would grow past 3.5 MiB */
	uint64_t queue_bytes; /* blocks waiting for the network; more are dropped, counted… */
	int otlp_waits; /* …or, as somebody takes them to a disk, waited for */
	/* Of RN_OUT_OTLP; 0 = no limit: */
	uint64_t batch_spans; /* of a block */
	uint64_t queue_spans; /* waiting for the network */
	uint64_t batch_age_ns; /* a block is handed on when so old; 0 = 1 s */
	const rn_span_limits *limits; /* NULL = none but our own */
	uint32_t disable;
	int propagate; /* write TRACEPARENT at exec */
	int fed; /* records come by rn_run_feed(), from another engine: python */
	uint8_t trace_id[16];
	uint64_t parent_span_id; /* 0 = a new trace */
	int parent_is_remote;
	uint8_t trace_flags;
	uint64_t id_key[2];
	uint64_t lamport_seed; /* greatest Lamport time heard of, from tracestate */
	const char *tracestate; /* for spans; "" = none */
	const char *options; /* for the root span */
	uint64_t realtime_anchor;
	uint64_t monotonic_anchor;
	const uint64_t *wanted; /* bitmaps of call numbers, 9 words of 64 an ABI (RN_ABI_COUNT
	                           of them), or NULL = all */
	/* Of what is recorded, what is written as text and spans; see rn_selection. Records
	   are all kept. */
	uint64_t hidden_signals; /* bit signal - 1 */
	uint32_t hidden_statuses;
	const char *const *paths; /* NULL-ended, or NULL = all */
	const int32_t *path_fds;
	uint32_t path_fd_count;
	/* What spans there are, and in which traces. */
	int fold; /* RN_FOLD_* */
	int spans; /* RN_TELL_* */
	uint64_t max_trace_spans; /* in one trace; 0 = all are in one */
	uint64_t min_duration_ns; /* calls that took less have no span */
	int errors_only; /* nor have those that did not fail */
	int keep_errors; /* but those that failed have one */
	uint64_t keep_slow_ns; /* and those that took so long, 0 = none of them */
	const uint64_t *keep_calls; /* and these, as wanted; NULL = none */
	uint64_t
		flight; /* not 0: of spans, rows and lines those of the last so many calls are kept,
	                    and go out only for a reason, RN_FLOWN_* */
	int flight_held; /* the end waits for rn_run_judge(), with all records handed on */
	int redact; /* 0 = nothing is secret in spans and rows */
	int redact_defaults; /* what is secret by default, */
	const char *const *redact_patterns; /* …by these: NULL-ended, or NULL = none */
	const char *const *redact_keys; /* …and by names of values */
	int payload; /* spans and rows show what buffers hold */
	int summary_by; /* RN_BY_* */
	int summary_wall; /* wall time and buckets of it; else system CPU time */
	int meter_pids; /* calls are measured for each process */
	uint32_t meter_limit; /* series of a metric; 0 = 2000 */
	int side; /* RN_SIDE_* */
	int ring_fd; /* RN_SIDE_CONSUMER: of a ring; copied */
	int resumed; /* RN_SIDE_CONSUMER: another one had the ring before, and is no more */
	int holds; /* RN_SIDE_CONSUMER: records stay in the ring for whoever has it next, until the
	              blocks that were made of them are released */
	uint64_t turn; /* RN_SIDE_CONSUMER: it reads while this is the producer's; 0 = always */
	uint64_t t_start; /* when the run began (ns, monotonic); 0 = now */
} rn_config;

#define RN_FAIL_NONE 0
#define RN_FAIL_NOT_FOUND 1 /* no such command */
#define RN_FAIL_NOT_EXECUTABLE 2
#define RN_FAIL_PTRACE 3 /* ptrace refused */
#define RN_FAIL_MEMORY 4 /* no memory for the ring */
#define RN_FAIL_KERNEL 5 /* kernel too old */
#define RN_FAIL_SYSTEM 6 /* fork, pipe, thread */
#define RN_FAIL_ATTACH 7 /* none of the processes; see rn_run_attached() */
#define RN_FAIL_FILTER 8 /* the seccomp filter was refused */
#define RN_FAIL_ABANDONED 9 /* the process to be the command could not, and tells why */
#define RN_FAIL_RING 10 /* ring_fd is no ring, or one that is not sealed */

typedef struct {
	int code; /* RN_FAIL_* */
	int err; /* errno */
	char what[64]; /* the system call that failed */
} rn_failure;

typedef struct {
	const void *data;
	uint64_t len;
	uint64_t spans; /* spans (RN_OUT_RECORD: records) in it */
	uint64_t first_seq; /* RN_OUT_RECORD: seq of the first record */
	int last; /* RN_OUT_OTLP, RN_OUT_JSON: it ends with the root span */
	void *owner; /* for rn_block_release() */
} rn_block;

typedef struct {
	uint64_t events;
	uint64_t calls;
	uint64_t errors;
	uint64_t signals;
	uint64_t processes;
	uint64_t threads;
	uint64_t unfinished;
	uint64_t lost_calls; /* the ring was full */
	uint64_t lost_events;
	uint64_t dropped_spans; /* the queue to the network was full */
	uint64_t queued_spans; /* in that queue now */
	uint64_t spans; /* spans made, dropped ones included */
	uint64_t text_lost; /* lines that could not be written */
	uint64_t corrupt; /* how often the ring was damaged */
	int text_errno; /* why */
	uint64_t tracer_ns;
	uint64_t added_ns; /* by tracing to the command's time: an estimate */
	uint64_t wall_ns;
	uint64_t stops;
	uint64_t ring_peak;
	int cpu_shared; /* 1 while tracer and tracees share a CPU */
	int seccomp; /* 1 = the seccomp filter is on, 0 = there is none, else -errno */
	uint64_t void_set_id; /* programs that ran without the rights that their files give */
	uint64_t filtered; /* calls of which no span or line was made, by selection */
	/* Of the flight recorder, in calls (of text: lines): */
	uint64_t kept; /* that it has */
	uint64_t omitted; /* that it had, and that were not wanted until newer ones came */
	uint64_t flown; /* that it let go out */
	uint32_t why; /* RN_FLOWN_* */
} rn_stats;

typedef struct {
	int wait_status; /* of the command, if there is one */
	int ended;
} rn_result;

/* Of a summary: who or what calls are counted for; the first takes all that has no other. */
typedef struct {
	uint64_t ordinal; /* of the process; 0 = no process or thread */
	int32_t pid;
	int32_t tid; /* 0 = a process, which names its threads too */
	const char *name; /* of process, path or peer; "" = none */
} rn_counted_group;

#define RN_COUNTED_OTHER_NR 2147483647 /* numbers that no table has, beyond many */

typedef struct {
	uint32_t group;
	int32_t nr; /* or RN_COUNTED_OTHER_NR */
	int32_t abi;
	uint64_t calls; /* that returned */
	uint64_t errors;
	uint64_t unfinished; /* that did not return; not in calls */
	uint64_t time; /* ns */
	uint64_t shortest;
	uint64_t longest;
	uint64_t sampled; /* durations in buckets; fewer than calls: there was no more room */
} rn_counted_row;

typedef struct {
	uint32_t row;
	uint64_t value; /* ns: within 1/256 of each of… */
	uint64_t count; /* …so many durations */
} rn_counted_bucket;

/* A file, or that there is none: see struct rn_file_state of engine.h. */
typedef struct {
	uint32_t mode; /* 0 = there is none */
	uint32_t uid;
	uint32_t gid;
	uint32_t links;
	uint64_t size;
	uint64_t device;
	uint64_t inode;
	uint64_t rdev;
	uint64_t attributes[2];
	uint64_t lanes[2]; /* of its content, if known */
	const char *target; /* of a symbolic link, else NULL */
	int known;
	int unreadable;
} rn_file_state;

typedef struct {
	const char *path;
	rn_file_state before; /* the first call that may have changed it */
	rn_file_state after; /* the run's end */
	int mapped; /* through memory it may have been written */
} rn_looked_file;

typedef struct rn_counted rn_counted;

#define RN_METERED_BUCKETS 160
#define RN_METERED_WAYS 2 /* bytes: read, written */

/* Calls of one name, by one program; times in ns. See metrics.h and histogram.h. */
typedef struct {
	const char *call;
	const char *program; /* as spans show it; "" = not known */
	int32_t pid; /* 0 = not told apart */
	int rest; /* all that is beyond the limit */
	uint64_t count; /* that returned */
	uint64_t zero; /* of these, in no time at all */
	uint64_t sum;
	uint64_t shortest;
	uint64_t longest;
	int32_t scale;
	int32_t offset; /* index of the first bucket */
	uint32_t buckets;
	uint64_t bucket[RN_METERED_BUCKETS];
	int moved[RN_METERED_WAYS]; /* whether there is anything to tell in… */
	uint64_t bytes[RN_METERED_WAYS];
	uint64_t unfinished; /* that did not return; not in count */
	uint64_t slowest; /* since it was last asked for; its end, monotonic; its span, 0 = none */
	uint64_t slowest_at;
	uint64_t slowest_span;
	uint8_t slowest_trace[16];
} rn_metered_calls;

typedef struct {
	const char *call;
	const char *program;
	int32_t pid;
	int rest;
	int32_t err;
	uint64_t count;
} rn_metered_errors;

typedef struct rn_meter rn_meter;
typedef struct rn_metered rn_metered;

/* Where spans are at one moment: made = dropped + queued + taken from the queue, or not yet. */
typedef struct {
	uint64_t calls; /* that have begun, lost ones included */
	uint64_t open_calls; /* whose entry was interpreted, and no exit */
	uint64_t processes; /* that live */
	uint64_t made; /* spans for OTLP */
	uint64_t making; /* of these, in a block that is not full */
	uint64_t queued;
	uint64_t queued_bytes;
	uint64_t queue_bytes; /* at most */
	uint64_t dropped; /* the queue was full */
	uint64_t unmade; /* for which there was no memory; not in made */
} rn_flow;

int rn_api_version(void);

/* NULL on failure, with *fail filled. Strings and arrays are copied. */
rn_run *rn_run_new(const rn_config *config, rn_failure *fail);
/* Starts threads and command; returns when the command's exec has succeeded (0) or not (-1). */
int rn_run_start(rn_run *run, rn_failure *fail);
/* Once started, or failed to: errno of the i-th process to attach to, 0 = attached. */
int rn_run_attached(const rn_run *run, uint32_t i);
/* The calling process becomes the command, once a run in process `tracer`, at the other end of
   the socket, has it as adopt_pid. Returns on failure only: errno, or -1: no tracer. */
int rn_become(const char *const *argv, const char *const *envp, int fd, int tracer);
/* Waits until every tracee is gone and the consumer is done. 1 = done, 0 = timeout. */
int rn_run_wait(rn_run *run, int timeout_ms, rn_result *result);
/* Passes a signal on to the command that came to us at `since` (ns, monotonic), unless the command
   has had it from others, too. 0, or -errno: ESRCH = gone, EAGAIN = not started. */
int rn_run_signal(rn_run *run, int sig, uint64_t since);
/* Lets go of all tracees, which run on; ask again until the run has ended. Returns how many
   have been let go so far. */
int rn_run_let_go(rn_run *run);
/* Whether calls are filtered in the kernel: then nobody can be let go. */
int rn_run_is_filtered(rn_run *run);
/* Sends a signal to all that is still traced; see rn_engine_signal_all(). */
void rn_run_signal_all(rn_run *run, int sig);
/* The command's process id; 0 = not started, -1 = it has ended. */
int rn_run_command(const rn_run *run);
/* 1 = the command stands stopped by job control, 2 = so does all that it started, else 0. */
int rn_run_at_rest(rn_run *run);
/* 1 = no tracee is left; the outputs may still be at work. */
int rn_run_traced(const rn_run *run);
/* What the flight recorder has kept goes out, for the reason RN_FLOWN_ASKED. Any thread. */
void rn_run_fly(rn_run *run, uint32_t why);
/* With flight_held: what was recorded is as it should be, or is not. Any thread. */
void rn_run_judge(rn_run *run, int violated);
/* What is not written yet will not be, and is counted. For a user who has waited enough. */
void rn_run_give_up(rn_run *run);
void rn_run_stats(rn_run *run, rn_stats *stats);
/* What RN_OUT_SUMMARY counted; NULL before the run is done, or without it. Lives as the run. */
const rn_counted *rn_run_summary(rn_run *run);
/* What RN_OUT_METRICS measures; NULL without it. Lives as the run. */
rn_meter *rn_run_meter(rn_run *run);
/* At any time, by any thread; 0 = the run measures nothing. */
int rn_run_flow(rn_run *run, rn_flow *to);
/*
 * Two processes on a ring. The producer's: its descriptor, valid as long as the run; and, once
 * nobody else reads it, what stands in it unread: it is read for this. 0, or -errno.
 */
int rn_run_ring(const rn_run *run);
/* From now on the consumer with this turn reads, and no other. */
void rn_run_offer(rn_run *run, uint64_t turn);
int rn_run_unread(rn_run *run, uint64_t *calls, uint64_t *events);
/* How many spans the consumer says that it has made. */
uint64_t rn_run_taken(const rn_run *run);
/* The consumer's: the producer is dead, what it left is all that comes; or, somebody else is to have
   the ring: what was taken from it is handed on, what is open is left. rn_run_wait() tells when. */
void rn_run_cut(rn_run *run);
void rn_run_leave(rn_run *run);
/* Once rn_run_traced(): fills the file with this number, valid as long as the run is; 0 = there is
   none. */
int rn_run_looked(const rn_run *run, uint32_t at, rn_looked_file *file);
/* How often a file was not looked at that a call may have changed. */
uint64_t rn_run_not_looked(const rn_run *run);
void rn_run_free(rn_run *run);

/* 1 = a block, 0 = timeout, -1 = no more will come. Blocks stay valid until released. */
int rn_block_take(rn_run *run, int out, int timeout_ms, rn_block *block);
void rn_block_release(rn_run *run, int out, rn_block *block);

/* Span id of counter value n under a key; never 0 for the counters that are used. */
uint64_t rn_span_id(uint64_t key0, uint64_t key1, uint64_t n);
/* The counter value of a span id under a key; some other number for ids that were never made. */
uint64_t rn_span_counter(uint64_t key0, uint64_t key1, uint64_t id);

/* What is secret in texts; see redact.h. */
typedef struct rn_redactor rn_redactor;

typedef struct {
	char what[120];
	int32_t pattern; /* which is wrong, from 0; -1: none of them */
	uint32_t at; /* byte of it, from 0 */
} rn_redactor_error;

/* Lists are NULL-ended, or NULL. NULL on failure, with *error filled. */
rn_redactor *rn_redactor_new(int defaults, const char *const *patterns, const char *const *keys,
			     rn_redactor_error *error);
void rn_redactor_free(rn_redactor *redactor);

#define RN_REDACT_TEXT 0 /* anything */
#define RN_REDACT_WORDS 1 /* of a command line, a NUL behind each */

/* The same without what is secret: how many bytes, at *made until the next call. One thread. */
uint64_t rn_redactor_apply(rn_redactor *redactor, int how, const char *data, uint64_t len,
			   const char **made);
/* How much was replaced so far. */
uint64_t rn_redactor_count(const rn_redactor *redactor);

/* Tables. */
int rn_table_number(int abi, const char *name); /* -1: no such call */
const char *rn_table_name(int abi, int nr); /* NULL: no such call */
int rn_table_limit(int abi);
int rn_native_abi(void);
const char *rn_table_signal(int sig);
const char *rn_table_errno(int err); /* "ENOENT"; NULL: no such errno */
const char *rn_table_edge(int kind); /* "fork"; NULL: no such kind */
uint32_t rn_table_flags(int abi, int nr); /* RN_CALL_* of syscalls.h; 0: no such call */
/* The kernel's name of a call's argument, and what it is: enum rn_arg_kind. NULL: it has none. */
const char *rn_table_argument(int abi, int nr, int arg, int *kind);
/* The value of a constant by which this argument is shown: O_CLOEXEC. 0: it has none of this name. */
int rn_table_value(int abi, int nr, int arg, const char *name, uint64_t *value);

/* The hash of `len` bytes: see content.h. */
void rn_content_hash(const void *data, uint64_t len, uint64_t hash[2]);

/* Offsets of the records in `data`; returns how many (at most `cap`), and in *used how
   many bytes whole, well-formed records take from the start. */
uint64_t rn_index_records(const void *data, uint64_t len, uint64_t *offsets, uint64_t cap,
			  uint64_t *used);

/* Rows, groups and buckets from place *at on (0 at first); returns how many, at most `cap`. */
uint64_t rn_counted_rows(const rn_counted *counted, uint64_t *at, rn_counted_row *to, uint64_t cap);
uint64_t rn_counted_groups(const rn_counted *counted, uint64_t *at, rn_counted_group *to,
			   uint64_t cap);
uint64_t rn_counted_buckets(const rn_counted *counted, uint64_t *at, rn_counted_bucket *to,
			    uint64_t cap);
/* Calls that could not be counted for want of memory. */
uint64_t rn_counted_missed(const rn_counted *counted);

/* The same from records of a TRACE file, fed in order. NULL = no memory. */
rn_counted *rn_counted_new(int by, int wall);
/* Returns how many bytes whole, well-formed records took. */
uint64_t rn_counted_feed(rn_counted *counted, const void *data, uint64_t len);
/* No more records: what is open is unfinished. */
void rn_counted_finish(rn_counted *counted);
void rn_counted_free(rn_counted *counted);

/* What was measured so far; `anew`: enum rn_anew of metrics.h, what begins anew. NULL = not now: no
   memory, or the consumer has waited for an output for a second. Then nothing is lost. Any thread, at
   any time. Freed by rn_metered_free(). */
rn_metered *rn_meter_take(rn_meter *meter, int anew);
void rn_metered_free(rn_metered *metered);
/* The series with this number, texts valid as long as `metered` is; 0 = there is none. */
int rn_metered_series(const rn_metered *metered, uint64_t at, rn_metered_calls *to);
int rn_metered_error(const rn_metered *metered, uint64_t at, rn_metered_errors *to);
/* Calls that could not be measured for want of memory. */
uint64_t rn_metered_missed(const rn_metered *metered);

/* A meter of records of a TRACE file, as rn_counted_new() and what follows it. */
rn_meter *rn_meter_new(int by_pid, uint32_t limit);
uint64_t rn_meter_feed(rn_meter *meter, const void *data, uint64_t len);
void rn_meter_finish(rn_meter *meter);
void rn_meter_free(rn_meter *meter);

/*
 * The filter's program for the calls of `wanted` and those that the engine needs: `action` for
 * them, else SECCOMP_RET_ALLOW. Writes at most `cap` instructions of 8 bytes (struct
 * sock_filter) to `out`; returns how many, 0: `cap` is too small.
 */
uint32_t rn_filter_program(const uint64_t *wanted, uint32_t action, void *out, uint32_t cap);

/*
 * For benchmarks: a thread fills the ring from memory with `calls` synthetic calls as
 * fast as the policy allows, or `rate` of them a second (0 = no such limit); the rest
 * of the data path is the real one. Used in place of rn_run_start().
 */
int rn_run_start_synthetic(rn_run *run, uint64_t calls, uint64_t rate, rn_failure *fail);

/*
 * A fed run (rn_config.fed) traces nothing: after rn_run_start() one thread of the
 * caller's gives records in order, then says the end. rn_run_feed() takes one
 * record, by the run's policy when the ring is full: 0, -EINVAL where it is not a
 * record or the end was said, -ENOBUFS where there is no room: the caller counts it.
 */
int rn_run_feed(rn_run *run, const void *record, uint64_t len);
void rn_run_feed_end(rn_run *run, int wait_status, uint64_t stops, uint64_t tracer_ns);

#endif
