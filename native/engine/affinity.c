/* SPDX-License-Identifier: MIT */
/*
 * Tracer and tracees on one CPU: a stop then costs a switch, not a wake-up on
 * another CPU (9 to 11 µs against 22 to 190 µs). Decided from the stop rate and
 * from how many tracees want to compute at once, and decided again while running.
 *
 * The tracee does not see it: a tracee that asks for or sets a mask or a
 * scheduling class, enters a cpuset, or has a child that we do not follow, has its
 * own mask back for the length of that call.
 */
#include <linux/capability.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "engine_private.h"

/* What a stop costs besides the tracee's own time, on one CPU and on two: measured, see
   docs/benchmarks.md; on two it is the low end. */
#define STOP_SHARED_NS 5000u
#define STOP_APART_NS 25000u
#define DWELL_TICKS 2u
/* In a tick: at most a hundredth of its time goes with them, wherever the tracer is. */
#define FEW_STOPS 4u

static void set_mask(int tid, const cpu_set_t *mask)
{
	sched_setaffinity(tid, sizeof(*mask), mask); /* ESRCH: gone; EPERM: stays as it is */
}

static void pin(struct rn_engine *e, struct task *task)
{
	cpu_set_t mask;

	if (task->own_mask || task->dead)
		return;
	CPU_ZERO(&mask);
	CPU_SET(e->cpu.cpu, &mask);
	task->pinned = sched_setaffinity(task->tid, sizeof(mask), &mask) == 0;
}

static void unpin(struct rn_engine *e, struct task *task)
{
	if (task->pinned)
		set_mask(task->tid, &e->cpu.undo);
	task->pinned = false;
}

static void for_all(struct rn_engine *e, void (*act)(struct rn_engine *, struct task *))
{
	for (unsigned i = 0; i < TASK_BUCKETS; i++)
		for (struct task *task = e->tasks.bucket[i]; task; task = task->next)
			act(e, task);
}

static void count_switch(struct rn_engine *e)
{
	atomic_fetch_add_explicit(&e->counters.cpu_switches, 1, memory_order_relaxed);
	atomic_store_explicit(&e->counters.shared, e->cpu.shared, memory_order_relaxed);
	e->cpu.parallel_ticks = 0;
	rn_cost_mode(e, e->cpu.shared);
}

static void pin_unless_in_call(struct rn_engine *e, struct task *task)
{
	if (!task->lent)
		pin(e, task);
}

static void share(struct rn_engine *e)
{
	cpu_set_t mask;
	int cpu = sched_getcpu();

	if (cpu < 0)
		return;
	e->cpu.cpu = cpu;
	CPU_ZERO(&mask);
	CPU_SET(cpu, &mask);
	set_mask(0, &mask);
	e->cpu.shared = true;
	for_all(e, pin_unless_in_call);
	count_switch(e);
}

static void part(struct rn_engine *e)
{
	e->cpu.shared = false;
	set_mask(0, &e->cpu.undo);
	for_all(e, unpin);
	count_switch(e);
}

static bool have_sys_nice(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[0].effective >> CAP_SYS_NICE & 1u;
}

void rn_cpu_init(struct rn_engine *e)
{
	struct cpu_share *cpu = &e->cpu;
	cpu_set_t all, widest;

	if (sched_getaffinity(0, sizeof(cpu->tracer), &cpu->tracer) < 0)
		return;
	/* Nobody chose our mask if it is all that can be had: then undoing writes all ones. */
	memset(&all, 0xff, sizeof(all));
	cpu->undo = cpu->tracer;
	if (sched_setaffinity(0, sizeof(all), &all) == 0 &&
	    sched_getaffinity(0, sizeof(widest), &widest) == 0) {
		if (CPU_EQUAL(&widest, &cpu->tracer))
			cpu->undo = all;
		else
			set_mask(0, &cpu->tracer);
	}
	cpu->cpus = CPU_COUNT(&cpu->tracer);
	cpu->may_set_others = have_sys_nice();
	/* Without ticks nothing would be decided again. */
	cpu->possible = cpu->cpus > 1 && e->config.cpu != RN_CPU_POLICY_FREE &&
			(e->have_timer || e->config.cpu == RN_CPU_POLICY_SHARE) &&
			sched_getscheduler(0) == SCHED_OTHER;
	if (cpu->possible)
		share(e);
}

void rn_cpu_adopt(struct rn_engine *e, struct task *task, const struct task *maker)
{
	if (!e->cpu.possible)
		return;
	if (maker) {
		task->own_mask = maker->own_mask;
		task->pinned = maker->pinned;
	}
	if (task->own_mask)
		return;
	if (e->cpu.shared) {
		if (!task->pinned)
			pin(e, task);
	} else {
		/* It may have been born in the moment before its maker was let go. */
		task->pinned = true;
		unpin(e, task);
	}
}

#define NAMESPACES 33u /* as deep as the kernel lets them nest */

/* A thread's ids in our PID namespace and in those within, down to its own. */
static unsigned ids_of(int tid, int ids[NAMESPACES])
{
	char path[64], line[512];
	unsigned n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		char *at = line + 6, *end;

		if (strncmp(line, "NSpid:", 6) != 0)
			continue;
		for (; n < NAMESPACES; n++, at = end) {
			ids[n] = (int)strtol(at, &end, 10);
			if (end == at)
				break;
		}
		break;
	}
	if (file)
		fclose(file);
	return n;
}

/* The thread that `caller` means by an id. Two namespaces as deep may know the same id: to
   lend a mask to the wrong one for one call does no harm, so the first that is found is taken
   unless it cannot be. */
static struct task *known_as(struct rn_engine *e, const struct task *caller, int id)
{
	int ids[NAMESPACES];
	unsigned depth = ids_of(caller->tid, ids);
	struct stat own, other;
	char path[64];

	if (depth < 2)
		return rn_task_find(e, id);
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", caller->tid);
	if (stat(path, &own) < 0)
		return NULL;
	for (unsigned i = 0; i < TASK_BUCKETS; i++) {
		for (struct task *task = e->tasks.bucket[i]; task; task = task->next) {
			unsigned n = ids_of(task->tid, ids);

			if (n < depth || ids[depth - 1] != id)
				continue;
			snprintf(path, sizeof(path), "/proc/%d/ns/pid", task->tid);
			if (n > depth || (stat(path, &other) == 0 && other.st_ino == own.st_ino))
				return task;
		}
	}
	return NULL;
}

static struct task *target_of(struct rn_engine *e, struct task *task)
{
	bool names_one = task->desc->nargs > 0 && task->desc->args[0].kind == RN_ARG_PID;

	if (!(task->desc->flags & RN_CALL_AFFINITY) || !names_one || (int32_t)task->args[0] == 0)
		return task;
	return known_as(e, task, (int32_t)task->args[0]);
}

void rn_cpu_before_call(struct rn_engine *e, struct task *task)
{
	struct task *target;

	if (!e->cpu.possible)
		return;
	/* What stays ours shares our CPU, and is looked after. */
	if (task->desc->flags & RN_CALL_FORK && (e->filter.on || rn_is_followed(e, task)))
		return;
	if (task->desc->flags & RN_CALL_EXEC && e->cpu.may_set_others)
		return;
	target = target_of(e, task);
	if (!target || target->own_mask)
		return;
	unpin(e, target);
	target->lent++;
	task->repin = true;
	task->repin_target = target->tid;
}

/* Whether the call left the target with a mask or a class of its own. */
static bool chose_for_itself(const struct rn_engine *e, const struct task *task)
{
	cpu_set_t mask, own;
	int class = sched_getscheduler(task->tid) & ~SCHED_RESET_ON_FORK;

	if (class != SCHED_OTHER && class != SCHED_BATCH && class != SCHED_IDLE)
		return true;
	if (sched_getaffinity(task->tid, sizeof(mask), &mask) < 0)
		return true;
	own = e->cpu.tracer;
	return !CPU_EQUAL(&mask, &own);
}

void rn_cpu_after_call(struct rn_engine *e, struct task *task)
{
	struct task *target = rn_task_find(e, task->repin_target);

	task->repin = false;
	if (!target || !target->lent)
		return; /* gone, or another by that id */
	target->lent--;
	if (task->desc->flags & RN_CALL_AFFINITY && chose_for_itself(e, target))
		target->own_mask = true;
	if (e->cpu.shared && !target->lent)
		pin(e, target);
}

void rn_cpu_forget(struct rn_engine *e, struct task *task)
{
	if (task->repin && task->repin_target != task->tid)
		rn_cpu_after_call(e, task);
	task->repin = false;
}

struct demand {
	unsigned want;   /* tracees outside any call: they would compute if they had a CPU each */
	uint64_t cpu_ns; /* that tracees used since the last look */
};

/* By the clocks that this tick has read, see cost.c. */
static struct demand look(struct rn_engine *e)
{
	struct demand demand = {0, 0};

	for (unsigned i = 0; i < TASK_BUCKETS; i++) {
		for (struct task *task = e->tasks.bucket[i]; task; task = task->next) {
			if (!task->started || task->held || task->dead || task->group_stopped ||
			    task->attached)
				continue;
			demand.want += !task->in_call;
			demand.cpu_ns += task->cpu_told - task->cpu_seen;
			task->cpu_seen = task->cpu_told;
		}
	}
	return demand;
}

/*
 * What the window's work takes on one CPU and on several: on one, the tracees' own
 * time and the tracer's in a row; on several, their own time in parallel, but each
 * stop a wake-up on another CPU.
 */
static bool better_apart(const struct cpu_share *cpu, const struct demand *demand, uint64_t stops)
{
	unsigned parallel = demand->want < (unsigned)cpu->cpus ? demand->want : (unsigned)cpu->cpus;
	uint64_t shared = demand->cpu_ns + stops * STOP_SHARED_NS;
	uint64_t apart;

	if (parallel < 2)
		return false;
	apart = demand->cpu_ns / parallel + stops * STOP_APART_NS;
	return apart + apart / 8 < shared;
}

void rn_cpu_tick(struct rn_engine *e)
{
	struct cpu_share *cpu = &e->cpu;
	uint64_t stops = atomic_load_explicit(&e->counters.stops, memory_order_relaxed);
	uint64_t in_window = stops - cpu->window_stops;
	struct demand demand;

	if (!cpu->possible || e->config.cpu != RN_CPU_POLICY_AUTO)
		return;
	if (e->filter.on) {
		cpu->window_stops = stops;
		/* The next stop may be far: who computes then must have all CPUs. */
		if (cpu->shared && in_window == 0)
			part(e);
		if (!cpu->shared && in_window < FEW_STOPS)
			return;
	}
	if (e->tasks.count < 2 && cpu->shared)
		return; /* one alone has nothing to gain from a second CPU */
	cpu->window_stops = stops;
	demand = look(e);
	if (better_apart(cpu, &demand, in_window) != cpu->shared) {
		cpu->parallel_ticks = 0;
		return;
	}
	if (++cpu->parallel_ticks < DWELL_TICKS)
		return;
	if (cpu->shared)
		part(e);
	else
		share(e);
}

void rn_cpu_filtered(struct rn_engine *e)
{
	if (e->filter.on && e->cpu.shared && e->config.cpu == RN_CPU_POLICY_AUTO)
		part(e);
}

void rn_cpu_end(struct rn_engine *e)
{
	if (e->cpu.possible)
		part(e);
}
