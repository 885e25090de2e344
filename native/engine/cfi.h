/* SPDX-License-Identifier: MIT */
/*
 * Who called: by the call frame information that compilers leave in .eh_frame for exceptions,
 * whether or not there are frame pointers (DWARF 5, 6.4; Linux Standard Base, 10.6). All is read
 * from the program's own memory, and trusted in nothing.
 */
#ifndef RENACER_CFI_H
#define RENACER_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__aarch64__)
#define CFI_REGS 32u /* x0 to x30, sp */
#define CFI_SP 31u
#define CFI_RETURN 30u
#else
#define CFI_REGS 17u /* DWARF's numbers: rax rdx rcx rbx rsi rdi rbp rsp r8 to r15, rip */
#define CFI_SP 7u
#define CFI_RETURN 16u
#endif

/* Reads all of it or says false. */
struct cfi_memory {
	bool (*read)(void *from, uint64_t addr, void *to, size_t len);
	void *from;
};

/* Where a mapped file has its information: nothing outside [low, high) is read for it. */
struct cfi_table {
	uint64_t header; /* .eh_frame_hdr; 0 = there is none… */
	uint64_t header_size;
	uint64_t frames; /* …then .eh_frame itself, which is looked through; 0 = nor that */
	uint64_t frames_size;
	uint64_t low, high;
};

static inline bool rn_cfi_read(const struct cfi_memory *memory, const struct cfi_table *table,
			       uint64_t addr, void *to, size_t len)
{
	return addr >= table->low && addr < table->high && len <= table->high - addr &&
	       memory->read(memory->from, addr, to, len);
}

#define CFI_EXPRESSION_MAX 64u /* bytes */

enum cfi_how {
	CFI_SAME = 0,
	CFI_UNDEFINED,
	CFI_AT,       /* saved at CFA + n */
	CFI_IS,       /* CFA + n */
	CFI_REGISTER, /* in register n */
	CFI_AT_EXPR,  /* saved at the value of the expression, `len` bytes at n past `low` */
	CFI_IS_EXPR   /* its value; of the CFA: of nothing else is there one */
};

struct cfi_rule {
	uint8_t how;
	uint8_t len;
	uint16_t reg; /* of the CFA, CFI_IS: reg + n */
	int32_t n;
};

struct cfi_row {
	struct cfi_rule cfa;
	struct cfi_rule rules[CFI_REGS];
	bool signal; /* the frame is a signal handler's: who is below it was interrupted */
	bool known;
	uint8_t return_reg;
};

struct cfi_frame {
	uint64_t regs[CFI_REGS];
	uint64_t pc;
	bool exact; /* pc is the next instruction of an interrupted one; else that behind a call */
};

/* The rules at `pc`. false: there are none, or they are not to be made sense of. */
bool rn_cfi_find(const struct cfi_memory *memory, const struct cfi_table *table, uint64_t pc,
		 struct cfi_row *row);

enum cfi_step { CFI_CALLER, CFI_OUTERMOST, CFI_FAILED };

/* From a frame to its caller's. */
enum cfi_step rn_cfi_step(const struct cfi_memory *memory, const struct cfi_table *table,
			  const struct cfi_row *row, struct cfi_frame *frame);

#endif
