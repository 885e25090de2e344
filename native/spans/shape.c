/* SPDX-License-Identifier: MIT */
/* Which calls are told, and how; see shape.h. */
#include "shape.h"

#include <stdlib.h>
#include <string.h>

#include "fates.h"
#include "folds.h"
#include "part_tree.h"

#define AGE_EVERY_NS 250000000u

struct rn_shaper {
	struct rn_shape_config config;
	struct rn_shape_out out; /* where parts tell to */
	const struct rn_interpreter *in;
	struct parts *parts;
	struct folds *folds; /* NULL = nothing is folded */
	struct fates *fates; /* NULL = every call is told by itself */
	uint64_t told;       /* spans */
	uint64_t threads;    /* alive, at most */
	uint64_t aged;
	bool thins;
};

static size_t count_call(void *ctx, const struct rn_call *call)
{
	struct rn_shaper *shape = ctx;

	shape->told++;
	return shape->out.call(shape->out.ctx, call);
}

static size_t count_process(void *ctx, const struct rn_process *process)
{
	struct rn_shaper *shape = ctx;

	shape->told++;
	return shape->out.process(shape->out.ctx, process);
}

static size_t count_run(void *ctx, const struct rn_run_span *run)
{
	struct rn_shaper *shape = ctx;

	shape->told++;
	return shape->out.run(shape->out.ctx, run);
}

static bool has_part(void *ctx, uint32_t part)
{
	struct rn_shaper *shape = ctx;

	return !shape->out.has_part || shape->out.has_part(shape->out.ctx, part);
}

/* From the folds: each of these has no link, and none can be made to it. */
static void told_by_folds(void *ctx, const struct rn_call *call)
{
	struct rn_shaper *shape = ctx;
	struct rn_call copy = *call;

	rn_parts_call(shape->parts, &copy);
}

struct rn_shaper *rn_shape_create(const struct rn_shape_config *config)
{
	struct rn_shaper *shape = calloc(1, sizeof(*shape));
	struct parts_config parts = config->parts;

	if (!shape)
		return NULL;
	shape->config = *config;
	shape->out = parts.out;
	shape->thins = config->spans != RN_SPANS_ALL || config->min_ns || config->errors_only;
	parts.out = (struct rn_shape_out){shape, count_call, count_process, count_run, has_part};
	shape->parts = rn_parts_create(&parts);
	if (config->fold != RN_FOLDS_OFF) {
		shape->folds = rn_folds_create(told_by_folds, shape);
		if (!shape->folds)
			goto fail;
	}
	if (shape->thins || shape->folds) {
		shape->fates = rn_fates_create();
		if (!shape->fates)
			goto fail;
	}
	if (shape->parts)
		return shape;
fail:
	rn_shape_destroy(shape);
	return NULL;
}

void rn_shape_destroy(struct rn_shaper *shape)
{
	if (!shape)
		return;
	rn_folds_destroy(shape->folds);
	rn_fates_destroy(shape->fates);
	rn_parts_destroy(shape->parts);
	free(shape);
}

void rn_shape_follow(struct rn_shaper *shape, const struct rn_interpreter *in)
{
	shape->in = in;
}

static uint64_t duration(const struct rn_call *call)
{
	return call->t1 > call->t0 ? call->t1 - call->t0 : 0;
}

/* Whether a call has a span. */
static bool is_told(const struct rn_shaper *shape, const struct rn_call *call)
{
	const struct rn_shape_config *config = &shape->config;
	bool failed = call->flags & RN_FLAG_FAILED;
	uint64_t ns = duration(call);

	if (config->spans == RN_SPANS_NONE)
		return false;
	if ((config->keep_errors && failed) || (config->keep_ns && ns >= config->keep_ns) ||
	    (config->keep && rn_selection_is_wanted(config->keep, call->abi, call->nr)))
		return true;
	if (config->spans == RN_SPANS_PROCESS || (config->errors_only && !failed))
		return false;
	return ns >= config->min_ns;
}

static bool is_foldable(const struct rn_shaper *shape, const struct rn_call *call)
{
	const unsigned odd = RN_FLAG_FAILED | RN_FLAG_INTERRUPTED | RN_FLAG_RESTARTED |
			     RN_FLAG_UNFINISHED | RN_FLAG_NO_ENTRY;

	/* Of a process that has ended nobody tells when it is gone. */
	return !(call->flags & odd) && !call->nlinks && !call->more_links && !call->is_cause &&
	       !call->process->ended && rn_parts_is_current(shape->parts, call->seq);
}

static bool folds_now(const struct rn_shaper *shape)
{
	return shape->folds &&
	       (shape->config.fold == RN_FOLDS_ALWAYS || rn_parts_big(shape->parts));
}

/* Links that lead somewhere, with the right trace; returns how many. */
static uint32_t resolve(struct rn_shaper *shape, struct rn_omitted *omitted, struct rn_link *links,
			uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		bool leads = shape->config.spans != RN_SPANS_NONE;

		if (leads && shape->fates && links[i].call)
			leads = rn_fates_link(shape->fates, links[i].call);
		if (leads && rn_parts_link(shape->parts, &links[i]))
			links[kept++] = links[i];
	}
	omitted->links += n - kept;
	return kept;
}

static void tell(struct rn_shaper *shape, const struct rn_call *call)
{
	struct rn_link links[RN_CALL_LINKS];
	struct rn_call copy = *call;

	if (call->nlinks) {
		uint32_t n = call->nlinks < RN_CALL_LINKS ? call->nlinks : RN_CALL_LINKS;

		memcpy(links, call->links, n * sizeof(*links));
		copy.links = links;
		copy.nlinks =
			resolve(shape, rn_parts_omitted(shape->parts, call->process), links, n);
		copy.more_links += n - copy.nlinks;
	}
	rn_parts_call(shape->parts, &copy);
}

static void flush_thread(struct rn_shaper *shape, int32_t tid)
{
	if (shape->folds)
		rn_folds_flush(shape->folds, tid);
}

static void set_fate(struct rn_shaper *shape, const struct rn_call *call, enum fate fate)
{
	if (shape->fates)
		rn_fates_set(shape->fates, call->seq, fate);
}

static void omit(struct rn_shaper *shape, const struct rn_call *call)
{
	struct rn_omitted *omitted = rn_parts_omitted(shape->parts, call->process);

	omitted->calls++;
	omitted->ns += duration(call);
	set_fate(shape, call, FATE_OMITTED);
}

static void split(struct rn_shaper *shape)
{
	uint64_t waiting = shape->folds ? rn_folds_waiting(shape->folds) : 0;

	if (!shape->in || !rn_parts_full(shape->parts, waiting, shape->threads))
		return;
	if (shape->folds)
		rn_folds_flush_all(shape->folds);
	rn_parts_turn(shape->parts, shape->in);
}

static void on_call(void *ctx, const struct rn_call *call)
{
	struct rn_shaper *shape = ctx;
	bool foldable = is_foldable(shape, call);
	bool linked = shape->fates && rn_fates_is_linked(shape->fates, call->seq);

	if (!linked && shape->thins && !is_told(shape, call)) {
		if (!foldable)
			flush_thread(shape, call->tid);
		omit(shape, call);
		return;
	}
	if (foldable && !linked && folds_now(shape) && rn_folds_add(shape->folds, call)) {
		set_fate(shape, call, FATE_OMITTED);
	} else {
		flush_thread(shape, call->tid);
		set_fate(shape, call, FATE_TOLD);
		tell(shape, call);
	}
	split(shape);
}

static void on_begin(void *ctx, const struct rn_process *process)
{
	struct rn_shaper *shape = ctx;

	rn_parts_begin(shape->parts, process);
	if (shape->config.spans != RN_SPANS_NONE)
		split(shape);
}

static void on_process(void *ctx, const struct rn_process *process)
{
	struct rn_shaper *shape = ctx;
	struct rn_omitted *omitted = rn_parts_omitted(shape->parts, process);
	struct rn_process copy = *process;

	if (shape->folds)
		rn_folds_flush_process(shape->folds, process);
	copy.nlinks = resolve(shape, omitted, copy.links, copy.nlinks);
	copy.more_links += process->nlinks - copy.nlinks;
	copy.omitted = *omitted;
	if (shape->config.spans != RN_SPANS_NONE)
		count_process(shape, &copy);
	rn_parts_end(shape->parts, process);
}

static void on_exit_of(void *ctx, const struct rn_event *ev, uint32_t live)
{
	struct rn_shaper *shape = ctx;

	shape->threads = live;
	flush_thread(shape, ev->tid);
}

static void on_live(void *ctx, uint32_t live)
{
	((struct rn_shaper *)ctx)->threads = live;
}

struct rn_observer rn_shape_observer(struct rn_shaper *shape)
{
	return (struct rn_observer){
		.ctx = shape,
		.begin = on_begin,
		.call = on_call,
		.process = on_process,
		.exit = on_exit_of,
		.live = on_live,
	};
}

void rn_shape_age(struct rn_shaper *shape, uint64_t now)
{
	if (!shape->folds || now - shape->aged < AGE_EVERY_NS)
		return;
	shape->aged = now;
	rn_folds_age(shape->folds, now);
}

void rn_shape_flush(struct rn_shaper *shape)
{
	if (shape->folds)
		rn_folds_flush_all(shape->folds);
}

bool rn_shape_omit(struct rn_shaper *shape, uint64_t span_id, const struct rn_omitted *more)
{
	bool lives;

	rn_omitted_add(rn_parts_omitted_of(shape->parts, span_id, &lives), more);
	return lives;
}

bool rn_shape_waiting(const struct rn_shaper *shape)
{
	return shape->folds && rn_folds_waiting(shape->folds);
}

void rn_shape_finish(struct rn_shaper *shape, struct rn_run_span *run)
{
	if (shape->folds) {
		rn_folds_flush_all(shape->folds);
		run->folded = rn_folds_folded(shape->folds);
	}
	rn_parts_finish(shape->parts, run);
	run->totals.spans = shape->told + 1;
	count_run(shape, run);
}
