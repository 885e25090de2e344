/* SPDX-License-Identifier: MIT */
/*
 * What the places of RN_PIECE_SOURCE are called in the source: each is looked for once. Files are
 * opened when a place of theirs is met first, those of separate debug information, too; one that
 * is not what was mapped (by its build id, else by its inode) tells nothing. For one thread.
 */
#ifndef RENACER_SITES_H
#define RENACER_SITES_H

#include "renacer/span.h"

struct rn_sites;

/* NULL: no memory. */
struct rn_sites *rn_sites_create(void);
void rn_sites_destroy(struct rn_sites *sites);
/* Of a call's piece; lives as long as `sites`. NULL: the call has none, or no memory. */
const struct rn_site *rn_sites_look(struct rn_sites *sites, const struct rn_call *call);
/* The same as a hook of struct rn_trace. */
const struct rn_site *rn_sites_hook(void *sites, const struct rn_call *call);

#endif
