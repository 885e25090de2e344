/* SPDX-License-Identifier: MIT */
/* Columns from records: whose call it was while thread ids change hands; bounds; nonsense. */
#include "records.h"
#include "renacer/api.h"
#include "renacer/ids.h"
#include "run/places.h"

#define GETPID 39
#define EXECVE 59
#define NO_LIMIT (1ull << 40)

struct tape {
	rn_replay *replay;
	uint64_t seq;
	_Alignas(8) uint8_t bytes[4096];
};

static struct tape tape_open(uint64_t max_bytes)
{
	struct tape tape = {.replay = rn_replay_new(1, 2, 0, NULL, max_bytes)};

	CHECK(tape.replay);
	return tape;
}

static struct rn_event *next(struct tape *tape, enum rn_kind kind, int32_t tid, int32_t pid)
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

static void feed(struct tape *tape)
{
	const struct rn_event *ev = (const struct rn_event *)tape->bytes;

	CHECK_INT(rn_replay_feed(tape->replay, ev, ev->size), ev->size);
}

static uint64_t start(struct tape *tape, int32_t tid, int32_t pid, uint64_t ordinal, int32_t maker)
{
	struct rn_event *ev = next(tape, RN_PROCESS_START, tid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = (uint64_t)maker;
	ev->args[4] = maker ? RN_BIRTH_FORK : RN_BIRTH_LAUNCH;
	feed(tape);
	return ev->seq;
}

static uint64_t call(struct tape *tape, enum rn_kind kind, int32_t tid, int32_t pid, int32_t nr)
{
	struct rn_event *ev = next(tape, kind, tid, pid);

	ev->nr = nr;
	feed(tape);
	return ev->seq;
}

static void end(struct tape *tape, int32_t tid, int32_t pid, uint64_t ordinal, bool last)
{
	struct rn_event *ev = next(tape, RN_EXIT, tid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = 3 << 8;
	ev->args[2] = last;
	feed(tape);
}

static const rn_replay_call *call_of(const struct tape *tape, uint64_t seq)
{
	uint64_t n;
	const rn_replay_call *calls = rn_replay_calls(tape->replay, &n);

	for (uint64_t i = 0; i < n; i++)
		if (calls[i].seq == seq)
			return &calls[i];
	check_failed(__FILE__, __LINE__, "no call %llu", (unsigned long long)seq);
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
	end(&tape, 10, 10, 1, true);
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
	CHECK_INT(events[1].value, 3 << 8);
	processes = rn_replay_processes(tape.replay, &n);
	CHECK_INT(n, 1);
	CHECK_INT(processes[0].calls, 3);
	CHECK_INT(processes[0].wait_status, 3 << 8);
	CHECK_INT(rn_replay_missed(tape.replay), 0);
	/* Finished is finished. */
	CHECK_INT(rn_replay_feed(tape.replay, tape.bytes, sizeof(tape.bytes)), 0);
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
	end(&tape, 11, 11, 2, true);
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
static void test_nonsense(void)
{
	struct rng rng = test_rng();
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t n, threads;
	const rn_replay_call *calls;
	const rn_replay_event *events;

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

static void test_names(void)
{
	struct rn_id_key key = {7, 8};

	CHECK_STR(rn_table_edge(1), "fork");
	CHECK_STR(rn_table_edge(0), NULL);
	CHECK_STR(rn_table_edge(1000), NULL);
	CHECK_INT(rn_span_counter(7, 8, rn_id_of(&key, 42)), 42);
}

int main(void)
{
	test_calls_and_their_ends();
	test_an_id_used_again();
	test_exec_of_a_thread(true);
	test_exec_of_a_thread(false);
	test_threads_that_nobody_announced();
	test_bounded();
	test_nonsense();
	test_places();
	test_names();
	return check_done();
}
