/* SPDX-License-Identifier: MIT */
/*
 * From the call that sent a signal to its delivery, or to the call that took it. Inner part of
 * spans/.
 */
#ifndef RENACER_SPANS_SIGNALS_H
#define RENACER_SPANS_SIGNALS_H

#include "edges_private.h"

struct signals;

/* `wanted`: calls that are recorded, NULL = all. NULL: no memory. */
struct signals *rn_signals_create(const uint64_t *wanted);
void rn_signals_destroy(struct signals *signals);

/* `kind`: of the call, enum call_kind. */
void rn_signals_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		      unsigned kind);
void rn_signals_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		     unsigned kind, struct joined *joined);
/* A thread is gone, before its process: what was sent to it alone is not delivered any more; but
   what ends one ends all. */
void rn_signals_thread_gone(struct edges *edges, const struct thread *thread);
/* A process is gone: what was sent to it is not delivered any more. */
void rn_signals_gone(struct edges *edges, const struct process *process);

/* SIGKILL ends `thread`, which nobody sees delivered; its process too if `last`. */
void rn_signals_killed(struct edges *edges, const struct thread *thread, bool last,
		       struct joined *joined);

/* What a signal carries, siginfo(7). */
struct signal_info {
	int32_t sig, code, pid;
	bool unknown; /* but for sig */
	bool has_value;
	uint64_t value;
};
/* One has arrived at `thread`. */
void rn_signals_arrived(struct edges *edges, struct thread *thread, const struct signal_info *info,
			struct joined *joined);
/* A signal has, and it is not known which. */
void rn_signals_unknown(struct edges *edges, const struct thread *thread, struct joined *joined);

/* signal_reads.c: a read of a signalfd has ended. */
void rn_signals_read(struct edges *edges, struct thread *thread, const struct rn_call *call,
		     struct joined *joined);

#endif
