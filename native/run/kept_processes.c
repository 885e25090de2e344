/* SPDX-License-Identifier: MIT */
#include "kept_processes.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096u /* a power of two */

struct kept {
	struct rn_process of;
	struct kept *older, *newer; /* in their bucket; newer: of all */
};

/* A list by age, and one for each bucket, the newest first. */
struct kept_processes {
	struct kept *bucket[BUCKETS];
	struct kept *oldest, *newest;
	uint32_t n;
	uint64_t omitted;
};

struct kept_processes *rn_kept_create(void)
{
	return calloc(1, sizeof(struct kept_processes));
}

static void free_one(struct kept *one)
{
	free(one->of.exe);
	for (unsigned i = 0; i < RN_RESOURCE_KEYS; i++)
		free(one->of.resource[i]);
	free(one);
}

static struct kept **bucket_of(struct kept_processes *kept, uint64_t span_id)
{
	return &kept->bucket[span_id & (BUCKETS - 1)];
}

/* The oldest, out of all lists. */
static struct kept *taken(struct kept_processes *kept)
{
	struct kept *one = kept->oldest;
	struct kept **at = bucket_of(kept, one->of.ctx.span_id);

	while (*at != one)
		at = &(*at)->older;
	*at = one->older;
	kept->oldest = one->newer;
	if (!kept->oldest)
		kept->newest = NULL;
	kept->n--;
	return one;
}

void rn_kept_destroy(struct kept_processes *kept)
{
	while (kept && kept->oldest)
		free_one(taken(kept));
	free(kept);
}

/* What the copy shares with the interpreter becomes its own; what lives as the run is borrowed. */
static bool own(struct rn_process *copy, const struct rn_process *of)
{
	bool whole = true;

	copy->exe = strdup(of->exe ? of->exe : "");
	copy->name = copy->exe;
	if (copy->exe && of->exe && of->name >= of->exe)
		copy->name = copy->exe + (of->name - of->exe);
	for (unsigned i = 0; i < RN_RESOURCE_KEYS; i++) {
		copy->resource[i] = of->resource[i] ? strdup(of->resource[i]) : NULL;
		whole &= copy->resource[i] || !of->resource[i];
	}
	return whole && copy->exe;
}

bool rn_kept_add(struct kept_processes *kept, const struct rn_process *process)
{
	struct kept *one = calloc(1, sizeof(*one));
	struct kept **bucket = bucket_of(kept, process->ctx.span_id);

	if (!one)
		return false;
	one->of = *process;
	if (!own(&one->of, process)) {
		free_one(one);
		return false;
	}
	if (kept->n == RN_KEPT_PROCESSES) {
		free_one(taken(kept));
		kept->omitted++;
	}
	one->older = *bucket;
	*bucket = one;
	if (kept->newest)
		kept->newest->newer = one;
	else
		kept->oldest = one;
	kept->newest = one;
	kept->n++;
	return true;
}

void rn_kept_omit(struct kept_processes *kept, uint64_t span_id, const struct rn_omitted *more)
{
	for (struct kept *one = *bucket_of(kept, span_id); one; one = one->older)
		if (one->of.ctx.span_id == span_id) {
			one->of.omitted.calls += more->calls;
			one->of.omitted.ns += more->ns;
			return;
		}
}

void rn_kept_take(struct kept_processes *kept,
		  void (*take)(void *ctx, const struct rn_process *process), void *ctx)
{
	while (kept->oldest) {
		struct kept *one = taken(kept);

		take(ctx, &one->of);
		free_one(one);
	}
}

uint64_t rn_kept_omitted(const struct kept_processes *kept)
{
	return kept->omitted;
}
