/* SPDX-License-Identifier: MIT */
#include "columns.h"

#include <stdlib.h>
#include <string.h>

void *rn_rows_add(struct allowance *allowance, struct column *column, uint64_t n)
{
	uint64_t cap = column->cap ? column->cap : 64;
	uint8_t *rows;

	while (cap - column->n < n)
		cap += cap / 2;
	if (cap != column->cap) {
		uint64_t more = (cap - column->cap) * column->size;

		rows = more > allowance->room ? NULL : realloc(column->rows, cap * column->size);
		if (!rows) {
			allowance->missed++;
			return NULL;
		}
		allowance->room -= more;
		column->rows = rows;
		column->cap = cap;
	}
	rows = column->rows + column->n * column->size;
	memset(rows, 0, n * column->size);
	column->n += n;
	return rows;
}
