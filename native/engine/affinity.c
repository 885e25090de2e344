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

/* Until they are measured: the tracer's CPU time for a stop, and the time that passes at a stop
   on two CPUs, over it. Little for the second, so that it is tried, and measured. */
#define STOP_TRACER_NS 4000u
#define STOP_APART_TIMES 2u
#define DWELL_TICKS 2u
/* By how much of the time the other mode must be the better one. */
#define WORTH 8
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
	e->cpu.gain = 0;
	e->cpu.least = 0;
	e->cpu.ticks = 0;
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
	cpu->may_set_others = rn_have_capability(CAP_SYS_NICE);
	cpu->stop_tracer = STOP_TRACER_NS;
	cpu->stop_apart = STOP_APART_TIMES * STOP_TRACER_NS;
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

struct load {
	uint64_t work;   /* CPU time of tracees, ns */
	unsigned active; /* of them, those at work, at most one a CPU */
	unsigned crowd;  /* or all that are outside any call, if these are more */
	uint64_t stops;
};

/* By the clocks and states that this tick has read, see cost.c. */
static struct load look(struct rn_engine *e, uint64_t stops)
{
	struct load load = {0, e->cost.active, 0, stops};

	for (unsigned i = 0; i < TASK_BUCKETS; i++) {
		for (struct task *task = e->tasks.bucket[i]; task; task = task->next) {
			if (!task->started || task->held || task->dead || task->group_stopped ||
			    task->attached)
				continue;
			load.crowd += !task->in_call;
			load.work += task->cpu_told - task->cpu_seen;
			task->cpu_seen = task->cpu_told;
		}
	}
	if (load.active == 0)
		load.active = 1;
	if (load.crowd < load.active)
		load.crowd = load.active;
	return load;
}

/* Half of the calls are shorter: most that wait for nothing but the tracer. */
void rn_cpu_saw_call(struct rn_engine *e, uint64_t ns)
{
	struct cpu_share *cpu = &e->cpu;

	if (cpu->shared)
		return;
	if (ns < cpu->stop_apart)
		cpu->stop_apart -= cpu->stop_apart / 64u;
	else
		cpu->stop_apart += cpu->stop_apart / 64u;
}

void rn_cpu_window(struct rn_engine *e)
{
	e->cpu.window_at = rn_monotonic();
	e->cpu.window_cpu = rn_thread_time();
}

/* What a stop costs in the mode that the window was in; of the other it is known less by and by. */
static void measure(struct cpu_share *cpu, struct load *load)
{
	uint64_t now = rn_monotonic(), used = rn_thread_time(), hoped;
	uint64_t passed = now - cpu->window_at, tracer = used - cpu->window_cpu;

	cpu->window_at = now;
	cpu->window_cpu = used;
	if (!cpu->shared)
		return;
	if (load->stops >= FEW_STOPS)
		cpu->stop_tracer = (cpu->stop_tracer * 7 + tracer / load->stops) / 8;
	hoped = STOP_APART_TIMES * cpu->stop_tracer;
	if (cpu->stop_apart > hoped)
		cpu->stop_apart -= (cpu->stop_apart - hoped) / 256;
	else
		cpu->stop_apart = hoped;
	/* Several wanted the CPU, so it was never idle: those that came and went are in it, too. */
	if (load->active > 1 && passed > tracer && load->work < passed - tracer)
		load->work = passed - tracer;
}

/*
 * What the window's work takes on one CPU and on several: on one, the tracees' own time and
 * the tracer's in a row; on several, their own time in parallel, and of each stop what is not
 * in it, the less the more others compute meanwhile; but never less than all that is computed,
 * over the CPUs, nor than the tracer's own.
 */
static void weigh(struct cpu_share *cpu, const struct load *load)
{
	unsigned cpus = (unsigned)cpu->cpus;
	unsigned parallel = load->active < cpus ? load->active : cpus;
	uint64_t tracer = load->stops * cpu->stop_tracer;
	uint64_t theirs = tracer * RN_TRACEE_SIDE_PM / 1000u, waits = load->stops * cpu->stop_apart;
	uint64_t shared = load->work + tracer, apart;

	waits = waits > theirs ? waits - theirs : 0;
	if (load->crowd > 1)
		waits = waits * 3 / (2 * (uint64_t)load->crowd);
	apart = load->work / parallel + waits;
	if (apart < shared / cpus)
		apart = shared / cpus;
	if (apart < tracer)
		apart = tracer;
	cpu->gain = cpu->gain * 3 / 4 + ((int64_t)shared - (int64_t)apart);
	cpu->least = cpu->least * 3 / 4 + (shared < apart ? shared : apart);
}

static bool other_is_better(const struct cpu_share *cpu)
{
	int64_t worth = (int64_t)(cpu->least / WORTH);

	return cpu->shared ? cpu->gain > worth : -cpu->gain > worth / 4;
}

bool rn_cpu_undecided(const struct rn_engine *e)
{
	return e->cpu.shared && other_is_better(&e->cpu);
}

void rn_cpu_tick(struct rn_engine *e)
{
	struct cpu_share *cpu = &e->cpu;
	uint64_t stops = atomic_load_explicit(&e->counters.stops, memory_order_relaxed);
	uint64_t in_window = stops - cpu->window_stops;
	struct load load;

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
	cpu->window_stops = stops;
	load = look(e, in_window);
	measure(cpu, &load);
	if (e->tasks.count < 2 && cpu->shared)
		return; /* one alone has nothing to gain from a second CPU */
	weigh(cpu, &load);
	if (++cpu->ticks < DWELL_TICKS || !other_is_better(cpu))
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
