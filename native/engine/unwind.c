/* SPDX-License-Identifier: MIT */
#include "unwind.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <sys/user.h>
#else
#include <sys/uio.h>
#endif

#include "engine_private.h"

#define FRAMES_MAX 64u   /* of the C library, before there is another one */
#define WINDOW 1024u     /* bytes of the stack that are read at once */
#define PATH_BYTES 4096u /* of a file's path */
#define READS_MAX 64u    /* of memory outside that, for one call */

#if defined(__aarch64__)
#define OWN_ABI RN_ABI_AARCH64
#else
#define OWN_ABI RN_ABI_X86_64
#endif

struct unwinder *rn_unwinder_create(void)
{
	return calloc(1, sizeof(struct unwinder));
}

/* The stack from some word on, and how often memory was read. */
struct window {
	struct rn_engine *e;
	const struct task *task;
	uint64_t at;
	size_t len;
	unsigned reads;
	uint8_t bytes[WINDOW];
};

/* Of rules, which are read rarely. */
static bool read_rules(void *from, uint64_t addr, void *to, size_t len)
{
	struct window *window = from;

	return rn_memory_read_one(window->e, window->task->tid, addr, to, len) == len;
}

static bool read_stack(void *from, uint64_t addr, void *to, size_t len)
{
	struct window *window = from;

	if (len > sizeof(window->bytes))
		return false;
	if (addr < window->at || addr - window->at > window->len ||
	    len > window->len - (addr - window->at)) {
		if (window->reads++ == READS_MAX)
			return false;
		window->at = addr;
		window->len = rn_memory_read_one(window->e, window->task->tid, addr, window->bytes,
						 sizeof(window->bytes));
		if (window->len < len)
			return false;
	}
	memcpy(to, window->bytes + (addr - window->at), len);
	return true;
}

#if defined(__x86_64__)
static bool begin_frame(const struct task *task, struct cfi_frame *frame)
{
	struct user_regs_struct regs;

	if (rn_ptrace(RN_PTRACE_GETREGS, task->tid, 0, (uintptr_t)&regs) < 0 || regs.cs == 0x23)
		return false;
	*frame = (struct cfi_frame){
		.regs = {regs.rax, regs.rdx, regs.rcx, regs.rbx, regs.rsi, regs.rdi, regs.rbp,
			 regs.rsp, regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13,
			 regs.r14, regs.r15, regs.rip},
		.pc = regs.rip,
	};
	return true;
}
#else
static bool begin_frame(const struct task *task, struct cfi_frame *frame)
{
	struct {
		uint64_t regs[31], sp, pc, pstate;
	} regs;
	struct iovec iov = {&regs, sizeof(regs)};

	if (rn_ptrace(RN_PTRACE_GETREGSET, task->tid, NT_PRSTATUS, (uintptr_t)&iov) < 0 ||
	    iov.iov_len < sizeof(regs))
		return false;
	*frame = (struct cfi_frame){.pc = regs.pc};
	memcpy(frame->regs, regs.regs, sizeof(regs.regs));
	frame->regs[CFI_SP] = regs.sp;
	return true;
}
#endif

/* The rules at `pc`, looked for at most once; NULL: there are none. */
static const struct cfi_row *row_at(struct rn_engine *e, const struct cfi_memory *rules,
				    const struct cfi_table *table, const struct code *code,
				    uint64_t pc)
{
	uint64_t at = pc - code->base;
	uint64_t hash = (at ^ (uint64_t)code->module->number << 32) * 0x9e3779b97f4a7c15u;
	struct rows_place *place = &e->unwinder->rows[hash >> 32 & (ROWS - 1)];

	if (place->module != code->module->number || place->at != at) {
		place->module = code->module->number;
		place->at = at;
		place->row.known = false;
		if (!rn_cfi_find(rules, table, pc, &place->row))
			place->row.known = false;
	}
	return place->row.known ? &place->row : NULL;
}

#if defined(__x86_64__)
#define LEAF_MAX 512u /* bytes from the beginning of such a function to its system call */

/*
 * Where the C library makes threads and processes it has no rules, for they would not hold in the
 * child. Nothing is on the stack there but the return address: it is one if the call before it
 * leads to a place just before this one.
 */
static enum cfi_step leave_leaf(struct window *window, struct cfi_frame *frame)
{
	uint64_t back;
	uint8_t call[5];
	int32_t distance;

	if (!read_stack(window, frame->regs[CFI_SP], &back, sizeof(back)) ||
	    !read_rules(window, back - sizeof(call), call, sizeof(call)) || call[0] != 0xe8)
		return CFI_FAILED;
	memcpy(&distance, call + 1, sizeof(distance));
	if (frame->pc - (back + (uint64_t)(int64_t)distance) > LEAF_MAX)
		return CFI_FAILED;
	frame->pc = back;
	frame->regs[CFI_SP] += sizeof(back);
	return CFI_CALLER;
}
#else
static enum cfi_step leave_leaf(struct window *window, struct cfi_frame *frame)
{
	(void)window, (void)frame;
	return CFI_FAILED;
}
#endif

static enum cfi_step step(struct window *window, const struct code *code, struct cfi_frame *frame,
			  bool may_be_leaf)
{
	const struct module *module = code->module;
	struct cfi_memory rules = {read_rules, window}, stack = {read_stack, window};
	struct cfi_table table = {
		.header = module->header ? code->base + module->header : 0,
		.header_size = module->header_size,
		.frames = module->frames ? code->base + module->frames : 0,
		.frames_size = module->frames_size,
		.low = code->base,
		.high = code->base + module->end,
	};
	const struct cfi_row *row;

	if (!code->base || !(module->header || module->frames) || !module->end)
		return CFI_FAILED;
	row = row_at(window->e, &rules, &table, code, frame->pc - !frame->exact);
	if (row)
		return rn_cfi_step(&stack, &table, row, frame);
	/* What the loader has no rules for is where it begins. */
	if (module->loader)
		return CFI_OUTERMOST;
	return may_be_leaf ? leave_leaf(window, frame) : CFI_FAILED;
}

struct found {
	struct rn_source head;
	uint64_t places[RN_SOURCE_PLACES];
	uint32_t number; /* of the module that the places are in */
	char path[PATH_BYTES];
};

static void begin_found(struct found *found, const struct code *code, bool direct)
{
	const struct module *module = code->module;

	found->head.how = direct ? RN_SOURCE_DIRECT : RN_SOURCE_CFI;
	found->head.id_len = module->id_len;
	memcpy(found->head.id, module->id, module->id_len);
	found->head.inode = module->inode;
	found->head.path_len = (uint32_t)strnlen(module->path, sizeof(found->path));
	found->number = module->number;
	/* The module may go when more of the stack is looked at. */
	memcpy(found->path, module->path, found->head.path_len);
}

static void follow(struct window *window, struct code_map *map, struct cfi_frame *frame,
		   struct found *found)
{
	for (unsigned i = 0; i < FRAMES_MAX; i++) {
		/* Behind a call there may be another function's first instruction. */
		uint64_t pc = frame->pc - !frame->exact;
		const struct code *code = rn_code_at(window->e, window->task, map, pc);
		enum cfi_step next;

		if (!code)
			return;
		rn_module_look(window->e, window->task, code);
		if (!code->module->library) {
			if (found->head.count == 0)
				begin_found(found, code, i == 0);
			else if (found->number != code->module->number)
				return;
			found->places[found->head.count++] =
				code->module->anonymous ? 0 : pc - code->from + code->offset;
			/* Where the C library is the program's own part, more tells them apart. */
			if (map->has_libc || found->head.count == RN_SOURCE_PLACES)
				return;
		}
		next = step(window, code, frame,
			    i == 0 && (code->module->library || !map->has_libc));
		if (next == CFI_OUTERMOST && found->head.count == 0)
			found->head.how = RN_SOURCE_NONE;
		if (next != CFI_CALLER)
			return;
	}
}

static void add_found(struct record *rec, const struct found *found)
{
	uint8_t bytes[sizeof(found->head) + sizeof(found->places) + sizeof(found->path)];
	size_t len = sizeof(found->head), places = found->head.count * sizeof(found->places[0]);

	memcpy(bytes, &found->head, len);
	memcpy(bytes + len, found->places, places);
	len += places;
	memcpy(bytes + len, found->path, found->head.path_len);
	len += found->head.path_len;
	rn_piece_add(rec, RN_PIECE_SOURCE, RN_PIECE_NO_ARG, bytes, len, len, 0);
}

void rn_source_at_entry(struct rn_engine *e, struct task *task, struct record *rec)
{
	struct found found;
	struct window window;
	struct cfi_frame frame;

	if (!e->unwinder || !task->space)
		return;
	if (!task->space->code)
		task->space->code = calloc(1, sizeof(*task->space->code));
	/* Not all of it: this is done for every call. */
	memset(&found.head, 0, sizeof(found.head));
	found.head.how = RN_SOURCE_LOST;
	window.e = e;
	window.task = task;
	window.at = 0;
	window.len = 0;
	window.reads = 0;
	if (task->abi != OWN_ABI || !begin_frame(task, &frame))
		found.head.how = RN_SOURCE_ABI;
	else if (task->space->code)
		follow(&window, task->space->code, &frame, &found);
	add_found(rec, &found);
}
