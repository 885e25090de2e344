/* SPDX-License-Identifier: MIT */
/*
 * Several calls as one span: part of span_walk.h.
 *
 * Named by the call, or by those of the group: "read+write". Besides the attributes of a call that
 * are the same in all of them:
 *   renacer.fold.count         int     calls
 *   renacer.fold.duration.min, .max, .sum   int, ns, of a call; min and max of a group: of any of
 *                                      its calls
 *   renacer.fold.bytes         int     that they moved, as their results say; absent of other calls
 *   renacer.fold.calls         list    of a group: the names of its calls, in order
 *   renacer.fold.<n>.duration.min, .max, .sum, renacer.fold.<n>.bytes
 *                                      of a group: of its n-th call, from 1
 */

/* At most RN_NAME_MAX bytes, no NUL behind them. */
static size_t walk_call_name(char *to, const struct rn_syscall_desc *desc, int32_t nr)
{
	size_t len;

	if (!desc->name)
		return (size_t)snprintf(to, RN_NAME_MAX, "syscall_%d", nr);
	len = strnlen(desc->name, RN_NAME_MAX);
	memcpy(to, desc->name, len);
	return len;
}

static size_t walk_group_name(char *to, const struct rn_fold *fold)
{
	char name[RN_NAME_MAX];
	size_t used = 0;

	for (unsigned i = 0; i < fold->period && i < RN_FOLD_PERIOD; i++) {
		size_t len = walk_call_name(name, fold->of[i].desc, fold->of[i].nr);

		if (used + 1 + len > RN_NAME_MAX)
			break;
		if (i)
			to[used++] = '+';
		memcpy(to + used, name, len);
		used += len;
	}
	return used;
}

/* Whether what tells a peer is not the same in all calls of a fold. */
static bool walk_hides_peer(const struct rn_call *call, uint32_t hidden)
{
	for (unsigned arg = 0; arg < call->desc->nargs && arg < 6; arg++) {
		switch (call->desc->args[arg].kind) {
		case RN_ARG_SOCKADDR_IN:
		case RN_ARG_SOCKADDR_OUT:
		case RN_ARG_MSG_IN:
		case RN_ARG_MSG_OUT:
		case RN_ARG_MMSG_IN:
		case RN_ARG_MMSG_OUT:
			if (hidden & 1u << arg)
				return true;
			break;
		default:
			break;
		}
	}
	return hidden == UINT32_MAX; /* a group's */
}

static void walk_member_int(struct writer *w, unsigned member, const char *what, uint64_t value)
{
	char key[RN_KEY_MAX];
	int len = snprintf(key, sizeof(key), "renacer.fold.%u.%s", member, what);

	attr_int(w, key, (size_t)len, walk_count(value));
}

static void walk_member(struct writer *w, unsigned member, const struct rn_folded *of)
{
	walk_member_int(w, member, "duration.min", of->min_ns);
	walk_member_int(w, member, "duration.max", of->max_ns);
	walk_member_int(w, member, "duration.sum", of->sum_ns);
	if (of->moves)
		walk_member_int(w, member, "bytes", of->bytes);
}

static void walk_fold(struct writer *w, const struct rn_fold *fold)
{
	unsigned n = fold->period < RN_FOLD_PERIOD ? fold->period : RN_FOLD_PERIOD;
	struct rn_folded all = fold->of[0];
	char name[RN_NAME_MAX];

	for (unsigned i = 1; i < n; i++) {
		const struct rn_folded *of = &fold->of[i];

		all.min_ns = of->min_ns < all.min_ns ? of->min_ns : all.min_ns;
		all.max_ns = of->max_ns > all.max_ns ? of->max_ns : all.max_ns;
		all.sum_ns += of->sum_ns;
		all.bytes += of->bytes;
		all.moves |= of->moves;
	}
	attr_int(w, RN_KEY("renacer.fold.count"), walk_count(fold->count));
	attr_int(w, RN_KEY("renacer.fold.duration.min"), walk_count(all.min_ns));
	attr_int(w, RN_KEY("renacer.fold.duration.max"), walk_count(all.max_ns));
	attr_int(w, RN_KEY("renacer.fold.duration.sum"), walk_count(all.sum_ns));
	if (all.moves)
		attr_int(w, RN_KEY("renacer.fold.bytes"), walk_count(all.bytes));
	if (n < 2)
		return;
	array_open(w, RN_KEY("renacer.fold.calls"));
	for (unsigned i = 0; i < n; i++)
		array_item(w, name, walk_call_name(name, fold->of[i].desc, fold->of[i].nr));
	array_close(w);
	for (unsigned i = 0; i < n; i++)
		walk_member(w, i + 1, &fold->of[i]);
}
