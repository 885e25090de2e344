/* SPDX-License-Identifier: MIT */
/* The interpreter's own books: threads by tid, processes. */
#ifndef RENACER_SPANS_TABLES_H
#define RENACER_SPANS_TABLES_H

#include "renacer/interpret.h"

#include "cause.h"

#include "objects.h"

struct carrying;
struct futex_wait;
struct next_links;
struct space;

struct process {
	struct rn_process pub; /* first: what the encoders see */
	uint32_t threads;      /* alive */
	uint64_t clock;        /* greatest of all its threads so far */
	uint8_t maker_trace[16];
	uint64_t maker_span;      /* the maker's process span */
	uint64_t maker_call_span; /* the span of its fork or clone; 0 = unknown… */
	uint8_t maker_call_trace[16]; /* …which is in this trace */
	uint64_t maker_call; /* seq of that call… */
	bool maker_call_in_part; /* …whose span is in the trace of its part */
	uint8_t maker_flags, maker_call_flags;
	struct rn_live_span maker_live; /* the application's span over that call */
	struct space *space;    /* of addresses; NULL = nothing is known */
	bool nested;            /* in a PID namespace that its maker was not in… */
	bool nests;             /* …as are processes that it makes */
	bool vforked;           /* its maker waits until it runs a program, or ends */
	bool ran;               /* a program of its own */
	struct cause image;     /* the entry of its first exec; seq 0 = not known */
	/* The maker's thread that went on before that exec was recorded, and is to have the link. */
	int32_t waiter; /* 0 = none */
	uint64_t waiter_ordinal, waiter_losses;
};

struct thread {
	struct thread *next;
	int32_t tid;
	struct process *process;
	uint64_t clock;
	bool open; /* in a call whose entry went ahead */
	bool selected; /* and which is told, as far as its entry says */
	bool is_cause; /* and which others may be effects of */
	bool called; /* the beginning or the end of a call of its was recorded */
	bool bears; /* which makes a thread or process, of which nothing was heard yet */
	uint64_t open_lamport;
	struct rn_event *entry; /* copy of that entry */
	uint32_t entry_cap;
	struct rn_live_span told; /* by the application, see live.h; valid or none */
	uint64_t clear_tid; /* word that its end clears and wakes; 0 = none */
	struct futex_wait *wait; /* futexes that it waits for, see futexes.c */
	struct next_links *next_links; /* causes told late, for the call that comes next */
	struct rn_live_span live; /* over the call that began last; valid or none */
	struct fd_user fds; /* its descriptors */
	struct operation *operation; /* of the call that it is in: see channels.h; NULL = none */
	struct lock_call *locking; /* what its call does to locks: see locks.h; NULL = nothing */
	struct carrying *carrying; /* of that call: see carriers.h; NULL = none */
	uint64_t entered; /* seq of its latest call's entry; 0 = none */
};

#define THREAD_BUCKETS 4096u /* a power of two */

struct tables {
	struct thread *bucket[THREAD_BUCKETS];
	struct thread *free;
	uint32_t live;
};

struct thread *rn_thread_find(struct tables *tables, int32_t tid);
struct thread *rn_thread_add(struct tables *tables, int32_t tid); /* NULL: no memory */
void rn_thread_remove(struct tables *tables, struct thread *thread);
void rn_thread_rename(struct tables *tables, struct thread *thread, int32_t tid);
/* Keeps a copy of the entry; false: no memory. */
bool rn_thread_open(struct thread *thread, const struct rn_event *entry);
void rn_tables_deinit(struct tables *tables);

#endif
