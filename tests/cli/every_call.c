/* SPDX-License-Identifier: MIT */
/*
 * every_call 64|32 LIMIT: makes every system call below LIMIT of an ABI once, to no
 * effect: a seccomp filter answers ENOSYS to all that carry a mark as their sixth
 * argument. A tracer sees them before the filter does. Exit code 4: another answer came.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define MARK 0x5e1ec7

/* Calls that the kernel lets through whatever a filter says; from elsewhere they kill. */
#define URETPROBE 335
#define UPROBE 336

static long call64(long nr)
{
	register long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0, r9 __asm__("r9") = MARK;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(0), "S"(0), "d"(0), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* Built with -mno-red-zone: the sixth argument's register is kept on the stack. */
static long call32(long nr)
{
	long result;

	__asm__ volatile("push %%rbp\n\tmov %2, %%ebp\n\tint $0x80\n\tpop %%rbp"
			 : "=a"(result)
			 : "a"(nr), "i"(MARK), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
			 : "r8", "r9", "r10", "r11", "memory");
	return (int)result;
}

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	int wide;
	long limit;

	if (argc != 3)
		return 2;
	wide = strcmp(argv[1], "64") == 0;
	limit = atol(argv[2]);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0))
		return 3;
	for (long nr = 0; nr < limit; nr++) {
		if (wide && (nr == URETPROBE || nr == UPROBE))
			continue;
		if ((wide ? call64(nr) : call32(nr)) != -ENOSYS)
			return 4;
	}
	return 0;
}
