/* SPDX-License-Identifier: MIT */
/*
 * Records of a TRACE file interpreted once more: columns of what came out. Sequence numbers are of
 * events, from 1; 0 = there is none. Times: CLOCK_MONOTONIC, ns. Threads are indices into their
 * column: a kernel's id may be used again, an index is not.
 *
 * Python sees it as it sees api.h: the same declarations only.
 */
#ifndef RENACER_REPLAY_H
#define RENACER_REPLAY_H

#include <stdint.h>

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
	/* That `fd` means at its entry, or that it made: as in rn_replay_descriptor. */
	uint64_t object;
	/* The one that was opened, its first path argument as given, or that by which its object
	   was opened last. */
	uint32_t path;
	uint32_t other_path; /* its second path argument: rename, link, symlink */
	/* Address of the other end: "192.0.2.1:80", "[::1]:80"; a Unix socket's name, an abstract
	   one after "@"; of the call, or of its object before. */
	uint32_t peer;
	int32_t fd; /* the new descriptor, or its first descriptor argument; -1 = none */
	uint32_t content; /* RN_CONTENT_* */
	uint32_t polls; /* 1 = a poll, select or epoll_wait with a timeout of 0 */
	uint32_t source; /* where it was made: row of rn_replay_sources(); 0 = not recorded */
	uint32_t own_end; /* text: the own address of a connection that the call made, or that bind
			     was given or getsockname has told */
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
   it. `path`, `other_path`: of the details, from where the command began: the folders of their
   processes and of descriptors are put before them. */
typedef struct {
	/* Arguments, 0x1f between two; not those that are filled by the call, contents and their
	   lengths, addresses, folders. For 0x01 read `path`, for 0x02 `other_path`, for 0x03 the
	   details' object, for 0x04 `other`; 0x05 comes before the number of a process. */
	uint32_t text;
	uint32_t path;
	uint32_t other_path;
	uint32_t other; /* path or peer of the second descriptor's object */
	int32_t other_fd; /* the second descriptor argument; -1 = none */
	/* What descriptors mean that the call's messages pass on (SCM_RIGHTS): of each, in their
	   order, its kind, its standard (as below) and the row of its path's or peer's text, as
	   decimal numbers with a comma between two and a semicolon at the end. */
	uint32_t passed;
	uint8_t kind; /* enum rn_object_kind + 1 of the first one's object; 0 = not known */
	uint8_t foreign; /* 1 = untraced processes may have that object, too */
	/* Bits 0 to 2: that object was descriptor 0, 1, 2 of a process as it began that none of the
	   run made; the same of the second descriptor's. */
	uint8_t standard, other_standard;
	uint8_t messages; /* 1 = it is a socket that keeps messages apart, or a queue of messages */
	uint8_t zero[3];
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
/* Asks for contents that are the same wherever the run began: of RN_PIECE_PORTABLE where there is one;
   after details, before any record is fed. 0: too late. */
int rn_replay_want_portable(rn_replay *replay);
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

#endif
