/* SPDX-License-Identifier: MIT */
/* Rows of what calls were given, of a tape. */
#ifndef RENACER_TESTS_TAPE_DETAILS_H
#define RENACER_TESTS_TAPE_DETAILS_H

#include "tape.h"

/* A text of a detail; "" where there is none. */
static inline const char *text(const struct tape *tape, uint32_t row)
{
	static char copy[256];
	uint64_t n, bytes;
	const rn_replay_text *texts = rn_replay_texts(tape->replay, &n);
	const char *all = rn_replay_text_bytes(tape->replay, &bytes);

	CHECK(row < (n ? n : 1));
	if (row == 0)
		return "";
	CHECK(texts[row].at + texts[row].len <= bytes && texts[row].len < sizeof(copy));
	memcpy(copy, all + texts[row].at, texts[row].len);
	copy[texts[row].len] = 0;
	return copy;
}

/* Of what has a row for each call, `n` rows, the row of one. */
static inline size_t row_of(const struct tape *tape, uint64_t seq, uint64_t n)
{
	uint64_t count;
	const rn_replay_call *calls = rn_replay_calls(tape->replay, &count);

	CHECK_INT(n, count);
	return (size_t)(call_of(tape, seq) - calls);
}

static inline const rn_replay_detail *detail_of(const struct tape *tape, uint64_t seq)
{
	uint64_t n;
	const rn_replay_detail *details = rn_replay_details(tape->replay, &n);

	return details + row_of(tape, seq, n);
}

/* A call of process 10, to be filled in and fed. */
static inline struct rn_event *next_call(struct tape *tape, int32_t nr)
{
	struct rn_event *ev = next(tape, RN_SYSCALL, 10, 10);

	ev->nr = nr;
	return ev;
}

static inline uint64_t fed(struct tape *tape, const struct rn_event *ev)
{
	feed(tape);
	return ev->seq;
}

static inline uint64_t call_with(struct tape *tape, int32_t nr, uint64_t arg, const char *path,
				 const char *other, int64_t result)
{
	struct rn_event *ev = next_call(tape, nr);

	ev->args[0] = arg;
	ev->result = result;
	if (path)
		record_piece(ev, RN_PIECE_PATH, 0, 0, path, (uint32_t)strlen(path));
	if (other)
		record_piece(ev, RN_PIECE_PATH, 1, 0, other, (uint32_t)strlen(other));
	return fed(tape, ev);
}

#endif
