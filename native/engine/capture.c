/* SPDX-License-Identifier: MIT */
/*
 * Arguments of a call into pieces, by the kinds of the table. At most one read of
 * the tracee's memory a stop, but for argv, which is a list of addresses.
 */
#include <string.h>

#include "engine_private.h"

#define PATH_LIMIT 4096u
#define ARRAY_LIMIT 1024u /* bytes of an array of structures */
#define SOCKADDR_MAX 128u /* struct sockaddr_storage */
#define ARGV_BYTES (32u * 1024u)
#define ARGV_COUNT 1024u

struct want {
	enum rn_piece_type type;
	unsigned arg;
	uint64_t total; /* whole length, where it is known before */
	bool string;
};

struct rn_piece *rn_piece_add(struct record *rec, enum rn_piece_type type, unsigned arg,
			      const void *data, size_t len, uint64_t total, unsigned flags)
{
	uint32_t room = RN_EVENT_MAX - rec->ev.size;
	struct rn_piece *piece = (struct rn_piece *)((uint8_t *)rec + rec->ev.size);
	uint32_t padded;

	if (room < sizeof(*piece))
		return NULL;
	room -= (uint32_t)sizeof(*piece);
	if (len > room) {
		len = room;
		flags |= RN_PIECE_CUT;
	}
	padded = rn_pad8((uint32_t)len);
	piece->type = (uint8_t)type;
	piece->arg = (uint8_t)arg;
	piece->flags = (uint16_t)flags;
	piece->len = (uint32_t)len;
	piece->total = total;
	memset((uint8_t *)(piece + 1) + (padded >= 8 ? padded - 8 : 0), 0, padded ? 8 : 0);
	if (len)
		memcpy(piece + 1, data, len);
	rec->ev.size += (uint32_t)sizeof(*piece) + padded;
	rec->ev.pieces++;
	if (flags & RN_PIECE_CUT)
		rec->ev.flags |= RN_FLAG_TRUNCATED;
	return piece;
}

static void add_read(struct record *rec, const struct want *want, const uint8_t *data,
		     const struct rn_span_of_memory *span, unsigned flags)
{
	size_t len = span->got;
	uint64_t total = want->total;

	if (span->got == 0 && span->len != 0) {
		rn_piece_add(rec, want->type, want->arg, NULL, 0, total, flags | RN_PIECE_UNREAD);
		return;
	}
	if (want->string) {
		const uint8_t *end = memchr(data, 0, len);

		if (end)
			len = (size_t)(end - data);
		else
			flags |= RN_PIECE_CUT;
		total = len;
	} else if (len < total) {
		flags |= RN_PIECE_CUT;
	} else if (want->type == RN_PIECE_PATH && len && data[len - 1] == 0) {
		len = total = len - 1; /* getcwd's result counts the NUL */
	}
	rn_piece_add(rec, want->type, want->arg, data, len, total, flags);
}

static size_t at_most(uint64_t n, uint64_t limit)
{
	return (size_t)(n < limit ? n : limit);
}

/* The addresses of a NULL-ended list; how many, at most `cap`. *more: the list goes on. */
static unsigned read_pointers(struct rn_engine *e, const struct task *task, uint64_t addr,
			      uint64_t *to, unsigned cap, bool *more)
{
	size_t width = task->abi == RN_ABI_I386 || task->abi == RN_ABI_ARM ? 4 : 8;
	unsigned n = 0;

	*more = false;
	while (n < cap) {
		uint8_t chunk[512];
		size_t got = rn_memory_read_one(e, task->tid, addr, chunk, sizeof(chunk));

		for (size_t at = 0; at + width <= got; at += width) {
			uint64_t pointer = 0;

			memcpy(&pointer, chunk + at, width);
			if (!pointer)
				return n;
			if (n == cap)
				break;
			to[n++] = pointer;
		}
		if (got < sizeof(chunk))
			return n;
		addr += sizeof(chunk);
	}
	*more = true;
	return n;
}

static void capture_argv(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg)
{
	static uint64_t pointers[ARGV_COUNT]; /* one tracer thread in a process */
	uint8_t text[ARGV_BYTES];
	size_t used = 0;
	bool cut;
	unsigned n;

	n = read_pointers(e, task, task->args[arg], pointers, ARGV_COUNT, &cut);
	if (n == 0 && task->args[arg] != 0) {
		uint64_t probe;

		if (rn_memory_read_one(e, task->tid, task->args[arg], &probe, 4) == 0) {
			rn_piece_add(rec, RN_PIECE_ARGV, arg, NULL, 0, 0, RN_PIECE_UNREAD);
			return;
		}
	}
	for (unsigned i = 0; i < n && !cut; i++) {
		size_t room = sizeof(text) - used;
		struct rn_span_of_memory span = {
			.addr = pointers[i],
			.to = text + used,
			.len = at_most(room, PATH_LIMIT),
			.string = true,
		};
		const uint8_t *end;

		if (room < 2) {
			cut = true;
			break;
		}
		rn_memory_read(e, task->tid, &span, 1);
		end = memchr(text + used, 0, span.got);
		if (end) {
			used = (size_t)(end - text) + 1;
		} else if (span.got) {
			used += span.got;
			text[used - 1] = 0;
			cut = true;
		} else {
			text[used++] = 0;
			cut = true;
		}
	}
	rn_piece_add(rec, RN_PIECE_ARGV, arg, text, used, n, cut ? RN_PIECE_CUT : 0);
}

static void capture_envc(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg)
{
	static uint64_t pointers[16 * ARGV_COUNT];
	bool more;
	uint64_t n = read_pointers(e, task, task->args[arg], pointers, 16 * ARGV_COUNT, &more);

	rn_piece_add(rec, RN_PIECE_ENVC, arg, &n, sizeof(n), n, more ? RN_PIECE_CUT : 0);
}

/* What is to be read at one stop, by one call. */
struct reading {
	struct want wants[WANT_MAX];
	struct rn_span_of_memory spans[WANT_MAX];
	unsigned n;
};

static void add_want(struct rn_engine *e, const struct task *task, struct reading *reading,
		     const struct want *want, uint64_t limit)
{
	if (reading->n == WANT_MAX || task->args[want->arg] == 0)
		return;
	reading->wants[reading->n] = *want;
	reading->spans[reading->n] = (struct rn_span_of_memory){
		.addr = task->args[want->arg],
		.to = e->scratch[reading->n],
		.len = at_most(limit, CAPTURE_MAX),
		.string = want->string,
	};
	reading->n++;
}

/* Argument `arg`: `total` bytes, of which at most `limit` are read. */
static void want(struct rn_engine *e, const struct task *task, struct reading *reading,
		 enum rn_piece_type type, unsigned arg, uint64_t total, uint64_t limit)
{
	const struct want one = {.type = type, .arg = arg, .total = total};

	add_want(e, task, reading, &one, total < limit ? total : limit);
}

static void want_string(struct rn_engine *e, const struct task *task, struct reading *reading,
			enum rn_piece_type type, unsigned arg)
{
	const struct want one = {.type = type, .arg = arg, .string = true};

	add_want(e, task, reading, &one, PATH_LIMIT);
}

static void read_wanted(struct rn_engine *e, const struct task *task, struct reading *reading,
			struct record *rec, unsigned flags)
{
	if (reading->n == 0)
		return;
	rn_memory_read(e, task->tid, reading->spans, reading->n);
	for (unsigned i = 0; i < reading->n; i++)
		add_read(rec, &reading->wants[i], e->scratch[i], &reading->spans[i], flags);
}

#define IOVEC_MAX 8u        /* buffers of a list that are looked at */
#define IOVEC_HEAD_MAX 256u /* bytes of each */

/*
 * Heads of the buffers of a list: where they are stands in memory, so this takes a second
 * read. `given` is how many bytes there are in all of them together.
 */
static void capture_iovecs(struct rn_engine *e, struct task *task, unsigned arg, uint64_t given,
			   struct record *rec, unsigned flags)
{
	uint64_t count = (uint32_t)task->args[task->desc->args[arg].aux];
	struct rn_span_of_memory spans[IOVEC_MAX];
	struct rn_iovec_head heads[IOVEC_MAX];
	uint64_t list[IOVEC_MAX][2];
	uint8_t *out = e->scratch[0];
	unsigned n = (unsigned)at_most(count, IOVEC_MAX), reads = 0;

	if (n == 0 || task->args[arg] == 0 ||
	    (task->abi != RN_ABI_X86_64 && task->abi != RN_ABI_AARCH64) ||
	    rn_memory_read_one(e, task->tid, task->args[arg], list, n * sizeof(list[0])) !=
		    n * sizeof(list[0]))
		return;
	for (unsigned i = 0; i < n; i++) {
		uint64_t shown = list[i][1] < given ? list[i][1] : given;
		uint64_t head = at_most(e->config.string_limit, IOVEC_HEAD_MAX);

		given -= shown;
		heads[i] = (struct rn_iovec_head){list[i][0], list[i][1], shown, 0};
		if (shown == 0)
			continue;
		spans[reads++] = (struct rn_span_of_memory){
			.addr = list[i][0],
			.to = e->scratch[1] + i * IOVEC_HEAD_MAX,
			.len = at_most(shown, head),
		};
	}
	rn_memory_read(e, task->tid, spans, reads);
	reads = 0;
	for (unsigned i = 0; i < n; i++) {
		size_t got = 0;

		if (heads[i].shown) {
			got = spans[reads].got;
			heads[i].captured = got || spans[reads].len == 0 ? got : UINT64_MAX;
			reads++;
		}
		memcpy(out, &heads[i], sizeof(heads[i]));
		out += sizeof(heads[i]);
		memset(out, 0, rn_pad8((uint32_t)got));
		memcpy(out, e->scratch[1] + i * IOVEC_HEAD_MAX, got);
		out += rn_pad8((uint32_t)got);
	}
	rn_piece_add(rec, RN_PIECE_STRUCT, arg, e->scratch[0], (size_t)(out - e->scratch[0]), count,
		     flags);
}

void rn_capture_entry(struct rn_engine *e, struct task *task, struct record *rec)
{
	struct reading reading = {.n = 0};
	uint64_t total;

	if (e->config.no_capture)
		return;
	for (unsigned i = 0; i < task->desc->nargs; i++) {
		const struct rn_arg_desc *arg = &task->desc->args[i];

		switch (arg->kind) {
		case RN_ARG_PATH:
			want_string(e, task, &reading, RN_PIECE_PATH, i);
			break;
		case RN_ARG_STRING:
			want_string(e, task, &reading, RN_PIECE_STRING, i);
			break;
		case RN_ARG_BUF_IN:
			want(e, task, &reading, RN_PIECE_BUFFER, i, task->args[arg->aux],
			     e->config.string_limit);
			break;
		case RN_ARG_STRUCT_IN:
			want(e, task, &reading, RN_PIECE_STRUCT, i, arg->aux, PATH_LIMIT);
			break;
		case RN_ARG_ARRAY_IN:
			total = (uint64_t)(uint32_t)task->args[arg->aux] * rn_shape_size(arg->form);
			want(e, task, &reading, RN_PIECE_STRUCT, i, total, ARRAY_LIMIT);
			break;
		case RN_ARG_IOVEC_IN:
			capture_iovecs(e, task, i, UINT64_MAX, rec, 0);
			break;
		case RN_ARG_SOCKADDR_IN:
			want(e, task, &reading, RN_PIECE_STRUCT, i,
			     at_most((uint32_t)task->args[arg->aux], SOCKADDR_MAX), SOCKADDR_MAX);
			break;
		case RN_ARG_LENGTH_INOUT:
			want(e, task, &reading, RN_PIECE_STRUCT, i, sizeof(int32_t), PATH_LIMIT);
			break;
		case RN_ARG_ARGV:
			capture_argv(e, task, rec, i);
			break;
		case RN_ARG_ENVP:
			capture_envc(e, task, rec, i);
			break;
		default:
			break;
		}
	}
	read_wanted(e, task, &reading, rec, 0);
}

/* How many struct linux_dirent64 the call wrote: no more of them is kept than that. */
static void capture_dirents(struct rn_engine *e, struct task *task, unsigned arg, uint64_t filled,
			    struct record *rec)
{
	uint8_t *data = e->scratch[0];
	uint64_t count = 0;
	uint16_t size;
	size_t got, at = 0;

	if (filled == 0)
		return;
	got = rn_memory_read_one(e, task->tid, task->args[arg], data, at_most(filled, CAPTURE_MAX));
	/* d_ino, d_off, then d_reclen. */
	while (at + 18 <= got) {
		memcpy(&size, data + at + 16, sizeof(size));
		if (size < 19)
			break;
		at += size;
		count++;
	}
	if (at != filled)
		return; /* not the whole list, or not one */
	rn_piece_add(rec, RN_PIECE_STRUCT, arg, &count, sizeof(count), sizeof(count),
		     RN_PIECE_AT_EXIT);
}

/* Bytes that the call wrote: a result may exceed the buffer (getxattr of size 0, MSG_TRUNC). */
static uint64_t filled(const struct task *task, const struct rn_arg_desc *arg, int64_t result)
{
	uint64_t capacity = arg->aux ? task->args[arg->aux] : UINT64_MAX;

	return (uint64_t)result < capacity ? (uint64_t)result : capacity;
}

void rn_capture_exit(struct rn_engine *e, struct task *task, int64_t result, struct record *rec)
{
	struct reading reading = {.n = 0};

	if (result < 0 || e->config.no_capture)
		return;
	for (unsigned i = 0; i < task->desc->nargs; i++) {
		const struct rn_arg_desc *arg = &task->desc->args[i];

		switch (arg->kind) {
		case RN_ARG_BUF_OUT:
			want(e, task, &reading, RN_PIECE_BUFFER, i, filled(task, arg, result),
			     e->config.string_limit);
			break;
		case RN_ARG_PATH_OUT:
			want(e, task, &reading, RN_PIECE_PATH, i, filled(task, arg, result),
			     PATH_LIMIT);
			break;
		case RN_ARG_WAIT_STATUS:
			want(e, task, &reading, RN_PIECE_STRUCT, i, sizeof(int32_t), PATH_LIMIT);
			break;
		case RN_ARG_FD_PAIR_OUT:
			want(e, task, &reading, RN_PIECE_STRUCT, i, 2 * sizeof(int32_t),
			     PATH_LIMIT);
			break;
		case RN_ARG_ARRAY_OUT:
			want(e, task, &reading, RN_PIECE_STRUCT, i,
			     (uint64_t)result * rn_shape_size(arg->form), ARRAY_LIMIT);
			break;
		case RN_ARG_IOVEC_OUT:
			capture_iovecs(e, task, i, (uint64_t)result, rec, RN_PIECE_AT_EXIT);
			break;
		case RN_ARG_SOCKADDR_OUT:
			want(e, task, &reading, RN_PIECE_STRUCT, i, SOCKADDR_MAX, SOCKADDR_MAX);
			break;
		case RN_ARG_LENGTH_INOUT:
			want(e, task, &reading, RN_PIECE_STRUCT, i, sizeof(int32_t), PATH_LIMIT);
			break;
		case RN_ARG_DIRENTS_OUT:
			capture_dirents(e, task, i, (uint64_t)result, rec);
			break;
		case RN_ARG_STRUCT_OUT:
			want(e, task, &reading, RN_PIECE_STRUCT, i, arg->aux, PATH_LIMIT);
			break;
		default:
			break;
		}
	}
	read_wanted(e, task, &reading, rec, RN_PIECE_AT_EXIT);
}
