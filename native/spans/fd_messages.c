/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that travel in messages (SCM_RIGHTS, unix(7)): under way from the entry of the send
 * to the exit of the call that receives them. A stream hands them out in the order of its
 * messages, one message's at a time; where that order is not known, no guess is made.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fd_private.h"

#define RIGHTS_MAX 253u /* SCM_MAX_FD */
#define RN_SCM_PIDFD 4u
#define BUSY_MAX 255u

/* One captured message; see struct rn_message_head. */
struct message {
	struct rn_message_head head;
	const uint8_t *control;
	size_t len; /* of what is here of it */
	bool whole;
};

/* What is left of a captured list of messages. */
struct messages {
	const uint8_t *data;
	size_t len;
	uint64_t missing; /* messages that were not captured */
};

static size_t word_of(uint8_t abi)
{
	return abi == RN_ABI_X86_64 || abi == RN_ABI_AARCH64 ? 8 : 4;
}

/* false: they were not captured at all. */
static bool messages_of(const struct rn_event *ev, bool at_exit, struct messages *to)
{
	if (!ev)
		return false;
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_STRUCT && p->arg == 1 &&
		    !!(p->flags & RN_PIECE_AT_EXIT) == at_exit &&
		    !(p->flags & (RN_PIECE_UNREAD | RN_PIECE_CUT))) {
			*to = (struct messages){rn_piece_data(p), p->len, p->total};
			return true;
		}
	return false;
}

static bool next_message(struct messages *list, struct message *to)
{
	uint32_t parts[3];

	if (list->len < sizeof(to->head))
		return false;
	memcpy(&to->head, list->data, sizeof(to->head));
	list->data += sizeof(to->head);
	list->len -= sizeof(to->head);
	list->missing -= list->missing > 0;
	parts[0] = to->head.name_bytes;
	parts[1] = to->head.iov_bytes;
	parts[2] = to->head.control_bytes;
	for (unsigned i = 0; i < 3; i++) {
		size_t size = parts[i] == UINT32_MAX ? 0 : parts[i];
		size_t padded = (size + 7) & ~(size_t)7;

		if (padded > list->len)
			return false;
		to->control = list->data;
		to->len = size;
		list->data += padded;
		list->len -= padded;
	}
	to->whole = to->head.controllen == 0 || !to->head.control || to->len == to->head.controllen;
	return true;
}

struct rights {
	int32_t fds[RIGHTS_MAX];
	unsigned n;
	int32_t pidfd; /* SCM_PIDFD; -1 = none */
};

static void rights_of(const struct message *message, size_t word, struct rights *to)
{
	const uint8_t *data = message->control;
	struct rn_control control;
	size_t len = message->len;

	to->n = 0;
	to->pidfd = -1;
	while (rn_control_next(&data, &len, word, &control)) {
		if (control.level != SOL_SOCKET)
			continue;
		for (size_t at = 0; control.type == SCM_RIGHTS &&
				    at + sizeof(int32_t) <= control.len && to->n < RIGHTS_MAX;
		     at += sizeof(int32_t))
			memcpy(&to->fds[to->n++], control.data + at, sizeof(int32_t));
		if (control.type == RN_SCM_PIDFD && control.len >= sizeof(int32_t))
			memcpy(&to->pidfd, control.data, sizeof(int32_t));
	}
}

void rn_flights_drop(struct object_space *space, struct flight *flights)
{
	struct flight **end = &space->dropped;

	while (*end)
		end = &(*end)->next;
	*end = flights;
	if (space->dropping)
		return; /* a socket in a message to a socket in a message… */
	space->dropping = true;
	while (space->dropped) {
		struct flight *flight = space->dropped;

		space->dropped = flight->next;
		for (uint32_t i = 0; i < flight->n; i++)
			if (flight->entries[i].object)
				rn_object_shut(space, flight->entries[i].object,
					       flight->entries[i].ways);
		space->flying -= flight->n;
		free(flight);
	}
	space->dropping = false;
}

static struct flight *take_inbox(struct object *socket)
{
	struct flight *flights = socket->inbox;

	socket->inbox = NULL;
	socket->inbox_end = &socket->inbox;
	return flights;
}

void rn_rights_unsure(struct object_space *space, struct object *socket)
{
	struct flight *flights = take_inbox(socket);

	socket->unsure = true;
	for (const struct flight *flight = flights; flight; flight = flight->next)
		for (uint32_t i = 0; i < flight->n; i++)
			if (flight->entries[i].object)
				rn_object_share(flight->entries[i].object);
	rn_flights_drop(space, flights);
}

static void share(const struct fd_user *user, const struct rights *rights)
{
	for (unsigned i = 0; i < rights->n; i++) {
		struct object *object = rn_fd_object(user->table, rights->fds[i]);

		if (object)
			rn_object_share(object);
	}
}

static bool send_one(struct object_space *space, const struct fd_user *user, struct object *to,
		     uint32_t index, const struct rights *rights)
{
	struct flight *flight;

	if (space->flying + rights->n > FLIGHTS_MAX)
		return false;
	flight = calloc(1, sizeof(*flight) + rights->n * sizeof(flight->entries[0]));
	if (!flight)
		return false;
	flight->number = ++space->next_flight;
	flight->index = index;
	flight->n = rights->n;
	for (unsigned i = 0; i < rights->n; i++) {
		const struct fd_entry *entry = rn_table_entry(user->table, rights->fds[i]);

		if (!entry)
			continue;
		flight->entries[i] = *entry;
		rn_object_open(entry->object, entry->ways);
	}
	space->flying += flight->n;
	*to->inbox_end = flight;
	to->inbox_end = &flight->next;
	return true;
}

void rn_rights_send(struct object_space *space, struct fd_user *user, const struct rn_event *ev)
{
	struct object *to = user->source ? user->source->peer : NULL;
	struct message message;
	struct messages list;
	struct rights rights;
	uint32_t index = 0;
	bool whole = true;

	user->first_flight = space->next_flight + 1;
	if (!messages_of(ev, false, &list)) {
		rn_table_share_all(user->table);
		return;
	}
	for (; next_message(&list, &message); index++) {
		whole = whole && message.whole;
		rights_of(&message, word_of(ev->abi), &rights);
		if (rights.n == 0)
			continue;
		if (to && !user->sends && user->source->senders < BUSY_MAX) {
			user->sends = true;
			if (++user->source->senders > 1)
				rn_rights_unsure(space, to);
		}
		if (!to || !user->sends || to->foreign || to->unsure ||
		    !send_one(space, user, to, index, &rights))
			share(user, &rights);
	}
	if (!whole || list.missing)
		rn_table_share_all(user->table);
}

void rn_rights_sent(struct object_space *space, struct fd_user *user, const struct rn_call *call,
		    bool failed)
{
	struct object *to = user->source ? user->source->peer : NULL;
	bool many = call->desc->nargs > 3; /* sendmmsg */
	uint64_t sent = failed ? 0 : many ? (uint64_t)call->result : 1;
	struct flight **at, *unsent = NULL;

	if (!user->sends || !to)
		return;
	if (call->flags & RN_FLAG_UNFINISHED) {
		rn_rights_unsure(space, to);
		return;
	}
	for (at = &to->inbox; *at;) {
		struct flight *flight = *at;

		if (flight->number < user->first_flight || flight->index < sent) {
			at = &flight->next;
			continue;
		}
		*at = flight->next;
		flight->next = unsent;
		unsent = flight;
	}
	to->inbox_end = at;
	rn_flights_drop(space, unsent);
}

void rn_rights_wait(struct fd_user *user)
{
	if (!user->source || user->source->receivers == BUSY_MAX)
		return;
	user->receives = true;
	user->source->receivers++;
}

/* The next descriptor of a message: what its record tells, or what was sent. */
static void receive_one(struct object_space *space, struct fd_user *user,
			const struct rn_call *call, int32_t fd, const struct fd_entry *sent,
			bool cloexec)
{
	const struct rn_object_id *id = rn_fd_identity(call->exit, fd);
	struct object *known = id ? rn_object_find(space, id) : NULL;

	if (sent && sent->object && (!known || known == sent->object) &&
	    (!id || known || id->kind == sent->object->id.kind)) {
		if (id && !known)
			rn_object_identify(space, sent->object, id);
		rn_fd_install(space, user, fd, sent->object, sent->ways, cloexec,
			      sent->description);
		rn_fd_pass_maybe(user, fd, sent->maybe);
		return;
	}
	if (sent && sent->object) {
		rn_object_share(sent->object);
		rn_rights_unsure(space, user->source);
	}
	rn_fd_find(space, user, call->exit, fd, RN_OBJECT_OTHER, 0, cloexec);
	rn_fd_is_copy(user, fd);
}

static void receive(struct object_space *space, struct fd_user *user, const struct rn_call *call,
		    const struct rights *rights, bool cloexec, bool peeks)
{
	struct object *socket = user->source;
	struct flight *flight = socket ? socket->inbox : NULL;

	/* Out of the inbox while it is looked at. */
	if (flight) {
		socket->inbox = flight->next;
		if (!socket->inbox)
			socket->inbox_end = &socket->inbox;
		flight->next = NULL;
	}
	for (unsigned i = 0; i < rights->n; i++)
		receive_one(space, user, call, rights->fds[i],
			    flight && i < flight->n ? &flight->entries[i] : NULL, cloexec);
	if (flight && peeks && !socket->unsure) {
		flight->next = socket->inbox;
		if (!socket->inbox)
			socket->inbox_end = &flight->next;
		socket->inbox = flight;
		return;
	}
	if (flight)
		rn_flights_drop(space, flight);
}

void rn_rights_received(struct object_space *space, struct fd_user *user,
			const struct rn_call *call, bool cloexec, uint64_t flags)
{
	bool captured, whole = true;
	struct message message;
	struct messages list;
	struct rights rights;

	if (user->source && user->source->receivers > 1 && user->source->inbox)
		rn_rights_unsure(space, user->source);
	captured = messages_of(call->exit, true, &list);
	while (captured && next_message(&list, &message)) {
		rights_of(&message, word_of(call->abi), &rights);
		if (rights.n)
			receive(space, user, call, &rights, cloexec, flags & MSG_PEEK);
		if (rights.pidfd >= 0)
			rn_fd_find(space, user, call->exit, rights.pidfd, RN_OBJECT_PIDFD, 0,
				   cloexec);
		whole = whole && message.whole && (!(message.head.flags & MSG_CTRUNC) || rights.n);
	}
	/* Where messages are not captured, identities still tell what has come. */
	for (const struct rn_piece *p = captured || !call->exit ? NULL : rn_piece_first(call->exit);
	     p; p = rn_piece_next(call->exit, p))
		if (p->type == RN_PIECE_OBJECT)
			rn_fd_find(space, user, call->exit, p->total, RN_OBJECT_OTHER, 0, cloexec);
	/* Some may have come that nothing tells of. */
	if (user->source && user->source->inbox && (!captured || !whole || list.missing))
		rn_rights_unsure(space, user->source);
}
