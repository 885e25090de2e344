/* SPDX-License-Identifier: MIT */
/* The files that a run may have changed, for whoever asks after its end. */
#include "run_private.h"

static rn_file_state shown(const struct rn_file_state *state)
{
	return (rn_file_state){
		.mode = state->mode,
		.uid = state->uid,
		.gid = state->gid,
		.links = state->links,
		.size = state->size,
		.device = state->device,
		.inode = state->inode,
		.rdev = state->rdev,
		.attributes = {state->attributes[0], state->attributes[1]},
		.lanes = {state->lanes[0], state->lanes[1]},
		.target = state->target,
		.known = state->known,
		.unreadable = state->unreadable,
	};
}

int rn_run_looked(const rn_run *run, uint32_t at, rn_looked_file *file)
{
	const struct rn_looked *found =
		rn_ring_closed(&run->ring) ? rn_engine_looked(run->engine, at) : NULL;

	if (!found)
		return 0;
	*file = (rn_looked_file){found->path, shown(&found->before), shown(&found->after),
				 found->mapped};
	return 1;
}

uint64_t rn_run_not_looked(const rn_run *run)
{
	return rn_ring_closed(&run->ring) ? rn_engine_not_looked(run->engine) : 0;
}
