/* SPDX-License-Identifier: MIT */
/* Calls that name, connect, end and set up sockets and pipes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "channels.h"
#include "fd_private.h"

/* The piece that was captured for an argument, at the entry or at the exit. */
static const struct rn_piece *piece_of(const struct rn_event *ev, unsigned arg, bool at_exit)
{
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_STRUCT && p->arg == arg &&
		    !!(p->flags & RN_PIECE_AT_EXIT) == at_exit)
			return p;
	return NULL;
}

/* The name in a struct sockaddr_un of `len` bytes: a whole path, or an abstract one. */
static const uint8_t *name_in(const uint8_t *address, uint32_t len, uint32_t *name_len)
{
	const uint32_t head = offsetof(struct sockaddr_un, sun_path);
	uint16_t family;

	if (len <= head)
		return NULL;
	memcpy(&family, address, sizeof(family));
	if (family != AF_UNIX)
		return NULL;
	address += head;
	len -= head;
	if (address[0])
		len = (uint32_t)strnlen((const char *)address, len);
	*name_len = len;
	/* A relative one means another thing elsewhere. */
	return len <= NAME_BYTES && (address[0] == 0 || address[0] == '/') ? address : NULL;
}

static const uint8_t *name_of(const struct rn_event *ev, unsigned arg, uint32_t *name_len)
{
	const struct rn_piece *piece = piece_of(ev, arg, false);

	return piece ? name_in(rn_piece_data(piece), piece->len, name_len) : NULL;
}

/* The head of the one message of sendmsg(2), and its name. */
static const uint8_t *name_in_message(const struct rn_event *ev, bool *is_named, uint32_t *name_len)
{
	const struct rn_piece *piece = piece_of(ev, 1, false);
	struct rn_message_head head;

	if (!piece || piece->len < sizeof(head)) {
		*is_named = true; /* it may be */
		return NULL;
	}
	memcpy(&head, rn_piece_data(piece), sizeof(head));
	*is_named = head.name && head.namelen;
	if (head.name_bytes == UINT32_MAX || head.name_bytes > piece->len - sizeof(head))
		return NULL;
	return name_in(rn_piece_data(piece) + sizeof(head), head.name_bytes, name_len);
}

struct channel *rn_channel_to_name(struct channels *channels, const struct rn_event *ev,
				   enum channel_role role, bool *is_named)
{
	const uint8_t *name = NULL;
	struct object *to;
	uint32_t len;

	if (role == CHANNEL_SEND && ev->args[4]) {
		*is_named = true;
		name = name_of(ev, 4, &len);
	} else if (role == CHANNEL_SEND_MESSAGE) {
		name = name_in_message(ev, is_named, &len);
	} else if (role == CHANNEL_SEND_MESSAGES) {
		/* Each may go elsewhere. */
		*is_named = true;
	}
	to = name ? rn_channel_named(channels, name, len) : NULL;
	return to ? rn_channel_in(channels, to) : NULL;
}

static void on_connect(struct channels *channels, struct thread *thread, const struct rn_event *ev)
{
	struct object *object = rn_channel_object(thread, (int32_t)ev->args[0]);
	struct ends *ends = object ? rn_channel_ends(channels, object) : NULL;

	if (!ends || object->id.kind != RN_OBJECT_SOCKET)
		return;
	if (thread->clock > channels->connects)
		channels->connects = thread->clock;
	/* One that another call has begun to connect, or has connected, stays that call's. */
	if (!ends->connect.seq) {
		rn_cause_of_entry(channels->edges, thread, ev, &ends->connect);
		ends->connecting = true;
		ends->either = false;
	} else if (ends->connecting) {
		ends->either = true;
	}
}

/* Whether the connection that this call was to make may still come to be, or has. */
static bool is_on_its_way(const struct object *object, const struct rn_call *call)
{
	bool cut_short = call->result == -EINTR || call->flags & RN_FLAG_INTERRUPTED;

	return call->result == -EINPROGRESS || call->result == -EALREADY ||
	       call->result == -EISCONN || (cut_short && !rn_channel_is_socket(object, AF_UNIX));
}

/* Whether it takes its address from a socket again. */
static bool is_disconnect(const struct rn_call *call)
{
	const struct rn_piece *piece = piece_of(call->entry, 1, false);
	uint16_t family;

	if (!piece || piece->len < sizeof(family))
		return false;
	memcpy(&family, rn_piece_data(piece), sizeof(family));
	return family == AF_UNSPEC;
}

static void on_connected(struct channels *channels, struct thread *thread,
			 const struct rn_call *call)
{
	struct object *object = rn_channel_object(thread, (int32_t)call->args[0]);
	struct ends *ends = object ? rn_channel_ends(channels, object) : NULL;
	bool is_first;

	if (!ends || object->id.kind != RN_OBJECT_SOCKET)
		return;
	is_first = ends->connect.seq == call->seq;
	if (is_first)
		ends->connecting = false;
	if ((call->result == 0 && !is_disconnect(call)) || is_on_its_way(object, call)) {
		if (is_first)
			rn_channel_linger(channels, object);
	} else if (!ends->connecting) {
		ends->connect.seq = 0;
	}
}

/* From its entry on it may be seen. */
static void on_shutdown(struct channels *channels, struct thread *thread, const struct rn_event *ev)
{
	struct object *object = rn_channel_object(thread, (int32_t)ev->args[0]);
	struct channel *channel;

	if (!object || object->id.kind != RN_OBJECT_SOCKET || object->id.type == SOCK_DGRAM)
		return;
	if (ev->args[1] != SHUT_WR) {
		channel = rn_channel_in(channels, object);
		if (channel && !channel->deaf) {
			channel->deaf = true;
			if (thread->clock > channel->closing)
				channel->closing = thread->clock;
		}
	}
	channel = ev->args[1] == SHUT_RD ? NULL : rn_channel_out(channels, object);
	if (channel)
		rn_channel_shut(channels, channel);
}

static void on_rename(struct channels *channels, const struct rn_event *ev)
{
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_PATH)
			rn_channel_unname(channels, rn_piece_data(p),
					  p->flags & (RN_PIECE_CUT | RN_PIECE_UNREAD) ? 0 : p->len);
}

void rn_channel_socket_entry(struct channels *channels, struct thread *thread,
			     const struct rn_event *ev, enum channel_role role)
{
	if (role == CHANNEL_CONNECT)
		on_connect(channels, thread, ev);
	else if (role == CHANNEL_SHUTDOWN)
		on_shutdown(channels, thread, ev);
	else if (role == CHANNEL_RENAME)
		on_rename(channels, ev);
}

/* It has ended nothing, and what is taken for the end of this from now on is not certain. */
static void on_shutdown_failed(struct thread *thread, const struct rn_call *call)
{
	struct object *object = rn_channel_object(thread, (int32_t)call->args[0]);
	struct ends *ends = object ? object->state : NULL;

	if (!ends || object->id.kind != RN_OBJECT_SOCKET || !ends->out)
		return;
	ends->out->shut = false;
	ends->out->others_until = UINT64_MAX;
}

static void on_bound(struct channels *channels, struct thread *thread, const struct rn_call *call)
{
	struct object *object = rn_channel_object(thread, (int32_t)call->args[0]);
	const uint8_t *name;
	struct ends *ends;
	uint32_t len;

	if (!object || !rn_channel_is_socket(object, AF_UNIX) || object->id.type != SOCK_DGRAM)
		return;
	ends = rn_channel_ends(channels, object);
	if (ends)
		ends->bound = true;
	name = name_of(call->entry, 1, &len);
	if (name)
		rn_channel_name(channels, object, name, len);
}

static void on_accepted(struct channels *channels, struct thread *thread,
			const struct rn_call *call, struct joined *joined)
{
	const struct rn_object_id *id = rn_fd_identity(call->exit, call->result);
	struct object *other = NULL;
	const struct ends *ends;
	bool certain;

	if (id && id->kind == RN_OBJECT_SOCKET)
		other = rn_object_other(channels->edges->in->objects, id);
	ends = other ? other->state : NULL;
	channels->met = other;
	if (ends && ends->connect.seq) {
		certain = !ends->either && !rn_channel_is_foreign(other);
		rn_join(channels->edges, thread, joined, &ends->connect, RN_EDGE_CONNECT, certain);
		/* Whoever was forked while the accept waited for it cannot have it. */
		if (certain)
			rn_fd_makes_after(&thread->fds, ends->connect.seq);
		return;
	}
	/* Its end is not recorded yet, or it was none of those that are traced. */
	if (channels->connects > joined->clock)
		joined->clock = channels->connects;
	rn_join_incomplete(joined, "untraced");
}

/* Packets that are kept apart: the pipe is not in the table yet. */
static void on_pipe(struct channels *channels, const struct rn_call *call)
{
	if (!(call->args[1] & O_DIRECT) || !call->exit)
		return;
	for (const struct rn_piece *p = rn_piece_first(call->exit); p;
	     p = rn_piece_next(call->exit, p)) {
		struct rn_object_id id;

		if (p->type != RN_PIECE_OBJECT || p->len < sizeof(id))
			continue;
		memcpy(&id, rn_piece_data(p), sizeof(id));
		channels->packet_pipes[channels->next_packet_pipe++ % PACKET_PIPES] = id.inode;
	}
}

static void tear(struct channels *channels, struct object *object)
{
	struct channel *in = object ? rn_channel_in(channels, object) : NULL;

	if (in)
		rn_stream_tear(in->stream);
}

/* What makes of reads and writes another thing than they are taken for here. */
static void on_option(struct channels *channels, struct thread *thread, const struct rn_call *call,
		      enum channel_role role)
{
	struct object *object = rn_channel_object(thread, (int32_t)call->args[0]);
	uint64_t level = call->args[1], name = call->args[2];

	if (!object || object->id.kind != RN_OBJECT_SOCKET)
		return;
	if (role == CHANNEL_GETSOCKOPT) {
		if (level == IPPROTO_TCP && name == TCP_ZEROCOPY_RECEIVE)
			tear(channels, object);
		return;
	}
	/* It gets a name when it sends, unix(7). */
	if (level == SOL_SOCKET && name == SO_PASSCRED && rn_channel_is_socket(object, AF_UNIX)) {
		struct ends *ends = rn_channel_ends(channels, object);

		if (ends)
			ends->bound = true;
	}
	if (level == SOL_SOCKET && (name == SO_ATTACH_FILTER || name == SO_ATTACH_BPF ||
				    name == SO_PEEK_OFF || name == SO_OOBINLINE)) {
		object->odd = true;
		tear(channels, object);
	}
}

static void on_flags(struct channels *channels, struct thread *thread, const struct rn_call *call)
{
	struct object *object = rn_channel_object(thread, (int32_t)call->args[0]);
	struct ends *ends;

	if ((int32_t)call->args[1] != F_SETFL || !object || object->id.kind != RN_OBJECT_PIPE)
		return;
	ends = rn_channel_ends(channels, object);
	if (ends && !!(call->args[2] & O_DIRECT) != ends->packets)
		tear(channels, object);
}

void rn_channel_socket_exit(struct channels *channels, struct thread *thread,
			    const struct rn_call *call, enum channel_role role,
			    struct joined *joined)
{
	if (role == CHANNEL_CONNECT) {
		on_connected(channels, thread, call);
		return;
	}
	if (role == CHANNEL_SHUTDOWN && call->result < 0)
		on_shutdown_failed(thread, call);
	if (call->result < 0)
		return;
	switch (role) {
	case CHANNEL_BIND:
		on_bound(channels, thread, call);
		break;
	case CHANNEL_ACCEPT:
		on_accepted(channels, thread, call, joined);
		break;
	case CHANNEL_PIPE:
		on_pipe(channels, call);
		break;
	case CHANNEL_SETSOCKOPT:
	case CHANNEL_GETSOCKOPT:
		on_option(channels, thread, call, role);
		break;
	case CHANNEL_FCNTL:
		on_flags(channels, thread, call);
		break;
	case CHANNEL_EPOLL_CTL:
		rn_channel_watch(channels, thread, call);
		break;
	case CHANNEL_POLL:
	case CHANNEL_SELECT:
	case CHANNEL_EPOLL_WAIT:
		if (call->result > 0)
			rn_channel_ready(channels, thread, call, role, joined);
		break;
	default:
		break;
	}
}
