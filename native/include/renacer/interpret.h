/* SPDX-License-Identifier: MIT */
/*
 * The interpreter: from records, in ring order, to finished calls and processes
 * with ids, parents and Lamport times. The same for every engine. One thread.
 *
 * Lamport time is kept per thread: +1 for each event, max(own, causes') + 1 at an
 * effect; see docs/spans.md for what causes what.
 */
#ifndef RENACER_INTERPRET_H
#define RENACER_INTERPRET_H

#include "renacer/ids.h"
#include "renacer/span.h"

struct rn_observer {
	void *ctx;
	/* Every member may be NULL. What they are given is borrowed for the call. */
	void (*enter)(void *ctx, const struct rn_call *call); /* went ahead of its exit */
	void (*call)(void *ctx, const struct rn_call *call);  /* finished, or never will */
	/* The same of all calls, also of those that the selection leaves out. */
	void (*counted)(void *ctx, const struct rn_call *call);
	void (*begin)(void *ctx, const struct rn_process *process);   /* a process span began… */
	void (*process)(void *ctx, const struct rn_process *process); /* …and ended; it is where
									 it was all the time */
	void (*signal)(void *ctx, const struct rn_signal_event *signal);
	void (*exit)(void *ctx, const struct rn_event *ev, uint32_t live); /* a thread ended */
	void (*gap)(void *ctx, const struct rn_event *ev);
	void (*live)(void *ctx, uint32_t live); /* the number of threads grew */
	/* Between two threads; before the call that is its effect is told. */
	void (*edge)(void *ctx, const struct rn_edge *edge);
};

/* How a call ended; bits of rn_selection.hidden_statuses. */
enum {
	RN_STATUS_SUCCESSFUL = 1u << 0,
	RN_STATUS_FAILED = 1u << 1,
	RN_STATUS_UNFINISHED = 1u << 2,
	RN_STATUS_UNAVAILABLE = 1u << 3, /* strace's; this interpreter always knows */
	RN_STATUS_DETACHED = 1u << 4 /* of attached processes */
};

/*
 * Of what the engine recorded, what the observers are told. All zero: everything. Calls
 * that are not told are counted (rn_totals.filtered) and do all that calls do to clocks
 * and processes.
 */
struct rn_selection {
	uint64_t hidden_signals; /* bit signal - 1 */
	uint32_t hidden_statuses; /* RN_STATUS_* */
	/* Calls with one of these paths as an argument, byte for byte, or with a descriptor
	   that was opened by one; NULL-ended; NULL = all calls. */
	const char *const *paths;
	const int32_t *fds; /* the command's descriptors of these paths from its start on */
	uint32_t n_fds;
	/* Calls asked for, of those recorded: where paths are given the engine records more,
	   to follow descriptors by (rn_selection_widen()); those count as calls nowhere.
	   RN_ABI_COUNT * RN_ABI_WORDS words, or NULL = all. */
	const uint64_t *wanted;
};

/* Adds the calls that descriptors are followed by to a bitmap of RN_ABI_COUNT * RN_ABI_WORDS words. */
void rn_selection_widen(uint64_t *wanted);
/* Whether a bitmap (NULL = all) holds a call. */
bool rn_selection_is_wanted(const uint64_t *wanted, uint8_t abi, int32_t nr);
/* Whether it holds every call called `name`. */
bool rn_selection_has_all(const uint64_t *wanted, const char *name);

struct rn_interpreter_config {
	bool no_edges; /* causes in other threads are not looked for, to see what that costs */
	struct rn_selection selection;
	uint8_t trace_id[16];
	uint8_t trace_flags;
	uint64_t parent_span_id; /* of the run; 0 = none */
	bool parent_is_remote;
	struct rn_id_key key;
	uint64_t lamport_seed;
	bool resumed; /* another interpreter had the records before these, and is no more; its… */
	uint64_t lamport_resumed; /* …greatest time */
	const char *tracestate;
	uint64_t t_start; /* CLOCK_MONOTONIC of the run */
	const char *engine, *command, *options;
};

struct rn_interpreter;

/* NULL: no memory. Strings are borrowed for its whole life. */
struct rn_interpreter *rn_interpreter_create(const struct rn_interpreter_config *config,
					     const struct rn_observer *observers, unsigned n);
void rn_interpreter_destroy(struct rn_interpreter *in);

/* One record that rn_event_check() accepted; `ev` must stay valid during the call only. */
void rn_interpreter_feed(struct rn_interpreter *in, const struct rn_event *ev);
/* All records of `data`, aligned for words, until one is none; returns the bytes of those fed. */
uint64_t rn_interpreter_feed_all(struct rn_interpreter *in, const void *data, uint64_t len);

struct rn_descriptor {
	int32_t fd;
	bool cloexec; /* an exec closes it */
	uint64_t object; /* the same number = the same object; never used again */
	struct rn_object_id id; /* its object's, with its own ways */
	uint32_t opens, readers, writers; /* traced processes' and messages' descriptors of it */
	bool foreign; /* untraced processes may have it, too */
};

/* A thread's first descriptor from `first` on, after the records so far. false: none. */
bool rn_interpreter_descriptor(struct rn_interpreter *in, int32_t tid, int32_t first,
			       struct rn_descriptor *to);

/* The number of the object that a thread's descriptor means after the records so far; 0: not known. */
uint64_t rn_interpreter_object(struct rn_interpreter *in, int32_t tid, int32_t fd);

/* The number that the next record's first event has, if none is lost. */
uint64_t rn_interpreter_next(const struct rn_interpreter *in);

/* Of a call whose end has not been told: its process, and its entry. */
typedef void rn_open_call(void *ctx, const struct rn_process *process, const struct rn_event *entry,
			  uint64_t lamport);
/* All that will be told, as far as their entries say. */
void rn_interpreter_open(const struct rn_interpreter *in, rn_open_call *visit, void *ctx);

/* No more records: ends what is open as unfinished, and fills in the root span. */
void rn_interpreter_finish(struct rn_interpreter *in, struct rn_run_span *run);

/* Calls that threads are in, as far as their entries were fed. */
uint64_t rn_interpreter_open_calls(const struct rn_interpreter *in);
/* The greatest Lamport time so far. */
uint64_t rn_interpreter_lamport(const struct rn_interpreter *in);
const struct rn_totals *rn_interpreter_totals(const struct rn_interpreter *in);

#endif
