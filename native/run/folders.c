/* SPDX-License-Identifier: MIT */
#include "folders.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "renacer/replay.h"

#include "places.h"

#define PATH_BYTES 4096u /* PATH_MAX; what would be longer stays as it was given */

enum folder_role { NOTHING, GOES, PARTS, FIRST_AS_IS };

static const struct {
	const char *name;
	uint8_t role;
} roles[] = {
	{"chdir", GOES},          {"fchdir", GOES},           {"unshare", PARTS},
	{"symlink", FIRST_AS_IS}, {"symlinkat", FIRST_AS_IS}, {"mount", FIRST_AS_IS},
	{"mq_open", FIRST_AS_IS}, {"mq_unlink", FIRST_AS_IS},
};

void rn_folders_init(struct folders *folders, struct allowance *allowance, struct details *details)
{
	*folders = (struct folders){.allowance = allowance, .details = details};
	folders->place.size = folders->where.size = folders->opened.size = sizeof(uint32_t);
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		rn_roles_set(&folders->roles, roles[i].name, roles[i].role);
}

void rn_folders_finish(struct folders *folders)
{
	free(folders->place.rows);
	free(folders->where.rows);
	free(folders->opened.rows);
	folders->place = folders->where = folders->opened = (struct column){0};
}

static uint32_t get(const struct column *column, uint64_t at)
{
	return at < column->n ? ((const uint32_t *)(const void *)column->rows)[at] : 0;
}

static void set(struct folders *folders, struct column *column, uint64_t at, uint32_t value)
{
	if (at >= column->n && !rn_rows_add(folders->allowance, column, at + 1 - column->n))
		return;
	((uint32_t *)(void *)column->rows)[at] = value;
}

/* A row of its own for the thread, which stands where `like` does. */
static void part(struct folders *folders, uint32_t thread, uint32_t like)
{
	uint32_t path = get(&folders->where, like);
	uint64_t row =
		folders->where.n ? folders->where.n : 1; /* the first stands for all others */

	if (row > UINT32_MAX)
		return;
	set(folders, &folders->where, row, path);
	if (row < folders->where.n)
		set(folders, &folders->place, thread, (uint32_t)row);
}

void rn_folders_start(struct folders *folders, uint32_t thread, uint32_t maker, bool leads,
		      uint64_t flags)
{
	uint32_t like = maker == RN_NO_PLACE ? 0 : get(&folders->place, maker);

	if (flags ? (flags & CLONE_FS) != 0 : !leads)
		set(folders, &folders->place, thread, like);
	else
		part(folders, thread, like);
}

/* What is behind the slashes that a path begins with after a folder. */
static size_t without_dots(const char *path, size_t len)
{
	size_t at = 0;

	while (at < len && path[at] == '.' && (at + 1 == len || path[at + 1] == '/')) {
		at++;
		while (at < len && path[at] == '/')
			at++;
	}
	return at;
}

static bool ends_in_dots(const char *path, size_t len)
{
	return len >= 2 && path[len - 1] == '.' && path[len - 2] == '.' &&
	       (len == 2 || path[len - 3] == '/');
}

/* Goes up as often as the path says so, while there is a name to go up from. */
static void go_up(const char *base, size_t *base_len, const char **path, size_t *len)
{
	while (*len >= 2 && (*path)[0] == '.' && (*path)[1] == '.' &&
	       (*len == 2 || (*path)[2] == '/') && *base_len && !ends_in_dots(base, *base_len)) {
		size_t skip = 2;

		while (skip < *len && (*path)[skip] == '/')
			skip++;
		*path += skip;
		*len -= skip;
		skip = without_dots(*path, *len);
		*path += skip;
		*len -= skip;
		while (*base_len && base[*base_len - 1] != '/')
			--*base_len;
		while (*base_len > 1 && base[*base_len - 1] == '/')
			--*base_len;
	}
}

static uint32_t joined(struct folders *folders, uint32_t base, uint32_t path)
{
	const char *bytes = (const char *)rn_details_texts(folders->details)->bytes.rows;
	const rn_replay_text *rows =
		(const rn_replay_text *)(const void *)rn_details_texts(folders->details)->rows.rows;
	const char *from = bytes + rows[base].at, *to = bytes + rows[path].at;
	size_t base_len = rows[base].len, len = rows[path].len, skip = without_dots(to, len);
	char whole[PATH_BYTES];

	if (!base || (len && to[0] == '/'))
		return path;
	to += skip;
	len -= skip;
	skip = without_dots(from, base_len);
	from += skip;
	base_len -= skip;
	while (base_len > 1 && from[base_len - 1] == '/')
		base_len--;
	go_up(from, &base_len, &to, &len);
	if (base_len + len + 2 > sizeof(whole))
		return path;
	memcpy(whole, from, base_len);
	if (base_len && len && from[base_len - 1] != '/')
		whole[base_len++] = '/';
	if (len)
		memcpy(whole + base_len, to, len);
	if (!(base_len + len))
		return rn_details_text(folders->details, ".", 1);
	return rn_details_text(folders->details, whole, base_len + len);
}

uint32_t rn_folders_path(struct folders *folders, const struct rn_call *call, uint32_t thread,
			 unsigned nth, uint32_t path, uint64_t folder)
{
	uint32_t base;

	if (!path || folder == RN_FOLDER_UNKNOWN ||
	    (nth == 0 && rn_role(&folders->roles, call->abi, call->nr) == FIRST_AS_IS))
		return path;
	base = folder == RN_FOLDER_OWN ? get(&folders->where, get(&folders->place, thread))
				       : rn_folders_opened(folders, folder);
	return joined(folders, base, path);
}

uint32_t rn_folders_opened(const struct folders *folders, uint64_t object)
{
	return object ? get(&folders->opened, object) : 0;
}

void rn_folders_call(struct folders *folders, const struct rn_call *call, uint32_t thread,
		     uint32_t path, uint64_t object)
{
	uint32_t place = get(&folders->place, thread);

	if (call->flags & (RN_FLAG_FAILED | RN_FLAG_UNFINISHED))
		return;
	if (object && path)
		set(folders, &folders->opened, object, path);
	switch (rn_role(&folders->roles, call->abi, call->nr)) {
	case GOES:
		if (place && path)
			set(folders, &folders->where, place, path);
		break;
	case PARTS:
		if (call->args[0] & CLONE_FS)
			part(folders, thread, place);
		break;
	default:
		break;
	}
}
