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
	ssize_t got;
	char token;
	int err;

	rn_program_reset(handled, e->tick_ignored ? e->tick_signal : 0);
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
		if (!err)
			rn_marker_filter_added(config->envp);
	}
	if (config->change_user && !change_user(config)) {
		err = -errno;
		goto failed;
	}
	sigprocmask(SIG_SETMASK, &config->mask, NULL);
	rn_program_exec(path, config->argv, config->envp);
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
	/* As whoever made its environment has written there. */
	task->lamport_sent = e->config.lamport_seed + 1 + RN_LAMPORT_AHEAD;
	memcpy(task->trace_id, e->config.trace_id, 16);
	e->now = rn_monotonic();
	rn_record_begin(e, &e->work, RN_PROCESS_START, task);
	e->work.ev.args[0] = task->ordinal;
	e->work.ev.args[2] = (uint64_t)(e->config.adopt_pid ? rn_kin_of(task->pid).ppid : getpid());
	e->work.ev.args[4] = RN_BIRTH_LAUNCH;
	rn_add_objects(e, task, task->pid, true);
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
	rn_cost_begin(e);
	rn_cpu_init(e);
	/* A signal may have come before the stop that we have asked for. */
	rn_resume(e, task, status >> 16 == 0 ? WSTOPSIG(status) : 0);
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

/* A process that is there already, and waits for us to let it exec. */
static struct rn_launch_result adopt(struct rn_engine *e)
{
	struct rn_launch_result result;
	int pid = e->config.adopt_pid, fd = e->config.adopt_fd, err;
	bool none_left = false;

	if (!rn_adopted_is_ready(fd))
		return failed(RN_LAUNCH_ABANDONED, ENOENT, "execve");
	rn_timer_init(e);
	result = seize(e, pid);
	if (result.error == RN_LAUNCH_OK && rn_adopted_go(fd)) {
		while (!none_left && !e->command_execed && !e->command_gone)
			rn_loop_step(e, &none_left);
		/* One that could not exec has said so before it ended. */
		if (rn_adopted_failed(fd, &err)) {
			while (!none_left)
				rn_loop_step(e, &none_left);
			result = failed(RN_LAUNCH_ABANDONED, err, "execve");
		} else if (!e->command_gone) {
			atomic_store(&e->counters.command_pid, pid);
		}
	}
	if (result.error != RN_LAUNCH_OK) {
		rn_cpu_end(e);
		rn_timer_end(e);
	}
	return result;
}

struct rn_launch_result rn_engine_launch(struct rn_engine *e)
{
	struct rn_launch_result result;
	int go[2], bad[2], err = 0, why;
	char path[4096];
	bool none_left = false;
	sigset_t handled;
	int pid;

	if (e->config.adopt_pid)
		return adopt(e);
	if (!rn_program_resolve(e->config.argv[0], e->config.envp, path, sizeof(path), &why))
		return failed(why == ENOENT ? RN_LAUNCH_NOT_FOUND : RN_LAUNCH_NOT_EXECUTABLE, why,
			      "execve");
	if (pipe2(go, O_CLOEXEC) < 0)
		return failed(RN_LAUNCH_SYSTEM, errno, "pipe");
	/* Not to be waited for: a child that others fork now may hold its end for long. */
	if (pipe2(bad, O_CLOEXEC | O_NONBLOCK) < 0) {
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
	rn_program_signals(&handled);
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
