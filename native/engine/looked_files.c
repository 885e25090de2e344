/* SPDX-License-Identifier: MIT */
/* Files that a run changes: which there are, and looks at them, before and in the end. */
#include "looked_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX (4u << 20)        /* bytes of all paths and targets */

void rn_states_free(struct states *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->count; i++) {
		free((char *)s->files[i].pub.path);
		free((char *)s->files[i].pub.before.target);
		free((char *)s->files[i].pub.after.target);
	}
	free(s->files);
	free(s);
}

static char *kept(struct states *s, const char *text, size_t len)
{
	char *copy;

	if (s->text + len + 1 > TEXT_MAX)
		return NULL;
	copy = malloc(len + 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = 0;
	s->text += len + 1;
	return copy;
}

static uint32_t *bucket_of(struct states *s, const char *path)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (const char *c = path; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
	return &s->bucket[hash % FILES_MAX];
}

static struct looked *find(struct states *s, const char *path)
{
	for (uint32_t at = *bucket_of(s, path); at; at = s->files[at - 1].next)
		if (strcmp(s->files[at - 1].pub.path, path) == 0)
			return &s->files[at - 1];
	return NULL;
}

/* NULL: there is no room, which is counted. */
static struct looked *add(struct states *s, const char *path)
{
	uint32_t *bucket = bucket_of(s, path);
	char *copy = NULL;

	if (s->count == s->capacity && s->capacity < FILES_MAX) {
		uint32_t more = s->capacity ? 2 * s->capacity : 64;
		struct looked *files = realloc(s->files, more * sizeof(*files));

		if (files) {
			s->files = files;
			s->capacity = more;
		}
	}
	if (s->count < s->capacity)
		copy = kept(s, path, strlen(path));
	if (!copy) {
		s->missed++;
		return NULL;
	}
	s->files[s->count] = (struct looked){.pub = {.path = copy}, .next = *bucket};
	*bucket = ++s->count;
	return &s->files[s->count - 1];
}

static void look(struct rn_engine *e, int folder, const char *name, struct rn_file_state *to)
{
	struct states *s = e->states;

	rn_file_look(e, &s->room, folder, name, to);
	if (!to->target)
		return;
	s->text += strlen(to->target) + 1;
	if (s->text > TEXT_MAX) {
		free((char *)to->target);
		to->target = NULL;
		to->unreadable = true;
	}
}

/* Whether the name is the last one of what was mapped. */
static bool is_last_name(const struct looked *file, const struct place *place)
{
	struct stat st;

	return fstatat(place->folder, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == file->device && st.st_ino == file->inode && st.st_nlink <= 1;
}

struct looked *rn_looked_note(struct rn_engine *e, const struct place *place, bool moved)
{
	struct states *s = e->states;
	struct looked *found = find(s, place->path);

	if (!found && s->wanted == WANT_ALL) {
		found = add(s, place->path);
		if (found && !s->mapped)
			look(e, place->folder, place->name, &found->pub.before);
	}
	if (!found)
		return NULL;
	found->moved |= moved;
	if (s->removes && found->pub.mapped)
		found->gone = is_last_name(found, place);
	return found;
}

/* What came with a folder: it was nowhere near before. */
static void note_inside(struct states *s, const char *folder)
{
	static char path[RN_PLACE_MAX];
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir) {
		s->missed++;
		return;
	}
	while ((entry = readdir(dir))) {
		struct looked *found;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		found = find(s, path);
		if (!found)
			found = add(s, path);
		if (found)
			found->moved = true;
	}
	closedir(dir);
}

static bool is_looked_at(const struct states *s, const struct looked *file)
{
	for (uint32_t i = 0; i < s->count; i++) {
		const struct rn_file_state *after = &s->files[i].pub.after;

		if (after->mode && after->device == file->device && after->inode == file->inode)
			return true;
	}
	return false;
}

/* What was mapped lives on under a name that is not known. */
static void note_elsewhere(struct states *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct looked *file = &s->files[i];

		if (!file->pub.mapped || !file->inode || file->gone || is_looked_at(s, file))
			continue;
		free((char *)file->pub.after.target);
		file->pub.after = (struct rn_file_state){.unreadable = true};
	}
}

void rn_states_end(struct rn_engine *e)
{
	struct states *s = e->states;

	if (!s)
		return;
	if (e->leaving) /* somebody runs on, and may change them */
		s->missed++;
	s->room = CONTENTS_MAX;
	for (uint32_t i = 0; i < s->count; i++) { /* more may come meanwhile */
		struct rn_looked *file = &s->files[i].pub;

		look(e, AT_FDCWD, file->path, &file->after);
		if (s->files[i].moved && S_ISDIR(file->after.mode) && !S_ISDIR(file->before.mode))
			note_inside(s, file->path);
	}
	if (s->mapped)
		note_elsewhere(s);
}

const struct rn_looked *rn_engine_looked(const struct rn_engine *e, uint32_t at)
{
	return e->states && at < e->states->count ? &e->states->files[at].pub : NULL;
}

uint64_t rn_engine_not_looked(const struct rn_engine *e)
{
	return e->states ? e->states->missed : 0;
}
