/* SPDX-License-Identifier: MIT */
/* Any bytes as records: what is accepted can be walked, and stays within its own bounds. */
#include "fuzz.h"
#include "records.h"
#include "renacer/api.h"

static uint32_t walk(const struct rn_event *ev)
{
	uint32_t sum = 0, n = 0;

	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p)) {
		CHECK(rn_piece_data(p) + rn_pad8(p->len) <= (const uint8_t *)ev + ev->size);
		for (uint32_t i = 0; i < p->len; i++)
			sum += rn_piece_data(p)[i];
		n++;
	}
	CHECK_INT(n, ev->pieces);
	return sum;
}

int fuzz_event(const uint8_t *data, size_t size)
{
	/* Of exactly that size, so that AddressSanitizer sees the first byte too many. */
	uint8_t *bytes = malloc(size ? size : 1);
	uint64_t offsets[64], used = 0, n, at = 0;

	CHECK(bytes);
	memcpy(bytes, data, size);
	n = rn_index_records(bytes, size, offsets, 64, &used);
	CHECK(n <= 64 && used <= size && used % 8 == 0);
	for (uint64_t i = 0; i < n; i++) {
		const struct rn_event *ev = (const struct rn_event *)(bytes + offsets[i]);

		CHECK_INT(offsets[i], at);
		CHECK_INT(rn_event_check(ev, size - at), ev->size);
		walk(ev);
		at += ev->size;
	}
	CHECK_INT(used, at);
	if (n < 64 && used < size)
		CHECK_INT(rn_event_check(bytes + used, size - used), 0);
	free(bytes);
	return 0;
}

FUZZ_TARGET(fuzz_event);
