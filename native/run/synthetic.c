/* SPDX-License-Identifier: MIT */
/* For benchmarks: a ring filled from memory, as a tracer without processes would. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "run_private.h"

static void put(struct rn_run *run, const struct rn_event *ev)
{
	void *to;

	while (!(to = rn_ring_reserve(&run->ring, ev->size, true)))
		rn_ring_wait_room(&run->ring, ev->size, true, 1000000000u);
	memcpy(to, ev, ev->size);
	rn_ring_commit(&run->ring, ev->size);
}

/* Waits until a call of that time is due: a thousand a second of steps at most. */
static void wait_for(uint64_t time)
{
	struct timespec until = {.tv_sec = (time_t)(time / 1000000000u),
				 .tv_nsec = (long)(time % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

void rn_synthetic(struct rn_run *run)
{
	uint64_t step = run->synthetic_rate ? 1000000000u / run->synthetic_rate : 1000, waited = 0;
	static const char path[] = "/usr/share/zoneinfo/Europe/Paris"; /* 32 bytes */
	struct {
		struct rn_event ev;
		struct rn_piece piece;
		char path[32];
	} call = {
		.ev = {.size = sizeof(call),
		       .kind = RN_SYSCALL,
		       .abi = (uint8_t)rn_native_abi(),
		       .tid = 1000,
		       .pid = 1000,
		       .seq = 2,
		       .pieces = 1,
		       .args = {(uint64_t)-100, 0x7ffe12345678, 0x80000, 0},
		       .result = 3},
		.piece = {.type = RN_PIECE_PATH, .arg = 1, .len = 32, .total = 32},
	};
	struct rn_event ev = {.size = RN_EVENT_HEADER,
			      .kind = RN_PROCESS_START,
			      .tid = 1000,
			      .pid = 1000,
			      .seq = 1,
			      .t0 = rn_now(),
			      .t1 = rn_now(),
			      .args = {1}};

	memcpy(call.path, path, sizeof(call.path));
	call.ev.nr = rn_table_number(call.ev.abi, "openat");
	put(run, &ev);
	for (uint64_t i = 0; i < run->synthetic; i++) {
		call.ev.t0 = ev.t0 + i * step;
		call.ev.t1 = call.ev.t0 + step * 7 / 10;
		if (run->synthetic_rate && call.ev.t1 - waited >= 1000000u)
			wait_for(waited = call.ev.t1);
		put(run, &call.ev);
		call.ev.seq += 2;
	}
	ev.kind = RN_EXIT;
	ev.seq = call.ev.seq;
	ev.args[2] = 1;
	ev.t0 = ev.t1 = rn_now();
	put(run, &ev);
	rn_ring_close(&run->ring);
}
