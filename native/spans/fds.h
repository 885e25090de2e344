/* SPDX-License-Identifier: MIT */
/* Which calls make, copy and close descriptors; inner part of the selection. */
#ifndef RENACER_SPANS_FDS_H
#define RENACER_SPANS_FDS_H

#include "selection.h"

#define RN_CALLS_MAX (RN_ABI_WORDS * 64u) /* numbers of an ABI */

struct rn_selector {
	struct rn_selection config;
	uint8_t role[RN_ABI_COUNT][RN_CALLS_MAX]; /* index into the roles + 1; 0 = none */
};

/* Fills in the roles of all calls. */
void rn_fd_roles(uint8_t role[RN_ABI_COUNT][RN_CALLS_MAX]);
bool rn_fds_has(const struct rn_fds *fds, int32_t fd);
/* Whether argument `arg` of this entry is one of the selected paths, byte for byte. */
bool rn_selector_is_path(const struct rn_selector *selector, const struct rn_event *ev,
			 unsigned arg);

#endif
