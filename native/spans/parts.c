/* SPDX-License-Identifier: MIT */
/* Which trace each call is in, and what makes these whole; see parts.h. */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

#include "part_tree.h"

/* A part is closed where the largest span, and copies of this size, might not fit any more. */
#define LARGEST 262144u
#define TYPICAL 640u
/* Half of this many spans make a trace big where nothing splits it. */
#define BIG_SPANS 10000u
#define BIG_BYTES 4000000u

#define PART_FLAGS 3u /* W3C: sampled, and of a random id */

/* Where a part begins. */
struct mark {
	uint64_t first; /* seq of the first entry in it */
	uint64_t root;  /* id of its root; of the first part: 0, as it is the run's */
};

/* A call that began in a part that is full: its parent there. */
struct straggler {
	uint64_t seq, parent;
};

struct parts {
	struct parts_config config;
	struct part_tree tree;
	struct mark *marks; /* of parts `forgotten` to `current` */
	uint32_t room, forgotten;
	uint32_t current; /* from 0 */
	uint64_t count, bytes; /* of spans in it */
	uint64_t made; /* ids of spans that no record stands for */
	struct bounds bounds; /* of all in the current part */
	struct rn_run_span
		former; /* root of the one before, not told yet; part 0 = there is none */
	struct straggler *stragglers;
	uint32_t n_stragglers, stragglers_room;
	uint8_t trace_id[16]; /* of the current part */
	/* While stragglers are gathered. */
	struct straggler *next;
	uint32_t n_next, next_room;
	struct rn_link links[RN_RUN_LINKS];
};

static void trace_of(const struct parts *parts, uint32_t part, uint8_t trace_id[16])
{
	struct rn_id_key key = parts->config.key;
	uint64_t halves[2];

	if (part == 0) {
		memcpy(trace_id, parts->config.trace_id, 16);
		return;
	}
	/* Of another key than span ids, and of the trace: a key may serve several runs. */
	memcpy(halves, parts->config.trace_id, 16);
	key.k0 ^= halves[0];
	key.k1 ^= ~halves[1];
	halves[0] = rn_id_of(&key, 2ull * part);
	halves[1] = rn_id_of(&key, 2ull * part + 1);
	memcpy(trace_id, halves, 16);
}

static struct mark *mark_of(const struct parts *parts, uint32_t part)
{
	return &parts->marks[part - parts->forgotten];
}

struct parts *rn_parts_create(const struct parts_config *config)
{
	struct parts *parts = calloc(1, sizeof(*parts));

	if (!parts)
		return NULL;
	parts->config = *config;
	parts->room = 16;
	parts->marks = calloc(parts->room, sizeof(*parts->marks));
	if (!parts->marks) {
		free(parts);
		return NULL;
	}
	memcpy(parts->trace_id, config->trace_id, 16);
	parts->count = 1; /* the run's own */
	return parts;
}

void rn_parts_destroy(struct parts *parts)
{
	if (!parts)
		return;
	rn_tree_clear(&parts->tree);
	free(parts->marks);
	free(parts->stragglers);
	free(parts->next);
	free(parts);
}

static uint64_t new_id(struct parts *parts)
{
	return rn_id_of(&parts->config.key, RN_ID_PART | ++parts->made);
}

/* The part of a call; UINT32_MAX: it is not known any more. */
static uint32_t part_of(const struct parts *parts, uint64_t seq)
{
	uint32_t low = parts->forgotten, high = parts->current;

	if (seq >= mark_of(parts, high)->first)
		return high;
	if (seq < mark_of(parts, low)->first)
		return UINT32_MAX;
	/* The last one that begins at or before it. */
	while (low < high) {
		uint32_t middle = low + (high - low + 1) / 2;

		if (mark_of(parts, middle)->first <= seq)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

bool rn_parts_is_current(const struct parts *parts, uint64_t seq)
{
	return seq >= mark_of(parts, parts->current)->first;
}

void rn_parts_begin(struct parts *parts, const struct rn_process *process)
{
	if (rn_tree_add(&parts->tree, process) && parts->current == 0)
		parts->count++;
}

struct rn_omitted *rn_parts_omitted_of(struct parts *parts, uint64_t span_id, bool *lives)
{
	struct node *node = rn_tree_find(&parts->tree, span_id);

	*lives = node != NULL;
	return node ? &node->omitted : &parts->tree.elsewhere;
}

struct rn_omitted *rn_parts_omitted(struct parts *parts, const struct rn_process *process)
{
	bool lives;

	return rn_parts_omitted_of(parts, process->ctx.span_id, &lives);
}

/* Makes copies of a process and of those above it, as far as they live. NULL: it is not known. */
static struct node *copied(struct parts *parts, uint64_t span_id)
{
	uint32_t part = parts->current + 1;
	struct node *node = rn_tree_find(&parts->tree, span_id);

	for (struct node *n = node; n && n->copy_part != part; n = n->parent) {
		n->copy_part = part;
		n->copy_id = new_id(parts);
		n->bounds = (struct bounds){0};
		n->has_parent = false;
		parts->count++;
		parts->bytes += TYPICAL;
	}
	for (struct node *n = node; n && !n->has_parent; n = n->parent) {
		n->has_parent = true;
		n->copy_parent =
			n->parent ? n->parent->copy_id : mark_of(parts, parts->current)->root;
	}
	return node;
}

static void tell_copy(struct parts *parts, struct node *node)
{
	const struct rn_process *of = node->process;
	struct rn_process copy = {
		.ordinal = of->ordinal,
		.pid = of->pid,
		.parent_pid = of->parent_pid,
		.parent_span_id = node->copy_parent,
		.t_start = node->bounds.t0,
		.t_end = node->bounds.t1,
		.lamport_start = node->bounds.lamport0,
		.lamport_end = node->bounds.lamport1,
		.exe = of->exe,
		.name = of->name,
		.links = {{.span_id = of->ctx.span_id, .flags = of->ctx.flags, .edge = "process"}},
		.nlinks = 1,
		.part = node->copy_part,
	};

	memcpy(copy.ctx.trace_id, parts->trace_id, 16);
	copy.ctx.span_id = node->copy_id;
	copy.ctx.flags = PART_FLAGS;
	memcpy(copy.links[0].trace_id, of->ctx.trace_id, 16);
	node->copy_part = 0;
	parts->config.out.process(parts->config.out.ctx, &copy);
}

void rn_parts_end(struct parts *parts, const struct rn_process *process)
{
	struct node *node = rn_tree_find(&parts->tree, process->ctx.span_id);

	if (!node)
		return;
	if (node->copy_part) {
		rn_tree_widen(node->parent, &node->bounds);
		tell_copy(parts, node);
	}
	rn_tree_remove(&parts->tree, node);
}

/* The root of a part, but for its links. */
static struct rn_run_span root_of(const struct parts *parts, uint32_t part,
				  const struct bounds *bounds)
{
	struct rn_run_span root = {
		.t_start = bounds->t0,
		.t_end = bounds->t1,
		.lamport_start = bounds->lamport0,
		.lamport_end = bounds->lamport1,
		.part = part + 1,
	};

	trace_of(parts, part, root.ctx.trace_id);
	root.ctx.span_id = mark_of(parts, part)->root;
	root.ctx.flags = PART_FLAGS;
	return root;
}

static struct rn_link link_to_root(const struct parts *parts, uint32_t part, const char *edge)
{
	struct rn_link link = {.span_id = part ? mark_of(parts, part)->root
					       : rn_id_of(&parts->config.key, RN_ID_RUN),
			       .flags = part ? PART_FLAGS : parts->config.trace_flags,
			       .edge = edge};

	trace_of(parts, part, link.trace_id);
	return link;
}

/* Tells the root of the part before this one, or the last one's own. */
static void tell_root(struct parts *parts, struct rn_run_span *root, bool is_last)
{
	uint32_t part = root->part - 1;
	struct rn_link links[3] = {link_to_root(parts, 0, "run")};
	uint32_t n = 1;

	if (part > 1 && part > parts->forgotten)
		links[n++] = link_to_root(parts, part - 1, "previous");
	if (!is_last)
		links[n++] = link_to_root(parts, part + 1, "next");
	root->links = links;
	root->nlinks = n;
	root->ctx.tracestate = (char *)(uintptr_t)"";
	parts->config.out.run(parts->config.out.ctx, root);
	root->part = 0;
}

/* Something is in this part: it follows the one before. */
static void tell_former(struct parts *parts)
{
	if (parts->former.part)
		tell_root(parts, &parts->former, false);
}

static uint64_t parent_of_straggler(struct parts *parts, const struct rn_call *call, uint32_t part)
{
	for (uint32_t i = 0; i < parts->n_stragglers; i++)
		if (parts->stragglers[i].seq == call->seq) {
			uint64_t parent = parts->stragglers[i].parent;

			parts->stragglers[i] = parts->stragglers[--parts->n_stragglers];
			return parent;
		}
	return mark_of(parts, part)->root; /* there was no memory */
}

void rn_parts_call(struct parts *parts, struct rn_call *call)
{
	uint8_t trace_id[16];
	const struct bounds bounds = {call->t0, call->t1 > call->t0 ? call->t1 : call->t0,
				      call->lamport_start, call->lamport_end, true};
	uint32_t part = part_of(parts, call->seq);
	bool in_current = part == parts->current;
	struct node *node;
	size_t size;

	if (!call->under_application && part != 0) {
		/* One that has lasted for all that is remembered is told in this part. */
		if (part == UINT32_MAX)
			part = parts->current;
		call->trace_flags = PART_FLAGS;
		call->part = part + 1;
		trace_of(parts, part, trace_id);
		call->trace_id = trace_id;
		if (part != parts->current) {
			call->parent_span_id = parent_of_straggler(parts, call, part);
		} else {
			node = copied(parts, call->parent_span_id);
			call->parent_span_id = node ? node->copy_id : mark_of(parts, part)->root;
			rn_bounds_widen(&parts->bounds, &bounds);
			if (node)
				rn_bounds_widen(&node->bounds, &bounds);
			in_current = true;
			tell_former(parts);
		}
	}
	size = parts->config.out.call(parts->config.out.ctx, call);
	/* Another's trace is no part; that it may be the first one is why it is counted there. */
	if (in_current && (!call->under_application || parts->current == 0)) {
		parts->count++;
		parts->bytes += size;
	}
}

bool rn_parts_link(const struct parts *parts, struct rn_link *link)
{
	uint32_t part;

	if (!link->in_part)
		return true;
	part = part_of(parts, link->call);
	if (part == UINT32_MAX)
		return false;
	if (part) { /* in the first one it is where its process is */
		trace_of(parts, part, link->trace_id);
		link->flags = PART_FLAGS;
	}
	return true;
}

bool rn_parts_full(const struct parts *parts, uint64_t waiting, uint64_t threads)
{
	const struct parts_config *config = &parts->config;
	/* Threads that are in calls, and processes that have no copy yet for those. */
	uint64_t reserve = 1 + waiting + threads + (parts->current ? parts->tree.count : 0);

	if (!config->max_spans)
		return false;
	if (reserve > config->max_spans / 2)
		reserve = config->max_spans / 2;
	return parts->count + reserve > config->max_spans ||
	       parts->bytes + reserve * TYPICAL + LARGEST > config->max_bytes;
}

bool rn_parts_big(const struct parts *parts)
{
	uint64_t spans = parts->config.max_spans ? parts->config.max_spans : BIG_SPANS;

	return parts->current || parts->count >= spans / 2 || parts->bytes >= BIG_BYTES / 2;
}

static void keep_straggler(struct parts *parts, uint64_t seq, uint64_t parent)
{
	if (parts->n_next == parts->next_room) {
		uint32_t room = parts->next_room ? 2 * parts->next_room : 16;
		struct straggler *list = realloc(parts->next, room * sizeof(*list));

		if (!list)
			return;
		parts->next = list;
		parts->next_room = room;
	}
	parts->next[parts->n_next++] = (struct straggler){seq, parent};
}

static void on_open(void *ctx, const struct rn_process *process, const struct rn_event *entry,
		    uint64_t lamport)
{
	struct parts *parts = ctx;
	struct node *node;

	if (rn_parts_is_current(parts, entry->seq)) {
		const struct bounds bounds = {entry->t0, entry->t0, lamport, lamport, true};

		if (parts->current == 0)
			return; /* its parent is its process */
		node = copied(parts, process->ctx.span_id);
		if (!node)
			return;
		rn_bounds_widen(&node->bounds, &bounds);
		rn_bounds_widen(&parts->bounds, &bounds);
		keep_straggler(parts, entry->seq, node->copy_id);
		return;
	}
	for (uint32_t i = 0; i < parts->n_stragglers; i++)
		if (parts->stragglers[i].seq == entry->seq)
			keep_straggler(parts, entry->seq, parts->stragglers[i].parent);
}

/* Of those that have ended without being told nothing is kept. */
static void gather_stragglers(struct parts *parts, const struct rn_interpreter *in)
{
	struct straggler *list = parts->stragglers;
	uint32_t room = parts->stragglers_room;

	parts->n_next = 0;
	rn_interpreter_open(in, on_open, parts);
	parts->stragglers = parts->next;
	parts->stragglers_room = parts->next_room;
	parts->n_stragglers = parts->n_next;
	parts->next = list;
	parts->next_room = room;
}

static void on_node(void *ctx, struct node *node)
{
	if (node->copy_part)
		tell_copy(ctx, node);
}

static void tell_copies(struct parts *parts)
{
	rn_tree_settle(&parts->tree);
	rn_tree_each(&parts->tree, on_node, parts);
}

/* Room for one more mark; false: the current part has to go on. */
static bool make_room(struct parts *parts)
{
	uint32_t n = parts->current - parts->forgotten + 1;
	struct mark *marks;

	if (n < parts->room)
		return true;
	if (n == RN_PARTS_KEPT) {
		memmove(parts->marks, parts->marks + 1, (n - 1) * sizeof(*parts->marks));
		parts->forgotten++;
		return true;
	}
	marks = realloc(parts->marks, 2 * parts->room * sizeof(*marks));
	if (!marks)
		return false;
	parts->marks = marks;
	parts->room *= 2;
	return true;
}

void rn_parts_turn(struct parts *parts, const struct rn_interpreter *in)
{
	uint64_t first = rn_interpreter_next(in);

	if (!make_room(parts))
		return;
	gather_stragglers(parts, in);
	if (parts->current) {
		tell_former(parts);
		tell_copies(parts);
		parts->former = root_of(parts, parts->current, &parts->bounds);
	}
	if (first < mark_of(parts, parts->current)->first)
		first = mark_of(parts, parts->current)->first;
	parts->current++;
	*mark_of(parts, parts->current) = (struct mark){.first = first, .root = new_id(parts)};
	trace_of(parts, parts->current, parts->trace_id);
	parts->bounds = (struct bounds){0};
	parts->count = 1; /* its root */
	parts->bytes = 0;
}

static bool is_told(const struct parts *parts, uint32_t part)
{
	const struct rn_shape_out *out = &parts->config.out;

	return !out->has_part || out->has_part(out->ctx, part + 1);
}

void rn_parts_finish(struct parts *parts, struct rn_run_span *run)
{
	uint32_t last = parts->current;

	tell_copies(parts);
	if (parts->former.part) { /* nothing has come after it */
		tell_root(parts, &parts->former, true);
		last--;
	} else if (last && parts->bounds.any) {
		struct rn_run_span root = root_of(parts, last, &parts->bounds);

		tell_root(parts, &root, true);
	} else if (last) {
		last--;
	}
	rn_omitted_add(&parts->tree.all, &parts->tree.elsewhere);
	run->omitted = parts->tree.all;
	run->links = parts->links;
	for (uint32_t part = 1; part <= last; part++) {
		if (!is_told(parts, part))
			continue;
		run->parts += run->parts ? 1 : 2; /* the first one, too */
		if (part > parts->forgotten && run->nlinks < RN_RUN_LINKS)
			parts->links[run->nlinks++] = link_to_root(parts, part, "part");
		else
			run->more_links++;
	}
}
