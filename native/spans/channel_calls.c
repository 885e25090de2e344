/* SPDX-License-Identifier: MIT */
/*
 * Calls that move bytes or messages: at the entry they are begun, at the exit the causes of what
 * was read are joined. A write's cause is its entry: before it nobody can have read what it wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "channels.h"

#define MOST RN_STREAM_MOST
#define PACKET 4096u /* bytes that a pipe of packets takes as one: PIPE_BUF */

static const struct named_role {
	const char *name;
	uint8_t role;
} roles[] = {
	{"read", CHANNEL_READ},
	{"readv", CHANNEL_READ_LIST},
	{"preadv2", CHANNEL_READ_LIST},
	{"recv", CHANNEL_RECV},
	{"recvfrom", CHANNEL_RECV},
	{"recvmsg", CHANNEL_RECV_MESSAGE},
	{"recvmmsg", CHANNEL_RECV_MESSAGES},
	{"recvmmsg_time64", CHANNEL_RECV_MESSAGES},
	{"write", CHANNEL_WRITE},
	{"writev", CHANNEL_WRITE_LIST},
	{"pwritev2", CHANNEL_WRITE_LIST},
	{"send", CHANNEL_SEND},
	{"sendto", CHANNEL_SEND},
	{"sendmsg", CHANNEL_SEND_MESSAGE},
	{"sendmmsg", CHANNEL_SEND_MESSAGES},
	{"sendfile", CHANNEL_SENDFILE},
	{"sendfile64", CHANNEL_SENDFILE},
	{"splice", CHANNEL_SPLICE},
	{"tee", CHANNEL_TEE},
	{"vmsplice", CHANNEL_VMSPLICE},
	{"bind", CHANNEL_BIND},
	{"connect", CHANNEL_CONNECT},
	{"accept", CHANNEL_ACCEPT},
	{"accept4", CHANNEL_ACCEPT},
	{"rename", CHANNEL_RENAME},
	{"renameat", CHANNEL_RENAME},
	{"renameat2", CHANNEL_RENAME},
	{"unlink", CHANNEL_RENAME},
	{"unlinkat", CHANNEL_RENAME},
	{"pipe2", CHANNEL_PIPE},
	{"shutdown", CHANNEL_SHUTDOWN},
	{"setsockopt", CHANNEL_SETSOCKOPT},
	{"getsockopt", CHANNEL_GETSOCKOPT},
	{"fcntl", CHANNEL_FCNTL},
	{"fcntl64", CHANNEL_FCNTL},
	{"poll", CHANNEL_POLL},
	{"ppoll", CHANNEL_POLL},
	{"ppoll_time64", CHANNEL_POLL},
	{"select", CHANNEL_SELECT},
	{"_newselect", CHANNEL_SELECT},
	{"pselect6", CHANNEL_SELECT},
	{"pselect6_time64", CHANNEL_SELECT},
	{"epoll_ctl", CHANNEL_EPOLL_CTL},
	{"epoll_wait", CHANNEL_EPOLL_WAIT},
	{"epoll_pwait", CHANNEL_EPOLL_WAIT},
	{"epoll_pwait2", CHANNEL_EPOLL_WAIT},
	{"socketcall", CHANNEL_UNSEEN},
	{"io_uring_setup", CHANNEL_IO_URING},
};

/* Calls that move nothing: without them less is known, but nothing is wrong. */
static bool is_needed(uint8_t role)
{
	return role <= CHANNEL_VMSPLICE || role == CHANNEL_PIPE || role == CHANNEL_SETSOCKOPT ||
	       role == CHANNEL_FCNTL;
}

void rn_channel_roles(struct channels *channels, const uint64_t *wanted)
{
	for (unsigned i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		rn_roles_set(&channels->roles, roles[i].name, roles[i].role);
		if (rn_selection_has_all(wanted, roles[i].name))
			continue;
		if (is_needed(roles[i].role))
			channels->unsure = "selection";
		channels->unnamed |= roles[i].role == CHANNEL_RENAME;
	}
}

static enum channel_role role_of(const struct channels *channels, uint8_t abi, int32_t nr)
{
	return (enum channel_role)rn_role(&channels->roles, abi, nr);
}

struct operation *rn_operation(struct channels *channels, struct thread *thread)
{
	struct operation *op = thread->operation;

	if (op)
		return op;
	op = channels->free;
	if (op) {
		channels->free = op->next;
	} else {
		op = calloc(1, sizeof(*op));
		if (!op)
			return NULL;
		op->next_made = channels->made;
		channels->made = op;
	}
	*op = (struct operation){.next_made = op->next_made};
	thread->operation = op;
	return op;
}

void rn_operations_free(struct channels *channels)
{
	while (channels->made) {
		struct operation *op = channels->made;

		channels->made = op->next_made;
		free(op);
	}
}

static void end_operation(struct channels *channels, struct thread *thread)
{
	struct operation *op = thread->operation;

	if (op->in)
		rn_stream_read_lost(op->in->stream, &op->read);
	if (op->out)
		rn_stream_write_lost(op->out->stream, &op->write);
	rn_channel_put(op->in);
	rn_channel_put(op->out);
	rn_channel_put(op->closed);
	if (op->from)
		rn_object_put(channels->edges->in->objects, op->from);
	if (op->to)
		rn_object_put(channels->edges->in->objects, op->to);
	thread->operation = NULL;
	op->next = channels->free;
	channels->free = op;
}

/* A pipe, or a socket whose bytes or messages come one after the other and are not lost. */
static bool is_queue(const struct object *object)
{
	if (object->id.kind == RN_OBJECT_PIPE || rn_channel_is_socket(object, AF_UNIX))
		return true;
	return object->id.type == SOCK_STREAM &&
	       (rn_channel_is_socket(object, AF_INET) || rn_channel_is_socket(object, AF_INET6));
}

static bool is_lossy(const struct object *object)
{
	return object->id.type == SOCK_DGRAM &&
	       (rn_channel_is_socket(object, AF_INET) || rn_channel_is_socket(object, AF_INET6));
}

static struct operation *begin(struct channels *channels, struct thread *thread,
			       enum channel_role role)
{
	struct operation *op = rn_operation(channels, thread);

	if (op)
		op->role = (uint8_t)role;
	return op;
}

/* Whether the result does not tell how much was moved: messages on a stream, packets by splice and
   its like. */
static bool is_uncounted(const struct object *object, enum channel_role role)
{
	if (rn_channel_has_bytes(object))
		return role == CHANNEL_RECV_MESSAGES || role == CHANNEL_SEND_MESSAGES;
	return role >= CHANNEL_SENDFILE && role <= CHANNEL_VMSPLICE;
}

/* `most`: bytes; of messages so many as `messages` says. */
static void begin_read(struct channels *channels, struct thread *thread, enum channel_role role,
		       int32_t fd, uint64_t most, uint64_t messages, uint64_t flags)
{
	struct object *object = rn_channel_object(thread, fd);
	struct operation *op;
	bool peeks = flags & MSG_PEEK;

	if (!object || flags & MSG_ERRQUEUE || (!is_queue(object) && !is_lossy(object)))
		return;
	op = begin(channels, thread, role);
	if (!op)
		return;
	op->from = rn_object_hold(object);
	op->untraced = rn_channel_is_foreign(object) ||
		       (object->peer && rn_channel_is_foreign(object->peer));
	if (is_lossy(object))
		return;
	op->in = rn_channel_in(channels, object);
	if (!op->in)
		return;
	rn_channel_hold(op->in);
	op->bytes = rn_channel_has_bytes(object);
	if (flags & MSG_OOB || op->untraced || is_uncounted(object, role))
		rn_stream_tear(op->in->stream);
	rn_stream_read_begin(op->in->stream, &op->read, op->bytes ? most : (peeks ? 1 : messages),
			     peeks);
}

static uint64_t packets_of(uint64_t bytes)
{
	return bytes / PACKET + (bytes % PACKET != 0);
}

/* It goes to where it is not known: what is received from there may be from it. */
static void send_astray(struct channels *channels, struct thread *thread, struct object *object,
			bool named)
{
	struct ends *ends = rn_channel_ends(channels, object);

	if (ends)
		ends->missed = true;
	/* It may be for any socket that has a name, but for one that is known to be another. */
	channels->astray |= rn_channel_is_socket(object, AF_UNIX) &&
			    object->id.type == SOCK_DGRAM && (named || !object->id.peer);
	if (thread->clock > channels->stray)
		channels->stray = thread->clock;
}

static void begin_write(struct channels *channels, struct thread *thread, const struct rn_event *ev,
			enum channel_role role, int32_t fd, uint64_t most, uint64_t messages,
			uint64_t flags)
{
	struct object *object = rn_channel_object(thread, fd);
	struct channel *out;
	struct operation *op;
	struct cause cause;
	bool named = false;

	if (!object || (!is_queue(object) && !is_lossy(object)))
		return;
	out = object->id.type == SOCK_DGRAM && object->id.kind == RN_OBJECT_SOCKET
		      ? rn_channel_to_name(channels, ev, role, &named)
		      : NULL;
	if (!out && !named && !is_lossy(object))
		out = rn_channel_out(channels, object);
	if (!out) {
		send_astray(channels, thread, object, named);
		return;
	}
	op = begin(channels, thread, role);
	if (!op) {
		rn_stream_tear(out->stream);
		return;
	}
	op->to = rn_object_hold(object);
	op->out = rn_channel_hold(out);
	/* Bytes that take another way, or that went before it was known where. */
	if (flags & (MSG_OOB | MSG_FASTOPEN) || rn_channel_is_foreign(object) ||
	    is_uncounted(object, role))
		rn_stream_tear(out->stream);
	/* If it is closed before it is accepted, who accepts it may not learn whose it was. */
	if (object->id.kind == RN_OBJECT_SOCKET && !object->peer && thread->clock > channels->stray)
		channels->stray = thread->clock;
	if (object->id.kind == RN_OBJECT_PIPE)
		messages = packets_of(most);
	rn_cause_of_entry(channels->edges, thread, ev, &cause);
	rn_stream_write_begin(out->stream, &op->write, &cause,
			      rn_channel_has_bytes(object) ? most : messages, op->in != NULL);
}

static void begin_vmsplice(struct channels *channels, struct thread *thread,
			   const struct rn_event *ev)
{
	int32_t fd = (int32_t)ev->args[0];

	if (!thread->fds.table)
		return;
	if (rn_fd_ways(thread->fds.table, fd) & RN_WAY_WRITE)
		begin_write(channels, thread, ev, CHANNEL_VMSPLICE, fd, MOST, 1, 0);
	else
		begin_read(channels, thread, CHANNEL_VMSPLICE, fd, MOST, 1, 0);
}

/* From here on things pass that no call tells of. */
static void set_unsure(struct channels *channels, const char *why)
{
	if (!channels->unsure)
		channels->unsure = why;
}

void rn_channels_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev)
{
	struct channels *channels = edges->channels;
	const uint64_t *args = ev->args;
	int32_t fd = (int32_t)args[0];
	enum channel_role role;

	if (!channels)
		return;
	role = role_of(channels, ev->abi, ev->nr);
	channels->now = ev;
	channels->over = false;
	channels->thread = thread;
	thread->entered = channels->latest = ev->seq;
	if (channels->met)
		rn_channel_met(channels);
	if (thread->operation)
		end_operation(channels, thread); /* there was no memory for its entry */
	switch (role) {
	case CHANNEL_READ:
		begin_read(channels, thread, role, fd, args[2], 1, 0);
		break;
	case CHANNEL_READ_LIST:
		begin_read(channels, thread, role, fd, MOST, 1, 0);
		break;
	case CHANNEL_RECV:
		begin_read(channels, thread, role, fd, args[2], 1, args[3]);
		break;
	case CHANNEL_RECV_MESSAGE:
		begin_read(channels, thread, role, fd, MOST, 1, args[2]);
		break;
	case CHANNEL_RECV_MESSAGES:
		begin_read(channels, thread, role, fd, MOST, (uint32_t)args[2], args[3]);
		break;
	case CHANNEL_WRITE:
		begin_write(channels, thread, ev, role, fd, args[2], 1, 0);
		break;
	case CHANNEL_WRITE_LIST:
		begin_write(channels, thread, ev, role, fd, MOST, 1, 0);
		break;
	case CHANNEL_SEND:
		begin_write(channels, thread, ev, role, fd, args[2], 1, args[3]);
		break;
	case CHANNEL_SEND_MESSAGE:
		begin_write(channels, thread, ev, role, fd, MOST, 1, args[2]);
		break;
	case CHANNEL_SEND_MESSAGES:
		begin_write(channels, thread, ev, role, fd, MOST, (uint32_t)args[2], args[3]);
		break;
	case CHANNEL_SENDFILE: /* into a pipe it reads sockets, too */
		begin_read(channels, thread, role, (int32_t)args[1], args[3], 1, 0);
		begin_write(channels, thread, ev, role, fd, args[3], 1, 0);
		break;
	case CHANNEL_SPLICE:
		begin_read(channels, thread, role, fd, args[4], 1, 0);
		begin_write(channels, thread, ev, role, (int32_t)args[2], args[4], 1, 0);
		break;
	case CHANNEL_TEE:
		begin_read(channels, thread, role, fd, args[2], 1, MSG_PEEK);
		begin_write(channels, thread, ev, role, (int32_t)args[1], args[2], 1, 0);
		break;
	case CHANNEL_VMSPLICE:
		begin_vmsplice(channels, thread, ev);
		break;
	case CHANNEL_UNSEEN:
		set_unsure(channels, "socketcall");
		break;
	case CHANNEL_IO_URING:
		set_unsure(channels, "io_uring");
		break;
	case CHANNEL_NONE:
		break;
	default:
		rn_channel_socket_entry(channels, thread, ev, role);
		break;
	}
}

struct finding {
	struct edges *edges;
	struct thread *thread;
	struct joined *joined;
	enum rn_edge_kind kind;
};

static void on_found(void *ctx, const struct cause *cause, bool certain, uint64_t carried)
{
	struct finding *finding = ctx;

	rn_join(finding->edges, finding->thread, finding->joined, cause, finding->kind, certain);
	/* Of what is still being passed on it is known only that it is not yet to come. */
	if (carried == RN_STREAM_RELAYS)
		carried = finding->edges->in->greatest;
	if (carried > finding->joined->clock)
		finding->joined->clock = carried;
}

static void tell_unsure(const struct channels *channels, const struct operation *op,
			struct joined *joined)
{
	rn_join_incomplete(joined,
			   op->untraced || !channels->unsure ? "untraced" : channels->unsure);
}

static void end_read(struct channels *channels, struct thread *thread, struct operation *op,
		     const struct rn_call *call, struct joined *joined)
{
	struct finding finding = {channels->edges, thread, joined, rn_channel_kind(op->from)};
	struct stream *stream = op->in->stream;
	uint64_t n = call->result > 0 ? (uint64_t)call->result : 0;

	if (channels->unsure || op->in->losses != channels->edges->losses)
		rn_stream_tear(stream);
	/* A message may be empty; where there is none, it was the end. */
	if (!op->bytes && op->role != CHANNEL_RECV_MESSAGES && call->result >= 0 &&
	    (n || op->from->id.type == SOCK_DGRAM || rn_stream_holds(stream)))
		n = 1;
	if (n) {
		if (!rn_stream_read_end(stream, &op->read, n, on_found, &finding)) {
			tell_unsure(channels, op, joined);
			if (channels->stray > joined->clock)
				joined->clock = channels->stray;
		}
	} else if (call->result == 0 && op->read.most) {
		rn_stream_read_nothing(stream, &op->read, finding.kind != RN_EDGE_TCP);
		rn_channel_ended(channels, thread, op, joined);
	} else {
		rn_stream_read_nothing(stream, &op->read,
				       call->result == -EAGAIN && finding.kind != RN_EDGE_TCP &&
					       op->role <= CHANNEL_RECV_MESSAGES);
	}
}

static void end_write(struct operation *op, const struct rn_call *call, uint64_t carried)
{
	uint64_t n = call->result > 0 ? (uint64_t)call->result : 0;

	if (op->to->id.kind == RN_OBJECT_PIPE && !rn_channel_has_bytes(op->to))
		n = packets_of(n);
	else if (!rn_channel_has_bytes(op->to) && op->role != CHANNEL_SEND_MESSAGES)
		n = call->result >= 0;
	rn_stream_write_end(op->out->stream, &op->write, n, carried);
}

/* It has moved what it was to move, or nothing. */
static void end_call(struct channels *channels, struct thread *thread, struct operation *op,
		     const struct rn_call *call, struct joined *joined)
{
	if (op->in) {
		end_read(channels, thread, op, call, joined);
	} else if (op->from && call->result >= 0) {
		/* Datagrams may be lost, and then who sent which is not known. */
		rn_join_incomplete(joined, "datagrams");
		if (channels->stray > joined->clock)
			joined->clock = channels->stray;
	}
	if (op->out)
		end_write(op, call, op->in ? joined->clock : 0);
}

/* `latest`: event before the one that told of the end of a thread in its call. */
static void end_close(const struct operation *op, const struct rn_call *call, uint64_t latest)
{
	struct channel *closed = op->closed;
	uint64_t until = call->exit ? call->exit->seq : latest;

	if (!closed)
		return;
	if (closed->last.cause.seq == call->seq) {
		closed->last.until = until;
		return;
	}
	if (closed->going)
		closed->going--;
	if (until > closed->others_until)
		closed->others_until = until;
}

void rn_channels_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		      struct joined *joined)
{
	struct channels *channels = edges->channels;
	struct operation *op = thread->operation;
	enum channel_role role;

	if (!channels)
		return;
	role = role_of(channels, call->abi, call->nr);
	if (call->exit)
		channels->latest = call->exit->seq + (call->exit == call->entry);
	channels->now = call->entry;
	channels->thread = thread;
	if (op) {
		end_close(op, call, channels->latest);
		if (!(call->flags & RN_FLAG_UNFINISHED))
			end_call(channels, thread, op, call, joined);
		end_operation(channels, thread);
	}
	channels->over = true;
	if (role >= CHANNEL_BIND && !(call->flags & RN_FLAG_UNFINISHED))
		rn_channel_socket_exit(channels, thread, call, role, joined);
}
