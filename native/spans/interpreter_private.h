/* SPDX-License-Identifier: MIT */
/* The interpreter from inside: what its files share. */
#ifndef RENACER_SPANS_INTERPRETER_PRIVATE_H
#define RENACER_SPANS_INTERPRETER_PRIVATE_H

#include "renacer/interpret.h"

#include "process.h"
#include "selection.h"

#define OBSERVERS 5

struct edges;

struct rn_interpreter {
	struct rn_interpreter_config config;
	struct rn_observer observers[OBSERVERS];
	unsigned n_observers;
	struct tables tables;
	struct rn_totals totals;
	struct rn_selector *selector; /* NULL = all is told */
	struct edges *edges;
	struct object_space *objects; /* NULL = nobody asks for them, or they cannot be followed */
	bool has_tables; /* all that changes descriptors is recorded: edges may go by them */
	uint64_t beginning; /* Lamport time that nobody's is less than */
	uint64_t greatest; /* Lamport time of any event */
	uint64_t last_time;
	uint64_t last_seq; /* of a record that was fed */
	uint64_t open_calls; /* threads in a call whose entry went ahead */
	uint64_t next_seq; /* of what comes after it */
	int command_status;
	bool command_ended;
	bool propagates; /* execs look at TRACEPARENT */
};

#define TELL(in, member, ...)                                                                      \
	do {                                                                                       \
		for (unsigned tell_i = 0; tell_i < (in)->n_observers; tell_i++)                    \
			if ((in)->observers[tell_i].member)                                        \
				(in)->observers[tell_i].member((in)->observers[tell_i].ctx,        \
							       __VA_ARGS__);                       \
	} while (0)

/* interpreter.c */
/* The next event of a thread, after `cause`; returns its Lamport time. */
uint64_t rn_advance(struct rn_interpreter *in, struct thread *thread, uint64_t cause);
/* Ends the open call of a thread that will not come back from it. `flags` go to the call. */
void rn_abandon(struct rn_interpreter *in, struct thread *thread, uint64_t when, uint16_t flags);

/* Whether the call that a thread is in will have a span to link to, if it succeeds. */
bool rn_has_span(const struct rn_interpreter *in, const struct thread *thread);

/* births.c: threads and processes come, change and go */
/* A thread by its id; not one whose process has ended. */
struct thread *rn_find_thread(struct rn_interpreter *in, int32_t tid, uint64_t when);
/* The thread of a record; one that no record announced gets a process of its own. NULL: no memory. */
struct thread *rn_thread_of(struct rn_interpreter *in, const struct rn_event *ev);
/* Forgets a thread that is gone, with its process if it was the last. */
void rn_drop_thread(struct rn_interpreter *in, struct thread *thread, uint64_t when);
void rn_interpret_start(struct rn_interpreter *in, const struct rn_event *ev);
void rn_interpret_exec(struct rn_interpreter *in, const struct rn_event *ev);
void rn_interpret_exit(struct rn_interpreter *in, const struct rn_event *ev);

#endif
