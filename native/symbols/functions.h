/* SPDX-License-Identifier: MIT */
/* Which function an address is in: by a file's table of symbols. */
#ifndef RENACER_FUNCTIONS_H
#define RENACER_FUNCTIONS_H

#include "elf_file.h"

struct function {
	uint64_t address, size;
	uint32_t name; /* offset in the file's names */
	uint32_t rank; /* of several at one address the first */
};

struct function_index {
	struct function *functions; /* by address */
	size_t n;
};

#define FUNCTION_NAME_MAX 1024u

void rn_functions_index(const struct elf_file *file, struct function_index *index);
void rn_functions_free(struct function_index *index);
bool rn_functions_find(const struct elf_file *file, const struct function_index *index,
		       uint64_t address, char name[FUNCTION_NAME_MAX]);

#endif
