/* SPDX-License-Identifier: MIT */
/*
 * What became of each call: whether there is a span that a link can point to. Two bits for each of
 * the last RN_FATES numbers of events; of older calls it is only known that all were told, up to
 * the first that was not.
 */
#ifndef RENACER_SPANS_FATES_H
#define RENACER_SPANS_FATES_H

#include <stdbool.h>
#include <stdint.h>

#define RN_FATES (1u << 23) /* a power of two */

enum fate {
	FATE_OPEN = 0,    /* it has not been told yet */
	FATE_OMITTED = 1, /* it has no span of its own */
	FATE_LINKED = 2,  /* it has not been told yet, and something is linked to it */
	FATE_TOLD = 3
};

struct fates;

/* NULL: no memory. */
struct fates *rn_fates_create(void);
void rn_fates_destroy(struct fates *fates);
/* Of a call by the number of its entry. */
void rn_fates_set(struct fates *fates, uint64_t seq, enum fate fate);
/* Whether something is linked to a call that is about to be told. */
bool rn_fates_is_linked(const struct fates *fates, uint64_t seq);
/* Whether a link may point to it; if so and it is to come, it is to be told. */
bool rn_fates_link(struct fates *fates, uint64_t seq);

#endif
