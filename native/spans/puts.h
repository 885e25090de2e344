/* SPDX-License-Identifier: MIT */
/*
 * What was put into an object, and may not have been taken out yet: writes to an eventfd, messages
 * in a queue. Pure data: the object's own rules say what a take gets. Inner part of spans/.
 *
 * A put is done at an instant between its entry and its exit, a take between its own. So a put that
 * had ended before a take began was there before it; of one that overlaps it that is not known.
 */
#ifndef RENACER_SPANS_PUTS_H
#define RENACER_SPANS_PUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "cause.h"

/* Puts of one object that are remembered; an older one is a clock only. */
#define RN_PUTS_MAX 256u

/* What all of a run may hold together; zeroed = nothing yet. */
struct puts_pool {
	uint64_t held; /* puts that there is room for */
};

#define RN_PUTS_POOL (1u << 17)

struct put {
	struct cause cause;
	uint64_t ended;  /* the event that is its end; 0 = under way */
	uint64_t amount; /* of an eventfd */
	uint32_t length, priority; /* of a message */
	bool maybe; /* it may have been taken already, or was never done */
};

/* Zeroed = nothing was put yet. */
struct puts {
	struct put *list; /* in the order of their entries */
	uint32_t n, room;
	uint32_t takes; /* under way */
	uint64_t began; /* takes so far */
	uint64_t older; /* greatest time of those that were forgotten; 0 = none that may be there */
	uint64_t newest; /* of all puts so far */
	bool stray; /* one that was under way was forgotten: it may be done at any time */
};

/* A take under way. */
struct take {
	uint64_t number; /* 0 = none */
	uint64_t since; /* its entry */
	bool alone; /* no other was under way at its entry */
};

void rn_puts_free(struct puts_pool *pool, struct puts *puts);
/* A put begins; the rest of it is the caller's to fill in. NULL: it is a clock only. */
struct put *rn_put_begin(struct puts_pool *pool, struct puts *puts, const struct cause *cause);
/* The put that began with event `seq`; NULL = it is remembered no longer. */
struct put *rn_put_find(struct puts *puts, uint64_t seq);
void rn_put_remove(struct puts *puts, struct put *put);
void rn_puts_clear(struct puts *puts);

void rn_take_begin(struct puts *puts, struct take *take, uint64_t seq);
/* Returns whether no other take was under way at any time of it. */
bool rn_take_end(struct puts *puts, struct take *take);
/* All that was there when a take began, which was alone, is gone. Returns whether nothing is left:
   what was put before cannot be taken any more. */
bool rn_puts_drain(struct puts *puts, uint64_t since);

#endif
