/* SPDX-License-Identifier: MIT */
/*
 * The fuzz targets for a moment each (RENACER_TEST_SCALE=full: ten seconds; RENACER_TEST_SEED:
 * another beginning). `./dev fuzz` feeds them longer, with real records, too.
 */
#include "fuzz_drive.h"

static struct fuzz_input input;

int main(void)
{
	struct rng rng = test_rng();

	for (unsigned i = 0; i < FUZZ_TARGETS; i++) {
		const struct fuzz_target *target = &fuzz_targets[i];
		unsigned long rounds;

		target->run(input.bytes, 0); /* the least of inputs */
		rounds = fuzz_for(target, &rng, 1000000000ull * test_scale(), NULL, &input, NULL);
		printf("%s: %lu inputs\n", target->name, rounds);
		CHECK(rounds > 0); /* how many is the machine's */
	}
	return check_done();
}
