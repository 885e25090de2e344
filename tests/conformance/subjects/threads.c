/* SPDX-License-Identifier: MIT */
/* threads PART: several in one process; who ends, who goes on, who is inside a call. */
#include "conform.h"

static int gate[2], back[2];
static _Atomic int leader_tid;

static int outlives(void *unused)
{
	int tid;

	(void)unused;
	while ((tid = leader_tid) != 0)
		syscall(SYS_futex, &leader_tid, FUTEX_WAIT, tid, NULL, NULL, 0);
	mark("leader is gone");
	for (int i = 0; i < 5; i++)
		mark("alone");
	syscall(SYS_exit_group, 9);
	return 0;
}

/* The first thread ends, another goes on, and decides the exit code. */
static int zombie_leader(char **argv)
{
	static struct strand strand;

	(void)argv;
	leader_tid = (int)syscall(SYS_set_tid_address, &leader_tid);
	strand_start(&strand, stacks(1), 0, outlives, NULL);
	syscall(SYS_exit, 0);
	return 0;
}

static int last(void *unused)
{
	int tid;

	(void)unused;
	while ((tid = leader_tid) != 0)
		syscall(SYS_futex, &leader_tid, FUTEX_WAIT, tid, NULL, NULL, 0);
	return 5;
}

/* Nobody calls exit_group(): the code is that of the thread that ended last. */
static int last_decides(char **argv)
{
	static struct strand strand;

	(void)argv;
	leader_tid = (int)syscall(SYS_set_tid_address, &leader_tid);
	strand_start(&strand, stacks(1), 0, last, NULL);
	syscall(SYS_exit, 6);
	return 0;
}

static int blocked(void *unused)
{
	char byte;

	(void)unused;
	return (int)read(gate[0], &byte, 1);
}

/* A child whose threads sleep in read() when it ends, in one of several ways. */
static int ends_inside(char **argv)
{
	static struct strand strands[3];
	char *stack = stacks(3);
	const char *how = argv[2];
	_Atomic pid_t *tids = shared();
	int go[2];
	pid_t pid, watcher;

	MUST(pipe(gate));
	MUST(pipe(go));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		for (unsigned i = 0; i < 3; i++)
			strand_start(&strands[i], stack, i, blocked, NULL);
		for (unsigned i = 0; i < 3; i++)
			tids[i] = strands[i].tid;
		take_byte(go[0]);
		if (strcmp(how, "abort") == 0)
			syscall(SYS_tgkill, getpid(), getpid(), SIGABRT);
		if (strcmp(how, "fault") == 0)
			*(volatile char *)16 = 1;
		syscall(SYS_exit_group, 11);
	}
	watcher = (pid_t)MUST(fork());
	if (watcher == 0) {
		helper();
		for (int i = 0; i < 3; i++) {
			while (!tids[i])
				usleep(500);
			until_blocked(pid, tids[i], SYS_read);
		}
		until_blocked(pid, pid, SYS_read);
		if (strcmp(how, "killed") == 0)
			kill(pid, SIGKILL);
		else
			put_byte(go[1]);
		_exit(0);
	}
	ended("watcher", watcher);
	ended("child", pid);
	return 0;
}

/* One thread inside a call, another making many: each exit belongs to its own entry. */
static int reader(void *unused)
{
	(void)unused;
	while (take_byte(gate[0]))
		put_byte(back[1]);
	mark("reader ends");
	return 0;
}

static int interleaved(char **argv)
{
	static struct strand strand;

	(void)argv;
	MUST(pipe(gate));
	MUST(pipe(back));
	strand_start(&strand, stacks(1), 0, reader, NULL);
	for (int i = 0; i < 50; i++) {
		mark("writer");
		put_byte(gate[1]);
		take_byte(back[0]);
	}
	close(gate[1]);
	strand_join(&strand);
	say("50 bytes to and fro\n");
	return 0;
}

static _Atomic bool enough;

static int spins(void *unused)
{
	const int least = (int)scaled(3000, 800);

	(void)unused;
	for (int i = 0; i < least || !enough; i++)
		syscall(SYS_getppid);
	return 0;
}

/* Threads that do nothing but cheap calls: all get on, and a signal ends it. */
static void on_alarm(int sig)
{
	(void)sig;
	enough = true;
}

static int looping(char **argv)
{
	static struct strand strands[8];
	char *stack = stacks(8);
	pid_t pid = getpid();

	(void)argv;
	signal(SIGALRM, on_alarm);
	for (unsigned i = 0; i < 8; i++)
		strand_start(&strands[i], stack, i, spins, NULL);
	syscall(SYS_tgkill, pid, strands[3].tid, SIGALRM);
	for (unsigned i = 0; i < 8; i++)
		strand_join(&strands[i]);
	say("all eight\n");
	return 0;
}

MAIN({"zombie-leader", zombie_leader}, {"last-decides", last_decides}, {"ends-inside", ends_inside},
     {"interleaved", interleaved}, {"looping", looping})
