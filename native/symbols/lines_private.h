/* SPDX-License-Identifier: MIT */
/* Lines from inside: what their files share. */
#ifndef RENACER_SYMBOLS_LINES_PRIVATE_H
#define RENACER_SYMBOLS_LINES_PRIVATE_H

#include "lines.h"
#include "renacer/cursor.h"

/* What the program of one compiled file says first (DWARF 5, 6.2.4). */
struct line_unit {
	struct rn_cursor all;     /* behind its length */
	struct rn_cursor tables;  /* of folders and files */
	struct rn_cursor program;
	unsigned offset_size;
	unsigned version;
	uint8_t min_length, line_range, opcode_base;
	int8_t line_base;
	const uint8_t *lengths; /* of standard opcodes' operands, opcode_base - 1 of them */
};

/* line_names.c: the path of the file that a unit has under a number; false: it has none. */
bool rn_lines_name_file(const struct elf_file *file, const struct line_unit *unit, uint64_t number,
			struct line_found *found);

#endif
