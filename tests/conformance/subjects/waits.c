/* SPDX-License-Identifier: MIT */
/* waits HOW: says "ready", then lives on its input; what signals do to it is its HOW. */
#include "conform.h"

static const char *how;

static void handler(int sig)
{
	say("handled %d\n", sig);
	if (sig == SIGTSTP) {
		signal(sig, SIG_DFL);
		raise(sig);
	}
}

static int lives(char **argv)
{
	char line[64];
	ssize_t len;
	struct sigaction action;

	how = argv[1];
	memset(&action, 0, sizeof(action));
	action.sa_handler = strcmp(how, "ignores") == 0 ? SIG_IGN : handler;
	action.sa_flags = SA_RESTART;
	if (strcmp(how, "plain") != 0) {
		sigaction(SIGTSTP, &action, NULL);
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		sigaction(SIGHUP, &action, NULL);
		sigaction(SIGUSR1, &action, NULL);
	}
	say("ready\n");
	while ((len = read(0, line, sizeof(line) - 1)) > 0) {
		line[len] = 0;
		say("got %s", line);
		if (strncmp(line, "end", 3) == 0)
			return 5;
	}
	return 6;
}

/* Until a signal, of which it dies or whose handler it tells. */
static int dies(char **argv)
{
	(void)argv;
	say("ready\n");
	while (pause() < 0)
		;
	return 0;
}

static int ends(char **argv)
{
	struct sigaction action;
	sigset_t none;

	(void)argv;
	memset(&action, 0, sizeof(action));
	action.sa_handler = handler;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&none);
	sigaddset(&none, SIGTERM);
	sigaddset(&none, SIGHUP);
	sigaddset(&none, SIGUSR1);
	sigprocmask(SIG_BLOCK, &none, NULL);
	say("ready\n");
	sigemptyset(&none);
	sigsuspend(&none);
	return 7;
}

MAIN({"plain", lives}, {"handles", lives}, {"ignores", lives}, {"dies", dies}, {"ends", ends})
