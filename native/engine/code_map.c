/* SPDX-License-Identifier: MIT */
#include "code_map.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "engine_private.h"
#include "renacer/notes.h"
#include "unwind.h"

#define LINES_MAX 20000u /* of /proc/PID/maps */
#define HEADERS_MAX 64u  /* program headers */
#define NOTES_MAX 1024u  /* bytes of a segment of notes */
#define PATIENCE_MAX 65536u

static void drop(struct module *module)
{
	if (module && --module->users == 0) {
		free(module->path);
		free(module);
	}
}

static void clear(struct code_map *map)
{
	for (unsigned i = 0; i < map->n; i++)
		drop(map->codes[i].module);
	map->n = 0;
}

void rn_code_map_free(struct code_map *map)
{
	if (!map)
		return;
	clear(map);
	free(map->codes);
	free(map);
}

/* "libc.so.6" and "libc-2.31.so", not "libcurl.so". */
static bool has_stem(const char *name, const char *stem)
{
	size_t len = strlen(stem);

	return strncmp(name, stem, len) == 0 && (name[len] == '.' || name[len] == '-') &&
	       strstr(name + len, "so");
}

static bool is_library(const char *path)
{
	static const char *const stems[] = {"libc", "libpthread", "librt", "libdl", "ld"};
	const char *name = strrchr(path, '/');

	if (!name)
		return strcmp(path, "[vdso]") == 0;
	for (size_t i = 0; i < sizeof(stems) / sizeof(stems[0]); i++)
		if (has_stem(name + 1, stems[i]))
			return true;
	return false;
}

static bool is_loader(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && has_stem(name + 1, "ld");
}

struct line {
	uint64_t from, to, offset, inode;
	unsigned major, minor;
	bool runs, reads;
	const char *path;
};

static bool parse_line(char *text, struct line *line)
{
	unsigned long long from, to, offset, inode;
	char access[5];
	int at = 0;

	if (sscanf(text, "%llx-%llx %4s %llx %x:%x %llu %n", &from, &to, access, &offset,
		   &line->major, &line->minor, &inode, &at) != 7)
		return false;
	text[strcspn(text, "\n")] = 0;
	*line = (struct line){
		.from = from,
		.to = to,
		.offset = offset,
		.inode = inode,
		.major = line->major,
		.minor = line->minor,
		.runs = access[2] == 'x',
		.reads = access[0] == 'r',
		.path = text + at,
	};
	return from < to;
}

static bool is_file(const struct line *line)
{
	return line->inode != 0 || strcmp(line->path, "[vdso]") == 0;
}

static bool is_of(const struct module *module, const struct line *line)
{
	return module->inode == line->inode && module->major == line->major &&
	       module->minor == line->minor && strcmp(module->path, line->path) == 0;
}

static struct module *new_module(struct rn_engine *e, const struct line *line)
{
	struct module *module = calloc(1, sizeof(*module));
	bool file = is_file(line);

	if (!module)
		return NULL;
	module->path = strdup(file ? line->path : "[anon]");
	if (!module->path) {
		free(module);
		return NULL;
	}
	module->users = 1;
	module->number = ++e->unwinder->modules;
	module->anonymous = !file;
	module->library = is_library(module->path);
	module->loader = is_loader(module->path);
	module->major = line->major;
	module->minor = line->minor;
	module->inode = line->inode;
	return module;
}

static bool make_room(struct code_map *map)
{
	unsigned room = map->room ? 2 * map->room : 16;
	struct code *codes;

	if (map->n < map->room)
		return true;
	codes = realloc(map->codes, room * sizeof(*codes));
	if (!codes)
		return false;
	map->codes = codes;
	map->room = room;
	return true;
}

static void add_code(struct rn_engine *e, struct code_map *map, const struct line *line,
		     uint64_t base, struct module **nobodys)
{
	struct module *module = NULL;

	if (!make_room(map))
		return;
	/* A file's mappings stand together; those of no file are all alike. */
	if (map->n && map->codes[map->n - 1].base == base && line->inode &&
	    is_of(map->codes[map->n - 1].module, line))
		module = map->codes[map->n - 1].module;
	else if (!is_file(line))
		module = *nobodys;
	if (module)
		module->users++;
	else
		module = new_module(e, line);
	if (!module)
		return;
	if (module->anonymous)
		*nobodys = module;
	map->has_libc |= module->library && !module->anonymous && module->inode;
	map->codes[map->n++] = (struct code){
		.from = line->from,
		.to = line->to,
		.offset = line->offset,
		.base = base,
		.module = module,
	};
}

/* What is known of files is kept where they are still what they were. */
static void read_maps(struct rn_engine *e, const struct task *task, struct code_map *map)
{
	char text[4096 + 128], path[64];
	struct module *nobodys = NULL;
	uint64_t base = 0, inode = 0;
	struct line line;
	FILE *file;

	map->known = true;
	map->stale = map->grown = map->has_libc = false;
	clear(map);
	snprintf(path, sizeof(path), "/proc/%d/maps", task->tid);
	file = fopen(path, "re");
	if (!file)
		return;
	for (unsigned n = 0; n < LINES_MAX && fgets(text, sizeof(text), file); n++) {
		if (!parse_line(text, &line))
			continue;
		if (line.offset == 0 && line.reads && is_file(&line)) {
			base = line.from;
			inode = line.inode;
		} else if (line.inode != inode || !line.inode) {
			base = 0;
		}
		if (line.runs)
			add_code(e, map, &line, base, &nobodys);
	}
	fclose(file);
}

static struct code *find(struct code_map *map, uint64_t pc)
{
	unsigned low = 0, high = map->n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (map->codes[middle].to <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low < map->n && map->codes[low].from <= pc ? &map->codes[low] : NULL;
}

struct code *rn_code_at(struct rn_engine *e, const struct task *task, struct code_map *map,
			uint64_t pc)
{
	struct code *code = map->known && !map->stale ? find(map, pc) : NULL;

	if (code)
		return code;
	/* A word of the stack may be anything, and a filter hides code that is no file's. */
	if (map->known && !map->stale && !map->grown && ++map->misses < map->patience)
		return NULL;
	read_maps(e, task, map);
	code = find(map, pc);
	map->misses = 0;
	if (code)
		map->patience = 0;
	else if (map->patience < PATIENCE_MAX)
		map->patience = 2 * map->patience + 1;
	return code;
}

static bool read_at(struct rn_engine *e, const struct task *task, uint64_t addr, void *to,
		    size_t len)
{
	return rn_memory_read_one(e, task->tid, addr, to, len) == len;
}

/* The first one's file offset is 0, and so its address is the file's. */
static void take_headers(struct rn_engine *e, const struct task *task, const struct code *code,
			 const Elf64_Phdr *headers, unsigned n)
{
	struct module *module = code->module;
	uint8_t notes[NOTES_MAX];
	uint64_t first = 0;

	for (unsigned i = 0; i < n; i++)
		if (headers[i].p_type == PT_LOAD && headers[i].p_offset == 0) {
			first = headers[i].p_vaddr;
			break;
		}
	for (unsigned i = 0; i < n; i++) {
		const Elf64_Phdr *header = &headers[i];
		uint64_t at = header->p_vaddr - first;
		size_t len = header->p_memsz < NOTES_MAX ? (size_t)header->p_memsz : NOTES_MAX;

		if (header->p_type == PT_LOAD && at + header->p_memsz > module->end)
			module->end = at + header->p_memsz;
		if (header->p_type == PT_GNU_EH_FRAME && header->p_memsz >= 12) {
			module->header = at;
			module->header_size = header->p_memsz;
		}
		if (header->p_type == PT_NOTE && !module->id_len && header->p_memsz &&
		    read_at(e, task, code->base + at, notes, len))
			module->id_len = rn_notes_build_id(notes, len, module->id);
	}
	if (!module->header)
		rn_find_frames(task->tid, module, first);
	/* Addresses that wrap around are nobody's. */
	if (module->end > UINT64_MAX - code->base)
		module->end = 0;
}

/* A file that was met before, by its id: what was found out about its code holds here, too. */
static void share_number(struct rn_engine *e, struct module *module)
{
	struct met *met = &e->unwinder->met[module->id[0] % MET];

	if (!module->id_len)
		return;
	if (met->id_len == module->id_len && memcmp(met->id, module->id, module->id_len) == 0 &&
	    met->header == module->header && met->end == module->end) {
		module->number = met->number;
		return;
	}
	met->id_len = module->id_len;
	memcpy(met->id, module->id, module->id_len);
	met->header = module->header;
	met->end = module->end;
	met->number = module->number;
}

void rn_module_look(struct rn_engine *e, const struct task *task, const struct code *code)
{
	struct module *module = code->module;
	Elf64_Phdr headers[HEADERS_MAX];
	Elf64_Ehdr head;
	unsigned n;

	if (module->looked)
		return;
	module->looked = true;
	/* Pages of a file that a tracee serves would be waited for, and it for us. */
	if (!code->base || module->anonymous ||
	    (module->inode && rn_is_served(task->tid, module->major, module->minor)))
		return;
	if (!read_at(e, task, code->base, &head, sizeof(head)) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_phentsize != sizeof(headers[0]) || head.e_phoff > (1u << 16))
		return;
	n = head.e_phnum < HEADERS_MAX ? head.e_phnum : HEADERS_MAX;
	if (n && read_at(e, task, code->base + head.e_phoff, headers, n * sizeof(headers[0])))
		take_headers(e, task, code, headers, n);
	share_number(e, module);
}

void rn_code_after_call(struct code_map *map, const struct task *task, int64_t result)
{
	if (result < 0 && result >= -4095)
		return;
	if (task->nr == SYS_mmap && task->args[2] & PROT_EXEC) {
		if ((int32_t)task->args[4] >= 0 && !(task->args[3] & MAP_ANONYMOUS))
			map->stale = true;
		else
			map->grown = true;
	} else if (task->nr == SYS_mprotect && task->args[2] & PROT_EXEC) {
		map->grown = true;
	} else if (task->nr == SYS_mremap) {
		map->grown = true;
	}
}
