/* SPDX-License-Identifier: MIT */
/*
 * A hash of what a call has written or sent (RN_PIECE_CONTENT), taken at its exit: only then is it
 * known how much of it that was, and the data are still there. What another thread writes over in
 * between is hashed as it is by then. Nothing is trusted: lists may have changed since the kernel read
 * them, results may be made up by a filter of the program's own.
 */
#include <fcntl.h>
#include <linux/net.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "capture.h"
#include "renacer/content.h"

enum form {
	FORM_NONE,
	FORM_BYTES,    /* at argument 1, as many as the result says */
	FORM_LETTER,   /* at argument 1, all of argument 2 */
	FORM_QUEUED,   /* the same, behind a long: struct msgbuf */
	FORM_VECTOR,   /* struct iovec[], argument 2 counts them */
	FORM_PIPED,    /* the same, if the descriptor is one for writing; else they are filled */
	FORM_MESSAGE,  /* struct msghdr */
	FORM_MESSAGES, /* struct mmsghdr[], as many as the result says */
	FORM_SOCKETCALL,
	FORM_IPC
};

static const struct {
	const char *name;
	uint8_t form;
} forms[] = {
	{"write", FORM_BYTES},
	{"pwrite64", FORM_BYTES},
	{"send", FORM_BYTES},
	{"sendto", FORM_BYTES},
	{"mq_timedsend", FORM_LETTER},
	{"mq_timedsend_time64", FORM_LETTER},
	{"msgsnd", FORM_QUEUED},
	{"writev", FORM_VECTOR},
	{"pwritev", FORM_VECTOR},
	{"pwritev2", FORM_VECTOR},
	{"vmsplice", FORM_PIPED},
	{"sendmsg", FORM_MESSAGE},
	{"sendmmsg", FORM_MESSAGES},
	{"socketcall", FORM_SOCKETCALL},
	{"ipc", FORM_IPC},
};

#define IPC_MSGSND 11
#define PARTS 64u
#define LIST_MAX 1024u /* UIO_MAXIOV of the kernel: longer lists are refused */

/* Memory on its way into the hash: parts that are read by one call. */
struct gathered {
	struct rn_engine *e;
	const struct task *task;
	struct rn_content content;
	struct rn_content portable; /* if `names_folder`: of all so far */
	struct iovec parts[PARTS];
	unsigned n;
	size_t held; /* bytes of them, at most CAPTURE_MAX */
	int memory;  /* /proc/TID/mem where process_vm_readv(2) is not to be had; -1 = not open */
	bool failed;
	bool names_folder;
};

static void learn_folder(struct rn_engine *e)
{
	if (!getcwd(e->folder, sizeof(e->folder)) || e->folder[0] != '/' || !e->folder[1])
		e->folder[0] = 0; /* gone, not to be seen from here, or in every path */
	e->folder_len = strlen(e->folder);
}

void rn_content_init(struct rn_engine *e)
{
	if (!e->config.hashes)
		return;
	learn_folder(e);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		rn_roles_set(&e->content_forms, forms[i].name, forms[i].form);
}

static bool read_file(struct gathered *g, const struct iovec *part, uint8_t *to)
{
	size_t got = 0;

	if (g->memory < 0) {
		char name[32];

		snprintf(name, sizeof(name), "/proc/%d/mem", g->task->tid);
		g->memory = open(name, O_RDONLY | O_CLOEXEC);
	}
	while (g->memory >= 0 && got < part->iov_len) {
		ssize_t n = pread(g->memory, to + got, part->iov_len - got,
				  (off_t)((uintptr_t)part->iov_base + got));

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return got == part->iov_len;
}

static bool read_parts(struct gathered *g, uint8_t *to)
{
	struct iovec local = {to, g->held};

	if (g->e->use_vm_readv) {
		ssize_t got = process_vm_readv(g->task->tid, &local, 1, g->parts, g->n, 0);

		if (got >= 0 || (errno != ENOSYS && errno != EPERM))
			return got == (ssize_t)g->held;
	}
	for (unsigned i = 0; i < g->n; i++) {
		const struct iovec *part = &g->parts[i];

		if (!read_file(g, part, to) &&
		    rn_memory_read_one(g->e, g->task->tid, (uintptr_t)part->iov_base, to,
				       part->iov_len) != part->iov_len)
			return false;
		to += part->iov_len;
	}
	return true;
}

static bool may_be_of_name(uint8_t c)
{
	return c == '_' || c == '.' || c == '~' || c == '-' || c >= 0x80 ||
	       (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Where the folder is named next: not as part of another name; NULL: nowhere. */
static const uint8_t *find_folder(const struct rn_engine *e, const uint8_t *start,
				  const uint8_t *from, const uint8_t *end)
{
	const uint8_t *at = from;

	while (at < end && (at = memmem(at, (size_t)(end - at), e->folder, e->folder_len))) {
		const uint8_t *behind = at + e->folder_len;

		if ((at == start || (!may_be_of_name(at[-1]) && at[-1] != '/')) &&
		    (behind == end || !may_be_of_name(*behind)))
			return at;
		at++;
	}
	return NULL;
}

/* The same bytes, wherever the run began. Names that two reads share are not found. */
static void hash_portable(struct gathered *g, const uint8_t *data, const struct rn_content *before,
			  const struct rn_content *own)
{
	const uint8_t *end = data + g->held, *from = data, *at = NULL;

	if (g->e->folder_len)
		at = find_folder(g->e, data, data, end);
	if (!at) {
		if (g->names_folder)
			rn_content_join(&g->portable, own);
		return;
	}
	if (!g->names_folder)
		g->portable = *before;
	g->names_folder = true;
	for (; at; at = find_folder(g->e, data, from, end)) {
		rn_content_add(&g->portable, from, (size_t)(at - from));
		rn_content_add(&g->portable, RN_FOLDER, sizeof(RN_FOLDER));
		from = at + g->e->folder_len;
	}
	rn_content_add(&g->portable, from, (size_t)(end - from));
}

/* A write is long where it is of a gigabyte: whoever asks meanwhile that all be let go is heard. */
static void hash_parts(struct gathered *g)
{
	uint8_t *data = g->e->scratch[0];
	struct rn_content own = {0}, before = g->content;

	if (!g->n || g->failed)
		return;
	g->failed =
		atomic_load_explicit(&g->e->let_go, memory_order_relaxed) || !read_parts(g, data);
	if (!g->failed) {
		rn_content_add(&own, data, g->held);
		rn_content_join(&g->content, &own);
		hash_portable(g, data, &before, &own);
	}
	g->n = 0;
	g->held = 0;
}

static void gather(struct gathered *g, uint64_t addr, uint64_t len)
{
	while (len && !g->failed) {
		size_t room = CAPTURE_MAX - g->held;
		size_t take = len < room ? (size_t)len : room;

		g->parts[g->n++] = (struct iovec){(void *)(uintptr_t)addr, take};
		g->held += take;
		addr += take;
		len -= take;
		if (g->n == PARTS || g->held == CAPTURE_MAX)
			hash_parts(g);
	}
}

static bool read_whole(const struct gathered *g, uint64_t addr, void *to, size_t len)
{
	return rn_memory_read_one(g->e, g->task->tid, addr, to, len) == len;
}

/* The first `given` bytes of the buffers. */
static void gather_vector(struct gathered *g, uint64_t addr, uint64_t count, uint64_t given)
{
	static uint8_t list[LIST_MAX * 16]; /* one tracer thread in a process */
	size_t word = rn_word_of(g->task);

	if (!given)
		return;
	if (count > LIST_MAX || !read_whole(g, addr, list, (size_t)count * 2 * word)) {
		g->failed = true;
		return;
	}
	for (size_t i = 0; i < count && given; i++) {
		uint64_t len = rn_word_at(list, 2 * i + 1, word);

		len = len < given ? len : given;
		gather(g, rn_word_at(list, 2 * i, word), len);
		given -= len;
	}
	g->failed |= given != 0;
}

static void gather_message(struct gathered *g, uint64_t addr, uint64_t given)
{
	size_t word = rn_word_of(g->task);
	uint8_t head[4 * 8];

	if (given && !read_whole(g, addr, head, 4 * word))
		g->failed = true;
	else if (given)
		gather_vector(g, rn_word_at(head, 2, word), rn_word_at(head, 3, word), given);
}

/* Returns how many bytes there were of all. */
static uint64_t gather_messages(struct gathered *g, uint64_t addr, uint64_t count)
{
	size_t word = rn_word_of(g->task);
	uint64_t total = 0;

	g->failed = count > LIST_MAX;
	for (uint64_t i = 0; i < count && !g->failed; i++) {
		uint64_t at = addr + i * 8 * word;
		uint32_t sent;

		g->failed = !read_whole(g, at + 7 * word, &sent, sizeof(sent));
		if (g->failed || total + sent > RN_CONTENT_MAX) {
			g->failed = true;
			break;
		}
		total += sent;
		gather_message(g, at, sent);
	}
	return total;
}

/* A call whose arguments are those of a task's call, or were in memory. */
struct written {
	enum form form;
	uint64_t fd, data, count; /* arguments 0 to 2 */
};

/* What the one call is that stands for several: i386's. */
static struct written unpacked(const struct gathered *g)
{
	const uint64_t *args = g->task->args;
	struct written call = {
		.form = rn_role(&g->e->content_forms, g->task->abi, g->task->nr),
		.fd = args[0],
		.data = args[1],
		.count = args[2],
	};
	uint32_t given[3];

	if (call.form == FORM_IPC)
		return (struct written){.form = (args[0] & 0xffff) == IPC_MSGSND ? FORM_QUEUED
										 : FORM_NONE,
					.fd = args[1],
					.data = args[4],
					.count = args[2]};
	if (call.form != FORM_SOCKETCALL)
		return call;
	switch (args[0]) {
	case SYS_SEND:
	case SYS_SENDTO:
		call.form = FORM_BYTES;
		break;
	case SYS_SENDMSG:
		call.form = FORM_MESSAGE;
		break;
	case SYS_SENDMMSG:
		call.form = FORM_MESSAGES;
		break;
	default:
		call.form = FORM_NONE;
		return call;
	}
	memset(given, 0, sizeof(given));
	/* sendmsg has two of them. */
	if (!read_whole(g, args[1], given, call.form == FORM_MESSAGE ? 8 : 12))
		memset(given, 0, sizeof(given)); /* no data are there, which is told */
	call.fd = given[0];
	call.data = given[1];
	call.count = given[2];
	return call;
}

/* Returns how many bytes are to be hashed. */
static uint64_t gather_call(struct gathered *g, const struct written *call, uint64_t result)
{
	uint64_t total = result;

	switch (call->form) {
	case FORM_LETTER:
	case FORM_QUEUED:
		total = call->count;
		break;
	case FORM_MESSAGES:
		return gather_messages(g, call->data, result);
	default:
		break;
	}
	g->failed = total > RN_CONTENT_MAX;
	switch (call->form) {
	case FORM_BYTES:
		g->failed |= total > call->count;
		gather(g, call->data, total);
		break;
	case FORM_LETTER:
		gather(g, call->data, total);
		break;
	case FORM_QUEUED:
		gather(g, call->data + rn_word_of(g->task), total);
		break;
	case FORM_MESSAGE:
		if (!g->failed)
			gather_message(g, call->data, total);
		break;
	default:
		if (!g->failed)
			gather_vector(g, call->data, call->count, total);
		break;
	}
	return total;
}

void rn_content_at_exit(struct rn_engine *e, const struct task *task, int64_t result,
			struct record *rec)
{
	static struct gathered g;
	struct written call;
	uint64_t total;

	if (result < 0 || rn_role(&e->content_forms, task->abi, task->nr) == FORM_NONE)
		return;
	g = (struct gathered){.e = e, .task = task, .memory = -1};
	call = unpacked(&g);
	if (call.form == FORM_NONE ||
	    (call.form == FORM_PIPED && !(rn_ways_of(task->tid, (int32_t)call.fd) & RN_WAY_WRITE)))
		return;
	total = gather_call(&g, &call, (uint64_t)result);
	hash_parts(&g);
	if (g.memory >= 0)
		close(g.memory);
	if (g.failed) {
		rn_piece_add(rec, RN_PIECE_CONTENT, RN_PIECE_NO_ARG, NULL, 0, total,
			     RN_PIECE_AT_EXIT | RN_PIECE_UNREAD);
		return;
	}
	rn_piece_add(rec, RN_PIECE_CONTENT, RN_PIECE_NO_ARG, &g.content, sizeof(g.content), total,
		     RN_PIECE_AT_EXIT);
	if (g.names_folder)
		rn_piece_add(rec, RN_PIECE_PORTABLE, RN_PIECE_NO_ARG, &g.portable,
			     sizeof(g.portable), total, RN_PIECE_AT_EXIT);
}
