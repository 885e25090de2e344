/* SPDX-License-Identifier: MIT */
/*
 * The yardstick: the least that a ptrace tracer can do and still learn what ours
 * learns. One thread, pinned to one CPU with its tracee; at each stop wait4,
 * PTRACE_GET_SYSCALL_INFO and PTRACE_SYSCALL, and one process_vm_readv a call.
 * Writes nothing.
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

struct info {
	uint8_t op, pad[3];
	uint32_t arch;
	uint64_t ip, sp, words[7];
};

int main(int argc, char **argv)
{
	unsigned long stops = 0;
	cpu_set_t one;
	int pid, status;

	if (argc < 2)
		return 2;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	waitpid(pid, &status, WUNTRACED);
	ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC);
	kill(pid, SIGCONT);
	while (wait4(-1, &status, __WALL, NULL) > 0) {
		int sig = 0;

		if (!WIFSTOPPED(status))
			continue;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			struct info info;

			stops++;
			syscall(SYS_ptrace, GET_SYSCALL_INFO, (long)pid, sizeof(info), &info);
			if (info.op == 1) {
				char head[32];
				struct iovec local = {head, sizeof(head)};
				struct iovec remote = {(void *)(uintptr_t)info.words[2],
						       sizeof(head)};

				process_vm_readv(pid, &local, 1, &remote, 1, 0);
			}
		} else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) {
			sig = WSTOPSIG(status);
		}
		ptrace(PTRACE_SYSCALL, pid, 0, sig);
	}
	fprintf(stderr, "%lu stops\n", stops);
	return 0;
}
