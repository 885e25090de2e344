/* SPDX-License-Identifier: MIT */
/* A world whose ends of objects are watched. */
#ifndef RENACER_TESTS_OBJECT_WORLD_H
#define RENACER_TESTS_OBJECT_WORLD_H
#include "fd_world.h"

#define MAX_CLOSED 64

/* Ends that have closed, in order. */
struct closings {
	uint64_t number[MAX_CLOSED];
	uint8_t ways[MAX_CLOSED];
	unsigned n;
};

static inline void on_closed(void *ctx, struct object *object, uint8_t ways, uint8_t ended)
{
	struct closings *closings = ctx;

	CHECK_INT(ways & ended, ended);
	if (!ended)
		return; /* others are left */
	CHECK(closings->n < MAX_CLOSED);
	closings->number[closings->n] = object->number;
	closings->ways[closings->n++] = ended;
}

static inline void begin(struct world *w, struct closings *closings)
{
	world_open(w);
	memset(closings, 0, sizeof(*closings));
	CHECK(w->in->objects);
	rn_objects_watch(w->in->objects, on_closed, closings);
	world_start(w, MAIN, MAIN, RN_ORDINAL_COMMAND, 0, 0);
}

static inline void end(struct world *w)
{
	world_finish(w);
	world_close(w);
}

#endif
