/* SPDX-License-Identifier: MIT */
/* Columns from records: whose call it was while thread ids change hands; bounds; nonsense. */
#include "records.h"
#include "renacer/api.h"
#include "renacer/content.h"
#include "renacer/ids.h"
#include "renacer/replay.h"
#include "renacer/syscalls.h"
#include "run/places.h"
#include "run/texts.h"

#define GETPID 39
#define EXECVE 59
#define EXIT_GROUP 231
#define POLL 7
#define SELECT 23
#define READ 0
#define WRITE 1
#define SENDFILE 40
#define OPEN 2
#define CLOSE 3
#define CONNECT 42
#define RENAME 82
#define KILL 62
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

static void ends_by(struct tape *tape, int32_t pid, uint64_t ordinal, uint64_t status)
{
	struct rn_event *ev = next(tape, RN_EXIT, pid, pid);

	ev->args[0] = ordinal;
	ev->args[1] = status;
	ev->args[2] = 1;
	feed(tape);
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
	ends_by(&tape, 10, 1, 0);
	/* That of the last program is not known. */
	peak(&tape, RN_SYSCALL_ENTER, 20, EXECVE, 7000);
	runs(&tape, 20, 2);
	ends_by(&tape, 20, 2, 9);
	/* A signal that ends it, and one that does not. */
	peak(&tape, RN_SIGNAL, 30, 15, 3000);
	ends_by(&tape, 30, 3, 15);
	peak(&tape, RN_SIGNAL, 40, 15, 3000);
	ends_by(&tape, 40, 4, 9);
	ends_by(&tape, 50, 5, 0);
	/* Two in their maker's memory, of which one leaves it. */
	for (int32_t i = 6; i <= 7; i++) {
		is_born(&tape, 10 * i, (uint64_t)i, i == 6 ? RN_BIRTH_LAUNCH : RN_BIRTH_VFORK);
		peak(&tape, RN_SYSCALL_ENTER, 10 * i, i == 6 ? EXECVE : EXIT_GROUP, 9000);
	}
	runs(&tape, 60, 6);
	peak(&tape, RN_SYSCALL_ENTER, 60, EXIT_GROUP, 100);
	ends_by(&tape, 60, 6, 0);
	ends_by(&tape, 70, 7, 0);
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

/* A text of a detail; "" where there is none. */
static const char *text(const struct tape *tape, uint32_t row)
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

static const rn_replay_detail *detail_of(const struct tape *tape, uint64_t seq)
{
	uint64_t calls, n;
	const rn_replay_detail *details = rn_replay_details(tape->replay, &n);

	rn_replay_calls(tape->replay, &calls);
	CHECK_INT(n, calls);
	return details + (call_of(tape, seq) - rn_replay_calls(tape->replay, &calls));
}

static uint64_t call_with(struct tape *tape, int32_t nr, uint64_t arg, const char *path,
			  const char *other, int64_t result)
{
	struct rn_event *ev = next(tape, RN_SYSCALL, 10, 10);

	ev->nr = nr;
	ev->args[0] = arg;
	ev->result = result;
	if (path)
		record_piece(ev, RN_PIECE_PATH, 0, 0, path, (uint32_t)strlen(path));
	if (other)
		record_piece(ev, RN_PIECE_PATH, 1, 0, other, (uint32_t)strlen(other));
	feed(tape);
	return ev->seq;
}

static void test_details(void)
{
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t opened, read, closed, other, again, renamed, unknown, n;
	uint64_t object;

	CHECK(rn_replay_want_details(tape.replay));
	start(&tape, 10, 10, 1, 0);
	unknown = call_with(&tape, READ, 3, NULL, NULL, 0);
	opened = call_with(&tape, OPEN, 0x1000, "/a", NULL, 3);
	read = call_with(&tape, READ, 3, NULL, NULL, 7);
	closed = call_with(&tape, CLOSE, 3, NULL, NULL, 0);
	other = call_with(&tape, OPEN, 0x2000, "/b", NULL, 3);
	again = call_with(&tape, READ, 3, NULL, NULL, 7);
	renamed = call_with(&tape, RENAME, 0x1000, "/a", "/c", 0);
	rn_replay_finish(tape.replay);
	CHECK_STR(text(&tape, detail_of(&tape, opened)->path), "/a");
	object = detail_of(&tape, opened)->object;
	CHECK(object);
	CHECK_INT(detail_of(&tape, opened)->fd, 3);
	CHECK_INT(detail_of(&tape, opened)->args[0], 0x1000);
	CHECK_STR(text(&tape, detail_of(&tape, read)->path), "/a");
	CHECK_INT(detail_of(&tape, read)->object, object);
	CHECK_INT(detail_of(&tape, closed)->object, object);
	CHECK_STR(text(&tape, detail_of(&tape, closed)->path), "/a");
	CHECK(detail_of(&tape, other)->object != object);
	CHECK_STR(text(&tape, detail_of(&tape, again)->path), "/b");
	CHECK_INT(detail_of(&tape, renamed)->path, detail_of(&tape, opened)->path);
	CHECK_STR(text(&tape, detail_of(&tape, renamed)->other_path), "/c");
	CHECK_INT(detail_of(&tape, renamed)->fd, -1);
	CHECK_INT(detail_of(&tape, unknown)->object, 0);
	CHECK_INT(detail_of(&tape, unknown)->path, 0);
	rn_replay_texts(tape.replay, &n);
	CHECK_INT(n, 4);
	CHECK(!rn_replay_want_details(tape.replay));
	rn_replay_free(tape.replay);
}

/* A socket's reads have the peer that it was connected to. */
static void test_details_of_sockets(void)
{
	const uint8_t address[16] = {2, 0, 0x1f, 0x90, 192, 0, 2, 1};
	struct tape tape = tape_open(NO_LIMIT);
	struct rn_event *ev;
	uint64_t connected, read;

	CHECK(rn_replay_want_details(tape.replay));
	start(&tape, 10, 10, 1, 0);
	call_with(&tape, 41, 2, NULL, NULL, 5); /* socket() */
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = CONNECT;
	ev->args[0] = 5;
	ev->args[1] = 0x1000;
	ev->args[2] = sizeof(address);
	record_piece(ev, RN_PIECE_STRUCT, 1, 0, address, sizeof(address));
	feed(&tape);
	connected = ev->seq;
	read = call_with(&tape, READ, 5, NULL, NULL, 1);
	rn_replay_finish(tape.replay);
	CHECK_STR(text(&tape, detail_of(&tape, connected)->peer), "192.0.2.1:8080");
	CHECK_STR(text(&tape, detail_of(&tape, read)->peer), "192.0.2.1:8080");
	rn_replay_free(tape.replay);
}

static uint64_t written(struct tape *tape, int32_t nr, const struct rn_content *content,
			uint32_t len, unsigned flags)
{
	struct rn_event *ev = next(tape, RN_SYSCALL, 10, 10);

	ev->nr = nr;
	ev->args[0] = 1;
	ev->result = 7;
	if (content)
		record_piece(ev, RN_PIECE_CONTENT, RN_PIECE_NO_ARG, RN_PIECE_AT_EXIT | flags,
			     content, len);
	feed(tape);
	return ev->seq;
}

static void test_details_of_content(void)
{
	const uint32_t size = sizeof(struct rn_content);
	struct tape tape = tape_open(NO_LIMIT);
	struct rn_content content = {0}, unsound = {7, {UINT64_MAX, 1}};
	uint64_t whole, none, sent, unread, cut, wrong;

	CHECK(rn_replay_want_details(tape.replay));
	rn_content_add(&content, "content", 7);
	start(&tape, 10, 10, 1, 0);
	whole = written(&tape, WRITE, &content, size, 0);
	none = written(&tape, WRITE, NULL, 0, 0);
	sent = written(&tape, SENDFILE, NULL, 0, 0);
	unread = written(&tape, WRITE, &content, 0, RN_PIECE_UNREAD);
	cut = written(&tape, WRITE, &content, size - 8, 0);
	wrong = written(&tape, WRITE, &unsound, size, 0);
	rn_replay_finish(tape.replay);
	CHECK_INT(detail_of(&tape, whole)->content, RN_CONTENT_HASHED);
	CHECK_INT(detail_of(&tape, whole)->hashed, 7);
	CHECK(detail_of(&tape, whole)->hash[0] == content.lanes[0]);
	CHECK(detail_of(&tape, whole)->hash[1] == content.lanes[1]);
	CHECK_INT(detail_of(&tape, none)->content, RN_CONTENT_NONE);
	CHECK_INT(detail_of(&tape, sent)->content, RN_CONTENT_UNSEEN);
	CHECK_INT(detail_of(&tape, unread)->content, RN_CONTENT_UNREAD);
	CHECK_INT(detail_of(&tape, cut)->content, RN_CONTENT_UNREAD);
	CHECK_INT(detail_of(&tape, wrong)->content, RN_CONTENT_UNREAD);
	CHECK_INT(detail_of(&tape, wrong)->hash[0], 0);
	rn_replay_free(tape.replay);
}

static uint64_t polled(struct tape *tape, int32_t nr, unsigned arg, uint64_t value,
		       const uint64_t *wait, uint32_t len)
{
	struct rn_event *ev = next(tape, RN_SYSCALL, 10, 10);

	ev->nr = nr;
	ev->args[arg] = value;
	if (wait)
		record_piece(ev, RN_PIECE_STRUCT, arg, 0, wait, len);
	feed(tape);
	return ev->seq;
}

static void test_details_of_polls(void)
{
	const uint64_t at_once[3] = {0, 0, 0}, a_while[2] = {0, 1};
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t yes[3], no[7];

	CHECK(rn_replay_want_details(tape.replay));
	start(&tape, 10, 10, 1, 0);
	yes[0] = polled(&tape, POLL, 2, 1ull << 32, NULL, 0); /* an int */
	yes[1] = polled(&tape, SELECT, 4, 0x1000, at_once, 16);
	yes[2] = polled(&tape, SELECT, 4, 0x1000, at_once, 8);
	no[0] = polled(&tape, POLL, 2, 1, NULL, 0);
	no[1] = polled(&tape, SELECT, 4, 0x1000, a_while, 16);
	no[2] = polled(&tape, SELECT, 4, 0, NULL, 0);
	no[3] = polled(&tape, SELECT, 4, 0x1000, at_once, 0);
	no[4] = polled(&tape, SELECT, 4, 0x1000, at_once, 24);
	no[5] = polled(&tape, READ, 2, 0, NULL, 0);
	no[6] = polled(&tape, 10000, 2, 0, NULL, 0);
	rn_replay_finish(tape.replay);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(detail_of(&tape, yes[i])->polls, 1);
	for (unsigned i = 0; i < 7; i++)
		CHECK_INT(detail_of(&tape, no[i])->polls, 0);
	rn_replay_free(tape.replay);
}

/* Every path another: what has no room is missing, rows of both kinds stay side by side. */
static void test_details_bounded(void)
{
	const uint64_t bytes = 256 * 1024;
	struct tape tape = tape_open(bytes);
	uint64_t n, calls, texts, text_bytes;
	char path[32];

	CHECK(rn_replay_want_details(tape.replay));
	start(&tape, 10, 10, 1, 0);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "/a/path/%u", i);
		call_with(&tape, OPEN, 0x1000, path, NULL, -2);
	}
	rn_replay_finish(tape.replay);
	rn_replay_details(tape.replay, &n);
	rn_replay_calls(tape.replay, &calls);
	CHECK_INT(n, calls);
	CHECK(n > 100 && n < 5000);
	rn_replay_texts(tape.replay, &texts);
	rn_replay_text_bytes(tape.replay, &text_bytes);
	CHECK(texts > 100);
	CHECK(n * (sizeof(rn_replay_detail) + sizeof(rn_replay_call)) +
		      texts * sizeof(rn_replay_text) + text_bytes <=
	      bytes);
	CHECK(rn_replay_missed(tape.replay) > 0);
	rn_replay_free(tape.replay);
}

static void test_texts_are_kept_once(void)
{
	struct allowance allowance = {.room = NO_LIMIT};
	struct texts texts;
	uint32_t rows[3000];
	char name[16];

	rn_texts_init(&texts);
	for (uint32_t i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		rows[i] = rn_texts_row(&texts, &allowance, name, strlen(name));
		CHECK(rows[i]);
	}
	for (uint32_t i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		CHECK_INT(rn_texts_row(&texts, &allowance, name, strlen(name)), rows[i]);
	}
	CHECK_INT(texts.rows.n, 3001);
	CHECK_INT(rn_texts_row(&texts, &allowance, "", 0), 0);
	CHECK_INT(allowance.missed, 0);
	rn_texts_deinit(&texts);
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
	CHECK_STR(rn_table_errno(2), "ENOENT");
	CHECK_STR(rn_table_errno(4000), NULL);
	CHECK_STR(rn_table_edge(1000), NULL);
	CHECK_INT(rn_span_counter(7, 8, rn_id_of(&key, 42)), 42);
}

static void test_tables_of_arguments(void)
{
	int nr = rn_table_number(RN_ABI_X86_64, "openat"), kind = -1;
	uint64_t value = 7;

	CHECK_STR(rn_table_argument(RN_ABI_X86_64, nr, 1, &kind), "filename");
	CHECK_INT(kind, RN_ARG_PATH);
	CHECK_STR(rn_table_argument(RN_ABI_X86_64, nr, 4, &kind), NULL);
	CHECK_STR(rn_table_argument(RN_ABI_X86_64, nr, -1, &kind), NULL);
	CHECK_STR(rn_table_argument(RN_ABI_X86_64, 100000, 0, &kind), NULL);
	CHECK_STR(rn_table_argument(77, nr, 0, &kind), NULL);
	CHECK(rn_table_flags(RN_ABI_X86_64, nr) & RN_CALL_RESULT_FD);
	CHECK_INT(rn_table_flags(RN_ABI_X86_64, -1), 0);
	CHECK_INT(rn_table_flags(77, nr), 0);
	CHECK(rn_table_value(RN_ABI_X86_64, nr, 2, "O_CREAT", &value));
	CHECK_INT(value, 0x40);
	/* The machines differ. */
	CHECK(rn_table_value(RN_ABI_X86_64, nr, 2, "O_DIRECTORY", &value));
	CHECK_INT(value, 0x10000);
	/* Which constants it is shown by depends on another argument. */
	nr = rn_table_number(RN_ABI_X86_64, "fcntl");
	CHECK(rn_table_value(RN_ABI_X86_64, nr, 2, "FD_CLOEXEC", &value));
	CHECK_INT(value, 1);
	CHECK(!rn_table_value(RN_ABI_X86_64, nr, 2, "FD_NOTHING", &value));
	nr = rn_table_number(RN_ABI_AARCH64, "openat");
	CHECK(rn_table_value(RN_ABI_AARCH64, nr, 2, "O_DIRECTORY", &value));
	CHECK_INT(value, 0x4000);
	CHECK(!rn_table_value(RN_ABI_AARCH64, nr, 2, "O_NOTHING", &value));
	CHECK(!rn_table_value(RN_ABI_AARCH64, nr, 1, "O_CREAT", &value));
	CHECK_INT(value, 0x4000);
}

static const rn_replay_shown *shown_of(const struct tape *tape, uint64_t seq)
{
	uint64_t calls, n;
	const rn_replay_shown *rows = rn_replay_shown_rows(tape->replay, &n);

	rn_replay_calls(tape->replay, &calls);
	CHECK_INT(n, calls);
	return rows + (call_of(tape, seq) - rn_replay_calls(tape->replay, &calls));
}

/* Arguments in words: what the program chose, with marks for what the details have. */
static void test_shown(void)
{
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t opened, written, copied, killed, renamed, n;
	struct rn_event *ev;

	CHECK(!rn_replay_want_shown(tape.replay)); /* details come first */
	CHECK(rn_replay_want_details(tape.replay));
	CHECK(rn_replay_want_shown(tape.replay));
	CHECK(!rn_replay_want_shown(tape.replay));
	start(&tape, 10, 10, 1, 0);
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = OPEN;
	ev->args[1] = 0101; /* O_WRONLY|O_CREAT */
	ev->args[2] = 0640;
	ev->result = 3;
	record_piece(ev, RN_PIECE_PATH, 0, 0, "/a\x01", 3);
	feed(&tape);
	opened = ev->seq;
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = WRITE;
	ev->args[0] = 3;
	ev->args[1] = 0x7fff0000;
	ev->args[2] = 12;
	ev->result = 12;
	feed(&tape);
	written = ev->seq;
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = SENDFILE;
	ev->args[0] = 4;
	ev->args[1] = 3;
	feed(&tape);
	copied = ev->seq;
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = KILL;
	ev->args[0] = 77;
	ev->args[1] = 15;
	feed(&tape);
	killed = ev->seq;
	renamed = call_with(&tape, RENAME, 0, "/a", "/b", 0);
	rn_replay_finish(tape.replay);
	CHECK_STR(text(&tape, shown_of(&tape, opened)->text), "\x01\x1fO_WRONLY|O_CREAT\x1f\x30"
							      "640");
	CHECK_STR(text(&tape, shown_of(&tape, written)->text), "\x03");
	CHECK_INT(shown_of(&tape, written)->other_fd, -1);
	CHECK_STR(text(&tape, shown_of(&tape, copied)->text), "\x03\x1f\x04\x1fNULL\x1f\x30");
	CHECK_INT(shown_of(&tape, copied)->other_fd, 3);
	CHECK_STR(text(&tape, shown_of(&tape, killed)->text), "\x05"
							      "77\x1fSIGTERM");
	CHECK_STR(text(&tape, shown_of(&tape, renamed)->text), "\x01\x1f\x02");
	rn_replay_shown_rows(tape.replay, &n);
	CHECK_INT(n, 5);
	rn_replay_free(tape.replay);
}

int main(void)
{
	test_calls_and_their_ends();
	test_an_id_used_again();
	test_exec_of_a_thread(true);
	test_exec_of_a_thread(false);
	test_threads_that_nobody_announced();
	test_bounded();
	test_nonsense(false);
	test_nonsense(true);
	test_details();
	test_details_of_sockets();
	test_details_of_content();
	test_details_of_polls();
	test_peaks();
	test_details_bounded();
	test_shown();
	test_texts_are_kept_once();
	test_places();
	test_names();
	test_tables_of_arguments();
	return check_done();
}
