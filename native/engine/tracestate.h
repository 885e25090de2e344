/* SPDX-License-Identifier: MIT */
/*
 * The member `renacer=` of a tracestate: a Lamport time, 16 lower-case hex digits. (W3C Trace
 * Context level 2, section 3.3.)
 */
#ifndef RENACER_ENGINE_TRACESTATE_H
#define RENACER_ENGINE_TRACESTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 32 members of the greatest key and value, with some white space. */
#define RN_TRACESTATE_LIMIT (32u * (256u + 1u + 256u + 4u))

/* Where our member stands: the list item from comma to comma, and the digits in it. */
struct rn_lamport_member {
	size_t from, end, digits;
	uint64_t time;
};

/* false: not a valid tracestate as a whole, or our member is not there, or of another form. */
bool rn_tracestate_find(const char *text, size_t len, struct rn_lamport_member *member);

/*
 * Sets the time, and moves the member to the front, as one that was changed has to be. All others
 * stay as they are and in order; text[0..member->end) may have changed, its length has not.
 */
void rn_tracestate_set(char *text, const struct rn_lamport_member *member, uint64_t time);

#endif
