/* SPDX-License-Identifier: MIT */
/* What all subjects share: between two getpgid(0) all that is traced is compared. */
#ifndef SUBJECT_H
#define SUBJECT_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BAD ((void *)8)
#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static inline void mark(void)
{
	syscall(SYS_getpgid, 0);
}
#endif
