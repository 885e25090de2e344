/* SPDX-License-Identifier: MIT */
/* The command's program: found as a shell finds it, and run with nothing of ours about it. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "engine_private.h"

static bool is_program(const char *path, int *why)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			*why = errno;
		return false;
	}
	if (S_ISDIR(st.st_mode) || access(path, X_OK) < 0) {
		*why = EACCES;
		return false;
	}
	return true;
}

static const char *search_path(char *const *envp)
{
	for (; *envp; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return "/bin:/usr/bin";
}

/* As a shell looks for it; *why = ENOENT or what hindered the only candidates. */
bool rn_program_resolve(const char *name, char *const *envp, char *path, size_t cap, int *why)
{
	*why = ENOENT;
	if (strchr(name, '/')) {
		if (strlen(name) >= cap) {
			*why = ENAMETOOLONG;
			return false;
		}
		strcpy(path, name);
		return is_program(path, why);
	}
	for (const char *dir = search_path(envp); *name; dir++) {
		size_t len = strcspn(dir, ":");
		const char *from = len ? dir : ".";
		size_t from_len = len ? len : 1;

		if (from_len + strlen(name) + 2 <= cap) {
			memcpy(path, from, from_len);
			path[from_len] = '/';
			strcpy(path + from_len + 1, name);
			if (is_program(path, why))
				return true;
		}
		dir += len;
		if (!*dir)
			break;
	}
	return false;
}

/* The signals for which we have handlers. */
void rn_program_signals(sigset_t *set)
{
	struct sigaction action;

	sigemptyset(set);
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sigaction(sig, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		    action.sa_handler != SIG_IGN)
			sigaddset(set, sig);
	/* Python ignores these two for itself; a command must not inherit that. */
	sigaddset(set, SIGPIPE);
	sigaddset(set, SIGXFSZ);
}

/* As shells tell: a binary has a NUL in its first line. Leaves errno at ENOEXEC. */
static bool is_text(const char *path)
{
	char head[80];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, head, sizeof(head));
	const char *end = len > 0 ? memchr(head, '\n', (size_t)len) : NULL;

	if (fd >= 0)
		close(fd);
	errno = ENOEXEC;
	return len > 0 && !memchr(head, 0, end ? (size_t)(end - head) : (size_t)len);
}

void rn_program_reset(const sigset_t *handled, int ignored)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		if (sigismember(handled, sig) != 1)
			continue;
		action.sa_handler = sig == ignored ? SIG_IGN : SIG_DFL;
		sigaction(sig, &action, NULL);
	}
}

void rn_program_exec(const char *path, char *const *argv, char *const *envp)
{
	char *shell[1024];
	size_t n = 0;

	execve(path, argv, envp);
	if (errno != ENOEXEC || !is_text(path))
		return;
	/* A script without #!: sh runs it, as execvp(3) does. */
	while (argv[n])
		n++;
	if (n >= 1000)
		return;
	shell[0] = (char *)(uintptr_t)"/bin/sh";
	shell[1] = (char *)(uintptr_t)path;
	for (size_t i = 1; i <= n; i++)
		shell[i + 1] = argv[i];
	execve("/bin/sh", shell, envp);
	errno = ENOEXEC;
}
