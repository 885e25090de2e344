/* SPDX-License-Identifier: MIT */
/*
 * Which files with the symbol are mapped in an address space. The program is looked at when it
 * is run, a shared object when its code is mapped; both once. An object is dropped when its
 * beginning is not where it was (dlclose), which thread_context.c sees by the read that it
 * makes anyhow.
 */
#include "application.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "code_map.h"
#include "engine_private.h"

#define PAGE 4096u
#define MAPS_MAX 20000u /* lines of /proc/PID/maps */

static void join(struct task *task, struct space *space)
{
	rn_space_leave(task);
	task->space = space;
	if (space)
		space->users++;
	task->thread_pointer = 0;
	memset(task->slots, 0, sizeof(task->slots));
}

void rn_space_leave(struct task *task)
{
	if (task->space && --task->space->users == 0) {
		rn_code_map_free(task->space->code);
		free(task->space);
	}
	task->space = NULL;
}

void rn_space_share(struct task *task, const struct task *other)
{
	join(task, other->space);
}

void rn_space_birth(struct task *child, const struct task *maker)
{
	struct space *copy;

	if (child->silent || !maker->space)
		return;
	if (maker->clone_flags & (CLONE_VM | CLONE_THREAD)) {
		join(child, maker->space);
		return;
	}
	copy = malloc(sizeof(*copy));
	if (!copy)
		return;
	*copy = *maker->space;
	copy->users = 0;
	copy->code = NULL;
	join(child, copy);
}

static bool is_there(const struct space *space, const struct elf_tls *tls, uint64_t base)
{
	for (unsigned i = 0; i < SPACE_OBJECTS; i++) {
		const struct mapped_object *object = &space->objects[i];

		if (object->used && object->tls.way == tls->way && object->base == base)
			return true;
	}
	return false;
}

static void add(struct space *space, const struct elf_tls *tls, uint64_t base)
{
	struct mapped_object *object = NULL;
	uint32_t version;

	if (tls->program)
		space->musl = tls->musl;
	if (tls->way == ELF_TLS_NONE || is_there(space, tls, base))
		return;
	for (unsigned i = 0; i < SPACE_OBJECTS && !object; i++)
		if (!space->objects[i].used)
			object = &space->objects[i];
	if (!object)
		return;
	version = object->version + 1;
	*object =
		(struct mapped_object){.used = true, .version = version, .base = base, .tls = *tls};
	if (tls->way == ELF_TLS_PROGRAM) {
		object->settled = object->is_static = true;
		object->offset = tls->offset;
	}
	space->count++;
}

void rn_space_drop(struct space *space, struct mapped_object *object)
{
	if (!object->used)
		return;
	object->used = false;
	space->count--;
}

/* How far the program was moved: by where the kernel says that its headers are. */
static bool program_base(int pid, const struct elf_tls *tls, uint64_t *base)
{
	uint64_t words[128];
	char path[64];
	size_t n;
	FILE *file;

	*base = 0;
	if (tls->way == ELF_TLS_PROGRAM || tls->way == ELF_TLS_NONE)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(words, sizeof(words[0]), 128, file);
	fclose(file);
	for (size_t i = 0; i + 1 < n; i += 2)
		if (words[i] == AT_PHDR) {
			*base = words[i + 1] - tls->headers_at;
			return true;
		}
	return false;
}

static void add_program(struct rn_engine *e, struct task *task)
{
	const struct elf_tls *tls;
	char path[64];
	uint64_t base;

	snprintf(path, sizeof(path), "/proc/%d/exe", task->tid);
	tls = rn_files_look(e->files, task->tid, path);
	if (tls && program_base(task->tid, tls, &base))
		add(task->space, tls, base);
}

static bool begin(struct rn_engine *e, struct task *task)
{
	struct space *space;

	if ((!e->files && !e->unwinder) || task->silent)
		return false;
	space = calloc(1, sizeof(*space));
	join(task, space);
	return space != NULL;
}

void rn_space_exec(struct rn_engine *e, struct task *task)
{
	if (begin(e, task) && e->files)
		add_program(e, task);
}

/* Code of a file that was mapped at `addr` from `offset` on. */
static void add_mapped(struct space *space, const struct elf_tls *tls, uint64_t addr,
		       uint64_t offset)
{
	if (tls && tls->code_offset == offset)
		add(space, tls, addr - tls->code_at);
}

void rn_space_unseen(struct rn_engine *e, struct task *task)
{
	if (begin(e, task))
		task->space->unseen = e->files != NULL;
}

void rn_space_scan(struct rn_engine *e, struct task *task)
{
	char line[4096 + 128], path[4096 + 64];
	FILE *file;

	task->space->unseen = false;
	add_program(e, task);
	snprintf(path, sizeof(path), "/proc/%d/maps", task->tid);
	file = fopen(path, "re");
	if (!file)
		return;
	for (unsigned n = 0; n < MAPS_MAX && fgets(line, sizeof(line), file); n++) {
		unsigned long long from, to, offset;
		const struct elf_tls *tls;
		char access[5], *name = strchr(line, '/');

		if (strstr(line, ":OTEL_CTX") && sscanf(line, "%llx-", &from) == 1) {
			rn_process_context_at(e, task, from);
			continue;
		}
		if (!name || sscanf(line, "%llx-%llx %4s %llx", &from, &to, access, &offset) != 4 ||
		    access[2] != 'x')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", task->tid, from, to);
		tls = rn_files_look(e->files, task->tid, path);
		if (!tls) {
			/* Without the privilege: by name. Another file's beginning differs. */
			name[strcspn(name, "\n")] = 0;
			snprintf(path, sizeof(path), "/proc/%d/root%s", task->tid, name);
			tls = rn_files_look(e->files, task->tid, path);
		}
		add_mapped(task->space, tls, from, offset);
	}
	fclose(file);
}

void rn_space_after_call(struct rn_engine *e, struct task *task, int64_t result)
{
	if (task->space && task->space->code)
		rn_code_after_call(task->space->code, task, result);
#if defined(__x86_64__)
	char path[64];

	if (!task->space || !e->files || task->abi != RN_ABI_X86_64)
		return;
	if (task->nr == SYS_arch_prctl)
		task->thread_pointer = 0;
	if (task->nr != SYS_mmap || !(task->args[2] & PROT_EXEC) || (int32_t)task->args[4] < 0 ||
	    task->args[3] & MAP_ANONYMOUS || (result < 0 && result >= -4095))
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", task->tid, (int)task->args[4]);
	add_mapped(task->space, rn_files_look(e->files, task->tid, path), (uint64_t)result,
		   task->args[5]);
#else
	(void)e, (void)task, (void)result;
#endif
}
