/* SPDX-License-Identifier: MIT */
/* The processes that live, by who made whom, for parts.c. One that ends leaves its children to the
   one above it. */
#ifndef RENACER_SPANS_PART_TREE_H
#define RENACER_SPANS_PART_TREE_H

#include "renacer/span.h"

/* Of several spans together, if there are `any`. */
struct bounds {
	uint64_t t0, t1, lamport0, lamport1;
	bool any;
};

void rn_bounds_widen(struct bounds *bounds, const struct bounds *by);

void rn_omitted_add(struct rn_omitted *to, const struct rn_omitted *more);

struct node {
	struct node *next; /* in its bucket */
	struct node *parent, *children, *older, *newer; /* these two: of the same parent */
	const struct rn_process *process; /* the interpreter's, until its span is told */
	uint64_t span_id;
	struct rn_omitted omitted;
	/* Its copy in the current part. */
	uint32_t copy_part; /* 0 = there is none */
	bool has_parent;
	uint64_t copy_id, copy_parent;
	struct bounds bounds;
};

#define PART_BUCKETS 4096u /* a power of two */

/* All zeros: empty. */
struct part_tree {
	struct node *bucket[PART_BUCKETS];
	uint64_t count;
	struct rn_omitted elsewhere; /* of processes that are not known */
	struct rn_omitted all; /* of those that have ended, and elsewhere */
};

/* false: no memory, or it is there. */
bool rn_tree_add(struct part_tree *tree, const struct rn_process *process);
struct node *rn_tree_find(const struct part_tree *tree, uint64_t span_id);
void rn_tree_remove(struct part_tree *tree, struct node *node);
void rn_tree_clear(struct part_tree *tree);
/* Widens a node, which may be NULL, and all above it that have copies. */
void rn_tree_widen(struct node *node, const struct bounds *by);
/* Widens each by those below it. */
void rn_tree_settle(struct part_tree *tree);
void rn_tree_each(struct part_tree *tree, void (*act)(void *ctx, struct node *node), void *ctx);

#endif
