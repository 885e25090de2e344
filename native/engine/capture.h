/* SPDX-License-Identifier: MIT */
/* Between capture.c, capture_lists.c and content.c: what leads on to more memory. */
#ifndef RENACER_CAPTURE_H
#define RENACER_CAPTURE_H

#include <string.h>

#include "engine_private.h"

struct messages {
	uint64_t count; /* of them, by the call's own word */
	uint64_t given; /* bytes in the buffers of one */
	bool many;      /* struct mmsghdr, else struct msghdr */
	bool filled;    /* each one's msg_len tells how many bytes */
	bool heads_only;
};

/* Bytes of a pointer in the structures of a task's call. */
static inline size_t rn_word_of(const struct task *task)
{
	return task->abi == RN_ABI_X86_64 || task->abi == RN_ABI_AARCH64 ? 8 : 4;
}

static inline uint64_t rn_word_at(const uint8_t *data, size_t index, size_t word)
{
	uint64_t value = 0;

	memcpy(&value, data + index * word, word);
	return value;
}

void rn_capture_argv(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg);
/* Variables at these addresses that the process was not itself given. */
void rn_capture_environment(struct rn_engine *e, struct task *task, struct record *rec,
			    unsigned arg, const uint64_t *pointers, unsigned n);
void rn_capture_envp(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg);
void rn_capture_iovecs(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg,
		       uint64_t count, uint64_t given, unsigned flags);
void rn_capture_messages(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg,
			 const struct messages *what, unsigned flags);
void rn_capture_sigmask_arg(struct rn_engine *e, struct task *task, struct record *rec,
			    unsigned arg);
void rn_capture_clone(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg);
void rn_capture_dirents(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg,
			uint64_t filled, bool old);

#endif
