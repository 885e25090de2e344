/* SPDX-License-Identifier: MIT */
/* What of the calls and signals is told; see selection.h. */
#include "selection.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "fds.h"

struct rn_selector *rn_selector_create(const struct rn_selection *config)
{
	struct rn_selector *selector = calloc(1, sizeof(*selector));

	if (!selector)
		return NULL;
	selector->config = *config;
	if (config->paths)
		rn_fd_roles(selector->role);
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
	if (abi >= RN_ABI_COUNT || nr < 0 || (uint32_t)nr >= RN_CALLS_MAX)
		return false;
	return wanted[abi * RN_ABI_WORDS + (uint32_t)nr / 64u] >> ((uint32_t)nr % 64u) & 1u;
}

bool rn_selector_counts(const struct rn_selector *selector, const struct rn_event *ev)
{
	return rn_selection_is_wanted(selector->config.wanted, ev->abi, ev->nr);
}

void rn_selection_widen(uint64_t *wanted)
{
	uint8_t role[RN_ABI_COUNT][RN_CALLS_MAX] = {{0}};

	rn_fd_roles(role);
	for (uint32_t abi = 0; abi < RN_ABI_COUNT; abi++)
		for (uint32_t nr = 0; nr < RN_CALLS_MAX; nr++)
			if (role[abi][nr])
				wanted[abi * RN_ABI_WORDS + nr / 64u] |= 1ull << nr % 64u;
}

bool rn_selector_is_path(const struct rn_selector *selector, const struct rn_event *ev,
			 unsigned arg)
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

bool rn_selector_wants(const struct rn_selector *selector, const struct rn_fds *fds,
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
			if (rn_selector_is_path(selector, ev, arg))
				return true;
			break;
		case RN_ARG_FD:
		case RN_ARG_DIRFD:
			if (rn_fds_has(fds, (int32_t)ev->args[arg]))
				return true;
			break;
		default:
			break;
		}
	}
	return false;
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
