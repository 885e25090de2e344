/* SPDX-License-Identifier: MIT */
/* What calls do to tables of descriptors: see objects.h, and each call's manual page. */
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "fd_private.h"
#include "renacer/interpret.h"

static const struct fd_role roles[] = {
	{"open", ROLE_OPEN, 1, O_CLOEXEC, 0, 0},
	{"creat", ROLE_CREATE, FD_NEVER, 0, 0, 0},
	{"openat", ROLE_OPEN, 2, O_CLOEXEC, 0, 0},
	{"openat2", ROLE_OPEN2, FD_NEVER, 0, 0, 0},
	{"open_by_handle_at", ROLE_OPEN, 2, O_CLOEXEC, 0, 0},
	{"open_tree", ROLE_TREE, 2, O_CLOEXEC, RN_OBJECT_OTHER, 0},
	{"open_tree_attr", ROLE_NEW, 2, O_CLOEXEC, RN_OBJECT_OTHER, 0},
	{"fsopen", ROLE_NEW, 1, 1, RN_OBJECT_OTHER, 0},
	{"fsmount", ROLE_NEW, 1, 1, RN_OBJECT_OTHER, 0},
	{"fspick", ROLE_NEW, 2, 1, RN_OBJECT_OTHER, 0},
	{"memfd_create", ROLE_NEW, 1, 1, RN_OBJECT_FILE, FD_BOTH},
	{"memfd_secret", ROLE_NEW, 0, O_CLOEXEC, RN_OBJECT_FILE, FD_BOTH},
	{"mq_open", ROLE_OPEN, FD_ALWAYS, 0, RN_OBJECT_MQUEUE, 0},
	{"eventfd", ROLE_NEW, FD_NEVER, 0, RN_OBJECT_EVENTFD, FD_BOTH},
	{"eventfd2", ROLE_NEW, 1, O_CLOEXEC, RN_OBJECT_EVENTFD, FD_BOTH},
	{"epoll_create", ROLE_NEW, FD_NEVER, 0, RN_OBJECT_OTHER, 0},
	{"epoll_create1", ROLE_NEW, 0, O_CLOEXEC, RN_OBJECT_OTHER, 0},
	{"timerfd_create", ROLE_NEW, 1, O_CLOEXEC, RN_OBJECT_OTHER, 0},
	{"signalfd", ROLE_SIGNALFD, FD_NEVER, 0, RN_OBJECT_SIGNALFD, RN_WAY_READ},
	{"signalfd4", ROLE_SIGNALFD, 3, O_CLOEXEC, RN_OBJECT_SIGNALFD, RN_WAY_READ},
	{"inotify_init", ROLE_NEW, FD_NEVER, 0, RN_OBJECT_OTHER, 0},
	{"inotify_init1", ROLE_NEW, 0, O_CLOEXEC, RN_OBJECT_OTHER, 0},
	{"fanotify_init", ROLE_NEW, 0, 1, RN_OBJECT_OTHER, 0},
	{"userfaultfd", ROLE_NEW, 0, O_CLOEXEC, RN_OBJECT_OTHER, 0},
	{"perf_event_open", ROLE_NEW, 4, 8, RN_OBJECT_OTHER, 0},
	{"landlock_create_ruleset", ROLE_LANDLOCK, FD_ALWAYS, 0, RN_OBJECT_OTHER, 0},
	{"pidfd_open", ROLE_NEW, FD_ALWAYS, 0, RN_OBJECT_PIDFD, 0},
	{"pidfd_getfd", ROLE_PIDFD_GETFD, FD_ALWAYS, 0, 0, 0},
	{"seccomp", ROLE_SECCOMP, FD_ALWAYS, 0, 0, 0},
	{"io_uring_setup", ROLE_RING, FD_ALWAYS, 0, 0, 0},
	{"socket", ROLE_NEW, 1, SOCK_CLOEXEC, RN_OBJECT_SOCKET, FD_BOTH},
	{"accept", ROLE_ACCEPT, FD_NEVER, 0, 0, 0},
	{"accept4", ROLE_ACCEPT, 3, SOCK_CLOEXEC, 0, 0},
	{"connect", ROLE_CONNECT, FD_NEVER, 0, 0, 0},
	{"pipe", ROLE_PIPE, FD_NEVER, 0, 0, 0},
	{"pipe2", ROLE_PIPE, 1, O_CLOEXEC, 0, 0},
	{"socketpair", ROLE_SOCKETPAIR, 1, SOCK_CLOEXEC, 0, 0},
	{"socketcall", ROLE_SOCKETCALL, FD_NEVER, 0, 0, 0},
	{"dup", ROLE_DUP, FD_NEVER, 0, 0, 0},
	{"dup2", ROLE_DUP_TO, FD_NEVER, 0, 0, 0},
	{"dup3", ROLE_DUP_TO, 2, O_CLOEXEC, 0, 0},
	{"fcntl", ROLE_FCNTL, FD_NEVER, 0, 0, 0},
	{"fcntl64", ROLE_FCNTL, FD_NEVER, 0, 0, 0},
	{"ioctl", ROLE_IOCTL, FD_NEVER, 0, 0, 0},
	{"close", ROLE_CLOSE, FD_NEVER, 0, 0, 0},
	{"close_range", ROLE_CLOSE_RANGE, FD_NEVER, 0, 0, 0},
	{"fork", ROLE_FORK, FD_NEVER, 0, 0, 0},
	{"vfork", ROLE_FORK, FD_NEVER, 0, 0, 0},
	{"clone", ROLE_FORK, FD_NEVER, 0, 0, 0},
	{"clone3", ROLE_FORK, FD_NEVER, 0, 0, 0},
	{"unshare", ROLE_UNSHARE, FD_NEVER, 0, 0, 0},
	{"execve", ROLE_EXEC, FD_NEVER, 0, 0, 0},
	{"execveat", ROLE_EXEC, FD_NEVER, 0, 0, 0},
	{"exit", ROLE_EXIT, FD_NEVER, 0, 0, 0},
	{"exit_group", ROLE_EXIT, FD_NEVER, 0, 0, 0},
	{"sendmsg", ROLE_SEND, FD_NEVER, 0, 0, 0},
	{"sendmmsg", ROLE_SEND, FD_NEVER, 0, 0, 0},
	{"recvmsg", ROLE_RECEIVE, 2, MSG_CMSG_CLOEXEC, 0, 0},
	{"recvmmsg", ROLE_RECEIVE, 3, MSG_CMSG_CLOEXEC, 0, 0},
	{"read", ROLE_DRAIN, FD_NEVER, 0, 0, 0},
	{"readv", ROLE_DRAIN, FD_NEVER, 0, 0, 0},
	{"recv", ROLE_DRAIN, FD_NEVER, 0, 0, 0},
	{"recvfrom", ROLE_DRAIN, FD_NEVER, 0, 0, 0},
	{"splice", ROLE_DRAIN, FD_NEVER, 0, 0, 0},
};

#define N_ROLES (sizeof(roles) / sizeof(roles[0]))
_Static_assert(N_ROLES < 255, "an index fits a byte");

void rn_fd_roles_of_calls(struct object_space *space)
{
	for (size_t i = 0; i < N_ROLES; i++)
		rn_roles_set(&space->roles, roles[i].name, (uint8_t)(i + 1));
}

bool rn_objects_are_followed(const uint64_t *wanted)
{
	for (size_t i = 0; wanted && i < N_ROLES; i++)
		if (!rn_selection_has_all(wanted, roles[i].name))
			return false;
	return true;
}

/* Those by which descriptors of a path can be followed; what else makes some takes free numbers. */
static bool follows_paths(const struct fd_role *role)
{
	switch ((enum fd_role_kind)role->role) {
	case ROLE_OPEN:
	case ROLE_CREATE:
	case ROLE_OPEN2:
	case ROLE_TREE:
	case ROLE_DUP:
	case ROLE_DUP_TO:
	case ROLE_FCNTL:
	case ROLE_CLOSE:
	case ROLE_CLOSE_RANGE:
	case ROLE_UNSHARE:
	case ROLE_RING:
		return true;
	default:
		return false;
	}
}

void rn_selection_widen(uint64_t *wanted)
{
	for (size_t i = 0; i < N_ROLES; i++) {
		if (!follows_paths(&roles[i]))
			continue;
		for (struct rn_number at = {0}; rn_syscall_next(roles[i].name, &at);)
			wanted[at.abi * RN_ABI_WORDS + at.nr / 64] |= 1ull << at.nr % 64;
	}
}

bool rn_fd_is_opening(const struct object_space *space, uint8_t abi, int32_t nr)
{
	const struct fd_role *role = rn_fd_role(space, abi, nr);

	return role && (role->role == ROLE_OPEN || role->role == ROLE_CREATE ||
			role->role == ROLE_OPEN2 || role->role == ROLE_TREE);
}

const struct fd_role *rn_fd_role(const struct object_space *space, uint8_t abi, int32_t nr)
{
	uint8_t index = rn_role(&space->roles, abi, nr);

	return index ? &roles[index - 1] : NULL;
}

const struct rn_object_id *rn_fd_identity(const struct rn_event *ev, int64_t fd)
{
	if (!ev)
		return NULL;
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_OBJECT && p->total == (uint64_t)fd &&
		    p->len >= sizeof(struct rn_object_id))
			return (const struct rn_object_id *)(const void *)rn_piece_data(p);
	return NULL;
}

const void *rn_fd_struct(const struct rn_event *ev, unsigned arg, bool at_exit, size_t len)
{
	if (!ev)
		return NULL;
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_STRUCT && p->arg == arg && p->len >= len &&
		    !!(p->flags & RN_PIECE_AT_EXIT) == at_exit)
			return rn_piece_data(p);
	return NULL;
}

/* What a clone3, clone or fork shares with the process that it makes. */
uint64_t rn_fd_clone_flags(const struct rn_event *ev)
{
	const struct rn_syscall_desc *desc = rn_syscall(ev->abi, ev->nr);
	uint64_t flags = 0;
	const void *args;

	if (!desc->name || desc->nargs == 0)
		return 0; /* fork, vfork */
	if (desc->args[0].kind != RN_ARG_CLONE_ARGS)
		return ev->args[0];
	args = rn_fd_struct(ev, 0, false, sizeof(flags));
	if (args)
		memcpy(&flags, args, sizeof(flags));
	return flags;
}

void rn_user_leave_call(struct object_space *space, struct fd_user *user)
{
	if (user->source) {
		user->source->senders -= user->sends;
		user->source->receivers -= user->receives;
		rn_object_put(space, user->source);
	}
	if (user->forks && user->table)
		rn_race_fork_ends(user->table);
	rn_race_call_ends(space, user);
	user->source = NULL;
	user->forks = user->sends = user->receives = false;
	rn_user_drop_aside(space, user);
}

static void keep_source(struct fd_user *user, int32_t fd)
{
	const struct fd_entry *entry = rn_table_entry(user->table, fd);

	if (!entry)
		return;
	user->source = rn_object_hold(entry->object);
	user->source_ways = entry->ways;
	user->source_description = entry->description;
	user->source_maybe = entry->maybe;
}

static void close_range_at_entry(struct object_space *space, struct fd_user *user,
				 const struct rn_event *ev)
{
	uint32_t first = (uint32_t)ev->args[0], last = (uint32_t)ev->args[1];
	uint32_t flags = (uint32_t)ev->args[2];
	bool others;

	if (first > last || flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return; /* EINVAL */
	if (flags & CLOSE_RANGE_UNSHARE)
		rn_table_unshare(space, user);
	if (!user->table || flags & CLOSE_RANGE_CLOEXEC)
		return;
	rn_race_closes(space, user->table);
	others = ev->kind != RN_SYSCALL && rn_table_is_shared(user->table);
	rn_table_close_range(space, user->table, first, last, false, others ? user : NULL);
}

/* Somebody's message may be thrown away by a call that does not ask for descriptors. */
static void drain(struct object_space *space, const struct fd_user *user, int32_t fd)
{
	struct object *object = rn_fd_object(user->table, fd);

	if (object && object->inbox)
		rn_rights_unsure(space, object);
}

static void fork_at_entry(struct fd_user *user, bool copies)
{
	if (!copies)
		return;
	user->forks = true;
	user->table->forking++;
}

void rn_fd_entry(struct object_space *space, struct fd_user *user, const struct rn_event *ev)
{
	const struct fd_role *role = rn_fd_role(space, ev->abi, ev->nr);
	int32_t fd = (int32_t)ev->args[0];

	space->latest = ev->seq;
	if (!role || !user->table)
		return;
	user->began = ev->seq;
	user->births = user->table->births;
	user->born = 0;
	switch ((enum fd_role_kind)role->role) {
	case ROLE_DRAIN:
		drain(space, user, fd);
		break;
	case ROLE_FCNTL:
		if ((int32_t)ev->args[1] == F_DUPFD || (int32_t)ev->args[1] == F_DUPFD_CLOEXEC)
			keep_source(user, fd);
		break;
	case ROLE_DUP:
	case ROLE_ACCEPT:
	case ROLE_CONNECT:
	case ROLE_PIDFD_GETFD:
		keep_source(user, fd);
		break;
	case ROLE_DUP_TO:
		keep_source(user, fd);
		if (fd != (int32_t)ev->args[1])
			rn_race_closes_one(space, user->table, (int32_t)ev->args[1]);
		/* It is closed by the time that it returns, and who sees that may tell before. */
		if (user->source && fd != (int32_t)ev->args[1] &&
		    rn_table_entry(user->table, (int32_t)ev->args[1]))
			rn_user_put_aside(space, user, (int32_t)ev->args[1]);
		break;
	case ROLE_OPEN:
	case ROLE_CREATE:
	case ROLE_OPEN2:
		user->opens = true;
		break;
	case ROLE_CLOSE:
		user->closes = true;
		keep_source(user, fd);
		rn_race_closes_one(space, user->table, fd);
		rn_table_close(space, user->table, fd);
		break;
	case ROLE_CLOSE_RANGE:
		close_range_at_entry(space, user, ev);
		break;
	case ROLE_FORK:
		fork_at_entry(user, !(rn_fd_clone_flags(ev) & CLONE_FILES));
		break;
	case ROLE_UNSHARE:
		fork_at_entry(user, ev->args[0] & CLONE_FILES);
		break;
	case ROLE_EXEC:
		rn_race_closes(space, user->table);
		/* Threads that it ends may use the table until then. */
		if (!rn_table_is_shared(user->table))
			rn_table_close_range(space, user->table, 0, FD_LIMIT, true, user);
		break;
	case ROLE_EXIT:
		rn_fd_table_end(space, user);
		break;
	case ROLE_SEND:
		keep_source(user, fd);
		rn_rights_send(space, user, ev);
		break;
	case ROLE_RECEIVE:
		keep_source(user, fd);
		rn_rights_wait(user);
		break;
	default:
		break;
	}
}
