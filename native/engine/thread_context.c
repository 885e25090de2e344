/* SPDX-License-Identifier: MIT */
/*
 * The record that a thread's `otel_thread_ctx_v1` points to (OTEP 4947: read only while the
 * thread is stopped). Everything that may have changed since the last call is read at once:
 * the pointer, the record where it led before, the vector of the thread's blocks, and the
 * beginning of the file that holds the pointer.
 *
 * The vector (DTV) stands behind the second word of what the thread pointer points to, in
 * glibc and in musl. Of glibc its entries are pairs of words, of which the first is the block
 * or -1, entry 0 is the generation and entry -1 how many there are; of musl they are words, and
 * entry 0 is how many there are.
 */
#include "application.h"

#include <stddef.h>
#include <string.h>
#if defined(__x86_64__)
#include <sys/user.h>
#endif

#include "engine_private.h"

#define MODULES_MAX 65536u
#define DISTANCE_MAX ((uint64_t)1 << 31)
#define ROUNDS_MAX 6u
#define NO_BLOCK UINT64_MAX

static bool read_all(struct rn_engine *e, const struct task *task, uint64_t addr, void *to,
		     size_t len)
{
	return rn_memory_read_one(e, task->tid, addr, to, len) == len;
}

static bool find_thread_pointer(struct task *task)
{
#if defined(__x86_64__)
	unsigned long word = 0;

	if (task->thread_pointer == 0 &&
	    rn_ptrace(RN_PTRACE_PEEKUSER, task->tid, offsetof(struct user_regs_struct, fs_base),
		      (uintptr_t)&word) == 0)
		task->thread_pointer = word;
#endif
	return task->thread_pointer != 0;
}

static bool is_distance(uint64_t word)
{
	return word != 0 && 0 - word < DISTANCE_MAX;
}

static bool settle_static(struct mapped_object *object, uint64_t distance)
{
	object->is_static = true;
	object->offset = (int64_t)distance;
	object->settled = is_distance(distance);
	return object->settled;
}

static bool settle_module(struct mapped_object *object, uint64_t module, uint64_t offset)
{
	object->is_static = false;
	object->module = module;
	object->offset = (int64_t)offset;
	object->settled =
		module && module < MODULES_MAX && offset < DISTANCE_MAX && offset % 8 == 0;
	return object->settled;
}

/* What the loader has left in the object; false: not yet. */
static bool settle(struct rn_engine *e, const struct task *task, struct mapped_object *object)
{
	const struct elf_tls *tls = &object->tls;
	uint64_t words[3] = {0};

	if (object->settled)
		return true;
	if (!read_all(e, task, object->base + tls->got, words, 2 * sizeof(words[0])))
		return false;
	switch (tls->way) {
	case ELF_TLS_OFFSET:
		return settle_static(object, words[0]);
	case ELF_TLS_MODULE:
		return settle_module(object, words[0], tls->local ? tls->value : words[1]);
	default:
		break;
	}
	/* A descriptor: a function, and the offset or the place of module and offset. */
	if (words[0] == 0 || words[1] == 0)
		return false;
	if (is_distance(words[1]))
		return settle_static(object, words[1]);
	if (!read_all(e, task, words[1], words, sizeof(words)) ||
	    (tls->local && words[1] != tls->value) || !settle_module(object, words[0], words[1]))
		return false;
	object->generation = task->space->musl ? 0 : words[2];
	return true;
}

/* What one read brings. */
struct reading {
	uint8_t head[ELF_TLS_HEAD];
	uint64_t dtv;
	uint64_t about[3]; /* glibc's entries -1 and 0; of musl the last is entry 0 */
	uint64_t block;
	uint64_t pointer;
	struct rn_live_span record;
};

struct asked {
	struct rn_span_of_memory spans[6];
	unsigned n;
};

static unsigned ask(struct asked *asked, uint64_t addr, void *to, size_t len)
{
	asked->spans[asked->n] = (struct rn_span_of_memory){.addr = addr, .to = to, .len = len};
	return asked->n++;
}

static bool has(const struct asked *asked, unsigned i)
{
	return asked->spans[i].got == asked->spans[i].len;
}

/* Whether `slot` has the block in which the pointer is, by what was read. */
static bool has_block(const struct task *task, const struct mapped_object *object,
		      const struct slot *slot)
{
	if (slot->block == 0 || slot->block == NO_BLOCK)
		return false;
	/* The thread has not yet heard of the object. */
	if (slot->generation < object->generation)
		return false;
	/* Nor that the one before is gone. */
	for (const struct slot *was = task->slots; was < task->slots + SPACE_OBJECTS; was++)
		if ((was->was_module == object->module && was->was_block == slot->block &&
		     was->was_generation == slot->generation) ||
		    (was != slot && was->module == object->module && was->block == slot->block &&
		     was->generation == slot->generation))
			return false;
	return true;
}

static uint64_t entry_at(const struct space *space, uint64_t dtv, uint64_t module)
{
	return dtv + module * (space->musl ? 8 : 16);
}

static void forget_slot(struct slot *slot, const struct mapped_object *object)
{
	struct slot fresh = {
		.version = object->version,
		.was_module = slot->module ? slot->module : slot->was_module,
		.was_block = slot->module ? slot->block : slot->was_block,
		.was_generation = slot->module ? slot->generation : slot->was_generation,
	};

	*slot = fresh;
}

enum outcome { NOTHING, FOUND, AGAIN };

/* The vector is where it was, and says what it said. */
static enum outcome take_vector(const struct space *space, const struct mapped_object *object,
				struct slot *slot, const struct reading *got, bool whole)
{
	uint64_t count = space->musl ? got->about[2] : got->about[0];
	uint64_t generation = space->musl ? 0 : got->about[2];
	bool same;

	if (got->dtv != slot->dtv) {
		slot->dtv = got->dtv;
		slot->block = 0;
		return got->dtv ? AGAIN : NOTHING;
	}
	if (!whole || object->module > count)
		return NOTHING;
	same = slot->block == got->block && slot->generation == generation;
	slot->module = object->module;
	slot->block = got->block;
	slot->generation = generation;
	return same ? FOUND : AGAIN;
}

/* One read, and what follows from it. */
static enum outcome read_once(struct rn_engine *e, struct task *task, struct mapped_object *object,
			      struct slot *slot, struct rn_live_span *span)
{
	unsigned head = 0, dtv = 0, about = 0, block = 0, pointer = 0, record = 0;
	uint64_t base = task->thread_pointer;
	struct asked asked = {.n = 0};
	struct reading got;
	enum outcome vector = FOUND;
	bool ready = true;

	if (object->tls.way != ELF_TLS_PROGRAM && object->tls.has_head)
		head = 1 +
		       ask(&asked, object->base + object->tls.head_at, got.head, sizeof(got.head));
	if (!object->is_static) {
		dtv = ask(&asked, task->thread_pointer + 8, &got.dtv, sizeof(got.dtv));
		if (slot->dtv) {
			about = ask(&asked, slot->dtv - 16, got.about, sizeof(got.about));
			block = ask(&asked, entry_at(task->space, slot->dtv, object->module),
				    &got.block, sizeof(got.block));
		}
		base = slot->block;
		ready = slot->dtv && has_block(task, object, slot);
	}
	if (ready) {
		pointer = ask(&asked, base + (uint64_t)object->offset, &got.pointer,
			      sizeof(got.pointer));
		if (slot->record)
			record = ask(&asked, slot->record, &got.record, sizeof(got.record));
	}
	rn_memory_read(e, task->tid, asked.spans, asked.n);
	if (head &&
	    (!has(&asked, head - 1) || memcmp(got.head, object->tls.head, sizeof(got.head)) != 0)) {
		rn_space_drop(task->space, object);
		return NOTHING;
	}
	if (!object->is_static) {
		if (!has(&asked, dtv))
			return NOTHING;
		vector = take_vector(task->space, object, slot, &got,
				     slot->dtv && has(&asked, about) && has(&asked, block));
	}
	if (vector != FOUND || !ready || !has(&asked, pointer))
		return vector == AGAIN ? AGAIN : NOTHING;
	if (got.pointer == 0)
		return NOTHING;
	if (got.pointer != slot->record) {
		slot->record = got.pointer;
		return AGAIN;
	}
	if (!has(&asked, record)) {
		slot->record = 0;
		return NOTHING;
	}
	*span = got.record;
	return FOUND;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

static bool find_span(struct rn_engine *e, struct task *task, unsigned i, struct rn_live_span *span)
{
	struct mapped_object *object = &task->space->objects[i];
	struct slot *slot = &task->slots[i];
	enum outcome outcome = AGAIN;

	if (!object->used)
		return false;
	if (slot->version != object->version)
		forget_slot(slot, object);
	if (!settle(e, task, object))
		return false;
	for (unsigned round = 0; round < ROUNDS_MAX && outcome == AGAIN; round++)
		outcome = read_once(e, task, object, slot, span);
	span->zero = 0; /* how long its attributes are */
	return outcome == FOUND && span->valid == 1 && !is_zero(span->trace_id, 16) &&
	       !is_zero(span->span_id, 8);
}

void rn_thread_context(struct rn_engine *e, struct task *task, struct record *rec)
{
	struct rn_live_span span;

	if (!task->space)
		return;
	if (task->space->unseen)
		rn_space_scan(e, task);
	if (task->space->count == 0 || task->abi != RN_ABI_X86_64 || !find_thread_pointer(task))
		return;
	for (unsigned i = 0; i < SPACE_OBJECTS; i++)
		if (find_span(e, task, i, &span)) {
			rn_piece_add(rec, RN_PIECE_SPAN, RN_PIECE_NO_ARG, &span, sizeof(span),
				     sizeof(span), 0);
			return;
		}
}
