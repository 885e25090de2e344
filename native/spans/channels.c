/* SPDX-License-Identifier: MIT */
/* The two directions of pipes and sockets, and what ends them; see channels.h. */
#include "channels.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool rn_channel_is_socket(const struct object *object, uint16_t family)
{
	return object->id.kind == RN_OBJECT_SOCKET && object->id.family == family;
}

static bool is_inet(const struct object *object)
{
	return rn_channel_is_socket(object, AF_INET) || rn_channel_is_socket(object, AF_INET6);
}

bool rn_channel_has_bytes(const struct object *object)
{
	const struct ends *ends = object->state;

	if (object->id.kind == RN_OBJECT_PIPE)
		return !ends || !ends->packets;
	return object->id.type == SOCK_STREAM;
}

bool rn_channel_is_foreign(const struct object *object)
{
	return object->foreign && !object->named;
}

enum rn_edge_kind rn_channel_kind(const struct object *object)
{
	if (object->id.kind == RN_OBJECT_PIPE)
		return RN_EDGE_PIPE;
	return is_inet(object) ? RN_EDGE_TCP : RN_EDGE_UNIX;
}

struct object *rn_channel_object(const struct thread *thread, int32_t fd)
{
	return thread->fds.table ? rn_fd_object(thread->fds.table, fd) : NULL;
}

struct channel *rn_channel_hold(struct channel *channel)
{
	channel->users++;
	return channel;
}

void rn_channel_put(struct channel *channel)
{
	if (!channel || --channel->users)
		return;
	rn_stream_put(channel->stream);
	free(channel);
}

static struct channel *make_channel(struct channels *channels)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->users = 1;
	channel->losses = channels->edges->losses;
	channel->stream = rn_stream_create(&channels->pool);
	if (!channel->stream) {
		free(channel);
		return NULL;
	}
	return channel;
}

static void forget(struct object *object)
{
	struct ends *ends = object->state;
	struct channels *channels = ends->channels;

	/* What it has sent is there still. */
	if (object->peer && object->id.type != SOCK_DGRAM) {
		rn_channel_in(channels, object->peer);
		rn_channel_out(channels, object->peer);
	}
	for (unsigned i = 0; i < NAMES_MAX; i++)
		if (channels->names[i].object == object)
			channels->names[i].object = NULL;
	rn_channel_unwatch(channels, ends);
	rn_channel_put(ends->in);
	rn_channel_put(ends->out);
	object->state = NULL;
	free(ends);
}

struct ends *rn_channel_ends(struct channels *channels, struct object *object)
{
	struct ends *ends = object->state;

	if (object->id.kind != RN_OBJECT_PIPE && object->id.kind != RN_OBJECT_SOCKET &&
	    object->id.kind != RN_OBJECT_OTHER)
		return NULL;
	if (ends)
		return ends;
	ends = calloc(1, sizeof(*ends));
	if (!ends)
		return NULL;
	ends->channels = channels;
	for (unsigned i = 0; object->id.kind == RN_OBJECT_PIPE && i < PACKET_PIPES; i++)
		ends->packets |= object->id.inode && channels->packet_pipes[i] == object->id.inode;
	object->state = ends;
	object->forget = forget;
	return ends;
}

/* What one end sends is what the other receives: whoever is asked first has it made. */
static struct channel *share(struct channels *channels, struct channel **mine,
			     struct channel **other)
{
	if (!*mine)
		*mine = other && *other ? rn_channel_hold(*other) : make_channel(channels);
	if (*mine && other && !*other)
		*other = rn_channel_hold(*mine);
	/* Each was used before it was known that they belong together. */
	if (*mine && other && *other != *mine) {
		rn_stream_tear((*mine)->stream);
		rn_stream_tear((*other)->stream);
	}
	return *mine;
}

static struct channel *checked(struct channels *channels, const struct object *object,
			       struct channel *channel)
{
	if (channel && (channels->unsure || channel->losses != channels->edges->losses ||
			rn_channel_is_foreign(object)))
		rn_stream_tear(channel->stream);
	return channel;
}

struct channel *rn_channel_in(struct channels *channels, struct object *object)
{
	struct ends *ends = rn_channel_ends(channels, object), *other = NULL;
	struct channel *in;

	if (!ends)
		return NULL;
	if (object->id.kind == RN_OBJECT_PIPE)
		return checked(channels, object, share(channels, &ends->in, &ends->out));
	if (object->peer && object->id.type != SOCK_DGRAM)
		other = rn_channel_ends(channels, object->peer);
	in = share(channels, &ends->in, other ? &other->out : NULL);
	if (in && (object->odd || (channels->astray && ends->bound)))
		rn_stream_tear(in->stream);
	return checked(channels, object, in);
}

/* Where a datagram socket's messages go: it is connected, or one of a pair. */
static struct object *destination(const struct object *object)
{
	return object->peer && object->peer->id.type == SOCK_DGRAM ? object->peer : NULL;
}

struct channel *rn_channel_out(struct channels *channels, struct object *object)
{
	struct ends *ends = rn_channel_ends(channels, object), *other;

	if (!ends)
		return NULL;
	if (object->id.kind == RN_OBJECT_PIPE)
		return rn_channel_in(channels, object);
	if (object->id.type == SOCK_DGRAM)
		return destination(object) ? rn_channel_in(channels, destination(object)) : NULL;
	other = object->peer ? rn_channel_ends(channels, object->peer) : NULL;
	if (ends->missed && share(channels, &ends->out, other ? &other->in : NULL))
		rn_stream_tear(ends->out->stream);
	return checked(channels, object, share(channels, &ends->out, other ? &other->in : NULL));
}

struct object *rn_channel_named(struct channels *channels, const uint8_t *name, uint32_t len)
{
	struct object *found = NULL;

	for (unsigned i = 0; i < NAMES_MAX && !channels->unnamed; i++) {
		const struct name *known = &channels->names[i];

		if (!known->object || known->len != len || memcmp(known->bytes, name, len) != 0)
			continue;
		if (found && found != known->object)
			return NULL; /* in two places at once */
		found = known->object;
	}
	return found;
}

void rn_channel_name(struct channels *channels, struct object *object, const uint8_t *name,
		     uint32_t len)
{
	struct name *slot = &channels->names[channels->next_name++ % NAMES_MAX];

	if (len > NAME_BYTES || !rn_channel_ends(channels, object))
		return;
	slot->object = object;
	slot->len = len;
	memcpy(slot->bytes, name, len);
}

static bool has_part(const struct name *name, const uint8_t *part, uint32_t len)
{
	for (uint32_t from = 1, to = 1; from < name->len; from = ++to) {
		while (to < name->len && name->bytes[to] != '/')
			to++;
		if (to - from == len && memcmp(name->bytes + from, part, len) == 0)
			return true;
	}
	return false;
}

void rn_channel_unname(struct channels *channels, const uint8_t *path, uint32_t len)
{
	uint32_t from;

	while (len && path[len - 1] == '/')
		len--;
	for (from = len; from && path[from - 1] != '/';)
		from--;
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		struct name *name = &channels->names[i];

		if (name->object && name->bytes[0] == '/' &&
		    (len == 0 || has_part(name, path + from, len - from)))
			name->object = NULL;
	}
}

void rn_channel_linger(struct channels *channels, struct object *object)
{
	struct object **slot = &channels->lingering[channels->next_lingering++ % LINGERING];

	rn_object_keep(channels->edges->in->objects, slot, object);
}

/* One whose other end was accepted needs no keeping. */
void rn_channel_met(struct channels *channels)
{
	struct object *object = channels->met;

	channels->met = NULL;
	for (unsigned i = 0; i < LINGERING; i++)
		if (object && channels->lingering[i] == object)
			rn_object_keep(channels->edges->in->objects, &channels->lingering[i], NULL);
}

/* The event that is being recorded, as a cause. */
static void now(struct channels *channels, struct gone *gone)
{
	const struct rn_event *ev = channels->now;
	struct thread *thread = channels->thread;

	gone->known = true;
	if (ev->kind == RN_SYSCALL || ev->kind == RN_SYSCALL_ENTER) {
		rn_cause_of_entry(channels->edges, thread, ev, &gone->cause);
		gone->since = ev->seq;
		gone->until = ev->kind == RN_SYSCALL ? ev->seq + 1
			      : channels->over       ? channels->latest
						     : UINT64_MAX;
		return;
	}
	rn_cause_in_process(thread->process, ev->seq, thread->clock, thread->tid, &gone->cause);
	gone->since = thread->entered;
	gone->until = ev->seq;
}

void rn_channel_gone(struct channels *channels, struct channel *channel)
{
	struct gone gone;

	now(channels, &gone);
	if (gone.cause.clock > channel->closing)
		channel->closing = gone.cause.clock;
	if (channel->shut)
		return;
	if (channel->last.known && channel->last.cause.seq != gone.cause.seq) {
		if (channel->last.until == UINT64_MAX)
			channel->going++;
		else if (channel->last.until > channel->others_until)
			channel->others_until = channel->last.until;
	}
	channel->last = gone;
}

/* When the call that closes it has ended, it has certainly gone. */
static void hold_closed(struct channels *channels, struct channel *channel)
{
	struct thread *thread = channels->thread;

	if (channel->last.cause.seq == channels->now->seq && channel->last.until == UINT64_MAX &&
	    rn_operation(channels, thread) && !thread->operation->closed)
		thread->operation->closed = rn_channel_hold(channel);
}

static void end_way(struct channels *channels, struct object *object)
{
	struct channel *channel;

	if (object->id.kind != RN_OBJECT_PIPE &&
	    (object->id.kind != RN_OBJECT_SOCKET || object->id.type == SOCK_DGRAM ||
	     !(object->peer || object->state)))
		return;
	channel = rn_channel_out(channels, object);
	if (!channel)
		return;
	rn_channel_gone(channels, channel);
	hold_closed(channels, channel);
}

void rn_channel_shut(struct channels *channels, struct channel *channel)
{
	/* Who calls it has a descriptor: no close was the last one yet, whoever else closed his. */
	if (channel->shut)
		channel->either |= channel->last.until > channels->now->seq;
	rn_channel_gone(channels, channel);
	channel->shut = true;
	hold_closed(channels, channel);
}

/* A FIFO: who opens it just now may still get what is in it, though the records tell of his open
   later than of the close. */
static void all_closed(struct channels *channels, struct object *object)
{
	const struct ends *ends = object->state;
	bool holds = ends && ends->in && rn_stream_holds(ends->in->stream);

	if (!ends || (object->was_read && !holds))
		return;
	object->gone = channels->now->seq;
	rn_channel_linger(channels, object);
}

/* A descriptor goes. */
static void on_close(void *ctx, struct object *object, uint8_t ways, uint8_t ended)
{
	struct channels *channels = ctx;

	(void)ended;
	if (!channels->now)
		return;
	if (ways & RN_WAY_WRITE)
		end_way(channels, object);
	if (object->opens == 0 && object->id.kind == RN_OBJECT_PIPE && object->named)
		all_closed(channels, object);
}

/* All former ways to write had gone at this event. */
static bool others_gone(const struct channel *channel, uint64_t at)
{
	return !channel->going && channel->others_until < at;
}

/* Tables say that somebody can still write: who can has ended, and its end is not recorded yet. */
static void join_dying(struct channels *channels, struct thread *thread, struct operation *op,
		       const struct object *writer, struct joined *joined)
{
	struct holders writers = {.joined = joined};
	const struct channel *in = op->in;
	struct cause cause;

	rn_object_owners(channels->edges->in->objects, writer, RN_WAY_WRITE, rn_holders_add,
			 &writers);
	if (!rn_holder_ended(channels->edges, &writers, thread, &cause))
		return;
	rn_join(channels->edges, thread, joined, &cause, RN_EDGE_EOF,
		cause.seq && !op->untraced && others_gone(in, cause.seq) &&
			(!in->last.known || in->last.until < cause.seq));
}

void rn_channel_ended(struct channels *channels, struct thread *thread, struct operation *op,
		      struct joined *joined)
{
	const struct channel *in = op->in;
	const struct object *writer =
		op->from->id.kind == RN_OBJECT_PIPE ? op->from : op->from->peer;

	if (op->untraced)
		rn_join_incomplete(joined, "untraced");
	if (in->closing > joined->clock)
		joined->clock = in->closing;
	if (!in->shut && !in->deaf && writer && writer->writers) {
		join_dying(channels, thread, op, writer, joined);
		return;
	}
	if (channels->ends > joined->clock)
		joined->clock = channels->ends;
	if (!in->last.known)
		rn_join_incomplete(joined, "untraced");
	else
		rn_join(channels->edges, thread, joined, &in->last.cause, RN_EDGE_EOF,
			!op->untraced && !in->deaf &&
				(in->shut ? !in->either : others_gone(in, in->last.since)));
}

void rn_channels_event(struct edges *edges, struct thread *thread, const struct rn_event *ev)
{
	struct channels *channels = edges->channels;

	if (!channels)
		return;
	channels->now = ev;
	channels->thread = thread;
	if (thread->clock > channels->ends)
		channels->ends = thread->clock;
}

void rn_channels_begin(struct edges *edges)
{
	if (edges->channels)
		edges->channels->now = NULL;
}

struct channels *rn_channels_create(struct edges *edges, const uint64_t *wanted)
{
	struct channels *channels = calloc(1, sizeof(*channels));

	if (!channels)
		return NULL;
	channels->edges = edges;
	rn_channel_roles(channels, wanted);
	rn_objects_watch(edges->in->objects, on_close, channels);
	return channels;
}

void rn_channels_release(struct channels *channels)
{
	if (!channels)
		return;
	for (unsigned i = 0; i < LINGERING; i++)
		rn_object_keep(channels->edges->in->objects, &channels->lingering[i], NULL);
	rn_channels_unwatch(channels);
}

void rn_channels_destroy(struct channels *channels)
{
	if (!channels)
		return;
	rn_operations_free(channels);
	free(channels);
}
