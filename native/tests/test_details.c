/* SPDX-License-Identifier: MIT */
/* What calls were given, from records: paths, objects, peers, contents, and all of it in words. */
#include "renacer/content.h"
#include "run/texts.h"
#include "tape.h"

#define POLL 7
#define SELECT 23
#define READ 0
#define WRITE 1
#define SENDFILE 40
#define OPEN 2
#define CLOSE 3
#define CONNECT 42
#define RENAME 82
#define CHDIR 80
#define FCHDIR 81
#define SYMLINK 88
#define OPENAT 257
#define RENAMEAT 264
#define KILL 62
#define EXECVE 59
#define SETXATTR 188
#define SETAFFINITY 203

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

/* Of what has a row for each call, `n` rows, the row of one. */
static size_t row_of(const struct tape *tape, uint64_t seq, uint64_t n)
{
	uint64_t count;
	const rn_replay_call *calls = rn_replay_calls(tape->replay, &count);

	CHECK_INT(n, count);
	return (size_t)(call_of(tape, seq) - calls);
}

static const rn_replay_detail *detail_of(const struct tape *tape, uint64_t seq)
{
	uint64_t n;
	const rn_replay_detail *details = rn_replay_details(tape->replay, &n);

	return details + row_of(tape, seq, n);
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

static const rn_replay_shown *shown_of(const struct tape *tape, uint64_t seq)
{
	uint64_t n;
	const rn_replay_shown *rows = rn_replay_shown_rows(tape->replay, &n);

	return rows + row_of(tape, seq, n);
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

static void in_folder(struct rn_event *ev, uint8_t arg, const char *path)
{
	record_piece(ev, RN_PIECE_PATH, arg, 0, path, (uint32_t)strlen(path));
}

/* openat() by a process. */
static uint64_t open_at(struct tape *tape, int32_t pid, int32_t folder, const char *path,
			int64_t result)
{
	struct rn_event *ev = next(tape, RN_SYSCALL, pid, pid);

	ev->nr = OPENAT;
	ev->args[0] = (uint32_t)folder;
	ev->args[1] = 0x1000;
	ev->result = result;
	in_folder(ev, 1, path);
	feed(tape);
	return ev->seq;
}

static uint64_t go_to(struct tape *tape, int32_t pid, int32_t fd, const char *path)
{
	struct rn_event *ev = next(tape, RN_SYSCALL, pid, pid);

	ev->nr = path ? CHDIR : FCHDIR;
	ev->args[0] = path ? 0x1000 : (uint32_t)fd;
	if (path)
		in_folder(ev, 0, path);
	feed(tape);
	return ev->seq;
}

static const char *path_of(const struct tape *tape, uint64_t seq)
{
	return text(tape, shown_of(tape, seq)->path);
}

/* Paths are from where the command began, whatever folder they were given from. */
static void test_folders(void)
{
	const int32_t cwd = -100;
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t first, within, up, written, failed, child, shared, back, empty, root, moved, link;
	const rn_replay_text *texts;
	struct rn_event *ev;
	uint64_t far = 0, n;

	CHECK(rn_replay_want_details(tape.replay));
	CHECK(rn_replay_want_shown(tape.replay));
	start(&tape, 10, 10, 1, 0);
	first = open_at(&tape, 10, cwd, "./d/", 3);
	within = open_at(&tape, 10, 3, "./f", 4);
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = WRITE;
	ev->args[0] = 4;
	ev->result = 5;
	feed(&tape);
	written = ev->seq;
	go_to(&tape, 10, -1, "a/b");
	up = open_at(&tape, 10, cwd, "../../../x", 5);
	start(&tape, 11, 11, 2, 10); /* a process of its own */
	go_to(&tape, 11, 3, NULL);
	child = open_at(&tape, 11, cwd, "g", 6);
	ev = next(&tape, RN_PROCESS_START, 12, 12);
	ev->args[0] = 3;
	ev->args[1] = 11;
	ev->args[3] = 0x200; /* CLONE_FS */
	feed(&tape);
	go_to(&tape, 12, -1, "/r");
	shared = open_at(&tape, 11, cwd, "h", 7);
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = CHDIR;
	ev->args[0] = 0x1000;
	ev->result = -2;
	ev->flags = RN_FLAG_FAILED;
	in_folder(ev, 0, "not");
	feed(&tape);
	failed = ev->seq;
	back = open_at(&tape, 10, cwd, "..", 8);
	empty = open_at(&tape, 10, 4, "", 9);
	root = open_at(&tape, 11, cwd, "../../i", 10);
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = RENAMEAT;
	ev->args[0] = 3;
	ev->args[1] = 0x1000;
	ev->args[2] = (uint32_t)cwd;
	ev->args[3] = 0x2000;
	in_folder(ev, 1, "f");
	in_folder(ev, 3, "f");
	feed(&tape);
	moved = ev->seq;
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = SYMLINK;
	ev->args[0] = 0x1000;
	ev->args[1] = 0x2000;
	in_folder(ev, 0, "../to");
	in_folder(ev, 1, "l");
	feed(&tape);
	link = ev->seq;
	for (unsigned i = 0; i < 5000; i++) /* deeper than a path may be long */
		far = go_to(&tape, 10, -1, "deep");
	rn_replay_finish(tape.replay);
	CHECK_STR(path_of(&tape, first), "./d/");
	CHECK_STR(path_of(&tape, within), "d/f");
	CHECK_STR(path_of(&tape, written), "d/f");
	CHECK_STR(text(&tape, detail_of(&tape, within)->path), "./f"); /* as given */
	CHECK_STR(path_of(&tape, up), "../x");
	CHECK_STR(path_of(&tape, child), "d/g");
	CHECK_STR(path_of(&tape, shared), "/r/h");
	CHECK_STR(path_of(&tape, failed), "a/b/not");
	CHECK_STR(path_of(&tape, back), "a");
	CHECK_INT(detail_of(&tape, empty)->path, 0);
	CHECK_STR(text(&tape, shown_of(&tape, empty)->text), "\x03\x1fO_RDONLY");
	CHECK_STR(path_of(&tape, root), "/i");
	CHECK_STR(path_of(&tape, moved), "d/f");
	CHECK_STR(text(&tape, shown_of(&tape, moved)->other_path), "a/b/f");
	CHECK_STR(path_of(&tape, link), "../to");
	CHECK_STR(text(&tape, shown_of(&tape, link)->other_path), "a/b/l");
	texts = rn_replay_texts(tape.replay, &n);
	CHECK(texts[shown_of(&tape, far)->path].len < 4096);
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

/* What something is set to is told, all of it, or a hash of its end; not its length, which is its own. */
static void test_shown_values(void)
{
	static const uint8_t cpus[8] = {0x5};
	static uint8_t value[RN_EVENT_MAX / 4]; /* as octal escapes it is too long */
	static _Alignas(8) uint8_t bytes[RN_EVENT_MAX];
	struct tape tape = tape_open(NO_LIMIT);
	const rn_replay_text *texts;
	uint64_t short_one, masked, n, length;
	uint32_t ends[3];
	struct rn_event *ev;

	memset(value, 0xff, sizeof(value));
	CHECK(rn_replay_want_details(tape.replay));
	CHECK(rn_replay_want_shown(tape.replay));
	start(&tape, 10, 10, 1, 0);
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = SETXATTR;
	ev->args[2] = 0x7fff0000;
	ev->args[3] = 3;
	record_piece(ev, RN_PIECE_PATH, 0, 0, "/a", 2);
	record_piece(ev, RN_PIECE_STRING, 1, 0, "user.x", 6);
	record_piece(ev, RN_PIECE_BUFFER, 2, 0, "one", 3);
	feed(&tape);
	short_one = ev->seq;
	ev = next(&tape, RN_SYSCALL, 10, 10);
	ev->nr = SETAFFINITY;
	ev->args[1] = 8;
	ev->args[2] = 0x7fff0000;
	record_piece(ev, RN_PIECE_BUFFER, 2, 0, cpus, sizeof(cpus));
	feed(&tape);
	masked = ev->seq;
	for (unsigned i = 0; i < 3; i++) {
		ev = next(&tape, RN_SYSCALL, 10, 10);
		ev->nr = SETXATTR;
		ev->args[2] = 0x7fff0000;
		ev->args[3] = sizeof(value);
		value[sizeof(value) - 1] = i == 2 ? 0xfe : 0xff;
		ends[i] = (uint32_t)ev->seq;
		ev = memcpy(bytes, ev, sizeof(*ev));
		record_piece(ev, RN_PIECE_BUFFER, 2, 0, value, sizeof(value));
		CHECK_INT(rn_replay_feed(tape.replay, ev, ev->size), ev->size);
	}
	rn_replay_finish(tape.replay);
	CHECK_STR(text(&tape, shown_of(&tape, short_one)->text),
		  "\x01\x1f\"user.x\"\x1f\"one\"\x1f\x30");
	CHECK_STR(text(&tape, shown_of(&tape, masked)->text), "\x05\x30\x1f\x38\x1f[0 2]");
	for (unsigned i = 0; i < 3; i++)
		ends[i] = shown_of(&tape, ends[i])->text;
	CHECK_INT(ends[0], ends[1]);
	CHECK(ends[0] != ends[2]);
	texts = rn_replay_texts(tape.replay, &n);
	CHECK(texts[ends[0]].len > 256 * 1024 && texts[ends[0]].len < 256 * 1024 + 80);
	CHECK(memmem(rn_replay_text_bytes(tape.replay, &length) + texts[ends[0]].at + 256 * 1024,
		     texts[ends[0]].len - 256 * 1024, " bytes more: ", 13));
	rn_replay_free(tape.replay);
}

/* Of a command line that did not fit there is a hash of the rest. */
static void test_shown_rest(void)
{
	struct rn_content rest = {0}, broken = {0};
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t rows[3];
	struct rn_event *ev;

	rn_content_add(&rest, "bc\0d", 5);
	CHECK(rn_replay_want_details(tape.replay));
	CHECK(rn_replay_want_shown(tape.replay));
	start(&tape, 10, 10, 1, 0);
	for (unsigned i = 0; i < 3; i++) {
		ev = next(&tape, RN_SYSCALL, 10, 10);
		ev->nr = EXECVE;
		ev->args[1] = 0x7fff0000;
		record_piece(ev, RN_PIECE_PATH, 0, 0, "/a", 2);
		record_piece(ev, RN_PIECE_ARGV, 1, RN_PIECE_CUT, "a", 1);
		record_piece(ev, RN_PIECE_REST, 1, i == 1 ? RN_PIECE_CUT : 0,
			     i == 2 ? &broken : &rest, i == 2 ? 8 : sizeof(rest));
		feed(&tape);
		rows[i] = ev->seq;
	}
	rn_replay_finish(tape.replay);
	CHECK(strstr(text(&tape, shown_of(&tape, rows[0])->text),
		     "\x1f[\"a\"...]… (and 5 bytes more: "));
	CHECK(!strstr(text(&tape, shown_of(&tape, rows[0])->text), ", ...)"));
	CHECK(strstr(text(&tape, shown_of(&tape, rows[1])->text), ", ...)"));
	CHECK_STR(text(&tape, shown_of(&tape, rows[2])->text), "\x01\x1f[\"a\"...]");
	rn_replay_free(tape.replay);
}

/* Variables that an exec changes come last; of what is not known there is nothing. */
static void test_shown_variables(void)
{
	static const char given[] = "A=1\0P=/x:\006P\006\0GONE";
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t rows[3];
	struct rn_event *ev;

	CHECK(rn_replay_want_details(tape.replay));
	CHECK(rn_replay_want_shown(tape.replay));
	start(&tape, 10, 10, 1, 0);
	for (unsigned i = 0; i < 3; i++) {
		ev = next(&tape, RN_SYSCALL, 10, 10);
		ev->nr = EXECVE;
		ev->args[1] = 0x7fff0000;
		ev->args[2] = 0x7fff1000;
		record_piece(ev, RN_PIECE_PATH, 0, 0, "/a", 2);
		record_piece(ev, RN_PIECE_ARGV, 1, 0, "a", 2);
		record_piece(ev, RN_PIECE_ENV, 2, i == 2 ? RN_PIECE_UNREAD : 0, given,
			     i ? 0 : sizeof(given));
		feed(&tape);
		rows[i] = ev->seq;
	}
	rn_replay_finish(tape.replay);
	CHECK(strstr(text(&tape, shown_of(&tape, rows[0])->text),
		     "\x1f{\"A=1\", \"P=/x:\\6P\\6\", \"GONE\""));
	CHECK_STR(text(&tape, shown_of(&tape, rows[1])->text), "\x01\x1f[\"a\", ...]\x1f{]");
	CHECK_STR(text(&tape, shown_of(&tape, rows[2])->text), "\x01\x1f[\"a\", ...]");
	rn_replay_free(tape.replay);
}

int main(void)
{
	test_shown_variables();
	test_shown_rest();
	test_shown_values();
	test_details();
	test_details_of_sockets();
	test_details_of_content();
	test_details_of_polls();
	test_details_bounded();
	test_shown();
	test_folders();
	test_texts_are_kept_once();
	return check_done();
}
