/* SPDX-License-Identifier: MIT */
/* Which calls are the same one again; see folds.h. */
#include <string.h>

#include "folds.h"

/* Whether what an argument points to says what the call is about. */
static bool names_something(unsigned kind)
{
	switch (kind) {
	case RN_ARG_PATH:
	case RN_ARG_STRING:
	case RN_ARG_ARGV:
	case RN_ARG_ENVP:
	case RN_ARG_SOCKADDR_IN:
		return true;
	default:
		return false;
	}
}

/* Whether an argument may be another in each call of a run. */
static bool may_differ(const struct rn_meaning *meaning)
{
	switch (meaning->kind) {
	case RN_ARG_INT:
	case RN_ARG_LONG:
	case RN_ARG_UINT:
	case RN_ARG_ULONG:
		return meaning->form == 0; /* no flags, no command */
	case RN_ARG_PTR:
	case RN_ARG_BUF_IN:
	case RN_ARG_BUF_OUT:
	case RN_ARG_PATH_OUT:
	case RN_ARG_STRUCT_IN:
	case RN_ARG_STRUCT_OUT:
	case RN_ARG_STRUCT_INOUT:
	case RN_ARG_WAIT_STATUS:
	case RN_ARG_FD_PAIR_OUT:
	case RN_ARG_ARRAY_IN:
	case RN_ARG_ARRAY_OUT:
	case RN_ARG_ARRAY_FILLED:
	case RN_ARG_SOCKADDR_OUT:
	case RN_ARG_LENGTH_INOUT:
	case RN_ARG_DIRENTS_OUT:
	case RN_ARG_VOID:
	case RN_ARG_HIGH_HALF:
	case RN_ARG_IOVEC_IN:
	case RN_ARG_IOVEC_OUT:
	case RN_ARG_POLLFDS:
	case RN_ARG_FDSET:
	case RN_ARG_SIGMASK_ARG:
	case RN_ARG_VALUE_IN:
	case RN_ARG_VALUE_OUT:
	case RN_ARG_REMAINDER:
	case RN_ARG_MSG_IN:
	case RN_ARG_MSG_OUT:
	case RN_ARG_MMSG_IN:
	case RN_ARG_MMSG_OUT:
	case RN_ARG_SIZED_IN:
		return true;
	default:
		return names_something(meaning->kind); /* wherever the name stands */
	}
}

/* Whether a piece says what the call is about. */
static bool is_telling(const struct rn_call *call, const struct rn_piece *piece)
{
	struct rn_meaning meaning;

	switch (piece->type) {
	case RN_PIECE_FD_LINK:
	case RN_PIECE_FD_DETAIL:
	case RN_PIECE_SOURCE:
		return true;
	default:
		if (piece->arg >= call->desc->nargs || piece->arg >= 6)
			return false;
		rn_arg_mean(call->desc, call->args, piece->arg, &meaning);
		return names_something(meaning.kind);
	}
}

static bool pieces_equal(const struct rn_piece *a, const struct rn_piece *b)
{
	return a->type == b->type && a->arg == b->arg && a->flags == b->flags && a->len == b->len &&
	       a->total == b->total && memcmp(rn_piece_data(a), rn_piece_data(b), a->len) == 0;
}

static const struct rn_piece *next_telling(const struct rn_call *call, const struct rn_event *ev,
					   const struct rn_piece *piece)
{
	if (!ev)
		return NULL;
	piece = piece ? rn_piece_next(ev, piece) : rn_piece_first(ev);
	while (piece && !is_telling(call, piece))
		piece = rn_piece_next(ev, piece);
	return piece;
}

static bool tell_the_same(const struct rn_call *a, const struct rn_event *of_a,
			  const struct rn_call *b, const struct rn_event *of_b)
{
	const struct rn_piece *in_a = NULL, *in_b = NULL;

	do {
		in_a = next_telling(a, of_a, in_a);
		in_b = next_telling(b, of_b, in_b);
		if (!in_a != !in_b || (in_a && !pieces_equal(in_a, in_b)))
			return false;
	} while (in_a);
	return true;
}

static const struct rn_event *exit_of(const struct rn_call *call)
{
	return call->exit == call->entry ? NULL : call->exit;
}

bool rn_fold_same(const struct rn_call *a, const struct rn_call *b)
{
	if (a->nr != b->nr || a->abi != b->abi || a->tid != b->tid || a->process != b->process ||
	    a->flags != b->flags || a->parent_span_id != b->parent_span_id ||
	    a->under_application != b->under_application || a->incomplete != b->incomplete ||
	    a->trace_flags != b->trace_flags || memcmp(a->trace_id, b->trace_id, 16) != 0)
		return false;
	for (unsigned arg = 0; arg < a->desc->nargs && arg < 6; arg++) {
		struct rn_meaning meaning;

		if (a->args[arg] == b->args[arg])
			continue;
		rn_arg_mean(a->desc, a->args, arg, &meaning);
		if (!may_differ(&meaning))
			return false;
	}
	return tell_the_same(a, a->entry, b, b->entry) &&
	       tell_the_same(a, exit_of(a), b, exit_of(b));
}

uint32_t rn_fold_differs(const struct rn_call *a, const struct rn_call *b)
{
	uint32_t differs = a->result == b->result ? 0 : RN_FOLD_RESULT;

	for (unsigned arg = 0; arg < a->desc->nargs && arg < 6; arg++) {
		const struct rn_piece *of_a, *of_b;

		if (a->args[arg] != b->args[arg]) {
			differs |= 1u << arg;
			continue;
		}
		of_a = rn_call_piece(a, arg);
		of_b = rn_call_piece(b, arg);
		if (!of_a != !of_b || (of_a && !pieces_equal(of_a, of_b)))
			differs |= 1u << arg;
	}
	return differs;
}
