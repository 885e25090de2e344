/* SPDX-License-Identifier: MIT */
/*
 * Where a tracee's path leads, as the kernel goes: links are followed, in the tracee's root. Not
 * into what only looks like a file system, and by none of its links that lead elsewhere.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LINKS_MAX 16u /* symbolic links behind each other */

static int open_folder(int base, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_MAGICLINKS};
	int fd;

	if (*path == '/')
		how.resolve |= RESOLVE_IN_ROOT;
	fd = (int)syscall(SYS_openat2, base, path, &how, sizeof(how));
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EAGAIN))
		return fd;
	while (*path == '/')
		path++;
	return openat(base, *path ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Where names stand for something else than files. */
static bool holds_files(int folder)
{
	struct statfs fs;

	if (fstatfs(folder, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case DEVPTS_SUPER_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
		return false;
	default:
		return true;
	}
}

/* What a descriptor of ours is called; false: it has no name. */
static bool named(int fd, char *to, size_t size)
{
	static const char gone[] = " (deleted)";
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, to, size - 1);
	if (len <= 0 || *to != '/')
		return false;
	to[len] = 0;
	return (size_t)len < sizeof(gone) ||
	       strcmp(to + len - (ptrdiff_t)(sizeof(gone) - 1), gone) != 0;
}

/* The whole of folder and name; a name may be "." and "..". */
static bool join(struct place *place)
{
	size_t len;

	if (!named(place->folder, place->path, PATH_MAX))
		return false;
	len = strlen(place->path);
	if (strcmp(place->name, ".") == 0)
		return true;
	if (strcmp(place->name, "..") == 0) {
		char *slash = strrchr(place->path, '/');

		slash[slash == place->path] = 0;
		return true;
	}
	if (len == 1) /* "/" */
		len = 0;
	snprintf(place->path + len, sizeof(place->path) - len, "/%s", place->name);
	return true;
}

/* Splits a path in two, the second a name. */
static bool split(char *path, const char **folder, char name[NAME_MAX + 1])
{
	size_t len = strlen(path);
	char *slash;

	while (len > 1 && path[len - 1] == '/')
		path[--len] = 0;
	slash = strrchr(path, '/');
	if (strlen(slash ? slash + 1 : path) > NAME_MAX)
		return false;
	strcpy(name, slash ? slash + 1 : path);
	if (!*name) /* "/" */
		strcpy(name, ".");
	*folder = slash ? path : ".";
	if (slash)
		slash[slash == path] = 0;
	return true;
}

bool rn_place_find(int tid, int base, char *path, bool end, struct place *place)
{
	char root[32];

	snprintf(root, sizeof(root), "/proc/%d/root", tid);
	for (unsigned links = 0; base >= 0 && links < LINKS_MAX; links++) {
		const char *folder;
		struct stat st;
		ssize_t len;

		if (*path == '/') {
			close(base);
			base = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
		if (base < 0 || !split(path, &folder, place->name))
			break;
		place->folder = open_folder(base, folder);
		close(base);
		base = place->folder;
		if (base < 0 || !holds_files(base) || !join(place))
			break;
		if (!end || fstatat(base, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISLNK(st.st_mode))
			return true;
		len = readlinkat(base, place->name, path, PATH_MAX - 1);
		if (len <= 0)
			break;
		path[len] = 0;
	}
	if (base >= 0)
		close(base);
	return false;
}
