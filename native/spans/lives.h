/* SPDX-License-Identifier: MIT */
/* The ends of processes, and who is told of them. Inner part of spans/. */
#ifndef RENACER_SPANS_LIVES_H
#define RENACER_SPANS_LIVES_H

#include "edges_private.h"

struct lives;

struct lives *rn_lives_create(void); /* NULL: no memory */
void rn_lives_destroy(struct lives *lives);

/* A process has ended; `thread` was its last. */
void rn_lives_ended(struct edges *edges, const struct thread *thread, const struct rn_event *ev);
/* A pidfd of the process is ready: by the time of its end, which may yet be recorded. */
uint64_t rn_life_ready(struct edges *edges, int32_t pid);
/* A wait has returned. */
void rn_lives_waited(struct edges *edges, const struct thread *thread, const struct rn_call *call,
		     struct joined *joined);
/* A call that makes processes has returned: a vfork does when its child runs a program, or ends. */
void rn_lives_vforked(struct edges *edges, const struct thread *thread, const struct rn_call *call,
		      struct joined *joined);
/* A process runs a program; `image`: the exec, if it is its first. */
void rn_lives_ran(struct edges *edges, struct process *process);

#endif
