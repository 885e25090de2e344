/* SPDX-License-Identifier: MIT */
/* See puts.h. */
#include "puts.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 4u

void rn_puts_free(struct puts_pool *pool, struct puts *puts)
{
	pool->held -= puts->room;
	free(puts->list);
	*puts = (struct puts){.n = 0};
}

static bool grow(struct puts_pool *pool, struct puts *puts)
{
	uint32_t room = puts->room ? puts->room * 2 : FIRST_ROOM;
	struct put *list;

	if (room > RN_PUTS_MAX || pool->held + room - puts->room > RN_PUTS_POOL)
		return false;
	list = realloc(puts->list, room * sizeof(*list));
	if (!list)
		return false;
	pool->held += room - puts->room;
	puts->list = list;
	puts->room = room;
	return true;
}

static void join(uint64_t *clock, uint64_t other)
{
	if (other > *clock)
		*clock = other;
}

struct put *rn_put_begin(struct puts_pool *pool, struct puts *puts, const struct cause *cause)
{
	struct put *put;

	join(&puts->newest, cause->clock);
	if (puts->n == puts->room && !grow(pool, puts)) {
		if (puts->n == 0) {
			join(&puts->older, cause->clock);
			puts->stray = true;
			return NULL;
		}
		join(&puts->older, puts->list[0].cause.clock);
		puts->stray |= !puts->list[0].ended;
		rn_put_remove(puts, &puts->list[0]);
	}
	put = &puts->list[puts->n++];
	*put = (struct put){.cause = *cause};
	return put;
}

struct put *rn_put_find(struct puts *puts, uint64_t seq)
{
	for (uint32_t i = puts->n; i-- > 0;)
		if (puts->list[i].cause.seq == seq)
			return &puts->list[i];
	return NULL;
}

void rn_put_remove(struct puts *puts, struct put *put)
{
	size_t behind = (size_t)(&puts->list[puts->n] - put) - 1;

	memmove(put, put + 1, behind * sizeof(*put));
	puts->n--;
}

void rn_puts_clear(struct puts *puts)
{
	puts->n = 0;
	puts->older = 0;
}

void rn_take_begin(struct puts *puts, struct take *take, uint64_t seq)
{
	*take = (struct take){
		.number = ++puts->began,
		.since = seq,
		.alone = puts->takes == 0,
	};
	puts->takes++;
}

bool rn_take_end(struct puts *puts, struct take *take)
{
	bool alone = take->alone && take->number == puts->began;

	puts->takes--;
	take->number = 0;
	return alone;
}

bool rn_puts_drain(struct puts *puts, uint64_t since)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < puts->n; i++)
		if (!puts->list[i].ended || puts->list[i].ended > since)
			puts->list[left++] = puts->list[i];
	puts->n = left;
	if (left || puts->stray)
		return false;
	puts->older = 0;
	return true;
}
