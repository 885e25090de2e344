/* SPDX-License-Identifier: MIT */
/* A tape: records that a replay is fed with, and what it tells of calls. */
#ifndef RENACER_TESTS_TAPE_H
#define RENACER_TESTS_TAPE_H
#include "records.h"
#include "renacer/replay.h"

#define GETPID 39
#define NO_LIMIT (1ull << 40)

struct tape {
	rn_replay *replay;
	uint64_t seq;
	_Alignas(8) uint8_t bytes[4096];
};

static inline struct tape tape_open(uint64_t max_bytes)
{
	struct tape tape = {.replay = rn_replay_new(1, 2, 0, NULL, max_bytes)};

	CHECK(tape.replay);
	return tape;
}

static inline struct rn_event *next(struct tape *tape, enum rn_kind kind, int32_t tid, int32_t pid)
{
	struct rn_event *ev = record_begin(tape->bytes, kind, tid, pid);

	ev->seq = ++tape->seq;
	ev->t0 = ev->t1 = 1000 * ev->seq;
	if (kind <= RN_SYSCALL) {
		ev->abi = RN_ABI_X86_64;
		ev->nr = GETPID;
	}
	if (kind == RN_SYSCALL) {
		tape->seq++;
		ev->t1 += 500;
	}
	return ev;
}

static inline void feed(struct tape *tape)
{
	const struct rn_event *ev = (const struct rn_event *)tape->bytes;

	CHECK_INT(rn_replay_feed(tape->replay, ev, ev->size), ev->size);
}

static inline uint64_t start(struct tape *tape, int32_t tid, int32_t pid, uint64_t ordinal,
			     int32_t maker)
{
	struct rn_event *ev = next(tape, RN_PROCESS_START, tid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = (uint64_t)maker;
	ev->args[4] = maker ? RN_BIRTH_FORK : RN_BIRTH_LAUNCH;
	feed(tape);
	return ev->seq;
}

static inline const rn_replay_call *call_of(const struct tape *tape, uint64_t seq)
{
	uint64_t n;
	const rn_replay_call *calls = rn_replay_calls(tape->replay, &n);

	for (uint64_t i = 0; i < n; i++)
		if (calls[i].seq == seq)
			return &calls[i];
	check_failed(__FILE__, __LINE__, "no call %llu", (unsigned long long)seq);
}

#endif
