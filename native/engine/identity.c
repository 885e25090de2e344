/* SPDX-License-Identifier: MIT */
/*
 * Which object of the kernel's a descriptor is, asked of /proc and sock_diag(7) while the thread
 * stands still; see docs/decisions/0061. No descriptor of the tracee's is copied, and nothing here
 * waits for a file system: one may be served by a tracee (FUSE), which waits for us.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine_private.h"

#define MQUEUE_MAGIC 0x19800202
#define FDINFO_BYTES 512u
#define PIECE_BYTES (sizeof(struct rn_piece) + sizeof(struct rn_object_id))

#define RN_O_CLOEXEC 02000000 /* on every architecture of this engine… */
#define RN_O_PATH 010000000   /* …and this */

struct name {
	char proc[48];
};

static struct name name_of(int tid, int32_t fd)
{
	struct name name;

	snprintf(name.proc, sizeof(name.proc), "/proc/%d/fd/%d", tid, fd);
	return name;
}

/* false: it is gone. */
static bool look_at(const char *proc, struct statx *st)
{
	return statx(AT_FDCWD, proc, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		     STATX_TYPE | STATX_INO | STATX_BTIME, st) == 0;
}

static void be_of(struct rn_object_id *id, uint8_t kind, const struct statx *st)
{
	id->kind = kind;
	id->dev_major = st->stx_dev_major;
	id->dev_minor = st->stx_dev_minor;
	id->inode = st->stx_ino;
}

/* A number of its making, which tells it from those that had its inode before. */
static uint32_t made(const struct statx *st)
{
	uint64_t when = (uint64_t)st->stx_btime.tv_sec * 1000000000 + st->stx_btime.tv_nsec;

	if (!(st->stx_mask & STATX_BTIME) || when == 0)
		return 0;
	return (uint32_t)((when * 0x9e3779b97f4a7c15ull) >> 32) | 1;
}

/* Queues of our own IPC namespace lie on the file system at its usual place, if it is there. */
static bool is_queue(const struct statx *st)
{
	static struct statx queues; /* one tracer thread in a process */
	static bool asked;
	struct statfs fs;

	if (!asked) {
		asked = true;
		if (statfs("/dev/mqueue", &fs) < 0 || fs.f_type != MQUEUE_MAGIC ||
		    !look_at("/dev/mqueue", &queues))
			queues.stx_dev_minor = 0;
	}
	return queues.stx_dev_minor && st->stx_dev_minor == queues.stx_dev_minor &&
	       st->stx_dev_major == queues.stx_dev_major;
}

static bool be_file(const struct statx *st, struct rn_object_id *id)
{
	switch (st->stx_mode & S_IFMT) {
	case S_IFIFO:
		be_of(id, RN_OBJECT_PIPE, st);
		return true;
	case S_IFREG:
		be_of(id, is_queue(st) ? RN_OBJECT_MQUEUE : RN_OBJECT_FILE, st);
		if (id->kind == RN_OBJECT_FILE)
			id->more = made(st);
		id->known = id->kind == RN_OBJECT_FILE ? RN_OBJECT_IS_REGULAR : 0;
		return true;
	case S_IFDIR:
	case S_IFCHR:
	case S_IFBLK:
		be_of(id, RN_OBJECT_FILE, st);
		id->more = made(st);
		return true;
	default:
		return false;
	}
}

bool rn_identify_file(int tid, int32_t fd, struct rn_object_id *id)
{
	struct statx st;

	return look_at(name_of(tid, fd).proc, &st) && be_file(&st, id);
}

bool rn_identify_new_socket(int tid, int32_t fd, struct rn_object_id *id)
{
	struct statx st;

	if (!look_at(name_of(tid, fd).proc, &st) || !S_ISSOCK(st.stx_mode))
		return false;
	be_of(id, RN_OBJECT_SOCKET, &st);
	id->ways = RN_WAY_READ | RN_WAY_WRITE;
	return true;
}

/* false: its protocol is none that can be asked for. */
static bool begin_socket(int tid, int32_t fd, const struct rn_object_id *id, struct rn_socket *to)
{
	char name[sizeof(to->detail.protocol)];
	ssize_t len =
		getxattr(name_of(tid, fd).proc, "system.sockprotoname", name, sizeof(name) - 1);

	/* The kernel counts the NUL. */
	if (len <= 0)
		return false;
	name[len] = 0;
	return rn_socket_begin(name, id->inode, to);
}

static void be_socket(const struct rn_socket *socket, struct rn_object_id *id)
{
	const struct rn_fd_detail *detail = &socket->detail;

	id->family = detail->family;
	id->type = socket->type;
	id->peer = detail->peer_inode;
	if (detail->family != AF_INET && detail->family != AF_INET6)
		return;
	if (detail->known & RN_SOCKET_LOCAL) {
		id->known |= RN_OBJECT_HAS_LOCAL;
		id->port = detail->port;
		memcpy(id->address, detail->address, sizeof(id->address));
	}
	if (detail->known & RN_SOCKET_PEER) {
		id->known |= RN_OBJECT_HAS_PEER;
		id->peer_port = detail->peer_port;
		memcpy(id->peer_address, detail->peer, sizeof(id->peer_address));
	}
}

bool rn_identify_socket(int tid, int32_t fd, int pid, struct rn_object_id *id)
{
	struct rn_socket socket, *sockets = &socket;
	bool tcp;

	if (!rn_identify_new_socket(tid, fd, id))
		return false;
	if (!begin_socket(tid, fd, id, &socket))
		return true;
	tcp = pid && strncmp(socket.detail.protocol, "TCP", 3) == 0;
	if (tcp && rn_connection_ask(pid, fd, id))
		return true;
	rn_sockets_ask(&sockets, 1, pid != 0);
	be_socket(&socket, id);
	if (tcp && id->known == (RN_OBJECT_HAS_LOCAL | RN_OBJECT_HAS_PEER))
		id->peer = rn_connection_peer(id);
	return true;
}

struct fdinfo {
	bool there;
	unsigned flags;
	uint64_t process;
	bool semaphore;
};

static uint64_t number_after(const char *text, const char *label)
{
	const char *at = strstr(text, label);
	long long number = at ? strtoll(at + strlen(label), NULL, 10) : 0;

	return number > 0 ? (uint64_t)number : 0;
}

/* The head of what the kernel tells of an open descriptor: proc_pid_fdinfo(5). */
static struct fdinfo fdinfo_of(int tid, int32_t fd)
{
	struct fdinfo info = {.there = false};
	char path[48], text[FDINFO_BYTES];
	const char *flags;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", tid, fd);
	flags = rn_read_text(path, text, sizeof(text)) ? strstr(text, "flags:\t") : NULL;
	if (!flags)
		return info;
	info.there = true;
	info.flags = (unsigned)strtoul(flags + 7, NULL, 8);
	info.process = number_after(text, "\nPid:\t");
	info.semaphore = number_after(text, "\neventfd-semaphore: ") != 0;
	return info;
}

bool rn_identify_pidfd(int tid, int32_t fd, struct rn_object_id *id)
{
	struct fdinfo info = fdinfo_of(tid, fd);

	id->kind = RN_OBJECT_PIDFD;
	id->peer = info.process; /* 0: it has ended */
	return info.there;
}

/* `info`: what is known already, or NULL. */
static bool identify(int tid, int32_t fd, const struct fdinfo *info, struct rn_object_id *id)
{
	struct name name = name_of(tid, fd);
	char link[32];
	struct fdinfo own;
	struct statx st;
	ssize_t len;

	if (!look_at(name.proc, &st))
		return false;
	if (S_ISSOCK(st.stx_mode)) {
		be_of(id, RN_OBJECT_SOCKET, &st);
		return true;
	}
	if (st.stx_mode & S_IFMT && !S_ISREG(st.stx_mode))
		return be_file(&st, id);
	/* A pidfd calls itself a file. */
	len = readlink(name.proc, link, sizeof(link) - 1);
	if (len <= 0)
		return false;
	link[len] = 0;
	if (strncmp(link, "anon_inode:", 11) != 0 && be_file(&st, id))
		return true;
	if (!info) {
		own = fdinfo_of(tid, fd);
		info = &own;
	}
	if (strcmp(link, "anon_inode:[pidfd]") == 0) {
		id->kind = RN_OBJECT_PIDFD;
		id->peer = info->process;
	} else if (strcmp(link, "anon_inode:[eventfd]") == 0) {
		id->kind = RN_OBJECT_EVENTFD;
		id->more = info->semaphore;
	} else if (strcmp(link, "anon_inode:[signalfd]") == 0) {
		id->kind = RN_OBJECT_SIGNALFD;
	}
	return true;
}

uint8_t rn_ways_of(int tid, int32_t fd)
{
	struct stat st;

	/* The link's own mode says so: proc_pid_fd(5). */
	if (lstat(name_of(tid, fd).proc, &st) < 0)
		return 0;
	return (uint8_t)((st.st_mode & S_IRUSR ? RN_WAY_READ : 0) |
			 (st.st_mode & S_IWUSR ? RN_WAY_WRITE : 0));
}

bool rn_identify_any(int tid, int32_t fd, struct rn_object_id *id)
{
	uint8_t ways = rn_ways_of(tid, fd);

	if (!identify(tid, fd, NULL, id))
		return false;
	if (id->kind == RN_OBJECT_SOCKET && ways && !rn_identify_socket(tid, fd, 0, id))
		return false;
	id->ways = id->kind == RN_OBJECT_PIDFD ? 0 : ways;
	return true;
}

void rn_add_object(struct record *rec, int32_t fd, const struct rn_object_id *id, unsigned flags)
{
	if (RN_EVENT_MAX - rec->ev.size < PIECE_BYTES) {
		rec->ev.flags |= RN_FLAG_TRUNCATED;
		return;
	}
	rn_piece_add(rec, RN_PIECE_OBJECT, RN_PIECE_NO_ARG, id, sizeof(*id), (uint32_t)fd, flags);
}

uint8_t rn_ways_by(uint64_t flags)
{
	static const uint8_t ways[4] = {RN_WAY_READ, RN_WAY_WRITE, RN_WAY_READ | RN_WAY_WRITE, 0};

	return flags & RN_O_PATH ? 0 : ways[flags & O_ACCMODE];
}

/* Sockets among the pieces that were just added, to be asked for all at once. */
struct found {
	struct rn_socket *sockets; /* their `detail.inode` tells whose they are */
	struct rn_socket **asked;
	unsigned n, cap;
};

static void remember_socket(struct found *found, int tid, int32_t fd, const struct rn_object_id *id)
{
	if (found->n == found->cap) {
		unsigned cap = found->cap ? 2 * found->cap : 16;
		struct rn_socket *grown = realloc(found->sockets, cap * sizeof(*grown));

		if (!grown)
			return; /* without addresses */
		found->sockets = grown;
		found->cap = cap;
	}
	if (begin_socket(tid, fd, id, &found->sockets[found->n]))
		found->n++;
}

static void tell_sockets(struct rn_engine *e, struct found *found)
{
	struct rn_piece *piece = (struct rn_piece *)(void *)e->work.pieces;
	unsigned next = 0;

	found->asked = malloc(found->n * sizeof(*found->asked));
	if (!found->asked)
		return;
	for (unsigned i = 0; i < found->n; i++)
		found->asked[i] = &found->sockets[i];
	rn_sockets_ask(found->asked, found->n, false);
	/* They stand in the order of the pieces. */
	for (uint32_t i = 0; i < e->work.ev.pieces && next < found->n; i++) {
		struct rn_object_id *id = (struct rn_object_id *)(void *)(piece + 1);

		if (piece->type == RN_PIECE_OBJECT && id->kind == RN_OBJECT_SOCKET && id->ways &&
		    id->inode == found->sockets[next].detail.inode)
			be_socket(&found->sockets[next++], id);
		piece = (struct rn_piece *)(void *)((uint8_t *)(piece + 1) + rn_pad8(piece->len));
	}
	free(found->asked);
}

/* Another record of the same thread, for what does not fit into this one. */
static void begin_another(struct rn_engine *e, const struct task *task, struct found *found)
{
	if (found->n)
		tell_sockets(e, found);
	found->n = 0;
	rn_emit_work(e, true);
	rn_record_begin(e, &e->work, RN_CONTEXT, task);
}

static void add_one(struct rn_engine *e, const struct task *task, int tid, int32_t fd, bool at_exec,
		    struct found *found)
{
	struct fdinfo info = fdinfo_of(tid, fd);
	struct rn_object_id id = {.kind = RN_OBJECT_OTHER};
	bool closes = info.flags & RN_O_CLOEXEC;

	if (!info.there || (at_exec && closes) || !identify(tid, fd, &info, &id))
		return;
	id.ways = id.kind == RN_OBJECT_PIDFD ? 0 : rn_ways_by(info.flags);
	if (RN_EVENT_MAX - e->work.ev.size < PIECE_BYTES)
		begin_another(e, task, found);
	rn_add_object(&e->work, fd, &id, closes ? RN_PIECE_CLOEXEC : 0);
	if (id.kind == RN_OBJECT_SOCKET && id.ways)
		remember_socket(found, tid, fd, &id);
}

void rn_add_objects(struct rn_engine *e, const struct task *task, int tid, bool at_exec)
{
	struct found found = {.n = 0};
	struct dirent *entry;
	char path[48];
	DIR *dir;

	if (!e->config.objects)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd", tid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			add_one(e, task, tid, (int32_t)atoi(entry->d_name), at_exec, &found);
	closedir(dir);
	if (found.n)
		tell_sockets(e, &found);
	free(found.sockets);
}
