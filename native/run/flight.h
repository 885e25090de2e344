/* SPDX-License-Identifier: MIT */
/*
 * The last pieces of an output, while it is not known whether anybody wants them: bytes one behind
 * the other in one circle, which grows to its limit and then stays as it is. One thread.
 */
#ifndef RENACER_RUN_FLIGHT_H
#define RENACER_RUN_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of a piece. */
struct flight_label {
	uint64_t calls;   /* that it tells of */
	uint64_t ns;      /* that they took */
	uint64_t process; /* id of the span of whose calls they are; 0 = of none */
	uint32_t part;    /* of the run, from 2 on; 0 = the first one, or another's trace */
	uint32_t split;   /* bytes of its first form; behind them is the second */
};

struct flight;

/* Gets each piece that goes because a newer one comes. */
typedef void flight_gone(void *ctx, const struct flight_label *label, const void *data, size_t len);

/* Keeps as many of the newest pieces as tell of `calls` calls, in at most `bytes`. NULL: no memory. */
struct flight *rn_flight_create(uint64_t calls, size_t bytes, flight_gone *gone, void *ctx);
void rn_flight_destroy(struct flight *flight);
/* One that has no room at all is gone at once. */
void rn_flight_keep(struct flight *flight, const struct flight_label *label, const void *data,
		    size_t len);
/* The oldest, until it is dropped or something is kept; NULL: there is none. */
const void *rn_flight_oldest(const struct flight *flight, struct flight_label *label, size_t *len);
/* Forgets the oldest; the first tells nobody. There must be one. */
void rn_flight_drop(struct flight *flight);
void rn_flight_let_go(struct flight *flight);
/* How many calls all pieces tell of. */
uint64_t rn_flight_calls(const struct flight *flight);
/* Gives back the memory of one that is empty. */
void rn_flight_release(struct flight *flight);
/* Bytes that it has from the system. */
size_t rn_flight_room(const struct flight *flight);

#endif
