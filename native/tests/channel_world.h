/* SPDX-License-Identifier: MIT */
/* A world for tests of what passes between processes: descriptors made by hand, and causes. */
#ifndef RENACER_TESTS_CHANNEL_WORLD_H
#define RENACER_TESTS_CHANNEL_WORLD_H
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "renacer/ids.h"
#include "world.h"

#define EDGES_MAX 8192u
#define A 10
#define B 11
#define C 12

static struct world w;
static struct {
	struct rn_edge edges[EDGES_MAX];
	unsigned nedges;
	struct told {
		uint64_t seq, start, end;
		uint32_t nlinks, more_links;
		struct rn_link links[RN_CALL_LINKS];
		const char *incomplete;
	} calls[EDGES_MAX];
	unsigned ncalls;
} told;

static inline void on_edge(void *ctx, const struct rn_edge *edge)
{
	(void)ctx;
	CHECK(told.nedges < EDGES_MAX);
	told.edges[told.nedges++] = *edge;
}

static inline void on_call(void *ctx, const struct rn_call *call)
{
	struct told *to = &told.calls[told.ncalls++];

	(void)ctx;
	CHECK(told.ncalls < EDGES_MAX);
	*to = (struct told){.seq = call->seq,
			    .start = call->lamport_start,
			    .end = call->lamport_end,
			    .nlinks = call->nlinks,
			    .more_links = call->more_links,
			    .incomplete = call->incomplete};
	for (uint32_t i = 0; i < call->nlinks; i++)
		to->links[i] = call->links[i];
}

static inline void start(int32_t tid, int32_t maker)
{
	static uint64_t ordinals;

	if (maker) {
		world_enter(&w, maker, maker, "fork");
		world_start(&w, tid, tid, ++ordinals, maker, maker);
		world_return(&w, maker, maker, "fork", tid);
	} else {
		ordinals = 1;
		world_start(&w, tid, tid, 1, 0, 0);
	}
}

static inline void open_world(void)
{
	struct rn_observer observer = {.call = on_call, .edge = on_edge};
	struct rn_interpreter_config config = {
		.key = {11, 22}, .lamport_seed = WORLD_SEED, .t_start = WORLD_START};

	memset(&w, 0, sizeof(w));
	memset(&told, 0, sizeof(told));
	w.key = config.key;
	w.now = WORLD_START;
	w.in = rn_interpreter_create(&config, &observer, 1);
	CHECK(w.in);
	start(A, 0);
}

static inline void close_world(void)
{
	world_finish(&w);
	world_close(&w);
}

static inline struct rn_event *call_record(enum rn_kind kind, int32_t tid, const char *name,
					   uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct rn_event *ev = world_syscall(&w, kind, tid, tid, name);

	ev->args[0] = a0;
	ev->args[1] = a1;
	ev->args[2] = a2;
	ev->args[3] = a3;
	return ev;
}

static inline void set_result(struct rn_event *ev, int64_t result)
{
	ev->result = result;
	if (result < 0)
		ev->flags |= RN_FLAG_FAILED;
}

static inline uint64_t feed_whole(struct rn_event *ev, int64_t result)
{
	set_result(ev, result);
	world_feed(&w);
	return w.seq++;
}

/* Returns the entry's seq. */
static inline uint64_t whole(int32_t tid, const char *name, uint64_t a0, uint64_t a1, uint64_t a2,
			     int64_t result)
{
	return feed_whole(call_record(RN_SYSCALL, tid, name, a0, a1, a2, 0), result);
}

static inline uint64_t enter(int32_t tid, const char *name, uint64_t a0, uint64_t a1, uint64_t a2)
{
	call_record(RN_SYSCALL_ENTER, tid, name, a0, a1, a2, 0);
	world_feed(&w);
	return w.seq;
}

static inline void leave(int32_t tid, const char *name, uint64_t a0, uint64_t a1, uint64_t a2,
			 int64_t result)
{
	set_result(call_record(RN_SYSCALL_EXIT, tid, name, a0, a1, a2, 0), result);
	world_feed(&w);
}

static inline void add_object(struct rn_event *ev, int32_t fd, const struct rn_object_id *id)
{
	struct rn_piece *piece = (struct rn_piece *)((uint8_t *)ev + ev->size);

	record_piece(ev, RN_PIECE_OBJECT, RN_PIECE_NO_ARG, RN_PIECE_AT_EXIT, id, sizeof(*id));
	piece->total = (uint64_t)fd;
}

static inline struct rn_object_id socket_id(uint16_t family, uint16_t type, uint64_t inode,
					    uint64_t peer)
{
	return (struct rn_object_id){.kind = RN_OBJECT_SOCKET,
				     .ways = RN_WAY_READ | RN_WAY_WRITE,
				     .family = family,
				     .type = type,
				     .dev_minor = 8,
				     .inode = inode,
				     .peer = peer};
}

/* Descriptors `in` and `out` of a new pipe. */
static inline void make_pipe(int32_t tid, int32_t in, int32_t out, uint64_t inode, uint64_t flags)
{
	struct rn_event *ev = call_record(RN_SYSCALL, tid, "pipe2", 0x1000, flags, 0, 0);
	int32_t pair[2] = {in, out};
	struct rn_object_id id = {
		.kind = RN_OBJECT_PIPE, .ways = RN_WAY_READ, .dev_minor = 14, .inode = inode};

	record_piece(ev, RN_PIECE_STRUCT, 0, RN_PIECE_AT_EXIT, pair, sizeof(pair));
	add_object(ev, in, &id);
	id.ways = RN_WAY_WRITE;
	add_object(ev, out, &id);
	feed_whole(ev, 0);
}

static inline void make_pair(int32_t tid, uint16_t type, int32_t a, int32_t b, uint64_t inode)
{
	struct rn_event *ev = call_record(RN_SYSCALL, tid, "socketpair", AF_UNIX, type, 0, 0x1000);
	struct rn_object_id one = socket_id(AF_UNIX, type, inode, inode + 1);
	struct rn_object_id other = socket_id(AF_UNIX, type, inode + 1, inode);
	int32_t pair[2] = {a, b};

	record_piece(ev, RN_PIECE_STRUCT, 3, RN_PIECE_AT_EXIT, pair, sizeof(pair));
	add_object(ev, a, &one);
	add_object(ev, b, &other);
	feed_whole(ev, 0);
}

static inline void make_socket(int32_t tid, uint16_t family, uint16_t type, int32_t fd,
			       uint64_t inode)
{
	struct rn_event *ev = call_record(RN_SYSCALL, tid, "socket", family, type, 0, 0);
	struct rn_object_id id = socket_id(family, type, inode, 0);

	add_object(ev, fd, &id);
	feed_whole(ev, fd);
}

static inline const struct told *call_of(uint64_t seq)
{
	for (unsigned i = 0; i < told.ncalls; i++)
		if (told.calls[i].seq == seq)
			return &told.calls[i];
	check_failed(__FILE__, __LINE__, "no call %lu", (unsigned long)seq);
}

/* The causes of this effect are these and no others; certain: with links. */
static inline void check_causes(uint64_t effect, const char *kind, bool certain, unsigned n,
				const uint64_t *causes)
{
	const struct told *call = call_of(effect);
	unsigned found = 0;

	for (unsigned i = 0; i < told.nedges; i++) {
		const struct rn_edge *edge = &told.edges[i];
		unsigned k = 0;

		if (edge->effect_seq != effect)
			continue;
		while (k < n && causes[k] != edge->cause_seq)
			k++;
		CHECK(k < n);
		CHECK_STR(rn_edge_name(edge->kind), kind);
		CHECK_INT(edge->certain, certain);
		CHECK(edge->cause_lamport < call->end);
		found++;
	}
	CHECK_INT(found, n);
	CHECK_INT(call->nlinks, certain ? n : 0);
	for (unsigned k = 0; certain && k < n; k++) {
		unsigned i = 0;

		while (i < n && call->links[i].span_id != rn_id_of(&w.key, causes[k]))
			i++;
		CHECK(i < n);
		CHECK_STR(call->links[i].edge, kind);
	}
}

static inline void check_cause(uint64_t effect, const char *kind, uint64_t cause)
{
	check_causes(effect, kind, true, 1, &cause);
	CHECK_STR(call_of(effect)->incomplete, NULL);
}

#endif
