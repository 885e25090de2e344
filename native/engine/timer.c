/* SPDX-License-Identifier: MIT */
/*
 * A clock tick for the tracer thread, by a signal that interrupts its wait: so that
 * a call that blocks is told of, and CPUs are shared out anew, though no stop
 * comes. It runs only while there is something to decide.
 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine_private.h"

#define TICK_SIGNAL (SIGRTMAX - 2)

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile sig_atomic_t ticked; /* one tracer thread in a process */

/* It interrupts wait4(), too, but only where that waits. */
static void on_tick(int sig)
{
	(void)sig;
	ticked = 1;
}

bool rn_timer_take_tick(void)
{
	bool result = ticked;

	ticked = 0;
	return result;
}

void rn_timer_init(struct rn_engine *e)
{
	struct sigaction action, before;
	struct sigevent event;
	sigset_t set;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_tick;
	sigaction(TICK_SIGNAL, &action, &before);
	e->tick_signal = TICK_SIGNAL;
	e->tick_ignored = before.sa_handler == SIG_IGN;
	sigemptyset(&set);
	sigaddset(&set, TICK_SIGNAL);
	/*
	 * Every stop of a tracee sends us SIGCHLD. Where the tracer blocks it, it is
	 * queued and wakes another thread for nothing, at each stop; where it is neither
	 * blocked nor wanted, the kernel drops it at once.
	 */
	sigaddset(&set, SIGCHLD);
	if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
		action.sa_flags |= SA_NOCLDSTOP;
		sigaction(SIGCHLD, &action, NULL);
	}
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = TICK_SIGNAL;
	event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
	atomic_store(&e->tracer_tid, event.sigev_notify_thread_id);
	e->have_timer = timer_create(CLOCK_MONOTONIC, &event, &e->timer) == 0;
}

static void set(struct rn_engine *e, long ns)
{
	struct itimerspec spec = {
		.it_interval = {0, ns},
		.it_value = {0, ns},
	};

	timer_settime(e->timer, 0, &spec, NULL);
	e->timer_on = ns != 0;
}

/* Gets the tracer thread out of its wait. */
static void wake(struct rn_engine *e)
{
	int tid = atomic_load(&e->tracer_tid);

	if (tid)
		syscall(SYS_tgkill, getpid(), tid, TICK_SIGNAL);
}

void rn_engine_let_go(struct rn_engine *e)
{
	atomic_store(&e->let_go, true);
	wake(e);
}

void rn_engine_signal_all(struct rn_engine *e, int sig)
{
	if (sig > 0 && sig < 64)
		atomic_fetch_or(&e->signals, 1ull << sig);
	wake(e);
}

void rn_timer_arm(struct rn_engine *e)
{
	if (!e->have_timer || e->timer_on)
		return;
	set(e, RN_TICK_NS);
	rn_cpu_window(e);
}

void rn_timer_disarm(struct rn_engine *e)
{
	if (e->timer_on)
		set(e, 0);
}

void rn_timer_pass_one(void)
{
	const struct timespec tick = {0, RN_TICK_NS};

	nanosleep(&tick, NULL);
	ticked = 1;
}

void rn_timer_end(struct rn_engine *e)
{
	atomic_store(&e->tracer_tid, 0);
	if (e->have_timer)
		timer_delete(e->timer);
	e->have_timer = false;
	e->timer_on = false;
}
