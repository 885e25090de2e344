/* SPDX-License-Identifier: MIT */
/*
 * Files that a run changes: each is looked at before the first call that may change it or its name, and
 * again when the run has ended. A name is what the kernel makes of a path: links within it are
 * followed. What is known of a file of before is what the caller stands still for, so it is bounded.
 */
#include <dirent.h>
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

#include "engine_private.h"
#include "place.h"

#define FILES_MAX 16384u
#define TEXT_MAX (4u << 20)        /* bytes of all paths and targets */
#define CONTENTS_MAX (1ull << 30)  /* of all, before and after each */
#define AT_CWD (-100)
#define HELD_MAX 64u /* mapped files that are known without their names */

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
	{"unlink", HOW_AT_0},
	{"unlinkat", HOW_IN_0},
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

struct looked {
	struct rn_looked pub;
	uint32_t next; /* of its bucket: index + 1, 0 = none */
	int held;      /* what was mapped, as a descriptor + 1; 0 = none */
	bool moved;    /* it came by a rename, with all that is in it if it is a folder */
};

/* Which files a call may bring. */
enum wanted { WANT_ALL, WANT_KNOWN, WANT_NONE };

struct states {
	struct looked *files;
	uint32_t count, capacity, held;
	uint32_t bucket[FILES_MAX];
	uint64_t text, missed;
	uint64_t room; /* bytes of content that may yet be hashed */
	bool mapped; /* only files that memory writes, and these in the end alone */
	enum wanted wanted;
	bool off; /* a file may be served by a tracee: it would wait for us, and we for it */
	uint8_t how[RN_ABI_COUNT][64 * RN_ABI_WORDS];
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

void rn_states_free(struct states *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->files[i].held)
			close(s->files[i].held - 1);
		free((char *)s->files[i].pub.path);
		free((char *)s->files[i].pub.before.target);
		free((char *)s->files[i].pub.after.target);
	}
	free(s->files);
	free(s);
}

/* --- all of them --------------------------------------------------------------------------------- */

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

static struct looked *note(struct rn_engine *e, const struct place *place, bool moved)
{
	struct states *s = e->states;
	struct looked *found = find(s, place->path);

	if (!found && s->wanted == WANT_ALL) {
		found = add(s, place->path);
		if (found && !s->mapped)
			look(e, place->folder, place->name, &found->pub.before);
	}
	if (found)
		found->moved |= moved;
	return found;
}

/* --- calls --------------------------------------------------------------------------------------- */

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
	found = note(e, &place, moved);
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
	struct stat link;
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
	if (!s->mapped || found->held || s->held == HELD_MAX)
		return;
	found->held = open(path, O_PATH | O_CLOEXEC) + 1;
	s->held += found->held != 0;
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
		return s->count ? how : HOW_NONE;
	default:
		return HOW_NONE;
	}
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
	case HOW_AT_0:
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
	case HOW_IN_0:
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

/* --- the end ---------------------------------------------------------------------------------- */

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

static bool is_looked_at(const struct states *s, const struct stat *st)
{
	for (uint32_t i = 0; i < s->count; i++) {
		const struct rn_file_state *after = &s->files[i].pub.after;

		if (after->mode && after->device == st->st_dev && after->inode == st->st_ino)
			return true;
	}
	return false;
}

/* What was mapped lives on under a name that is not known. */
static void note_elsewhere(struct states *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct looked *file = &s->files[i];
		bool lives = file->pub.mapped && !file->pub.after.mode && s->held == HELD_MAX;
		struct stat st;

		if (file->held)
			lives = fstat(file->held - 1, &st) == 0 && st.st_nlink > 0 &&
				!is_looked_at(s, &st);
		if (!lives)
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
