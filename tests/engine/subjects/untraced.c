/* SPDX-License-Identifier: MIT */
/* CLONE_UNTRACED: the child runs as it would, and nobody sees that its flags were ever others. */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>

#include "seccomp.h"

#ifndef CLONE_UNTRACED
#define CLONE_UNTRACED 0x00800000
#endif

#if defined(__x86_64__)
/* The raw call; *flags is what the register holds afterwards, in parent and child. */
static long raw_clone(unsigned long *flags)
{
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	unsigned long rdi = *flags;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result), "+D"(rdi)
			 : "a"(SYS_clone), "S"(0), "d"(0), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	*flags = rdi;
	return result;
}
#else
static long raw_clone(unsigned long *flags)
{
	return syscall(SYS_clone, *flags, 0, 0, 0, 0);
}
#endif

static void child_tells(const char *name, bool unchanged)
{
	char text[128];
	long parent = syscall(SYS_getppid);
	int len = snprintf(text, sizeof(text), "%s child: getppid %s, flags %s\n", name,
			   parent > 0 ? "works" : "fails", unchanged ? "kept" : "changed");
	pid_t grandchild;

	MUST(write(1, text, (size_t)len));
	grandchild = (pid_t)MUST(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	if (grandchild == 0) {
		if (syscall(SYS_getppid) > 0)
			MUST(write(1, "grandchild works\n", 17));
		syscall(SYS_exit, 4);
	}
	syscall(SYS_exit, ended(grandchild));
}

/* By a structure that nobody can write, or that cannot be read. */
static void untraced_from(const char *name, struct clone_args *args, bool readable)
{
	struct clone_args before;
	long pid;

	if (readable)
		before = *args;
	fflush(stdout);
	pid = syscall(SYS_clone3, args, CLONE_ARGS_SIZE_VER0);
	if (pid == 0)
		child_tells(name, !readable || memcmp(args, &before, sizeof(before)) == 0);
	MUST(pid);
	if (!readable)
		MUST(mprotect(args, 4096, PROT_READ));
	printf("%s: ended %d, flags %s\n", name, ended((pid_t)pid),
	       args->flags == CLONE_UNTRACED ? "kept" : "changed");
}

int untraced_odd(void)
{
	struct clone_args args = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
	int fd = (int)MUST(memfd_create("args", MFD_ALLOW_SEALING));
	void *sealed, *hidden;

	MUST(write(fd, &args, sizeof(args)));
	MUST(ftruncate(fd, 4096));
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
	sealed = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	hidden = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sealed == MAP_FAILED || hidden == MAP_FAILED)
		return 99;
	memcpy(hidden, &args, sizeof(args));
	MUST(mprotect(hidden, 4096, PROT_WRITE));
	untraced_from("sealed", sealed, true);
	untraced_from("write-only", hidden, false);
	return 0;
}

int untraced(void)
{
	unsigned long asked = CLONE_UNTRACED | SIGCHLD, flags = asked;
	struct clone_args args, before;
	long pid;

	fflush(stdout);
	pid = raw_clone(&flags);
	if (pid == 0)
		child_tells("clone", flags == asked);
	MUST(pid);
	printf("clone: ended %d, flags %s\n", ended((pid_t)pid),
	       flags == asked ? "kept" : "changed");
	fflush(stdout);
	memset(&args, 0, sizeof(args));
	args.flags = CLONE_UNTRACED;
	args.exit_signal = SIGCHLD;
	before = args;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		child_tells("clone3", memcmp(&args, &before, sizeof(args)) == 0);
	MUST(pid);
	printf("clone3: ended %d, flags %s\n", ended((pid_t)pid),
	       memcmp(&args, &before, sizeof(args)) ? "changed" : "kept");
	/* From memory that cannot be written. */
	struct clone_args *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return 99;
	*page = before;
	MUST(mprotect(page, 4096, PROT_READ));
	fflush(stdout);
	pid = syscall(SYS_clone3, page, sizeof(*page));
	if (pid == 0)
		child_tells("read-only", memcmp(page, &before, sizeof(before)) == 0);
	MUST(pid);
	printf("read-only: ended %d, flags %s\n", ended((pid_t)pid),
	       memcmp(page, &before, sizeof(before)) ? "changed" : "kept");
	return 0;
}
