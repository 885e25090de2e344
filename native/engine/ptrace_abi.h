/* SPDX-License-Identifier: MIT */
/* ptrace(2) as this engine uses it: the kernel's numbers, so that any C library will do. */
#ifndef RENACER_PTRACE_ABI_H
#define RENACER_PTRACE_ABI_H

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RN_PTRACE_PEEKDATA 2
#define RN_PTRACE_PEEKUSER 3 /* x86 */
#define RN_PTRACE_POKEDATA 5
#define RN_PTRACE_POKEUSER 6 /* x86 */
#define RN_PTRACE_CONT 7
#define RN_PTRACE_GETREGS 12 /* x86: always in the layout of the caller */
#define RN_PTRACE_SYSCALL 24
#define RN_PTRACE_DETACH 17
#define RN_PTRACE_GETEVENTMSG 0x4201
#define RN_PTRACE_GETSIGINFO 0x4202
#define RN_PTRACE_GETREGSET 0x4204
#define RN_PTRACE_SETREGSET 0x4205
#define RN_PTRACE_SEIZE 0x4206
#define RN_PTRACE_INTERRUPT 0x4207
#define RN_PTRACE_LISTEN 0x4208
#define RN_PTRACE_GET_SYSCALL_INFO 0x420e

/* audit(7)'s numbers of architectures, as stops and filters tell them. */
#define AUDIT_ARCH_X86_64 0xc000003eu
#define AUDIT_ARCH_I386 0x40000003u
#define AUDIT_ARCH_AARCH64 0xc00000b7u
#define AUDIT_ARCH_ARM 0x40000028u
#define X32_BIT 0x40000000u

#define RN_PTRACE_O_TRACESYSGOOD 0x1
#define RN_PTRACE_O_TRACEFORK 0x2
#define RN_PTRACE_O_TRACEVFORK 0x4
#define RN_PTRACE_O_TRACECLONE 0x8
#define RN_PTRACE_O_TRACEEXEC 0x10
#define RN_PTRACE_O_TRACESECCOMP 0x80
#define RN_PTRACE_O_EXITKILL 0x100000

#define RN_PTRACE_EVENT_FORK 1
#define RN_PTRACE_EVENT_VFORK 2
#define RN_PTRACE_EVENT_CLONE 3
#define RN_PTRACE_EVENT_EXEC 4
#define RN_PTRACE_EVENT_SECCOMP 7
#define RN_PTRACE_EVENT_STOP 128

#define RN_SYSCALL_INFO_ENTRY 1
#define RN_SYSCALL_INFO_EXIT 2
#define RN_SYSCALL_INFO_SECCOMP 3

/* struct ptrace_syscall_info of linux/ptrace.h */
struct rn_syscall_info {
	uint8_t op;
	uint8_t pad[3];
	uint32_t arch; /* AUDIT_ARCH_* */
	uint64_t ip, sp;
	union {
		struct {
			uint64_t nr;
			uint64_t args[6];
		} entry;
		struct {
			int64_t rval;
			uint8_t is_error;
		} exit;
		struct {
			uint64_t nr;
			uint64_t args[6];
			uint32_t ret_data;
		} seccomp;
	};
};

/* The raw call: the C library's wrapper is variadic and changes PEEKDATA's shape. */
static inline long rn_ptrace(long request, int tid, uintptr_t addr, uintptr_t data)
{
	return syscall(SYS_ptrace, request, (long)tid, addr, data);
}

#endif
