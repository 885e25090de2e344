/* SPDX-License-Identifier: MIT */
#include "flight.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 65536u

struct head {
	struct flight_label label;
	uint64_t len; /* of the piece behind it */
};

/*
 * Pieces go from `first` to `end`; or, if they are `wrapped`, to `wrap`, and from 0 to `end`, which
 * is not beyond `first`.
 */
struct flight {
	uint8_t *data;
	size_t room, limit;
	size_t first, end, wrap;
	bool wrapped;
	uint64_t pieces, calls, limit_calls;
	flight_gone *gone;
	void *ctx;
};

struct flight *rn_flight_create(uint64_t calls, size_t bytes, flight_gone *gone, void *ctx)
{
	struct flight *flight = calloc(1, sizeof(*flight));

	if (!flight)
		return NULL;
	flight->limit_calls = calls;
	flight->limit = bytes;
	flight->gone = gone;
	flight->ctx = ctx;
	return flight;
}

void rn_flight_destroy(struct flight *flight)
{
	if (!flight)
		return;
	free(flight->data);
	free(flight);
}

static size_t size_of(size_t len)
{
	return (sizeof(struct head) + len + 7) & ~(size_t)7;
}

static struct head *oldest(const struct flight *flight)
{
	return (struct head *)(void *)(flight->data + flight->first);
}

const void *rn_flight_oldest(const struct flight *flight, struct flight_label *label, size_t *len)
{
	const struct head *head;

	if (!flight->pieces)
		return NULL;
	head = oldest(flight);
	*label = head->label;
	*len = head->len;
	return head + 1;
}

void rn_flight_drop(struct flight *flight)
{
	const struct head *head = oldest(flight);

	flight->calls -= head->label.calls;
	flight->first += size_of(head->len);
	if (--flight->pieces == 0) {
		flight->first = flight->end = 0;
		flight->wrapped = false;
	} else if (flight->wrapped && flight->first == flight->wrap) {
		flight->first = 0;
		flight->wrapped = false;
	}
}

void rn_flight_let_go(struct flight *flight)
{
	const struct head *head = oldest(flight);

	flight->gone(flight->ctx, &head->label, head + 1, head->len);
	rn_flight_drop(flight);
}

/* Whether there are `need` bytes in a row; then `end` is where they begin. */
static bool has_room(struct flight *flight, size_t need)
{
	if (flight->wrapped)
		return flight->first - flight->end >= need;
	if (flight->room - flight->end >= need)
		return true;
	if (!flight->pieces || flight->first < need)
		return false;
	flight->wrap = flight->end;
	flight->end = 0;
	flight->wrapped = true;
	return true;
}

/* More room, the oldest piece at its beginning. */
static bool grow(struct flight *flight, size_t need)
{
	size_t until = flight->wrapped ? flight->wrap : flight->end;
	size_t head = until - flight->first, tail = flight->wrapped ? flight->end : 0;
	size_t room = flight->room ? flight->room : FIRST_ROOM / 2;
	uint8_t *data;

	if (flight->room >= flight->limit || head + tail > flight->limit - need)
		return false;
	do
		room = room > flight->limit / 2 ? flight->limit : 2 * room;
	while (room < head + tail + need);
	data = malloc(room);
	if (!data)
		return false;
	if (head)
		memcpy(data, flight->data + flight->first, head);
	if (tail)
		memcpy(data + head, flight->data, tail);
	free(flight->data);
	flight->data = data;
	flight->room = room;
	flight->first = 0;
	flight->end = head + tail;
	flight->wrapped = false;
	return true;
}

void rn_flight_keep(struct flight *flight, const struct flight_label *label, const void *data,
		    size_t len)
{
	size_t need = size_of(len);
	struct head *head;

	if (need > flight->limit) {
		flight->gone(flight->ctx, label, data, len);
		return;
	}
	while (flight->pieces &&
	       flight->calls - oldest(flight)->label.calls + label->calls >= flight->limit_calls)
		rn_flight_let_go(flight);
	while (!has_room(flight, need)) {
		if (grow(flight, need))
			continue;
		if (!flight->pieces) {
			flight->gone(flight->ctx, label, data, len);
			return;
		}
		rn_flight_let_go(flight);
	}
	head = (struct head *)(void *)(flight->data + flight->end);
	head->label = *label;
	head->len = len;
	if (len)
		memcpy(head + 1, data, len);
	flight->end += need;
	flight->pieces++;
	flight->calls += label->calls;
}

uint64_t rn_flight_calls(const struct flight *flight)
{
	return flight->calls;
}

void rn_flight_release(struct flight *flight)
{
	if (flight->pieces)
		return;
	free(flight->data);
	flight->data = NULL;
	flight->room = 0;
}

size_t rn_flight_room(const struct flight *flight)
{
	return flight->room;
}
