/* SPDX-License-Identifier: MIT */
/* socketcall of i386: its arguments are in memory, but the record tells of objects. */
#include <linux/net.h>

#include "fd_private.h"

/* Messages that were under way to any of its sockets may have come. */
static void drain_all(struct object_space *space, const struct fd_user *user)
{
	for (int32_t fd = rn_fd_from(user->table, 0); fd >= 0; fd = rn_fd_from(user->table, fd + 1))
		if (rn_fd_object(user->table, fd)->inbox)
			rn_rights_unsure(space, rn_fd_object(user->table, fd));
}

/* A descriptor that a socketcall tells of. */
static struct object *take_told(struct object_space *space, struct fd_user *user,
				const struct rn_call *call, int64_t fd)
{
	const struct rn_object_id own = {.kind = RN_OBJECT_SOCKET, .ways = FD_BOTH};
	struct object *object = rn_fd_object(user->table, (int32_t)fd);

	switch (call->args[0]) {
	case SYS_BIND:
	case SYS_CONNECT:
		if (object && object->id.kind == RN_OBJECT_SOCKET)
			rn_object_identify(space, object, rn_fd_identity(call->exit, fd));
		return object;
	case SYS_RECVMSG:
	case SYS_RECVMMSG:
		rn_fd_find(space, user, call->exit, fd, RN_OBJECT_OTHER, 0, false);
		object = rn_fd_object(user->table, (int32_t)fd);
		break;
	default:
		object = rn_fd_make(space, user, call->exit, fd, &own, false);
		break;
	}
	if (object) /* whether an exec closes it is not known */
		rn_object_share(object);
	return object;
}

void rn_fd_socketcall(struct object_space *space, struct fd_user *user, const struct rn_call *call)
{
	struct object *told[2] = {NULL, NULL};
	unsigned n = 0;

	switch (call->args[0]) {
	case SYS_SENDMSG:
	case SYS_SENDMMSG:
		rn_table_share_all(user->table);
		break;
	case SYS_RECV:
	case SYS_RECVFROM:
	case SYS_RECVMSG:
	case SYS_RECVMMSG:
		drain_all(space, user);
		break;
	default:
		break;
	}
	for (const struct rn_piece *p = rn_piece_first(call->exit); p;
	     p = rn_piece_next(call->exit, p))
		if (p->type == RN_PIECE_OBJECT && p->len >= sizeof(struct rn_object_id) &&
		    p->total < FD_LIMIT) {
			struct object *object = take_told(space, user, call, (int64_t)p->total);

			if (n < 2)
				told[n++] = object;
		}
	if (call->args[0] == SYS_SOCKETPAIR && told[0] && told[1] && told[0] != told[1])
		rn_object_pair(told[0], told[1]);
	if (n == 0 && (call->args[0] == SYS_SOCKET || call->args[0] == SYS_ACCEPT ||
		       call->args[0] == SYS_ACCEPT4))
		take_told(space, user, call, call->result);
}
