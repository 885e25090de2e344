/* SPDX-License-Identifier: MIT */
#include "fates.h"

#include <stdlib.h>

#define PER_BYTE 4u

struct fates {
	uint64_t end;   /* all numbers before it have been seen */
	uint64_t first; /* that was omitted; UINT64_MAX = none */
	uint8_t of[RN_FATES / PER_BYTE];
};

struct fates *rn_fates_create(void)
{
	struct fates *fates = calloc(1, sizeof(*fates));

	if (fates)
		fates->first = UINT64_MAX;
	return fates;
}

void rn_fates_destroy(struct fates *fates)
{
	free(fates);
}

static uint8_t *byte_of(struct fates *fates, uint64_t seq)
{
	return &fates->of[(seq & (RN_FATES - 1)) / PER_BYTE];
}

static unsigned shift_of(uint64_t seq)
{
	return (unsigned)(seq % PER_BYTE) * 2;
}

static enum fate fate_of(const struct fates *fates, uint64_t seq)
{
	const uint8_t *byte = &fates->of[(seq & (RN_FATES - 1)) / PER_BYTE];

	return (enum fate)(*byte >> shift_of(seq) & 3u);
}

static bool is_old(const struct fates *fates, uint64_t seq)
{
	return fates->end > RN_FATES && seq < fates->end - RN_FATES;
}

/* The numbers up to this one are seen: their places held those of long ago. */
static void see(struct fates *fates, uint64_t seq)
{
	uint64_t from = fates->end, to = seq + 1;

	if (to <= from)
		return;
	if (to - from > RN_FATES)
		from = to - RN_FATES;
	for (; from < to; from++)
		*byte_of(fates, from) &= (uint8_t)~(3u << shift_of(from));
	fates->end = to;
}

void rn_fates_set(struct fates *fates, uint64_t seq, enum fate fate)
{
	uint8_t *byte;

	if (seq == UINT64_MAX)
		return;
	if (fate == FATE_OMITTED && seq < fates->first)
		fates->first = seq;
	see(fates, seq);
	if (is_old(fates, seq))
		return;
	byte = byte_of(fates, seq);
	*byte = (uint8_t)((*byte & ~(3u << shift_of(seq))) | (unsigned)fate << shift_of(seq));
}

bool rn_fates_is_linked(const struct fates *fates, uint64_t seq)
{
	return seq < fates->end && !is_old(fates, seq) && fate_of(fates, seq) == FATE_LINKED;
}

bool rn_fates_link(struct fates *fates, uint64_t seq)
{
	if (is_old(fates, seq))
		return seq < fates->first;
	if (seq >= fates->end || fate_of(fates, seq) == FATE_OPEN)
		rn_fates_set(fates, seq, FATE_LINKED);
	return fate_of(fates, seq) != FATE_OMITTED;
}
