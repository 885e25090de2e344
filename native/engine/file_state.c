/* SPDX-License-Identifier: MIT */
/* One file as it is now: stat(2), its content, what a link says, extended attributes. */
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine_private.h"
#include "place.h"
#include "renacer/content.h"

#define CONTENT_MAX (64ull << 20) /* of one file */

static int open_to_read(int folder, const char *name)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(folder, name, flags | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(folder, name, flags) : fd;
}

/* Not known: what is too long, is another file by now, or grows as we read. */
static void hash_content(struct rn_engine *e, uint64_t *room, int fd, struct rn_file_state *to)
{
	struct rn_content content = {0};
	struct stat st;
	ssize_t n = 0;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != to->inode)
		return;
	while (!atomic_load_explicit(&e->let_go, memory_order_relaxed) &&
	       (n = read(fd, e->scratch[0], CAPTURE_MAX)) > 0 &&
	       content.bytes + (uint64_t)n <= CONTENT_MAX)
		rn_content_add(&content, e->scratch[0], (size_t)n);
	*room -= content.bytes < *room ? content.bytes : *room;
	if (n != 0 || read(fd, e->scratch[0], 1) != 0)
		return; /* not to its end, or all are let go */
	to->known = true;
	to->size = content.bytes;
	to->lanes[0] = content.lanes[0];
	to->lanes[1] = content.lanes[1];
}

/* Each by itself, summed: their order is not told. */
static void hash_attributes(struct rn_engine *e, int folder, const char *name,
			    struct rn_file_state *to)
{
	static char names[XATTR_LIST_MAX]; /* one tracer thread in a process */
	static char path[RN_PLACE_MAX + 32];
	ssize_t len;

	if (folder == AT_FDCWD)
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", folder, name);
	len = llistxattr(path, names, sizeof(names));
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		struct rn_content one = {0};
		ssize_t got = lgetxattr(path, names + at, e->scratch[0], CAPTURE_MAX);

		rn_content_add(&one, names + at, strlen(names + at) + 1);
		rn_content_add(&one, e->scratch[0], got < 0 ? 0 : (size_t)got);
		to->attributes[0] += one.lanes[0];
		to->attributes[1] += one.lanes[1];
	}
}

void rn_file_look(struct rn_engine *e, uint64_t *room, int folder, const char *name,
		  struct rn_file_state *to)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t len;
	int fd;

	*to = (struct rn_file_state){0};
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
		to->unreadable = errno != ENOENT && errno != ENOTDIR;
		return;
	}
	*to = (struct rn_file_state){
		.mode = st.st_mode,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.links = (uint32_t)st.st_nlink,
		.size = (uint64_t)st.st_size,
		.device = st.st_dev,
		.inode = st.st_ino,
		.rdev = st.st_rdev,
	};
	hash_attributes(e, folder, name, to);
	if (S_ISREG(st.st_mode) && to->size <= CONTENT_MAX && to->size <= *room) {
		fd = open_to_read(folder, name);
		if (fd < 0)
			return;
		hash_content(e, room, fd, to);
		close(fd);
	} else if (S_ISLNK(st.st_mode)) {
		len = readlinkat(folder, name, target, sizeof(target));
		to->target = len < 0 ? NULL : strndup(target, (size_t)len);
		to->unreadable = !to->target;
	}
}
