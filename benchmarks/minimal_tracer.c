/* SPDX-License-Identifier: MIT */
/*
 * The yardstick: the least that a ptrace tracer can do and still learn what ours
 * learns. One thread, pinned to one CPU with its tracees; at each stop wait4,
 * PTRACE_GET_SYSCALL_INFO and PTRACE_SYSCALL, and one process_vm_readv a call.
 * Follows children. Writes nothing.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define GET_SYSCALL_INFO 0x420e
#define OPTIONS                                                                                    \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |   \
	 PTRACE_O_TRACECLONE)

struct info {
	uint8_t op, pad[3];
	uint32_t arch;
	uint64_t ip, sp, words[7];
};

static void look(int pid)
{
	struct info info;
	char head[32];

	syscall(SYS_ptrace, GET_SYSCALL_INFO, (long)pid, sizeof(info), &info);
	if (info.op == 1) {
		struct iovec local = {head, sizeof(head)};
		struct iovec remote = {(void *)(uintptr_t)info.words[2], sizeof(head)};

		process_vm_readv(pid, &local, 1, &remote, 1, 0);
	}
}

int main(int argc, char **argv)
{
	unsigned long stops = 0;
	cpu_set_t one;
	int pid, command, status, code = 1;

	if (argc < 2)
		return 2;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	command = fork();
	if (command == 0) {
		raise(SIGSTOP);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	waitpid(command, &status, WUNTRACED);
	ptrace(PTRACE_SEIZE, command, 0, OPTIONS);
	kill(command, SIGCONT);
	while ((pid = wait4(-1, &status, __WALL, NULL)) > 0) {
		int sig = 0;

		if (!WIFSTOPPED(status)) {
			if (pid == command)
				code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			stops++;
			look(pid);
		} else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) {
			sig = WSTOPSIG(status);
		}
		ptrace(PTRACE_SYSCALL, pid, 0, sig);
	}
	fprintf(stderr, "%lu stops\n", stops);
	return code;
}
