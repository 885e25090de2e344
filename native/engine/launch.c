/* SPDX-License-Identifier: MIT */
/* Starting the command: forked, seized before it execs, and told apart from its failures. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "engine_private.h"

#define OPTIONS (RN_PTRACE_O_TRACESYSGOOD | RN_PTRACE_O_TRACEEXEC | RN_PTRACE_O_EXITKILL)
#define FOLLOW (RN_PTRACE_O_TRACEFORK | RN_PTRACE_O_TRACEVFORK | RN_PTRACE_O_TRACECLONE)

static struct rn_launch_result failed(enum rn_launch_error error, int err, const char *what)
{
	return (struct rn_launch_result){error, err, what};
}

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
static bool resolve(const char *name, char *const *envp, char *path, size_t cap, int *why)
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
static void handled_signals(sigset_t *set)
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

/* By bare calls: those of libc would have other threads do the same, and there are none here. */
static bool change_user(const struct rn_engine_config *config)
{
	return syscall(SYS_setgroups, (size_t)config->group_count, config->groups) == 0 &&
	       syscall(SYS_setresgid, config->gid, config->gid, config->gid) == 0 &&
	       syscall(SYS_setresuid, config->uid, config->uid, config->uid) == 0;
}

/*
 * In the child: only async-signal-safe calls from here to exec. Our handlers go
 * before anything is unblocked: a signal that comes now is for the command.
 */
static void become_command(const struct rn_engine *e, const char *path, const sigset_t *handled,
			   int go, int bad)
{
	const struct rn_engine_config *config = &e->config;
	struct sigaction action;
	ssize_t got;
	char token;
	int err;

	memset(&action, 0, sizeof(action));
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		if (sigismember(handled, sig) != 1)
			continue;
		action.sa_handler = sig == e->tick_signal && e->tick_ignored ? SIG_IGN : SIG_DFL;
		sigaction(sig, &action, NULL);
	}
	do
		got = read(go, &token, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(127); /* the tracer died before it could seize us */
	close(go);
	if (e->filter.len) {
		err = rn_filter_install(e);
		if (err && config->filter == RN_FILTER_ON)
			goto failed;
	}
	if (config->change_user && !change_user(config)) {
		err = -errno;
		goto failed;
	}
	sigprocmask(SIG_SETMASK, &config->mask, NULL);
	execve(path, config->argv, config->envp);
	if (errno == ENOEXEC && is_text(path)) {
		/* A script without #!: sh runs it, as execvp(3) does. */
		size_t n = 0;

		while (config->argv[n])
			n++;
		if (n < 1000) {
			char *shell[1024];

			shell[0] = (char *)(uintptr_t)"/bin/sh";
			shell[1] = (char *)(uintptr_t)path;
			for (size_t i = 1; i <= n; i++)
				shell[i + 1] = config->argv[i];
			execve("/bin/sh", shell, config->envp);
			errno = ENOEXEC;
		}
	}
	err = errno;
failed:
	while (write(bad, &err, sizeof(err)) < 0 && errno == EINTR)
		;
	_exit(127);
}

static void kill_and_reap(int pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

static struct rn_launch_result exec_failure(int err)
{
	if (err < 0)
		return failed(RN_LAUNCH_SYSTEM, -err, "setuid");
	switch (err) {
	case ENOENT: /* the interpreter of #! */
	case ENOTDIR:
		return failed(RN_LAUNCH_NOT_FOUND, err, "execve");
	default:
		return failed(RN_LAUNCH_NOT_EXECUTABLE, err, "execve");
	}
}

static void add_command(struct rn_engine *e, struct task *task)
{
	task->known = true;
	task->hidden = true;
	task->own_no_new_privs = e->filter.had_no_new_privs;
	task->ordinal = RN_ORDINAL_COMMAND;
	task->span_counter = RN_ID_RUN | task->ordinal;
	memcpy(task->trace_id, e->config.trace_id, 16);
	e->now = rn_monotonic();
	rn_record_begin(e, &e->work, RN_PROCESS_START, task);
	e->work.ev.args[0] = task->ordinal;
	e->work.ev.args[2] = (uint64_t)getpid();
	e->work.ev.args[4] = RN_BIRTH_LAUNCH;
	rn_emit_work(e, true);
}

static struct rn_launch_result seize(struct rn_engine *e, int pid)
{
	/* Under the filter all that it starts is, too, and must stay with us. */
	long options = OPTIONS | (e->config.follow || e->filter.len ? FOLLOW : 0) |
		       (e->filter.len ? RN_PTRACE_O_TRACESECCOMP : 0);
	struct task *task;
	int status;

	if (rn_ptrace(RN_PTRACE_SEIZE, pid, 0, (uintptr_t)options) < 0)
		return failed(RN_LAUNCH_PTRACE, errno, "PTRACE_SEIZE");
	if (rn_ptrace(RN_PTRACE_INTERRUPT, pid, 0, 0) < 0)
		return failed(RN_LAUNCH_PTRACE, errno, "PTRACE_INTERRUPT");
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return failed(RN_LAUNCH_SYSTEM, errno, "waitpid");
	if (!WIFSTOPPED(status))
		return failed(RN_LAUNCH_SYSTEM, ECHILD, "the command was killed before it started");
	task = rn_task_add(e, pid);
	if (!task)
		return failed(RN_LAUNCH_MEMORY, ENOMEM, "malloc");
	task->started = true;
	e->command_pid = pid;
	add_command(e, task);
	rn_cpu_init(e);
	rn_resume(e, task, 0);
	return failed(RN_LAUNCH_OK, 0, "");
}

/*
 * Not fork(3): its handlers prepare a child to go on with our program. grpc's start
 * threads in it, which would be traced as if they were the command's.
 */
static int bare_fork(void)
{
	return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

struct rn_launch_result rn_engine_launch(struct rn_engine *e)
{
	struct rn_launch_result result;
	int go[2], bad[2], err = 0, why;
	char path[4096];
	bool none_left = false;
	sigset_t handled;
	int pid;

	if (!resolve(e->config.argv[0], e->config.envp, path, sizeof(path), &why))
		return failed(why == ENOENT ? RN_LAUNCH_NOT_FOUND : RN_LAUNCH_NOT_EXECUTABLE, why,
			      "execve");
	if (pipe2(go, O_CLOEXEC) < 0)
		return failed(RN_LAUNCH_SYSTEM, errno, "pipe");
	if (pipe2(bad, O_CLOEXEC) < 0) {
		result = failed(RN_LAUNCH_SYSTEM, errno, "pipe");
		close(go[0]);
		close(go[1]);
		return result;
	}
	if (!atomic_load(&e->tracer_tid))
		rn_timer_init(e);
	rn_filter_prepare(e);
	if (!e->filter.len && e->config.filter == RN_FILTER_ON) {
		result = failed(RN_LAUNCH_FILTER, E2BIG, "the filter");
		pid = -1;
		goto no_child;
	}
	handled_signals(&handled);
	pid = bare_fork();
	if (pid == 0) {
		close(go[1]);
		become_command(e, path, &handled, go[0], bad[1]);
	}
	result = pid < 0 ? failed(RN_LAUNCH_SYSTEM, errno, "fork") : seize(e, pid);
no_child:
	close(go[0]);
	close(bad[1]);
	if (result.error != RN_LAUNCH_OK) {
		if (pid > 0)
			kill_and_reap(pid);
		goto out;
	}
	if (write(go[1], "", 1) != 1)
		kill(pid, SIGKILL);
	/* Its first exec closes its end of the pipe; a failed one writes errno first. */
	while (!none_left && !e->command_execed && !e->command_gone)
		rn_loop_step(e, &none_left);
	if (read(bad[0], &err, sizeof(err)) == sizeof(err)) {
		while (!none_left)
			rn_loop_step(e, &none_left);
		result = e->filter.on || e->config.filter != RN_FILTER_ON
				 ? exec_failure(err)
				 : failed(RN_LAUNCH_FILTER, err, "seccomp");
	} else if (!e->command_gone) {
		atomic_store(&e->counters.command_pid, pid);
	}
out:
	close(go[1]);
	close(bad[0]);
	if (result.error != RN_LAUNCH_OK) {
		rn_cpu_end(e);
		rn_timer_end(e);
	}
	return result;
}
