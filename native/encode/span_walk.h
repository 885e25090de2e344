/* SPDX-License-Identifier: MIT */
/*
 * Which attributes a span has: the one place that knows. Included once by each back
 * end (otlp.c, json.c) after it defined `struct writer` and the operations
 *
 *   span_open span_close attrs_close list_open list_close
 *   event_open event_close events_dropped link_open link_close links_dropped
 *   attr_int attr_true attr_seconds attr_text attr_bytes
 *   array_open array_item array_more array_close
 *   scratch      room for text that is then handed to attr_text(), or NULL
 *
 * so that both yield the same content and each is compiled as straight code. The limits of
 * the trace are kept by those operations, but for numbers of events and links, and lists.
 *
 * Attributes. "escaped" is rn_utf8_escape(); process.*, file.* and error.type are
 * OpenTelemetry's semantic conventions, the rest has no standard and is ours.
 *
 * Every span
 *   renacer.lamport.start  int     Lamport time of its first event
 *   renacer.lamport.end    int     and of its last
 *   error.type             string  what failed (below); absent on success
 *   renacer.unfinished     true    it had not ended when the trace ended; else absent
 *   renacer.truncated      true    a string is cut, by a limit of the trace or our own; else absent
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
 *       addresses, buffers   hex string; what is there does not leave the process, unless the
 *                            trace is to have payload: then as structures
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
 *   renacer.fold.*                 of several calls that are one span: span_folds.h
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
 *   renacer.omitted.calls, .duration                    int: those without a span, and the ns that
 *                                  they took; absent if there are none
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
 *   renacer.omitted.calls, .duration, .links, if there are any    int
 *   renacer.flight_recorder    string  why it let go what is there, if it did:
 *                              exit, crash, signal, assertion, with commas
 *   renacer.omitted.processes, if there are any         int: spans that it did not keep
 *   renacer.folded_calls, if there are any              int: that are told with others as one span
 *   renacer.parts, if there are several                 int; with links to them, renacer.edge "part"
 *   renacer.tracer.cpu_time, .added_time                double, seconds
 *   renacer.redacted, if there are any                  int: how often something secret was replaced
 *   Event renacer.lost, if events were lost: renacer.lost.reason "ring_full",
 *   renacer.lost_events, renacer.lost_calls
 *
 * Root of a later part, and copies of processes in it: span_parts.h
 */
#include <stdio.h>

#include "attributes.h"
#include "style.h"

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

static bool walk_is_cut(const struct writer *w)
{
	return w->budget.cut || w->bounds.shortened;
}

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
			walk_captured(w, RN_KEY("file.path"), piece);
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

/*
 * As many links as there may be: to the process, if there is one to it, then `links`. `more` were
 * left out before.
 */
static void walk_links(struct writer *w, const struct rn_link *to_process,
		       const struct rn_link *links, uint32_t n, uint32_t more)
{
	uint32_t left = w->bounds.limits->links, all = n + (to_process != NULL);
	uint32_t shown = all < left ? all : left;

	if (shown) {
		list_open(w, RN_LIST_LINKS);
		if (to_process)
			walk_link_to(w, to_process);
		for (uint32_t i = 0; i < shown - (to_process != NULL); i++)
			walk_link_to(w, &links[i]);
		list_close(w);
	}
	if (all - shown + more)
		links_dropped(w, all - shown + more);
}

static void walk_call_links(struct writer *w, const struct rn_call *call)
{
	struct rn_link to_process = {
		.span_id = call->process->ctx.span_id,
		.flags = call->process->ctx.flags,
		.edge = "process",
	};

	memcpy(to_process.trace_id, call->process->ctx.trace_id, 16);
	walk_links(w, call->under_application ? &to_process : NULL, call->links,
		   call->nlinks < RN_CALL_LINKS ? call->nlinks : RN_CALL_LINKS, call->more_links);
}

#include "span_folds.h"

RN_INLINE void walk_call(struct writer *w, const struct rn_trace *trace, const struct rn_call *call)
{
	const struct rn_fold *fold = call->fold;
	/* What a group is about is in its calls' own attributes. */
	const bool is_group = fold && fold->period > 1;
	const uint32_t hidden = is_group ? UINT32_MAX : fold ? fold->varies : 0;
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
	char made[RN_NAME_MAX];
	unsigned arg;

	if (fold && fold->period > 1) {
		head.name = made;
		head.name_len = walk_group_name(made, fold);
	} else if (head.name) {
		head.name_len = strnlen(head.name, RN_NAME_MAX);
	} else {
		head.name = made;
		head.name_len = walk_call_name(made, call->desc, call->nr);
	}
	/* A tracestate belongs to its trace: not to a call under another one's span. */
	if (process && !memcmp(process->ctx.trace_id, call->trace_id, 16))
		head.tracestate = walk_tracestate(process->ctx.tracestate);

	span_open(w, &head);
	attr_text(w, RN_KEY("syscall.name"), head.name, head.name_len);
	if (!is_group)
		attr_int(w, RN_KEY("syscall.number"), call->nr);
	attr_int(w, RN_KEY("syscall.tid"), call->tid);
	if (!unfinished) {
		if (!(hidden & RN_FOLD_RESULT))
			attr_int(w, RN_KEY("syscall.result"), call->result);
		if (failed) {
			walk_errno(w, err);
			error = !(call->flags & RN_FLAG_INTERRUPTED) &&
				!(err <= INT32_MAX && rn_errno_is_routine((int)err));
		}
	}
	walk_lamport(w, call->lamport_start, call->lamport_end);
	for (arg = 0; arg < call->desc->nargs && arg < 6; arg++)
		if (!(hidden & 1u << arg))
			walk_arg(w, trace, call, arg);
	if (!is_group)
		walk_file_path(w, call);
	if (!hidden || !walk_hides_peer(call, hidden))
		walk_peer(w, call);
	if (site && !is_group)
		walk_source(w, site);
	if (fold)
		walk_fold(w, fold);
	if (unfinished)
		attr_true(w, RN_KEY("renacer.unfinished"));
	if (walk_is_cut(w) || call->flags & RN_FLAG_TRUNCATED)
		attr_true(w, RN_KEY("renacer.truncated"));
	if (call->flags & RN_FLAG_RESTARTED)
		attr_true(w, RN_KEY("renacer.restarted"));
	walk_string(w, RN_KEY("renacer.causes.incomplete"), call->incomplete);
	attrs_close(w);
	if (process && (call->under_application || call->nlinks || call->more_links))
		walk_call_links(w, call);
	span_close(w, &head, error);
}

#include "span_processes.h"
