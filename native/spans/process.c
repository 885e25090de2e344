/* SPDX-License-Identifier: MIT */
/* Process spans: made at a start, renamed at an exec, moved into a foreign trace, ended. */
#include "process.h"

#include "edges.h"
#include "live.h"
#include "resource.h"
#include "selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_exe(struct rn_process *pub, const char *exe, size_t len)
{
	char *copy = malloc(len + 1);
	char *slash;

	if (!copy)
		return;
	memcpy(copy, exe, len);
	copy[len] = 0;
	free(pub->exe);
	pub->exe = copy;
	slash = strrchr(copy, '/');
	pub->name = slash ? slash + 1 : copy;
}

struct process *rn_process_create(const struct rn_interpreter_config *config, uint64_t ordinal)
{
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->pub.ordinal = ordinal;
	process->pub.ctx.span_id = rn_id_of_process(&config->key, ordinal);
	process->pub.ctx.tracestate = (char *)(uintptr_t)config->tracestate;
	memcpy(process->pub.ctx.trace_id, config->trace_id, 16);
	process->pub.ctx.flags = config->trace_flags;
	set_exe(&process->pub, "", 0);
	return process;
}

void rn_process_inherit(struct process *child, const struct process *maker)
{
	child->pub.ctx.flags = maker->pub.ctx.flags;
	child->pub.ctx.tracestate = maker->pub.ctx.tracestate;
	memcpy(child->pub.ctx.trace_id, maker->pub.ctx.trace_id, 16);
	child->pub.parent_span_id = maker->pub.ctx.span_id;
	if (maker->pub.exe)
		set_exe(&child->pub, maker->pub.exe, strlen(maker->pub.exe));
	memcpy(child->maker_trace, maker->pub.ctx.trace_id, 16);
	child->maker_span = maker->pub.ctx.span_id;
	child->maker_flags = maker->pub.ctx.flags;
}

void rn_process_free(struct process *process)
{
	if (!process)
		return;
	free(process->pub.exe);
	rn_resource_clear(&process->pub);
	free(process);
}

static void add(struct rn_process *pub, const struct rn_link *link)
{
	if (link->span_id && pub->nlinks < RN_PROCESS_LINKS)
		pub->links[pub->nlinks++] = *link;
}

static void add_link(struct rn_process *pub, const uint8_t *trace_id, uint64_t span_id,
		     uint8_t flags, const char *edge)
{
	struct rn_link link = {.span_id = span_id, .flags = flags, .edge = edge};

	memcpy(link.trace_id, trace_id, 16);
	add(pub, &link);
}

/* The call that made it. */
static void link_maker(struct process *process)
{
	struct rn_link link = {
		.span_id = process->maker_call_span,
		.flags = process->maker_call_flags,
		.in_part = process->maker_call_in_part,
		.call = process->maker_call,
		.edge = "fork",
	};

	memcpy(link.trace_id, process->maker_call_trace, 16);
	add(&process->pub, &link);
}

/* The application's span that was live where it was made, unless it is its parent. */
static void link_application(struct process *process)
{
	const struct rn_live_span *live = &process->maker_live;
	uint64_t span_id = rn_live_span_id(live);

	if (live->valid && span_id != process->pub.parent_span_id)
		add_link(&process->pub, live->trace_id, span_id, live->flags & 3, "application");
}

void rn_process_made_by(struct process *child, const struct thread *maker, uint64_t span_id)
{
	child->maker_call_span = span_id;
	child->maker_call = maker->entry->seq;
	child->maker_call_in_part = !maker->live.valid;
	rn_live_context(maker, child->maker_call_trace, &child->maker_call_flags);
	child->maker_live = maker->live;
	link_maker(child);
	link_application(child);
}

void rn_process_link(struct process *process, const struct joined *joined)
{
	for (unsigned i = 0; i < joined->nlinks; i++)
		add(&process->pub, &joined->links[i]);
}

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

/* The engine has checked it before it wrote FOREIGN; a record from elsewhere may say anything. */
static bool parse_context(const struct rn_piece *piece, struct rn_trace_context *to)
{
	const char *text = (const char *)rn_piece_data(piece);

	if (piece->len < 55)
		return false;
	for (unsigned i = 0; i < 55; i++)
		if (i != 2 && i != 35 && i != 52 &&
		    !((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	for (unsigned i = 0; i < 16; i++)
		to->trace_id[i] = (uint8_t)(nibble(text[3 + 2 * i]) << 4 | nibble(text[4 + 2 * i]));
	to->span_id = 0;
	for (unsigned i = 0; i < 16; i++)
		to->span_id = to->span_id << 4 | (uint64_t)nibble(text[36 + i]);
	to->flags = (uint8_t)((nibble(text[53]) << 4 | nibble(text[54])) & 3);
	return to->span_id != 0 && !is_zero(to->trace_id, sizeof(to->trace_id));
}

bool rn_process_foreign(const struct rn_event *ev, struct rn_trace_context *to)
{
	if (ev->args[2] != RN_CONTEXT_FOREIGN)
		return false;
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_CONTEXT)
			return parse_context(p, to);
	return false;
}

/*
 * A foreign TRACEPARENT: the new program's span is a child of the span that it
 * names, in its trace. What the process did before stays where it was, under a
 * span of its own that ends here, so that no exported parent is ever taken back.
 */
void rn_process_adopt(const struct rn_interpreter_config *config, struct process *process,
		      const struct rn_event *ev, const struct rn_trace_context *foreign)
{
	struct rn_process *pub = &process->pub;
	uint8_t old_trace[16], old_flags = pub->ctx.flags;
	uint64_t old_span = pub->ctx.span_id;

	memcpy(old_trace, pub->ctx.trace_id, 16);
	memcpy(pub->ctx.trace_id, foreign->trace_id, 16);
	pub->ctx.span_id = rn_id_of(&config->key, RN_ID_IMAGE | ev->seq);
	pub->ctx.flags = foreign->flags;
	pub->ctx.tracestate = (char *)""; /* ours belongs to the other trace */
	pub->parent_span_id = foreign->span_id;
	pub->parent_is_remote = true;
	pub->t_start = ev->t0;
	pub->calls = pub->errors = 0;
	pub->nlinks = 0;
	add_link(pub, process->maker_trace, process->maker_span, process->maker_flags, "parent");
	link_maker(process);
	add_link(pub, old_trace, old_span, old_flags, "exec");
	link_application(process);
}

static void take_exe(struct process *process, const struct rn_event *ev)
{
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_EXE)
			set_exe(&process->pub, (const char *)rn_piece_data(p), p->len);
}

void rn_process_attach(struct process *process, const struct rn_event *ev)
{
	process->pub.created = ev->args[5];
	take_exe(process, ev);
}

void rn_process_exec(struct process *process, const struct rn_event *ev)
{
	process->pub.execs++;
	rn_resource_clear(&process->pub); /* it was the program's before */
	process->pub.context = (uint32_t)ev->args[2];
	process->pub.lamport_sent = ev->args[4];
	take_exe(process, ev);
}
