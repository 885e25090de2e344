/* SPDX-License-Identifier: MIT */
/*
 * A program to be traced. It knows what it does and says so on standard output:
 * how many marker calls it made, which children it had, what it saw of signals.
 * Its marker is getppid(): no C library makes that call on its own.
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void mark(void)
{
	syscall(SYS_getppid);
}

static inline void marks(long n)
{
	while (n-- > 0)
		mark();
}

/* Ends with a message where something that must work does not. */
#define MUST(call)                                                                                 \
	({                                                                                         \
		long must_result = (long)(call);                                                   \
		if (must_result == -1) {                                                           \
			fprintf(stderr, "%s: %s\n", #call, strerror(errno));                       \
			_exit(99);                                                                 \
		}                                                                                  \
		must_result;                                                                       \
	})

/* Waits for a child; its exit code, or -signal. */
static inline int ended(pid_t pid)
{
	int status;

	MUST(waitpid(pid, &status, __WALL));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline long number(char *const *argv, int i, long otherwise)
{
	for (int at = 0; at <= i; at++)
		if (!argv[at])
			return otherwise;
	return strtol(argv[i], NULL, 10);
}

/* "TracerPid" of a thread, by its /proc file. */
static inline long tracer_of(const char *status_file)
{
	char line[256];
	long tracer = -1;
	FILE *file = fopen(status_file, "re");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "TracerPid: %ld", &tracer) == 1)
			break;
	if (file)
		fclose(file);
	return tracer;
}

/* Each takes the words behind its name. */
int attached_main(char **argv);
int births_main(char **argv);
int count_main(char **argv);
int crowd_main(char **argv);
int cpu_main(char **argv);
int death_main(char **argv);
int exec_main(char **argv);
int interrupt_main(char **argv);
int job_main(char **argv);
int signals_main(char **argv);
int inherit_main(char **argv);
int seccomp_main(char **argv);

#endif
