/* SPDX-License-Identifier: MIT */
#include "cfi.h"

#include "renacer/cursor.h"

#define ENTRY_MAX 8192u     /* bytes of an FDE or CIE that is read */
#define PART 16384u         /* bytes of .eh_frame that are read at once */
#define ENTRIES_MAX 200000u
#define ROWS_KEPT 8u        /* DW_CFA_remember_state */
#define STEPS_MAX 4096u     /* instructions of one FDE */

enum {
	PE_OMIT = 0xff,
	PE_ABSOLUTE = 0x00,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30,
	PE_RELATIVE = 0x70,
	PE_INDIRECT = 0x80
};

/* Bytes of the program, and where they were there. */
struct entry {
	uint8_t bytes[ENTRY_MAX];
	uint64_t at; /* of bytes[0] */
	size_t len;
};

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint8_t return_reg;
	uint8_t encoding;
	bool augmented, signal;
	uint64_t program; /* its instructions: offset in its entry… */
};

/* A whole FDE or CIE; its length's four bytes are not in `bytes`. */
static bool read_entry(const struct cfi_memory *memory, const struct cfi_table *table,
		       uint64_t addr, struct entry *entry)
{
	uint32_t len;

	if (!rn_cfi_read(memory, table, addr, &len, sizeof(len)) || len < 4 || len > ENTRY_MAX)
		return false;
	entry->at = addr + sizeof(len);
	entry->len = len;
	return rn_cfi_read(memory, table, entry->at, entry->bytes, len);
}

static uint64_t address_of(const struct entry *entry, const struct rn_cursor *c)
{
	return entry->at + (uint64_t)(c->at - entry->bytes);
}

static uint64_t plain_value(struct rn_cursor *c, uint8_t encoding)
{
	switch (encoding & 0x0f) {
	case 0x00:
	case 0x04:
	case 0x0c:
		return rn_cursor_unsigned(c, 8);
	case 0x01:
		return rn_cursor_uleb(c);
	case 0x02:
		return rn_cursor_unsigned(c, 2);
	case 0x03:
		return rn_cursor_unsigned(c, 4);
	case 0x09:
		return (uint64_t)rn_cursor_sleb(c);
	case 0x0a:
		return (uint64_t)rn_cursor_signed(c, 2);
	case 0x0b:
		return (uint64_t)rn_cursor_signed(c, 4);
	default:
		c->bad = true;
		return 0;
	}
}

static uint64_t encoded_value(struct rn_cursor *c, uint8_t encoding, uint64_t here, uint64_t data)
{
	uint64_t value = plain_value(c, encoding);

	switch (encoding & PE_RELATIVE) {
	case PE_ABSOLUTE:
		break;
	case PE_PCREL:
		value += here;
		break;
	case PE_DATAREL:
		value += data;
		break;
	default:
		c->bad = true;
	}
	if (encoding & PE_INDIRECT)
		c->bad = true;
	return value;
}

static bool parse_augmentation(struct rn_cursor *c, const char *letters, struct cie *cie)
{
	struct rn_cursor data;
	uint64_t len;

	if (*letters == 0)
		return true;
	if (*letters != 'z')
		return false;
	cie->augmented = true;
	len = rn_cursor_uleb(c);
	data = *c;
	if (!rn_cursor_take(c, len))
		return false;
	data.end = c->at;
	for (letters++; *letters; letters++)
		switch (*letters) {
		case 'R':
			cie->encoding = (uint8_t)rn_cursor_unsigned(&data, 1);
			break;
		case 'P':
			plain_value(&data, (uint8_t)rn_cursor_unsigned(&data, 1));
			break;
		case 'L':
			rn_cursor_unsigned(&data, 1);
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B': /* aarch64: which key signs return addresses */
			break;
		default:
			return true; /* what it means is not known, but how long it is */
		}
	return !data.bad;
}

static bool parse_cie(const struct entry *entry, struct cie *cie)
{
	struct rn_cursor c = rn_cursor_over(entry->bytes, entry->len);
	const char *letters;
	uint64_t version;

	*cie = (struct cie){.encoding = 0};
	if (rn_cursor_unsigned(&c, 4) != 0)
		return false;
	version = rn_cursor_unsigned(&c, 1);
	letters = rn_cursor_string(&c);
	if (!letters || (version != 1 && version != 3))
		return false;
	cie->code_align = rn_cursor_uleb(&c);
	cie->data_align = rn_cursor_sleb(&c);
	cie->return_reg = (uint8_t)(version == 1 ? rn_cursor_unsigned(&c, 1) : rn_cursor_uleb(&c));
	if (!parse_augmentation(&c, letters, cie))
		return false;
	cie->program = (uint64_t)(c.at - entry->bytes);
	return !c.bad && cie->return_reg < CFI_REGS;
}

/* The FDE that the sorted table of .eh_frame_hdr has for `pc`; 0: none. */
static uint64_t find_fde(const struct cfi_memory *memory, const struct cfi_table *table,
			 uint64_t pc)
{
	struct entry head = {.at = table->header, .len = 12};
	uint64_t low = 0, high, entries;
	int32_t pair[2] = {0, 0};
	struct rn_cursor c;

	if (!rn_cfi_read(memory, table, table->header, head.bytes, head.len))
		return 0;
	c = rn_cursor_over(head.bytes, head.len);
	/* Version 1; .eh_frame by 4 bytes of any kind; a count of 4; pairs relative to here. */
	if (rn_cursor_unsigned(&c, 1) != 1 || (rn_cursor_unsigned(&c, 1) & 0x07) != 0x03 ||
	    rn_cursor_unsigned(&c, 1) != 0x03 || rn_cursor_unsigned(&c, 1) != 0x3b)
		return 0;
	rn_cursor_unsigned(&c, 4);
	high = rn_cursor_unsigned(&c, 4);
	entries = table->header + 12;
	if (high == 0 || high > (table->header_size - 12) / sizeof(pair))
		return 0;
	/* The last one that begins at or before pc. */
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (!rn_cfi_read(memory, table, entries + middle * sizeof(pair), pair,
				 sizeof(pair)))
			return 0;
		if (table->header + (uint64_t)(int64_t)pair[0] <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 ||
	    !rn_cfi_read(memory, table, entries + (low - 1) * sizeof(pair), pair, sizeof(pair)))
		return 0;
	return table->header + (uint64_t)(int64_t)pair[1];
}

/* Part of .eh_frame, as it is looked through. */
struct part {
	uint8_t bytes[PART];
	uint64_t at;
	size_t len;
};

static bool read_part(const struct cfi_memory *memory, const struct cfi_table *table,
		      struct part *part, uint64_t addr, void *to, size_t len)
{
	uint64_t left = table->frames + table->frames_size - addr;

	if (left < len)
		return false;
	if (addr < part->at || addr + len > part->at + part->len) {
		part->at = addr;
		part->len = left < sizeof(part->bytes) ? (size_t)left : sizeof(part->bytes);
		if (!rn_cfi_read(memory, table, addr, part->bytes, part->len)) {
			part->len = 0;
			return false;
		}
	}
	memcpy(to, part->bytes + (addr - part->at), len);
	return true;
}

/* The same without a table: one entry after the other. */
static uint64_t seek_fde(const struct cfi_memory *memory, const struct cfi_table *table,
			 uint64_t pc)
{
	uint64_t at = table->frames, owner = 0;
	struct part part = {.len = 0};
	struct entry entry;
	struct cie cie = {.encoding = 0};
	uint8_t head[24];
	bool known = false;

	for (unsigned n = 0; n < ENTRIES_MAX && read_part(memory, table, &part, at, head, 8); n++) {
		struct rn_cursor c = rn_cursor_over(head, sizeof(head));
		uint64_t len = rn_cursor_unsigned(&c, 4), back = rn_cursor_unsigned(&c, 4), from;

		if (len < 4 || len >= 0xfffffff0)
			return 0;
		if (back && read_part(memory, table, &part, at, head, sizeof(head))) {
			if (owner != at + 4 - back) {
				owner = at + 4 - back;
				known = read_entry(memory, table, owner, &entry) &&
					parse_cie(&entry, &cie);
			}
			from = encoded_value(&c, cie.encoding, at + 8, 0);
			if (known && !c.bad && pc >= from &&
			    pc - from < plain_value(&c, cie.encoding))
				return at;
		}
		at += 4 + len;
	}
	return 0;
}

/* The machine that runs the instructions up to `pc`. */
struct machine {
	const struct cfi_table *table;
	const struct entry *entry;
	const struct cie *cie;
	struct cfi_row row, initial, kept[ROWS_KEPT];
	struct cfi_rule nowhere; /* of registers that nobody needs here */
	unsigned n_kept, steps;
	uint64_t location, pc;
	bool failed;
};

static struct cfi_rule *rule_of(struct machine *m, uint64_t reg)
{
	return reg < CFI_REGS ? &m->row.rules[reg] : &m->nowhere;
}

static void set_rule(struct machine *m, uint64_t reg, enum cfi_how how, int64_t n)
{
	if (n < INT32_MIN || n > INT32_MAX)
		m->failed = true;
	*rule_of(m, reg) = (struct cfi_rule){.how = (uint8_t)how, .n = (int32_t)n};
}

static struct cfi_rule expression(struct machine *m, struct rn_cursor *c, enum cfi_how how)
{
	uint64_t len = rn_cursor_uleb(c);
	uint64_t from = address_of(m->entry, c) - m->table->low;

	if (!rn_cursor_take(c, len) || len > CFI_EXPRESSION_MAX || from > INT32_MAX)
		m->failed = true;
	return (struct cfi_rule){.how = (uint8_t)how, .len = (uint8_t)len, .n = (int32_t)from};
}

static int64_t factored(const struct machine *m, int64_t n)
{
	return (int64_t)((uint64_t)n * (uint64_t)m->cie->data_align);
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t n)
{
	if (reg >= CFI_REGS || n < INT32_MIN || n > INT32_MAX)
		m->failed = true;
	m->row.cfa = (struct cfi_rule){.how = CFI_IS, .reg = (uint16_t)reg, .n = (int32_t)n};
}

/* Whether the row for `pc` is complete. */
static bool advance(struct machine *m, uint64_t delta)
{
	m->location += delta * m->cie->code_align;
	return m->location > m->pc;
}

static void restore(struct machine *m, uint64_t reg)
{
	if (reg < CFI_REGS)
		m->row.rules[reg] = m->initial.rules[reg];
}

static void long_instruction(struct machine *m, struct rn_cursor *c, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case 0x00: /* nop */
		break;
	case 0x05: /* offset_extended */
		reg = rn_cursor_uleb(c);
		set_rule(m, reg, CFI_AT, factored(m, (int64_t)rn_cursor_uleb(c)));
		break;
	case 0x06: /* restore_extended */
		restore(m, rn_cursor_uleb(c));
		break;
	case 0x07: /* undefined */
		set_rule(m, rn_cursor_uleb(c), CFI_UNDEFINED, 0);
		break;
	case 0x08: /* same_value */
		set_rule(m, rn_cursor_uleb(c), CFI_SAME, 0);
		break;
	case 0x09: /* register */
		reg = rn_cursor_uleb(c);
		set_rule(m, reg, CFI_REGISTER, (int64_t)rn_cursor_uleb(c));
		break;
	case 0x0a: /* remember_state */
		if (m->n_kept == ROWS_KEPT)
			m->failed = true;
		else
			m->kept[m->n_kept++] = m->row;
		break;
	case 0x0b: /* restore_state */
		if (m->n_kept == 0)
			m->failed = true;
		else
			m->row = m->kept[--m->n_kept];
		break;
	case 0x0c: /* def_cfa */
		reg = rn_cursor_uleb(c);
		set_cfa(m, reg, (int64_t)rn_cursor_uleb(c));
		break;
	case 0x0d: /* def_cfa_register */
		set_cfa(m, rn_cursor_uleb(c), m->row.cfa.n);
		break;
	case 0x0e: /* def_cfa_offset */
		set_cfa(m, m->row.cfa.reg, (int64_t)rn_cursor_uleb(c));
		break;
	case 0x0f: /* def_cfa_expression */
		m->row.cfa = expression(m, c, CFI_IS_EXPR);
		break;
	case 0x10: /* expression */
		reg = rn_cursor_uleb(c);
		*rule_of(m, reg) = expression(m, c, CFI_AT_EXPR);
		break;
	case 0x11: /* offset_extended_sf */
		reg = rn_cursor_uleb(c);
		set_rule(m, reg, CFI_AT, factored(m, rn_cursor_sleb(c)));
		break;
	case 0x12: /* def_cfa_sf */
		reg = rn_cursor_uleb(c);
		set_cfa(m, reg, factored(m, rn_cursor_sleb(c)));
		break;
	case 0x13: /* def_cfa_offset_sf */
		set_cfa(m, m->row.cfa.reg, factored(m, rn_cursor_sleb(c)));
		break;
	case 0x14: /* val_offset */
		reg = rn_cursor_uleb(c);
		set_rule(m, reg, CFI_IS, factored(m, (int64_t)rn_cursor_uleb(c)));
		break;
	case 0x15: /* val_offset_sf */
		reg = rn_cursor_uleb(c);
		set_rule(m, reg, CFI_IS, factored(m, rn_cursor_sleb(c)));
		break;
	case 0x16: /* val_expression */
		reg = rn_cursor_uleb(c);
		*rule_of(m, reg) = expression(m, c, CFI_IS_EXPR);
		break;
	case 0x2d: /* aarch64: return addresses are signed; their upper bits are left out anyhow */
		break;
	case 0x2e: /* GNU_args_size */
		rn_cursor_uleb(c);
		break;
	default:
		m->failed = true;
	}
}

/* Runs instructions until the row for `pc` is complete, or there are no more. */
static bool run(struct machine *m, struct rn_cursor c)
{
	bool done = false;

	while (!done && !m->failed && !c.bad && rn_cursor_left(&c)) {
		uint8_t op = (uint8_t)rn_cursor_unsigned(&c, 1);
		uint8_t low = op & 0x3f;

		if (++m->steps > STEPS_MAX)
			return false;
		switch (op >> 6) {
		case 1: /* advance_loc */
			done = advance(m, low);
			continue;
		case 2: /* offset */
			set_rule(m, low, CFI_AT, factored(m, (int64_t)rn_cursor_uleb(&c)));
			continue;
		case 3: /* restore */
			restore(m, low);
			continue;
		default:
			break;
		}
		if (op == 0x01) /* set_loc */
			m->failed = true;
		else if (op >= 0x02 && op <= 0x04) /* advance_loc1, 2, 4 */
			done = advance(m, rn_cursor_unsigned(&c, 1u << (op - 2)));
		else
			long_instruction(m, &c, op);
	}
	return !m->failed && !c.bad;
}

bool rn_cfi_find(const struct cfi_memory *memory, const struct cfi_table *table, uint64_t pc,
		 struct cfi_row *row)
{
	uint64_t addr = table->header ? find_fde(memory, table, pc) : 0, size;
	struct machine m = {.table = table, .pc = pc};
	struct entry fde, owner;
	struct rn_cursor c;
	struct cie cie;

	if (!table->header && table->frames)
		addr = seek_fde(memory, table, pc);
	if (!addr || !read_entry(memory, table, addr, &fde))
		return false;
	c = rn_cursor_over(fde.bytes, fde.len);
	/* The distance back to its CIE, from here. */
	if (!read_entry(memory, table, fde.at - rn_cursor_unsigned(&c, 4), &owner) ||
	    !parse_cie(&owner, &cie))
		return false;
	m.location = encoded_value(&c, cie.encoding, address_of(&fde, &c), table->header);
	size = plain_value(&c, cie.encoding);
	if (cie.augmented)
		rn_cursor_take(&c, rn_cursor_uleb(&c));
	if (c.bad || pc < m.location || pc - m.location >= size)
		return false;
	m.cie = &cie;
	m.entry = &owner;
	m.row.signal = cie.signal;
	m.row.return_reg = cie.return_reg;
	m.row.known = true;
	/* Of a CIE's own instructions none moves on. */
	m.pc = UINT64_MAX;
	if (!run(&m, rn_cursor_over(owner.bytes + cie.program, owner.len - cie.program)))
		return false;
	m.pc = pc;
	m.initial = m.row;
	m.entry = &fde;
	if (!run(&m, c) || m.row.cfa.how == CFI_SAME)
		return false;
	*row = m.row;
	return true;
}
