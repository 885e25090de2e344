/* SPDX-License-Identifier: MIT */
/* A replay's calls as a listing, a part after each feed; inner part of the replay. */
#ifndef RENACER_RUN_LISTED_H
#define RENACER_RUN_LISTED_H

#include "renacer/encode.h"
#include "renacer/interpret.h"
#include "renacer/redact.h"

struct listed {
	struct rn_rules *rules; /* what is secret in it; NULL without memory: it is not made */
	struct rn_redact redact;
	bool wanted;
	struct rn_trace trace;
	struct rn_listing listing;
	struct rn_buf buf; /* since the last feed began */
};

/* More records come: what was made of those before is dropped. */
void rn_listed_begin(struct listed *listed);
void rn_listed_call(struct listed *listed, const struct rn_call *call);
void rn_listed_gap(struct listed *listed, const struct rn_event *ev);

#endif
