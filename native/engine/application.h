/* SPDX-License-Identifier: MIT */
/*
 * The application's own span that is live in a thread, as it publishes it (OTEP 4947), read
 * while the thread is stopped at a call. Between elf_tls.c, mapped_files.c, spaces.c and
 * thread_context.c.
 *
 * What is found in a file is kept by the file, what is mapped by the address space, and where
 * a thread has its pointer by the thread: then a call costs one read of memory, and none where
 * nothing publishes.
 */
#ifndef RENACER_APPLICATION_H
#define RENACER_APPLICATION_H

#include "elf_tls.h"

#include <sys/types.h>

struct rn_engine;
struct task;
struct record;

#define SPACE_OBJECTS 4u /* files with the symbol in an address space; others are not seen */

/* A file with the symbol, mapped. */
struct mapped_object {
	bool used;
	bool settled;       /* the loader's words are read: */
	bool is_static;     /* at `offset` from the thread pointer; else… */
	uint32_t version;   /* of what is in this place */
	uint64_t module;    /* …in the block of that module */
	int64_t offset;
	uint64_t generation; /* a thread's vector must have reached it; 0 = not known */
	uint64_t base;       /* is added to the file's addresses */
	struct elf_tls tls;
};

struct code_map;

/* An address space, of a process or of several. */
struct space {
	uint32_t users; /* threads */
	struct code_map *code; /* NULL: not looked at; see code_map.h */
	bool musl;
	bool unseen;
	unsigned count;
	struct mapped_object objects[SPACE_OBJECTS];
};

/* Where a thread has the pointer of an object. */
struct slot {
	uint32_t version; /* of the object */
	uint64_t module;  /* …whose block is the one below; 0 = not looked for */
	uint64_t dtv, generation, block; /* the vector of its blocks, as last seen */
	uint64_t record;                 /* where the pointer led */
	/* Of the object that was here before: its block may still stand in the vector. */
	uint64_t was_module, was_block, was_generation;
};

struct files; /* what is known of files */

/* mapped_files.c. NULL: no memory, or not this machine's. */
struct files *rn_files_create(void);
/* What the file has; NULL: nothing, it is not a file, or it may not be read. */
const struct elf_tls *rn_files_look(struct files *files, int tid, const char *path);

/* spaces.c: an address space is shared, copied, replaced and dropped as the kernel does it */
void rn_space_birth(struct task *child, const struct task *maker);
void rn_space_exec(struct rn_engine *e, struct task *task);
/* Of a process that runs already: what it has mapped is looked at later, by rn_space_scan(). */
void rn_space_unseen(struct rn_engine *e, struct task *task);
void rn_space_scan(struct rn_engine *e, struct task *task);
void rn_space_share(struct task *task, const struct task *other);
void rn_space_leave(struct task *task);
/* A call has returned that may have mapped code, or moved the thread pointer. */
void rn_space_after_call(struct rn_engine *e, struct task *task, int64_t result);
void rn_space_drop(struct space *space, struct mapped_object *object);

/* process_context.c: what the process publishes of itself, when it names it, and at an address */
void rn_process_context(struct rn_engine *e, struct task *task);
void rn_process_context_at(struct rn_engine *e, struct task *task, uint64_t addr);

/* thread_context.c: adds RN_PIECE_SPAN to the entry of a call, if there is a span. */
void rn_thread_context(struct rn_engine *e, struct task *task, struct record *rec);

#endif
