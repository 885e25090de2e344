/* SPDX-License-Identifier: MIT */
/* jobs PART: stops, continuations and deaths as a parent sees them. */
#include <time.h>

#include "conform.h"

static int idle(void *unused)
{
	(void)unused;
	for (;;)
		syscall(SYS_rt_sigtimedwait, &(uint64_t){0}, NULL, NULL, 8);
	return 0;
}

static void waited(pid_t pid, int options)
{
	int status;

	MUST(waitpid(pid, &status, options | __WALL));
	say_status("child", status);
}

/* A child with as many more threads, all asleep. */
static pid_t asleep(unsigned threads)
{
	static struct strand strands[8];
	char *stack = stacks(8);
	int up[2];
	pid_t pid;

	MUST(pipe(up));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		for (unsigned i = 0; i < threads; i++)
			strand_start(&strands[i], stack, i, idle, NULL);
		helper();
		put_byte(up[1]);
		idle(NULL);
	}
	take_byte(up[0]);
	close(up[0]);
	close(up[1]);
	return pid;
}

static int stops(char **argv)
{
	static const int kinds[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
	pid_t pid = asleep((unsigned)strtoul(argv[2], NULL, 10));

	setpgid(pid, 0); /* a group that is not orphaned */
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		kill(pid, kinds[i]);
		waited(pid, WUNTRACED);
		/* Signals to a stopped process wait. */
		kill(pid, SIGWINCH);
		say("nothing more: %d\n", waitpid(pid, NULL, WNOHANG | WUNTRACED));
		kill(pid, SIGCONT);
		waited(pid, WCONTINUED);
	}
	kill(pid, SIGSTOP);
	waited(pid, WUNTRACED);
	kill(pid, SIGKILL);
	waited(pid, 0);
	return 0;
}

/* By waitid: what each status says, and that looking (WNOWAIT) takes nothing away. */
static int looks(char **argv)
{
	static const int options[] = {WSTOPPED, WCONTINUED, WEXITED};
	static const int signals[] = {SIGSTOP, SIGCONT, SIGTERM};
	pid_t pid = asleep(0);

	(void)argv;
	for (int i = 0; i < 3; i++) {
		siginfo_t info;

		kill(pid, signals[i]);
		for (int turn = 0; turn < 2; turn++) {
			memset(&info, 0, sizeof(info));
			MUST(waitid(P_PID, (id_t)pid, &info, options[i] | (turn ? 0 : WNOWAIT)));
			say("code %d status %d\n", info.si_code, info.si_status);
		}
	}
	return 0;
}

/* Its group is orphaned by our death: it gets SIGHUP and SIGCONT from the kernel. */
static int orphaned(char **argv)
{
	int up[2], down[2];
	pid_t middle;
	char text[32];
	ssize_t len;

	(void)argv;
	MUST(pipe(up));
	MUST(pipe(down));
	middle = (pid_t)MUST(fork());
	if (middle == 0) {
		pid_t pid;

		MUST(setpgid(0, 0));
		pid = (pid_t)MUST(fork());
		if (pid == 0) {
			sigset_t set;
			int got;

			sigemptyset(&set);
			sigaddset(&set, SIGHUP);
			sigprocmask(SIG_BLOCK, &set, NULL);
			raise(SIGSTOP);
			/* Continued by the kernel, which sent a SIGHUP before. */
			sigwait(&set, &got);
			dprintf(up[1], "got %d", got);
			_exit(0);
		}
		waitpid(pid, NULL, WUNTRACED);
		_exit(0);
	}
	ended("middle", middle);
	close(up[1]);
	len = read(up[0], text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = 0;
	say("%s\n", text);
	MUST(read(up[0], text, 1));
	return 0;
}

/* A process group that gets one signal together. */
static int group(char **argv)
{
	pid_t pids[4];
	unsigned ended_by_term = 0;

	(void)argv;
	for (int i = 0; i < 4; i++) {
		pids[i] = asleep(1);
		setpgid(pids[i], pids[0]);
	}
	kill(-pids[0], SIGTERM);
	for (int i = 0; i < 4; i++) {
		int status;

		MUST(waitpid(pids[i], &status, 0));
		ended_by_term += WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
	}
	say("%u ended\n", ended_by_term);
	return 0;
}

/* Killed by its parent at odd moments of a loop of calls, while threads come and go. */
static int spins(void *unused)
{
	(void)unused;
	for (;;)
		syscall(SYS_getppid);
	return 0;
}

static int killed(char **argv)
{
	static struct strand strands[3];
	char *stack = stacks(3);
	const int turns = (int)scaled(40, 15);
	unsigned right = 0;

	(void)argv;
	for (int turn = 0; turn < turns; turn++) {
		int up[2], status;
		pid_t pid;

		MUST(pipe(up));
		pid = (pid_t)MUST(fork());
		if (pid == 0) {
			for (unsigned i = 0; i < 3; i++)
				strand_start(&strands[i], stack, i, spins, NULL);
			put_byte(up[1]);
			spins(NULL);
		}
		take_byte(up[0]);
		close(up[0]);
		close(up[1]);
		for (int i = 0; i < turn; i++)
			syscall(SYS_getppid);
		kill(pid, SIGKILL);
		MUST(waitpid(pid, &status, 0));
		right += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	}
	say("%u killed\n", right);
	return 0;
}

/*
 * Threads that are born while their process is being stopped do not run, either: neither
 * those whose makers are stopped before they could tell a tracer of them. Four make them, and
 * each computes for longer than it takes to look whether it does.
 */
#define MAKERS 4u

static _Atomic uint64_t *counter;

static int counts(void *unused)
{
	(void)unused;
	for (int i = 0; i < 400000; i++)
		++*counter;
	return 0;
}

static int makes(void *stack)
{
	struct strand strand;

	for (;;) {
		strand_start(&strand, stack, 0, counts, NULL);
		strand_join(&strand);
	}
	return 0;
}

static int births_in_stops(char **argv)
{
	const unsigned turns = scaled(100, 25);
	unsigned moved = 0;
	pid_t pid;

	(void)argv;
	counter = shared();
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		static struct strand strands[MAKERS];
		char *stack = stacks(2 * MAKERS);

		for (unsigned i = 0; i < MAKERS; i++)
			strand_start(&strands[i], stack, i, makes,
				     stack + (size_t)(MAKERS + i) * STRAND_STACK);
		for (;;)
			pause();
	}
	for (unsigned turn = 0; turn < turns; turn++) {
		uint64_t before = *counter;
		int status;

		while (*counter == before)
			usleep(100);
		usleep(turn * 37 % 1000);
		kill(pid, SIGSTOP);
		MUST(waitpid(pid, &status, WUNTRACED));
		before = *counter;
		usleep(2000);
		moved += *counter != before;
		kill(pid, SIGCONT);
	}
	kill(pid, SIGKILL);
	ended("child", pid);
	say("ran while stopped: %u of %u\n", moved, turns);
	return 0;
}

/* The letter of a stopped process's state: t for T is all that tells of a tracer there. */
static int letter(char **argv)
{
	pid_t pid = asleep(0);
	char path[64], state;
	FILE *file;

	(void)argv;
	kill(pid, SIGSTOP);
	waited(pid, WUNTRACED);
	end();
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		return 1;
	say("%c\n", state);
	kill(pid, SIGKILL);
	waited(pid, 0);
	return 0;
}

MAIN({"births-in-stops", births_in_stops}, {"letter", letter}, {"stops", stops}, {"looks", looks},
     {"orphaned", orphaned}, {"group", group}, {"killed", killed})
