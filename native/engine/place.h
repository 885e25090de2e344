/* SPDX-License-Identifier: MIT */
#ifndef RENACER_PLACE_H
#define RENACER_PLACE_H

#include <limits.h>
#include <stdbool.h>

#define RN_PLACE_MAX (2u * PATH_MAX)

/* A name in a folder, which may not be there. */
struct place {
	int folder; /* open */
	char name[NAME_MAX + 1];
	char path[RN_PLACE_MAX]; /* the whole, from the root in our sight */
};

/*
 * Follows `path` of thread `tid` from the open folder `base`, which is closed, or from its root; `end`:
 * also a link that the last name is. `path` has room for PATH_MAX bytes, and is overwritten. False: it
 * leads nowhere, or not to files; else the folder is to be closed.
 */
bool rn_place_find(int tid, int base, char *path, bool end, struct place *place);

#endif
