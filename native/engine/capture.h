/* SPDX-License-Identifier: MIT */
/* Between capture.c and capture_lists.c: what leads on to more memory. */
#ifndef RENACER_CAPTURE_H
#define RENACER_CAPTURE_H

#include "engine_private.h"

struct messages {
	uint64_t count; /* of them, by the call's own word */
	uint64_t given; /* bytes in the buffers of one */
	bool many;      /* struct mmsghdr, else struct msghdr */
	bool filled;    /* each one's msg_len tells how many bytes */
	bool heads_only;
};

void rn_capture_argv(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg);
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
