/* SPDX-License-Identifier: MIT */
/* From a frame to its caller's, by rules; those that are expressions are evaluated (DWARF 5, 2.5). */
#include "cfi.h"
#include "renacer/cursor.h"

#define VALUES_MAX 16u /* on an expression's stack */

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
	uint8_t bytes[CFI_EXPRESSION_MAX];
	struct stack s = {.n = 0};
	struct rn_cursor c = rn_cursor_over(bytes, rule->len);

	if (!rn_cfi_read(memory, table, table->low + (uint64_t)rule->n, bytes, rule->len))
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
