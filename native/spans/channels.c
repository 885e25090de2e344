/* SPDX-License-Identifier: MIT */
/* Bytes, messages and connections: from the call that sent to the call that received. */
#include "edges_private.h"

void rn_channels_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev)
{
	(void)edges;
	(void)thread;
	(void)ev;
}

void rn_channels_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		      struct joined *joined)
{
	(void)edges;
	(void)thread;
	(void)call;
	(void)joined;
}
