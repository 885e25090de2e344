/* SPDX-License-Identifier: MIT */
/*
 * What tracing added to the command's time, estimated from what costs little to know.
 *
 * On one CPU the command waits for all that the tracer does, and for its own part of a
 * stop: CPU time of the tracer, times a factor that was measured. What could have run
 * on several CPUs meanwhile waits, too: how much that is is sampled at ticks.
 *
 * Apart, a stop costs two wake-ups that no CPU clock shows. There, the time in which
 * the command was at work is counted in ticks, and what its own work takes is taken
 * off: its CPU time without its part of the stops, by as many as ran at once.
 *
 * How near this comes: docs/benchmarks.md.
 */
#include <string.h>
#include <sys/resource.h>

#include "engine_private.h"

/* A stop's share on the tracee's side, per mille of the tracer's CPU time, while they are apart;
   on one CPU it is RN_TRACEE_SIDE_PM. */
#define TRACEE_SIDE_APART 800u
/* States and clocks read a tick, at most. */
#define LOOKS_MAX 8u
#define CLOCKS_MAX 64u

/* CPU time of the tracees that have ended and were waited for. */
static uint64_t children_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return rn_ns_of(&usage.ru_utime) + rn_ns_of(&usage.ru_stime);
}

/* Whether a thread waits for something: neither runs nor would if it could. */
static bool sleeps(int tid)
{
	return strchr("SDZXI", rn_thread_state(tid)); /* gone: 0, which is in it, too */
}

/* Seen to wait, and in the same call still: it has used no time since. */
static bool waits_still(const struct task *task)
{
	return task->in_call && task->asleep_since == task->t_entry;
}

/* How many tracees run, would run, or are stopped for us; at most as many as there are CPUs. */
static unsigned active(struct rn_engine *e)
{
	unsigned n = 0, looks = 0, most = (unsigned)e->cost.cpus;

	for (unsigned i = 0; i < TASK_BUCKETS && n < most; i++) {
		for (struct task *task = e->tasks.bucket[i]; task && n < most; task = task->next) {
			if (!task->started || task->held || task->dead || task->group_stopped)
				continue;
			if (waits_still(task))
				continue;
			if (task->in_call && (looks++ >= LOOKS_MAX || sleeps(task->tid)))
				task->asleep_since = task->t_entry;
			else
				n++;
		}
	}
	return n;
}

struct work {
	uint64_t sum, most; /* CPU time since the last tick, ns: of all, of one process */
	bool threads;       /* one process may do several things at once */
};

/* CPU time of a process, its threads together: its CPUCLOCK_SCHED clock, clock_getcpuclockid(3) */
uint64_t rn_cpu_time_of(int pid)
{
	struct timespec ts;

	if (clock_gettime((clockid_t)(((unsigned)~pid << 3) | 2u), &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Reads the clocks of those that may have run: a tick must stay cheap with a thousand processes. */
static struct work work_since_last(struct rn_engine *e)
{
	struct work work = {0, 0, false};
	bool threads = e->cost.threads; /* which may run while their leader waits */
	unsigned clocks = 0;

	for (unsigned i = 0; i < TASK_BUCKETS; i++) {
		for (struct task *task = e->tasks.bucket[i]; task; task = task->next) {
			uint64_t used, now;

			work.threads |= task->tid != task->pid;
			if (task->tid != task->pid || task->dead ||
			    (!threads && waits_still(task)) || clocks++ >= CLOCKS_MAX)
				continue;
			now = rn_cpu_time_of(task->pid);
			used = now > task->cpu_told ? now - task->cpu_told : 0;
			task->cpu_told += used;
			work.sum += used;
			if (used > work.most)
				work.most = used;
		}
	}
	e->cost.threads = work.threads;
	return work;
}

void rn_cost_begin(struct rn_engine *e)
{
	cpu_set_t mask;

	if (e->cost.since)
		return;
	e->cost.cpus = sched_getaffinity(0, sizeof(mask), &mask) == 0 ? CPU_COUNT(&mask) : 1;
	e->cost.children = children_ns();
	e->cost.since = rn_monotonic();
	e->cost.cpu = rn_thread_time();
}

/* The time since the last change of mode goes to that mode. */
void rn_cost_mode(struct rn_engine *e, bool shared)
{
	struct cost *cost = &e->cost;
	struct cost_mode *mode = &cost->mode[cost->shared];
	uint64_t cpu = rn_thread_time(), now = rn_monotonic();

	mode->wall += now - cost->since;
	mode->cpu += cpu - cost->cpu;
	cost->since = now;
	cost->cpu = cpu;
	cost->shared = shared;
}

void rn_cost_tick(struct rn_engine *e)
{
	struct cost_mode *mode = &e->cost.mode[e->cpu.shared];
	struct work work = work_since_last(e);
	unsigned n = e->cpu.shared && e->tasks.count < 2 ? 1 : active(e);
	uint64_t least;

	e->cost.active = n;
	mode->work += work.sum;
	if (n == 0)
		return;
	/* As many as n would have taken this long, but no process less than its own time. */
	least = work.sum / n;
	if (!work.threads && least < work.most)
		least = work.most;
	mode->ticks++;
	mode->parallel += least < work.sum ? least : work.sum;
}

/* Of the tracees' own CPU time, what was used in a mode; and how long it takes untraced. */
static uint64_t untraced(const struct cost *cost, const struct cost_mode *mode, uint64_t own,
			 uint64_t *used)
{
	double all = (double)(cost->mode[0].work + cost->mode[1].work);

	*used = all > 0 ? (uint64_t)((double)own * ((double)mode->work / all)) : 0;
	if (mode->work == 0)
		return *used;
	return (uint64_t)((double)*used * ((double)mode->parallel / (double)mode->work));
}

static uint64_t less(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

void rn_cost_end(struct rn_engine *e)
{
	struct cost *cost = &e->cost;
	const struct cost_mode *shared = &cost->mode[true], *apart = &cost->mode[false];
	uint64_t ours_shared, ours_apart, own, used, alone, busy, added;

	rn_cost_mode(e, cost->shared);
	ours_shared = shared->cpu * RN_TRACEE_SIDE_PM / 1000u;
	ours_apart = apart->cpu * TRACEE_SIDE_APART / 1000u;
	own = children_ns() - cost->children;
	if (own < shared->work + apart->work)
		own = shared->work + apart->work; /* attached ones are not our children */
	own = less(own, ours_shared + ours_apart);
	alone = untraced(cost, shared, own, &used);
	added = shared->cpu + ours_shared + less(used, alone);
	alone = untraced(cost, apart, own, &used);
	busy = apart->ticks * RN_TICK_NS;
	if (busy > apart->wall)
		busy = apart->wall;
	added += less(busy, alone) > apart->cpu ? less(busy, alone) : apart->cpu;
	atomic_store_explicit(&e->counters.added_ns, added, memory_order_relaxed);
}
