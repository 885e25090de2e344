/* SPDX-License-Identifier: MIT */
/* Summaries as api.h gives them: of a run, or of the records of a TRACE file. */
#include <stdlib.h>

#include "run_private.h"

_Static_assert(RN_BY_ALL == RN_SUMMARY_ALL && RN_BY_PROCESS == RN_SUMMARY_PROCESS &&
		       RN_BY_THREAD == RN_SUMMARY_THREAD && RN_BY_PATH == RN_SUMMARY_PATH &&
		       RN_BY_PEER == RN_SUMMARY_PEER && RN_COUNTED_OTHER_NR == RN_SUMMARY_OTHER_NR,
	       "api.h and summary.h name the same things");

struct rn_counted {
	struct rn_summary *summary;
	struct rn_interpreter *interpreter; /* of records from a file, until they end */
};

static void on_call(void *ctx, const struct rn_call *call)
{
	rn_summary_call(((rn_counted *)ctx)->summary, call);
}

static void on_process(void *ctx, const struct rn_process *process)
{
	rn_summary_process(((rn_counted *)ctx)->summary, process);
}

struct rn_observer rn_counted_observer(rn_counted *counted)
{
	return (struct rn_observer){.ctx = counted, .call = on_call, .process = on_process};
}

static rn_counted *create(int by, int wall)
{
	struct rn_summary_config config = {.by = (enum rn_summary_by)by, .wall = wall != 0};
	rn_counted *counted = calloc(1, sizeof(*counted));

	if (!counted)
		return NULL;
	counted->summary = rn_summary_create(&config);
	if (counted->summary)
		return counted;
	free(counted);
	return NULL;
}

rn_counted *rn_counted_of_run(const rn_config *config)
{
	return create(config->summary_by, config->summary_wall);
}

rn_counted *rn_counted_new(int by, int wall)
{
	static const struct rn_interpreter_config config = {.engine = "", .command = ""};
	rn_counted *counted = create(by, wall);
	struct rn_observer observer;

	if (!counted)
		return NULL;
	observer = rn_counted_observer(counted);
	counted->interpreter = rn_interpreter_create(&config, &observer, 1);
	if (counted->interpreter)
		return counted;
	rn_counted_free(counted);
	return NULL;
}

uint64_t rn_counted_feed(rn_counted *counted, const void *data, uint64_t len)
{
	return counted->interpreter ? rn_interpreter_feed_all(counted->interpreter, data, len) : 0;
}

void rn_counted_finish(rn_counted *counted)
{
	struct rn_run_span unused;

	if (!counted->interpreter)
		return;
	rn_interpreter_finish(counted->interpreter, &unused);
	rn_interpreter_destroy(counted->interpreter);
	counted->interpreter = NULL;
}

void rn_counted_free(rn_counted *counted)
{
	if (!counted)
		return;
	/* Its end tells the summary of what is open. */
	rn_interpreter_destroy(counted->interpreter);
	rn_summary_destroy(counted->summary);
	free(counted);
}

uint64_t rn_counted_rows(const rn_counted *counted, uint64_t *at, rn_counted_row *to, uint64_t cap)
{
	uint64_t all, n = 0;
	const struct rn_summary_row *rows = rn_summary_rows(counted->summary, &all);

	for (; *at < all && n < cap; ++*at) {
		const struct rn_summary_row *row = &rows[*at];

		to[n++] = (rn_counted_row){
			.group = row->group,
			.nr = row->nr,
			.abi = row->abi,
			.calls = row->calls,
			.errors = row->errors,
			.unfinished = row->unfinished,
			.time = row->time,
			.shortest = row->calls ? row->shortest : 0,
			.longest = row->longest,
			.sampled = row->sampled,
		};
	}
	return n;
}

uint64_t rn_counted_groups(const rn_counted *counted, uint64_t *at, rn_counted_group *to,
			   uint64_t cap)
{
	uint64_t all, n = 0;
	const struct rn_summary_group *groups = rn_summary_groups(counted->summary, &all);

	for (; *at < all && n < cap; ++*at)
		to[n++] = (rn_counted_group){groups[*at].ordinal, groups[*at].pid, groups[*at].tid,
					     groups[*at].name};
	return n;
}

uint64_t rn_counted_buckets(const rn_counted *counted, uint64_t *at, rn_counted_bucket *to,
			    uint64_t cap)
{
	struct rn_summary_bucket some[256];
	uint64_t n = 0, got;

	do {
		uint64_t left = cap - n < 256 ? cap - n : 256;

		got = rn_summary_buckets(counted->summary, at, some, left);
		for (uint64_t i = 0; i < got; i++)
			to[n++] = (rn_counted_bucket){some[i].row, some[i].value, some[i].count};
	} while (got);
	return n;
}

uint64_t rn_counted_missed(const rn_counted *counted)
{
	return rn_summary_uncounted(counted->summary);
}
