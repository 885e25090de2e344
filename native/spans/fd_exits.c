/* SPDX-License-Identifier: MIT */
/* What calls that have ended did to tables of descriptors. See objects.h. */
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "fd_private.h"
#include "tables.h"

#define NOTIF_ADDFD 0x40182103u /* SECCOMP_IOCTL_NOTIF_ADDFD */
#define LISTENER 8u             /* SECCOMP_FILTER_FLAG_NEW_LISTENER */
#define CONNECTING (-115)       /* EINPROGRESS */

static bool is_cloexec(const struct fd_role *role, const uint64_t args[6])
{
	return role->flags == FD_ALWAYS ||
	       (role->flags < FD_NEVER && args[role->flags] & role->cloexec);
}

static uint8_t ways_of(uint64_t flags)
{
	static const uint8_t ways[4] = {RN_WAY_READ, RN_WAY_WRITE, FD_BOTH, 0};

	return flags & O_PATH ? 0 : ways[flags & O_ACCMODE];
}

/* Somebody was killed in his open: of whatever. */
static void cut_open(struct object_space *space, const struct fd_user *user)
{
	space->open_cut = space->latest;
	for (struct object *object = space->all; object; object = object->next)
		if (object->again > user->began)
			rn_object_share(object);
}

static void make_new(struct object_space *space, struct fd_user *user, const struct rn_call *call,
		     const struct fd_role *role)
{
	struct rn_object_id own = {.kind = role->kind, .ways = role->ways};
	struct object *object;

	if (own.kind == RN_OBJECT_SOCKET) {
		own.family = (uint16_t)call->args[0];
		own.type = call->args[1] & 0xf;
	}
	/* eventfd2 alone has flags. */
	if (own.kind == RN_OBJECT_EVENTFD && role->flags != FD_NEVER)
		own.more = call->args[1] & EFD_SEMAPHORE;
	object = rn_fd_make(space, user, call->exit, call->result, &own,
			    is_cloexec(role, call->args));
	if (!object || own.kind != RN_OBJECT_EVENTFD)
		return;
	object->fresh = true;
	object->initial = (uint32_t)call->args[0];
}

/* The two descriptors: as the call wrote them, or, where that was not captured, as they are told. */
static bool pair_of(const struct rn_event *ev, unsigned arg, int32_t fds[2])
{
	const void *piece = rn_fd_struct(ev, arg, true, 2 * sizeof(fds[0]));
	unsigned n = 0;

	if (piece) {
		memcpy(fds, piece, 2 * sizeof(fds[0]));
		return true;
	}
	if (!ev)
		return false;
	for (const struct rn_piece *p = rn_piece_first(ev); p && n < 2; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_OBJECT)
			fds[n++] = (int32_t)p->total;
	return n == 2;
}

static void make_pair(struct object_space *space, struct fd_user *user, const struct rn_call *call,
		      const struct fd_role *role)
{
	bool is_pipe = role->role == ROLE_PIPE, cloexec = is_cloexec(role, call->args);
	struct rn_object_id own = {.kind = is_pipe ? RN_OBJECT_PIPE : RN_OBJECT_SOCKET};
	struct object *first, *second;
	int32_t fds[2];

	if (!pair_of(call->exit, is_pipe ? 0 : 3, fds))
		return;
	own.ways = is_pipe ? RN_WAY_READ : FD_BOTH;
	if (!is_pipe) {
		own.family = (uint16_t)call->args[0];
		own.type = call->args[1] & 0xf;
	}
	first = rn_fd_make(space, user, call->exit, fds[0], &own, cloexec);
	if (is_pipe) {
		if (first)
			rn_fd_install(space, user, fds[1], first, RN_WAY_WRITE, cloexec, 0);
		else
			rn_fd_install_unknown(space, user, fds[1]);
		return;
	}
	second = rn_fd_make(space, user, call->exit, fds[1], &own, cloexec);
	if (first && second && first != second && rn_fd_object(user->table, fds[0]) == first)
		rn_object_pair(first, second);
}

static void accept_one(struct object_space *space, struct fd_user *user, const struct rn_call *call,
		       const struct fd_role *role)
{
	struct rn_object_id own = {.kind = RN_OBJECT_SOCKET, .ways = FD_BOTH};
	struct object *object;

	if (user->source) {
		own.family = user->source->id.family;
		own.type = user->source->id.type;
	}
	object = rn_fd_make(space, user, call->exit, call->result, &own,
			    is_cloexec(role, call->args));
	/* It has its listener's options, but for a Unix socket. */
	if (object && user->source)
		object->odd = user->source->odd && own.family != AF_UNIX;
}

static void connect_one(struct object_space *space, const struct fd_user *user,
			const struct rn_call *call)
{
	const struct rn_object_id *id = rn_fd_identity(call->exit, (int32_t)call->args[0]);

	if (user->source && id && id->kind == user->source->id.kind &&
	    (call->result == 0 || call->result == CONNECTING))
		rn_object_identify(space, user->source, id);
}

/* A copy of what the call's descriptor meant at its entry. */
static void copy_to(struct object_space *space, struct fd_user *user, const struct rn_call *call,
		    bool cloexec)
{
	struct object *now = rn_fd_object(user->table, (int32_t)call->args[0]);

	if (user->source && (!now || now == user->source)) {
		rn_fd_install(space, user, call->result, user->source, user->source_ways, cloexec,
			      user->source_description);
		rn_fd_pass_maybe(user, call->result, user->source_maybe);
		return;
	}
	/* Another was put there meanwhile: it is this one's or that one's. */
	if (user->source)
		rn_object_share(user->source);
	if (now)
		rn_object_share(now);
	rn_fd_install_unknown(space, user, call->result);
}

static void control(struct object_space *space, struct fd_user *user, const struct rn_call *call)
{
	struct fd_entry *entry = rn_table_entry(user->table, (int32_t)call->args[0]);

	switch ((int32_t)call->args[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		copy_to(space, user, call, (int32_t)call->args[1] == F_DUPFD_CLOEXEC);
		break;
	case F_SETFD:
		if (entry)
			entry->cloexec = call->args[2] & FD_CLOEXEC;
		break;
	default:
		break;
	}
}

static void control_device(struct object_space *space, struct fd_user *user,
			   const struct rn_call *call)
{
	struct fd_entry *entry = rn_table_entry(user->table, (int32_t)call->args[0]);

	switch ((uint32_t)call->args[1]) {
	case FIOCLEX:
	case FIONCLEX:
		if (entry)
			entry->cloexec = (uint32_t)call->args[1] == FIOCLEX;
		break;
	case TIOCGPTPEER:
		rn_fd_find(space, user, call->exit, call->result, RN_OBJECT_OTHER,
			   ways_of(call->args[2]), call->args[2] & O_CLOEXEC);
		break;
	case NOTIF_ADDFD: /* into whose table, only memory tells */
		rn_table_share_all(user->table);
		break;
	default:
		break;
	}
}

/* The table of a process; NULL: of none that is traced, or several threads have their own. */
static const struct fd_table *table_of_pid(const struct object_space *space, uint64_t pid)
{
	const struct fd_table *found = NULL;

	for (const struct fd_table *table = space->tables; table; table = table->next)
		for (const struct fd_user *u = table->users; u; u = u->next) {
			if (!u->owner || (uint32_t)u->owner->pub.pid != pid || table == found)
				continue;
			if (found)
				return NULL;
			found = table;
		}
	return found;
}

static void get_of_other(struct object_space *space, struct fd_user *user,
			 const struct rn_call *call)
{
	const struct rn_object_id *id = rn_fd_identity(call->exit, call->result);
	const struct object *pidfd = user->source;
	uint64_t pid = pidfd && pidfd->id.kind == RN_OBJECT_PIDFD ? pidfd->id.peer : 0;
	const struct fd_entry *entry;

	if (id && rn_object_find(space, id)) {
		rn_fd_find(space, user, call->exit, call->result, id->kind, id->ways, true);
		rn_fd_is_copy(user, call->result);
		return;
	}
	entry = rn_table_entry(pid ? table_of_pid(space, pid) : NULL, (int32_t)call->args[1]);
	if (entry) {
		const struct fd_entry copy = *entry;

		rn_fd_install(space, user, call->result, copy.object, copy.ways, true,
			      copy.description);
		rn_fd_pass_maybe(user, call->result, copy.maybe);
		return;
	}
	/* It may be anybody's. */
	for (struct object *object = space->all; object && !pid; object = object->next)
		rn_object_share(object);
	rn_fd_find(space, user, call->exit, call->result, RN_OBJECT_OTHER, 0, true);
	rn_fd_is_copy(user, call->result);
}

static void end_fork(struct object_space *space, struct fd_user *user, const struct rn_call *call)
{
	uint64_t flags = call->entry ? rn_fd_clone_flags(call->entry) : 0;
	struct rn_object_id own = {.kind = RN_OBJECT_PIDFD, .peer = (uint32_t)user->born};

	if (user->born == 0) {
		/* Nobody follows it, or nobody could tell. */
		rn_table_share_all(user->table);
		if (flags & CLONE_FILES)
			rn_table_lose(space, user->table);
	}
	if (!(flags & CLONE_PIDFD) || call->result < 0)
		return;
	user->births = user->table->births; /* the copy was made before */
	/* Where the kernel has put its number, the record of its object tells. */
	for (const struct rn_piece *p = rn_piece_first(call->exit); p;
	     p = rn_piece_next(call->exit, p))
		if (p->type == RN_PIECE_OBJECT && p->flags & RN_PIECE_AT_EXIT)
			rn_fd_make(space, user, call->exit, (int64_t)p->total, &own, true);
}

static void open_one(struct object_space *space, struct fd_user *user, const struct rn_call *call,
		     const struct fd_role *role)
{
	bool is_queue = role->kind == RN_OBJECT_MQUEUE;
	uint64_t flags = call->args[is_queue ? 1 : role->flags];
	struct object *object;

	rn_fd_find(space, user, call->exit, call->result, role->kind, ways_of(flags),
		   is_cloexec(role, call->args));
	object = is_queue ? rn_fd_object(user->table, (int32_t)call->result) : NULL;
	if (object && flags & O_CREAT && flags & O_EXCL)
		object->fresh = true;
}

static void end_well(struct object_space *space, struct fd_user *user, const struct rn_call *call,
		     const struct fd_role *role)
{
	bool cloexec = is_cloexec(role, call->args);
	const void *how;
	uint64_t flags;

	switch ((enum fd_role_kind)role->role) {
	case ROLE_OPEN:
		open_one(space, user, call, role);
		break;
	case ROLE_CREATE:
		rn_fd_find(space, user, call->exit, call->result, 0, RN_WAY_WRITE, false);
		break;
	case ROLE_OPEN2:
		how = rn_fd_struct(call->entry, 2, false, sizeof(flags));
		flags = O_PATH;
		if (how)
			memcpy(&flags, how, sizeof(flags));
		rn_fd_find(space, user, call->exit, call->result, 0, ways_of(flags),
			   flags & O_CLOEXEC);
		break;
	case ROLE_NEW:
	case ROLE_TREE:
		make_new(space, user, call, role);
		break;
	case ROLE_LANDLOCK: /* with flags it tells a number */
		if (call->args[2] == 0)
			make_new(space, user, call, role);
		break;
	case ROLE_SIGNALFD:
		if ((int32_t)call->args[0] == -1)
			make_new(space, user, call, role);
		break;
	case ROLE_SECCOMP:
		if (call->args[0] == SECCOMP_SET_MODE_FILTER && call->args[1] & LISTENER)
			make_new(space, user, call, role);
		break;
	case ROLE_PIDFD_GETFD:
		get_of_other(space, user, call);
		break;
	case ROLE_ACCEPT:
		accept_one(space, user, call, role);
		break;
	case ROLE_PIPE:
	case ROLE_SOCKETPAIR:
		make_pair(space, user, call, role);
		break;
	case ROLE_SOCKETCALL:
		rn_fd_socketcall(space, user, call);
		break;
	case ROLE_DUP:
		copy_to(space, user, call, false);
		break;
	case ROLE_DUP_TO:
		if ((int32_t)call->args[0] != (int32_t)call->args[1])
			copy_to(space, user, call, cloexec);
		break;
	case ROLE_FCNTL:
		control(space, user, call);
		break;
	case ROLE_IOCTL:
		control_device(space, user, call);
		break;
	case ROLE_CLOSE_RANGE:
		if (call->args[2] & CLOSE_RANGE_CLOEXEC)
			rn_table_mark_range(user->table, (uint32_t)call->args[0],
					    (uint32_t)call->args[1]);
		break;
	case ROLE_FORK:
		end_fork(space, user, call);
		break;
	case ROLE_UNSHARE:
		if (call->args[0] & CLONE_FILES)
			rn_table_unshare(space, user);
		break;
	case ROLE_RECEIVE:
		rn_rights_received(space, user, call, cloexec, call->args[role->flags]);
		break;
	case ROLE_RING:
		rn_table_lose(space, user->table);
		break;
	default:
		break;
	}
}

/* Whether a copy that was made meanwhile has what this call took away, or put there, is not known. */
static void share_taken(const struct fd_user *user, const struct fd_role *role)
{
	/* Of files that were closed, rn_race_copied() knows. */
	bool told =
		role->role == ROLE_CLOSE && user->source && user->source->id.kind == RN_OBJECT_FILE;
	bool stays = told || role->role == ROLE_RECEIVE || role->role == ROLE_SEND ||
		     role->role == ROLE_ACCEPT || role->role == ROLE_CONNECT;

	if (user->table->births == user->births || role->role == ROLE_FORK)
		return;
	if (user->source && !stays)
		rn_object_share(user->source);
	for (uint32_t i = 0; i < user->n_aside; i++)
		if (user->aside[i].entry.object->id.kind != RN_OBJECT_FILE)
			rn_object_share(user->aside[i].entry.object);
}

void rn_fd_exit(struct object_space *space, struct fd_user *user, const struct rn_call *call)
{
	const struct fd_role *role = rn_fd_role(space, call->abi, call->nr);
	bool unfinished = call->flags & RN_FLAG_UNFINISHED;
	bool failed = call->result < 0 || unfinished ||
		      call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED);

	if (!role || !user->table)
		return;
	share_taken(user, role);
	if (role->role == ROLE_CONNECT)
		connect_one(space, user, call);
	else if (role->role == ROLE_SEND)
		rn_rights_sent(space, user, call, failed);
	else if (!failed)
		end_well(space, user, call, role);
	else if (role->role == ROLE_FORK && unfinished)
		rn_table_share_all(user->table);
	else if (unfinished &&
		 (role->role == ROLE_OPEN || role->role == ROLE_OPEN2 || role->role == ROLE_CREATE))
		cut_open(space, user);
	else if (!unfinished && (role->role == ROLE_EXEC || role->role == ROLE_DUP_TO))
		rn_user_restore_aside(space, user);
	rn_user_leave_call(space, user);
}
