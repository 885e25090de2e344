/* SPDX-License-Identifier: MIT */
/* Signals that are read from a signalfd: who sent them. */
#include "channel_world.h"

#include <signal.h>
#include <sys/signalfd.h>

#define CAPTURED 32u /* bytes of a buffer, as without -s */

static void open_signals(void)
{
	open_world();
	start(B, A);
	start(C, A);
	feed_whole(call_record(RN_SYSCALL, B, "signalfd4", (uint32_t)-1, 0x1000, 8, 0), 5);
}

static struct signalfd_siginfo info_of(int sig, int code, int32_t pid)
{
	return (struct signalfd_siginfo){
		.ssi_signo = (uint32_t)sig, .ssi_code = code, .ssi_pid = (uint32_t)pid};
}

/* `n` signals, of which `len` bytes were captured. */
static uint64_t take(int32_t tid, const struct signalfd_siginfo *infos, unsigned n, uint32_t len)
{
	struct rn_event *ev = call_record(RN_SYSCALL, tid, "read", 5, 0x1000, 4096, 0);

	if (len)
		record_piece(ev, RN_PIECE_BUFFER, 1, RN_PIECE_AT_EXIT, infos, len);
	return feed_whole(ev, n * (int64_t)sizeof(*infos));
}

static void test_sender(void)
{
	struct signalfd_siginfo info = info_of(SIGUSR1, SI_USER, A);
	uint64_t sent, other;

	open_signals();
	sent = whole(A, "kill", B, SIGUSR1, 0, 0);
	check_cause(take(B, &info, 1, CAPTURED), "signal", sent);
	/* Which of two senders, its bytes tell. */
	other = whole(C, "kill", B, SIGUSR2, 0, 0);
	sent = whole(A, "kill", B, SIGUSR1, 0, 0);
	check_cause(take(B, &info, 1, CAPTURED), "signal", sent);
	info = info_of(SIGUSR2, SI_USER, C);
	check_cause(take(B, &info, 1, sizeof(info)), "signal", other);
	/* The kernel's own have no sender. */
	info = info_of(SIGUSR1, SI_KERNEL, 0);
	check_causes(take(B, &info, 1, CAPTURED), "signal", false, 0, NULL);
	/* Nothing was there. */
	whole(B, "read", 5, 0x1000, 128, -EAGAIN);
	close_world();
}

static void test_several(void)
{
	struct signalfd_siginfo infos[2] = {info_of(SIGUSR1, SI_USER, A),
					    info_of(SIGUSR2, SI_USER, C)};
	uint64_t sent[2], got;

	open_signals();
	sent[0] = whole(A, "kill", B, SIGUSR1, 0, 0);
	sent[1] = whole(C, "kill", B, SIGUSR2, 0, 0);
	check_causes(take(B, infos, 2, sizeof(infos)), "signal", true, 2, sent);
	/* Of the second nothing was captured: it comes after all, and may be any. */
	sent[0] = whole(A, "kill", B, SIGUSR1, 0, 0);
	for (unsigned i = 0; i < 50; i++)
		whole(C, "getppid", 0, 0, 0, 1);
	sent[1] = whole(C, "kill", B, SIGUSR2, 0, 0);
	got = take(B, infos, 2, CAPTURED);
	check_cause(got, "signal", sent[0]);
	CHECK(call_of(got)->end > call_of(sent[1])->start);
	got = take(B, &infos[1], 1, CAPTURED);
	CHECK_INT(call_of(got)->nlinks, 0);
	close_world();
}

/* By readv, or with -s 0: nothing was captured. */
static void test_unknown(void)
{
	struct signalfd_siginfo info = info_of(SIGRTMIN, SI_USER, A);
	uint64_t sent, got;

	open_signals();
	for (unsigned i = 0; i < 50; i++)
		whole(A, "getppid", 0, 0, 0, 1);
	sent = whole(A, "kill", B, (uint64_t)SIGRTMIN, 0, 0);
	got = take(B, &info, 1, 0);
	CHECK_INT(call_of(got)->nlinks, 0);
	CHECK(call_of(got)->end > call_of(sent)->start);
	/* That one may be taken already, or not. */
	whole(A, "kill", B, (uint64_t)SIGRTMIN, 0, 0);
	got = take(B, &info, 1, CAPTURED);
	CHECK_INT(call_of(got)->nlinks, 0);
	close_world();
}

/* A read in another process takes what is pending there. */
static void test_inherited(void)
{
	struct signalfd_siginfo info = info_of(SIGUSR1, SI_USER, A);
	uint64_t sent;

	open_signals();
	start(40, B);
	whole(A, "kill", B, SIGUSR1, 0, 0);
	sent = whole(A, "kill", 40, SIGUSR1, 0, 0);
	check_cause(take(40, &info, 1, CAPTURED), "signal", sent);
	/* The end of a child. */
	start(41, 40);
	world_exit(&w, 41, 41, 0);
	info = info_of(SIGCHLD, CLD_EXITED, 41);
	sent = take(40, &info, 1, CAPTURED);
	CHECK_INT(call_of(sent)->nlinks, 1);
	CHECK_STR(call_of(sent)->links[0].edge, "wait");
	close_world();
}

int main(void)
{
	test_sender();
	test_several();
	test_unknown();
	test_inherited();
	return 0;
}
