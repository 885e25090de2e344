/* SPDX-License-Identifier: MIT */
/* Columns from records: whose call it was while thread ids change hands; bounds; nonsense. */
#include "run/places.h"
#include "tape.h"

#define EXECVE 59
#define EXIT_GROUP 231
#define EXITED (3 << 8) /* a wait status */

static uint64_t call(struct tape *tape, enum rn_kind kind, int32_t tid, int32_t pid, int32_t nr)
{
	struct rn_event *ev = next(tape, kind, tid, pid);

	ev->nr = nr;
	feed(tape);
	return ev->seq;
}

static void end(struct tape *tape, int32_t tid, int32_t pid, uint64_t ordinal, uint64_t status,
		bool last)
{
	struct rn_event *ev = next(tape, RN_EXIT, tid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = status;
	ev->args[2] = last;
	feed(tape);
}

static void test_calls_and_their_ends(void)
{
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t both, entry, left, n;
	const rn_replay_event *events;
	const rn_replay_process *processes;

	start(&tape, 10, 10, 1, 0);
	both = call(&tape, RN_SYSCALL, 10, 10, GETPID);
	entry = call(&tape, RN_SYSCALL_ENTER, 10, 10, GETPID);
	call(&tape, RN_SYSCALL_EXIT, 10, 10, GETPID);
	left = call(&tape, RN_SYSCALL_ENTER, 10, 10, GETPID);
	end(&tape, 10, 10, 1, EXITED, true);
	rn_replay_finish(tape.replay);
	CHECK_INT(call_of(&tape, both)->end, both + 1);
	CHECK_INT(call_of(&tape, both)->t1 - call_of(&tape, both)->t0, 500);
	CHECK_INT(call_of(&tape, entry)->end, entry + 1);
	CHECK_INT(call_of(&tape, left)->end, 0);
	CHECK(call_of(&tape, left)->flags & RN_FLAG_UNFINISHED);
	CHECK(call_of(&tape, entry)->lamport_start > call_of(&tape, both)->lamport_end);
	events = rn_replay_events(tape.replay, &n);
	CHECK_INT(n, 2);
	CHECK_INT(events[0].kind, RN_PROCESS_START);
	CHECK_INT(events[0].last, 0);
	CHECK_INT(events[1].kind, RN_EXIT);
	CHECK_INT(events[1].last, 1);
	CHECK_INT(events[1].value, EXITED);
	processes = rn_replay_processes(tape.replay, &n);
	CHECK_INT(n, 1);
	CHECK_INT(processes[0].calls, 3);
	CHECK_INT(processes[0].wait_status, EXITED);
	CHECK_INT(rn_replay_missed(tape.replay), 0);
	/* Finished is finished. */
	CHECK_INT(rn_replay_feed(tape.replay, tape.bytes, sizeof(tape.bytes)), 0);
	rn_replay_free(tape.replay);
}

static void peak(struct tape *tape, enum rn_kind kind, int32_t tid, int32_t nr, uint64_t bytes)
{
	struct rn_event *ev = next(tape, kind, tid, tid);

	ev->nr = nr;
	record_piece(ev, RN_PIECE_PEAK, RN_PIECE_NO_ARG, 0, &bytes, sizeof(bytes));
	feed(tape);
}

static const rn_replay_process *process_of(const struct tape *tape, uint64_t ordinal)
{
	uint64_t n;
	const rn_replay_process *rows = rn_replay_processes(tape->replay, &n);

	for (uint64_t i = 0; i < n; i++)
		if (rows[i].ordinal == ordinal)
			return &rows[i];
	check_failed(__FILE__, __LINE__, "no process %llu", (unsigned long long)ordinal);
}

static void runs(struct tape *tape, int32_t pid, uint64_t ordinal)
{
	struct rn_event *ev = next(tape, RN_EXEC, pid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = (uint64_t)pid;
	feed(tape);
}

static void check_peak(const struct tape *tape, uint64_t ordinal, uint64_t bytes, unsigned known)
{
	CHECK_INT(process_of(tape, ordinal)->peak, bytes);
	CHECK_INT(process_of(tape, ordinal)->peak_known, known);
}

static void is_born(struct tape *tape, int32_t pid, uint64_t ordinal, enum rn_birth birth)
{
	struct rn_event *ev = next(tape, RN_PROCESS_START, pid, pid);

	ev->args[0] = ordinal;
	ev->args[4] = birth;
	feed(tape);
}

static void test_peaks(void)
{
	struct tape tape = tape_open(NO_LIMIT);

	for (int32_t i = 1; i <= 5; i++)
		is_born(&tape, 10 * i, (uint64_t)i, RN_BIRTH_FORK);
	/* The greatest of all programs. */
	peak(&tape, RN_SYSCALL_ENTER, 10, EXECVE, 7000);
	runs(&tape, 10, 1);
	peak(&tape, RN_SYSCALL_ENTER, 10, EXIT_GROUP, 5000);
	end(&tape, 10, 10, 1, 0, true);
	/* That of the last program is not known. */
	peak(&tape, RN_SYSCALL_ENTER, 20, EXECVE, 7000);
	runs(&tape, 20, 2);
	end(&tape, 20, 20, 2, 9, true);
	/* A signal that ends it, and one that does not. */
	peak(&tape, RN_SIGNAL, 30, 15, 3000);
	end(&tape, 30, 30, 3, 15, true);
	peak(&tape, RN_SIGNAL, 40, 15, 3000);
	end(&tape, 40, 40, 4, 9, true);
	end(&tape, 50, 50, 5, 0, true);
	/* Two in their maker's memory, of which one leaves it. */
	for (int32_t i = 6; i <= 7; i++) {
		is_born(&tape, 10 * i, (uint64_t)i, i == 6 ? RN_BIRTH_LAUNCH : RN_BIRTH_VFORK);
		peak(&tape, RN_SYSCALL_ENTER, 10 * i, i == 6 ? EXECVE : EXIT_GROUP, 9000);
	}
	runs(&tape, 60, 6);
	peak(&tape, RN_SYSCALL_ENTER, 60, EXIT_GROUP, 100);
	end(&tape, 60, 60, 6, 0, true);
	end(&tape, 70, 70, 7, 0, true);
	/* One of a number that cannot be. */
	is_born(&tape, 80, UINT64_MAX / 2, RN_BIRTH_FORK);
	peak(&tape, RN_SYSCALL_ENTER, 80, EXIT_GROUP, 9000);
	rn_replay_finish(tape.replay);
	check_peak(&tape, 1, 7000, 1);
	check_peak(&tape, 2, 7000, 0);
	check_peak(&tape, 3, 3000, 1);
	check_peak(&tape, 4, 3000, 0);
	check_peak(&tape, 5, 0, 0);
	check_peak(&tape, 6, 100, 1);
	check_peak(&tape, 7, 0, 0);
	CHECK_INT(process_of(&tape, 6)->shares, 0);
	CHECK_INT(process_of(&tape, 7)->shares, 1);
	check_peak(&tape, UINT64_MAX / 2, 0, 0);
	CHECK_INT(rn_replay_missed(tape.replay), 0);
	rn_replay_free(tape.replay);
}

/* The same id twice: two threads. */
static void test_an_id_used_again(void)
{
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t first, second, n;
	const rn_replay_thread *threads;

	start(&tape, 10, 10, 1, 0);
	start(&tape, 11, 11, 2, 10);
	first = call(&tape, RN_SYSCALL, 11, 11, GETPID);
	end(&tape, 11, 11, 2, EXITED, true);
	start(&tape, 11, 11, 3, 10);
	second = call(&tape, RN_SYSCALL, 11, 11, GETPID);
	rn_replay_finish(tape.replay);
	threads = rn_replay_threads(tape.replay, &n);
	CHECK_INT(n, 3);
	CHECK_INT(threads[call_of(&tape, first)->thread].ordinal, 2);
	CHECK_INT(threads[call_of(&tape, second)->thread].ordinal, 3);
	CHECK_INT(threads[2].maker, 0);
	CHECK_INT(threads[0].maker, RN_REPLAY_NO_THREAD);
	rn_replay_free(tape.replay);
}

/* A thread that is not the leader calls exec: its line goes on under the leader's id. `returns`:
   whether the exec is seen to. */
static void test_exec_of_a_thread(bool returns)
{
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t leaders, exec, after, n;
	struct rn_event *ev;
	const rn_replay_thread *threads;
	uint32_t line;

	start(&tape, 10, 10, 1, 0);
	start(&tape, 12, 10, 1, 10);
	leaders = call(&tape, RN_SYSCALL_ENTER, 10, 10, GETPID);
	exec = call(&tape, RN_SYSCALL_ENTER, 12, 10, EXECVE);
	ev = next(&tape, RN_EXEC, 10, 10);
	ev->args[0] = 1;
	ev->args[1] = 12;
	record_piece(ev, RN_PIECE_EXE, RN_PIECE_NO_ARG, 0, "/bin/x", 6);
	feed(&tape);
	if (returns)
		call(&tape, RN_SYSCALL_EXIT, 10, 10, EXECVE);
	after = call(&tape, RN_SYSCALL, 10, 10, GETPID);
	rn_replay_finish(tape.replay);
	threads = rn_replay_threads(tape.replay, &n);
	CHECK_INT(n, 2);
	line = call_of(&tape, after)->thread;
	CHECK_INT(threads[line].tid, 12);
	CHECK_INT(call_of(&tape, exec)->thread, line);
	CHECK_INT(call_of(&tape, exec)->end != 0, returns);
	CHECK_INT(threads[call_of(&tape, leaders)->thread].tid, 10);
	CHECK_INT(call_of(&tape, leaders)->end, 0);
	CHECK_INT(rn_replay_processes(tape.replay, &n)->exe_len, 6);
	CHECK(memcmp(rn_replay_names(tape.replay, &n), "/bin/x", 6) == 0);
	rn_replay_free(tape.replay);
}

static void test_threads_that_nobody_announced(void)
{
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t a, b, n;
	const rn_replay_thread *threads;

	a = call(&tape, RN_SYSCALL, 20, 20, GETPID);
	b = call(&tape, RN_SYSCALL, 21, 20, GETPID);
	next(&tape, RN_SIGNAL, 22, 20)->nr = 15;
	feed(&tape);
	rn_replay_finish(tape.replay);
	threads = rn_replay_threads(tape.replay, &n);
	CHECK_INT(n, 3);
	CHECK(call_of(&tape, a)->thread != call_of(&tape, b)->thread);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(threads[i].ordinal, 1ull << 61 | a);
	CHECK_INT(rn_replay_events(tape.replay, &n)->nr, 15);
	rn_replay_free(tape.replay);
}

/* What has no room is missing, and counted. */
static void test_bounded(void)
{
	const uint64_t bytes = 64 * 1024;
	struct tape tape = tape_open(bytes);
	uint64_t calls, events, edges, threads, processes, names;

	start(&tape, 10, 10, 1, 0);
	for (unsigned i = 0; i < 2000; i++)
		call(&tape, RN_SYSCALL, 10, 10, GETPID);
	rn_replay_finish(tape.replay);
	rn_replay_calls(tape.replay, &calls);
	rn_replay_events(tape.replay, &events);
	rn_replay_edges(tape.replay, &edges);
	rn_replay_threads(tape.replay, &threads);
	rn_replay_processes(tape.replay, &processes);
	rn_replay_names(tape.replay, &names);
	CHECK(calls > 100);
	CHECK_INT(edges, 0);
	CHECK(calls * sizeof(rn_replay_call) + events * sizeof(rn_replay_event) +
		      threads * sizeof(rn_replay_thread) + processes * sizeof(rn_replay_process) +
		      names <=
	      bytes);
	CHECK(rn_replay_missed(tape.replay) >= 2000 - calls);
	rn_replay_free(tape.replay);
}

/* Records that say anything: every row's thread is one that there is. */
static void test_nonsense(bool details)
{
	struct rng rng = test_rng();
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t n, threads;
	const rn_replay_call *calls;
	const rn_replay_event *events;

	if (details)
		CHECK(rn_replay_want_details(tape.replay) && rn_replay_want_shown(tape.replay));
	for (unsigned i = 0; i < 20000 * test_scale(); i++) {
		struct rn_event *ev =
			next(&tape, (enum rn_kind)(1 + rng_below(&rng, 10)),
			     (int32_t)rng_below(&rng, 9), (int32_t)rng_below(&rng, 5));

		for (unsigned arg = 0; arg < 6; arg++)
			ev->args[arg] = rng_below(&rng, 9);
		ev->flags = (uint16_t)rng_next(&rng);
		ev->nr = rng_below(&rng, 2) ? EXECVE : GETPID;
		feed(&tape);
	}
	rn_replay_finish(tape.replay);
	rn_replay_threads(tape.replay, &threads);
	calls = rn_replay_calls(tape.replay, &n);
	CHECK(n > 1000);
	for (uint64_t i = 0; i < n; i++)
		CHECK(calls[i].thread < threads &&
		      (calls[i].end == 0 || calls[i].end > calls[i].seq));
	events = rn_replay_events(tape.replay, &n);
	CHECK(n > 1000);
	for (uint64_t i = 0; i < n; i++)
		CHECK(events[i].thread < threads);
	CHECK_INT(rn_replay_missed(tape.replay), 0);
	rn_replay_free(tape.replay);
}

/* Against a plain array, with ids that meet in the table. */
static void test_places(void)
{
	enum { IDS = 512 };
	static uint32_t naive[IDS];
	struct rng rng = test_rng();
	struct places places = {0};

	memset(naive, 0xff, sizeof(naive));
	CHECK_INT(rn_places_get(&places, 1), RN_NO_PLACE);
	rn_places_remove(&places, 1);
	for (unsigned i = 0; i < 100000 * test_scale(); i++) {
		uint32_t id = rng_below(&rng, IDS);
		int32_t tid = (int32_t)(id * 0x10001u);

		if (rng_below(&rng, 2)) {
			naive[id] = i;
			CHECK(rn_places_put(&places, tid, i));
		} else {
			naive[id] = RN_NO_PLACE;
			rn_places_remove(&places, tid);
		}
		id = rng_below(&rng, IDS);
		CHECK_INT(rn_places_get(&places, (int32_t)(id * 0x10001u)), naive[id]);
	}
	CHECK(places.size <= 1024);
	rn_places_deinit(&places);
}

int main(void)
{
	test_calls_and_their_ends();
	test_peaks();
	test_an_id_used_again();
	test_exec_of_a_thread(true);
	test_exec_of_a_thread(false);
	test_threads_that_nobody_announced();
	test_bounded();
	test_nonsense(false);
	test_nonsense(true);
	test_places();
	return check_done();
}
