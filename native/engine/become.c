/* SPDX-License-Identifier: MIT */
/*
 * The other way to start a command: the process that our caller started becomes the
 * command itself, and the tracer is a stranger to it. The two talk over a socket that
 * no exec survives: "ready", "go", and errno where there is no exec.
 */
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "engine_private.h"

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

static bool take(int fd, void *to, size_t len)
{
	ssize_t got;

	do
		got = recv(fd, to, len, MSG_WAITALL);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)len;
}

static bool give(int fd, const void *from, size_t len)
{
	return send(fd, from, len, MSG_NOSIGNAL) == (ssize_t)len;
}

int rn_engine_become(char *const *argv, char *const *envp, int fd, int tracer)
{
	char path[4096], token = 0;
	sigset_t handled;
	int err;

	if (!rn_program_resolve(argv[0], envp, path, sizeof(path), &err))
		return err;
	/* Under Yama only ancestors may trace, and those that are named. */
	prctl(PR_SET_PTRACER, (unsigned long)tracer, 0, 0, 0);
	if (!give(fd, &token, 1) || !take(fd, &token, 1))
		return -1;
	prctl(PR_SET_PTRACER, 0ul, 0, 0, 0);
	rn_program_signals(&handled);
	rn_program_reset(&handled, 0);
	rn_program_exec(path, argv, envp);
	err = errno;
	give(fd, &err, sizeof(err));
	return err;
}

bool rn_adopted_is_ready(int fd)
{
	char token;

	return take(fd, &token, 1);
}

bool rn_adopted_go(int fd)
{
	return give(fd, "", 1);
}

bool rn_adopted_failed(int fd, int *err)
{
	return take(fd, err, sizeof(*err));
}
