/* SPDX-License-Identifier: MIT */
#include "sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "functions.h"
#include "lines.h"

#define SITES_MAX 65536u /* places that are kept; of more only the file is told */
#define BUCKETS 16384u   /* a power of two */
#define FILES_MAX 1024u  /* files that are looked into */
#define MEMORY_MAX (256u << 20) /* bytes of what is known of them */

/* What is known of a file that was mapped. */
struct source_file {
	struct source_file *next;
	char *path;
	uint8_t id[RN_BUILD_ID_MAX];
	uint8_t id_len;
	uint64_t inode;
	char *debug; /* the file that has the lines; NULL: none has */
	bool own;    /* there is such a file, as it was mapped */
	struct function_index functions;
	bool functions_in_debug;
	struct line_index lines;
};

struct site {
	struct site *next;
	struct rn_site site;
	size_t key_len;
	char *path; /* of the source */
	char *function;
	uint8_t key[]; /* the piece's data; module's name behind it, ended by NUL */
};

struct rn_sites {
	struct site *buckets[BUCKETS];
	struct source_file *files;
	uint32_t n_sites, n_files;
	size_t memory;
	struct rn_site beyond; /* of a place that is not kept… */
	char beyond_module[4096 + 1];
};

struct rn_sites *rn_sites_create(void)
{
	return calloc(1, sizeof(struct rn_sites));
}

void rn_sites_destroy(struct rn_sites *sites)
{
	if (!sites)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (sites->buckets[i]) {
			struct site *site = sites->buckets[i];

			sites->buckets[i] = site->next;
			free(site->path);
			free(site->function);
			free(site);
		}
	while (sites->files) {
		struct source_file *file = sites->files;

		sites->files = file->next;
		rn_functions_free(&file->functions);
		rn_lines_free(&file->lines);
		free(file->path);
		free(file->debug);
		free(file);
	}
	free(sites);
}

/* Whether an open file is the one that was mapped. */
static bool is_same(const struct elf_file *elf, const struct source_file *file, bool separate)
{
	if (file->id_len)
		return elf->id_len == file->id_len && memcmp(elf->id, file->id, file->id_len) == 0;
	return !separate && !elf->id_len && elf->inode == file->inode;
}

static bool open_same(const char *path, const struct source_file *file, bool separate,
		      struct elf_file *elf)
{
	if (*path != '/' || !rn_elf_open(path, elf))
		return false;
	if (is_same(elf, file, separate))
		return true;
	rn_elf_close(elf);
	return false;
}

/* The separate file of debug information, where distributions and debuggers have it. */
static bool open_debug(const struct source_file *file, const char *link, char *path, size_t room,
		       struct elf_file *elf)
{
	static const char *const places[] = {"%.*s/%s", "%.*s/.debug/%s", "/usr/lib/debug%.*s/%s"};
	const char *slash = strrchr(file->path, '/');
	int folder = slash ? (int)(slash - file->path) : 0, n;
	char hex[2 * RN_BUILD_ID_MAX + 1];

	if (file->id_len < 2)
		return false;
	for (unsigned i = 0; i < file->id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", file->id[i]);
	snprintf(path, room, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
	if (open_same(path, file, true, elf))
		return true;
	if (!*link || strchr(link, '/') || !slash)
		return false;
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		n = snprintf(path, room, places[i], folder, file->path, link);
		if (n > 0 && (size_t)n < room && open_same(path, file, true, elf))
			return true;
	}
	return false;
}

static void take_file(struct rn_sites *sites, struct source_file *file)
{
	char path[4096 + 512];
	struct elf_file elf, debug;
	bool separate;

	if (!open_same(file->path, file, false, &elf))
		return;
	file->own = true;
	separate = (!elf.lines.size || !elf.own_symbols) &&
		   open_debug(file, elf.link, path, sizeof(path), &debug);
	if (sites->memory < MEMORY_MAX) {
		file->functions_in_debug = !elf.own_symbols && separate && debug.own_symbols;
		rn_functions_index(file->functions_in_debug ? &debug : &elf, &file->functions);
		file->debug = strdup(elf.lines.size || !separate ? file->path : path);
		rn_lines_index(elf.lines.size || !separate ? &elf : &debug, &file->lines);
		sites->memory += file->functions.n * sizeof(*file->functions.functions) +
				 file->lines.room * sizeof(*file->lines.sequences);
	}
	if (separate)
		rn_elf_close(&debug);
	rn_elf_close(&elf);
}

static struct source_file *file_of(struct rn_sites *sites, const struct rn_source *source,
				   const char *path)
{
	struct source_file *file;

	for (file = sites->files; file; file = file->next)
		if (file->inode == source->inode && file->id_len == source->id_len &&
		    memcmp(file->id, source->id, file->id_len) == 0 &&
		    strcmp(file->path, path) == 0)
			return file;
	if (sites->n_files == FILES_MAX)
		return NULL;
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->path = strdup(path);
	if (!file->path) {
		free(file);
		return NULL;
	}
	file->inode = source->inode;
	file->id_len = source->id_len;
	memcpy(file->id, source->id, source->id_len);
	file->next = sites->files;
	sites->files = file;
	sites->n_files++;
	take_file(sites, file);
	return file;
}

struct answer {
	struct line_found found;
	char function[FUNCTION_NAME_MAX];
	uint64_t place;
	bool has_line, has_function;
};

/* A place that has a line is somebody's source; before there is one, it may be the C library's. */
static void ask(const struct source_file *file, const uint64_t *places, unsigned n,
		struct answer *answer)
{
	struct elf_file elf, debug;
	bool separate;
	uint64_t address = 0;

	answer->place = places[0];
	if (!file || !file->own || !open_same(file->path, file, false, &elf))
		return;
	separate = file->debug && strcmp(file->debug, file->path) != 0 &&
		   open_same(file->debug, file, true, &debug);
	for (unsigned i = 0; i < n && !answer->has_line; i++) {
		address = rn_elf_address(&elf, places[i]);
		answer->has_line = address && rn_lines_find(separate ? &debug : &elf, &file->lines,
							    address, &answer->found);
		if (answer->has_line)
			answer->place = places[i];
	}
	if (!answer->has_line)
		address = rn_elf_address(&elf, places[0]);
	if (!file->functions_in_debug || separate)
		answer->has_function =
			address && rn_functions_find(file->functions_in_debug ? &debug : &elf,
						     &file->functions, address, answer->function);
	if (separate)
		rn_elf_close(&debug);
	rn_elf_close(&elf);
}

/* The piece, checked: its places, which may lie anywhere, and its path. */
static bool parse(const struct rn_piece *piece, struct rn_source *source,
		  uint64_t places[RN_SOURCE_PLACES], const char **path)
{
	const uint8_t *data = rn_piece_data(piece);
	size_t at = sizeof(*source);

	if (piece->len < at)
		return false;
	memcpy(source, data, at);
	if (source->how < RN_SOURCE_DIRECT || source->how > RN_SOURCE_ABI ||
	    source->count > RN_SOURCE_PLACES || source->id_len > RN_BUILD_ID_MAX ||
	    source->path_len > 4096 ||
	    piece->len != at + source->count * sizeof(uint64_t) + source->path_len)
		return false;
	memcpy(places, data + at, source->count * sizeof(uint64_t));
	*path = (const char *)data + at + source->count * sizeof(uint64_t);
	return memchr(*path, 0, source->path_len) == NULL;
}

static uint64_t hash_of(const uint8_t *data, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 0x100000001b3u;
	return hash ^ hash >> 32;
}

static struct site *make(struct rn_sites *sites, const struct rn_piece *piece,
			 const struct rn_source *source, const uint64_t *places, const char *path)
{
	size_t module = piece->len, room = module + source->path_len + 1;
	struct site *site = calloc(1, sizeof(*site) + room);
	struct answer answer = {.has_line = false};

	if (!site)
		return NULL;
	site->key_len = piece->len;
	memcpy(site->key, rn_piece_data(piece), piece->len);
	memcpy(site->key + module, path, source->path_len);
	site->site = (struct rn_site){
		.id = ++sites->n_sites,
		.how = source->how,
		.module = (const char *)site->key + module,
		.path = "",
		.file = "",
		.function = "",
	};
	if (source->count == 0)
		return site;
	ask(*site->site.module == '/' ? file_of(sites, source, site->site.module) : NULL, places,
	    source->count, &answer);
	site->site.offset = answer.place;
	if (answer.has_line)
		site->path = strdup(answer.found.path);
	if (answer.has_function)
		site->function = strdup(answer.function);
	if (site->path) {
		site->site.path = site->path;
		site->site.file = site->path + answer.found.below;
		site->site.line = answer.found.line;
	}
	if (site->function)
		site->site.function = site->function;
	sites->memory += room + strlen(site->site.path) + strlen(site->site.function);
	return site;
}

static const struct rn_site *beyond(struct rn_sites *sites, const struct rn_source *source,
				    const uint64_t *places, const char *path)
{
	memcpy(sites->beyond_module, path, source->path_len);
	sites->beyond_module[source->path_len] = 0;
	sites->beyond = (struct rn_site){
		.how = source->how,
		.module = sites->beyond_module,
		.path = "",
		.file = "",
		.function = "",
		.offset = source->count ? places[0] : 0,
	};
	return &sites->beyond;
}

static const struct rn_piece *piece_of(const struct rn_event *ev)
{
	const struct rn_piece *piece = ev ? rn_piece_first(ev) : NULL;

	while (piece && piece->type != RN_PIECE_SOURCE)
		piece = rn_piece_next(ev, piece);
	return piece;
}

const struct rn_site *rn_sites_look(struct rn_sites *sites, const struct rn_call *call)
{
	const struct rn_piece *piece = piece_of(call->entry);
	uint64_t places[RN_SOURCE_PLACES];
	struct rn_source source;
	struct site **bucket, *site;
	const char *path;

	if (!piece || !parse(piece, &source, places, &path))
		return NULL;
	bucket = &sites->buckets[hash_of(rn_piece_data(piece), piece->len) & (BUCKETS - 1)];
	for (site = *bucket; site; site = site->next)
		if (site->key_len == piece->len &&
		    memcmp(site->key, rn_piece_data(piece), piece->len) == 0)
			return &site->site;
	if (sites->n_sites == SITES_MAX || sites->memory > MEMORY_MAX)
		return beyond(sites, &source, places, path);
	site = make(sites, piece, &source, places, path);
	if (!site)
		return beyond(sites, &source, places, path);
	site->next = *bucket;
	*bucket = site;
	return &site->site;
}

const struct rn_site *rn_sites_hook(void *sites, const struct rn_call *call)
{
	return rn_sites_look(sites, call);
}
