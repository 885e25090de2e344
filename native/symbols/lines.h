/* SPDX-License-Identifier: MIT */
/*
 * From an address to a line of a source file: .debug_line, DWARF 2 to 5 (DWARF 5, 6.2). The
 * section is read once for where its sequences of addresses are, then of each address only the
 * unit that has it.
 */
#ifndef RENACER_LINES_H
#define RENACER_LINES_H

#include "elf_file.h"

struct line_sequence {
	uint64_t low, high;
	uint64_t unit; /* offset in the section */
};

struct line_index {
	struct line_sequence *sequences; /* by `low` */
	size_t n, room;
};

#define LINE_PATH_MAX 4096u

struct line_found {
	uint32_t line;
	/* Absolute where the file says in which folder the compiler ran; then so long is that
	   folder's name and a slash, if the path is below it; else 0. */
	char path[LINE_PATH_MAX];
	size_t below;
};

void rn_lines_index(const struct elf_file *file, struct line_index *index);
void rn_lines_free(struct line_index *index);
bool rn_lines_find(const struct elf_file *file, const struct line_index *index, uint64_t address,
		   struct line_found *found);

#endif
