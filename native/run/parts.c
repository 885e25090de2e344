/* SPDX-License-Identifier: MIT */
/* What a run is made of, by its side: ring, engine, interpreter. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "run_private.h"

/* Spans have times, parents and links; text, tables and counts have none. */
static bool tells_of_causes(const rn_config *config)
{
	return config->outputs & (RN_OUT_OTLP | RN_OUT_JSON);
}

bool rn_run_make_engine(rn_run *run)
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

bool rn_run_make_interpreter(rn_run *run)
{
	const rn_config *config = &run->config;
	struct rn_observer observers[5];
	unsigned n = rn_sinks_observers(run, observers);
	struct rn_interpreter_config interpreter = {
		.no_edges = config->disable & RN_NO_EDGES || !tells_of_causes(config),
		.trace_flags = config->trace_flags,
		.parent_span_id = config->parent_span_id,
		.parent_is_remote = config->parent_is_remote != 0,
		.key = {config->id_key[0], config->id_key[1]},
		.lamport_seed = config->lamport_seed,
		.resumed = config->resumed != 0,
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
	if (config->resumed)
		interpreter.lamport_resumed = atomic_load(&run->ring_read.control->taken.lamport);
	run->interpreter = rn_interpreter_create(&interpreter, observers, n);
	if (run->interpreter)
		rn_sinks_follow(run);
	return run->interpreter != NULL;
}

/* Where both ends are ours nothing is at risk without seals (an old kernel, a sandbox). */
int rn_run_make_ring(rn_run *run)
{
	const rn_config *config = &run->config;
	int made = RN_RING_NOT_SEALED;

	if (config->side == RN_SIDE_CONSUMER)
		return rn_ring_attach(&run->ring_read, config->ring_fd);
	if (config->side == RN_SIDE_PRODUCER)
		return rn_ring_create(&run->ring, config->ring_bytes);
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
