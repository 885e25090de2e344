/* SPDX-License-Identifier: MIT */
/*
 * What has happened to a tracee, such that we may be killed at any instant.
 *
 * A signal that a tracee is about to get is kept in the word that wait(2) reports and
 * clears; a tracer that dies between that and the tracee's resumption has eaten the
 * signal. So where processes are attached, that live on without us, such a stop is only
 * looked at (WNOWAIT), and is over by the request that resumes the tracee. All other
 * stops are taken: of those nothing is lost, and a look would give the first of them
 * over and over.
 */
#include <sys/wait.h>

#include "engine_private.h"

#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif

#define ANY (__WALL | __WNOTHREAD)
#define LAST_SIGNAL 64

static bool is_signal(const siginfo_t *info)
{
	return info->si_code == CLD_TRAPPED && info->si_status > 0 &&
	       info->si_status <= LAST_SIGNAL;
}

/* Where wait4(2) puts CPU times, if they are asked for. */
static struct rusage *usage_of(struct rn_engine *e)
{
	return e->config.cpu_times ? &e->usage : NULL;
}

static int look(struct rn_engine *e, idtype_t type, int id, int *status, int flags, bool *stays)
{
	for (;;) {
		siginfo_t info;
		int tid;

		info.si_pid = 0;
		if (waitid(type, (id_t)id, &info, WEXITED | WSTOPPED | WNOWAIT | ANY | flags) < 0)
			return -1;
		if (info.si_pid == 0)
			return 0;
		if (is_signal(&info)) {
			*stays = true;
			*status = W_STOPCODE(info.si_status);
			return info.si_pid;
		}
		tid = wait4(info.si_pid, status, WNOHANG | ANY, usage_of(e));
		if (tid > 0)
			return tid;
		/* It was killed in between: its death comes. */
	}
}

int rn_wait_any(struct rn_engine *e, int *status, int flags, bool *stays)
{
	*stays = false;
	if (!e->peek)
		return wait4(-1, status, ANY | flags, usage_of(e));
	return look(e, P_ALL, 0, status, flags, stays);
}

int rn_wait_for(struct rn_engine *e, int tid, int *status, bool *stays)
{
	*stays = false;
	return look(e, P_PID, tid, status, WNOHANG, stays);
}
