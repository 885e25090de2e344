/* SPDX-License-Identifier: MIT */
/* What is told under a selection, and that all is counted: from records made by hand. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include "fd_world.h"

#define CALL_NUMBERS 512u

static struct world w;
static const char *const paths[] = {"/sel", NULL};
static const struct rn_selection by_path = {.paths = paths};

/* All that a run's totals promise: nothing is lost between calls and spans. */
static void finish(void)
{
	const struct rn_totals *totals = &w.run.totals;

	world_finish(&w);
	CHECK_INT(w.run.totals.calls - totals->lost_calls, w.ncalls + totals->filtered);
	CHECK_INT(totals->spans, w.ncalls + w.nprocesses + 1);
	world_close(&w);
}

static struct rn_event *opening(enum rn_kind kind, int32_t pid, const char *path, uint64_t flags,
				int64_t result)
{
	struct rn_event *ev = world_syscall(&w, kind, pid, pid, "openat");

	ev->args[0] = (uint64_t)AT_FDCWD;
	ev->args[2] = flags;
	ev->result = result;
	if (result < 0)
		ev->flags = RN_FLAG_FAILED;
	if (kind != RN_SYSCALL_EXIT)
		record_piece(ev, RN_PIECE_PATH, 1, 0, path, (uint32_t)strlen(path));
	if (kind == RN_SYSCALL)
		w.seq++;
	return ev;
}

static void opens(int32_t pid, const char *path, uint64_t flags, int64_t result)
{
	opening(RN_SYSCALL, pid, path, flags, result);
	world_feed(&w);
}

/* Whether a call of up to three arguments is told. */
static bool told(int32_t tid, int32_t pid, const char *name, uint64_t arg0, uint64_t arg1,
		 uint64_t arg2, int64_t result)
{
	struct rn_event *ev = world_syscall(&w, RN_SYSCALL, tid, pid, name);
	unsigned before = w.ncalls;

	ev->args[0] = arg0;
	ev->args[1] = arg1;
	ev->args[2] = arg2;
	ev->result = result;
	if (result < 0)
		ev->flags = RN_FLAG_FAILED;
	world_feed(&w);
	w.seq++;
	return w.ncalls != before;
}

static bool reads(int32_t pid, uint64_t fd)
{
	return told(pid, pid, "read", fd, 0, 0, 0);
}

static void test_paths(void)
{
	world_open_selecting(&w, &by_path);
	world_start(&w, 7, 7, 1, 0, 0);
	opens(7, "/sel", 0, -2);
	CHECK_INT(w.ncalls, 1); /* by its argument, whatever came of it */
	opens(7, "/selected", 0, 3);
	opens(7, "/se", 0, 4);
	opens(7, "", 0, 5);
	CHECK_INT(w.ncalls, 1);
	CHECK(!reads(7, 3) && !reads(7, 4) && !reads(7, 5) && !reads(7, (uint64_t)-1));
	opens(7, "/sel", 0, 6);
	CHECK(reads(7, 6));
	CHECK(!reads(7, 7) && !reads(7, 70) && !reads(7, 6 + (1u << 20)));
	finish();
}

static void test_copies_and_closes(void)
{
	world_open_selecting(&w, &by_path);
	world_start(&w, 7, 7, 1, 0, 0);
	opens(7, "/sel", 0, 3);
	CHECK(told(7, 7, "dup", 3, 0, 0, 200));
	CHECK(told(7, 7, "dup2", 3, 5, 0, 5));
	CHECK(told(7, 7, "fcntl", 3, F_DUPFD, 10, 10));
	CHECK(told(7, 7, "dup2", 3, 8, 0, -9));
	CHECK(!reads(7, 8));
	CHECK(told(7, 7, "close", 3, 0, 0, 0));
	CHECK(!reads(7, 3) && reads(7, 200) && reads(7, 5) && reads(7, 10));
	CHECK(told(7, 7, "dup2", 0, 5, 0, 5)); /* the last call of 5: it is another file now */
	CHECK(!reads(7, 5));
	CHECK(told(7, 7, "dup2", 10, 10, 0, 10));
	CHECK(reads(7, 10));
	told(7, 7, "close_range", 100, 0xffffffff, 0, 0);
	CHECK(!reads(7, 200) && reads(7, 10));
	told(7, 7, "close_range", 0, 0xffffffff, 8, -22);
	CHECK(reads(7, 10));
	/* An unheard-of close: the number comes anew from an open of something else. */
	opens(7, "/other", 0, 10);
	CHECK(!reads(7, 10));
	/* No table grows for a number that no descriptor has. */
	opens(7, "/sel", 0, INT64_MAX);
	CHECK(!reads(7, (uint32_t)INT64_MAX));
	finish();
}

static void birth_of(int32_t tid, int32_t pid, int32_t maker, uint64_t ordinal, uint64_t flags)
{
	struct rn_event *ev = world_next(&w, RN_PROCESS_START, tid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = ev->args[2] = (uint64_t)maker;
	ev->args[3] = flags;
	ev->args[4] = RN_BIRTH_CLONE;
	world_feed(&w);
}

static void fork_of(int32_t pid, int32_t maker, uint64_t ordinal, uint64_t flags)
{
	birth_of(pid, pid, maker, ordinal, flags);
}

/* A close takes effect as it begins: the number may be another's before it returns. */
static void test_close_beside_an_open(void)
{
	struct rn_event *ev;

	world_open_selecting(&w, &by_path);
	world_start(&w, 7, 7, 1, 0, 0);
	birth_of(8, 7, 7, 1, CLONE_FILES);
	opens(7, "/sel", 0, 3);
	ev = world_syscall(&w, RN_SYSCALL_ENTER, 8, 7, "close");
	ev->args[0] = 3;
	world_feed(&w);
	CHECK_INT(w.nenters, 1);
	CHECK(!reads(7, 3));
	opens(7, "/sel", 0, 3);
	world_return(&w, 8, 7, "close", 0);
	CHECK_INT(w.ncalls, 3); /* the selection was made at its entry */
	CHECK(reads(7, 3));
	finish();
}

static void test_children_and_execs(void)
{
	world_open_selecting(&w, &by_path);
	world_start(&w, 7, 7, 1, 0, 0);
	opens(7, "/sel", 0, 3);
	opens(7, "/sel", O_CLOEXEC, 4);
	fork_of(8, 7, 2, 0);
	fork_of(9, 7, 3, CLONE_FILES);
	told(8, 8, "close", 3, 0, 0, 0);
	CHECK(reads(7, 3) && reads(9, 3) && !reads(8, 3) && reads(8, 4));
	told(9, 9, "close", 3, 0, 0, 0);
	CHECK(!reads(7, 3));
	opens(7, "/sel", 0, 5);
	CHECK(reads(9, 5) && !reads(8, 5));
	world_exec(&w, 9, 9, "/bin/x", RN_CONTEXT_NONE, NULL);
	CHECK(reads(9, 5) && !reads(9, 4) && reads(7, 4));
	told(9, 9, "close", 5, 0, 0, 0); /* in a table of its own by now */
	CHECK(reads(7, 5));
	world_exit(&w, 7, 7, 0);
	CHECK(reads(8, 4));
	CHECK(told(8, 8, "fcntl", 4, F_SETFD, 0, 0));
	world_exec(&w, 8, 8, "/bin/x", RN_CONTEXT_NONE, NULL);
	CHECK(reads(8, 4));
	finish();
}

static void test_descriptors_from_the_start(void)
{
	static const int32_t fds[] = {0, 9};
	const struct rn_selection selection = {.paths = paths, .fds = fds, .n_fds = 2};

	world_open_selecting(&w, &selection);
	world_start(&w, 7, 7, 1, 0, 0);
	world_exec(&w, 7, 7, "/bin/x", RN_CONTEXT_NONE, NULL);
	CHECK(reads(7, 0) && reads(7, 9) && !reads(7, 1));
	finish();
}

/* By messages and by another process's table, too; and through what unshares a table. */
static void test_other_ways(void)
{
	const int32_t sent = 6;

	world_open_selecting(&w, &by_path);
	world_start(&w, 7, 7, 1, 0, 0);
	fd_socketpair(&w, 7, 3, 4, 500);
	fork_of(8, 7, 2, 0);
	opens(7, "/sel", 0, 6);
	fd_send(&w, 7, 3, &sent, 1, 1);
	fd_receive(&w, 8, 4, &sent, 1, MSG_CMSG_CLOEXEC);
	world_feed(&w);
	CHECK(reads(8, 6) && !reads(8, 3));
	fork_of(9, 8, 3, CLONE_FILES);
	fd_call(&w, 9, "unshare", CLONE_FILES, 0, 0, 0);
	fd_call(&w, 9, "close", 6, 0, 0, 0);
	CHECK(reads(8, 6) && !reads(9, 6));
	world_exec(&w, 8, 8, "/bin/x", RN_CONTEXT_NONE, NULL);
	CHECK(!reads(8, 6) && reads(7, 6));
	finish();
}

/* Of an attached process: what its start tells, beside what it tells of objects. */
static void test_descriptors_of_an_attached_process(void)
{
	const struct rn_object_id pipe = {.kind = RN_OBJECT_PIPE, .inode = 77, .ways = 1};
	struct rn_event *ev;

	world_open_selecting(&w, &by_path);
	ev = world_next(&w, RN_PROCESS_START, 7, 7);
	ev->args[0] = 2;
	ev->args[4] = RN_BIRTH_ATTACH;
	for (int32_t fd = 3; fd < 5; fd++) {
		struct rn_piece *piece = (struct rn_piece *)((uint8_t *)ev + ev->size);

		record_piece(ev, RN_PIECE_FD, RN_PIECE_NO_ARG, fd == 4 ? RN_PIECE_CLOEXEC : 0,
			     "/sel", 4);
		piece->total = (uint64_t)fd;
	}
	fd_piece(ev, 3, &pipe, 0);
	fd_piece(ev, 5, &pipe, 0);
	world_feed(&w);
	CHECK(reads(7, 3) && reads(7, 4) && !reads(7, 5));
	CHECK_INT(object_of(&w, 7, 3)->id.kind, RN_OBJECT_PIPE);
	world_exec(&w, 7, 7, "/bin/x", RN_CONTEXT_NONE, NULL);
	CHECK(reads(7, 3) && !reads(7, 4));
	finish();
}

/* Calls recorded only to follow descriptors by count nowhere. */
static void test_calls_not_asked_for(void)
{
	static uint64_t wanted[RN_ABI_COUNT * RN_ABI_WORDS];
	const struct rn_selection selection = {.paths = paths, .wanted = wanted};
	int nr = rn_syscall_number(RN_ABI_X86_64, "read");
	uint64_t wider[RN_ABI_COUNT * RN_ABI_WORDS];

	wanted[RN_ABI_X86_64 * RN_ABI_WORDS + nr / 64] = 1ull << nr % 64;
	memcpy(wider, wanted, sizeof(wider));
	rn_selection_widen(wider);
	CHECK(rn_selection_is_wanted(wider, RN_ABI_X86_64, nr));
	CHECK(rn_selection_is_wanted(wider, RN_ABI_I386, rn_syscall_number(RN_ABI_I386, "openat")));
	CHECK(!rn_selection_is_wanted(wider, RN_ABI_X86_64,
				      rn_syscall_number(RN_ABI_X86_64, "write")));
	CHECK(!rn_selection_is_wanted(wanted, RN_ABI_COUNT, nr));
	CHECK(!rn_selection_is_wanted(wanted, RN_ABI_X86_64, -1));
	CHECK(!rn_selection_is_wanted(wanted, RN_ABI_X86_64, (int32_t)CALL_NUMBERS));

	world_open_selecting(&w, &selection);
	world_start(&w, 7, 7, 1, 0, 0);
	opens(7, "/sel", 0, 3);
	opens(7, "/sel", 0, -2);
	CHECK(reads(7, 3) && !reads(7, 4));
	world_exit(&w, 7, 7, 0);
	CHECK_INT(w.processes[0].pub.calls, 2);
	CHECK_INT(w.processes[0].pub.errors, 0);
	world_finish(&w);
	CHECK_INT(w.run.totals.calls, 2);
	CHECK_INT(w.run.totals.errors, 0);
	CHECK_INT(w.run.totals.filtered, 1);
	world_close(&w);
}

/* Which of four calls are told; they end as `hidden`'s bits have it, in that order. */
static void outcomes(uint32_t hidden, unsigned successful, unsigned failed, unsigned unfinished)
{
	const struct rn_selection selection = {.hidden_statuses = hidden};
	struct rn_event *ev;

	world_open_selecting(&w, &selection);
	world_start(&w, 7, 7, 1, 0, 0);
	world_call(&w, 7, 7, "read", 0);
	CHECK_INT(w.ncalls, successful);
	world_call(&w, 7, 7, "read", -5);
	ev = world_syscall(&w, RN_SYSCALL, 7, 7, "pause");
	w.seq++;
	ev->flags = RN_FLAG_INTERRUPTED;
	ev->result = -514;
	world_feed(&w);
	CHECK_INT(w.ncalls, successful + failed);
	world_enter(&w, 7, 7, "read");
	CHECK_INT(w.nenters, hidden ? 0 : 1);
	world_exit(&w, 7, 7, SIGKILL);
	CHECK_INT(w.ncalls, successful + failed + unfinished);
	CHECK_INT(w.processes[0].pub.calls, 4);
	finish();
}

static void test_outcomes(void)
{
	outcomes(0, 1, 2, 1);
	outcomes(RN_STATUS_SUCCESSFUL, 0, 2, 1);
	outcomes(RN_STATUS_FAILED, 1, 0, 1);
	outcomes(RN_STATUS_UNFINISHED, 1, 2, 0);
	outcomes(RN_STATUS_UNAVAILABLE | RN_STATUS_DETACHED, 1, 2, 1);
	outcomes(31, 0, 0, 0);
}

/* A child links to the span of the call that made it only if there is one. */
static void test_links(void)
{
	static const uint32_t hidden[] = {RN_STATUS_SUCCESSFUL, RN_STATUS_FAILED};

	for (unsigned i = 0; i < 2; i++) {
		const struct rn_selection selection = {.hidden_statuses = hidden[i]};
		static const char *const context =
			"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
		unsigned forks = 0;

		world_open_selecting(&w, &selection);
		world_start(&w, 7, 7, 1, 0, 0);
		world_enter(&w, 7, 7, "fork");
		fork_of(8, 7, 2, 0);
		world_return(&w, 7, 7, "fork", 8);
		world_exec(&w, 8, 8, "/bin/x", RN_CONTEXT_FOREIGN, context);
		world_exit(&w, 8, 8, 0);
		CHECK_INT(w.nprocesses, 2);
		for (unsigned n = 0; n < w.processes[1].pub.nlinks; n++)
			forks += strcmp(w.processes[1].pub.links[n].edge, "fork") == 0;
		CHECK_INT(forks, i);
		finish();
	}
}

static void test_signals(void)
{
	const struct rn_selection selection = {.hidden_signals = 1ull << (SIGUSR1 - 1)};

	world_open_selecting(&w, &selection);
	world_start(&w, 7, 7, 1, 0, 0);
	for (int sig = 0; sig <= 65; sig++) {
		struct rn_event *ev = world_next(&w, RN_SIGNAL, 7, 7);

		ev->nr = sig;
		world_feed(&w);
	}
	CHECK_INT(w.nsignals, 65);
	world_exit(&w, 7, 7, SIGUSR1);
	CHECK_INT(w.nexits, 1);
	world_finish(&w);
	CHECK_INT(w.run.totals.signals, 66); /* seen, told or not */
	world_close(&w);
}

/* Whatever the records say: totals agree, and nothing is read or kept that should not be. */
static void test_random_records(void)
{
	static const char *const names[] = {"openat", "close", "dup",   "dup2", "dup3",
					    "fcntl",  "read",  "creat", "fork", "close_range"};
	struct rng rng = test_rng();

	for (unsigned round = 0; round < 20 * test_scale(); round++) {
		const struct rn_selection selection = {.paths = paths,
						       .hidden_statuses = rng_below(&rng, 8)};

		world_open_selecting(&w, &selection);
		for (unsigned i = 0; i < 2000; i++) {
			int32_t pid = 1 + (int32_t)rng_below(&rng, 6);
			enum rn_kind kind = (enum rn_kind)(1 + rng_below(&rng, 3));
			struct rn_event *ev;

			if (rng_below(&rng, 20) == 0) {
				fork_of(pid, 1 + (int32_t)rng_below(&rng, 6), i + 2,
					rng_below(&rng, 2) ? CLONE_FILES : 0);
				continue;
			}
			if (rng_below(&rng, 30) == 0) {
				world_exit(&w, pid, pid, 0);
				continue;
			}
			if (rng_below(&rng, 30) == 0) {
				world_exec(&w, pid, pid, "/bin/x", RN_CONTEXT_NONE, NULL);
				continue;
			}
			ev = world_syscall(&w, kind, pid, pid, names[rng_below(&rng, 10)]);
			for (unsigned arg = 0; arg < 6; arg++)
				ev->args[arg] =
					rng_below(&rng, 4) ? rng_below(&rng, 300) : rng_next(&rng);
			ev->result = rng_below(&rng, 4) ? (int64_t)rng_below(&rng, 300)
							: (int64_t)rng_next(&rng);
			if (rng_below(&rng, 2))
				record_piece(ev, RN_PIECE_PATH, rng_below(&rng, 3), 0, "/sel", 4);
			if (kind == RN_SYSCALL)
				w.seq++;
			world_feed(&w);
		}
		finish();
	}
}

int main(void)
{
	test_paths();
	test_copies_and_closes();
	test_close_beside_an_open();
	test_children_and_execs();
	test_descriptors_from_the_start();
	test_other_ways();
	test_descriptors_of_an_attached_process();
	test_calls_not_asked_for();
	test_outcomes();
	test_links();
	test_signals();
	test_random_records();
	return 0;
}
