/* SPDX-License-Identifier: MIT */
/* The wait loop: what each stop is, and who deals with it. */
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "engine_private.h"
#include "unwind.h"

#define BATCH 64

/* Stops at signals, of those that stay first until they are resumed, before we look at others. */
#define PEEKS_IN_A_ROW 16u

struct happened {
	int tid, status;
	uint64_t at;
	uint64_t stime;
};

static void on_event_stop(struct rn_engine *e, struct task *task, int sig)
{
	task->started = true;
	if (rn_is_stopping(sig)) {
		rn_stay_stopped(e, task, sig);
		return;
	}
	if (task->group_stopped)
		rn_on_group_stop(e, task, 0);
	rn_resume(e, task, 0);
}

static void on_stop(struct rn_engine *e, struct task *task, int status)
{
	int sig = WSTOPSIG(status);
	int event = status >> 16;

	switch (event) {
	case 0:
		if (sig == (SIGTRAP | 0x80)) {
			rn_on_syscall_stop(e, task);
			rn_resume(e, task, 0);
		} else {
			rn_on_signal(e, task, sig);
			rn_resume(e, task, sig);
		}
		return;
	case RN_PTRACE_EVENT_SECCOMP:
		rn_on_seccomp_stop(e, task);
		break;
	case RN_PTRACE_EVENT_STOP:
		on_event_stop(e, task, sig);
		return;
	case RN_PTRACE_EVENT_FORK:
	case RN_PTRACE_EVENT_VFORK:
	case RN_PTRACE_EVENT_CLONE:
		rn_on_birth(e, task, event);
		break;
	default:
		break;
	}
	rn_resume(e, task, 0);
}

static void handle(struct rn_engine *e, const struct happened *h)
{
	struct task *task = rn_task_find(e, h->tid);

	e->now = h->at;
	e->stime = h->stime;
	if (h->tid == 0)
		return;
	if (WIFSTOPPED(h->status) && e->leaving) {
		rn_leave_at_stop(e, h->tid, h->status);
	} else if (WIFSTOPPED(h->status)) {
		atomic_fetch_add_explicit(&e->counters.stops, 1, memory_order_relaxed);
		if (h->status >> 16 == RN_PTRACE_EVENT_EXEC) {
			/* Its id may have changed with it. */
			rn_on_exec(e, h->tid);
			task = rn_task_find(e, h->tid);
			if (task)
				rn_resume(e, task, 0);
		} else if (task && task->left) {
			rn_ptrace(RN_PTRACE_DETACH, h->tid, 0, 0);
			rn_task_remove(e, task);
		} else if (!task || !task->known) {
			if (!task)
				rn_on_unknown_stop(e, h->tid, h->status);
		} else {
			on_stop(e, task, h->status);
		}
	} else if (!task && e->leaving) {
		/* The command is our child still. */
		if (h->tid == e->command_pid)
			rn_on_command_end(e, h->status);
	} else if (WIFEXITED(h->status) || WIFSIGNALED(h->status)) {
		if (!task)
			task = rn_task_add(e, h->tid);
		if (task)
			rn_on_death(e, task, h->status);
	}
}

static void tick(struct rn_engine *e)
{
	uint64_t stops = atomic_load_explicit(&e->counters.stops, memory_order_relaxed);
	bool idle = stops == e->ticked_stops;

	e->now = rn_monotonic();
	e->ticked_stops = stops;
	rn_cost_tick(e);
	rn_cpu_tick(e);
	rn_emit_tell(e);
	if (e->tasks.held)
		rn_release_held(e);
	if (!idle)
		return;
	/* Nothing came for a whole tick: what is held back blocks, so tell of it. */
	rn_emit_flush_pending(e);
	if (!e->tasks.held && !rn_cpu_undecided(e))
		rn_timer_disarm(e);
}

/* Stops of a leader whose id an exec has since given to another thread: it is gone. */
static void forget_former(struct happened *batch, unsigned at)
{
	for (unsigned i = 0; i < at; i++)
		if (batch[i].tid == batch[at].tid)
			batch[i].tid = 0;
}

/* What the last of `n` stops comes with, which was just taken. */
static void add_stop(const struct rn_engine *e, struct happened *batch, unsigned n)
{
	struct happened *h = &batch[n - 1];

	h->at = rn_monotonic();
	h->stime = rn_ns_of(&e->usage.ru_stime);
	if (h->status >> 16 == RN_PTRACE_EVENT_EXEC)
		forget_former(batch, n - 1);
}

/*
 * The stops of all others, where one thread's signals come so fast that its stops are
 * all that a look finds.
 */
static unsigned look_at_others(struct rn_engine *e, struct happened *batch, unsigned n)
{
	int first = batch[0].tid;

	for (unsigned i = 0; i < TASK_BUCKETS; i++)
		for (struct task *task = e->tasks.bucket[i]; task && n < BATCH; task = task->next) {
			struct happened *h = &batch[n];
			bool stays;

			if (task->tid == first || task->dead || task->held)
				continue;
			h->tid = rn_wait_for(e, task->tid, &h->status, &stays);
			if (h->tid > 0)
				add_stop(e, batch, ++n);
		}
	return n;
}

/*
 * How many of the stops that wait are taken before one is dealt with. The kernel gives that
 * of the youngest first, so that a thread could starve behind younger ones that stop often: now
 * and then all are taken. Not always, since one at a time leaves that order as it is: the youngest
 * run to their end, few live at once, and the list of tracees, which each wait goes
 * through, is short. In between every tracee could have stopped twice: to the eldest of n that
 * all want to run that leaves no less than a third of its share.
 */
static unsigned most_at_once(struct rn_engine *e)
{
	if (e->tasks.count < 2)
		return 1;
	if (++e->since_sweep < 2 * e->tasks.count)
		return 1;
	e->since_sweep = 0;
	return BATCH;
}

void rn_loop_step(struct rn_engine *e, bool *none_left)
{
	struct happened batch[BATCH];
	unsigned n = 0, most = most_at_once(e);
	int flags = 0;
	bool stays = false, look_only = !e->have_timer && e->tasks.held;

	*none_left = false;
	if (look_only)
		flags |= WNOHANG;
	if (atomic_load_explicit(&e->let_go, memory_order_relaxed) && !e->filter.on)
		rn_leave(e);
	if (e->leaving && rn_has_left(e)) {
		*none_left = true;
		return;
	}
	if (atomic_load_explicit(&e->signals, memory_order_relaxed))
		rn_send_signals(e);
	do {
		struct happened *h = &batch[n];

		h->tid = rn_wait_any(e, &h->status, flags, &stays);
		if (h->tid <= 0)
			break;
		add_stop(e, batch, ++n);
		flags |= WNOHANG;
	} while (n < most && !stays);
	e->peeked = stays && n == 1 ? e->peeked + 1 : 0;
	if (e->peeked > PEEKS_IN_A_ROW) {
		e->peeked = 0;
		n = look_at_others(e, batch, n);
	}
	if (n == 0 && batch[0].tid < 0 && errno == ECHILD) {
		*none_left = true;
		return;
	}
	if (n == 0 && look_only)
		rn_timer_pass_one();
	for (unsigned i = 0; i < n; i++)
		handle(e, &batch[i]);
	if (n)
		rn_timer_arm(e);
	if (!e->have_timer)
		rn_emit_flush_pending(e); /* nothing would tell of a call that blocks */
	if (rn_timer_take_tick())
		tick(e);
}

int rn_engine_run(struct rn_engine *e)
{
	bool none_left = false;

	while (!none_left)
		rn_loop_step(e, &none_left);
	rn_cpu_end(e);
	rn_cost_end(e);
	rn_timer_end(e);
	atomic_store_explicit(&e->counters.cpu_ns, rn_thread_time(), memory_order_relaxed);
	rn_states_end(e);
	rn_emit_end(e);
	return e->command_status;
}

struct rn_engine *rn_engine_create(const struct rn_engine_config *config)
{
	struct rn_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->config = *config;
	e->lamport_base = config->lamport_seed;
	e->ordinals = RN_ORDINAL_COMMAND; /* whether there is one or not */
	e->use_syscall_info = !(config->disable & RN_ENGINE_NO_SYSCALL_INFO);
	rn_identity_init(e);
	rn_content_init(e);
	e->use_vm_readv = !(config->disable & RN_ENGINE_NO_VM_READV);
	e->may_trace_all = rn_have_capability(CAP_SYS_PTRACE);
	if (config->application)
		e->files = rn_files_create();
	if (config->states) {
		e->states = rn_states_create(config->states);
		if (!e->states) {
			rn_engine_destroy(e);
			return NULL;
		}
	}
	if (config->source)
		e->unwinder = rn_unwinder_create();
	return e;
}

void rn_engine_destroy(struct rn_engine *e)
{
	if (!e)
		return;
	rn_tasks_free(e);
	free(e->files);
	free(e->unwinder);
	rn_states_free(e->states);
	free(e);
}

const struct rn_engine_counters *rn_engine_counters(const struct rn_engine *e)
{
	return &e->counters;
}
