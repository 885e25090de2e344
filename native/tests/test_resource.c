/* SPDX-License-Identifier: MIT */
/* What a process publishes of itself: taken whole or not at all, whatever the bytes. */
#include "check.h"
#include "ringtool.h"
#include "spans/resource.h"

/* ProcessContext{resource{attributes{"service.name", "shop"}, attributes{"service.version", 7}}} */
static const uint8_t sample[] = "\x0a\x31"
				"\x0a\x16\x0a\x0cservice.name\x12\x06\x0a\x04shop"
				"\x0a\x15\x0a\x0fservice.version\x12\x02\x18\x07"
				"\x10\x05";
#define SAMPLE_LEN (sizeof(sample) - 1)

int main(void)
{
	struct rn_process process = {.ordinal = 1};
	struct rng rng = test_rng();
	unsigned long taken = 0;

	CHECK_INT(SAMPLE_LEN, 2 + 0x31);
	CHECK(rn_resource_take(&process, sample, SAMPLE_LEN));
	CHECK_STR(process.resource[RN_RESOURCE_NAME], "shop");
	CHECK_STR(process.resource[RN_RESOURCE_VERSION], NULL);
	/* Cut: what there was stays. */
	for (size_t len = 1; len < SAMPLE_LEN; len++) {
		CHECK(!rn_resource_take(&process, sample, len));
		CHECK_STR(process.resource[RN_RESOURCE_NAME], "shop");
	}
	CHECK(rn_resource_take(&process, sample, 0));
	CHECK_STR(process.resource[RN_RESOURCE_NAME], NULL);
	for (unsigned round = 0; round < 200000; round++) {
		uint8_t *bytes = malloc(SAMPLE_LEN); /* so that a sanitizer sees one too many */

		CHECK(bytes);
		memcpy(bytes, sample, SAMPLE_LEN);
		for (unsigned n = 1 + rng_below(&rng, 3); n > 0; n--)
			bytes[rng_below(&rng, SAMPLE_LEN)] = (uint8_t)rng_next(&rng);
		taken += rn_resource_take(&process, bytes, SAMPLE_LEN);
		for (unsigned i = 0; i < RN_RESOURCE_KEYS; i++)
			CHECK(!process.resource[i] || strlen(process.resource[i]) <= 256);
		free(bytes);
	}
	CHECK(taken > 1000);
	rn_resource_clear(&process);
	return check_done();
}
