/* SPDX-License-Identifier: MIT */
/* Rows of one kind, one after the other; inner part of the replay. */
#ifndef RENACER_RUN_COLUMNS_H
#define RENACER_RUN_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

struct column {
	uint8_t *rows;
	uint64_t n, cap;
	size_t size; /* of a row */
};

/* What all columns of a replay share. */
struct allowance {
	uint64_t room; /* bytes that they may still grow by */
	uint64_t missed; /* rows for which there was no memory */
};

/* `n` new rows, zeroed; NULL: no memory, counted. */
void *rn_rows_add(struct allowance *allowance, struct column *column, uint64_t n);

#endif
