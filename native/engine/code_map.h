/* SPDX-License-Identifier: MIT */
/*
 * Which code is mapped where in an address space, and what is known of the files that it is
 * from. Read from /proc/PID/maps when code is met that is not known, and anew once a file's
 * code was mapped; the files themselves are not opened, but for programs without a table of their frames.
 */
#ifndef RENACER_CODE_MAP_H
#define RENACER_CODE_MAP_H

#include "cfi.h"
#include "renacer/event.h"

struct rn_engine;
struct task;

/* A file that is mapped; the same one in several address spaces if its build id says so. */
struct module {
	uint32_t users; /* maps */
	uint32_t number; /* never used again */
	bool looked;     /* the rest is known */
	bool library;    /* the C library, its loader, the vDSO: nobody's own code */
	bool loader;
	bool anonymous;
	uint32_t major, minor;
	uint64_t inode;
	uint8_t id_len;
	uint8_t id[RN_BUILD_ID_MAX];
	/* Relative to where its first byte is mapped. */
	uint64_t header, header_size, frames, frames_size, end;
	char *path;
};

struct code {
	uint64_t from, to;
	uint64_t offset; /* in the file */
	uint64_t base;   /* where the file's first byte is mapped; 0 = it is not */
	struct module *module;
};

struct code_map {
	bool known;    /* it was read… */
	bool stale;    /* …and other files' code may have come since */
	bool grown;    /* or code of no file's */
	bool has_libc; /* else the program holds what it has of it */
	uint32_t misses, patience; /* places that are not in it; read anew at `patience` of them */
	unsigned n, room;
	struct code *codes; /* by address */
};

/* The code at `pc`; NULL: there is none, or it cannot be told. Holds until the next one is asked for. */
struct code *rn_code_at(struct rn_engine *e, const struct task *task, struct code_map *map,
			uint64_t pc);
/* Of a mapped file, by its headers in memory. */
void rn_module_look(struct rn_engine *e, const struct task *task, const struct code *code);
/* frame_section.c: where a program that has no table of its .eh_frame has that; its first byte is
   at `first` by its own count. */
void rn_find_frames(int tid, struct module *module, uint64_t first);
/* A call has returned that may have mapped code. */
void rn_code_after_call(struct code_map *map, const struct task *task, int64_t result);
void rn_code_map_free(struct code_map *map);

#endif
