/* SPDX-License-Identifier: MIT */
#include "cfi.h"

#include "renacer/cursor.h"

#define ENTRY_MAX 8192u     /* bytes of an FDE or CIE that is read */
#define ROWS_KEPT 8u        /* DW_CFA_remember_state */
#define STEPS_MAX 4096u     /* instructions of one FDE */
#define EXPRESSION_MAX 64u  /* bytes */
#define VALUES_MAX 16u      /* on an expression's stack */

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

static bool read_inside(const struct cfi_memory *memory, const struct cfi_table *table,
			uint64_t addr, void *to, size_t len)
{
	return addr >= table->low && addr < table->high && len <= table->high - addr &&
	       memory->read(memory->from, addr, to, len);
}

/* A whole FDE or CIE; its length's four bytes are not in `bytes`. */
static bool read_entry(const struct cfi_memory *memory, const struct cfi_table *table,
		       uint64_t addr, struct entry *entry)
{
	uint32_t len;

	if (!read_inside(memory, table, addr, &len, sizeof(len)) || len < 4 || len > ENTRY_MAX)
		return false;
	entry->at = addr + sizeof(len);
	entry->len = len;
	return read_inside(memory, table, entry->at, entry->bytes, len);
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

	if (!table->header || !read_inside(memory, table, table->header, head.bytes, head.len))
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

		if (!read_inside(memory, table, entries + middle * sizeof(pair), pair,
				 sizeof(pair)))
			return 0;
		if (table->header + (uint64_t)(int64_t)pair[0] <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || !read_inside(memory, table, entries + (low - 1) * sizeof(pair), pair,
				     sizeof(pair)))
		return 0;
	return table->header + (uint64_t)(int64_t)pair[1];
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

	if (!rn_cursor_take(c, len) || len > EXPRESSION_MAX || from > INT32_MAX)
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
	m->row.cfa =
		(struct cfi_rule){.how = CFI_IS, .reg = (uint16_t)reg, .n = (int32_t)n};
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
	uint64_t addr = find_fde(memory, table, pc), size;
	struct machine m = {.table = table, .pc = pc};
	struct entry fde, owner;
	struct rn_cursor c;
	struct cie cie;

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

struct stack {
	uint64_t values[VALUES_MAX];
	unsigned n;
	bool bad;
};

static void push(struct stack *s, uint64_t value)
{
	if (s->n == VALUES_MAX)
		s->bad = true;
	else
		s->values[s->n++] = value;
}

static uint64_t pop(struct stack *s)
{
	if (s->n == 0) {
		s->bad = true;
		return 0;
	}
	return s->values[--s->n];
}

/* What takes two values; `a` was pushed first. */
static bool binary(struct stack *s, uint8_t op)
{
	uint64_t b, a;

	if (!(op == 0x1a || op == 0x1c || op == 0x1e || (op >= 0x21 && op <= 0x22) ||
	      (op >= 0x24 && op <= 0x25) || (op >= 0x29 && op <= 0x2e)))
		return false;
	b = pop(s);
	a = pop(s);
	switch (op) {
	case 0x1a:
		push(s, a & b);
		break;
	case 0x1c:
		push(s, a - b);
		break;
	case 0x1e:
		push(s, a * b);
		break;
	case 0x21:
		push(s, a | b);
		break;
	case 0x22:
		push(s, a + b);
		break;
	case 0x24:
		push(s, b < 64 ? a << b : 0);
		break;
	case 0x25:
		push(s, b < 64 ? a >> b : 0);
		break;
	case 0x29:
		push(s, a == b);
		break;
	case 0x2a:
		push(s, (int64_t)a >= (int64_t)b);
		break;
	case 0x2b:
		push(s, (int64_t)a > (int64_t)b);
		break;
	case 0x2c:
		push(s, (int64_t)a <= (int64_t)b);
		break;
	case 0x2d:
		push(s, (int64_t)a < (int64_t)b);
		break;
	default:
		push(s, a != b);
	}
	return true;
}

static void operation(const struct cfi_memory *memory, const struct cfi_frame *frame,
		      struct stack *s, struct rn_cursor *c)
{
	uint8_t op = (uint8_t)rn_cursor_unsigned(c, 1);
	uint64_t value = 0;

	if (op >= 0x30 && op <= 0x4f) { /* lit */
		push(s, op - 0x30u);
	} else if (op >= 0x70 && op <= 0x8f) { /* breg */
		value = (uint64_t)rn_cursor_sleb(c);
		if (op - 0x70u >= CFI_REGS)
			s->bad = true;
		else
			push(s, frame->regs[op - 0x70u] + value);
	} else if (op >= 0x08 && op <= 0x0f) { /* const1u, 1s, … 8s */
		unsigned len = 1u << (op - 8) / 2;

		push(s, op & 1 ? (uint64_t)rn_cursor_signed(c, len) : rn_cursor_unsigned(c, len));
	} else if (op == 0x06) { /* deref */
		if (!memory->read(memory->from, pop(s), &value, sizeof(value)))
			s->bad = true;
		push(s, value);
	} else if (op == 0x10 || op == 0x11) { /* constu, consts */
		push(s, rn_cursor_leb(c, op == 0x11));
	} else if (op == 0x12) { /* dup */
		value = pop(s);
		push(s, value);
		push(s, value);
	} else if (op == 0x23) { /* plus_uconst */
		value = rn_cursor_uleb(c);
		push(s, pop(s) + value);
	} else if (!binary(s, op)) {
		s->bad = true;
	}
}

/* No operation jumps: it ends. */
static bool evaluate(const struct cfi_memory *memory, const struct cfi_table *table,
		     const struct cfi_frame *frame, const struct cfi_rule *rule, uint64_t first,
		     unsigned pushed, uint64_t *value)
{
	uint8_t bytes[EXPRESSION_MAX];
	struct stack s = {.n = 0};
	struct rn_cursor c = rn_cursor_over(bytes, rule->len);

	if (!read_inside(memory, table, table->low + (uint64_t)rule->n, bytes, rule->len))
		return false;
	if (pushed)
		push(&s, first);
	while (!s.bad && !c.bad && rn_cursor_left(&c))
		operation(memory, frame, &s, &c);
	*value = pop(&s);
	return !s.bad && !c.bad;
}

/* A register in the caller's frame; false: it cannot be known. */
static bool restored(const struct cfi_memory *memory, const struct cfi_table *table,
		     const struct cfi_frame *frame, const struct cfi_rule *rule, unsigned reg,
		     uint64_t cfa, uint64_t *value)
{
	uint64_t at;

	switch ((enum cfi_how)rule->how) {
	case CFI_SAME:
		*value = reg == CFI_SP ? cfa : frame->regs[reg];
		return true;
	case CFI_AT:
		at = cfa + (uint64_t)(int64_t)rule->n;
		return memory->read(memory->from, at, value, sizeof(*value));
	case CFI_IS:
		*value = cfa + (uint64_t)(int64_t)rule->n;
		return true;
	case CFI_REGISTER:
		if (rule->n < 0 || rule->n >= (int32_t)CFI_REGS)
			return false;
		*value = frame->regs[rule->n];
		return true;
	case CFI_AT_EXPR:
		return evaluate(memory, table, frame, rule, cfa, 1, &at) &&
		       memory->read(memory->from, at, value, sizeof(*value));
	case CFI_IS_EXPR:
		return evaluate(memory, table, frame, rule, cfa, 1, value);
	case CFI_UNDEFINED:
		break;
	}
	return false;
}

enum cfi_step rn_cfi_step(const struct cfi_memory *memory, const struct cfi_table *table,
			  const struct cfi_row *row, struct cfi_frame *frame)
{
	struct cfi_frame caller = {.exact = row->signal};
	uint64_t cfa;

	if (row->rules[row->return_reg].how == CFI_UNDEFINED)
		return CFI_OUTERMOST;
	if (row->cfa.how == CFI_IS_EXPR) {
		if (!evaluate(memory, table, frame, &row->cfa, 0, 0, &cfa))
			return CFI_FAILED;
	} else {
		cfa = frame->regs[row->cfa.reg] + (uint64_t)(int64_t)row->cfa.n;
	}
	/* A stack grows downwards: else frames could lead in a circle. A handler may have its own. */
	if (!row->signal && cfa < frame->regs[CFI_SP])
		return CFI_FAILED;
	for (unsigned reg = 0; reg < CFI_REGS; reg++)
		if (!restored(memory, table, frame, &row->rules[reg], reg, cfa,
			      &caller.regs[reg]) &&
		    (reg == row->return_reg || reg == CFI_SP))
			return CFI_FAILED;
	caller.pc = caller.regs[row->return_reg];
#if defined(__aarch64__)
	caller.pc &= (1ull << 48) - 1; /* without the signature */
#endif
	*frame = caller;
	return caller.pc ? CFI_CALLER : CFI_OUTERMOST;
}
