/* SPDX-License-Identifier: MIT */
/*
 * Which code made a call: from the call's own instruction up the stack, out of the C library.
 * Each place's rules are looked for once (see cfi.h); then a frame costs no more than the word or
 * two of the stack that it needs, and these come in one read.
 */
#ifndef RENACER_UNWIND_H
#define RENACER_UNWIND_H

#include "code_map.h"

#define ROWS 2048u /* places of rules that are kept; a power of two */
#define MET 256u   /* places of files that were met */

struct rows_place {
	uint32_t module; /* its number; 0 = free */
	uint64_t at;     /* from the file's first byte */
	struct cfi_row row;
};

/* By the first byte of the id. */
struct met {
	uint8_t id_len;
	uint8_t id[RN_BUILD_ID_MAX];
	uint32_t number;
	uint64_t header, end;
};

struct unwinder {
	uint32_t modules; /* numbers given */
	struct met met[MET];
	struct rows_place rows[ROWS];
};

/* NULL: no memory. */
struct unwinder *rn_unwinder_create(void);

#endif
