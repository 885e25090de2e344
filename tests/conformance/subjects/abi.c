/* SPDX-License-Identifier: MIT */
/* abi PART (x86_64): calls by another door than the program's own. */
#include <time.h>

#include "conform.h"

#if defined(__x86_64__)
static long int80(long nr, long a, long b, long c)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

/* In the first 4 GiB, which is all that these calls can name. */
static char *low(const char *text)
{
	char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
			-1, 0);

	MUST(at == MAP_FAILED ? -1 : 0);
	strcpy(at, text);
	return at;
}

enum {
	I386_OPEN = 5,
	I386_ACCESS = 33,
	I386_GETPID = 20,
	I386_EXIT = 1,
	I386_WRITE = 4,
	I386_FORK = 2
};

static int by_int80(char **argv)
{
	char *text = low("by another door\n"), *path = low("/no/such/file");
	long pid;

	(void)argv;
	say("%d\n", int80(I386_GETPID, 0, 0, 0) == getpid());
	say("%ld\n", int80(I386_ACCESS, (long)path, 0, 0));
	say("%ld\n", int80(I386_WRITE, 1, (long)text, (long)strlen(text)));
	say("%ld\n", int80(9999, 0, 0, 0));
	pid = int80(I386_FORK, 0, 0, 0);
	if (pid == 0) {
		mark("child");
		int80(I386_EXIT, 9, 0, 0);
	}
	ended("child", (pid_t)pid);
	mark("back");
	return 0;
}

static int by_x32(char **argv)
{
	(void)argv;
	say("%s\n", error_of(syscall(0x40000000 + SYS_getpid)));
	say("%s\n", error_of(syscall(0x40000000 + SYS_write, 1, "never", 5)));
	mark("back");
	return 0;
}

/* The vsyscall page and the vDSO: calls that are none, and the same answers. */
static int without_calls(char **argv)
{
	(void)argv;
	for (int i = 0; i < 3; i++) {
		struct timespec now;

		say("%d\n", clock_gettime(CLOCK_MONOTONIC, &now));
	}
	mark("back");
	return 0;
}

MAIN({"int80", by_int80}, {"x32", by_x32}, {"vdso", without_calls})
#else
int main(void)
{
	return 0;
}
#endif
