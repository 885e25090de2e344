/* SPDX-License-Identifier: MIT */
/* What the tests of runs share: the end of a queue whose blocks nobody looks into. */
#ifndef RENACER_TESTS_TAKEN_H
#define RENACER_TESTS_TAKEN_H

#include "renacer/api.h"

/* Takes all blocks of a queue, waiting so long for each; returns how many spans are in them. */
static inline uint64_t spans_taken(rn_run *run, int out, int timeout_ms)
{
	rn_block block;
	uint64_t spans = 0;

	while (rn_block_take(run, out, timeout_ms, &block) == 1) {
		spans += block.spans;
		rn_block_release(run, out, &block);
	}
	return spans;
}

#endif
