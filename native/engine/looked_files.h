/* SPDX-License-Identifier: MIT */
/* Files that a run changes, as they are kept: inner part of states.c and looked_files.c. */
#ifndef RENACER_LOOKED_FILES_H
#define RENACER_LOOKED_FILES_H

#include "engine_private.h"
#include "place.h"

#define FILES_MAX 16384u
#define CONTENTS_MAX (1ull << 30)  /* of all, before and after each */

struct looked {
	struct rn_looked pub;
	uint32_t next; /* of its bucket: index + 1, 0 = none */
	uint64_t device, inode; /* of what was mapped */
	bool gone; /* what was mapped has no name any more */
	bool moved;    /* it came by a rename, with all that is in it if it is a folder */
};

/* Which files a call may bring. */
enum wanted { WANT_ALL, WANT_KNOWN, WANT_NONE };

struct states {
	struct looked *files;
	uint32_t count, capacity;
	uint32_t bucket[FILES_MAX];
	uint64_t text, missed;
	uint64_t room; /* bytes of content that may yet be hashed */
	bool mapped; /* only files that memory writes, and these in the end alone */
	enum wanted wanted;
	bool removes; /* the call may take a name away */
	bool off; /* a file may be served by a tracee: it would wait for us, and we for it */
	uint8_t how[RN_ABI_COUNT][64 * RN_ABI_WORDS];
};

/* The file that has this name, or, if it is wanted, gets into the list and is looked at; `moved`: by a
   rename. NULL: none, or no room (counted). */
struct looked *rn_looked_note(struct rn_engine *e, const struct place *place, bool moved);

#endif
