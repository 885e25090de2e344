/* SPDX-License-Identifier: MIT */
/*
 * What is behind the descriptors of a call (-y, -yy), asked for while the thread stands at its
 * stop: text is made later, when they may be closed or be others. Nothing here waits for a
 * file system: one may be served by a tracee (FUSE), which waits for us.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine_private.h"

#define LINK_MAX_BYTES 4096u
#define DESCRIBED_MAX 64u /* of a list */
#define AT_CWD (-100)

static const char gone[] = " (deleted)";

/* Whether what a descriptor's link says is a name that ends so, and exists. */
static bool is_named_so(const char *name, const struct statx *of)
{
	struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_CACHED};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof(how));
	struct statx st;
	bool same;

	if (fd < 0)
		return false;
	same = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) == 0 &&
	       st.stx_ino == of->stx_ino && st.stx_dev_major == of->stx_dev_major &&
	       st.stx_dev_minor == of->stx_dev_minor;
	close(fd);
	return same;
}

static bool look_at(const char *proc, struct statx *st)
{
	return statx(AT_FDCWD, proc, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		     STATX_TYPE | STATX_NLINK | STATX_INO, st) == 0;
}

static bool ends_as_gone(const char *name, size_t len)
{
	return len > sizeof(gone) &&
	       memcmp(name + len - (sizeof(gone) - 1), gone, sizeof(gone) - 1) == 0;
}

static bool is_gone(const char *proc, const char *name)
{
	struct statx st;

	if (!look_at(proc, &st))
		return true;
	return st.stx_nlink == 0 || name[0] != '/' || !is_named_so(name, &st);
}

static bool describe_device(const char *proc, struct rn_fd_detail *detail)
{
	struct statx st;

	if (!look_at(proc, &st))
		return false;
	if (!S_ISCHR(st.stx_mode) && !S_ISBLK(st.stx_mode))
		return false;
	detail->kind = S_ISCHR(st.stx_mode) ? RN_FD_CHAR : RN_FD_BLOCK;
	detail->major = st.stx_rdev_major;
	detail->minor = st.stx_rdev_minor;
	return true;
}

static bool describe_pidfd(int tid, int32_t fd, struct rn_fd_detail *detail)
{
	char path[64], text[512], *line;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", tid, fd);
	line = rn_read_text(path, text, sizeof(text)) ? strstr(text, "\nPid:\t") : NULL;
	if (!line)
		return false;
	detail->kind = RN_FD_PID;
	detail->major = (uint32_t)atoi(line + 6);
	return true;
}

static bool describe_socket(const char *proc, const char *link, struct rn_fd_detail *detail)
{
	char name[sizeof(detail->protocol)];
	ssize_t len = getxattr(proc, "system.sockprotoname", name, sizeof(name) - 1);

	/* The kernel counts the NUL. */
	if (len <= 0)
		return false;
	name[len] = 0;
	return rn_socket_describe(name, strtoull(link + 8, NULL, 10), detail);
}

static bool describe(const struct rn_engine *e, int tid, int32_t fd, const char *proc,
		     const char *link, struct rn_fd_detail *detail)
{
	uint32_t asked = e->config.describe_fds;

	memset(detail, 0, sizeof(*detail));
	if (asked & RN_FDS_SOCKET && strncmp(link, "socket:[", 8) == 0)
		return describe_socket(proc, link, detail);
	if (asked & RN_FDS_DEV && link[0] == '/')
		return describe_device(proc, detail);
	if (asked & RN_FDS_PIDFD && strcmp(link, "anon_inode:[pidfd]") == 0)
		return describe_pidfd(tid, fd, detail);
	return false;
}

/* Whether it could be described. */
static bool add(struct rn_engine *e, const struct task *task, struct record *rec, unsigned arg,
		int32_t fd, unsigned flags)
{
	char proc[64], link[LINK_MAX_BYTES + 1];
	struct rn_fd_detail detail;
	ssize_t len;
	bool detailed;

	if (fd < 0 && fd != AT_CWD)
		return false;
	if (fd == AT_CWD)
		snprintf(proc, sizeof(proc), "/proc/%d/cwd", task->tid);
	else
		snprintf(proc, sizeof(proc), "/proc/%d/fd/%d", task->tid, fd);
	len = readlink(proc, link, sizeof(link) - 1);
	if (len <= 0)
		return false;
	link[len] = 0;
	detailed = fd != AT_CWD && describe(e, task->tid, fd, proc, link, &detail);
	if (!detailed && !(e->config.describe_fds & RN_FDS_PATH))
		return false;
	if (fd != AT_CWD && ends_as_gone(link, (size_t)len) && is_gone(proc, link)) {
		len -= (ssize_t)sizeof(gone) - 1;
		flags |= RN_PIECE_DELETED;
	}
	rn_piece_add(rec, RN_PIECE_FD_LINK, arg, link, (size_t)len, (uint32_t)fd, flags);
	if (detailed)
		rn_piece_add(rec, RN_PIECE_FD_DETAIL, arg, &detail, sizeof(detail), (uint32_t)fd,
			     flags);
	return true;
}

static void put(struct fd_list *list, int32_t fd)
{
	if (list->n < RN_FDS_MAX)
		list->fds[list->n++] = fd;
}

static void take_array(struct fd_list *list, const uint8_t *data, size_t len, size_t step)
{
	int32_t fd;

	for (size_t at = 0; at + step <= len; at += step) {
		memcpy(&fd, data + at, sizeof(fd));
		put(list, fd);
	}
}

static void take_set(struct fd_list *list, const uint8_t *data, size_t len)
{
	for (size_t fd = 0; fd < 8 * len && list->n < DESCRIBED_MAX; fd++)
		if (data[fd / 8] >> fd % 8 & 1)
			put(list, (int32_t)fd);
}

/* SCM_RIGHTS in control messages. */
static void take_rights(struct fd_list *list, const uint8_t *data, size_t len, size_t word)
{
	struct rn_control control;

	while (rn_control_next(&data, &len, word, &control))
		if (control.level == SOL_SOCKET && control.type == SCM_RIGHTS)
			take_array(list, control.data, control.len, sizeof(int32_t));
}

static void take_messages(struct fd_list *list, const uint8_t *data, size_t len, size_t word)
{
	struct rn_message_head head;

	while (len >= sizeof(head)) {
		uint32_t parts[3];

		memcpy(&head, data, sizeof(head));
		data += sizeof(head);
		len -= sizeof(head);
		memcpy(parts, (uint32_t[]){head.name_bytes, head.iov_bytes, head.control_bytes},
		       sizeof(parts));
		for (unsigned i = 0; i < 3; i++) {
			size_t size = parts[i] == UINT32_MAX ? 0 : parts[i];
			size_t padded = (size + 7) & ~(size_t)7;

			if (padded > len)
				return;
			if (i == 2)
				take_rights(list, data, size, word);
			data += padded;
			len -= padded;
		}
	}
}

static void take(struct fd_list *list, const struct task *task, unsigned kind,
		 const struct rn_piece *piece)
{
	size_t word = task->abi == RN_ABI_I386 || task->abi == RN_ABI_ARM ? 4 : 8;
	const uint8_t *data = rn_piece_data(piece);

	switch (kind) {
	case RN_ARG_FD_PAIR_OUT:
		take_array(list, data, piece->len, sizeof(int32_t));
		break;
	case RN_ARG_POLLFDS:
		take_array(list, data, piece->len, 8);
		break;
	case RN_ARG_FDSET:
		take_set(list, data, piece->len);
		break;
	default:
		take_messages(list, data, piece->len, word);
		break;
	}
}

void rn_fds_captured(struct fd_list *list, const struct task *task, const struct record *rec,
		     unsigned arg, unsigned kind, unsigned flags)
{
	for (const struct rn_piece *p = rn_piece_first(&rec->ev); p; p = rn_piece_next(&rec->ev, p))
		if (p->arg == arg && p->type == RN_PIECE_STRUCT && !(p->flags & RN_PIECE_UNREAD) &&
		    (p->flags & RN_PIECE_AT_EXIT) == flags)
			take(list, task, kind, p);
}

/* In the order in which they are shown. */
static void add_list(struct rn_engine *e, const struct task *task, struct record *rec, unsigned arg,
		     unsigned kind, unsigned flags)
{
	struct fd_list list = {.n = 0};

	rn_fds_captured(&list, task, rec, arg, kind, flags);
	for (unsigned i = 0; i < list.n && i < DESCRIBED_MAX; i++)
		add(e, task, rec, arg, list.fds[i], flags);
}

void rn_describe_at_entry(struct rn_engine *e, const struct task *task, struct record *rec)
{
	struct rn_meaning meaning;

	for (unsigned i = 0; i < task->desc->nargs; i++) {
		rn_arg_mean(task->desc, task->args, i, &meaning);
		switch (meaning.kind) {
		case RN_ARG_FD:
		case RN_ARG_DIRFD:
			add(e, task, rec, i, (int32_t)task->args[i], 0);
			break;
		case RN_ARG_POLLFDS:
		case RN_ARG_FDSET:
		case RN_ARG_MSG_IN:
			add_list(e, task, rec, i, meaning.kind, 0);
			break;
		default:
			break;
		}
	}
}

static bool returns_descriptor(const struct task *task)
{
	if (task->desc->flags & RN_CALL_RESULT_DUP)
		return (uint32_t)task->args[1] == F_DUPFD ||
		       (uint32_t)task->args[1] == F_DUPFD_CLOEXEC;
	return task->desc->flags & RN_CALL_RESULT_FD;
}

void rn_describe_at_exit(struct rn_engine *e, const struct task *task, int64_t result,
			 struct record *rec)
{
	struct rn_meaning meaning;

	if (result < 0)
		return;
	for (unsigned i = 0; i < task->desc->nargs; i++) {
		rn_arg_mean(task->desc, task->args, i, &meaning);
		switch (meaning.kind) {
		case RN_ARG_FD_PAIR_OUT:
		case RN_ARG_MSG_OUT:
		case RN_ARG_MMSG_IN:
		case RN_ARG_MMSG_OUT:
			add_list(e, task, rec, i, meaning.kind, RN_PIECE_AT_EXIT);
			break;
		default:
			break;
		}
	}
	if (returns_descriptor(task))
		add(e, task, rec, RN_PIECE_NO_ARG, (int32_t)result, RN_PIECE_AT_EXIT);
}
