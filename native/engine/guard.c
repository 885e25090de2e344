/* SPDX-License-Identifier: MIT */
/*
 * What a program must not see of the filter that it runs under. What it asks of seccomp is
 * answered as without: its mode, a strict mode of its own, filters of its own that ask for a
 * tracer. And nobody under the filter may escape: without a tracer every call that stops
 * would fail with ENOSYS.
 */
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "engine_private.h"

#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
#endif

#define CAP_SYS_ADMIN 21
#define RED_ZONE 128u       /* below the stack pointer, in use on x86-64 */
#define STRUCTURE_MAX 4096u /* a page: clone3(2) takes no larger one */
#ifndef CLONE_ARGS_SIZE_VER0
#define CLONE_ARGS_SIZE_VER0 64
#endif

/* What is done to the call that a thread is in, and what its return means. */
enum guard {
	GUARD_NONE = 0,
	GUARD_CLONE,        /* CLONE_UNTRACED is taken out of a register */
	GUARD_CLONE3,       /* …of the structure in memory */
	GUARD_STRICT,       /* strict mode is begun, by us */
	GUARD_FILTER,       /* a filter of its own */
	GUARD_MODE,         /* asks which mode it is in */
	GUARD_NO_NEW_PRIVS, /* sets it */
	GUARD_ASKS_PRIVS,   /* asks for it */
	GUARD_REFUSED       /* not made; its result is set */
};

static bool is_call(const struct task *task, enum guarded call)
{
	return task->nr == rn_guarded_number(task->abi, call);
}

bool rn_is_guarded(const struct rn_engine *e, const struct task *task)
{
	return e->filter.on &&
	       (task->strict || is_call(task, GUARDED_SECCOMP) || is_call(task, GUARDED_PRCTL) ||
		is_call(task, GUARDED_CLONE) || is_call(task, GUARDED_CLONE3));
}

static void refuse(struct task *task, int64_t result)
{
	rn_set_number(task, -1);
	rn_set_result(task, result);
	task->guard = GUARD_REFUSED;
}

static bool is_alone(const struct rn_engine *e, const struct task *task)
{
	for (unsigned i = 0; i < TASK_BUCKETS; i++)
		for (const struct task *other = e->tasks.bucket[i]; other; other = other->next)
			if (other != task && other->pid == task->pid && !other->dead)
				return false;
	return true;
}

/*
 * In strict mode only four calls are allowed; any other ends the thread as if by SIGKILL.
 * Where others of its process live on, it is a plain end: no signal kills one thread only.
 */
static void strict_call(struct rn_engine *e, struct task *task)
{
	if (task->abi != RN_ABI_X32 &&
	    (is_call(task, GUARDED_READ) || is_call(task, GUARDED_WRITE) ||
	     is_call(task, GUARDED_EXIT) || is_call(task, GUARDED_SIGRETURN)))
		return;
	if (is_alone(e, task)) {
		kill(task->pid, SIGKILL);
		return;
	}
	rn_set_number(task, rn_guarded_number(task->abi, GUARDED_EXIT));
	rn_set_argument(task, 0, 0);
}

/* A thread under a filter cannot enter strict mode, so it gets what that does besides. */
static void enter_strict(struct task *task)
{
#if defined(__x86_64__)
	/* The time stamp counter is out of its reach from then on. */
	rn_set_number(task, rn_guarded_number(task->abi, GUARDED_PRCTL));
	rn_set_argument(task, 0, PR_SET_TSC);
	rn_set_argument(task, 1, PR_TSC_SIGSEGV);
#else
	rn_set_number(task, -1);
#endif
	task->guard = GUARD_STRICT;
}

static uint64_t status_value(int tid, const char *name, int base)
{
	char path[64], line[256];
	size_t len = strlen(name);
	uint64_t value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, len) == 0 && line[len] == ':') {
			value = strtoull(line + len + 1, NULL, base);
			break;
		}
	fclose(file);
	return value;
}

/* Whether it may install a filter, had we not set no_new_privs for ours. */
static bool may_filter(const struct rn_engine *e, const struct task *task)
{
	return !e->config.no_new_privs || task->own_no_new_privs ||
	       status_value(task->tid, "CapEff", 16) >> CAP_SYS_ADMIN & 1u;
}

/* Whether the kernel would come as far as to ask for privileges: what is wrong is told first. */
static bool is_program(struct rn_engine *e, const struct task *task, uint64_t addr)
{
	uint16_t len = 0;

	return rn_memory_read_one(e, task->tid, addr, &len, sizeof(len)) == sizeof(len) &&
	       len > 0 && len <= BPF_MAXINSNS;
}

static void new_filter(struct rn_engine *e, struct task *task, uint64_t program)
{
	if (may_filter(e, task) || !is_program(e, task, program))
		task->guard = GUARD_FILTER;
	else
		refuse(task, -EACCES);
}

static void new_strict(const struct rn_engine *e, struct task *task)
{
	/* Else it fails as it should. */
	if (!task->own_filter && !e->filter.inherited)
		enter_strict(task);
}

static void seccomp_call(struct rn_engine *e, struct task *task)
{
	uint32_t op = (uint32_t)task->args[0], flags = (uint32_t)task->args[1];

	if (op == SECCOMP_SET_MODE_STRICT && flags == 0 && task->args[2] == 0)
		new_strict(e, task);
	else if (op == SECCOMP_SET_MODE_FILTER)
		new_filter(e, task, task->args[2]);
}

static void prctl_call(struct rn_engine *e, struct task *task)
{
	switch ((int32_t)task->args[0]) {
	case PR_GET_SECCOMP:
		task->guard = GUARD_MODE;
		break;
	case PR_SET_SECCOMP:
		if (task->args[1] == SECCOMP_MODE_STRICT)
			new_strict(e, task);
		else if (task->args[1] == SECCOMP_MODE_FILTER)
			new_filter(e, task, task->args[2]);
		break;
	case PR_SET_NO_NEW_PRIVS:
		task->guard = GUARD_NO_NEW_PRIVS;
		break;
	case PR_GET_NO_NEW_PRIVS:
		task->guard = GUARD_ASKS_PRIVS;
		break;
	default:
		break;
	}
}

/*
 * From memory that not even a tracer can write (a shared mapping of a file that is open for
 * reading only, a sealed one) the call takes a copy, below all that the stack holds.
 */
static bool copy_structure(struct rn_engine *e, const struct task *task, uint64_t flags)
{
	uint8_t copy[STRUCTURE_MAX];
	uint64_t size = task->args[1], at;

	if (size < CLONE_ARGS_SIZE_VER0 || size > sizeof(copy))
		return true; /* the kernel refuses it */
	at = (rn_stack_pointer(task) - RED_ZONE - size) & ~(uint64_t)15;
	if (rn_memory_read_one(e, task->tid, task->args[0], copy, size) < size)
		return false;
	memcpy(copy, &flags, sizeof(flags));
	if (!rn_memory_write(e, task->tid, at, copy, size))
		return false;
	rn_set_argument(task, 0, at);
	return true;
}

static void keep_child(struct rn_engine *e, struct task *task, bool in_memory)
{
	uint64_t flags = task->clone_flags & ~(uint64_t)CLONE_UNTRACED;

	if (!(task->clone_flags & CLONE_UNTRACED))
		return;
	if (!in_memory) {
		rn_set_argument(task, 0, task->args[0] & ~(uint64_t)CLONE_UNTRACED);
		task->guard = GUARD_CLONE;
	} else if (rn_memory_write(e, task->tid, task->args[0], &flags, sizeof(flags))) {
		task->guard = GUARD_CLONE3;
	} else if (copy_structure(e, task, flags)) {
		task->guard = GUARD_CLONE;
	} else {
		/* Else every call of the child that stops would fail. */
		refuse(task, -ENOMEM);
	}
}

void rn_guard_entry(struct rn_engine *e, struct task *task)
{
	task->guard = GUARD_NONE;
	if (task->strict)
		strict_call(e, task);
	else if (is_call(task, GUARDED_SECCOMP))
		seccomp_call(e, task);
	else if (is_call(task, GUARDED_PRCTL))
		prctl_call(e, task);
	else if (is_call(task, GUARDED_CLONE))
		keep_child(e, task, false);
	else if (is_call(task, GUARDED_CLONE3))
		keep_child(e, task, true);
}

/* The structure's flags as they were, unless the program has changed them meanwhile. */
static void restore_structure(struct rn_engine *e, const struct task *task, uint64_t flags)
{
	uint64_t now = 0, changed = flags & ~(uint64_t)CLONE_UNTRACED;

	if (rn_memory_force_read(e, task->tid, task->args[0], &now, sizeof(now)) && now == changed)
		rn_memory_write(e, task->tid, task->args[0], &flags, sizeof(flags));
}

/* States of /proc/PID/stat in which an interruption costs nothing. */
static bool is_running(int tid)
{
	return rn_thread_state(tid) == 'R';
}

static void own_filter(struct task *task, const struct task *maker)
{
	task->own_filter = true;
	task->own_no_new_privs |= maker->own_no_new_privs;
	/* From now on its filter may answer a call before ours is asked. */
	task->stepping = true;
}

/*
 * Threads that had the same filter put on them. One that sleeps in a call is not woken,
 * which some calls would tell the program (epoll_wait): it is heard of at its next stop.
 */
static void others_too(struct rn_engine *e, const struct task *task)
{
	for (unsigned i = 0; i < TASK_BUCKETS; i++)
		for (struct task *other = e->tasks.bucket[i]; other; other = other->next) {
			if (other == task || other->pid != task->pid)
				continue;
			own_filter(other, task);
			if (!other->in_call && other->started && !other->held &&
			    !other->group_stopped && is_running(other->tid))
				rn_ptrace(RN_PTRACE_INTERRUPT, other->tid, 0, 0);
		}
}

static void filter_returned(struct rn_engine *e, struct task *task, int64_t result)
{
	bool is_prctl = is_call(task, GUARDED_PRCTL);
	uint64_t flags = is_prctl ? 0 : task->args[1];
	bool together = flags & SECCOMP_FILTER_FLAG_TSYNC;

	/* The id of a thread that could not be brought along, unless it is a descriptor. */
	if (result < 0 || (together && result > 0 && !(flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)))
		return;
	own_filter(task, task);
	if (together)
		others_too(e, task);
}

static void answer(const struct task *task, int64_t *result, bool *is_error, int64_t value)
{
	rn_set_result(task, value);
	*result = value;
	*is_error = value < 0;
}

void rn_guard_exit(struct rn_engine *e, struct task *task, int64_t *result, bool *is_error)
{
	uint8_t guard = task->guard;

	task->guard = GUARD_NONE;
	switch (guard) {
	case GUARD_CLONE:
		if (rn_arguments_stay(task))
			rn_set_argument(task, 0, task->args[0]);
		break;
	case GUARD_CLONE3:
		restore_structure(e, task, task->clone_flags);
		break;
	case GUARD_STRICT:
		if (rn_arguments_stay(task)) {
			rn_set_argument(task, 0, task->args[0]);
			rn_set_argument(task, 1, task->args[1]);
		}
		answer(task, result, is_error, 0);
		task->strict = task->stepping = true;
		break;
	case GUARD_FILTER:
		filter_returned(e, task, *result);
		break;
	case GUARD_MODE:
		if (!task->own_filter && !e->filter.inherited && *result == SECCOMP_MODE_FILTER)
			answer(task, result, is_error, SECCOMP_MODE_DISABLED);
		break;
	case GUARD_NO_NEW_PRIVS:
		task->own_no_new_privs |= *result == 0;
		break;
	case GUARD_ASKS_PRIVS:
		if (e->config.no_new_privs && !task->own_no_new_privs && *result == 1)
			answer(task, result, is_error, 0);
		break;
	default:
		break;
	}
}

void rn_guard_foreign(struct rn_engine *e, struct task *task)
{
	(void)e;
	/* As without a tracer that listens for it. */
	rn_set_number(task, -1);
	rn_set_result(task, -ENOSYS);
}

void rn_guard_birth(struct rn_engine *e, struct task *child, const struct task *maker)
{
	if (!e->filter.on)
		return;
	child->own_no_new_privs = maker->own_no_new_privs;
	if (maker->own_filter)
		own_filter(child, maker);
	/* It has a copy of the registers, or of the memory, that were changed. */
	if (maker->guard == GUARD_CLONE || maker->guard == GUARD_CLONE3) {
		child->mend = maker->guard;
		child->abi = maker->abi;
		child->clone_flags = maker->clone_flags;
		memcpy(child->args, maker->args, sizeof(child->args));
	}
}

void rn_guard_mend(struct rn_engine *e, struct task *task)
{
	if (task->mend == GUARD_CLONE3)
		restore_structure(e, task, task->clone_flags);
	else if (rn_arguments_stay(task))
		rn_set_argument(task, 0, task->args[0]);
	task->mend = GUARD_NONE;
}

void rn_guard_orphan(struct rn_engine *e, struct task *task)
{
	uint64_t ours =
		1 + (e->filter.inherited ? status_value(getpid(), "Seccomp_filters", 10) : 0);

	if (!e->filter.on)
		return;
	task->own_no_new_privs = e->filter.had_no_new_privs;
	if (status_value(task->tid, "Seccomp_filters", 10) > ours)
		own_filter(task, task);
}
