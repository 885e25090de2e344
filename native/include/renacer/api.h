/* SPDX-License-Identifier: MIT */
/*
 * What Python sees of the core. Read by the C compiler and by cffi, which takes
 * plain declarations only: lines that start with # (but for `#define NAME number`)
 * are skipped by the generator.
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

/* rn_config.filter: whether the kernel lets through what is not wanted; see engine.h */
#define RN_SECCOMP_OFF 0
#define RN_SECCOMP_AUTO 1
#define RN_SECCOMP_ON 2

typedef struct {
	const char *const *argv; /* NULL = no command */
	const char *const *envp;
	const int32_t *attach;   /* processes to attach to */
	uint32_t attach_count;
	int32_t adopt_pid;       /* the process that is to be the command, 0 = a new one… */
	int32_t adopt_fd;        /* …and a socket to it; see rn_become() */
	uint32_t outputs;
	int text_fd;
	uint32_t text_flags;
	uint32_t text_column;    /* where results start; 0 = 40 */
	const char *text_prefix; /* not NULL: each thread's text goes to a file, this and .TID */
	int text_append;         /* such files are not emptied first */
	uint32_t string_limit;
	uint32_t describe_fds; /* RN_FDS_*, see engine.h */
	int peaks;             /* ends of programs tell how much memory they had resident */
	int hashes;            /* records of what is written or sent carry its hash */
	int source;         /* which code made each call is recorded, and shown by its source */
	/* Whom the command runs as, if change_user. */
	int change_user;
	uint32_t uid, gid;
	const uint32_t *groups;
	uint32_t group_count;
	int follow;         /* 0 = --no-follow */
	uint32_t max_depth; /* generations of processes below the command that are followed */
	int filter;         /* RN_SECCOMP_* */
	int no_new_privs;   /* set it for the filter */
	int cpu;            /* RN_CPU_* */
	int on_full;        /* RN_ON_FULL_* */
	uint64_t block_limit_ns;
	uint64_t ring_bytes;
	uint64_t batch_bytes;  /* soft limit of an OTLP or JSON block; a block is cut before it
	                          would grow past 3.5 MiB */
	uint64_t queue_bytes;  /* blocks waiting for the network; more are dropped, counted */
	uint32_t disable;
	int propagate;         /* write TRACEPARENT at exec */
	int fed;               /* records come by rn_run_feed(), from another engine: python */
	uint8_t trace_id[16];
	uint64_t parent_span_id; /* 0 = a new trace */
	int parent_is_remote;
	uint8_t trace_flags;
	uint64_t id_key[2];
	uint64_t lamport_seed;  /* greatest Lamport time heard of, from tracestate */
	const char *tracestate; /* for spans; "" = none */
	const char *options;    /* for the root span */
	uint64_t realtime_anchor;
	uint64_t monotonic_anchor;
	const uint64_t *wanted; /* bitmaps of call numbers, 9 words of 64 an ABI (RN_ABI_COUNT
	                           of them), or NULL = all */
	/* Of what is recorded, what is written as text and spans; see rn_selection. Records
	   are all kept. */
	uint64_t hidden_signals;       /* bit signal - 1 */
	uint32_t hidden_statuses;
	const char *const *paths;      /* NULL-ended, or NULL = all */
	const int32_t *path_fds;
	uint32_t path_fd_count;
	int summary_by;   /* RN_BY_* */
	int summary_wall; /* wall time and buckets of it; else system CPU time */
} rn_config;

#define RN_FAIL_NONE 0
#define RN_FAIL_NOT_FOUND 1      /* no such command */
#define RN_FAIL_NOT_EXECUTABLE 2
#define RN_FAIL_PTRACE 3         /* ptrace refused */
#define RN_FAIL_MEMORY 4         /* no memory for the ring */
#define RN_FAIL_KERNEL 5         /* kernel too old */
#define RN_FAIL_SYSTEM 6         /* fork, pipe, thread */
#define RN_FAIL_ATTACH 7         /* none of the processes; see rn_run_attached() */
#define RN_FAIL_FILTER 8         /* the seccomp filter was refused */
#define RN_FAIL_ABANDONED 9      /* the process to be the command could not, and tells why */

typedef struct {
	int code;      /* RN_FAIL_* */
	int err;       /* errno */
	char what[64]; /* the system call that failed */
} rn_failure;

typedef struct {
	const void *data;
	uint64_t len;
	uint64_t spans;     /* spans (RN_OUT_RECORD: records) in it */
	uint64_t first_seq; /* RN_OUT_RECORD: seq of the first record */
	void *owner;        /* for rn_block_release() */
} rn_block;

typedef struct {
	uint64_t events;
	uint64_t calls;
	uint64_t errors;
	uint64_t signals;
	uint64_t processes;
	uint64_t threads;
	uint64_t unfinished;
	uint64_t lost_calls;    /* the ring was full */
	uint64_t lost_events;
	uint64_t dropped_spans; /* the queue to the network was full */
	uint64_t spans;         /* spans made, dropped ones included */
	uint64_t text_lost;     /* lines that could not be written */
	uint64_t corrupt;       /* how often the ring was damaged */
	int text_errno;         /* why */
	uint64_t tracer_ns;
	uint64_t added_ns;      /* by tracing to the command's time: an estimate */
	uint64_t wall_ns;
	uint64_t stops;
	uint64_t ring_peak;
	int cpu_shared;         /* 1 while tracer and tracees share a CPU */
	int seccomp;            /* 1 = the seccomp filter is on, 0 = there is none, else -errno */
	uint64_t filtered;      /* calls of which no span or line was made, by selection */
} rn_stats;

typedef struct {
	int wait_status; /* of the command, if there is one */
	int ended;
} rn_result;

/* Of a summary: who or what calls are counted for; the first takes all that has no other. */
typedef struct {
	uint64_t ordinal; /* of the process; 0 = no process or thread */
	int32_t pid;
	int32_t tid;      /* 0 = a process, which names its threads too */
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
	uint64_t time;       /* ns */
	uint64_t shortest;
	uint64_t longest;
	uint64_t sampled; /* durations in buckets; fewer than calls: there was no more room */
} rn_counted_row;

typedef struct {
	uint32_t row;
	uint64_t value; /* ns: within 1/256 of each of… */
	uint64_t count; /* …so many durations */
} rn_counted_bucket;

typedef struct rn_counted rn_counted;

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
/* What is not written yet will not be, and is counted. For a user who has waited enough. */
void rn_run_give_up(rn_run *run);
void rn_run_stats(rn_run *run, rn_stats *stats);
/* What RN_OUT_SUMMARY counted; NULL before the run is done, or without it. Lives as the run. */
const rn_counted *rn_run_summary(rn_run *run);
void rn_run_free(rn_run *run);

/* 1 = a block, 0 = timeout, -1 = no more will come. Blocks stay valid until released. */
int rn_block_take(rn_run *run, int out, int timeout_ms, rn_block *block);
void rn_block_release(rn_run *run, int out, rn_block *block);

/* Span id of counter value n under a key; never 0 for the counters that are used. */
uint64_t rn_span_id(uint64_t key0, uint64_t key1, uint64_t n);
/* The counter value of a span id under a key; some other number for ids that were never made. */
uint64_t rn_span_counter(uint64_t key0, uint64_t key1, uint64_t id);

/* Tables. */
int rn_table_number(int abi, const char *name); /* -1: no such call */
const char *rn_table_name(int abi, int nr);     /* NULL: no such call */
int rn_table_limit(int abi);
int rn_native_abi(void);
const char *rn_table_signal(int sig);
const char *rn_table_errno(int err);  /* "ENOENT"; NULL: no such errno */
const char *rn_table_edge(int kind); /* "fork"; NULL: no such kind */
uint32_t rn_table_flags(int abi, int nr);   /* RN_CALL_* of syscalls.h; 0: no such call */
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

/*
 * Records of a TRACE file interpreted once more: columns of what came out. Sequence numbers are of
 * events, from 1; 0 = there is none. Times: CLOCK_MONOTONIC, ns. Threads are indices into their
 * column: a kernel's id may be used again, an index is not.
 */
typedef struct {
	uint64_t seq; /* of its entry */
	uint64_t end; /* of its exit; 0 = it has none */
	uint64_t t0;
	uint64_t t1;
	uint64_t lamport_start;
	uint64_t lamport_end;
	int64_t result;
	uint32_t thread;
	int32_t nr;
	uint16_t flags;      /* RN_FLAG_* of event.h */
	uint8_t abi;
	uint8_t incomplete;  /* 1 = causes of it may be missing */
	uint32_t zero;
} rn_replay_call;

/* What is no call: starts, execs, exits, signals, stops. */
typedef struct {
	uint64_t seq;
	uint64_t t;
	uint64_t value; /* args[1] of its record: an exit's wait status */
	uint32_t thread;
	int32_t nr;     /* signal */
	uint32_t kind;  /* enum rn_kind of event.h */
	uint32_t last;  /* 1 = an exit, and its process has ended with it */
} rn_replay_event;

/* An effect and one of its causes: struct rn_edge of span.h. */
typedef struct {
	uint64_t cause;  /* a call's entry, or an event */
	uint64_t effect; /* the entry of the call at whose exit it is, or an event */
	uint64_t cause_lamport;
	uint64_t effect_lamport;
	int32_t cause_tid;
	int32_t effect_tid;
	uint32_t kind;    /* enum rn_edge_kind: see rn_table_edge() */
	uint32_t certain; /* 1 = nothing else can have been the cause */
} rn_replay_edge;

#define RN_REPLAY_NO_THREAD 4294967295

typedef struct {
	uint64_t ordinal; /* of its process */
	int32_t tid;
	int32_t pid;
	uint32_t maker;   /* thread; RN_REPLAY_NO_THREAD = not known */
	uint32_t zero;
} rn_replay_thread;

/* In the order of their ends; one that an exec moved into another trace comes once for each. */
typedef struct {
	uint64_t ordinal;
	uint64_t t_start;
	uint64_t t_end;
	uint64_t lamport_start;
	uint64_t lamport_end;
	uint64_t calls;
	uint64_t errors;
	uint64_t exe_at;      /* the program's path: bytes of rn_replay_names() */
	uint32_t exe_len;
	int32_t pid;
	int32_t parent_pid;
	int32_t wait_status;  /* if ended */
	uint32_t ended;
	uint32_t superseded;
	uint64_t peak;        /* bytes that it had resident at most, as far as that is known */
	uint32_t peak_known;  /* 1 = until its end */
	uint32_t shares;      /* 1 = it ended in its maker's memory */
} rn_replay_process;

/* A descriptor, and the object of the kernel's that it means: struct rn_object_id of event.h. */
typedef struct {
	uint64_t object; /* the same number = the same object; never used again */
	uint64_t inode;  /* 0 = none, or not known */
	uint32_t dev_major, dev_minor;
	uint32_t opens;   /* descriptors of traced processes, and messages with them under way */
	uint32_t readers; /* of these, through which can be read… */
	uint32_t writers; /* …and written */
	int32_t fd;
	uint32_t kind;    /* enum rn_object_kind */
	uint32_t ways;    /* RN_WAY_* */
	uint32_t cloexec; /* 1 = an exec closes it */
	uint32_t foreign; /* 1 = untraced processes may have the object, too */
} rn_replay_descriptor;

/* What is known of the bytes that a call wrote or sent: nothing (it did not, or hashes were not asked
   for); their hash; that its memory could not be read, not all of it; that they were in no memory that
   can be read at its exit (sendfile, splice, copy_file_range, io_uring, …). */
#define RN_CONTENT_NONE 0
#define RN_CONTENT_HASHED 1
#define RN_CONTENT_UNREAD 2
#define RN_CONTENT_UNSEEN 3

/* What a call was given, and is about: of the call in the same row. Texts: rows of
   rn_replay_texts(); 0 = none, or not known. */
typedef struct {
	uint64_t args[6];
	uint64_t
		object; /* that `fd` means at its entry, or that it made: as in rn_replay_descriptor */
	uint32_t path; /* the one that was opened, its first path argument as given, or that by
	                        which its object was opened last */
	uint32_t other_path; /* its second path argument: rename, link, symlink */
	uint32_t
		peer; /* address of the other end: "192.0.2.1:80", "[::1]:80"; a Unix socket's name,
	                        an abstract one after "@"; of the call, or of its object before */
	int32_t fd; /* the new descriptor, or its first descriptor argument; -1 = none */
	uint32_t content; /* RN_CONTENT_* */
	uint32_t polls; /* 1 = a poll, select or epoll_wait with a timeout of 0 */
	uint32_t source; /* where it was made: row of rn_replay_sources(); 0 = not recorded */
	uint32_t zero;
	uint64_t hashed; /* RN_CONTENT_HASHED: how many bytes it wrote or sent… */
	uint64_t hash[2]; /* …and their hash: see content.h */
} rn_replay_detail;

/* Where calls were made: struct rn_site of span.h, with texts by their rows. */
typedef struct {
	uint64_t offset; /* in `module` */
	uint32_t path; /* of the source file */
	uint32_t file; /* the same as shown: src/main.c */
	uint32_t function;
	uint32_t module; /* the file that the code is from */
	uint32_t line; /* 0 = not known */
	uint32_t how; /* enum rn_source_how of event.h */
} rn_replay_source;

/* The call in the same row as strace would show it: what its program chose, not what the kernel told
   it. */
typedef struct {
	uint32_t
		text; /* arguments, 0x1f between two; not those that are filled by the call, contents
	                  and their lengths, addresses, folders. For 0x01 read the details' path, for
	                  0x02 their other path, for 0x03 their object, for 0x04 `other`; 0x05 comes
	                  before the number of a process */
	uint32_t other; /* path or peer of the second descriptor's object; of a call that has none
	                     the folder that its first path is relative to */
	int32_t other_fd; /* the second descriptor argument; -1 = none */
	uint8_t kind; /* enum rn_object_kind + 1 of the first one's object; 0 = not known */
	uint8_t foreign; /* 1 = untraced processes may have that object, too */
	uint16_t zero;
} rn_replay_shown;

typedef struct {
	uint64_t at; /* bytes of rn_replay_text_bytes() */
	uint32_t len;
	uint32_t hash;
} rn_replay_text;

/* The `text` of rn_replay_shown for a call of which only the six arguments are known, as words: what
   they point to is not in it, but for paths, which the caller knows. Returns its bytes; at most `max`
   of them are written. */
uint32_t rn_replay_words(uint8_t abi, int32_t nr, const uint64_t *args, char *to, uint32_t max);

typedef struct rn_replay rn_replay;

/* `key`: of the span ids; `wanted`: as rn_config's, of the run, NULL = all: edges need to know which
   calls were left out; `max_bytes`: of all columns; what does not fit is counted. NULL = no memory. */
rn_replay *rn_replay_new(uint64_t key0, uint64_t key1, uint64_t lamport_seed,
			 const uint64_t *wanted, uint64_t max_bytes);
/* Asks for details, before any record is fed. 0: no memory, or too late. */
int rn_replay_want_details(rn_replay *replay);
/* Asks for a listing (encode.h), with the sources of calls if they were recorded and `sources` is
   not 0, before any record is fed. 0: too late, or no memory. */
int rn_replay_want_listing(rn_replay *replay, uint64_t realtime_anchor, uint64_t monotonic_anchor,
			   uint32_t string_limit, int sources);
/* Asks for what calls show, after details, before any record is fed. 0: no memory, or too late. */
int rn_replay_want_shown(rn_replay *replay);
/* Records in order. Returns how many bytes whole, well-formed records took. */
uint64_t rn_replay_feed(rn_replay *replay, const void *data, uint64_t len);
/* The descriptors that a thread has after the records so far, by number: the first `max` of them from
   `first` on. Returns how many these are; 0 too once finished. */
uint32_t rn_replay_descriptors(const rn_replay *replay, int32_t tid, int32_t first,
			       rn_replay_descriptor *to, uint32_t max);
/* No more records: what is open is unfinished. Columns stay as they are until the end. */
void rn_replay_finish(rn_replay *replay);
void rn_replay_free(rn_replay *replay);
const rn_replay_call *rn_replay_calls(const rn_replay *replay, uint64_t *n);
const rn_replay_event *rn_replay_events(const rn_replay *replay, uint64_t *n);
const rn_replay_edge *rn_replay_edges(const rn_replay *replay, uint64_t *n);
const rn_replay_thread *rn_replay_threads(const rn_replay *replay, uint64_t *n);
const rn_replay_process *rn_replay_processes(const rn_replay *replay, uint64_t *n);
const char *rn_replay_names(const rn_replay *replay, uint64_t *n);
/* As many as calls, if asked for; else none. */
const rn_replay_detail *rn_replay_details(const rn_replay *replay, uint64_t *n);
/* The first is empty. */
const rn_replay_source *rn_replay_sources(const rn_replay *replay, uint64_t *n);
const rn_replay_shown *rn_replay_shown_rows(const rn_replay *replay, uint64_t *n);
/* Distinct; the first is empty. */
const rn_replay_text *rn_replay_texts(const rn_replay *replay, uint64_t *n);
const char *rn_replay_text_bytes(const rn_replay *replay, uint64_t *n);
/* What of the listing the last feed, or the end, has made; it stands until the next. NULL: no memory,
   or none was asked for. */
const char *rn_replay_listing(const rn_replay *replay, uint64_t *n);
/* Once finished: the end of the document, behind what the finish has made. */
void rn_replay_end_listing(rn_replay *replay, int exit_code);
/* Rows that are missing for want of memory. */
uint64_t rn_replay_missed(const rn_replay *replay);

/*
 * The filter's program for the calls of `wanted` and those that the engine needs: `action` for
 * them, else SECCOMP_RET_ALLOW. Writes at most `cap` instructions of 8 bytes (struct
 * sock_filter) to `out`; returns how many, 0: `cap` is too small.
 */
uint32_t rn_filter_program(const uint64_t *wanted, uint32_t action, void *out, uint32_t cap);

/*
 * For benchmarks: a thread fills the ring from memory with `calls` synthetic calls as
 * fast as the policy allows; the rest of the data path is the real one. Used in place
 * of rn_run_start().
 */
int rn_run_start_synthetic(rn_run *run, uint64_t calls, rn_failure *fail);

/*
 * A fed run (rn_config.fed) traces nothing: after rn_run_start() one thread of the
 * caller's gives records in order, then says the end. rn_run_feed() takes one
 * record, by the run's policy when the ring is full: 0, -EINVAL where it is not a
 * record or the end was said, -ENOBUFS where there is no room: the caller counts it.
 */
int rn_run_feed(rn_run *run, const void *record, uint64_t len);
void rn_run_feed_end(rn_run *run, int wait_status, uint64_t stops, uint64_t tracer_ns);

#endif
