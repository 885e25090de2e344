/* SPDX-License-Identifier: MIT */
/* Programs of line numbers: from an address to a row. See lines.h. */
#include <stdlib.h>

#include "lines_private.h"

#define SECTION_MAX (128u << 20)    /* bytes of .debug_line; of a longer one no line is told */
#define UNIT_MAX (32u << 20)        /* bytes of one unit */
#define SEQUENCES_MAX (4u << 20)

/* Takes a unit from a section; false: there is no more. A bad one has no program. */
static bool next_unit(struct rn_cursor *section, struct line_unit *unit)
{
	uint64_t len = rn_cursor_unsigned(section, 4);
	struct rn_cursor c;
	const uint8_t *at;

	*unit = (struct line_unit){.offset_size = 4};
	if (len == 0xffffffff) {
		len = rn_cursor_unsigned(section, 8);
		unit->offset_size = 8;
	}
	at = rn_cursor_take(section, len);
	if (!at)
		return false;
	c = unit->all = rn_cursor_over(at, (size_t)len);
	unit->version = (unsigned)rn_cursor_unsigned(&c, 2);
	if (unit->version < 2 || unit->version > 5)
		return true;
	if (unit->version == 5)
		rn_cursor_unsigned(&c, 2); /* sizes of addresses and segments */
	len = rn_cursor_unsigned(&c, unit->offset_size);
	unit->tables = unit->program = c;
	if (!rn_cursor_take(&unit->program, len))
		return true;
	c.end = unit->program.at;
	unit->min_length = (uint8_t)rn_cursor_unsigned(&c, 1);
	if (unit->version >= 4)
		rn_cursor_unsigned(&c, 1); /* operations of one instruction */
	rn_cursor_unsigned(&c, 1);
	unit->line_base = (int8_t)rn_cursor_unsigned(&c, 1);
	unit->line_range = (uint8_t)rn_cursor_unsigned(&c, 1);
	unit->opcode_base = (uint8_t)rn_cursor_unsigned(&c, 1);
	unit->lengths = rn_cursor_take(&c, unit->opcode_base ? unit->opcode_base - 1u : 0);
	unit->tables = c;
	if (c.bad || !unit->lengths || !unit->line_range || !unit->opcode_base)
		unit->program.at = unit->program.end;
	return true;
}

struct row {
	uint64_t address;
	uint64_t file;
	uint32_t line;
};

/* The rows of a program one after the other; each step reads a byte, and so there is an end. */
struct rows {
	const struct line_unit *unit;
	struct rn_cursor c;
	struct row row;
	bool fresh; /* a sequence begins */
};

static void begin_sequence(struct rows *rows)
{
	rows->row = (struct row){.file = 1, .line = 1};
	rows->fresh = true;
}

enum row_kind { ROW_NONE, ROW_LINE, ROW_END };

static enum row_kind extended(struct rows *rows)
{
	struct rn_cursor *c = &rows->c;
	uint64_t len = rn_cursor_uleb(c);
	const uint8_t *at = rn_cursor_take(c, len);
	struct rn_cursor operand;

	if (!at || len == 0)
		return ROW_NONE;
	operand = rn_cursor_over(at + 1, (size_t)len - 1);
	if (*at == 0x01)
		return ROW_END;
	if (*at == 0x02 && len > 1 && len <= 9)
		rows->row.address = rn_cursor_unsigned(&operand, (unsigned)len - 1);
	return ROW_NONE;
}

static enum row_kind standard(struct rows *rows, uint8_t op)
{
	const struct line_unit *unit = rows->unit;
	struct rn_cursor *c = &rows->c;

	switch (op) {
	case 0x01: /* copy */
		return ROW_LINE;
	case 0x02: /* advance_pc */
		rows->row.address += rn_cursor_uleb(c) * unit->min_length;
		break;
	case 0x03: /* advance_line */
		rows->row.line += (uint32_t)rn_cursor_sleb(c);
		break;
	case 0x04: /* set_file */
		rows->row.file = rn_cursor_uleb(c);
		break;
	case 0x08: /* const_add_pc */
		rows->row.address +=
			(uint64_t)((255 - unit->opcode_base) / unit->line_range) * unit->min_length;
		break;
	case 0x09: /* fixed_advance_pc */
		rows->row.address += rn_cursor_unsigned(c, 2);
		break;
	default:
		for (unsigned i = 0; i < unit->lengths[op - 1]; i++)
			rn_cursor_uleb(c);
	}
	return ROW_NONE;
}

/* The next row into rows->row; ROW_NONE: there is no more. */
static enum row_kind next_row(struct rows *rows)
{
	const struct line_unit *unit = rows->unit;

	while (!rows->c.bad && rn_cursor_left(&rows->c)) {
		uint8_t op = (uint8_t)rn_cursor_unsigned(&rows->c, 1);
		enum row_kind kind;

		if (op >= unit->opcode_base) {
			unsigned special = op - unit->opcode_base;

			rows->row.address +=
				(uint64_t)(special / unit->line_range) * unit->min_length;
			rows->row.line +=
				(uint32_t)(unit->line_base + (int)(special % unit->line_range));
			return ROW_LINE;
		}
		kind = op ? standard(rows, op) : extended(rows);
		if (kind != ROW_NONE)
			return kind;
	}
	return ROW_NONE;
}

static bool add_sequence(struct line_index *index, uint64_t low, uint64_t high, uint64_t unit)
{
	size_t room = index->room ? 2 * index->room : 64;
	struct line_sequence *more;

	/* What the linker left out lies at nowhere. */
	if (low == 0 || low >= high)
		return true;
	if (index->n == SEQUENCES_MAX)
		return false;
	if (index->n == index->room) {
		more = realloc(index->sequences, room * sizeof(*more));
		if (!more)
			return false;
		index->sequences = more;
		index->room = room;
	}
	index->sequences[index->n++] = (struct line_sequence){low, high, unit};
	return true;
}

static bool index_unit(const struct line_unit *unit, uint64_t at, struct line_index *index)
{
	struct rows rows = {.unit = unit, .c = unit->program};
	enum row_kind kind;
	uint64_t low = 0;

	begin_sequence(&rows);
	while ((kind = next_row(&rows)) != ROW_NONE) {
		if (rows.fresh)
			low = rows.row.address;
		rows.fresh = false;
		if (kind != ROW_END)
			continue;
		if (!add_sequence(index, low, rows.row.address, at))
			return false;
		begin_sequence(&rows);
	}
	return true;
}

static int by_low(const void *a, const void *b)
{
	uint64_t left = ((const struct line_sequence *)a)->low;
	uint64_t right = ((const struct line_sequence *)b)->low;

	return left < right ? -1 : left > right;
}

void rn_lines_index(const struct elf_file *file, struct line_index *index)
{
	uint8_t *bytes = rn_elf_take(file, &file->lines, SECTION_MAX);
	struct rn_cursor section = rn_cursor_over(bytes, bytes ? (size_t)file->lines.size : 0);
	struct line_unit unit;
	bool room = true;

	*index = (struct line_index){.n = 0};
	while (room && rn_cursor_left(&section)) {
		uint64_t at = (uint64_t)(section.at - bytes);

		if (!next_unit(&section, &unit))
			break;
		room = index_unit(&unit, at, index);
	}
	free(bytes);
	if (index->n)
		qsort(index->sequences, index->n, sizeof(*index->sequences), by_low);
}

void rn_lines_free(struct line_index *index)
{
	free(index->sequences);
	*index = (struct line_index){.n = 0};
}

/* The row that covers an address: the last one before the next one's. */
static bool find_row(const struct line_unit *unit, uint64_t address, struct row *found)
{
	struct rows rows = {.unit = unit, .c = unit->program};
	struct row last = {.line = 0};
	enum row_kind kind;

	begin_sequence(&rows);
	while ((kind = next_row(&rows)) != ROW_NONE) {
		if (!rows.fresh && last.address <= address && address < rows.row.address) {
			*found = last;
			return true;
		}
		last = rows.row;
		rows.fresh = false;
		if (kind == ROW_END)
			begin_sequence(&rows);
	}
	return false;
}

static bool find_in_unit(const struct elf_file *file, uint64_t at, uint64_t address,
			 struct line_found *found)
{
	struct elf_part part = file->lines;
	struct rn_cursor section;
	uint8_t head[12], *bytes;
	struct line_unit unit;
	struct row row;
	uint64_t len;
	bool done;

	if (!rn_elf_read(file, &part, at, head, sizeof(head)))
		return false;
	section = rn_cursor_over(head, sizeof(head));
	len = rn_cursor_unsigned(&section, 4);
	if (len == 0xffffffff)
		len = rn_cursor_unsigned(&section, 8);
	if (len > UNIT_MAX)
		return false;
	part.offset += at;
	part.size = len + (uint64_t)(section.at - head);
	bytes = rn_elf_take(file, &part, UNIT_MAX + sizeof(head));
	if (!bytes)
		return false;
	section = rn_cursor_over(bytes, (size_t)part.size);
	done = next_unit(&section, &unit) && find_row(&unit, address, &row) && row.line &&
	       rn_lines_name_file(file, &unit, row.file, found);
	found->line = done ? row.line : 0;
	free(bytes);
	return done;
}

#define OVERLAPPING 8u /* sequences that are looked at for one address */

bool rn_lines_find(const struct elf_file *file, const struct line_index *index, uint64_t address,
		   struct line_found *found)
{
	size_t low = 0, high = index->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->sequences[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (unsigned i = 0; i < OVERLAPPING && low-- > 0; i++)
		if (address < index->sequences[low].high &&
		    find_in_unit(file, index->sequences[low].unit, address, found))
			return true;
	return false;
}
