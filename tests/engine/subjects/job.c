/* SPDX-License-Identifier: MIT */
/* job WHAT: stops and continuations, as a parent sees them. */
#include <pthread.h>
#include <time.h>

#include "subject.h"

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void tell(const char *what, pid_t pid, int options)
{
	int status;

	MUST(waitpid(pid, &status, options | __WALL));
	if (WIFSTOPPED(status))
		printf("%s: stopped by %d\n", what, WSTOPSIG(status));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", what);
	else if (WIFSIGNALED(status))
		printf("%s: killed by %d\n", what, WTERMSIG(status));
	else
		printf("%s: exited with %d\n", what, WEXITSTATUS(status));
	fflush(stdout);
}

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* Sleeps 60 ms whatever happens to it; 0 if the sleep was whole. */
static void sleeper(void)
{
	struct timespec rest = {0, 60000000};
	double from = seconds();
	int result = nanosleep(&rest, NULL);

	_exit(result == 0 && seconds() - from >= 0.06 ? 0 : 1);
}

static pid_t started(int threads, bool sleeps)
{
	int up[2];
	char byte;
	pid_t pid;

	MUST(pipe(up));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		pthread_t thread;

		for (int i = 0; i < threads; i++)
			pthread_create(&thread, NULL, idle, NULL);
		MUST(write(up[1], "r", 1));
		if (sleeps)
			sleeper();
		idle(NULL);
	}
	close(up[1]);
	if (read(up[0], &byte, 1) != 1)
		_exit(99);
	close(up[0]);
	return pid;
}

/* A child with threads is stopped and continued, several times and in several ways. */
static int parent(void)
{
	static const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
	pid_t pid = started(3, false);

	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		setpgid(pid, 0); /* in a group that is not orphaned */
		kill(pid, stops[i]);
		tell("child", pid, WUNTRACED);
		/* Signals to a stopped process wait. */
		kill(pid, SIGWINCH);
		if (waitpid(pid, NULL, WNOHANG | WUNTRACED) != 0)
			printf("it did not stay stopped\n");
		kill(pid, SIGCONT);
		tell("child", pid, WCONTINUED);
	}
	kill(pid, SIGSTOP);
	tell("child", pid, WUNTRACED);
	kill(pid, SIGKILL);
	tell("child", pid, 0);
	return 0;
}

/* A sleep with a stop in it lasts its whole time and does not fail. */
static int asleep(void)
{
	pid_t pid = started(0, true);

	kill(pid, SIGSTOP);
	tell("sleeper", pid, WUNTRACED);
	kill(pid, SIGCONT);
	tell("sleeper", pid, WCONTINUED);
	tell("sleeper", pid, 0);
	return 0;
}

static void on_stop(int sig)
{
	static const char text[] = "handler\n";

	MUST(write(1, text, sizeof(text) - 1));
	signal(sig, SIG_DFL);
	raise(sig);
}

/* At a terminal: says when it is ready, and when it goes on after a stop. */
static int terminal(bool handler)
{
	char line[64];

	if (handler)
		signal(SIGTSTP, on_stop);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		printf("got %s", line);
		fflush(stdout);
		if (strncmp(line, "end", 3) == 0)
			return 5;
	}
	return 6;
}

int job_main(char **argv)
{
	if (strcmp(argv[0], "parent") == 0)
		return parent();
	if (strcmp(argv[0], "asleep") == 0)
		return asleep();
	if (strcmp(argv[0], "terminal") == 0)
		return terminal(false);
	if (strcmp(argv[0], "handler") == 0)
		return terminal(true);
	return 98;
}
