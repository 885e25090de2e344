/* SPDX-License-Identifier: MIT */
#include "listed.h"

void rn_listed_begin(struct listed *listed)
{
	listed->buf.len = 0;
}

void rn_listed_call(struct listed *listed, const struct rn_call *call)
{
	if (listed->wanted)
		rn_listing_call(&listed->listing, &listed->buf, &listed->trace, call);
}

void rn_listed_gap(struct listed *listed, const struct rn_event *ev)
{
	if (listed->wanted)
		rn_listing_gap(&listed->listing, ev);
}
