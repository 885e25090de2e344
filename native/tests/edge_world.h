/* SPDX-License-Identifier: MIT */
/* A world for tests of causes and effects: calls with arguments, who is made, what is linked. */
#ifndef RENACER_TESTS_EDGE_WORLD_H
#define RENACER_TESTS_EDGE_WORLD_H

#include <sched.h>
#include <signal.h>

#include "world.h"

#define ANY UINT64_MAX

static struct world w;

/* A record of a call with arguments; returns the seq of its entry. */
static inline uint64_t feed(enum rn_kind kind, int32_t tid, int32_t pid, const char *name,
			    int64_t result, const uint64_t args[6])
{
	struct rn_event *ev = world_syscall(&w, kind, tid, pid, name);
	uint64_t seq = ev->seq;

	for (unsigned i = 0; i < 6; i++)
		ev->args[i] = args[i];
	if (kind != RN_SYSCALL_ENTER) {
		ev->result = result;
		ev->flags = result < 0 ? RN_FLAG_FAILED : 0;
	}
	w.seq += kind == RN_SYSCALL;
	world_feed(&w);
	return seq;
}

#define ARGS(...) ((const uint64_t[6]){__VA_ARGS__})
#define ENTER(tid, pid, name, ...) feed(RN_SYSCALL_ENTER, tid, pid, name, 0, ARGS(__VA_ARGS__))
#define LEAVE(tid, pid, name, result, ...)                                                         \
	feed(RN_SYSCALL_EXIT, tid, pid, name, result, ARGS(__VA_ARGS__))
#define CALL(tid, pid, name, result, ...)                                                          \
	feed(RN_SYSCALL, tid, pid, name, result, ARGS(__VA_ARGS__))

/* Process 7; `selection`: NULL = all is recorded. */
static inline void begin_selecting(const struct rn_selection *selection)
{
	world_open_selecting(&w, selection);
	world_start(&w, 7, 7, 1, 0, 0);
}

static inline void begin(void)
{
	begin_selecting(NULL);
}

static inline void end(void)
{
	world_finish(&w);
	world_close(&w);
}

/* A thread or process as a clone of `maker`'s makes it; returns the seq of that call. */
static inline uint64_t spawn(int32_t maker, int32_t maker_pid, int32_t tid, int32_t pid,
			     uint64_t ordinal, uint64_t flags, uint64_t clear)
{
	uint64_t seq = ENTER(maker, maker_pid, "clone", flags, 0, 0, clear);
	struct rn_event *ev = world_next(&w, RN_PROCESS_START, tid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = (uint64_t)maker;
	ev->args[2] = (uint64_t)maker_pid;
	ev->args[3] = flags;
	ev->args[4] = flags & CLONE_VFORK    ? RN_BIRTH_VFORK
		      : flags & CLONE_THREAD ? RN_BIRTH_CLONE
					     : RN_BIRTH_FORK;
	world_feed(&w);
	return seq;
}

static inline void spawned(int32_t maker, int32_t maker_pid, int32_t result)
{
	LEAVE(maker, maker_pid, "clone", result, 0);
}

static inline void spawn_threads(unsigned n)
{
	for (unsigned i = 1; i <= n; i++) {
		spawn(7, 7, 7 + (int32_t)i, 7, 1, CLONE_VM | CLONE_THREAD, 0);
		spawned(7, 7, 7 + (int32_t)i);
	}
}

/* The edges of an effect: how many, and, where there is one cause, that it is `cause`. */
static inline unsigned edges_to(uint64_t effect, uint64_t cause, enum rn_edge_kind kind,
				bool certain)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w.nedges; i++) {
		const struct rn_edge *edge = &w.edges[i];

		if (edge->effect_seq != effect)
			continue;
		n++;
		CHECK_INT(edge->kind, kind);
		CHECK_INT(edge->certain, certain);
		if (cause != ANY)
			CHECK_INT(edge->cause_seq, cause);
	}
	return n;
}

static inline void linked(uint64_t effect, uint64_t span_id, const char *edge)
{
	const struct seen_call *call = world_find_call(&w, effect);

	CHECK_INT(call->call.nlinks, 1);
	CHECK(call->links[0].span_id == span_id);
	CHECK_STR(call->links[0].edge, edge);
}

/* Of a call that may be under way still. */
static inline uint64_t start_of(uint64_t seq)
{
	for (unsigned i = 0; i < w.nenters; i++)
		if (w.enters[i].call.seq == seq)
			return w.enters[i].call.lamport_start;
	return world_find_call(&w, seq)->call.lamport_start;
}

/* Whether it is a cause of it or not. */
static inline void comes_after(uint64_t effect, uint64_t cause)
{
	CHECK(world_find_call(&w, effect)->call.lamport_end > start_of(cause));
}

static inline void linked_to_call(uint64_t effect, uint64_t cause, const char *edge)
{
	linked(effect, rn_id_of(&w.key, cause), edge);
	comes_after(effect, cause);
}

static inline void not_linked(uint64_t effect)
{
	CHECK_INT(world_find_call(&w, effect)->call.nlinks, 0);
}

static inline const char *incomplete(uint64_t seq)
{
	const char *why = world_find_call(&w, seq)->call.incomplete;

	return why ? why : "";
}

#endif
