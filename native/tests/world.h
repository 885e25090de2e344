/* SPDX-License-Identifier: MIT */
/* A little world for tests of the interpreter: records fed one by one, and all that came out. */
#ifndef RENACER_TESTS_WORLD_H
#define RENACER_TESTS_WORLD_H

#include "records.h"
#include "renacer/interpret.h"

#define WORLD_TRACE "the-trace-of-run"
#define WORLD_SEED 1000u
#define WORLD_START 5000u
#define WORLD_PARENT 0xabcdu

struct seen_call {
	struct rn_call call; /* pointers in it are dead, but for desc */
	uint8_t trace_id[16];
	uint64_t process_span; /* of call.process when it was told */
	struct rn_link links[RN_CALL_LINKS];
};

struct seen_process {
	struct rn_process pub; /* pointers in it are dead, but for links' edges */
	char exe[64], name[64];
	unsigned calls_before; /* calls told before it */
};

struct world {
	struct rn_interpreter *in;
	struct rn_id_key key;
	uint64_t seq, now;
	struct seen_call *calls, *enters;
	struct seen_process *processes;
	struct rn_edge *edges;
	unsigned ncalls, nenters, nprocesses, nsignals, nexits, ngaps;
	unsigned nedges, calls_cap, enters_cap, processes_cap, edges_cap;
	uint32_t live;
	struct rn_run_span run;
	_Alignas(8) uint8_t record[RN_EVENT_MAX];
};

static inline void *world_room(void *list, unsigned n, unsigned *cap, size_t size)
{
	if (n < *cap)
		return list;
	*cap = *cap ? 2 * *cap : 64;
	list = realloc(list, *cap * size);
	CHECK(list);
	return list;
}

static inline void world_keep(struct seen_call *to, const struct rn_call *call)
{
	to->call = *call;
	memcpy(to->trace_id, call->trace_id, 16);
	to->process_span = call->process->ctx.span_id;
	CHECK(call->nlinks <= RN_CALL_LINKS);
	if (call->nlinks)
		memcpy(to->links, call->links, call->nlinks * sizeof(*call->links));
}

static inline void world_on_call(void *ctx, const struct rn_call *call)
{
	struct world *w = ctx;

	w->calls = world_room(w->calls, w->ncalls, &w->calls_cap, sizeof(*w->calls));
	world_keep(&w->calls[w->ncalls++], call);
}

static inline void world_on_enter(void *ctx, const struct rn_call *call)
{
	struct world *w = ctx;

	w->enters = world_room(w->enters, w->nenters, &w->enters_cap, sizeof(*w->enters));
	world_keep(&w->enters[w->nenters++], call);
}

static inline void world_on_process(void *ctx, const struct rn_process *process)
{
	struct world *w = ctx;
	struct seen_process *to;

	w->processes =
		world_room(w->processes, w->nprocesses, &w->processes_cap, sizeof(*w->processes));
	to = &w->processes[w->nprocesses++];
	to->pub = *process;
	to->calls_before = w->ncalls;
	snprintf(to->exe, sizeof(to->exe), "%s", process->exe);
	snprintf(to->name, sizeof(to->name), "%s", process->name);
}

static inline void world_on_signal(void *ctx, const struct rn_signal_event *signal)
{
	CHECK(signal->process && signal->ev);
	((struct world *)ctx)->nsignals++;
}

static inline void world_on_exit(void *ctx, const struct rn_event *ev, uint32_t live)
{
	CHECK_INT(ev->kind, RN_EXIT);
	((struct world *)ctx)->nexits++;
	((struct world *)ctx)->live = live;
}

static inline void world_on_gap(void *ctx, const struct rn_event *ev)
{
	CHECK_INT(ev->kind, RN_GAP);
	((struct world *)ctx)->ngaps++;
}

static inline void world_on_live(void *ctx, uint32_t live)
{
	((struct world *)ctx)->live = live;
}

static inline void world_on_edge(void *ctx, const struct rn_edge *edge)
{
	struct world *w = ctx;

	/* Never backwards, whatever the records say. */
	CHECK(edge->effect_lamport > edge->cause_lamport);
	w->edges = world_room(w->edges, w->nedges, &w->edges_cap, sizeof(*w->edges));
	w->edges[w->nedges++] = *edge;
}

/* `selection`: NULL = all is told. */
static inline void world_open_selecting(struct world *w, const struct rn_selection *selection)
{
	struct rn_observer observer = {.ctx = w,
				       .enter = world_on_enter,
				       .call = world_on_call,
				       .process = world_on_process,
				       .signal = world_on_signal,
				       .exit = world_on_exit,
				       .gap = world_on_gap,
				       .live = world_on_live,
				       .edge = world_on_edge};
	struct rn_interpreter_config config = {
		.trace_flags = 3,
		.parent_span_id = WORLD_PARENT,
		.parent_is_remote = true,
		.key = {11, 22},
		.lamport_seed = WORLD_SEED,
		.tracestate = "a=b",
		.t_start = WORLD_START,
		.engine = "test",
		.command = "cmd",
		.options = "-x",
	};

	if (selection)
		config.selection = *selection;
	memset(w, 0, sizeof(*w));
	w->key = config.key;
	w->now = WORLD_START;
	memcpy(config.trace_id, WORLD_TRACE, 16);
	w->in = rn_interpreter_create(&config, &observer, 1);
	CHECK(w->in);
}

static inline void world_open(struct world *w)
{
	world_open_selecting(w, NULL);
}

/* Ends the records; what came out stays until world_close(). */
static inline void world_finish(struct world *w)
{
	rn_interpreter_finish(w->in, &w->run);
}

static inline void world_close(struct world *w)
{
	rn_interpreter_destroy(w->in);
	free(w->calls);
	free(w->enters);
	free(w->processes);
	free(w->edges);
}

/* Checks and feeds the record that stands in w->record. */
static inline void world_feed(struct world *w)
{
	struct rn_event *ev = (struct rn_event *)w->record;

	CHECK_INT(rn_event_check(ev, sizeof(w->record)), ev->size);
	rn_interpreter_feed(w->in, ev);
	/* Whatever is needed later must have been copied. */
	memset(ev, 0xee, ev->size);
}

/* A record of the next instant, to be filled in further and fed. */
static inline struct rn_event *world_next(struct world *w, enum rn_kind kind, int32_t tid,
					  int32_t pid)
{
	struct rn_event *ev = record_begin(w->record, kind, tid, pid);

	w->now += 10;
	ev->seq = ++w->seq;
	ev->t0 = ev->t1 = w->now;
	return ev;
}

static inline void world_start(struct world *w, int32_t tid, int32_t pid, uint64_t ordinal,
			       int32_t maker_tid, int32_t maker_pid)
{
	struct rn_event *ev = world_next(w, RN_PROCESS_START, tid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = (uint64_t)maker_tid;
	ev->args[2] = (uint64_t)maker_pid;
	world_feed(w);
}

static inline struct rn_event *world_syscall(struct world *w, enum rn_kind kind, int32_t tid,
					     int32_t pid, const char *name)
{
	struct rn_event *ev = world_next(w, kind, tid, pid);

	ev->abi = RN_ABI_X86_64;
	ev->nr = rn_syscall_number(RN_ABI_X86_64, name);
	CHECK(ev->nr >= 0);
	return ev;
}

/* Entry and exit in one record; returns the seq of the entry. */
static inline uint64_t world_call(struct world *w, int32_t tid, int32_t pid, const char *name,
				  int64_t result)
{
	struct rn_event *ev = world_syscall(w, RN_SYSCALL, tid, pid, name);

	ev->t1 = ++w->now;
	ev->result = result;
	if (result < 0)
		ev->flags = RN_FLAG_FAILED;
	world_feed(w);
	return w->seq++;
}

static inline uint64_t world_enter(struct world *w, int32_t tid, int32_t pid, const char *name)
{
	world_syscall(w, RN_SYSCALL_ENTER, tid, pid, name);
	world_feed(w);
	return w->seq;
}

static inline void world_return(struct world *w, int32_t tid, int32_t pid, const char *name,
				int64_t result)
{
	struct rn_event *ev = world_syscall(w, RN_SYSCALL_EXIT, tid, pid, name);

	ev->result = result;
	if (result < 0)
		ev->flags = RN_FLAG_FAILED;
	world_feed(w);
}

static inline void world_exit(struct world *w, int32_t tid, int32_t pid, int status)
{
	struct rn_event *ev = world_next(w, RN_EXIT, tid, pid);

	ev->args[1] = (uint64_t)(uint32_t)status;
	ev->args[2] = tid == pid;
	world_feed(w);
}

/* `heard`, `sent`: Lamport times that TRACESTATE held, and holds now; 0 = none. */
static inline void world_exec_hearing(struct world *w, int32_t tid, int32_t former, const char *exe,
				      enum rn_context context, const char *traceparent,
				      uint64_t heard, uint64_t sent)
{
	struct rn_event *ev = world_next(w, RN_EXEC, tid, tid);

	ev->args[1] = (uint64_t)former;
	ev->args[2] = context;
	ev->args[3] = heard;
	ev->args[4] = sent;
	record_piece(ev, RN_PIECE_EXE, RN_PIECE_NO_ARG, 0, exe, (uint32_t)strlen(exe));
	if (traceparent)
		record_piece(ev, RN_PIECE_CONTEXT, RN_PIECE_NO_ARG, 0, traceparent,
			     (uint32_t)strlen(traceparent));
	world_feed(w);
}

static inline void world_exec(struct world *w, int32_t tid, int32_t former, const char *exe,
			      enum rn_context context, const char *traceparent)
{
	world_exec_hearing(w, tid, former, exe, context, traceparent, 0, 0);
}

static inline const struct seen_call *world_find_call(const struct world *w, uint64_t seq)
{
	const struct seen_call *found = NULL;

	for (unsigned i = 0; i < w->ncalls; i++) {
		if (w->calls[i].call.seq != seq)
			continue;
		CHECK(!found); /* told once only */
		found = &w->calls[i];
	}
	CHECK(found);
	return found;
}

static inline const struct seen_process *world_find_process(const struct world *w, uint64_t span_id)
{
	const struct seen_process *found = NULL;

	for (unsigned i = 0; i < w->nprocesses; i++) {
		if (w->processes[i].pub.ctx.span_id != span_id)
			continue;
		CHECK(!found); /* told once only */
		found = &w->processes[i];
	}
	CHECK(found);
	return found;
}

static inline const struct seen_process *world_process(const struct world *w, uint64_t ordinal)
{
	return world_find_process(w, rn_id_of_process(&w->key, ordinal));
}

#endif
