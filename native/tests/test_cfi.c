/* SPDX-License-Identifier: MIT */
/* Callers by call frame information: this program's own stack, and information that is damaged. */
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <ucontext.h>

#include "cfi_sample.h"
#include "check.h"

#define DEPTH 4

struct walk {
	struct cfi_frame frame;
	void *returns[DEPTH]; /* as each function knows where it returns to */
};

static bool read_own(void *from, uint64_t addr, void *to, size_t len)
{
	(void)from;
	memcpy(to, (const void *)(uintptr_t)addr, len);
	return true;
}

static void take_registers(const ucontext_t *context, struct cfi_frame *frame)
{
#if defined(__x86_64__)
	static const int order[16] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
				      REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
				      REG_R12, REG_R13, REG_R14, REG_R15};

	for (unsigned i = 0; i < 16; i++)
		frame->regs[i] = (uint64_t)context->uc_mcontext.gregs[order[i]];
	frame->pc = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
#else
	for (unsigned i = 0; i < 31; i++)
		frame->regs[i] = context->uc_mcontext.regs[i];
	frame->regs[CFI_SP] = context->uc_mcontext.sp;
	frame->pc = context->uc_mcontext.pc;
#endif
}

static __attribute__((noinline)) int descend(struct walk *walk, int depth)
{
	volatile char some[300];
	ucontext_t context;

	some[0] = (char)depth;
	walk->returns[depth] = __builtin_return_address(0);
	if (depth > 0)
		return descend(walk, depth - 1) + some[0];
	CHECK_INT(getcontext(&context), 0);
	take_registers(&context, &walk->frame);
	/* The frames are there while they are followed. */
	for (unsigned i = 0; i < DEPTH; i++) {
		struct cfi_table table = own_table();
		const struct cfi_memory memory = {read_own, NULL};
		struct cfi_row row;

		CHECK(rn_cfi_find(&memory, &table, walk->frame.pc - 1, &row));
		CHECK_INT(rn_cfi_step(&memory, &table, &row, &walk->frame), CFI_CALLER);
		CHECK_INT(walk->frame.pc, (uintptr_t)walk->returns[i]);
		/* Without the table of the section the section itself says the same. */
		if (i == 0) {
			struct cfi_row other;

			table.header = 0;
			CHECK(rn_cfi_find(&memory, &table, walk->frame.pc - 1, &other));
			table = own_table();
			CHECK(rn_cfi_find(&memory, &table, walk->frame.pc - 1, &row));
			CHECK(memcmp(&row, &other, sizeof(row)) == 0);
		}
	}
	return some[0];
}

static void test_nothing_is_at_nowhere(void)
{
	const struct cfi_memory memory = {read_own, NULL};
	struct cfi_table table = own_table();
	struct cfi_row row;

	CHECK(!rn_cfi_find(&memory, &table, 0, &row));
	CHECK(!rn_cfi_find(&memory, &table, table.high + 4096, &row));
	table.high = table.header + 4; /* all but the first bytes of the table is outside */
	CHECK(!rn_cfi_find(&memory, &table, (uintptr_t)descend, &row));
}

static void test_own_stack(void)
{
	struct walk walk = {.returns = {NULL}};

	CHECK_INT(descend(&walk, DEPTH - 1), 0 + 1 + 2 + 3);
}

int main(void)
{
	test_own_stack();
	test_nothing_is_at_nowhere();
	return check_done();
}
