/* SPDX-License-Identifier: MIT */
/* Calls made up for tests, with the records that would carry them. */
#ifndef RENACER_TESTS_SAMPLE_H
#define RENACER_TESTS_SAMPLE_H

#include "check.h"
#include "renacer/encode.h"

#define SAMPLE_MAX 16384u

struct sample {
	struct rn_call call;
	_Alignas(8) uint8_t entry[SAMPLE_MAX];
	_Alignas(8) uint8_t exit[SAMPLE_MAX];
};

#define ARGS(...) ((const uint64_t[6]){__VA_ARGS__})

static inline void sample_record(void *bytes, const struct rn_call *call, enum rn_kind kind)
{
	struct rn_event *ev = bytes;

	memset(ev, 0, sizeof(*ev));
	ev->size = RN_EVENT_HEADER;
	ev->kind = (uint8_t)kind;
	ev->abi = call->abi;
	ev->tid = call->tid;
	ev->pid = call->pid;
	ev->seq = call->seq;
	ev->nr = call->nr;
	memcpy(ev->args, call->args, sizeof(ev->args));
}

/* Call `nr` with these arguments, entered but not finished. */
static inline void sample_nr(struct sample *s, enum rn_abi abi, int32_t nr, const uint64_t args[6])
{
	static uint64_t seq;

	memset(&s->call, 0, sizeof(s->call));
	s->call.desc = rn_syscall(abi, nr);
	s->call.abi = (uint8_t)abi;
	s->call.nr = nr;
	s->call.tid = s->call.pid = 123;
	s->call.seq = seq += 2;
	memcpy(s->call.args, args, sizeof(s->call.args));
	sample_record(s->entry, &s->call, RN_SYSCALL_ENTER);
	sample_record(s->exit, &s->call, RN_SYSCALL_EXIT);
	s->call.entry = (const struct rn_event *)s->entry;
}

static inline void sample(struct sample *s, const char *name, const uint64_t args[6])
{
	int nr = rn_syscall_number(RN_ABI_X86_64, name);

	CHECK(nr >= 0);
	sample_nr(s, RN_ABI_X86_64, nr, args);
}

/* Adds a piece to the entry's record, or with RN_PIECE_AT_EXIT to the exit's. */
static inline void sample_piece(struct sample *s, enum rn_piece_type type, unsigned arg,
				const void *data, size_t len, uint64_t total, unsigned flags)
{
	uint8_t *bytes = flags & RN_PIECE_AT_EXIT ? s->exit : s->entry;
	struct rn_event *ev = (struct rn_event *)bytes;
	struct rn_piece *piece = (struct rn_piece *)(bytes + ev->size);

	CHECK(ev->size + sizeof(*piece) + len + 8 <= SAMPLE_MAX);
	memset(piece, 0, sizeof(*piece) + rn_pad8((uint32_t)len));
	piece->type = (uint8_t)type;
	piece->arg = (uint8_t)arg;
	piece->flags = (uint16_t)flags;
	piece->len = (uint32_t)len;
	piece->total = total;
	if (len)
		memcpy(piece + 1, data, len);
	ev->size += (uint32_t)sizeof(*piece) + rn_pad8((uint32_t)len);
	ev->pieces++;
	CHECK_INT(rn_event_check(bytes, SAMPLE_MAX), ev->size);
}

static inline void sample_path(struct sample *s, unsigned arg, const char *path)
{
	sample_piece(s, RN_PIECE_PATH, arg, path, strlen(path), strlen(path), 0);
}

/* The call returned; flags as the tracer would set them. */
static inline void sample_result(struct sample *s, int64_t result)
{
	s->call.result = result;
	s->call.exit = (const struct rn_event *)s->exit;
	if (result <= -512 && result >= -516 && result != -515)
		s->call.flags |= RN_FLAG_INTERRUPTED;
	else if (result < 0 && result >= -4095)
		s->call.flags |= RN_FLAG_FAILED;
}

/* What was appended since, as a C string; the buffer is empty again. */
static inline const char *taken(struct rn_buf *buf)
{
	rn_buf_put(buf, "", 1);
	CHECK(!buf->failed);
	buf->len = 0;
	return (const char *)buf->data;
}

#endif
