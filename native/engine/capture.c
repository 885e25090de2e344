/* SPDX-License-Identifier: MIT */
/*
 * Arguments of a call into pieces, by the kinds of the table. At most one read of
 * the tracee's memory a stop, but for argv, which is a list of addresses.
 */
#include <string.h>

#include "capture.h"

#define PATH_LIMIT 4096u
#define ARRAY_LIMIT 1024u /* bytes of an array of structures */
#define SOCKADDR_MAX 128u /* struct sockaddr_storage */
#define SIZED_MAX 256u    /* of a structure that has its length beside it */
#define VALUE_MAX 128u    /* of an option of a socket */
#define FDSET_MAX 8192u   /* bytes, of 65536 fds */
#define SET_SHOWN 128u    /* of what something is set to; if hashes are captured: all */

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

/* A buffer's first bytes; of messages as many as tell what they are, of values all that count. */
static uint64_t buffer_limit(const struct rn_engine *e, const struct task *task, uint32_t form)
{
	uint64_t limit = e->config.string_limit;

	if (task->desc->flags & RN_CALL_MESSAGES && limit < 16)
		return 16;
	if (rn_value_reach(form)) {
		uint64_t least = e->config.hashes ? rn_value_reach(form)
						  : at_most(rn_value_reach(form), SET_SHOWN);

		return limit < least ? least : limit;
	}
	return limit;
}

static void want_string(struct rn_engine *e, const struct task *task, struct reading *reading,
			enum rn_piece_type type, unsigned arg)
{
	const struct want one = {.type = type, .arg = arg, .string = true};

	add_want(e, task, reading, &one, PATH_LIMIT);
}

/* Of messages of a netlink socket much more is shown than of other bytes. False: it is none. */
static bool read_netlink(struct rn_engine *e, const struct task *task, const struct want *want,
			 struct rn_span_of_memory *span, uint32_t *protocol)
{
	if (want->type != RN_PIECE_BUFFER || !(task->desc->flags & RN_CALL_MESSAGES) ||
	    !rn_may_be_netlink(span->to, span->got) ||
	    !rn_is_netlink(task->tid, (int32_t)task->args[0], protocol))
		return false;
	if (rn_netlink_is_shown(*protocol) && span->len < RN_NETLINK_MAX &&
	    span->len < want->total) {
		span->len = at_most(want->total, RN_NETLINK_MAX);
		span->got = rn_memory_read_one(e, task->tid, span->addr, span->to, span->len);
	}
	return true;
}

static void read_wanted(struct rn_engine *e, const struct task *task, struct reading *reading,
			struct record *rec, unsigned flags)
{
	if (reading->n == 0)
		return;
	rn_memory_read(e, task->tid, reading->spans, reading->n);
	for (unsigned i = 0; i < reading->n; i++) {
		const struct want *want = &reading->wants[i];
		uint32_t protocol;
		bool netlink = read_netlink(e, task, want, &reading->spans[i], &protocol);

		add_read(rec, want, e->scratch[i], &reading->spans[i], flags);
		if (netlink)
			rn_piece_add(rec, RN_PIECE_NETLINK, want->arg, NULL, 0, protocol, flags);
	}
}

static void want_shape(struct rn_engine *e, const struct task *task, struct reading *reading,
		       unsigned arg, const struct rn_meaning *meaning)
{
	uint64_t size = rn_shape_reach(meaning->form, task->abi);

	if (size)
		want(e, task, reading, RN_PIECE_STRUCT, arg, size, PATH_LIMIT);
}

/* The bytes of an fd_set that the kernel looks at. */
static uint64_t fdset_bytes(const struct task *task, const struct rn_meaning *meaning)
{
	int64_t fds = (int32_t)task->args[meaning->aux];

	return fds > 0 ? ((uint64_t)fds + 63) / 64 * 8 : 0;
}

static uint64_t array_bytes(const struct task *task, const struct rn_meaning *meaning)
{
	uint64_t count = rn_array_count(meaning, task->args, task->abi);
	uint32_t size = rn_shape_size(meaning->form, task->abi);

	/* What is more than that is not read anyhow. */
	return (count < UINT32_MAX ? count : UINT32_MAX) * size;
}

static void capture_entry(struct rn_engine *e, struct task *task, struct reading *reading,
			  struct record *rec, unsigned i)
{
	struct rn_meaning meaning;

	rn_arg_mean(task->desc, task->args, i, &meaning);
	switch (meaning.kind) {
	case RN_ARG_PATH:
		want_string(e, task, reading, RN_PIECE_PATH, i);
		break;
	case RN_ARG_STRING:
		want_string(e, task, reading, RN_PIECE_STRING, i);
		break;
	case RN_ARG_BUF_IN:
		want(e, task, reading, RN_PIECE_BUFFER, i, task->args[meaning.aux],
		     buffer_limit(e, task, meaning.form));
		break;
	case RN_ARG_STRUCT_IN:
	case RN_ARG_STRUCT_INOUT:
	case RN_ARG_CLONE_ARGS:
		want_shape(e, task, reading, i, &meaning);
		break;
	case RN_ARG_ARRAY_IN:
	case RN_ARG_POLLFDS:
		want(e, task, reading, RN_PIECE_STRUCT, i, array_bytes(task, &meaning),
		     ARRAY_LIMIT);
		break;
	case RN_ARG_FDSET:
		want(e, task, reading, RN_PIECE_STRUCT, i, fdset_bytes(task, &meaning), FDSET_MAX);
		break;
	case RN_ARG_SIZED_IN:
		want(e, task, reading, RN_PIECE_STRUCT, i,
		     at_most((uint32_t)task->args[meaning.aux], SIZED_MAX), SIZED_MAX);
		break;
	case RN_ARG_VALUE_IN:
		want(e, task, reading, RN_PIECE_STRUCT, i,
		     (int32_t)task->args[meaning.aux] > 0 ? (uint32_t)task->args[meaning.aux] : 0,
		     VALUE_MAX);
		break;
	case RN_ARG_SOCKADDR_IN:
		want(e, task, reading, RN_PIECE_STRUCT, i,
		     at_most((uint32_t)task->args[meaning.aux], SOCKADDR_MAX), SOCKADDR_MAX);
		break;
	case RN_ARG_LENGTH_INOUT:
		want(e, task, reading, RN_PIECE_STRUCT, i, sizeof(int32_t), PATH_LIMIT);
		break;
	case RN_ARG_IOVEC_IN:
		rn_capture_iovecs(e, task, rec, i, (uint32_t)task->args[meaning.aux], UINT64_MAX,
				  0);
		break;
	case RN_ARG_MSG_IN:
		rn_capture_messages(e, task, rec, i,
				    &(struct messages){.count = 1, .given = UINT64_MAX}, 0);
		break;
	case RN_ARG_MSG_OUT:
		rn_capture_messages(e, task, rec, i,
				    &(struct messages){.count = 1, .heads_only = true}, 0);
		break;
	case RN_ARG_MMSG_IN:
		rn_capture_messages(e, task, rec, i,
				    &(struct messages){.count = (uint32_t)task->args[meaning.aux],
						       .given = UINT64_MAX,
						       .many = true},
				    0);
		break;
	case RN_ARG_MMSG_OUT:
		rn_capture_messages(e, task, rec, i,
				    &(struct messages){.count = (uint32_t)task->args[meaning.aux],
						       .many = true,
						       .heads_only = true},
				    0);
		break;
	case RN_ARG_SIGMASK_ARG:
		rn_capture_sigmask_arg(e, task, rec, i);
		break;
	case RN_ARG_ARGV:
		rn_capture_argv(e, task, rec, i);
		break;
	case RN_ARG_ENVP:
		rn_capture_envp(e, task, rec, i);
		break;
	default:
		break;
	}
}

void rn_capture_entry(struct rn_engine *e, struct task *task, struct record *rec)
{
	struct reading reading = {.n = 0};

	if (e->config.no_capture)
		return;
	for (unsigned i = 0; i < task->desc->nargs; i++)
		capture_entry(e, task, &reading, rec, i);
	read_wanted(e, task, &reading, rec, 0);
	if (e->config.describe_fds)
		rn_describe_at_entry(e, task, rec);
}

/* Bytes that the call wrote: a result may exceed the buffer (getxattr of size 0, MSG_TRUNC). */
static uint64_t filled(const struct task *task, const struct rn_meaning *meaning, int64_t result)
{
	uint64_t capacity = meaning->aux ? task->args[meaning->aux] : UINT64_MAX;

	return (uint64_t)result < capacity ? (uint64_t)result : capacity;
}

static void capture_exit(struct rn_engine *e, struct task *task, int64_t result,
			 struct reading *reading, struct record *rec, unsigned i)
{
	struct rn_meaning meaning;

	rn_arg_mean(task->desc, task->args, i, &meaning);
	switch (meaning.kind) {
	case RN_ARG_BUF_OUT:
		want(e, task, reading, RN_PIECE_BUFFER, i, filled(task, &meaning, result),
		     buffer_limit(e, task, meaning.form));
		break;
	case RN_ARG_PATH_OUT:
		want(e, task, reading, RN_PIECE_PATH, i, filled(task, &meaning, result),
		     PATH_LIMIT);
		break;
	case RN_ARG_WAIT_STATUS:
		want(e, task, reading, RN_PIECE_STRUCT, i, sizeof(int32_t), PATH_LIMIT);
		break;
	case RN_ARG_FD_PAIR_OUT:
		want(e, task, reading, RN_PIECE_STRUCT, i, 2 * sizeof(int32_t), PATH_LIMIT);
		break;
	case RN_ARG_ARRAY_OUT:
		want(e, task, reading, RN_PIECE_STRUCT, i,
		     (uint64_t)result * rn_shape_size(meaning.form, task->abi), ARRAY_LIMIT);
		break;
	case RN_ARG_ARRAY_FILLED:
		want(e, task, reading, RN_PIECE_STRUCT, i, array_bytes(task, &meaning),
		     ARRAY_LIMIT);
		break;
	case RN_ARG_POLLFDS:
		/* Nothing is ready where the result is 0. */
		if (result)
			want(e, task, reading, RN_PIECE_STRUCT, i, array_bytes(task, &meaning),
			     ARRAY_LIMIT);
		break;
	case RN_ARG_FDSET:
		if (result)
			want(e, task, reading, RN_PIECE_STRUCT, i, fdset_bytes(task, &meaning),
			     FDSET_MAX);
		break;
	case RN_ARG_IOVEC_OUT:
		rn_capture_iovecs(e, task, rec, i, (uint32_t)task->args[meaning.aux],
				  (uint64_t)result, RN_PIECE_AT_EXIT);
		break;
	case RN_ARG_MSG_OUT:
		rn_capture_messages(e, task, rec, i,
				    &(struct messages){.count = 1, .given = (uint64_t)result},
				    RN_PIECE_AT_EXIT);
		break;
	case RN_ARG_MMSG_OUT:
		rn_capture_messages(
			e, task, rec, i,
			&(struct messages){.count = (uint64_t)result, .many = true, .filled = true},
			RN_PIECE_AT_EXIT);
		break;
	case RN_ARG_MMSG_IN: /* how much of each was sent */
		rn_capture_messages(e, task, rec, i,
				    &(struct messages){.count = (uint64_t)result,
						       .given = UINT64_MAX,
						       .many = true},
				    RN_PIECE_AT_EXIT);
		break;
	case RN_ARG_SOCKADDR_OUT:
		want(e, task, reading, RN_PIECE_STRUCT, i, SOCKADDR_MAX, SOCKADDR_MAX);
		break;
	case RN_ARG_VALUE_OUT:
		want(e, task, reading, RN_PIECE_STRUCT, i, VALUE_MAX, VALUE_MAX);
		break;
	case RN_ARG_LENGTH_INOUT:
		want(e, task, reading, RN_PIECE_STRUCT, i, sizeof(int32_t), PATH_LIMIT);
		break;
	case RN_ARG_CLONE_ARGS:
		rn_capture_clone(e, task, rec, i);
		break;
	case RN_ARG_DIRENTS_OUT:
		rn_capture_dirents(e, task, rec, i, (uint64_t)result, meaning.aux != 0);
		break;
	case RN_ARG_STRUCT_OUT:
	case RN_ARG_STRUCT_INOUT:
		want_shape(e, task, reading, i, &meaning);
		break;
	default:
		break;
	}
}

/* What a failure tells: what is left of a sleep, how long a structure should have been. */
static void capture_failed(struct rn_engine *e, struct task *task, int64_t result,
			   struct reading *reading, unsigned i)
{
	struct rn_meaning meaning;

	rn_arg_mean(task->desc, task->args, i, &meaning);
	if (rn_failure_fills(&meaning, result))
		want_shape(e, task, reading, i, &meaning);
}

void rn_capture_exit(struct rn_engine *e, struct task *task, int64_t result, struct record *rec)
{
	struct reading reading = {.n = 0};

	if (e->config.no_capture)
		return;
	for (unsigned i = 0; i < task->desc->nargs; i++) {
		if (result >= 0)
			capture_exit(e, task, result, &reading, rec, i);
		else
			capture_failed(e, task, result, &reading, i);
	}
	read_wanted(e, task, &reading, rec, RN_PIECE_AT_EXIT);
	if (e->config.describe_fds)
		rn_describe_at_exit(e, task, result, rec);
	if (e->config.objects)
		rn_identify_at_exit(e, task, result, rec);
}
