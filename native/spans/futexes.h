/* SPDX-License-Identifier: MIT */
/*
 * From who wakes to who was woken, by the word of memory that both name. Inner part of spans/.
 * The end of a thread wakes, too: it clears the word that clone or set_tid_address named.
 */
#ifndef RENACER_SPANS_FUTEXES_H
#define RENACER_SPANS_FUTEXES_H

#include "edges_private.h"

struct futexes;

/* `wanted`: calls that are recorded, NULL = all; `files`: it is known which are mapped. NULL: no
   memory. */
struct futexes *rn_futexes_create(const uint64_t *wanted, bool files);
void rn_futexes_destroy(struct edges *edges, struct futexes *futexes);
/* From here on threads may be woken by what is not seen. */
void rn_futexes_unseen(struct futexes *futexes, const char *why);

/* `kind`: of the call; any, where the thread has waited before. A call that never ended (RN_FLAG_UNFINISHED) wakes and was woken, perhaps. */
void rn_futexes_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		      unsigned kind);
void rn_futexes_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		     unsigned kind, struct joined *joined);
/* A thread is gone: what it did stays a cause of those that wait. */
void rn_futexes_gone(struct edges *edges, struct thread *thread, uint64_t seq);

#endif
