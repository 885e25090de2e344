/* SPDX-License-Identifier: MIT */
/* What of the calls and signals is told; see selection.h. */
#include "selection.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "objects.h"

struct rn_selector {
	struct rn_selection config;
};

struct rn_selector *rn_selector_create(const struct rn_selection *config)
{
	struct rn_selector *selector = calloc(1, sizeof(*selector));

	if (!selector)
		return NULL;
	selector->config = *config;
	return selector;
}

void rn_selector_destroy(struct rn_selector *selector)
{
	free(selector);
}

bool rn_selection_is_wanted(const uint64_t *wanted, uint8_t abi, int32_t nr)
{
	if (!wanted)
		return true;
	if (abi >= RN_ABI_COUNT || nr < 0 || (uint32_t)nr >= RN_ABI_WORDS * 64u)
		return false;
	return wanted[abi * RN_ABI_WORDS + (uint32_t)nr / 64u] >> ((uint32_t)nr % 64u) & 1u;
}

bool rn_selection_has_all(const uint64_t *wanted, const char *name)
{
	for (struct rn_number at = {0}; rn_syscall_next(name, &at);)
		if (!rn_selection_is_wanted(wanted, (uint8_t)at.abi, (int32_t)at.nr))
			return false;
	return true;
}

bool rn_selector_counts(const struct rn_selector *selector, const struct rn_event *ev)
{
	return rn_selection_is_wanted(selector->config.wanted, ev->abi, ev->nr);
}

/* Whether argument `arg` of this entry is one of the selected paths, byte for byte. */
static bool is_path(const struct rn_selector *selector, const struct rn_event *ev, unsigned arg)
{
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p)) {
		if (p->arg != arg || p->type != RN_PIECE_PATH ||
		    p->flags & (RN_PIECE_CUT | RN_PIECE_UNREAD | RN_PIECE_AT_EXIT))
			continue;
		for (const char *const *path = selector->config.paths; *path; path++)
			if (strlen(*path) == p->len && memcmp(*path, rn_piece_data(p), p->len) == 0)
				return true;
	}
	return false;
}

bool rn_selector_wants(const struct rn_selector *selector, const struct fd_table *table,
		       const struct rn_event *ev)
{
	const struct rn_syscall_desc *desc = rn_syscall(ev->abi, ev->nr);

	if (!rn_selector_counts(selector, ev))
		return false;
	if (!selector->config.paths)
		return true;
	for (unsigned arg = 0; arg < desc->nargs; arg++) {
		switch (desc->args[arg].kind) {
		case RN_ARG_PATH:
			if (is_path(selector, ev, arg))
				return true;
			break;
		case RN_ARG_FD:
		case RN_ARG_DIRFD:
			if (rn_fd_is_chosen(table, (int32_t)ev->args[arg]))
				return true;
			break;
		default:
			break;
		}
	}
	return false;
}

void rn_selector_start(const struct rn_selector *selector, struct object_space *space,
		       struct fd_user *user, const struct rn_event *ev)
{
	for (uint32_t i = 0; ev->args[4] == RN_BIRTH_LAUNCH && i < selector->config.n_fds; i++)
		rn_fd_choose(space, user, selector->config.fds[i], false);
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_FD && p->total <= INT32_MAX)
			rn_fd_choose(space, user, (int32_t)p->total, p->flags & RN_PIECE_CLOEXEC);
}

void rn_selector_return(const struct rn_selector *selector, struct object_space *space,
			struct fd_user *user, const struct rn_call *call)
{
	bool opened =
		selector->config.paths && call->entry && call->result >= 0 &&
		call->result <= INT32_MAX &&
		!(call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED | RN_FLAG_UNFINISHED)) &&
		rn_fd_is_opening(space, call->abi, call->nr);

	for (unsigned arg = 0; opened && arg < call->desc->nargs; arg++)
		if (call->desc->args[arg].kind == RN_ARG_PATH &&
		    is_path(selector, call->entry, arg))
			rn_fd_choose(space, user, (int32_t)call->result, false);
}

bool rn_selector_waits(const struct rn_selector *selector)
{
	return selector->config.hidden_statuses != 0;
}

bool rn_selector_wants_outcome(const struct rn_selector *selector, const struct rn_call *call)
{
	uint32_t status = RN_STATUS_SUCCESSFUL;

	if (call->flags & RN_FLAG_DETACHED)
		status = RN_STATUS_DETACHED;
	else if (call->flags & RN_FLAG_UNFINISHED || call->desc->flags & RN_CALL_NO_RETURN)
		status = RN_STATUS_UNFINISHED;
	else if (call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED))
		status = RN_STATUS_FAILED;
	return !(selector->config.hidden_statuses & status);
}

bool rn_selector_wants_signal(const struct rn_selector *selector, int sig)
{
	return sig < 1 || sig > 64 || !(selector->config.hidden_signals >> (sig - 1) & 1u);
}
