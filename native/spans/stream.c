/* SPDX-License-Identifier: MIT */
/* What is in a queue, and whose; see stream.h. */
#include "stream.h"

#include <stdlib.h>

#define FIRST_ROOM 4u

/* A write: its bytes lie somewhere in [from, to), and fill it if they are as many. */
struct segment {
	struct cause cause;
	uint64_t from, to;
	uint64_t n; /* of an open one: how many at most */
	uint64_t carried;
	bool open;
	bool vague; /* how many is not known, or it stands for several, or both */
};

struct stream {
	struct stream_pool *pool;
	uint32_t users;
	bool torn;
	/* Segments by number, in a ring of `room`, a power of two. */
	struct segment *ring;
	uint32_t room, count;
	uint64_t first;   /* number of the oldest */
	uint64_t unread;  /* all before it have been read */
	uint64_t settled; /* from this number on, ends may be nearer than they were taken to be */
	/* Of writes that have ended; with what those under way, or cut off, may have written. */
	uint64_t written, may_written;
	uint32_t writers, relays; /* under way */
	bool doubt;               /* a write was cut off */
	/* Of reads that have ended; what those under way, and those cut off, may have taken. */
	uint64_t taken, taking, doubted;
	struct stream_read *oldest, *youngest; /* under way */
	struct cause latest; /* of all writes, and… */
	uint64_t carried;    /* …of what they carried */
	uint64_t version;    /* beginnings and ends of writes */
};

struct stream *rn_stream_create(struct stream_pool *pool)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->pool = pool;
	stream->users = 1;
	return stream;
}

struct stream *rn_stream_hold(struct stream *stream)
{
	stream->users++;
	return stream;
}

static void free_ring(struct stream *stream)
{
	stream->pool->held -= stream->room;
	free(stream->ring);
	stream->ring = NULL;
	stream->room = 0;
}

void rn_stream_put(struct stream *stream)
{
	if (!stream || --stream->users)
		return;
	free_ring(stream);
	free(stream);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct segment *at(const struct stream *stream, uint64_t number)
{
	return &stream->ring[number & (stream->room - 1)];
}

static uint64_t end_of(const struct stream *stream)
{
	return stream->first + stream->count;
}

static bool grow(struct stream *stream)
{
	uint32_t room = stream->room ? 2 * stream->room : FIRST_ROOM;
	struct segment *ring;

	if (room > RN_STREAM_WRITES ||
	    (stream->room && stream->pool->held + stream->room > RN_STREAM_POOL))
		return false;
	ring = malloc(room * sizeof(*ring));
	if (!ring)
		return false;
	for (uint64_t i = stream->first; i < end_of(stream); i++)
		ring[i & (room - 1)] = *at(stream, i);
	stream->pool->held += room - stream->room;
	free(stream->ring);
	stream->ring = ring;
	stream->room = room;
	return true;
}

static void drop_oldest(struct stream *stream)
{
	stream->first++;
	stream->count--;
	stream->settled = greater(stream->settled, stream->first);
	stream->unread = greater(stream->unread, stream->first);
}

/* Makes one of the two oldest, which stands for both. */
static void merge(struct stream *stream)
{
	const struct segment *old = at(stream, stream->first);
	struct segment *into = at(stream, stream->first + 1);

	if (old->cause.clock > into->cause.clock)
		into->cause = old->cause;
	into->from = lesser(into->from, old->from);
	/* Of an open one only that it may be anywhere. */
	into->to = into->open || old->open ? UINT64_MAX : greater(into->to, old->to);
	into->carried = greater(into->carried, old->carried);
	into->open = false;
	into->vague = true;
	drop_oldest(stream);
}

static bool make_room(struct stream *stream)
{
	if (stream->count < stream->room || grow(stream))
		return true;
	if (stream->count < 2)
		return false;
	merge(stream);
	return true;
}

/* Forgets what has been read, but for what a read under way may have. */
static void drop_read(struct stream *stream)
{
	while (stream->unread < end_of(stream) && !at(stream, stream->unread)->open &&
	       at(stream, stream->unread)->to <= stream->taken)
		stream->unread++;
	while (stream->first < (stream->oldest ? stream->oldest->first : stream->unread))
		drop_oldest(stream);
}

static void forget_all(struct stream *stream)
{
	stream->first = end_of(stream);
	stream->count = 0;
	stream->settled = stream->unread = stream->first;
}

void rn_stream_tear(struct stream *stream)
{
	stream->torn = true;
	forget_all(stream);
	free_ring(stream);
}

bool rn_stream_is_torn(const struct stream *stream)
{
	return stream->torn;
}

void rn_stream_write_begin(struct stream *stream, struct stream_write *write,
			   const struct cause *cause, uint64_t most, bool relays)
{
	*write = (struct stream_write){
		.number = UINT64_MAX,
		.most = (uint32_t)lesser(most, RN_STREAM_MOST),
		.open = true,
		.relays = relays,
	};
	stream->version++;
	stream->writers++;
	stream->relays += relays;
	if (cause->clock >= stream->latest.clock)
		stream->latest = *cause;
	if (!stream->torn && !make_room(stream))
		rn_stream_tear(stream);
	if (!stream->torn) {
		write->number = end_of(stream);
		*at(stream, write->number) = (struct segment){
			.cause = *cause,
			.from = stream->written,
			.n = write->most,
			.carried = relays ? RN_STREAM_RELAYS : 0,
			.open = true,
		};
		stream->count++;
	}
	stream->may_written += write->most;
}

/* Nothing is being written: how much there is is known, and so no write reaches beyond. */
static void settle(struct stream *stream)
{
	if (stream->writers || stream->doubt)
		return;
	for (uint64_t i = stream->settled; i < end_of(stream); i++)
		at(stream, i)->to = lesser(at(stream, i)->to, stream->written);
	stream->settled = end_of(stream);
}

/* The segment of a write, or NULL if it is one with others by now. */
static struct segment *segment_of(const struct stream *stream, const struct stream_write *write)
{
	struct segment *segment;

	if (write->number < stream->first || write->number >= end_of(stream))
		return NULL;
	segment = at(stream, write->number);
	return segment->open ? segment : NULL;
}

static struct segment *end_write(struct stream *stream, struct stream_write *write,
				 uint64_t carried)
{
	struct segment *segment = segment_of(stream, write);

	write->open = false;
	stream->version++;
	stream->writers--;
	stream->relays -= write->relays;
	stream->carried = greater(stream->carried, carried);
	if (segment) {
		segment->open = false;
		segment->carried = carried;
	}
	return segment;
}

void rn_stream_write_end(struct stream *stream, struct stream_write *write, uint64_t n,
			 uint64_t carried)
{
	struct segment *segment;

	if (!write->open)
		return;
	n = lesser(n, write->most);
	segment = end_write(stream, write, carried);
	stream->written += n;
	stream->may_written -= write->most - n;
	if (segment) {
		segment->n = n;
		segment->to = stream->may_written;
		if (n == 0 && write->number + 1 == end_of(stream)) {
			stream->count--;
			stream->settled = lesser(stream->settled, end_of(stream));
		}
	}
	settle(stream);
	drop_read(stream);
}

void rn_stream_write_lost(struct stream *stream, struct stream_write *write)
{
	struct segment *segment;

	if (!write->open)
		return;
	segment = end_write(stream, write, 0);
	if (write->most)
		stream->doubt = true;
	if (segment) {
		/* What it carried is not known either. */
		segment->carried = write->relays ? RN_STREAM_RELAYS : 0;
		segment->to = stream->may_written;
		segment->vague = true;
	}
}

void rn_stream_read_begin(struct stream *stream, struct stream_read *read, uint64_t most,
			  bool peeks)
{
	*read = (struct stream_read){
		.former = stream->youngest,
		.from = stream->taken,
		.first = stream->unread,
		/* No version is that of a stream that is being written to. */
		.version = stream->writers ? UINT64_MAX : stream->version,
		.most = (uint32_t)lesser(most, RN_STREAM_MOST),
		.open = true,
		.peeks = peeks,
	};
	if (read->former)
		read->former->next = read;
	else
		stream->oldest = read;
	stream->youngest = read;
	stream->taking += peeks ? 0 : read->most;
}

static void end_read(struct stream *stream, struct stream_read *read)
{
	read->open = false;
	if (read->former)
		read->former->next = read->next;
	else
		stream->oldest = read->next;
	if (read->next)
		read->next->former = read->former;
	else
		stream->youngest = read->former;
	read->next = read->former = NULL;
	stream->taking -= read->peeks ? 0 : read->most;
}

/* Where a read's bytes begin: somewhere in [low, high]. */
struct place {
	uint64_t low, high, n;
};

static bool is_exact(const struct stream *stream, const struct segment *segment)
{
	uint64_t to = segment->open ? stream->may_written : segment->to;

	return !segment->vague && to - segment->from == segment->n;
}

/* How many bytes of this place may be a segment's. */
static uint64_t shared(const struct stream *stream, const struct segment *segment,
		       const struct place *place)
{
	uint64_t from = greater(segment->from, place->low);
	uint64_t to =
		lesser(segment->open ? stream->may_written : segment->to, place->high + place->n);

	return to > from ? to - from : 0;
}

/*
 * A write that lies exactly must be a cause if the read's place is exact too and both have a byte
 * in common, or if all places where the read may be are within it.
 */
static bool is_certain(const struct place *place, uint64_t common)
{
	return place->low == place->high || common == place->high + place->n - place->low;
}

/* Tells of all causes from segment `first` on. */
static void find(const struct stream *stream, uint64_t first, const struct place *place,
		 rn_stream_found *found, void *ctx)
{
	uint64_t to = place->high + place->n, known = 0;

	for (uint64_t i = first; i < end_of(stream) && at(stream, i)->from < to; i++)
		if (is_exact(stream, at(stream, i)))
			known += shared(stream, at(stream, i), place);
	for (uint64_t i = first; i < end_of(stream) && at(stream, i)->from < to; i++) {
		const struct segment *segment = at(stream, i);
		uint64_t common = shared(stream, segment, place);
		bool exact = is_exact(stream, segment);

		/* Of one that may be anywhere here nothing is, if all is others'. */
		if (!common ||
		    (!exact && (known == to - place->low || (segment->n == 0 && !segment->vague))))
			continue;
		found(ctx, &segment->cause, exact && is_certain(place, common), segment->carried);
	}
}

bool rn_stream_read_end(struct stream *stream, struct stream_read *read, uint64_t n,
			rn_stream_found *found, void *ctx)
{
	struct place place = {.low = read->from, .n = lesser(n, read->most)};

	if (!read->open)
		return false;
	end_read(stream, read);
	if (place.n == 0)
		return true;
	/* More than there ever was: it has come from elsewhere. */
	if ((read->peeks ? read->from : stream->taken) + place.n > stream->may_written)
		rn_stream_tear(stream);
	if (stream->torn) {
		if (stream->latest.clock)
			found(ctx, &stream->latest, false, rn_stream_newest(stream));
		return false;
	}
	place.high = lesser(stream->taken + stream->taking + stream->doubted,
			    stream->may_written - place.n);
	find(stream, greater(read->first, stream->first), &place, found, ctx);
	if (!read->peeks)
		stream->taken += place.n;
	drop_read(stream);
	return true;
}

/* Nothing was there while nothing was written: all that was ever written has been taken. */
static void start_over(struct stream *stream)
{
	/* Something took it that is not known. */
	if (!stream->doubt && !stream->doubted && stream->taken != stream->written) {
		rn_stream_tear(stream);
		return;
	}
	stream->written = stream->taken = stream->may_written;
	stream->doubted = 0;
	stream->doubt = false;
	forget_all(stream);
}

void rn_stream_read_nothing(struct stream *stream, struct stream_read *read, bool empty)
{
	if (!read->open)
		return;
	end_read(stream, read);
	if (empty && !stream->torn && !stream->oldest && read->version == stream->version)
		start_over(stream);
	drop_read(stream);
}

void rn_stream_read_lost(struct stream *stream, struct stream_read *read)
{
	if (!read->open)
		return;
	end_read(stream, read);
	if (!read->peeks && stream->may_written > read->from)
		stream->doubted += lesser(read->most, stream->may_written - read->from);
	drop_read(stream);
}

bool rn_stream_holds(const struct stream *stream)
{
	return stream->torn || stream->may_written > stream->taken;
}

uint64_t rn_stream_newest(const struct stream *stream)
{
	return stream->relays ? RN_STREAM_RELAYS : greater(stream->latest.clock, stream->carried);
}

uint32_t rn_stream_depth(const struct stream *stream)
{
	return stream->count;
}
