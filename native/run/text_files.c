/* SPDX-License-Identifier: MIT */
/*
 * Text to a file for each thread (-ff). A file is open only while it is written to
 * often: there may be more threads than descriptors. It is emptied when its thread
 * is first heard of; of a later thread by the same id it is continued.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_private.h"

#define BUCKETS 1024u      /* a power of two */
#define OPEN_MAX_FILES 16u /* at once */
#define TID_MAX (1u << 22) /* of the kernel's: PID_MAX_LIMIT */

struct text_file {
	struct text_out out; /* first: what others hold is this */
	struct text_file *next;       /* in its bucket */
	struct text_file *next_dirty; /* has something to write… */
	bool dirty;                   /* …and is in that list */
	int32_t tid;
};

struct text_files {
	struct text_file *bucket[BUCKETS];
	struct text_file *dirty;
	struct text_file *open[OPEN_MAX_FILES];
	unsigned turn; /* whose place the next one takes */
	uint8_t seen[TID_MAX / 8];
};

static struct text_file **place_of(struct text_files *files, int32_t tid)
{
	struct text_file **at = &files->bucket[(uint32_t)tid & (BUCKETS - 1)];

	while (*at && (*at)->tid != tid)
		at = &(*at)->next;
	return at;
}

struct text_files *rn_text_files_create(void)
{
	return calloc(1, sizeof(struct text_files));
}

static void shut(struct text_file *file)
{
	if (file->out.fd >= 0)
		close(file->out.fd);
	file->out.fd = -1;
}

static void free_file(struct text_file *file)
{
	shut(file);
	rn_text_out_deinit(&file->out);
	free(file);
}

void rn_text_files_destroy(struct text_files *files)
{
	if (!files)
		return;
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct text_file *next;

		for (struct text_file *file = files->bucket[i]; file; file = next) {
			next = file->next;
			free_file(file);
		}
	}
	free(files);
}

static struct text_file *make(struct rn_run *run, int32_t tid)
{
	struct text_file *file = calloc(1, sizeof(*file));

	if (!file || !rn_text_out_init(run, &file->out)) {
		free(file);
		atomic_fetch_add(&run->consumed.text_lost, 1);
		atomic_store(&run->consumed.text_errno, ENOMEM);
		return NULL;
	}
	file->out.fd = -1;
	file->tid = tid;
	return file;
}

static void be_dirty(struct text_files *files, struct text_file *file)
{
	if (file->dirty)
		return;
	file->dirty = true;
	file->next_dirty = files->dirty;
	files->dirty = file;
}

struct text_out *rn_text_files_of(struct rn_run *run, int32_t tid)
{
	struct text_file **at = place_of(run->text_files, tid);

	if (!*at)
		*at = make(run, tid);
	if (!*at)
		return NULL;
	be_dirty(run->text_files, *at);
	return &(*at)->out;
}

/*
 * Whether somebody else may have put this file there: not ours alone, in a folder that everyone
 * may write to. Links are not followed, and a FIFO without a reader is not waited for.
 */
static bool is_planted(char *path, int fd)
{
	struct stat file, folder;
	char *slash = strrchr(path, '/');

	if (fstat(fd, &file) < 0 || (file.st_uid == geteuid() && file.st_nlink == 1))
		return false;
	if (slash)
		*slash = 0;
	return stat(!slash ? "." : *path ? path : "/", &folder) == 0 && (folder.st_mode & S_IWOTH);
}

static int open_file(char *path, bool afresh)
{
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK;
	int fd = open(path, flags, 0666);

	if (fd < 0)
		return -1;
	if (is_planted(path, fd)) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	fcntl(fd, F_SETFL, O_APPEND);
	if (afresh)
		(void)!ftruncate(fd, 0); /* what is no regular file has no length */
	return fd;
}

int rn_text_files_open(struct rn_run *run, struct text_out *out)
{
	struct text_files *files = run->text_files;
	struct text_file *file = (struct text_file *)out;
	uint32_t tid = (uint32_t)file->tid;
	bool afresh;
	char path[4200];
	int len;

	if (out->fd >= 0)
		return 0;
	len = snprintf(path, sizeof(path), "%s.%d", run->text_prefix, file->tid);
	if (len < 0 || (size_t)len >= sizeof(path))
		return ENAMETOOLONG;
	afresh = !run->config.text_append && tid < TID_MAX &&
		 !(files->seen[tid / 8] >> tid % 8 & 1u);
	if (files->open[files->turn])
		shut(files->open[files->turn]);
	files->open[files->turn] = NULL;
	out->fd = open_file(path, afresh);
	if (out->fd < 0)
		return errno;
	if (tid < TID_MAX)
		files->seen[tid / 8] |= (uint8_t)(1u << tid % 8);
	files->open[files->turn] = file;
	files->turn = (files->turn + 1) % OPEN_MAX_FILES;
	return 0;
}

static void write_one(struct rn_run *run, struct text_file *file)
{
	if (file->out.buf.len || file->out.buf.failed)
		rn_text_write(run, &file->out);
	/* With thousands of threads, memory that waits in each would add up. */
	rn_buf_deinit(&file->out.buf);
}

void rn_text_files_flush(struct rn_run *run)
{
	struct text_file *next;

	for (struct text_file *file = run->text_files->dirty; file; file = next) {
		next = file->next_dirty;
		file->dirty = false;
		write_one(run, file);
	}
	run->text_files->dirty = NULL;
}

void rn_text_files_end(struct rn_run *run, int32_t tid)
{
	struct text_files *files = run->text_files;
	struct text_file **at = place_of(files, tid), *file = *at;

	if (!file)
		return;
	write_one(run, file);
	for (struct text_file **dirty = &files->dirty; *dirty; dirty = &(*dirty)->next_dirty)
		if (*dirty == file) {
			*dirty = file->next_dirty;
			break;
		}
	for (unsigned i = 0; i < OPEN_MAX_FILES; i++)
		if (files->open[i] == file)
			files->open[i] = NULL;
	*at = file->next;
	free_file(file);
}

void rn_text_files_each(struct rn_run *run, void (*act)(struct text_out *, void *), void *arg)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct text_file *file = run->text_files->bucket[i]; file; file = file->next) {
			act(&file->out, arg);
			be_dirty(run->text_files, file);
		}
}
