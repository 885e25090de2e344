/* SPDX-License-Identifier: MIT */
/*
 * What makes a descriptor ready: anything that was written to it, its end, a connection. Which of
 * them it was is not known: clocks join all, and nothing is linked.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "carriers.h"
#include "channels.h"
#include "lives.h"

static void join_clock(const struct channels *channels, uint64_t clock, struct joined *joined)
{
	if (clock == RN_STREAM_RELAYS)
		clock = channels->edges->in->greatest;
	if (clock > joined->clock)
		joined->clock = clock;
}

/* Without the list all that is recorded may have made something ready. */
static void join_all(const struct channels *channels, struct joined *joined)
{
	join_clock(channels, rn_life_ready(channels->edges, 0), joined);
}

/* What makes these ready is not followed here. */
static bool is_other(const struct object *object)
{
	return object->id.kind == RN_OBJECT_SIGNALFD;
}

static void join_object(struct channels *channels, struct object *object, struct joined *joined)
{
	struct channel *in;
	uint64_t clock;

	if (rn_carrier_newest(object, &clock)) {
		join_clock(channels, clock, joined);
		return;
	}
	if (object->id.kind == RN_OBJECT_PIDFD) {
		join_clock(channels, rn_life_ready(channels->edges, (int32_t)object->id.peer),
			   joined);
		return;
	}
	if (is_other(object)) {
		join_all(channels, joined);
		return;
	}
	if (object->id.kind != RN_OBJECT_PIPE && object->id.kind != RN_OBJECT_SOCKET)
		return;
	in = rn_channel_in(channels, object);
	if (in) {
		join_clock(channels, rn_stream_newest(in->stream), joined);
		join_clock(channels, in->closing, joined);
	}
	/* One that ended may have closed what was written to, and is not recorded yet. */
	join_clock(channels, channels->ends, joined);
	join_clock(channels, channels->stray, joined);
	if (object->id.kind == RN_OBJECT_SOCKET)
		join_clock(channels, channels->connects, joined);
}

static void join_fd(struct channels *channels, const struct thread *thread, int32_t fd,
		    struct joined *joined)
{
	struct object *object = rn_channel_object(thread, fd);

	if (object)
		join_object(channels, object, joined);
}

static const struct rn_piece *list_of(const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = rn_call_piece(call, arg);

	return piece && piece->type == RN_PIECE_STRUCT && !(piece->flags & RN_PIECE_UNREAD) ? piece
											    : NULL;
}

static void ready_poll(struct channels *channels, const struct thread *thread,
		       const struct rn_call *call, struct joined *joined)
{
	const struct rn_piece *piece = list_of(call, 0);
	struct pollfd one;

	if (!piece || piece->flags & RN_PIECE_CUT) {
		join_all(channels, joined);
		return;
	}
	for (uint32_t i = 0; i + sizeof(one) <= piece->len; i += (uint32_t)sizeof(one)) {
		memcpy(&one, rn_piece_data(piece) + i, sizeof(one));
		if (one.revents)
			join_fd(channels, thread, one.fd, joined);
	}
}

static void ready_select(struct channels *channels, const struct thread *thread,
			 const struct rn_call *call, struct joined *joined)
{
	for (unsigned arg = 1; arg <= 3; arg++) {
		const struct rn_piece *piece = list_of(call, arg);

		if (call->args[arg] == 0)
			continue;
		if (!piece || piece->flags & RN_PIECE_CUT) {
			join_all(channels, joined);
			return;
		}
		for (uint32_t i = 0; i < piece->len * 8; i++)
			if (rn_piece_data(piece)[i / 8] >> i % 8 & 1)
				join_fd(channels, thread, (int32_t)i, joined);
	}
}

static void drop(struct channels *channels, struct watched *watched, uint32_t i)
{
	struct object *object = watched->objects[i];

	watched->objects[i] = watched->objects[--watched->n];
	rn_object_put(channels->edges->in->objects, object);
}

void rn_channel_unwatch(struct channels *channels, struct ends *ends)
{
	struct watched *watched = ends->watched;

	if (!watched)
		return;
	ends->watched = NULL;
	*watched->at = watched->next;
	if (watched->next)
		watched->next->at = watched->at;
	while (watched->n)
		drop(channels, watched, 0);
	free(watched);
}

void rn_channels_unwatch(struct channels *channels)
{
	for (struct watched *watched = channels->watched; watched; watched = watched->next)
		while (watched->n)
			drop(channels, watched, 0);
}

/* NULL: no memory. */
static struct watched *make_watched(struct channels *channels, struct ends *ends)
{
	struct watched *watched = calloc(1, sizeof(*watched));

	if (!watched)
		return NULL;
	watched->next = channels->watched;
	watched->at = &channels->watched;
	if (watched->next)
		watched->next->at = &watched->next;
	channels->watched = ends->watched = watched;
	return watched;
}

void rn_channel_watch(struct channels *channels, struct thread *thread, const struct rn_call *call)
{
	struct object *epoll = rn_channel_object(thread, (int32_t)call->args[0]);
	struct object *object = rn_channel_object(thread, (int32_t)call->args[2]);
	struct ends *ends;

	if (!epoll || epoll->id.kind != RN_OBJECT_OTHER || !object ||
	    object->id.kind == RN_OBJECT_OTHER || call->args[1] != EPOLL_CTL_ADD)
		return;
	ends = rn_channel_ends(channels, epoll);
	if (!ends)
		return;
	if (!ends->watched && !make_watched(channels, ends))
		return;
	/* Those that nobody has any more are of no use. */
	for (uint32_t i = ends->watched->n; i-- > 0;)
		if (ends->watched->objects[i] == object || ends->watched->objects[i]->opens == 0)
			drop(channels, ends->watched, i);
	if (ends->watched->n == WATCHED_MAX) {
		ends->watched->overflowed = true;
		return;
	}
	ends->watched->objects[ends->watched->n++] = rn_object_hold(object);
}

static void ready_epoll(struct channels *channels, const struct thread *thread,
			const struct rn_call *call, struct joined *joined)
{
	struct object *epoll = rn_channel_object(thread, (int32_t)call->args[0]);
	struct ends *ends = epoll ? rn_channel_ends(channels, epoll) : NULL;

	if (!ends || !ends->watched || ends->watched->overflowed) {
		join_all(channels, joined);
		return;
	}
	for (uint32_t i = 0; i < ends->watched->n; i++)
		join_object(channels, ends->watched->objects[i], joined);
}

void rn_channel_ready(struct channels *channels, struct thread *thread, const struct rn_call *call,
		      enum channel_role role, struct joined *joined)
{
	if (role == CHANNEL_POLL)
		ready_poll(channels, thread, call, joined);
	else if (role == CHANNEL_SELECT)
		ready_select(channels, thread, call, joined);
	else
		ready_epoll(channels, thread, call, joined);
}
