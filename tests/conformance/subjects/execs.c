/* SPDX-License-Identifier: MIT */
/* execs PART: new programs, by every way, from every thread. */
#include <sys/auxv.h>
#include <sys/stat.h>

#include "conform.h"

static const char *self;
static int gate[2];

static char *const *words_for(const char *part)
{
	static char *words[4];

	words[0] = (char *)(uintptr_t)"renamed";
	words[1] = (char *)(uintptr_t)part;
	words[2] = NULL;
	return words;
}

static int arrived(char **argv)
{
	mark("arrived");
	say("arrived as %s, leader %d\n", argv[0], getpid() == (pid_t)syscall(SYS_gettid));
	return 3;
}

static int from_leader(char **argv)
{
	(void)argv;
	execv(self, words_for("arrived"));
	return 96;
}

static int do_exec(void *unused)
{
	(void)unused;
	mark("before exec");
	execv(self, words_for("arrived"));
	return 96;
}

static int blocked(void *unused)
{
	char byte;

	(void)unused;
	return (int)read(gate[0], &byte, 1);
}

/* Threads sleep inside read() when another thread's exec ends them. */
static int from_thread(char **argv)
{
	static struct strand strands[4];
	char *stack = stacks(4);
	pid_t pid = getpid();
	bool leader_gone = strcmp(argv[1], "orphan") == 0;

	MUST(pipe(gate));
	for (unsigned i = 0; i < 3; i++) {
		strand_start(&strands[i], stack, i, blocked, NULL);
		end(); /* how often we look is a matter of chance */
		until_blocked(pid, strands[i].tid, SYS_read);
	}
	strand_start(&strands[3], stack, 3, do_exec, NULL);
	if (leader_gone)
		syscall(SYS_exit, 0);
	for (;;)
		pause();
}

static int by_descriptor(char **argv)
{
	int fd = (int)MUST(open(self, O_PATH | O_CLOEXEC));

	(void)argv;
	syscall(SYS_execveat, fd, "", words_for("arrived"), (char *const[]){NULL}, AT_EMPTY_PATH);
	return 96;
}

static void fails(const char *path)
{
	execv(path, words_for("arrived"));
	say("%s\n", strerrorname_np(errno));
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = (int)MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));

	MUST(write(fd, text, strlen(text)));
	close(fd);
}

/* Each kind of failure, and the program goes on after it. */
static int failing(char **argv)
{
	char text[600];
	size_t huge = 4 * 1024 * 1024;
	char *word = malloc(huge);

	(void)argv;
	fails("/no/such/program");
	fails(".");
	write_file("not-executable", "#!/bin/sh\n", 0600);
	fails("not-executable");
	write_file("no-format", "just words\n", 0700);
	fails("no-format");
	write_file("no-interpreter", "#!/no/such/interpreter\n", 0700);
	fails("no-interpreter");
	write_file("empty", "", 0700);
	fails("empty");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	fails(text);
	memset(word, 'y', huge - 1);
	word[huge - 1] = 0;
	say("%s\n", error_of(execv(self, (char *const[]){word, NULL})));
	say("%s\n", error_of(syscall(SYS_execve, (void *)16, NULL, NULL)));
	say("%s\n", error_of(syscall(SYS_execve, self, (void *)16, NULL)));
	say("%s\n", error_of(syscall(SYS_execveat, -1, "x", NULL, NULL, 0)));
	return 4;
}

/* A script whose interpreter is a script, and so on: as deep as the kernel goes, and deeper. */
static int chain(char **argv)
{
	char here[3000], text[4096], name[32];
	int depth = (int)strtol(argv[2], NULL, 10);

	MUST(getcwd(here, sizeof(here)) ? 0 : -1);
	snprintf(text, sizeof(text), "#!%s arrived\n", self);
	write_file("script1", text, 0700);
	for (int i = 2; i <= depth; i++) {
		snprintf(text, sizeof(text), "#!%s/script%d\n", here, i - 1);
		snprintf(name, sizeof(name), "script%d", i);
		write_file(name, text, 0700);
	}
	snprintf(name, sizeof(name), "./script%d", depth);
	execv(name, words_for("word"));
	say("depth %d: %s\n", depth, strerrorname_np(errno));
	return 5;
}

/* The same process, many programs one after the other. */
static int again(char **argv)
{
	long left = strtol(argv[2], NULL, 10);
	char number[24];
	char *const words[] = {argv[0], argv[1], number, NULL};

	if (left == 0) {
		say("last\n");
		return 6;
	}
	snprintf(number, sizeof(number), "%ld", left - 1);
	execv(self, words);
	return 96;
}

/* What of a process outlives an exec: ignored signals, blocked ones, a pending one, umask. */
static int keeps(char **argv)
{
	sigset_t set;

	if (argv[2]) {
		struct sigaction action;
		sigset_t pending;

		sigaction(SIGUSR1, NULL, &action);
		say("USR1 ignored %d", action.sa_handler == SIG_IGN);
		sigaction(SIGUSR2, NULL, &action);
		say(" USR2 default %d", action.sa_handler == SIG_DFL);
		sigpending(&pending);
		sigprocmask(SIG_SETMASK, NULL, &set);
		say(" TERM blocked %d pending %d umask %o\n", sigismember(&set, SIGTERM),
		    sigismember(&pending, SIGTERM), umask(0));
		return 0;
	}
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, (void (*)(int))(uintptr_t)abort);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	umask(0123);
	execv(self, (char *const[]){argv[0], argv[1], argv[0], NULL});
	return 96;
}

/* The name that the kernel noted. */
static int named(char **argv)
{
	(void)argv;
	say("%s\n", (const char *)getauxval(AT_EXECFN));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{"arrived", arrived},    {"named", named},        {"leader", from_leader},
		{"thread", from_thread}, {"orphan", from_thread}, {"descriptor", by_descriptor},
		{"failing", failing},    {"chain", chain},        {"again", again},
		{"keeps", keeps},
	};

	self = realpath("/proc/self/exe", NULL);
	return run_part(parts, sizeof(parts) / sizeof(parts[0]), argc, argv);
}
