/* SPDX-License-Identifier: MIT */
/* The parts of api.h that belong to no run. */
#include "renacer/api.h"

#include <string.h>

#include "renacer/content.h"
#include "renacer/ids.h"
#include "renacer/syscalls.h"
#include "decode/decode.h"
#include "engine/filter.h"
#include "run_private.h"

int rn_api_version(void)
{
	return RN_API_VERSION;
}

static struct block_queue *queue_of(rn_run *run, int out)
{
	switch (out) {
	case RN_OUT_OTLP:
		return &run->otlp.queue;
	case RN_OUT_JSON:
		return &run->json.queue;
	case RN_OUT_RECORD:
		return &run->record.queue;
	case RN_OUT_CSV:
		return &run->csv.queue;
	case RN_OUT_LISTING:
		return &run->listing.queue;
	default:
		return NULL;
	}
}

int rn_block_take(rn_run *run, int out, int timeout_ms, rn_block *taken)
{
	struct block_queue *queue = queue_of(run, out);
	struct block *block;
	int result;

	memset(taken, 0, sizeof(*taken));
	if (!queue)
		return -1;
	result = rn_blocks_take(queue, timeout_ms, &block);
	if (result == 1)
		*taken = (rn_block){
			.data = block->buf.data,
			.len = block->buf.len,
			.spans = block->spans,
			.first_seq = block->first_seq,
			.last = block->last,
			.owner = block,
		};
	return result;
}

void rn_block_release(rn_run *run, int out, rn_block *block)
{
	struct block_queue *queue = queue_of(run, out);

	if (queue && block->owner) {
		if (out == RN_OUT_OTLP)
			rn_held_release(run, block->owner);
		rn_blocks_recycle(queue, block->owner);
	}
	block->owner = NULL;
}

int rn_become(const char *const *argv, const char *const *envp, int fd, int tracer)
{
	return rn_engine_become((char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp, fd,
				tracer);
}

uint64_t rn_span_id(uint64_t key0, uint64_t key1, uint64_t n)
{
	struct rn_id_key key = {key0, key1};

	return rn_id_of(&key, n);
}

uint64_t rn_span_counter(uint64_t key0, uint64_t key1, uint64_t id)
{
	struct rn_id_key key = {key0, key1};

	return rn_id_counter(&key, id);
}

static bool known_abi(int abi)
{
	return abi > 0 && abi < RN_ABI_COUNT;
}

int rn_table_number(int abi, const char *name)
{
	return known_abi(abi) ? rn_syscall_number((enum rn_abi)abi, name) : -1;
}

const char *rn_table_name(int abi, int nr)
{
	return known_abi(abi) ? rn_syscall((enum rn_abi)abi, nr)->name : NULL;
}

int rn_table_limit(int abi)
{
	return known_abi(abi) ? rn_syscall_limit((enum rn_abi)abi) : 0;
}

const char *rn_table_signal(int sig)
{
	return rn_signal_name(sig);
}

const char *rn_table_errno(int err)
{
	return rn_errno_name(err);
}

const char *rn_table_edge(int kind)
{
	return kind > RN_EDGE_NONE && kind < RN_EDGE_KIND_COUNT
		       ? rn_edge_name((enum rn_edge_kind)kind)
		       : NULL;
}

uint32_t rn_table_flags(int abi, int nr)
{
	return known_abi(abi) ? rn_syscall((enum rn_abi)abi, nr)->flags : 0;
}

const char *rn_table_argument(int abi, int nr, int arg, int *kind)
{
	const struct rn_syscall_desc *desc;

	if (!known_abi(abi) || arg < 0)
		return NULL;
	desc = rn_syscall((enum rn_abi)abi, nr);
	if (!desc->name || arg >= desc->nargs || arg >= 6)
		return NULL;
	*kind = desc->args[arg].kind;
	return desc->args[arg].name;
}

int rn_table_value(int abi, int nr, int arg, const char *name, uint64_t *value)
{
	const struct rn_syscall_desc *desc;
	int kind;

	if (!rn_table_argument(abi, nr, arg, &kind))
		return 0;
	desc = rn_syscall((enum rn_abi)abi, nr);
	if (desc->args[arg].form & RN_FORM_CHOICE)
		return rn_value_of_choices(desc->args[arg].form, (unsigned)abi, name, value);
	return rn_value_of(desc->args[arg].form & RN_FORM_MASK, (unsigned)abi, name, value);
}

int rn_native_abi(void)
{
#if defined(__x86_64__)
	return RN_ABI_X86_64;
#elif defined(__aarch64__)
	return RN_ABI_AARCH64;
#else
	return RN_ABI_UNKNOWN;
#endif
}

uint32_t rn_filter_program(const uint64_t *wanted, uint32_t action, void *out, uint32_t cap)
{
	return rn_filter_build(wanted, action, false, out, cap);
}

void rn_content_hash(const void *data, uint64_t len, uint64_t hash[2])
{
	struct rn_content content = {0};

	rn_content_add(&content, data, len);
	memcpy(hash, content.lanes, sizeof(content.lanes));
}

uint64_t rn_index_records(const void *data, uint64_t len, uint64_t *offsets, uint64_t cap,
			  uint64_t *used)
{
	uint64_t n = 0, at = 0;

	while (n < cap && at < len) {
		uint32_t size = rn_event_check((const uint8_t *)data + at, len - at);

		if (size == 0)
			break;
		offsets[n++] = at;
		at += size;
	}
	*used = at;
	return n;
}
