/* SPDX-License-Identifier: MIT */
/* Calls on descriptors, fed to an interpreter, and what its tables say. */
#ifndef RENACER_TESTS_FD_WORLD_H
#define RENACER_TESTS_FD_WORLD_H

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include "spans/interpreter_private.h"
#include "world.h"

#define MAIN 100

static inline struct thread *thread_of(struct world *w, int32_t tid)
{
	struct thread *thread = rn_thread_find(&w->in->tables, tid);

	CHECK(thread);
	return thread;
}

static inline struct object *object_of(struct world *w, int32_t tid, int32_t fd)
{
	return rn_fd_object(thread_of(w, tid)->fds.table, fd);
}

static inline bool is_cloexec(struct world *w, int32_t tid, int32_t fd)
{
	return rn_fd_is_cloexec(thread_of(w, tid)->fds.table, fd);
}

/* One call, or one of its two events: kind says which. Arguments, then its result. */
static inline struct rn_event *fd_event(struct world *w, enum rn_kind kind, int32_t tid,
					const char *name, uint64_t a, uint64_t b, uint64_t c,
					uint64_t d, int64_t result)
{
	struct rn_event *ev =
		world_syscall(w, kind, tid, thread_of(w, tid)->process->pub.pid, name);

	ev->args[0] = a;
	ev->args[1] = b;
	ev->args[2] = c;
	ev->args[3] = d;
	if (kind != RN_SYSCALL_ENTER) {
		ev->t1 = ++w->now;
		ev->result = result;
		if (result < 0)
			ev->flags = RN_FLAG_FAILED;
	}
	w->seq += kind == RN_SYSCALL;
	return ev;
}

static inline void fd_call(struct world *w, int32_t tid, const char *name, uint64_t a, uint64_t b,
			   uint64_t c, int64_t result)
{
	fd_event(w, RN_SYSCALL, tid, name, a, b, c, 0, result);
	world_feed(w);
}

static inline void fd_enter(struct world *w, int32_t tid, const char *name, uint64_t a, uint64_t b,
			    uint64_t c)
{
	fd_event(w, RN_SYSCALL_ENTER, tid, name, a, b, c, 0, 0);
	world_feed(w);
}

static inline void fd_return(struct world *w, int32_t tid, const char *name, uint64_t a, uint64_t b,
			     uint64_t c, int64_t result)
{
	fd_event(w, RN_SYSCALL_EXIT, tid, name, a, b, c, 0, result);
	world_feed(w);
}

static inline void fd_piece(struct rn_event *ev, int32_t fd, const struct rn_object_id *id,
			    unsigned flags)
{
	struct rn_piece *piece = (struct rn_piece *)((uint8_t *)ev + ev->size);

	record_piece(ev, RN_PIECE_OBJECT, RN_PIECE_NO_ARG, flags, id, sizeof(*id));
	piece->total = (uint32_t)fd;
}

/* `inode`: of a pipe, 0 = its identity is not told; `captured`: what the call wrote is. */
static inline void fd_pipe_told(struct world *w, int32_t tid, int32_t from, int32_t to,
				uint64_t flags, uint64_t inode, bool captured)
{
	struct rn_event *ev = fd_event(w, RN_SYSCALL, tid, "pipe2", 0x1000, flags, 0, 0, 0);
	const int32_t fds[2] = {from, to};
	struct rn_object_id id = {.kind = RN_OBJECT_PIPE, .inode = inode, .dev_minor = 13};

	if (captured)
		record_piece(ev, RN_PIECE_STRUCT, 0, RN_PIECE_AT_EXIT, fds, sizeof(fds));
	for (unsigned i = 0; inode && i < 2; i++) {
		id.ways = i ? RN_WAY_WRITE : RN_WAY_READ;
		fd_piece(ev, fds[i], &id, RN_PIECE_AT_EXIT);
	}
	world_feed(w);
}

static inline void fd_pipe(struct world *w, int32_t tid, int32_t from, int32_t to, uint64_t flags,
			   uint64_t inode)
{
	fd_pipe_told(w, tid, from, to, flags, inode, true);
}

static inline void fd_socketpair(struct world *w, int32_t tid, int32_t a, int32_t b, uint64_t inode)
{
	struct rn_event *ev =
		fd_event(w, RN_SYSCALL, tid, "socketpair", AF_UNIX, SOCK_STREAM, 0, 0x1000, 0);
	const int32_t fds[2] = {a, b};

	record_piece(ev, RN_PIECE_STRUCT, 3, RN_PIECE_AT_EXIT, fds, sizeof(fds));
	for (unsigned i = 0; inode && i < 2; i++) {
		const struct rn_object_id id = {.kind = RN_OBJECT_SOCKET,
						.family = AF_UNIX,
						.type = SOCK_STREAM,
						.inode = inode + i,
						.peer = inode + !i,
						.ways = RN_WAY_READ | RN_WAY_WRITE};

		fd_piece(ev, fds[i], &id, RN_PIECE_AT_EXIT);
	}
	world_feed(w);
}

/* A process (tid == pid) or a thread begins inside its maker's clone, which is open. */
static inline void fd_start(struct world *w, int32_t tid, int32_t pid, int32_t maker,
			    uint64_t flags)
{
	struct rn_event *ev = world_next(w, RN_PROCESS_START, tid, pid);

	ev->args[0] = (uint64_t)tid;
	ev->args[1] = ev->args[2] = (uint64_t)maker;
	ev->args[3] = flags;
	ev->args[4] = RN_BIRTH_CLONE;
	world_feed(w);
}

static inline void fd_clone(struct world *w, int32_t maker, int32_t tid, int32_t pid,
			    uint64_t flags)
{
	fd_enter(w, maker, "clone", flags, 0, 0);
	fd_start(w, tid, pid, maker, flags);
	fd_return(w, maker, "clone", flags, 0, 0, tid);
}

/* A message with descriptors, as it is captured: sendmsg's, or recvmsg's at its exit. */
static inline void fd_message(struct rn_event *ev, unsigned flags, const int32_t *fds, unsigned n,
			      uint32_t message_flags)
{
	_Alignas(8) uint8_t data[512] = {0};
	struct rn_message_head head = {.flags = message_flags};
	struct cmsghdr control = {.cmsg_len = CMSG_LEN(n * sizeof(int32_t)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS};

	CHECK(n < 64);
	if (n) {
		head.control = 0x2000;
		head.controllen = CMSG_SPACE(n * sizeof(int32_t));
		head.control_bytes = (uint32_t)head.controllen;
		memcpy(data + sizeof(head), &control, sizeof(control));
		memcpy(data + sizeof(head) + CMSG_LEN(0), fds, n * sizeof(int32_t));
	}
	memcpy(data, &head, sizeof(head));
	record_piece(ev, RN_PIECE_STRUCT, 1, flags, data,
		     (uint32_t)(sizeof(head) + head.controllen));
	((struct rn_piece *)((uint8_t *)ev + RN_EVENT_HEADER))->total = 1;
}

static inline void fd_send(struct world *w, int32_t tid, int32_t socket, const int32_t *fds,
			   unsigned n, int64_t result)
{
	struct rn_event *ev =
		fd_event(w, RN_SYSCALL, tid, "sendmsg", (uint64_t)socket, 0x1000, 0, 0, result);

	fd_message(ev, 0, fds, n, 0);
	world_feed(w);
}

static inline struct rn_event *fd_receive(struct world *w, int32_t tid, int32_t socket,
					  const int32_t *fds, unsigned n, uint64_t flags)
{
	struct rn_event *ev =
		fd_event(w, RN_SYSCALL, tid, "recvmsg", (uint64_t)socket, 0x1000, flags, 0, 1);

	fd_message(ev, RN_PIECE_AT_EXIT, fds, n, 0);
	return ev;
}

#endif
