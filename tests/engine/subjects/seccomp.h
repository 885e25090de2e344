/* SPDX-License-Identifier: MIT */
/* Of a program that uses seccomp itself. */
#ifndef SUBJECT_SECCOMP_H
#define SUBJECT_SECCOMP_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "subject.h"

static inline const char *word(long result)
{
	if (result >= 0)
		return "works";
	switch (errno) {
	case EACCES:
		return "EACCES";
	case EINVAL:
		return "EINVAL";
	case ENOSYS:
		return "ENOSYS";
	case EPERM:
		return "EPERM";
	case EXDEV:
		return "EXDEV";
	default:
		return strerror(errno);
	}
}

/* `action` for one call, all others allowed; by seccomp(2), or by prctl(2) for -1. */
static inline long filter(int nr, uint32_t action, long flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, code};

	if (flags < 0)
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static inline void allow_filters(void)
{
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static inline void try_calls(const char *who)
{
	printf("%s: getppid %s", who, word(syscall(SYS_getppid)));
	printf(", getpgid %s\n", word(syscall(SYS_getpgid, 0)));
	fflush(stdout);
}

/* What a child does that ends in some way. */
static inline void in_child(const char *name, void (*act)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		act();
		syscall(SYS_exit, 5);
	}
	printf("%s: ended %d\n", name, ended(pid));
}

/* seccomp_strict.c: the strict mode, of processes and of one thread. */
int strict_mode(void);
int strict_in_thread(void);
/* untraced.c: children that a tracer must not follow; by arguments that it cannot change. */
int untraced(void);
int untraced_odd(void);

#endif
