/* SPDX-License-Identifier: MIT */
/* Spans of processes and of the run; part of span_walk.h, which tells their attributes. */
#include <sys/wait.h>
#include <time.h>

#include "span_parts.h"

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
	size_t len;

	if (!*name)
		name = "process";
	len = strnlen(name, RN_EVENT_MAX);
	name = rn_redact_string(w->redact, name, &len);
	head.name_len =
		rn_utf8_escape_to(safe_name, sizeof(safe_name), name, len, RN_EVENT_MAX, NULL);
	if (process->context < sizeof(contexts) / sizeof(contexts[0]))
		context = contexts[process->context];

	span_open(w, &head);
	attr_int(w, RN_KEY("process.pid"), process->pid);
	attr_int(w, RN_KEY("process.parent_pid"), process->parent_pid);
	if (process->part) {
		walk_copy(w, &head, process);
		return;
	}
	walk_string(w, RN_KEY("process.executable.name"), process->name);
	walk_string(w, RN_KEY("process.executable.path"), process->exe);
	walk_creation_time(w, process->created ? process->created : head.start);
	if (process->ended)
		error = walk_ending(w, process->wait_status);
	attr_text(w, RN_KEY("renacer.context"), context, strlen(context));
	attr_int(w, RN_KEY("renacer.calls"), walk_count(process->calls));
	attr_int(w, RN_KEY("renacer.errors"), walk_count(process->errors));
	walk_omitted(w, &process->omitted);
	if (process->lamport_sent)
		attr_int(w, RN_KEY("renacer.lamport.sent"), walk_count(process->lamport_sent));
	walk_lamport(w, process->lamport_start, process->lamport_end);
	walk_resource(w, process);
	if (process->superseded)
		attr_true(w, RN_KEY("renacer.superseded"));
	else if (!process->ended)
		attr_true(w, RN_KEY("renacer.unfinished"));
	if (walk_is_cut(w))
		attr_true(w, RN_KEY("renacer.truncated"));
	attrs_close(w);
	walk_links(w, NULL, process->links,
		   process->nlinks < RN_PROCESS_LINKS ? process->nlinks : RN_PROCESS_LINKS,
		   process->more_links);
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
	if (run->part) {
		walk_part(w, &head, run);
		return;
	}
	walk_string(w, RN_KEY("renacer.engine"), run->engine);
	walk_string(w, RN_KEY("renacer.command"), run->command);
	walk_string(w, RN_KEY("renacer.options"), run->options);
	error = run->ended && walk_ending(w, wait_status);
	walk_totals(w, &run->totals);
	walk_omitted(w, &run->omitted);
	if (run->omitted.links)
		attr_int(w, RN_KEY("renacer.omitted.links"), walk_count(run->omitted.links));
	walk_flown(w, run);
	if (run->folded)
		attr_int(w, RN_KEY("renacer.folded_calls"), walk_count(run->folded));
	if (run->parts)
		attr_int(w, RN_KEY("renacer.parts"), run->parts);
	if (w->redact && w->redact->count)
		attr_int(w, RN_KEY("renacer.redacted"), walk_count(w->redact->count));
	walk_lamport(w, run->lamport_start, run->lamport_end);
	if (walk_is_cut(w))
		attr_true(w, RN_KEY("renacer.truncated"));
	attrs_close(w);
	if (run->totals.lost_events && !w->bounds.limits->events) {
		events_dropped(w, 1);
	} else if (run->totals.lost_events) {
		list_open(w, RN_LIST_EVENTS);
		event_open(w, "renacer.lost", head.end);
		attr_text(w, RN_KEY("renacer.lost.reason"), "ring_full", 9);
		attr_int(w, RN_KEY("renacer.lost_events"), walk_count(run->totals.lost_events));
		attr_int(w, RN_KEY("renacer.lost_calls"), walk_count(run->totals.lost_calls));
		attrs_close(w);
		event_close(w);
		list_close(w);
	}
	walk_links(w, NULL, run->links, run->nlinks < RN_RUN_LINKS ? run->nlinks : RN_RUN_LINKS,
		   run->more_links);
	span_close(w, &head, error);
}
