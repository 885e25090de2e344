/* SPDX-License-Identifier: MIT */
/* Births, execs, deaths, signals and group-stops: all that is not a call. */
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "engine_private.h"

#define HELD_LIMIT_NS 20000000u /* from then on its maker is looked for */

void rn_resume(struct rn_engine *e, struct task *task, int sig)
{
	/* Under the filter a call that is not wanted is not to stop, and one in progress is. */
	long request = e->filter.on && !task->stepping && !task->in_call ? RN_PTRACE_CONT
									 : RN_PTRACE_SYSCALL;

	if (task->mend)
		rn_guard_mend(e, task);
	/* ESRCH: it was killed meanwhile; its death is reported on its own. */
	rn_ptrace(request, task->tid, 0, (uintptr_t)sig);
}

uint64_t rn_clone_flags(struct rn_engine *e, struct task *task)
{
	uint64_t flags = 0;

	if (task->desc->nargs == 0)
		return 0; /* fork, vfork */
	if (task->desc->args[0].kind == RN_ARG_CLONE_ARGS) /* clone3: the first member */
		rn_memory_force_read(e, task->tid, task->args[0], &flags, sizeof(flags));
	else
		flags = task->args[0];
	return flags;
}

static enum rn_birth birth_of(int event)
{
	switch (event) {
	case RN_PTRACE_EVENT_FORK:
		return RN_BIRTH_FORK;
	case RN_PTRACE_EVENT_VFORK:
		return RN_BIRTH_VFORK;
	default:
		return RN_BIRTH_CLONE;
	}
}

static void hold(struct rn_engine *e, struct task *task)
{
	if (!task->held)
		e->tasks.held++;
	task->held = true;
	task->held_since = e->now;
	rn_timer_arm(e);
}

static void unhold(struct rn_engine *e, struct task *task)
{
	if (task->held)
		e->tasks.held--;
	task->held = false;
}

static void emit_start(struct rn_engine *e, struct task *task, const struct task *maker,
		       enum rn_birth birth)
{
	task->known = true;
	if (task->silent)
		return;
	rn_record_begin(e, &e->work, RN_PROCESS_START, task);
	e->work.ev.args[0] = task->ordinal;
	if (maker) {
		e->work.ev.args[1] = (uint64_t)maker->tid;
		e->work.ev.args[2] = (uint64_t)maker->pid;
		e->work.ev.args[3] = maker->clone_flags;
	}
	e->work.ev.args[4] = birth;
	rn_emit_work(e, true);
}

static void start(struct rn_engine *e, struct task *task, const struct task *maker,
		  enum rn_birth birth)
{
	emit_start(e, task, maker, birth);
	if (maker)
		rn_guard_birth(e, task, maker);
	else
		rn_guard_orphan(e, task);
	if (task->dead) {
		unhold(e, task);
		rn_on_death(e, task, task->status);
		return;
	}
	rn_cpu_adopt(e, task, maker);
	if (task->held) {
		unhold(e, task);
		if (task->held_stop)
			rn_stay_stopped(e, task, task->held_stop);
		else
			rn_resume(e, task, 0);
	}
}

static void be_process(struct rn_engine *e, struct task *task, const struct task *maker)
{
	task->pid = task->tid;
	memcpy(task->trace_id, maker ? maker->trace_id : e->config.trace_id, 16);
	task->lamport_sent = maker ? maker->lamport_sent : 0;
	task->depth = maker ? maker->depth + 1 : 0;
	if (task->silent)
		return;
	task->ordinal = ++e->ordinals;
	task->span_counter = RN_ID_RUN | task->ordinal;
	task->attached = maker && maker->attached;
	task->own_mask = task->attached;
}

static void be_thread_of(struct task *task, const struct task *maker)
{
	task->pid = maker->pid;
	task->depth = maker->depth;
	task->ordinal = maker->ordinal;
	task->span_counter = maker->span_counter;
	memcpy(task->trace_id, maker->trace_id, 16);
	task->lamport_sent = maker->lamport_sent;
	task->attached = maker->attached;
	task->own_mask = task->attached;
}

bool rn_is_followed(const struct rn_engine *e, const struct task *maker)
{
	uint64_t flags = maker->clone_flags;

	/* CLONE_UNTRACED is as good as CLONE_PTRACE's word: this one makes it ours. */
	if (!e->config.follow || maker->silent ||
	    (flags & (CLONE_UNTRACED | CLONE_PTRACE)) == CLONE_UNTRACED)
		return false;
	return flags & CLONE_THREAD || maker->depth < e->config.max_depth;
}

/* One that is nothing to us goes its way, at once if it has stopped already. */
static void let_be(struct rn_engine *e, struct task *task)
{
	bool stopped = task->held && !task->dead;

	unhold(e, task);
	if (stopped)
		rn_ptrace(RN_PTRACE_DETACH, task->tid, 0, 0);
	if (stopped || task->dead) {
		rn_task_remove(e, task);
		return;
	}
	task->known = task->silent = task->left = true;
}

void rn_on_birth(struct rn_engine *e, struct task *maker, int event)
{
	unsigned long tid;
	struct task *task;

	if (rn_ptrace(RN_PTRACE_GETEVENTMSG, maker->tid, 0, (uintptr_t)&tid) < 0)
		return;
	maker->told_of_call = maker->t_entry;
	task = rn_task_find(e, (int)tid);
	if (task && task->known)
		return; /* it was given up on and let go before */
	if (!task)
		task = rn_task_add(e, (int)tid);
	if (!task)
		return; /* no memory: let go at its first stop */
	if (!maker->in_call) /* attached to inside the call, whose flags are not known */
		maker->clone_flags =
			rn_kin_of((int)tid).tgid == maker->pid ? (uint64_t)CLONE_THREAD : 0;
	if (!rn_is_followed(e, maker)) {
		if (!e->filter.on) {
			let_be(e, task);
			return;
		}
		task->silent = true;
	}
	/* By the flags: CLONE_VFORK or a signal in them give another event for a thread. */
	if (maker->clone_flags & CLONE_THREAD)
		be_thread_of(task, maker);
	else
		be_process(e, task, maker);
	rn_space_birth(task, maker);
	start(e, task, maker, birth_of(event));
}

void rn_on_unknown_stop(struct rn_engine *e, int tid, int status)
{
	/* Not followed, yet here: its maker asked for it with CLONE_PTRACE. */
	struct task *task = e->config.follow || e->filter.on ? rn_task_add(e, tid) : NULL;

	if (!task) {
		/* Under the filter it runs on unknown: alone it could not run at all. */
		rn_ptrace(e->filter.on ? RN_PTRACE_CONT : RN_PTRACE_DETACH, tid, 0, 0);
		return;
	}
	task->started = true;
	if (status >> 16 == RN_PTRACE_EVENT_STOP && rn_is_stopping(WSTOPSIG(status)))
		task->held_stop = WSTOPSIG(status);
	hold(e, task);
}

struct kin rn_kin_of(int tid)
{
	struct kin kin = {tid, 0};
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	file = fopen(path, "re");
	if (!file)
		return kin;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "PPid: %d", &kin.ppid) == 1)
			break;
		else
			sscanf(line, "Tgid: %d", &kin.tgid);
	fclose(file);
	return kin;
}

/* Whether `maker` is inside a call that may have made this one, and has yet to tell. */
static bool may_tell(const struct task *maker, const struct task *task, const struct kin *kin)
{
	bool inside = maker->in_call && maker->desc->flags & RN_CALL_FORK &&
		      maker->told_of_call != maker->t_entry;

	/* One just attached to may be inside any call. */
	if (!maker->known || (!inside && !(maker->attached && !maker->started)))
		return false;
	return task->dead || maker->pid == kin->ppid || maker->pid == kin->tgid ||
	       maker->clone_flags & CLONE_PARENT;
}

static bool somebody_may_tell(const struct rn_engine *e, const struct task *task,
			      const struct kin *kin)
{
	for (unsigned i = 0; i < TASK_BUCKETS; i++)
		for (const struct task *maker = e->tasks.bucket[i]; maker; maker = maker->next)
			if (may_tell(maker, task, kin))
				return true;
	return false;
}

static void be_orphan(struct rn_engine *e, struct task *task, const struct task *parent)
{
	be_process(e, task, NULL);
	/* Of unknown parents: it may be of attached ones, which are left as they are. */
	task->attached = parent ? parent->attached : e->peek;
	task->own_mask = task->attached;
}

static void adopt_orphan(struct rn_engine *e, struct task *task, const struct kin *kin)
{
	const struct task *leader = kin->tgid == task->tid ? NULL : rn_task_find(e, kin->tgid);
	const struct task *parent = rn_task_find(e, leader ? kin->tgid : kin->ppid);
	bool followed = e->config.follow && (!parent || !parent->silent);

	if (!leader && e->config.max_depth != UINT32_MAX)
		followed = followed && parent && parent->depth < e->config.max_depth;
	if (!followed && !e->filter.on) {
		let_be(e, task);
		return;
	}
	task->silent = !followed;
	if (leader) {
		be_thread_of(task, leader);
		rn_space_share(task, leader);
	} else {
		be_orphan(e, task, parent);
		rn_space_unseen(e, task);
	}
	if (!leader && parent)
		task->depth = parent->depth + 1;
	start(e, task, NULL, RN_BIRTH_UNKNOWN);
}

/*
 * Those whose maker was killed before it could tell of them. A maker that is only
 * late (it waits for a CPU like a thousand others) is waited for.
 */
void rn_release_held(struct rn_engine *e)
{
	for (unsigned i = 0; i < TASK_BUCKETS && e->tasks.held; i++) {
		struct task *next;

		for (struct task *task = e->tasks.bucket[i]; task; task = next) {
			struct kin kin;

			next = task->next;
			if (!task->held || e->now - task->held_since <= HELD_LIMIT_NS)
				continue;
			kin = rn_kin_of(task->tid);
			if (somebody_may_tell(e, task, &kin))
				continue;
			if (task->dead) {
				/* It never ran; its id may come again. */
				unhold(e, task);
				rn_task_remove(e, task);
			} else {
				adopt_orphan(e, task, &kin);
			}
		}
	}
}

void rn_add_exe(struct rn_engine *e, int pid)
{
	char path[64], exe[4096];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	len = readlink(path, exe, sizeof(exe));
	if (len > 0)
		rn_piece_add(&e->work, RN_PIECE_EXE, RN_PIECE_NO_ARG, exe, (size_t)len,
			     (uint64_t)len, 0);
}

void rn_on_exec(struct rn_engine *e, int tid)
{
	unsigned long former = (unsigned long)tid;
	struct task *task, *leader;
	struct found_context found;

	rn_ptrace(RN_PTRACE_GETEVENTMSG, tid, 0, (uintptr_t)&former);
	rn_emit_flush_pending(e);
	task = rn_task_find(e, (int)former);
	if ((int)former != tid && task) {
		/* The thread takes over its leader's id; the leader is gone without a word. */
		leader = rn_task_find(e, tid);
		if (leader) {
			rn_emit_forget(e, leader);
			rn_cpu_forget(e, leader);
			rn_task_remove(e, leader);
		}
		rn_task_rename(e, task, tid);
	}
	if (!task)
		task = rn_task_find(e, tid);
	if (!task)
		return;
	e->command_execed |= tid == e->command_pid;
	rn_rights_at_exec(e, tid);
	if (task->silent)
		return;
	rn_space_exec(e, task);
	rn_context_at_exec(e, task, &found);
	rn_record_begin(e, &e->work, RN_EXEC, task);
	e->work.ev.abi = task->abi;
	e->work.ev.args[0] = task->ordinal;
	e->work.ev.args[1] = former;
	e->work.ev.args[2] = found.kind;
	e->work.ev.args[3] = found.lamport_found;
	e->work.ev.args[4] = found.lamport_sent;
	rn_add_exe(e, tid);
	if (found.kind == RN_CONTEXT_FOREIGN)
		rn_piece_add(&e->work, RN_PIECE_CONTEXT, RN_PIECE_NO_ARG, found.parent,
			     strlen(found.parent), strlen(found.parent), 0);
	rn_emit_work(e, true);
}

void rn_on_command_end(struct rn_engine *e, int status)
{
	e->command_gone = true;
	e->command_status = status;
	/* Nobody signals it from now on: the id may be another's. */
	atomic_store(&e->counters.command_pid, -1);
	atomic_store(&e->counters.at_rest, 0);
}

void rn_on_death(struct rn_engine *e, struct task *task, int status)
{
	if (!task->known) {
		/* Its maker may yet tell of it. */
		if (!task->held)
			e->tasks.held++;
		task->held = true;
		task->held_since = e->now;
		task->dead = true;
		task->status = status;
		return;
	}
	rn_emit_forget(e, task);
	rn_cpu_forget(e, task);
	if (!task->hidden && !task->silent) {
		rn_record_begin(e, &e->work, RN_EXIT, task);
		e->work.ev.args[0] = task->ordinal;
		e->work.ev.args[1] = (uint64_t)(uint32_t)status;
		/* A leader's death is reported only when all its threads are gone. */
		e->work.ev.args[2] = task->tid == task->pid;
		e->work.ev.result = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
		rn_emit_work(e, true);
	}
	if (task->tid == e->command_pid)
		rn_on_command_end(e, status);
	rn_task_remove(e, task);
}

void rn_on_signal(struct rn_engine *e, struct task *task, int sig)
{
	siginfo_t info;

	if (task->hidden || task->silent ||
	    rn_ptrace(RN_PTRACE_GETSIGINFO, task->tid, 0, (uintptr_t)&info) < 0)
		return;
	if (task->pid == e->command_pid && sig < 65 && info.si_pid != getpid())
		atomic_store(&e->counters.signalled[sig], e->now);
	rn_record_begin(e, &e->work, RN_SIGNAL, task);
	e->work.ev.nr = sig;
	e->work.ev.args[0] = (uint64_t)(int64_t)info.si_code;
	if (info.si_code > 0 &&
	    (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGTRAP)) {
		e->work.ev.args[3] = (uint64_t)(uintptr_t)info.si_addr;
	} else {
		e->work.ev.args[1] = (uint64_t)(int64_t)info.si_pid;
		e->work.ev.args[2] = info.si_uid;
		if (sig == SIGCHLD)
			e->work.ev.args[4] = (uint64_t)(int64_t)info.si_status;
		else
			e->work.ev.args[3] = (uint64_t)(uintptr_t)info.si_value.sival_ptr;
	}
	if (!e->config.no_capture)
		rn_piece_add(&e->work, RN_PIECE_STRUCT, RN_PIECE_NO_ARG, &info, sizeof(info),
			     sizeof(info), 0);
	rn_peak_add(e, task, &e->work);
	rn_emit_work(e, false);
}

/* Tells others whether the command, and whether everything, is stopped. */
static void count_the_stopped(struct rn_engine *e)
{
	const struct task *command = rn_task_find(e, e->command_pid);
	unsigned stopped = 0;
	int at_rest = 0;

	for (unsigned i = 0; i < TASK_BUCKETS; i++)
		for (const struct task *task = e->tasks.bucket[i]; task; task = task->next)
			stopped += task->group_stopped || task->held;
	if (command && command->group_stopped)
		at_rest = stopped == e->tasks.count ? 2 : 1;
	atomic_store(&e->counters.at_rest, at_rest);
}

void rn_on_group_stop(struct rn_engine *e, struct task *task, int sig)
{
	task->group_stopped = sig != 0;
	count_the_stopped(e);
	if (task->hidden || task->silent || !task->known)
		return;
	rn_record_begin(e, &e->work, RN_GROUP_STOP, task);
	e->work.ev.nr = sig;
	rn_emit_work(e, false);
}

bool rn_is_stopping(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

void rn_stay_stopped(struct rn_engine *e, struct task *task, int sig)
{
	rn_on_group_stop(e, task, sig);
	/* It stays stopped, and hears SIGCONT. */
	rn_ptrace(RN_PTRACE_LISTEN, task->tid, 0, 0);
}
