/* SPDX-License-Identifier: MIT */
/* inherit: all that a process gets from the one that started it. */
#include <dirent.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "subject.h"

static void signals(void)
{
	char line[256];
	FILE *file = fopen("/proc/self/status", "re");

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "Sig", 3) == 0 || strncmp(line, "ShdPnd", 6) == 0 ||
		    strncmp(line, "NoNewPrivs", 10) == 0 || strncmp(line, "Cap", 3) == 0 ||
		    strncmp(line, "Seccomp", 7) == 0)
			fputs(line, stdout);
	if (file)
		fclose(file);
}

static void descriptors(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		char path[64], target[256];
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof(target) - 1);
		if (len > 0)
			printf("fd %d %.*s\n", fd, (int)len, target);
	}
}

int inherit_main(char **argv)
{
	struct rlimit limit;
	char cwd[4096];
	int deathsig = -1;
	mode_t mask = umask(0);

	(void)argv;
	umask(mask);
	prctl(PR_GET_PDEATHSIG, &deathsig);
	printf("umask %o nice %d cwd %s\n", (unsigned)mask, getpriority(PRIO_PROCESS, 0),
	       getcwd(cwd, sizeof(cwd)));
	printf("deathsig %d dumpable %d subreaper %d policy %d\n", deathsig, prctl(PR_GET_DUMPABLE),
	       prctl(PR_GET_KEEPCAPS), sched_getscheduler(0));
	printf("session %d group %d leader %d\n", (int)getsid(0), (int)getpgid(0),
	       getsid(0) == getpid());
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (getrlimit((__rlimit_resource_t)i, &limit) == 0)
			printf("limit %d %lu %lu\n", i, (unsigned long)limit.rlim_cur,
			       (unsigned long)limit.rlim_max);
	printf("timerslack %d\n", prctl(PR_GET_TIMERSLACK));
	signals();
	descriptors();
	return 0;
}
