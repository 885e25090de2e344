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

/* Spans have times, parents and links; text, tables and counts have none. */
static bool tells_of_causes(const rn_config *config)
{
	return config->outputs & (RN_OUT_OTLP | RN_OUT_JSON);
}

static bool make_engine(rn_run *run)
{
	const rn_config *config = &run->config;
	/* Records may yet be read for it. */
	const bool tells_causes = tells_of_causes(config) || config->outputs & RN_OUT_RECORD;
	struct rn_engine_config engine = {
		.argv = run->argv,
		.envp = run->envp,
		.change_user = config->change_user != 0,
		.uid = config->uid,
		.gid = config->gid,
		.groups = run->groups,
		.group_count = config->group_count,
		.adopt_pid = config->adopt_pid,
		.adopt_fd = config->adopt_fd,
		.follow = config->follow != 0,
		.max_depth = config->max_depth,
		.filter = (enum rn_filter_mode)config->filter,
		.no_new_privs = config->no_new_privs != 0,
		.cpu = (enum rn_cpu_policy)config->cpu,
		.drop_on_full = config->on_full == RN_ON_FULL_DROP,
		.block_limit_ns = config->block_limit_ns,
		.string_limit = config->string_limit,
		.verbose = config->text_flags & RN_TEXT_VERBOSE,
		.describe_fds = config->describe_fds,
		.hashes = config->hashes != 0,
		.states = (enum rn_states)config->states,
		.peaks = config->peaks != 0,
		.source = config->source != 0,
		.propagate = config->propagate != 0,
		.lamport_seed = config->lamport_seed,
		.application = tells_causes && !(config->disable & RN_NO_APPLICATION),
		.objects = tells_causes,
		.key = {config->id_key[0], config->id_key[1]},
		.wanted = run->recorded,
		.paths = (const char *const *)run->paths,
		.ring = &run->ring,
	};

	if (config->outputs & RN_OUT_SUMMARY) {
		engine.cpu_times = !config->summary_wall;
		if (config->summary_by == RN_BY_PATH)
			engine.describe_fds |= RN_FDS_PATH;
		if (config->summary_by == RN_BY_PEER)
			engine.describe_fds |= RN_FDS_SOCKET;
		/* Numbers and results are all that is counted. */
		engine.no_capture = config->outputs == RN_OUT_SUMMARY && !config->paths &&
				    config->summary_by != RN_BY_PATH &&
				    config->summary_by != RN_BY_PEER;
	}
	if (config->disable & RN_NO_GET_SYSCALL_INFO)
		engine.disable |= RN_ENGINE_NO_SYSCALL_INFO;
	if (config->disable & RN_NO_PROCESS_VM_READV)
		engine.disable |= RN_ENGINE_NO_VM_READV;
	if (config->disable & RN_NO_SECCOMP)
		engine.filter = RN_FILTER_OFF;
	memcpy(engine.trace_id, config->trace_id, 16);
	/* What the caller of the whole program had blocked, the command has blocked. */
	pthread_sigmask(SIG_SETMASK, NULL, &engine.mask);
	run->engine = rn_engine_create(&engine);
	return run->engine != NULL;
}

static bool make_interpreter(rn_run *run)
{
	const rn_config *config = &run->config;
	struct rn_observer observers[4];
	unsigned n = rn_sinks_observers(run, observers);
	struct rn_interpreter_config interpreter = {
		.no_edges = config->disable & RN_NO_EDGES || !tells_of_causes(config),
		.trace_flags = config->trace_flags,
		.parent_span_id = config->parent_span_id,
		.parent_is_remote = config->parent_is_remote != 0,
		.key = {config->id_key[0], config->id_key[1]},
		.lamport_seed = config->lamport_seed,
		.tracestate = run->tracestate,
		.t_start = run->t_start,
		.engine = config->fed ? "python" : "ptrace",
		.command = run->argv[0] ? run->argv[0] : "",
		.options = run->options,
		.selection =
			{
				.hidden_signals = config->hidden_signals,
				.hidden_statuses = config->hidden_statuses,
				.paths = (const char *const *)run->paths,
				.fds = run->path_fds,
				.n_fds = run->paths ? config->path_fd_count : 0,
				.wanted = run->wanted,
			},
	};

	memcpy(interpreter.trace_id, config->trace_id, 16);
	run->interpreter = rn_interpreter_create(&interpreter, observers, n);
	if (run->interpreter)
		rn_sinks_follow(run);
	return run->interpreter != NULL;
}

/* Both ends are ours: without seals (an old kernel, a sandbox) nothing is at risk. */
static int make_ring(rn_run *run)
{
	const rn_config *config = &run->config;
	int made = RN_RING_NOT_SEALED;

	if (!(config->disable & RN_NO_SEALING)) {
		made = rn_ring_create(&run->ring, config->ring_bytes);
		if (made == RN_RING_OK)
			return rn_ring_attach(&run->ring_read, run->ring.fd);
	}
	/* EINVAL: MFD_ALLOW_SEALING is not known. */
	if (made != RN_RING_NOT_SEALED && errno != EINVAL)
		return made;
	made = rn_ring_create_unsealed(&run->ring, config->ring_bytes);
	if (made == RN_RING_OK)
		made = rn_ring_attach_unsealed(&run->ring_read, run->ring.fd);
	return made;
}

rn_run *rn_run_new(const rn_config *config, rn_failure *fail)
{
	rn_run *run = calloc(1, sizeof(*run));
	int err;

	memset(fail, 0, sizeof(*fail));
	if (!run) {
		explain(fail, RN_FAIL_MEMORY, ENOMEM, "malloc");
		return NULL;
	}
	run->ring.fd = run->ring_read.fd = -1;
	pthread_mutex_init(&run->lock, NULL);
	/* A wait must not last longer because somebody sets the clock. */
	rn_cond_init(&run->changed);
	run->t_start = rn_now();
	if (!rn_run_copy_config(run, config))
		goto no_memory;
	run->trace = (struct rn_trace){
		.realtime_anchor = config->realtime_anchor,
		.monotonic_anchor = config->monotonic_anchor,
		.string_limit = config->string_limit,
		.limits = config->limits ? &run->limits : NULL,
	};
	/* Records keep places, whoever reads them looks for names. */
	if (config->source && config->outputs & ~(uint32_t)(RN_OUT_RECORD | RN_OUT_SUMMARY)) {
		run->sites = rn_sites_create();
		if (!run->sites)
			goto no_memory;
		run->trace.site = rn_sites_hook;
		run->trace.site_ctx = run->sites;
	}
	if (rn_sinks_init(run) < 0)
		goto no_memory;
	if (make_ring(run) < 0) {
		err = errno;
		rn_run_free(run);
		explain(fail, RN_FAIL_MEMORY, err, "memfd_create");
		return NULL;
	}
	/* Made here: a consumer without it could take nothing, and tell nobody. */
	run->chunk = malloc(RN_CHUNK);
	if (!run->chunk || !make_engine(run) || !make_interpreter(run))
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
	err = start_thread(&run->consumer, rn_consumer_main, run);
	if (err)
		goto no_thread;
	run->consumer_running = true;
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

int rn_run_start_synthetic(rn_run *run, uint64_t calls, rn_failure *fail)
{
	run->synthetic = calls ? calls : 1;
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
		if (pthread_cond_timedwait(&run->changed, &run->lock, &until) == ETIMEDOUT)
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
	return rn_ring_closed(&run->ring);
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

void rn_run_stats(rn_run *run, rn_stats *stats)
{
	const struct rn_engine_counters *counters = rn_engine_counters(run->engine);
	const struct rn_totals *totals;

	pthread_mutex_lock(&run->lock);
	totals = &run->totals;
	*stats = (rn_stats){
		.events = totals->events,
		.calls = totals->calls,
		.errors = totals->errors,
		.signals = totals->signals,
		.processes = totals->processes,
		.threads = totals->threads,
		.unfinished = totals->unfinished,
		.spans = totals->spans,
		.wall_ns = totals->wall_ns,
		.added_ns = totals->added_ns,
		.filtered = totals->filtered,
	};
	if (!run->done) {
		stats->calls = atomic_load(&counters->calls);
		stats->wall_ns = rn_now() - run->t_start;
	}
	stats->lost_calls = atomic_load(&counters->lost_calls) + totals->missed_calls;
	stats->lost_events = atomic_load(&counters->lost_events) + totals->missed_events;
	pthread_mutex_unlock(&run->lock);
	stats->dropped_spans = rn_blocks_dropped(&run->otlp.queue) + run->otlp.lost;
	stats->text_lost = atomic_load(&run->consumed.text_lost);
	stats->corrupt = atomic_load(&run->consumed.corrupt);
	stats->text_errno = atomic_load(&run->consumed.text_errno);
	stats->tracer_ns = atomic_load(&counters->cpu_ns);
	stats->stops = atomic_load(&counters->stops);
	stats->ring_peak = atomic_load(&run->consumed.ring_peak);
	if (run->config.fed) {
		stats->stops = atomic_load(&run->fed_stops);
		stats->tracer_ns = atomic_load(&run->fed_ns);
	}
	stats->seccomp = atomic_load(&counters->filter);
	stats->cpu_shared = atomic_load(&counters->shared);
}

void rn_run_free(rn_run *run)
{
	if (!run)
		return;
	if (run->config.fed)
		rn_run_feed_end(run, 0, 0, 0);
	if (run->consumer_running) {
		/* Nobody takes any more. It joins the tracer itself. */
		rn_sinks_end(run);
		pthread_join(run->consumer, NULL);
	}
	if (run->tracer_running)
		pthread_join(run->tracer, NULL);
	rn_interpreter_destroy(run->interpreter);
	rn_engine_destroy(run->engine);
	rn_sinks_deinit(run);
	rn_sites_destroy(run->sites);
	rn_ring_deinit(&run->ring_read);
	rn_ring_deinit(&run->ring);
	pthread_cond_destroy(&run->changed);
	pthread_mutex_destroy(&run->lock);
	free(run->chunk);
	rn_run_free_config(run);
	free(run);
}
