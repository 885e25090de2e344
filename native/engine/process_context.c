/* SPDX-License-Identifier: MIT */
/*
 * What an application publishes of itself (OTEP 4719): a header in a mapping of its own, which
 * it names by prctl(2) whenever it has published anew, whether or not the kernel knows names.
 * The call is seen under any filter. Other threads run meanwhile: what changes while it is read
 * is read again.
 */
#include "application.h"

#include <string.h>

#include "engine_private.h"

#define SET_VMA 0x53564d41u /* PR_SET_VMA; its first argument is then PR_SET_VMA_ANON_NAME, 0 */
#define NAME "OTEL_CTX"
#define VERSION 2u
#define TRIES 3u

struct header {
	char signature[8];
	uint32_t version;
	uint32_t size;
	uint64_t published; /* 0 = it is being changed */
	uint64_t payload;
};

static bool read_header(struct rn_engine *e, const struct task *task, uint64_t addr,
			struct header *to)
{
	return rn_memory_read_one(e, task->tid, addr, to, sizeof(*to)) == sizeof(*to) &&
	       memcmp(to->signature, NAME, sizeof(to->signature)) == 0 && to->version == VERSION &&
	       to->size && to->size <= RN_RESOURCE_MAX;
}

void rn_process_context_at(struct rn_engine *e, struct task *task, uint64_t addr)
{
	uint8_t payload[RN_RESOURCE_MAX];
	struct header before, after;

	for (unsigned i = 0; i < TRIES; i++) {
		if (!read_header(e, task, addr, &before))
			return;
		if (before.published == 0 ||
		    rn_memory_read_one(e, task->tid, before.payload, payload, before.size) !=
			    before.size ||
		    !read_header(e, task, addr, &after) ||
		    memcmp(&before, &after, sizeof(before)) != 0)
			continue;
		rn_record_begin(e, &e->work, RN_CONTEXT, task);
		rn_piece_add(&e->work, RN_PIECE_RESOURCE, RN_PIECE_NO_ARG, payload, before.size,
			     before.size, 0);
		rn_emit_work(e, false);
		return;
	}
}

void rn_process_context(struct rn_engine *e, struct task *task)
{
	char name[sizeof(NAME)];

	if (!e->files || task->silent || task->hidden || task->abi != RN_ABI_X86_64 ||
	    task->args[0] != SET_VMA || task->args[1] != 0 ||
	    task->nr != rn_guarded_number(task->abi, GUARDED_PRCTL))
		return;
	if (rn_memory_read_one(e, task->tid, task->args[4], name, sizeof(name)) == sizeof(name) &&
	    memcmp(name, NAME, sizeof(name)) == 0)
		rn_process_context_at(e, task, task->args[2]);
}
