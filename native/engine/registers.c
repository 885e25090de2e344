/* SPDX-License-Identifier: MIT */
/* A stopped thread's registers: of a call, its number, arguments and result. */
#include <elf.h>
#include <string.h>
#if defined(__x86_64__)
#include <sys/user.h>
#else
#include <sys/uio.h>
#endif

#include "engine_private.h"

#if defined(__x86_64__)
#define AT(name) offsetof(struct user_regs_struct, name)

static void poke(const struct task *task, size_t at, uint64_t value)
{
	rn_ptrace(RN_PTRACE_POKEUSER, task->tid, at, (uintptr_t)value);
}

void rn_set_argument(const struct task *task, unsigned arg, uint64_t value)
{
	static const size_t wide[6] = {AT(rdi), AT(rsi), AT(rdx), AT(r10), AT(r8), AT(r9)};
	static const size_t narrow[6] = {AT(rbx), AT(rcx), AT(rdx), AT(rsi), AT(rdi), AT(rbp)};

	poke(task, task->abi == RN_ABI_I386 ? narrow[arg] : wide[arg], value);
}

void rn_set_number(const struct task *task, int64_t nr)
{
	poke(task, AT(orig_rax), (uint64_t)nr);
}

void rn_set_result(const struct task *task, int64_t result)
{
	poke(task, AT(rax), (uint64_t)result);
}

uint64_t rn_stack_pointer(const struct task *task)
{
	uint64_t sp = 0;

	rn_ptrace(RN_PTRACE_PEEKUSER, task->tid, AT(rsp), (uintptr_t)&sp);
	return sp;
}

bool rn_arguments_stay(const struct task *task)
{
	(void)task;
	return true;
}
#elif defined(__aarch64__)
#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

/* Of 64-bit code x0 … x30, sp, pc, pstate; of 32-bit code r0 … r15, cpsr, r0 of the entry. */
static void set_general(const struct task *task, unsigned number, uint64_t value)
{
	uint64_t regs[34];
	uint32_t words[18];
	struct iovec iov = {regs, sizeof(regs)};

	if (rn_ptrace(RN_PTRACE_GETREGSET, task->tid, NT_PRSTATUS, (uintptr_t)&iov) < 0)
		return;
	if (iov.iov_len < sizeof(regs)) {
		memcpy(words, regs, sizeof(words));
		words[number] = (uint32_t)value;
		memcpy(regs, words, sizeof(words));
	} else {
		regs[number] = value;
	}
	rn_ptrace(RN_PTRACE_SETREGSET, task->tid, NT_PRSTATUS, (uintptr_t)&iov);
}

void rn_set_argument(const struct task *task, unsigned arg, uint64_t value)
{
	set_general(task, arg, value);
}

void rn_set_number(const struct task *task, int64_t nr)
{
	int number = (int)nr;
	struct iovec iov = {&number, sizeof(number)};

	rn_ptrace(RN_PTRACE_SETREGSET, task->tid, NT_ARM_SYSTEM_CALL, (uintptr_t)&iov);
}

void rn_set_result(const struct task *task, int64_t result)
{
	set_general(task, 0, (uint64_t)result);
}

uint64_t rn_stack_pointer(const struct task *task)
{
	uint64_t regs[34];
	uint32_t words[18];
	struct iovec iov = {regs, sizeof(regs)};

	if (rn_ptrace(RN_PTRACE_GETREGSET, task->tid, NT_PRSTATUS, (uintptr_t)&iov) < 0)
		return 0;
	memcpy(words, regs, sizeof(words));
	return iov.iov_len < sizeof(regs) ? words[13] : regs[31];
}

/* The first one's register is the result's, too; the others nobody changes here. */
bool rn_arguments_stay(const struct task *task)
{
	(void)task;
	return false;
}
#endif
