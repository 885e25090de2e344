/* SPDX-License-Identifier: MIT */
/* The life of a run; see api.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "symbols/sites.h"

#include "run_private.h"

uint64_t rn_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void explain(rn_failure *fail, int code, int err, const char *what)
{
	fail->code = code;
	fail->err = err;
	snprintf(fail->what, sizeof(fail->what), "%s", what);
}

static bool produces(const rn_run *run)
{
	return run->config.side != RN_SIDE_CONSUMER;
}

static bool consumes(const rn_run *run)
{
	return run->config.side != RN_SIDE_PRODUCER;
}

static void explain_ring(rn_failure *fail, const rn_config *config, int made, int err)
{
	if (made == RN_RING_NOT_SEALED)
		explain(fail, RN_FAIL_RING, err, "the ring is not sealed");
	else if (made == RN_RING_BAD_HEADER)
		explain(fail, RN_FAIL_RING, err, "it is no ring");
	else
		explain(fail, config->side == RN_SIDE_CONSUMER ? RN_FAIL_RING : RN_FAIL_MEMORY, err,
			config->side == RN_SIDE_CONSUMER ? "mmap" : "memfd_create");
}

rn_run *rn_run_new(const rn_config *config, rn_failure *fail)
{
	rn_run *run = calloc(1, sizeof(*run));
	int err, made;

	memset(fail, 0, sizeof(*fail));
	if (!run) {
		explain(fail, RN_FAIL_MEMORY, ENOMEM, "malloc");
		return NULL;
	}
	run->ring.fd = run->ring_read.fd = -1;
	pthread_mutex_init(&run->lock, NULL);
	pthread_mutex_init(&run->held.lock, NULL);
	/* A wait must not last longer because somebody sets the clock. */
	rn_cond_init(&run->changed);
	run->t_start = config->t_start ? config->t_start : rn_now();
	if (!rn_run_copy_config(run, config))
		goto no_memory;
	run->trace = (struct rn_trace){
		.realtime_anchor = config->realtime_anchor,
		.monotonic_anchor = config->monotonic_anchor,
		.string_limit = config->string_limit,
		.limits = config->limits ? &run->limits : NULL,
		.payload = config->payload != 0,
	};
	if (config->redact) {
		struct rn_rules_error error;

		run->rules = rn_rules_create(config->redact_defaults != 0, config->redact_patterns,
					     config->redact_keys, &error);
		if (!run->rules)
			goto no_memory;
	}
	/* Records keep places, whoever reads them looks for names. */
	if (consumes(run) && config->source &&
	    config->outputs & ~(uint32_t)(RN_OUT_RECORD | RN_OUT_SUMMARY)) {
		run->sites = rn_sites_create();
		if (!run->sites)
			goto no_memory;
		run->trace.site = rn_sites_hook;
		run->trace.site_ctx = run->sites;
	}
	if (consumes(run) && rn_sinks_init(run) < 0)
		goto no_memory;
	made = rn_run_make_ring(run);
	if (made < 0) {
		err = made == RN_RING_SYSTEM ? errno : EINVAL;
		rn_run_free(run);
		explain_ring(fail, config, made, err);
		return NULL;
	}
	rn_held_begin(run);
	/* Made here: a consumer without it could take nothing, and tell nobody. */
	if (consumes(run) && (!(run->chunk = malloc(RN_CHUNK)) || !rn_run_make_interpreter(run)))
		goto no_memory;
	if (produces(run) && !rn_run_make_engine(run))
		goto no_memory;
	return run;
no_memory:
	rn_run_free(run);
	explain(fail, RN_FAIL_MEMORY, ENOMEM, "malloc");
	return NULL;
}

static struct rn_launch_result begin_tracing(rn_run *run)
{
	uint32_t n = run->config.attach_count;
	struct rn_launch_result result = {RN_LAUNCH_OK, 0, ""};

	if (n && rn_engine_attach(run->engine, run->attach, run->attach_errors, n) == 0)
		return (struct rn_launch_result){RN_LAUNCH_ATTACH, run->attach_errors[0],
						 "PTRACE_SEIZE"};
	if (run->argv[0])
		result = rn_engine_launch(run->engine);
	return result;
}

static void *tracer_main(void *arg)
{
	rn_run *run = arg;
	struct rn_launch_result launch = {RN_LAUNCH_OK, 0, ""};

	if (!run->synthetic && !run->config.fed)
		launch = begin_tracing(run);
	pthread_mutex_lock(&run->lock);
	run->launch = launch;
	run->launched = true;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
	if (run->config.fed)
		rn_fed_wait(run);
	else if (run->synthetic)
		rn_synthetic(run);
	else if (launch.error == RN_LAUNCH_OK)
		run->wait_status = rn_engine_run(run->engine);
	if (!consumes(run) && launch.error == RN_LAUNCH_OK)
		rn_run_done(run, &(struct rn_totals){.wall_ns = rn_now() - run->t_start});
	return NULL;
}

static int failure_code(enum rn_launch_error error)
{
	switch (error) {
	case RN_LAUNCH_OK:
		return RN_FAIL_NONE;
	case RN_LAUNCH_NOT_FOUND:
		return RN_FAIL_NOT_FOUND;
	case RN_LAUNCH_NOT_EXECUTABLE:
		return RN_FAIL_NOT_EXECUTABLE;
	case RN_LAUNCH_PTRACE:
		return RN_FAIL_PTRACE;
	case RN_LAUNCH_MEMORY:
		return RN_FAIL_MEMORY;
	case RN_LAUNCH_ABANDONED:
		return RN_FAIL_ABANDONED;
	case RN_LAUNCH_ATTACH:
		return RN_FAIL_ATTACH;
	case RN_LAUNCH_FILTER:
		return RN_FAIL_FILTER;
	case RN_LAUNCH_SYSTEM:
		break;
	}
	return RN_FAIL_SYSTEM;
}

/* Threads of ours take no signals: those are for Python's main thread. */
static int start_thread(pthread_t *thread, void *(*main)(void *), rn_run *run)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(thread, NULL, main, run);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

/* Lets the consumer begin; or, of a launch that failed, tell nothing but the failure. */
static void tell_consumer(rn_run *run, enum consumer_state state)
{
	pthread_mutex_lock(&run->lock);
	run->consumer_state = state;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
}

static struct rn_launch_result wait_for_launch(rn_run *run)
{
	struct rn_launch_result launch;

	pthread_mutex_lock(&run->lock);
	while (!run->launched)
		pthread_cond_wait(&run->changed, &run->lock);
	launch = run->launch;
	pthread_mutex_unlock(&run->lock);
	return launch;
}

int rn_run_start(rn_run *run, rn_failure *fail)
{
	struct rn_launch_result launch;
	int err;

	memset(fail, 0, sizeof(*fail));
	/* Both threads before the command: without one of them it is not started at all. */
	if (consumes(run)) {
		err = start_thread(&run->consumer, rn_consumer_main, run);
		if (err)
			goto no_thread;
		run->consumer_running = true;
	}
	if (!produces(run)) {
		tell_consumer(run, CONSUMER_RUNS);
		return 0;
	}
	err = start_thread(&run->tracer, tracer_main, run);
	if (err) {
		tell_consumer(run, CONSUMER_STOPS);
		goto no_thread;
	}
	run->tracer_running = true;
	launch = wait_for_launch(run);
	if (launch.error != RN_LAUNCH_OK) {
		/* The consumer joins the tracer only where it has run. */
		tell_consumer(run, CONSUMER_STOPS);
		explain(fail, failure_code(launch.error), launch.err, launch.what);
		return -1;
	}
	tell_consumer(run, CONSUMER_RUNS);
	return 0;
no_thread:
	explain(fail, RN_FAIL_SYSTEM, err, "no thread can be started");
	return -1;
}

int rn_run_start_synthetic(rn_run *run, uint64_t calls, uint64_t rate, rn_failure *fail)
{
	run->synthetic = calls ? calls : 1;
	run->synthetic_rate = rate;
	return rn_run_start(run, fail);
}

int rn_run_attached(const rn_run *run, uint32_t i)
{
	return i < run->config.attach_count ? run->attach_errors[i] : EINVAL;
}

int rn_run_wait(rn_run *run, int timeout_ms, rn_result *result)
{
	struct timespec until = rn_deadline(timeout_ms);
	int done;

	pthread_mutex_lock(&run->lock);
	while (!run->done)
		if (timeout_ms <= 0 ||
		    pthread_cond_timedwait(&run->changed, &run->lock, &until) == ETIMEDOUT)
			break;
	done = run->done;
	pthread_mutex_unlock(&run->lock);
	result->ended = done;
	result->wait_status = done ? run->wait_status : 0;
	return done;
}

/* A signal to our whole group reaches us and the command: this close together, it is one. */
#define SAME_NS 250000000u

int rn_run_signal(rn_run *run, int sig, uint64_t since)
{
	int pid = atomic_load(&rn_engine_counters(run->engine)->command_pid);
	siginfo_t info = {.si_pid = 0};

	if (pid <= 0)
		return pid < 0 ? -ESRCH : -EAGAIN;
	/* What the tracer thread, if it is kept from running, has not heard of yet. */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) == 0 &&
	    info.si_pid == pid) {
		/* It would take the signal. */
		if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
			return -ESRCH;
		if (sig && info.si_status == sig)
			return 0;
	}
	if (sig > 0 && sig < 65 &&
	    atomic_load(&rn_engine_counters(run->engine)->signalled[sig]) + SAME_NS > since)
		return 0;
	return kill(pid, sig) < 0 ? -errno : 0;
}

int rn_run_let_go(rn_run *run)
{
	rn_engine_let_go(run->engine);
	return atomic_load(&rn_engine_counters(run->engine)->let_go);
}

int rn_run_is_filtered(rn_run *run)
{
	return rn_engine_is_filtered(run->engine);
}

void rn_run_signal_all(rn_run *run, int sig)
{
	rn_engine_signal_all(run->engine, sig);
}

int rn_run_command(const rn_run *run)
{
	return atomic_load(&rn_engine_counters(run->engine)->command_pid);
}

int rn_run_at_rest(rn_run *run)
{
	return atomic_load(&rn_engine_counters(run->engine)->at_rest);
}

int rn_run_traced(const rn_run *run)
{
	return rn_ring_closed(rn_run_own_ring(run));
}

void rn_run_give_up(rn_run *run)
{
	atomic_store(&run->given_up, true);
}

const rn_counted *rn_run_summary(rn_run *run)
{
	bool done;

	pthread_mutex_lock(&run->lock);
	done = run->done;
	pthread_mutex_unlock(&run->lock);
	return done ? run->counted : NULL;
}

void rn_run_free(rn_run *run)
{
	if (!run)
		return;
	if (run->config.fed)
		rn_run_feed_end(run, 0, 0, 0);
	if (run->consumer_running) {
		/* Nobody takes any more. It joins the tracer itself. */
		if (!produces(run))
			rn_run_leave(run);
		rn_sinks_end(run);
		rn_run_judge(run, 0);
		pthread_join(run->consumer, NULL);
	}
	if (run->tracer_running)
		pthread_join(run->tracer, NULL);
	rn_interpreter_destroy(run->interpreter);
	rn_engine_destroy(run->engine);
	if (consumes(run))
		rn_sinks_deinit(run);
	rn_sites_destroy(run->sites);
	rn_rules_destroy(run->rules);
	rn_ring_deinit(&run->ring_read);
	rn_ring_deinit(&run->ring);
	pthread_cond_destroy(&run->changed);
	pthread_mutex_destroy(&run->lock);
	pthread_mutex_destroy(&run->held.lock);
	free(run->chunk);
	rn_run_free_config(run);
	free(run);
}
