/* SPDX-License-Identifier: MIT */
/* tracer PART: a program that traces, itself or its children. */
#include <sys/ptrace.h>

#include "conform.h"

/* Whoever is traced already cannot be traced by another; nothing else changes. */
static int by_itself(char **argv)
{
	(void)argv;
	say("%s\n", error_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
	mark("goes on");
	return 3;
}

static int of_a_child(char **argv)
{
	int go[2];
	pid_t pid;

	(void)argv;
	MUST(pipe(go));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		close(go[1]);
		take_byte(go[0]);
		mark("child");
		_exit(5);
	}
	say("%s\n", error_of(ptrace(PTRACE_SEIZE, pid, NULL, NULL)));
	put_byte(go[1]);
	ended("child", pid);
	return 0;
}

/* What fails with every tracer and with none. */
static int wrong(char **argv)
{
	(void)argv;
	say("%s\n", error_of(ptrace(PTRACE_SEIZE, getpid(), NULL, NULL)));
	say("%s\n", error_of(ptrace(PTRACE_SEIZE, 1 << 30, NULL, NULL)));
	say("%s\n", error_of(ptrace(PTRACE_CONT, getpid(), NULL, NULL)));
	say("%s\n", error_of(ptrace((enum __ptrace_request)0x7777, getpid(), NULL, NULL)));
	return 0;
}

/* What /proc tells a program of itself. */
static int proc(char **argv)
{
	cpu_set_t asked, told;
	char line[1024];
	long tracer = -1;
	FILE *file;

	(void)argv;
	end();
	CPU_ZERO(&told);
	MUST(sched_getaffinity(0, sizeof(asked), &asked));
	file = fopen("/proc/self/status", "re");
	while (file && fgets(line, sizeof(line), file)) {
		char *at = line;

		sscanf(line, "TracerPid: %ld", &tracer);
		if (strncmp(line, "Cpus_allowed_list:", 18) != 0)
			continue;
		for (at += 18; *at && *at != '\n'; at += *at == ',') {
			long from = strtol(at, &at, 10),
			     to = *at == '-' ? strtol(at + 1, &at, 10) : from;

			for (; from <= to; from++)
				CPU_SET(from, &told);
		}
	}
	say("traced %d, CPUs as asked %d\n", tracer != 0, CPU_EQUAL(&asked, &told));
	return 0;
}

MAIN({"self", by_itself}, {"child", of_a_child}, {"wrong", wrong}, {"proc", proc})
