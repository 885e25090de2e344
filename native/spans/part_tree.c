/* SPDX-License-Identifier: MIT */
#include "part_tree.h"

#include <stdlib.h>
#include <string.h>

void rn_bounds_widen(struct bounds *bounds, const struct bounds *by)
{
	if (!by->any)
		return;
	if (!bounds->any) {
		*bounds = *by;
		return;
	}
	if (by->t0 < bounds->t0)
		bounds->t0 = by->t0;
	if (by->t1 > bounds->t1)
		bounds->t1 = by->t1;
	if (by->lamport0 < bounds->lamport0)
		bounds->lamport0 = by->lamport0;
	if (by->lamport1 > bounds->lamport1)
		bounds->lamport1 = by->lamport1;
}

static struct node **bucket_of(struct part_tree *tree, uint64_t span_id)
{
	return &tree->bucket[span_id & (PART_BUCKETS - 1)];
}

struct node *rn_tree_find(const struct part_tree *tree, uint64_t span_id)
{
	struct node *node = tree->bucket[span_id & (PART_BUCKETS - 1)];

	while (node && node->span_id != span_id)
		node = node->next;
	return node;
}

static void hang(struct node *node, struct node *parent)
{
	node->parent = parent;
	node->older = node->newer = NULL;
	if (!parent)
		return;
	node->newer = parent->children;
	if (parent->children)
		parent->children->older = node;
	parent->children = node;
}

static void unhang(struct node *node)
{
	if (node->older)
		node->older->newer = node->newer;
	else if (node->parent)
		node->parent->children = node->newer;
	if (node->newer)
		node->newer->older = node->older;
}

/* Who made it, if that lives: one under a foreign span has a link to that. */
static struct node *maker_of(const struct part_tree *tree, const struct rn_process *process)
{
	struct node *node = rn_tree_find(tree, process->parent_span_id);

	for (uint32_t i = 0; !node && i < process->nlinks; i++)
		if (strcmp(process->links[i].edge, "parent") == 0)
			node = rn_tree_find(tree, process->links[i].span_id);
	return node;
}

bool rn_tree_add(struct part_tree *tree, const struct rn_process *process)
{
	struct node **at = bucket_of(tree, process->ctx.span_id);
	struct node *node;

	if (rn_tree_find(tree, process->ctx.span_id))
		return false;
	node = calloc(1, sizeof(*node));
	if (!node)
		return false;
	node->process = process;
	node->span_id = process->ctx.span_id;
	hang(node, maker_of(tree, process));
	node->next = *at;
	*at = node;
	tree->count++;
	return true;
}

void rn_omitted_add(struct rn_omitted *to, const struct rn_omitted *more)
{
	to->calls += more->calls;
	to->ns += more->ns;
	to->links += more->links;
}

void rn_tree_remove(struct part_tree *tree, struct node *node)
{
	struct node **at = bucket_of(tree, node->span_id);

	unhang(node);
	while (node->children) {
		struct node *child = node->children;

		node->children = child->newer;
		hang(child, node->parent);
	}
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	rn_omitted_add(&tree->all, &node->omitted);
	tree->count--;
	free(node);
}

void rn_tree_clear(struct part_tree *tree)
{
	for (unsigned i = 0; i < PART_BUCKETS; i++) {
		while (tree->bucket[i]) {
			struct node *node = tree->bucket[i];

			tree->bucket[i] = node->next;
			free(node);
		}
	}
}

static bool is_within(const struct bounds *inner, const struct bounds *outer)
{
	return outer->any && outer->t0 <= inner->t0 && outer->t1 >= inner->t1 &&
	       outer->lamport0 <= inner->lamport0 && outer->lamport1 >= inner->lamport1;
}

void rn_tree_widen(struct node *node, const struct bounds *by)
{
	for (; node && node->copy_part && by->any && !is_within(by, &node->bounds);
	     node = node->parent)
		rn_bounds_widen(&node->bounds, by);
}

static void widen_parent(void *ctx, struct node *node)
{
	(void)ctx;
	if (node->copy_part)
		rn_tree_widen(node->parent, &node->bounds);
}

void rn_tree_settle(struct part_tree *tree)
{
	rn_tree_each(tree, widen_parent, NULL);
}

void rn_tree_each(struct part_tree *tree, void (*act)(void *ctx, struct node *node), void *ctx)
{
	for (unsigned i = 0; i < PART_BUCKETS; i++)
		for (struct node *node = tree->bucket[i]; node; node = node->next)
			act(ctx, node);
}
