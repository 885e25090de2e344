/* SPDX-License-Identifier: MIT */
/*
 * A hash of bytes that composes: that of a stream is the same however it was cut into writes.
 *
 * Bytes s[0..n) have in each lane, modulo its prime,
 *
 *	sum of (s[i] + 1) * 256^(i - n)
 *
 * so hash(a + b) = hash(a) * 256^-len(b) + hash(b), and none is 0 but that of no bytes. Of two texts
 * of one length that differ within 15 bytes in a row the hashes always differ; of others with a
 * chance of 1 in 2^125. It is no secret and no signature: who wants to can make two texts of one hash,
 * and who has the hash of a few bytes can find these.
 */
#ifndef RENACER_CONTENT_H
#define RENACER_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "renacer/event.h"

/* The greatest safe primes below 2^61 times pi, and times e: the powers of 256 run through half of all
   numbers. */
#define RN_CONTENT_PRIME_0 0x6487ed5110b45de7ull
#define RN_CONTENT_PRIME_1 0x56fc2a2c515da2f7ull

/* More is never written by one call: MAX_RW_COUNT of the kernel, with the smallest pages. */
#define RN_CONTENT_MAX 0x7ffff000ull

/* Appends bytes. Begin with {0}. */
void rn_content_add(struct rn_content *content, const void *data, size_t len);

/* Appends what has the hash `more`. */
void rn_content_join(struct rn_content *content, const struct rn_content *more);

/* Whether it can be the hash of anything. */
bool rn_content_is_sound(const struct rn_content *content);

#endif
