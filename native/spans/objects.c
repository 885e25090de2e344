/* SPDX-License-Identifier: MIT */
/* Objects of the kernel's: how many have them, who they are, who is at their other end. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fd_private.h"

struct object_space *rn_objects_create(void)
{
	struct object_space *space = calloc(1, sizeof(*space));

	if (space)
		rn_fd_roles_of_calls(space);
	return space;
}

void rn_objects_watch(struct object_space *space,
		      void (*closed)(void *ctx, struct object *object, uint8_t ways, uint8_t ended),
		      void *ctx)
{
	space->closed = closed;
	space->ctx = ctx;
}

/* Whether kind, device and inode tell it from all others. */
static bool has_inode(const struct rn_object_id *id)
{
	return id->inode && (id->kind == RN_OBJECT_FILE || id->kind == RN_OBJECT_PIPE ||
			     id->kind == RN_OBJECT_SOCKET || id->kind == RN_OBJECT_MQUEUE);
}

static uint32_t same_bucket(const struct rn_object_id *id)
{
	uint64_t hash = (id->inode ^ (uint64_t)id->dev_minor << 32) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(hash >> 32) % OBJECT_BUCKETS;
}

static bool is_inet(const struct rn_object_id *id)
{
	return id->kind == RN_OBJECT_SOCKET && id->type == SOCK_STREAM &&
	       (id->family == AF_INET || id->family == AF_INET6) &&
	       id->known == (RN_OBJECT_HAS_LOCAL | RN_OBJECT_HAS_PEER);
}

/* The same for both ends. */
static uint32_t tuple_bucket(const struct rn_object_id *id)
{
	return (uint32_t)(id->port ^ id->peer_port) % OBJECT_BUCKETS;
}

struct object *rn_object_find(const struct object_space *space, const struct rn_object_id *id)
{
	if (!has_inode(id))
		return NULL;
	for (struct object *o = space->same[same_bucket(id)]; o; o = o->next_same)
		if (o->id.inode == id->inode && o->id.kind == id->kind &&
		    o->id.dev_minor == id->dev_minor && o->id.dev_major == id->dev_major)
			return o;
	return NULL;
}

static void unhash(struct object_space *space, struct object *object)
{
	if (object->hashed) {
		struct object **at = &space->same[same_bucket(&object->id)];

		while (*at != object)
			at = &(*at)->next_same;
		*at = object->next_same;
		object->hashed = false;
	}
	if (object->has_tuple) {
		struct object **at = &space->tuple[tuple_bucket(&object->id)];

		while (*at != object)
			at = &(*at)->next_tuple;
		*at = object->next_tuple;
		object->has_tuple = false;
	}
}

/* IPv4 as IPv6 maps it: an end may be the one, the other the other. */
static void address_of(const struct rn_object_id *id, bool peer, uint8_t to[16])
{
	const uint8_t *from = peer ? id->peer_address : id->address;

	if (id->family == AF_INET6) {
		memcpy(to, from, 16);
		return;
	}
	memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	memcpy(to + 12, from, 4);
}

static bool are_ends(const struct rn_object_id *a, const struct rn_object_id *b)
{
	uint8_t from[2][16], to[2][16];

	if (a->port != b->peer_port || a->peer_port != b->port)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		address_of(a, i, from[i]);
		address_of(b, !i, to[i]);
	}
	return memcmp(from, to, sizeof(from)) == 0;
}

void rn_object_pair(struct object *a, struct object *b)
{
	if (a->peer)
		a->peer->peer = NULL;
	if (b->peer)
		b->peer->peer = NULL;
	a->peer = b;
	b->peer = a;
	a->met = b->met = true;
}

void rn_object_share(struct object *object)
{
	object->foreign = true;
	object->named = object->maybe = false;
}

/* By its inode: that of a Unix socket, or of a connection whose beginning is not recorded yet. */
static struct object *other_by_inode(const struct object_space *space,
				     const struct rn_object_id *id)
{
	struct rn_object_id other = *id;
	struct object *object;

	other.inode = id->peer;
	object = rn_object_find(space, &other);
	if (!object || id->family == AF_UNIX)
		return object;
	return object->id.type == SOCK_STREAM &&
			       (!is_inet(&object->id) || are_ends(id, &object->id))
		       ? object
		       : NULL;
}

struct object *rn_object_other(const struct object_space *space, const struct rn_object_id *id)
{
	struct object *other;

	if ((id->family == AF_UNIX || is_inet(id)) && id->peer) {
		other = other_by_inode(space, id);
		if (other || id->family == AF_UNIX)
			return other;
	}
	if (!is_inet(id))
		return NULL;
	for (struct object *o = space->tuple[tuple_bucket(id)]; o; o = o->next_tuple)
		if (are_ends(id, &o->id))
			return o;
	return NULL;
}

void rn_object_identify(struct object_space *space, struct object *object,
			const struct rn_object_id *id)
{
	struct object *former = rn_object_find(space, id), *peer;

	unhash(space, object);
	/* An inode that is given anew: the former one is gone, whoever still holds it. */
	if (former && former != object)
		unhash(space, former);
	object->id = *id;
	if (has_inode(id)) {
		struct object **bucket = &space->same[same_bucket(id)];

		object->next_same = *bucket;
		*bucket = object;
		object->hashed = true;
	}
	if (is_inet(id)) {
		struct object **bucket = &space->tuple[tuple_bucket(id)];

		object->next_tuple = *bucket;
		*bucket = object;
		object->has_tuple = true;
	}
	if (id->kind != RN_OBJECT_SOCKET)
		return;
	/* One that is connected to itself is its own other end: tcp(7) lets it. */
	peer = rn_object_other(space, id);
	if (peer && peer->peer != object && (peer != object || is_inet(id)))
		rn_object_pair(object, peer);
}

struct object *rn_object_new(struct object_space *space, uint8_t kind)
{
	struct object *object = calloc(1, sizeof(*object));

	if (!object)
		return NULL;
	object->number = ++space->next_number;
	object->id.kind = kind;
	object->inbox_end = &object->inbox;
	object->next = space->all;
	object->at = &space->all;
	if (object->next)
		object->next->at = &object->next;
	space->all = object;
	return object;
}

static void destroy(struct object_space *space, struct object *object)
{
	unhash(space, object);
	if (object->forget)
		object->forget(object);
	if (object->peer)
		object->peer->peer = NULL;
	*object->at = object->next;
	if (object->next)
		object->next->at = object->at;
	free(object);
}

struct object *rn_object_hold(struct object *object)
{
	object->users++;
	return object;
}

void rn_object_put(struct object_space *space, struct object *object)
{
	if (--object->users == 0)
		destroy(space, object);
}

void rn_object_keep(struct object_space *space, struct object **slot, struct object *object)
{
	struct object *former = *slot;

	*slot = object ? rn_object_hold(object) : NULL;
	if (former)
		rn_object_put(space, former);
}

void rn_object_open(struct object *object, uint8_t ways)
{
	object->users++;
	object->opens++;
	object->was_read |= ways & RN_WAY_READ;
	object->readers += (ways & RN_WAY_READ) != 0;
	object->writers += (ways & RN_WAY_WRITE) != 0;
}

void rn_object_shut(struct object_space *space, struct object *object, uint8_t ways)
{
	uint8_t ended = 0;

	object->opens--;
	if (ways & RN_WAY_READ && --object->readers == 0)
		ended |= RN_WAY_READ;
	if (ways & RN_WAY_WRITE && --object->writers == 0)
		ended |= RN_WAY_WRITE;
	if (space->closed)
		space->closed(space->ctx, object, ways & FD_BOTH, ended);
	if (object->opens == 0) {
		struct flight *inbox = object->inbox;

		object->inbox = NULL; /* what is under way to it ends with it */
		object->inbox_end = &object->inbox;
		/* It is gone, though somebody may still look at it; a file stays what it is, and a
		   connection that nobody has accepted yet may be found by its other end. */
		if (!object->foreign && object->id.kind != RN_OBJECT_FILE &&
		    (object->id.kind != RN_OBJECT_SOCKET || object->met))
			unhash(space, object);
		rn_object_put(space, object);
		rn_flights_drop(space, inbox);
		return;
	}
	rn_object_put(space, object);
}

void rn_objects_destroy(struct object_space *space)
{
	if (!space)
		return;
	/* Sockets that are under way to themselves. */
	while (space->all) {
		struct object *object = space->all;

		while (object->inbox) {
			struct flight *flight = object->inbox;

			object->inbox = flight->next;
			free(flight);
		}
		destroy(space, object);
	}
	free(space);
}
