/* SPDX-License-Identifier: MIT */
/* limits PART: what the kernel bounds, reached. */
#include <grp.h>
#include <sys/resource.h>

#include "conform.h"

/*
 * A fork bomb of a user of its own, held by RLIMIT_NPROC. Each process makes more until
 * that fails; all stay until the last has failed, so their number is that of the limit.
 */
static int bomb(char **argv)
{
	rlim_t most = strtoul(argv[2], NULL, 10);
	struct rlimit limit = {most, most};
	_Atomic unsigned *made = shared(), *failed = made + 1;
	uid_t uid = 600000000u + (uid_t)getpid(); /* nobody's */
	int up[2];
	pid_t pid;
	char byte;

	MUST(pipe(up));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		close(up[0]);
		MUST(setgroups(0, NULL));
		MUST(setresgid(uid, uid, uid));
		MUST(setrlimit(RLIMIT_NPROC, &limit));
		MUST(setresuid(uid, uid, uid));
		++*made;
		for (;;) {
			pid_t child = fork();

			if (child == 0) {
				++*made;
				continue;
			}
			if (child > 0)
				continue;
			if (errno != EAGAIN)
				_exit(1);
			++*failed;
			break;
		}
		while (*failed < most)
			usleep(50000); /* seldom: a slow tracer is kept from the others */
		_exit(0);
	}
	close(up[1]);
	ended("first", pid);
	read(up[0], &byte, 1); /* until all are gone */
	say("%u made, %u failed\n", *made, *failed);
	return 0;
}

static int files(char **argv)
{
	struct rlimit limit = {8, 8};
	int n = 0;

	(void)argv;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	while (dup(0) >= 0)
		n++;
	say("some %d, then %s\n", n > 0, strerrorname_np(errno));
	return 0;
}

static int size(char **argv)
{
	struct rlimit limit = {10, 10};
	char text[100] = "";
	int fd = (int)MUST(open("small", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));

	(void)argv;
	signal(SIGXFSZ, SIG_IGN);
	MUST(setrlimit(RLIMIT_FSIZE, &limit));
	say("%ld\n", write(fd, text, sizeof(text)));
	say("%s\n", error_of(write(fd, text, sizeof(text))));
	return 0;
}

static int memory(char **argv)
{
	struct rlimit limit = {64 << 20, 64 << 20};

	(void)argv;
	MUST(setrlimit(RLIMIT_AS, &limit));
	say("%s\n",
	    mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		    ? strerrorname_np(errno)
		    : "-");
	return 0;
}

MAIN({"bomb", bomb}, {"files", files}, {"size", size}, {"memory", memory})
