/* SPDX-License-Identifier: MIT */
/* What feeds the fuzz targets where there is no libFuzzer: random and real records, damaged. */
#ifndef RENACER_TESTS_FUZZ_DRIVE_H
#define RENACER_TESTS_FUZZ_DRIVE_H

#include "records.h"

#define FUZZ_INPUT_MAX 8192u

struct fuzz_input {
	uint32_t len;
	_Alignas(8) uint8_t bytes[FUZZ_INPUT_MAX];
};

struct fuzz_target {
	const char *name;
	int (*run)(const uint8_t *data, size_t size);
	uint32_t head; /* bytes of numbers before the records */
	bool places;   /* no records, but places of something of the target's own */
};

#define FUZZ_TARGETS 8u
extern const struct fuzz_target fuzz_targets[FUZZ_TARGETS];

/* Real records, one behind the other. */
struct fuzz_corpus {
	const uint8_t *bytes;
	size_t len;
};

/*
 * Feeds the target for so many ns, and tells how many inputs that were. What it is given stands in
 * `input`; `before` is called ahead of each, if it is there. NULL = no corpus.
 */
unsigned long fuzz_for(const struct fuzz_target *target, struct rng *rng, uint64_t ns,
		       const struct fuzz_corpus *corpus, struct fuzz_input *input,
		       void (*before)(void));

#endif
