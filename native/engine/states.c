/* SPDX-License-Identifier: MIT */
/*
 * Files that a run changes: each is looked at before the first call that may change it or its name, and
 * again when the run has ended. A name is what the kernel makes of a path: links within it are
 * followed. What is known of a file of before is what the caller stands still for, so it is bounded.
 */
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "looked_files.h"

#define AT_CWD (-100)

/* How a call names what it may change. */
enum how {
	HOW_NONE,
	HOW_OPEN,     /* path 0, flags 1 */
	HOW_OPENAT,   /* folder 0, path 1, flags 2 */
	HOW_OPENAT2,  /* folder 0, path 1 */
	HOW_AT_0,     /* path 0 */
	HOW_AT_0_END, /* path 0, and where links end there */
	HOW_AT_1,     /* path 1 */
	HOW_BOTH,     /* path 0, path 1 */
	HOW_IN_0,     /* folder 0, path 1 */
	HOW_IN_0_END,
	HOW_IN_0_BY_3, /* as that, unless the flags 3 say that links are not followed */
	HOW_IN_0_BY_4,
	HOW_GONE_0, /* path 0, which may be there no more */
	HOW_GONE_IN_0,
	HOW_IN_1,    /* folder 1, path 2 */
	HOW_IN_BOTH, /* folder 0, path 1, folder 2, path 3 */
	HOW_LINKAT,  /* as that, flags 4 */
	HOW_FD,      /* descriptor 0 */
	HOW_BIND,    /* address 1, which may be a path */
	HOW_MMAP,    /* descriptor 4, protection 2, flags 3 */
	HOW_MOUNT    /* what has a name is another thing from now on */
};

static const struct {
	const char *name;
	uint8_t how;
} hows[] = {
	{"open", HOW_OPEN},
	{"creat", HOW_AT_0_END},
	{"openat", HOW_OPENAT},
	{"openat2", HOW_OPENAT2},
	{"truncate", HOW_AT_0_END},
	{"truncate64", HOW_AT_0_END},
	{"rename", HOW_BOTH},
	{"renameat", HOW_IN_BOTH},
	{"renameat2", HOW_IN_BOTH},
	{"link", HOW_BOTH},
	{"linkat", HOW_LINKAT},
	{"symlink", HOW_AT_1},
	{"symlinkat", HOW_IN_1},
	{"unlink", HOW_GONE_0},
	{"unlinkat", HOW_GONE_IN_0},
	{"rmdir", HOW_AT_0},
	{"mkdir", HOW_AT_0},
	{"mkdirat", HOW_IN_0},
	{"mknod", HOW_AT_0},
	{"mknodat", HOW_IN_0},
	{"chmod", HOW_AT_0_END},
	{"fchmodat", HOW_IN_0_END},
	{"fchmodat2", HOW_IN_0_BY_3},
	{"chown", HOW_AT_0_END},
	{"chown32", HOW_AT_0_END},
	{"lchown", HOW_AT_0},
	{"lchown32", HOW_AT_0},
	{"fchownat", HOW_IN_0_BY_4},
	{"fchmod", HOW_FD},
	{"fchown", HOW_FD},
	{"fchown32", HOW_FD},
	{"setxattr", HOW_AT_0_END},
	{"lsetxattr", HOW_AT_0},
	{"fsetxattr", HOW_FD},
	{"removexattr", HOW_AT_0_END},
	{"lremovexattr", HOW_AT_0},
	{"fremovexattr", HOW_FD},
	{"bind", HOW_BIND},
	{"mmap", HOW_MMAP},
	{"mmap2", HOW_MMAP},
	{"mount", HOW_MOUNT},
	{"move_mount", HOW_MOUNT},
};

struct states *rn_states_create(enum rn_states which)
{
	struct states *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->room = CONTENTS_MAX;
	s->mapped = which == RN_STATES_MAPPED;
	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++)
		for (struct rn_number at = {0}; rn_syscall_next(hows[i].name, &at);)
			s->how[at.abi][at.nr] = hows[i].how;
	return s;
}

/* What argument `arg` was captured as, ended by a NUL; false: nothing. */
static bool text_of(struct states *s, const struct record *rec, unsigned arg,
		    enum rn_piece_type type, char to[PATH_MAX])
{
	for (const struct rn_piece *p = rn_piece_first(&rec->ev); p;
	     p = rn_piece_next(&rec->ev, p)) {
		if (p->arg != arg || p->type != type)
			continue;
		if (p->flags & RN_PIECE_UNREAD)
			return false; /* the kernel cannot read it either */
		if (p->flags & RN_PIECE_CUT || p->len >= PATH_MAX)
			break;
		memcpy(to, rn_piece_data(p), p->len);
		to[p->len] = 0;
		return p->len > 0;
	}
	s->missed++;
	return false;
}

/* A path that begins at `folder`, a descriptor of the task's, unless it is absolute. */
static struct looked *note_path(struct rn_engine *e, const struct task *task, int folder,
				char *path, bool end, bool moved)
{
	static struct place place; /* one tracer thread in a process */
	struct looked *found;
	char base[48] = "/";

	if (*path != '/' && folder == AT_CWD)
		snprintf(base, sizeof(base), "/proc/%d/cwd", task->tid);
	else if (*path != '/')
		snprintf(base, sizeof(base), "/proc/%d/fd/%d", task->tid, folder);
	if (!rn_place_find(task->tid, open(base, O_PATH | O_DIRECTORY | O_CLOEXEC), path, end,
			   &place))
		return NULL;
	found = rn_looked_note(e, &place, moved);
	close(place.folder);
	return found;
}

static struct looked *note_arg(struct rn_engine *e, const struct task *task,
			       const struct record *rec, unsigned arg, int folder, bool end,
			       bool moved)
{
	static char path[PATH_MAX];

	if (!text_of(e->states, rec, arg, RN_PIECE_PATH, path))
		return NULL;
	if (strcmp(path, "/dev/fuse") == 0) {
		e->states->off = true;
		e->states->missed++;
		return NULL;
	}
	if (e->states->wanted == WANT_NONE)
		return NULL;
	return note_path(e, task, folder, path, end, moved);
}

/* A path that is, or gets, another one's: `old`, what the first was found to be. */
static void note_new_name(struct rn_engine *e, const struct task *task, const struct record *rec,
			  const struct looked *old, unsigned arg, int folder)
{
	const bool mapped = old && old->pub.mapped;
	struct looked *found;

	if (mapped)
		e->states->wanted = WANT_ALL;
	e->states->removes = true; /* of what it meant before */
	found = note_arg(e, task, rec, arg, folder, false, true);
	if (found)
		found->pub.mapped |= mapped;
}

static void note_both(struct rn_engine *e, const struct task *task, const struct record *rec,
		      const unsigned args[2], const int folders[2])
{
	struct states *s = e->states;
	const struct looked *old;

	s->wanted = s->mapped ? WANT_KNOWN : WANT_ALL;
	old = note_arg(e, task, rec, args[0], folders[0], false, false);
	note_new_name(e, task, rec, old, args[1], folders[1]);
}

static void note_socket(struct rn_engine *e, const struct task *task, const struct record *rec)
{
	static char path[PATH_MAX];
	const size_t at = offsetof(struct sockaddr_un, sun_path);
	sa_family_t family;

	memset(path, 0, at + 1);
	if (!text_of(e->states, rec, 1, RN_PIECE_STRUCT, path))
		return;
	memcpy(&family, path, sizeof(family));
	if (family != AF_UNIX || !path[at]) /* no path, or none in a file system */
		return;
	memmove(path, path + at, strlen(path + at) + 1);
	note_path(e, task, AT_CWD, path, false, false);
}

static struct looked *note_fd(struct rn_engine *e, const struct task *task, int fd)
{
	static char path[PATH_MAX];
	char link[48];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", task->tid, fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len <= 0 || *path != '/')
		return NULL;
	path[len] = 0;
	return note_path(e, task, AT_CWD, path, false, false);
}

/* The number in a path that means a descriptor of the caller's own, or -1. */
static int descriptor_in(const struct task *task, const char *path)
{
	static const char *const folders[] = {"/proc/self/fd/", "/proc/thread-self/fd/",
					      "/dev/fd/"};
	char own[32], *end;

	snprintf(own, sizeof(own), "/proc/%d/fd/", task->tid);
	for (size_t i = 0; i <= sizeof(folders) / sizeof(folders[0]); i++) {
		const char *folder = i ? folders[i - 1] : own;
		const size_t len = strlen(folder);
		unsigned long number;

		if (strncmp(path, folder, len) != 0 || path[len] < '0' || path[len] > '9')
			continue;
		number = strtoul(path + len, &end, 10);
		return *end || number > INT_MAX ? -1 : (int)number;
	}
	return -1;
}

/* linkat(2), which also gives a name to what has none. */
static void note_link(struct rn_engine *e, const struct task *task, const struct record *rec)
{
	static char path[PATH_MAX];
	struct states *s = e->states;
	const int folder = (int)task->args[0];
	const bool end = task->args[4] & AT_SYMLINK_FOLLOW;
	struct looked *old = NULL;
	int fd;

	s->wanted = s->mapped ? WANT_KNOWN : WANT_ALL;
	*path = 0;
	if (text_of(s, rec, 1, RN_PIECE_PATH, path)) {
		fd = end ? descriptor_in(task, path) : -1;
		old = fd < 0 ? note_path(e, task, folder, path, end, false) : note_fd(e, task, fd);
	} else if (!*path && task->args[4] & AT_EMPTY_PATH) {
		old = note_fd(e, task, folder);
	}
	note_new_name(e, task, rec, old, 3, (int)task->args[2]);
}

/* Memory that may write a file from now on: mprotect(2) may allow it later. */
static void note_mapping(struct rn_engine *e, const struct task *task)
{
	const int type = (int)task->args[3] & MAP_TYPE, fd = (int)task->args[4];
	struct states *s = e->states;
	struct looked *found;
	struct stat link, file;
	char path[48];

	if ((type != MAP_SHARED && type != MAP_SHARED_VALIDATE) ||
	    (int)task->args[3] & MAP_ANONYMOUS)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", task->tid, fd);
	if (lstat(path, &link) < 0 || !(link.st_mode & S_IWUSR)) /* it was opened to read alone */
		return;
	s->wanted = WANT_ALL;
	found = note_fd(e, task, fd);
	if (!found)
		return;
	found->pub.mapped = true;
	if (stat(path, &file) < 0)
		return;
	found->device = file.st_dev;
	found->inode = file.st_ino;
	found->gone = file.st_nlink == 0;
}

static bool may_change(uint64_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
}

static enum how how_of(const struct states *s, const struct task *task)
{
	enum how how = s->how[task->abi][task->nr];

	if (!s->mapped)
		return how;
	switch (how) {
	case HOW_OPEN: /* a tracee that serves files */
	case HOW_OPENAT:
	case HOW_OPENAT2:
	case HOW_MOUNT:
	case HOW_MMAP:
		return how;
	case HOW_BOTH:
	case HOW_IN_BOTH:
	case HOW_LINKAT:
	case HOW_GONE_0:
	case HOW_GONE_IN_0:
		return s->count ? how : HOW_NONE;
	default:
		return HOW_NONE;
	}
}

/* The call takes a name away from what is known, if `does`. */
static void remove_name(struct states *s, bool does)
{
	s->removes = does;
	if (does && s->mapped)
		s->wanted = WANT_KNOWN;
}

void rn_states_at_entry(struct rn_engine *e, const struct task *task, const struct record *rec)
{
	struct states *s = e->states;
	const uint64_t *args = task->args;
	int folder = (int)args[0];
	bool end = true;
	enum how how;

	if (!s || s->off || task->nr < 0 || task->nr >= (int32_t)sizeof(s->how[0]))
		return;
	s->wanted = s->mapped ? WANT_NONE : WANT_ALL;
	s->removes = false;
	how = how_of(s, task);
	switch (how) {
	case HOW_NONE:
		return;
	case HOW_OPEN:
		if (may_change(args[1]))
			note_arg(e, task, rec, 0, AT_CWD, !(args[1] & O_NOFOLLOW), false);
		return;
	case HOW_OPENAT:
		if (may_change(args[2]))
			note_arg(e, task, rec, 1, folder, !(args[2] & O_NOFOLLOW), false);
		return;
	case HOW_GONE_0:
	case HOW_AT_0:
		remove_name(s, how == HOW_GONE_0);
		end = false;
		/* fall through */
	case HOW_AT_0_END:
		note_arg(e, task, rec, 0, AT_CWD, end, false);
		return;
	case HOW_AT_1:
		note_arg(e, task, rec, 1, AT_CWD, false, false);
		return;
	case HOW_BOTH:
		note_both(e, task, rec, (unsigned[]){0, 1}, (int[]){AT_CWD, AT_CWD});
		return;
	case HOW_GONE_IN_0:
	case HOW_IN_0:
		remove_name(s, how == HOW_GONE_IN_0);
		end = false;
		/* fall through */
	case HOW_IN_0_END:
	case HOW_IN_0_BY_3:
	case HOW_IN_0_BY_4:
	case HOW_OPENAT2:
		if (how == HOW_IN_0_BY_3 || how == HOW_IN_0_BY_4)
			end = !(args[how == HOW_IN_0_BY_3 ? 3 : 4] & AT_SYMLINK_NOFOLLOW);
		note_arg(e, task, rec, 1, folder, end, false);
		return;
	case HOW_IN_1:
		note_arg(e, task, rec, 2, (int)args[1], false, false);
		return;
	case HOW_IN_BOTH:
		note_both(e, task, rec, (unsigned[]){1, 3}, (int[]){folder, (int)args[2]});
		return;
	case HOW_LINKAT:
		note_link(e, task, rec);
		return;
	case HOW_FD:
		note_fd(e, task, folder);
		return;
	case HOW_BIND:
		note_socket(e, task, rec);
		return;
	case HOW_MMAP:
		note_mapping(e, task);
		return;
	case HOW_MOUNT:
		s->off = true;
		s->missed++;
		return;
	}
}
