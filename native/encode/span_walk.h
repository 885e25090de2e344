/* SPDX-License-Identifier: MIT */
/*
 * Which attributes a span has: the one place that knows. Included once by each back
 * end (otlp.c, json.c) after it defined `struct writer` and the operations
 *
 *   span_open span_close attrs_close list_open list_close
 *   event_open event_close link_open link_close
 *   attr_int attr_true attr_seconds attr_text attr_bytes
 *   array_open array_item array_more array_close
 *   scratch      room for text that is then handed to attr_text(), or NULL
 *
 * so that both yield the same content and each is compiled as straight code.
 *
 * Attributes. "escaped" is rn_utf8_escape(); process.*, file.* and error.type are
 * OpenTelemetry's semantic conventions, the rest has no standard and is ours.
 *
 * Every span
 *   renacer.lamport.start  int     Lamport time of its first event
 *   renacer.lamport.end    int     and of its last
 *   error.type             string  what failed (below); absent on success
 *   renacer.unfinished     true    it had not ended when the trace ended; else absent
 *   renacer.truncated      true    a string is cut; else absent
 *
 * Call, named by the call
 *   syscall.name           string  "openat"; "syscall_<number>" where unknown
 *   syscall.number         int     in the table of the call's ABI
 *   syscall.tid            int     thread that made it
 *   syscall.result         int     -errno on failure; absent while unfinished
 *   syscall.args.<name>    by the kind of the argument, <name> is the kernel's:
 *       numbers, raw         int; hex string "0x…" above 2^63 - 1
 *       flags, constants     string, where their names are known (native/tables/sets.tsv):
 *                            "O_RDONLY|O_CLOEXEC", what has no name in hex; else as numbers
 *       structures, lists    string, as strace writes them: what is captured of them;
 *                            "{st_mode=S_IFREG|0644, st_size=5, ...}"; of buffers of lists
 *                            and messages the address alone; at most 1 KiB, then "…"
 *       addresses, buffers   hex string; what is there does not leave the process
 *       paths, strings       escaped; hex string where it could not be read
 *       argv                 list of escaped strings, "…" at the end of a cut one
 *       envp                 int: how many; never what is in it
 *       signals              string "SIGINT"
 *       nothing              absent: the mode of an open() that makes no file
 *   network.peer.address, network.peer.port, network.type, network.transport
 *                          the other end, of a call that is given or fills in its address:
 *                          "192.0.2.1" with port and "ipv4" or "ipv6"; the name of a Unix
 *                          socket, escaped, with "unix" (a transport of the others is not
 *                          told by the address)
 *   network.local.address, network.local.port   the same of bind and getsockname
 *                          of other calls on a socket: where its ends were asked for (-yy),
 *                          with "tcp" or "udp"
 *   file.path              string  the first path among the arguments, as given; without one
 *                          that of the call's first descriptor, where it was asked for (-y)
 *   error.type             string  "ENOENT", or the number
 *   code.file.path, code.line.number, code.function.name   string, int, string: where in the
 *                          source it was made, if that was asked for and is known (--source)
 *   renacer.source.by      string  how that was found out: direct, cfi; none, lost, abi: not at all
 *   renacer.source.module, .offset   string, int: the file that the code is from, and where in it
 *   renacer.restarted      true    continues a call that a signal interrupted; else absent
 *   Links: renacer.edge    string  "process": its process, of a call under the application's span
 *   Status is ERROR if the call failed in no routine way (rn_errno_is_routine()).
 *
 * Process, named by its executable
 *   process.pid, process.parent_pid                     int
 *   process.executable.name, process.executable.path    string, escaped; absent if unknown
 *   process.creation.time  string  ISO 8601, UTC, ns
 *   process.exit.code      int     if it exited
 *   renacer.process.signal string  "SIGKILL", if a signal ended it
 *   error.type             string  the signal, or the exit code if not 0; status is ERROR
 *   renacer.context        string  none absent ours foreign unreadable unsampled invalid:
 *                                  what its last exec found in TRACEPARENT
 *   renacer.calls, renacer.errors                       int
 *   renacer.lamport.sent   int     that its last exec wrote into TRACESTATE; absent if it did not
 *   renacer.application.service.name, .namespace, .version, .instance.id
 *                          string  as it publishes them of itself; else absent
 *   renacer.superseded     true    an exec moved it into another trace; else absent
 *   Links: renacer.edge    string  why the two belong together
 *
 * Run, the root
 *   renacer.engine, renacer.command, renacer.options    string
 *   process.exit.code | renacer.process.signal, error.type   of the command, if it has ended
 *   renacer.events .calls .errors .signals .processes .threads .unfinished_calls
 *   renacer.lost_calls .lost_events .stops              int
 *   renacer.filtered_calls, if there are any            int
 *   renacer.seccomp        true    if calls were filtered in the kernel
 *   renacer.attached_processes, if there are any        int
 *   renacer.tracer.cpu_time, .added_time                double, seconds
 *   Event renacer.lost, if events were lost: renacer.lost.reason "ring_full",
 *   renacer.lost_events, renacer.lost_calls
 */
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "../decode/decode.h"
#include "attributes.h"

static const char *walk_or_empty(const char *text)
{
	return text ? text : "";
}

/* Counts and clocks are unsigned 64-bit, attribute integers signed. */
RN_INLINE int64_t walk_count(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

/* A tracestate goes out as it is or not at all: to cut or to escape one makes another. */
static const char *walk_tracestate(const char *text)
{
	size_t i;

	if (!text)
		return "";
	for (i = 0; text[i]; i++)
		if (text[i] < 0x20 || text[i] > 0x7e || i == RN_TRACESTATE_MAX)
			return "";
	return text;
}

#include "span_fds.h"

RN_INLINE void walk_lamport(struct writer *w, uint64_t start, uint64_t end)
{
	attr_int(w, RN_KEY("renacer.lamport.start"), walk_count(start));
	attr_int(w, RN_KEY("renacer.lamport.end"), walk_count(end));
}

static void walk_signal(struct writer *w, const char *key, size_t key_len, int sig)
{
	char text[RN_NUMBER_MAX];

	attr_text(w, key, key_len, text, (size_t)(rn_write_signal(text, sig) - text));
}

static void walk_hex(struct writer *w, const char *key, size_t key_len, uint64_t value)
{
	char text[RN_NUMBER_MAX];
	const char *end = value ? rn_write_hex(text, value) : rn_write_text(text, "0x0");

	attr_text(w, key, key_len, text, (size_t)(end - text));
}

static void walk_decimal_text(struct writer *w, const char *key, size_t key_len, uint64_t value)
{
	char text[RN_NUMBER_MAX];

	attr_text(w, key, key_len, text, (size_t)(rn_write_u64(text, value) - text));
}

RN_INLINE void walk_unsigned(struct writer *w, const char *key, size_t key_len, uint64_t value)
{
	if (value > INT64_MAX)
		walk_hex(w, key, key_len, value);
	else
		attr_int(w, key, key_len, (int64_t)value);
}

#include "span_args.h"

static void walk_file_path(struct writer *w, const struct rn_call *call)
{
	const struct rn_event *ev;
	const struct rn_piece *piece;
	unsigned arg;

	for (arg = 0; arg < call->desc->nargs && arg < 6; arg++) {
		if (call->desc->args[arg].kind != RN_ARG_PATH)
			continue;
		piece = walk_piece(call, arg, RN_PIECE_PATH, RN_PIECE_STRING);
		if (piece)
			attr_bytes(w, RN_KEY("file.path"), rn_piece_data(piece), piece->len);
		return;
	}
	piece = walk_link(call, &ev);
	if (piece && piece->len && rn_piece_data(piece)[0] == '/')
		attr_bytes(w, RN_KEY("file.path"), rn_piece_data(piece), piece->len);
}

static void walk_peer(struct writer *w, const struct rn_call *call)
{
	struct rn_fd_detail detail;
	struct rn_peer peer;

	if (!rn_call_peer(call, &peer)) {
		if (walk_detail(call, &detail))
			walk_socket(w, &detail);
		return;
	}
	if (peer.local)
		attr_bytes(w, RN_KEY("network.local.address"), peer.data, peer.len);
	else
		attr_bytes(w, RN_KEY("network.peer.address"), peer.data, peer.len);
	if (peer.port < 0) {
		attr_text(w, RN_KEY("network.transport"), "unix", 4);
		return;
	}
	if (peer.local)
		attr_int(w, RN_KEY("network.local.port"), peer.port);
	else
		attr_int(w, RN_KEY("network.peer.port"), peer.port);
	attr_text(w, RN_KEY("network.type"), peer.family == 2 ? "ipv4" : "ipv6", 4);
}

static void walk_errno(struct writer *w, uint64_t err)
{
	const char *name = err <= INT32_MAX ? rn_errno_name((int)err) : NULL;

	if (name)
		attr_text(w, RN_KEY("error.type"), name, strlen(name));
	else
		walk_decimal_text(w, RN_KEY("error.type"), err);
}

static void walk_string(struct writer *w, const char *key, size_t key_len, const char *text)
{
	if (text && *text)
		attr_bytes(w, key, key_len, text, strnlen(text, RN_EVENT_MAX));
}

static void walk_source(struct writer *w, const struct rn_site *site)
{
	const char *how = rn_source_how(site);

	walk_string(w, RN_KEY("code.file.path"), site->path);
	if (site->line)
		attr_int(w, RN_KEY("code.line.number"), site->line);
	walk_string(w, RN_KEY("code.function.name"), site->function);
	attr_text(w, RN_KEY("renacer.source.by"), how, strlen(how));
	if (!*site->module)
		return;
	walk_string(w, RN_KEY("renacer.source.module"), site->module);
	attr_int(w, RN_KEY("renacer.source.offset"), walk_count(site->offset));
}

static void walk_link_to(struct writer *w, const struct rn_link *link)
{
	link_open(w, link);
	walk_string(w, RN_KEY("renacer.edge"), link->edge);
	attrs_close(w);
	link_close(w, link->flags | RN_FLAG_HAS_IS_REMOTE);
}

static void walk_call_links(struct writer *w, const struct rn_call *call)
{
	struct rn_link to_process = {
		.span_id = call->process->ctx.span_id,
		.flags = call->process->ctx.flags,
		.edge = "process",
	};

	memcpy(to_process.trace_id, call->process->ctx.trace_id, 16);
	list_open(w, RN_LIST_LINKS);
	if (call->under_application)
		walk_link_to(w, &to_process);
	for (uint32_t i = 0; i < call->nlinks && i < RN_CALL_LINKS; i++)
		walk_link_to(w, &call->links[i]);
	list_close(w);
	if (call->more_links)
		links_dropped(w, call->more_links);
}

RN_INLINE void walk_call(struct writer *w, const struct rn_trace *trace, const struct rn_call *call)
{
	const struct rn_process *process = call->process;
	const struct rn_site *site = rn_site_of(trace, call);
	struct rn_span_head head = {
		.trace_id = call->trace_id,
		.span_id = call->span_id,
		.parent_span_id = call->parent_span_id,
		.tracestate = "",
		.name = call->desc->name,
		.start = rn_unix_ns(trace, call->t0),
		.end = rn_unix_ns(trace, call->t1 > call->t0 ? call->t1 : call->t0),
		.flags = call->trace_flags | RN_FLAG_HAS_IS_REMOTE,
	};
	bool failed = call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED);
	bool unfinished = call->flags & RN_FLAG_UNFINISHED;
	uint64_t err = 0 - (uint64_t)call->result;
	bool error = false;
	char unknown[32];
	unsigned arg;

	if (head.name) {
		head.name_len = strnlen(head.name, RN_NAME_MAX);
	} else {
		head.name = unknown;
		head.name_len = (size_t)snprintf(unknown, sizeof(unknown), "syscall_%d", call->nr);
	}
	/* A tracestate belongs to its trace: not to a call under another one's span. */
	if (process && !memcmp(process->ctx.trace_id, call->trace_id, 16))
		head.tracestate = walk_tracestate(process->ctx.tracestate);

	span_open(w, &head);
	attr_text(w, RN_KEY("syscall.name"), head.name, head.name_len);
	attr_int(w, RN_KEY("syscall.number"), call->nr);
	attr_int(w, RN_KEY("syscall.tid"), call->tid);
	if (!unfinished) {
		attr_int(w, RN_KEY("syscall.result"), call->result);
		if (failed) {
			walk_errno(w, err);
			error = !(call->flags & RN_FLAG_INTERRUPTED) &&
				!(err <= INT32_MAX && rn_errno_is_routine((int)err));
		}
	}
	walk_lamport(w, call->lamport_start, call->lamport_end);
	for (arg = 0; arg < call->desc->nargs && arg < 6; arg++)
		walk_arg(w, trace, call, arg);
	walk_file_path(w, call);
	walk_peer(w, call);
	if (site)
		walk_source(w, site);
	if (unfinished)
		attr_true(w, RN_KEY("renacer.unfinished"));
	if (w->budget.cut || call->flags & RN_FLAG_TRUNCATED)
		attr_true(w, RN_KEY("renacer.truncated"));
	if (call->flags & RN_FLAG_RESTARTED)
		attr_true(w, RN_KEY("renacer.restarted"));
	walk_string(w, RN_KEY("renacer.causes.incomplete"), call->incomplete);
	attrs_close(w);
	if (process && (call->under_application || call->nlinks))
		walk_call_links(w, call);
	span_close(w, &head, error);
}

/* How a process ended, by wait(2)'s word. Returns whether that is an error. */
static bool walk_ending(struct writer *w, int wait_status)
{
	if (WIFSIGNALED(wait_status)) {
		walk_signal(w, RN_KEY("renacer.process.signal"), WTERMSIG(wait_status));
		walk_signal(w, RN_KEY("error.type"), WTERMSIG(wait_status));
		return true;
	}
	if (!WIFEXITED(wait_status))
		return false;
	attr_int(w, RN_KEY("process.exit.code"), WEXITSTATUS(wait_status));
	if (!WEXITSTATUS(wait_status))
		return false;
	walk_decimal_text(w, RN_KEY("error.type"), (uint64_t)WEXITSTATUS(wait_status));
	return true;
}

static void walk_creation_time(struct writer *w, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / 1000000000u);
	char text[64];
	struct tm tm;
	size_t len;

	if (!gmtime_r(&seconds, &tm))
		return;
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	len += (size_t)snprintf(text + len, sizeof(text) - len, ".%09uZ",
				(unsigned)(unix_ns % 1000000000u));
	attr_text(w, RN_KEY("process.creation.time"), text, len);
}

/* What the process publishes of itself. */
static void walk_resource(struct writer *w, const struct rn_process *process)
{
	walk_string(w, RN_KEY("renacer.application.service.name"),
		    process->resource[RN_RESOURCE_NAME]);
	walk_string(w, RN_KEY("renacer.application.service.namespace"),
		    process->resource[RN_RESOURCE_NAMESPACE]);
	walk_string(w, RN_KEY("renacer.application.service.version"),
		    process->resource[RN_RESOURCE_VERSION]);
	walk_string(w, RN_KEY("renacer.application.service.instance.id"),
		    process->resource[RN_RESOURCE_INSTANCE]);
}

static void walk_process(struct writer *w, const struct rn_trace *trace,
			 const struct rn_process *process)
{
	static const char *const contexts[] = {
		[RN_CONTEXT_NONE] = "none",
		[RN_CONTEXT_ABSENT] = "absent",
		[RN_CONTEXT_OURS] = "ours",
		[RN_CONTEXT_FOREIGN] = "foreign",
		[RN_CONTEXT_UNREADABLE] = "unreadable",
		[RN_CONTEXT_UNSAMPLED] = "unsampled",
		[RN_CONTEXT_INVALID] = "invalid",
	};
	const char *name = walk_or_empty(process->name);
	uint64_t t_end = process->t_end > process->t_start ? process->t_end : process->t_start;
	uint8_t safe_name[RN_NAME_MAX];
	struct rn_span_head head = {
		.trace_id = process->ctx.trace_id,
		.span_id = process->ctx.span_id,
		.parent_span_id = process->parent_span_id,
		.tracestate = walk_tracestate(process->ctx.tracestate),
		.name = (const char *)safe_name,
		.start = rn_unix_ns(trace, process->t_start),
		.end = rn_unix_ns(trace, t_end),
		.flags = process->ctx.flags | RN_FLAG_HAS_IS_REMOTE |
			 (process->parent_is_remote ? RN_FLAG_IS_REMOTE : 0),
	};
	const char *context = "none";
	bool error = false;
	uint32_t i;

	if (!*name)
		name = "process";
	head.name_len = rn_utf8_escape_to(safe_name, sizeof(safe_name), name,
					  strnlen(name, RN_EVENT_MAX), RN_EVENT_MAX, NULL);
	if (process->context < sizeof(contexts) / sizeof(contexts[0]))
		context = contexts[process->context];

	span_open(w, &head);
	attr_int(w, RN_KEY("process.pid"), process->pid);
	attr_int(w, RN_KEY("process.parent_pid"), process->parent_pid);
	walk_string(w, RN_KEY("process.executable.name"), process->name);
	walk_string(w, RN_KEY("process.executable.path"), process->exe);
	walk_creation_time(w, process->created ? process->created : head.start);
	if (process->ended)
		error = walk_ending(w, process->wait_status);
	attr_text(w, RN_KEY("renacer.context"), context, strlen(context));
	attr_int(w, RN_KEY("renacer.calls"), walk_count(process->calls));
	attr_int(w, RN_KEY("renacer.errors"), walk_count(process->errors));
	if (process->lamport_sent)
		attr_int(w, RN_KEY("renacer.lamport.sent"), walk_count(process->lamport_sent));
	walk_lamport(w, process->lamport_start, process->lamport_end);
	walk_resource(w, process);
	if (process->superseded)
		attr_true(w, RN_KEY("renacer.superseded"));
	else if (!process->ended)
		attr_true(w, RN_KEY("renacer.unfinished"));
	if (w->budget.cut)
		attr_true(w, RN_KEY("renacer.truncated"));
	attrs_close(w);
	if (process->nlinks) {
		list_open(w, RN_LIST_LINKS);
		for (i = 0; i < process->nlinks && i < RN_PROCESS_LINKS; i++)
			walk_link_to(w, &process->links[i]);
		list_close(w);
	}
	span_close(w, &head, error);
}

static void walk_totals(struct writer *w, const struct rn_totals *totals)
{
	attr_int(w, RN_KEY("renacer.events"), walk_count(totals->events));
	attr_int(w, RN_KEY("renacer.calls"), walk_count(totals->calls));
	attr_int(w, RN_KEY("renacer.errors"), walk_count(totals->errors));
	attr_int(w, RN_KEY("renacer.signals"), walk_count(totals->signals));
	attr_int(w, RN_KEY("renacer.processes"), walk_count(totals->processes));
	attr_int(w, RN_KEY("renacer.threads"), walk_count(totals->threads));
	if (totals->attached)
		attr_int(w, RN_KEY("renacer.attached_processes"), walk_count(totals->attached));
	attr_int(w, RN_KEY("renacer.unfinished_calls"), walk_count(totals->unfinished));
	if (totals->filtered)
		attr_int(w, RN_KEY("renacer.filtered_calls"), walk_count(totals->filtered));
	if (totals->seccomp)
		attr_true(w, RN_KEY("renacer.seccomp"));
	attr_int(w, RN_KEY("renacer.lost_calls"), walk_count(totals->lost_calls));
	attr_int(w, RN_KEY("renacer.lost_events"), walk_count(totals->lost_events));
	attr_int(w, RN_KEY("renacer.stops"), walk_count(totals->stops));
	attr_seconds(w, RN_KEY("renacer.tracer.cpu_time"), totals->tracer_ns);
	attr_seconds(w, RN_KEY("renacer.tracer.added_time"), totals->added_ns);
}

static void walk_run(struct writer *w, const struct rn_trace *trace, const struct rn_run_span *run)
{
	uint64_t t_end = run->t_end > run->t_start ? run->t_end : run->t_start;
	struct rn_span_head head = {
		.trace_id = run->ctx.trace_id,
		.span_id = run->ctx.span_id,
		.parent_span_id = run->parent_span_id,
		.tracestate = walk_tracestate(run->ctx.tracestate),
		.name = "renacer-otel run",
		.name_len = sizeof("renacer-otel run") - 1,
		.start = rn_unix_ns(trace, run->t_start),
		.end = rn_unix_ns(trace, t_end),
		.flags = run->ctx.flags | RN_FLAG_HAS_IS_REMOTE |
			 (run->ctx.is_remote ? RN_FLAG_IS_REMOTE : 0),
	};
	int code = run->exit_code;
	/* Back to wait(2)'s word, so that a run and a process end alike. */
	int wait_status = code < 0 ? -code & 0x7f : (code & 0xff) << 8;
	bool error;

	span_open(w, &head);
	walk_string(w, RN_KEY("renacer.engine"), run->engine);
	walk_string(w, RN_KEY("renacer.command"), run->command);
	walk_string(w, RN_KEY("renacer.options"), run->options);
	error = run->ended && walk_ending(w, wait_status);
	walk_totals(w, &run->totals);
	walk_lamport(w, run->lamport_start, run->lamport_end);
	if (w->budget.cut)
		attr_true(w, RN_KEY("renacer.truncated"));
	attrs_close(w);
	if (run->totals.lost_events) {
		list_open(w, RN_LIST_EVENTS);
		event_open(w, "renacer.lost", head.end);
		attr_text(w, RN_KEY("renacer.lost.reason"), "ring_full", 9);
		attr_int(w, RN_KEY("renacer.lost_events"), walk_count(run->totals.lost_events));
		attr_int(w, RN_KEY("renacer.lost_calls"), walk_count(run->totals.lost_calls));
		attrs_close(w);
		event_close(w);
		list_close(w);
	}
	span_close(w, &head, error);
}
