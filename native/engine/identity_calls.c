/* SPDX-License-Identifier: MIT */
/*
 * Which calls' exits tell of objects (RN_PIECE_OBJECT): those that make descriptors or give a
 * socket its address. What a call made may be another's by now (a thread that closes it and opens
 * something else in its place): nothing is told of it then.
 */
#include <linux/net.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "capture.h"

enum role {
	ROLE_NONE,
	ROLE_OPEN,   /* argument `arg`: O_* */
	ROLE_OPEN2,  /* O_* in memory */
	ROLE_CREATE, /* for writing */
	ROLE_QUEUE,
	ROLE_MEMORY, /* a file without a name */
	ROLE_EVENT,
	ROLE_PIDFD,
	ROLE_CLONE,
	ROLE_CLONE3,
	ROLE_GETFD,
	ROLE_SOCKET,
	ROLE_ACCEPT,
	ROLE_CONNECT,
	ROLE_BIND,
	ROLE_PIPE,
	ROLE_SOCKETPAIR,
	ROLE_RECEIVE,
	ROLE_SOCKETCALL
};

static const struct call_role {
	const char *name;
	uint8_t role, arg;
} roles[] = {
	{"open", ROLE_OPEN, 1},
	{"openat", ROLE_OPEN, 2},
	{"open_by_handle_at", ROLE_OPEN, 2},
	{"openat2", ROLE_OPEN2, 0},
	{"creat", ROLE_CREATE, 0},
	{"mq_open", ROLE_QUEUE, 1},
	{"memfd_create", ROLE_MEMORY, 0},
	{"memfd_secret", ROLE_MEMORY, 0},
	{"eventfd", ROLE_EVENT, 0},
	{"eventfd2", ROLE_EVENT, 1},
	{"pidfd_open", ROLE_PIDFD, 0},
	{"clone", ROLE_CLONE, 0},
	{"clone3", ROLE_CLONE3, 0},
	{"pidfd_getfd", ROLE_GETFD, 0},
	{"socket", ROLE_SOCKET, 0},
	{"accept", ROLE_ACCEPT, 0},
	{"accept4", ROLE_ACCEPT, 0},
	{"connect", ROLE_CONNECT, 0},
	{"bind", ROLE_BIND, 0},
	{"pipe", ROLE_PIPE, 0},
	{"pipe2", ROLE_PIPE, 0},
	{"socketpair", ROLE_SOCKETPAIR, 3},
	{"recvmsg", ROLE_RECEIVE, RN_ARG_MSG_OUT},
	{"recvmmsg", ROLE_RECEIVE, RN_ARG_MMSG_OUT},
	{"recvmmsg_time64", ROLE_RECEIVE, RN_ARG_MMSG_OUT},
	{"socketcall", ROLE_SOCKETCALL, 0},
};

#define N_ROLES (sizeof(roles) / sizeof(roles[0]))
_Static_assert(N_ROLES < 255, "an index fits a byte");

static const struct call_role *role_of(const struct rn_engine *e, const struct task *task)
{
	uint8_t index = rn_role(&e->identity_roles, task->abi, task->nr);

	return index ? &roles[index - 1] : NULL;
}

void rn_identity_init(struct rn_engine *e)
{
	if (!e->config.objects)
		return;
	for (size_t i = 0; i < N_ROLES; i++)
		rn_roles_set(&e->identity_roles, roles[i].name, (uint8_t)(i + 1));
}

/* What goes through it can be the cause of nothing if neither can be read nor written. */
static void add_file(const struct task *task, struct record *rec, int32_t fd, uint8_t ways)
{
	struct rn_object_id id = {.ways = ways};

	if (ways && rn_identify_file(task->tid, fd, &id))
		rn_add_object(rec, fd, &id, RN_PIECE_AT_EXIT);
}

static void add_queue(const struct task *task, struct record *rec, int32_t fd, uint8_t ways)
{
	struct rn_object_id id = {.ways = ways};

	if (!rn_identify_file(task->tid, fd, &id) || id.kind == RN_OBJECT_PIPE)
		return;
	id.kind = RN_OBJECT_MQUEUE; /* of whatever namespace */
	rn_add_object(rec, fd, &id, RN_PIECE_AT_EXIT);
}

/* It has no inode of its own: the call alone tells all. */
static void add_event(struct record *rec, int32_t fd, bool semaphore)
{
	const struct rn_object_id id = {
		.kind = RN_OBJECT_EVENTFD, .ways = RN_WAY_READ | RN_WAY_WRITE, .more = semaphore};

	rn_add_object(rec, fd, &id, RN_PIECE_AT_EXIT);
}

static void add_pidfd(const struct task *task, struct record *rec, int32_t fd)
{
	struct rn_object_id id = {.kind = RN_OBJECT_PIDFD};

	if (rn_identify_pidfd(task->tid, fd, &id))
		rn_add_object(rec, fd, &id, RN_PIECE_AT_EXIT);
}

static void add_any(const struct task *task, struct record *rec, int32_t fd)
{
	struct rn_object_id id = {.kind = RN_OBJECT_OTHER};

	if (rn_identify_any(task->tid, fd, &id))
		rn_add_object(rec, fd, &id, RN_PIECE_AT_EXIT);
}

static void add_new_socket(const struct task *task, struct record *rec, int32_t fd)
{
	struct rn_object_id id = {.family = (uint16_t)task->args[0], .type = task->args[1] & 0xf};

	if (rn_identify_new_socket(task->tid, fd, &id))
		rn_add_object(rec, fd, &id, RN_PIECE_AT_EXIT);
}

static void add_socket(const struct task *task, struct record *rec, int32_t fd, bool connected)
{
	struct rn_object_id id = {.zero = 0};

	/* Where a stream is bound to shows when it is connected. */
	if (rn_identify_socket(task->tid, fd, connected ? task->pid : 0, &id) &&
	    (connected || id.type != SOCK_STREAM))
		rn_add_object(rec, fd, &id, RN_PIECE_AT_EXIT);
}

static void add_pipe(const struct task *task, struct record *rec, const int32_t fds[2])
{
	struct rn_object_id id = {.ways = RN_WAY_READ};

	if (!rn_identify_file(task->tid, fds[0], &id) || id.kind != RN_OBJECT_PIPE)
		return;
	rn_add_object(rec, fds[0], &id, RN_PIECE_AT_EXIT);
	id.ways = RN_WAY_WRITE;
	rn_add_object(rec, fds[1], &id, RN_PIECE_AT_EXIT);
}

static void add_socketpair(const struct task *task, struct record *rec, const int32_t fds[2])
{
	struct rn_object_id ids[2];

	for (unsigned i = 0; i < 2; i++) {
		ids[i] = (struct rn_object_id){.family = (uint16_t)task->args[0],
					       .type = task->args[1] & 0xf};
		if (!rn_identify_new_socket(task->tid, fds[i], &ids[i]))
			return;
	}
	ids[0].peer = ids[1].inode;
	ids[1].peer = ids[0].inode;
	for (unsigned i = 0; i < 2; i++)
		rn_add_object(rec, fds[i], &ids[i], RN_PIECE_AT_EXIT);
}

/* `captured`: the record that has the call's memory. */
static void add_pair(const struct task *task, const struct call_role *role,
		     const struct record *captured, struct record *rec)
{
	struct fd_list list = {.n = 0};

	rn_fds_captured(&list, task, captured, role->arg, RN_ARG_FD_PAIR_OUT, RN_PIECE_AT_EXIT);
	if (list.n < 2)
		return;
	if (role->role == ROLE_PIPE)
		add_pipe(task, rec, list.fds);
	else
		add_socketpair(task, rec, list.fds);
}

static void add_received(const struct task *task, const struct call_role *role,
			 const struct record *captured, struct record *rec)
{
	struct fd_list list = {.n = 0};

	rn_fds_captured(&list, task, captured, 1, role->arg, RN_PIECE_AT_EXIT);
	for (unsigned i = 0; i < list.n; i++)
		add_any(task, rec, list.fds[i]);
}

/* Where the kernel has put the pidfd of a new process. */
static void add_pidfd_at(struct rn_engine *e, const struct task *task, struct record *rec,
			 uint64_t addr)
{
	int32_t fd;

	if (addr && rn_memory_read_one(e, task->tid, addr, &fd, sizeof(fd)) == sizeof(fd))
		add_pidfd(task, rec, fd);
}

static void add_birth(struct rn_engine *e, const struct task *task, const struct call_role *role,
		      struct record *rec)
{
	uint64_t args[2]; /* struct clone_args: flags, pidfd */

	if (!(task->clone_flags & CLONE_PIDFD))
		return;
	if (role->role == ROLE_CLONE)
		add_pidfd_at(e, task, rec, task->args[2]);
	else if (rn_memory_read_one(e, task->tid, task->args[0], args, sizeof(args)) ==
		 sizeof(args))
		add_pidfd_at(e, task, rec, args[1]);
}

/* i386: the call that is meant, with its arguments out of memory. */
static bool unfold(struct rn_engine *e, const struct task *task, struct task *direct)
{
	static const char *const calls[] = {
		[SYS_SOCKET] = "socket",         [SYS_BIND] = "bind",
		[SYS_CONNECT] = "connect",       [SYS_ACCEPT] = "accept4",
		[SYS_SOCKETPAIR] = "socketpair", [SYS_RECVMSG] = "recvmsg",
		[SYS_ACCEPT4] = "accept4",       [SYS_RECVMMSG] = "recvmmsg",
	};
	uint64_t which = task->args[0];
	uint32_t args[4] = {0};

	if (which >= sizeof(calls) / sizeof(calls[0]) || !calls[which])
		return false;
	/* There may be no more than two. */
	for (unsigned i = 0; i < 4; i++)
		if (rn_memory_read_one(e, task->tid, task->args[1] + 4 * i, &args[i], 4) != 4)
			break;
	*direct = *task;
	direct->nr = rn_syscall_number((enum rn_abi)task->abi, calls[which]);
	direct->desc = rn_syscall(task->abi, direct->nr);
	for (unsigned i = 0; i < 4; i++)
		direct->args[i] = args[i];
	return direct->nr >= 0;
}

/* What the record of a direct call would hold. */
static void capture_direct(struct rn_engine *e, struct task *direct, const struct call_role *role,
			   int64_t result, struct record *to)
{
	int32_t fds[2];

	to->ev = (struct rn_event){.size = RN_EVENT_HEADER, .kind = RN_SYSCALL_EXIT};
	if (role->role == ROLE_SOCKETPAIR &&
	    rn_memory_read_one(e, direct->tid, direct->args[3], fds, sizeof(fds)) == sizeof(fds))
		rn_piece_add(to, RN_PIECE_STRUCT, 3, fds, sizeof(fds), sizeof(fds),
			     RN_PIECE_AT_EXIT);
	if (role->role == ROLE_RECEIVE)
		rn_capture_messages(
			e, direct, to, 1,
			&(struct messages){
				.count = role->arg == RN_ARG_MSG_OUT ? 1 : (uint64_t)result,
				.many = role->arg == RN_ARG_MMSG_OUT,
			},
			RN_PIECE_AT_EXIT);
}

static void tell(struct rn_engine *e, const struct task *task, const struct call_role *role,
		 int64_t result, const struct record *captured, struct record *rec)
{
	int32_t fd = (int32_t)result;

	switch ((enum role)role->role) {
	case ROLE_OPEN:
		add_file(task, rec, fd, rn_ways_by(task->args[role->arg]));
		break;
	case ROLE_OPEN2:
		add_file(task, rec, fd, rn_ways_of(task->tid, fd));
		break;
	case ROLE_CREATE:
		add_file(task, rec, fd, RN_WAY_WRITE);
		break;
	case ROLE_MEMORY:
		add_file(task, rec, fd, RN_WAY_READ | RN_WAY_WRITE);
		break;
	case ROLE_QUEUE:
		add_queue(task, rec, fd, rn_ways_by(task->args[1]));
		break;
	case ROLE_EVENT:
		add_event(rec, fd, role->arg && task->args[role->arg] & EFD_SEMAPHORE);
		break;
	case ROLE_PIDFD:
		add_pidfd(task, rec, fd);
		break;
	case ROLE_CLONE:
	case ROLE_CLONE3:
		add_birth(e, task, role, rec);
		break;
	case ROLE_GETFD:
		add_any(task, rec, fd);
		break;
	case ROLE_SOCKET:
		add_new_socket(task, rec, fd);
		break;
	case ROLE_ACCEPT:
		add_socket(task, rec, fd, true);
		break;
	case ROLE_CONNECT:
		add_socket(task, rec, (int32_t)task->args[0], true);
		break;
	case ROLE_BIND:
		add_socket(task, rec, (int32_t)task->args[0], false);
		break;
	case ROLE_PIPE:
	case ROLE_SOCKETPAIR:
		add_pair(task, role, captured, rec);
		break;
	case ROLE_RECEIVE:
		add_received(task, role, captured, rec);
		break;
	case ROLE_SOCKETCALL:
	case ROLE_NONE:
		break;
	}
}

void rn_identify_at_exit(struct rn_engine *e, const struct task *task, int64_t result,
			 struct record *rec)
{
	static struct record aside; /* one tracer thread in a process */
	const struct call_role *role = role_of(e, task);
	const struct record *captured = rec;
	struct task direct;

	if (!role)
		return;
	if (role->role == ROLE_SOCKETCALL) {
		if (!unfold(e, task, &direct))
			return;
		task = &direct;
		role = role_of(e, task);
		if (!role)
			return;
		if (result >= 0)
			capture_direct(e, &direct, role, result, &aside);
		captured = &aside;
	}
	/* A connection that is only begun has its addresses already. */
	if (result >= 0 || (role->role == ROLE_CONNECT && result == -EINPROGRESS))
		tell(e, task, role, result, captured, rec);
}
