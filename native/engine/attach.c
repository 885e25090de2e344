/* SPDX-License-Identifier: MIT */
/*
 * Attaching to processes that run already. Every thread is seized and asked to stop
 * once, so that from then on it stops at its calls. Nothing of an attached process is
 * ever changed, and none is taken along where we die: what tracing leaves in the kernel
 * goes with the tracer thread.
 */
#include <dirent.h>
#include <linux/kcmp.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine_private.h"

/* Where threads are born as fast as we seize them. */
#define PASSES_MAX 10000u
#define FDS_MAX 65536u

struct target {
	int pid;
	struct tables *tables; /* of all targets */
	int err;          /* of the first thread that could not be seized */
	unsigned seized;  /* threads */
	bool leader_is_dead;
	struct task like; /* what all its threads have in common */
};

static long options_of(const struct rn_engine *e)
{
	/* Never EXITKILL: it would take them along. */
	long options = RN_PTRACE_O_TRACESYSGOOD | RN_PTRACE_O_TRACEEXEC;

	if (e->config.follow)
		options |= RN_PTRACE_O_TRACEFORK | RN_PTRACE_O_TRACEVFORK | RN_PTRACE_O_TRACECLONE;
	return options;
}

/* When a process was made, in ns since boot (field 22 of its stat, in ticks), or 0. */
static uint64_t made_at(int pid)
{
	char path[64], text[1024], *at;
	unsigned long long ticks = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!rn_read_text(path, text, sizeof(text)))
		return 0;
	at = strrchr(text, ')'); /* its name may hold anything */
	for (unsigned field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, " %llu", &ticks) != 1)
		return 0;
	return (uint64_t)ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* …as a Unix time. */
static uint64_t creation_time(int pid)
{
	struct timespec real, boot;
	uint64_t made = made_at(pid), now, since;

	if (made == 0 || clock_gettime(CLOCK_BOOTTIME, &boot) < 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &real);
	now = (uint64_t)real.tv_sec * 1000000000u + (uint64_t)real.tv_nsec;
	since = (uint64_t)boot.tv_sec * 1000000000u + (uint64_t)boot.tv_nsec;
	return since > made ? now - (since - made) : now;
}

static bool is_followed(const struct rn_engine *e, const char *path)
{
	for (const char *const *at = e->config.paths; *at; at++)
		if (strcmp(*at, path) == 0)
			return true;
	return false;
}

/* Bit O_CLOEXEC of a descriptor's flags, which stand in octal in its fdinfo. */
static bool closes_at_exec(int pid, const char *fd)
{
	char path[64], line[128];
	unsigned flags = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.20s", pid, fd);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	fclose(file);
	return flags & 02000000; /* O_CLOEXEC, on every architecture of this engine */
}

/* Its descriptors of the paths that are selected. */
static void add_fds(struct rn_engine *e, int pid)
{
	char path[64], to[4096];
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	if (!e->config.paths)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)) && n++ < FDS_MAX) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, to, sizeof(to) - 1);

		if (len <= 0)
			continue;
		to[len] = 0;
		if (is_followed(e, to))
			rn_piece_add(&e->work, RN_PIECE_FD, RN_PIECE_NO_ARG, to, (size_t)len,
				     (uint64_t)strtoul(entry->d_name, NULL, 10),
				     closes_at_exec(pid, entry->d_name) ? RN_PIECE_CLOEXEC : 0);
	}
	closedir(dir);
}

/* Threads whose tables of descriptors differ, as far as kcmp(2) tells, in its order. */
struct tables {
	int *tids;
	unsigned n, cap;
};

/* A thread before this one with the same table, or itself; 0: nobody can tell. */
static int whose_table(struct tables *tables, int tid)
{
	unsigned low = 0, high = tables->n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		long order = syscall(SYS_kcmp, tid, tables->tids[middle], KCMP_FILES, 0, 0);

		if (order == 0)
			return tables->tids[middle];
		if (order < 0 || order > 2)
			return 0;
		if (order == 1)
			high = middle;
		else
			low = middle + 1;
	}
	if (tables->n == tables->cap) {
		unsigned cap = tables->cap ? 2 * tables->cap : 16;
		int *grown = realloc(tables->tids, cap * sizeof(*grown));

		if (!grown)
			return 0;
		tables->tids = grown;
		tables->cap = cap;
	}
	memmove(tables->tids + low + 1, tables->tids + low, (tables->n - low) * sizeof(int));
	tables->tids[low] = tid;
	tables->n++;
	return tid;
}

/* `alive`: a thread of its process that has not ended. */
static void tell_start(struct rn_engine *e, struct tables *tables, const struct task *task,
		       int alive)
{
	int whose = e->config.objects && task->tid == alive ? whose_table(tables, alive) : 0;

	e->now = rn_monotonic();
	rn_record_begin(e, &e->work, RN_PROCESS_START, task);
	e->work.ev.args[0] = task->ordinal;
	e->work.ev.args[4] = RN_BIRTH_ATTACH;
	e->work.ev.result = whose;
	if (task->tid == task->pid) {
		e->work.ev.args[2] = (uint64_t)rn_kin_of(task->pid).ppid;
		e->work.ev.args[5] = creation_time(task->pid);
		rn_add_exe(e, task->pid);
		add_fds(e, task->pid);
	}
	if (task->tid == task->pid || whose == task->tid)
		rn_add_objects(e, task, alive, false);
	rn_emit_work(e, true);
}

/* The first thread has ended, others go on: it cannot be seized, yet the process is it. */
static void tell_dead_leader(struct rn_engine *e, const struct target *target)
{
	struct task leader = target->like;

	leader.tid = target->pid;
	rn_record_begin(e, &e->work, RN_EXIT, &leader);
	e->work.ev.args[0] = leader.ordinal;
	e->work.ev.flags |= RN_FLAG_DETACHED;
	rn_emit_work(e, true);
}

/* Whether it could be seized now, and was not before. */
static bool seize(struct rn_engine *e, struct target *target, int tid)
{
	struct task *task;

	if (rn_task_find(e, tid))
		return false;
	if (rn_ptrace(RN_PTRACE_SEIZE, tid, 0, (uintptr_t)options_of(e)) < 0) {
		/* EPERM of one that a seized thread has made: it is ours already. */
		if (!target->err)
			target->err = errno;
		return false;
	}
	task = rn_task_add(e, tid);
	if (!task)
		return true; /* let go at its first stop */
	if (target->seized++ == 0) {
		target->like.ordinal = ++e->ordinals;
		target->like.span_counter = RN_ID_RUN | target->like.ordinal;
		if (tid != target->pid) {
			struct task leader = target->like;

			leader.tid = target->pid;
			tell_start(e, target->tables, &leader, tid);
			target->leader_is_dead = true;
		}
	}
	rn_task_be_attached(task, &target->like);
	if (target->like.space)
		rn_space_share(task, &target->like);
	else
		rn_space_unseen(e, task);
	target->like.space = task->space;
	task->cpu_told = rn_cpu_time_of(task->pid);
	task->known = true;
	tell_start(e, target->tables, task, tid);
	rn_ptrace(RN_PTRACE_INTERRUPT, tid, 0, 0);
	return true;
}

/* All threads that are not seized yet; how many were. */
static unsigned seize_all(struct rn_engine *e, struct target *target)
{
	struct dirent *entry;
	unsigned more = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", target->pid);
	dir = opendir(path);
	if (!dir) {
		if (!target->err)
			target->err = errno == ENOENT ? ESRCH : errno;
		return 0;
	}
	while ((entry = readdir(dir))) {
		int tid = atoi(entry->d_name);

		if (tid > 0)
			more += seize(e, target, tid);
	}
	closedir(dir);
	return more;
}

static int attach_to(struct rn_engine *e, struct tables *tables, int pid)
{
	struct target target = {.pid = pid, .tables = tables};

	target.like.pid = pid;
	memcpy(target.like.trace_id, e->config.trace_id, 16);
	if (!e->config.follow)
		seize(e, &target, pid);
	else
		/* A thread that is not seized yet may make others meanwhile. */
		for (unsigned pass = 0; pass < PASSES_MAX && seize_all(e, &target); pass++)
			;
	if (target.leader_is_dead)
		tell_dead_leader(e, &target);
	if (target.seized)
		return 0;
	return target.err ? target.err : ESRCH;
}

void rn_task_be_attached(struct task *task, const struct task *like)
{
	task->pid = like->pid;
	task->ordinal = like->ordinal;
	task->span_counter = like->span_counter;
	memcpy(task->trace_id, like->trace_id, 16);
	task->attached = true;
	task->own_mask = true;
}

unsigned rn_engine_attach(struct rn_engine *e, const int32_t *pids, int *errors, unsigned n)
{
	struct tables tables = {.n = 0};
	unsigned attached = 0;

	e->peek = true;
	rn_timer_init(e);
	rn_cost_begin(e);
	for (unsigned i = 0; i < n; i++) {
		errors[i] = attach_to(e, &tables, pids[i]);
		attached += errors[i] == 0;
	}
	free(tables.tids);
	if (attached)
		rn_timer_arm(e);
	else
		rn_timer_end(e);
	return attached;
}
