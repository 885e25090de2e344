/* SPDX-License-Identifier: MIT */
/* What calls were given, from records: paths, objects, peers, contents. */
#include "renacer/content.h"
#include "run/texts.h"
#include "tape_details.h"

#define POLL 7
#define SELECT 23
#define READ 0
#define WRITE 1
#define SENDFILE 40
#define OPEN 2
#define CLOSE 3
#define CONNECT 42
#define RENAME 82

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
	ev = next_call(&tape, CONNECT);
	ev->args[0] = 5;
	ev->args[1] = 0x1000;
	ev->args[2] = sizeof(address);
	record_piece(ev, RN_PIECE_STRUCT, 1, 0, address, sizeof(address));
	connected = fed(&tape, ev);
	read = call_with(&tape, READ, 5, NULL, NULL, 1);
	rn_replay_finish(tape.replay);
	CHECK_STR(text(&tape, detail_of(&tape, connected)->peer), "192.0.2.1:8080");
	CHECK_STR(text(&tape, detail_of(&tape, read)->peer), "192.0.2.1:8080");
	rn_replay_free(tape.replay);
}

static uint64_t written(struct tape *tape, int32_t nr, const struct rn_content *content,
			uint32_t len, unsigned flags)
{
	struct rn_event *ev = next_call(tape, nr);

	ev->args[0] = 1;
	ev->result = 7;
	if (content)
		record_piece(ev, RN_PIECE_CONTENT, RN_PIECE_NO_ARG, RN_PIECE_AT_EXIT | flags,
			     content, len);
	return fed(tape, ev);
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
	struct rn_event *ev = next_call(tape, nr);

	ev->args[arg] = value;
	if (wait)
		record_piece(ev, RN_PIECE_STRUCT, arg, 0, wait, len);
	return fed(tape, ev);
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

int main(void)
{
	test_details();
	test_details_of_sockets();
	test_details_of_content();
	test_details_of_polls();
	test_details_bounded();
	test_texts_are_kept_once();
	return check_done();
}
