/* SPDX-License-Identifier: MIT */
/* What calls were given, in words, from records: values, command lines, and paths from one folder. */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "renacer/content.h"
#include "renacer/syscalls.h"
#include "tape_details.h"

#define WRITE 1
#define SENDFILE 40
#define SENDMSG 46
#define OPEN 2
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
	ev = next_call(&tape, OPEN);
	ev->args[1] = 0101; /* O_WRONLY|O_CREAT */
	ev->args[2] = 0640;
	ev->result = 3;
	record_piece(ev, RN_PIECE_PATH, 0, 0, "/a\x01", 3);
	opened = fed(&tape, ev);
	ev = next_call(&tape, WRITE);
	ev->args[0] = 3;
	ev->args[1] = 0x7fff0000;
	ev->args[2] = 12;
	ev->result = 12;
	written = fed(&tape, ev);
	ev = next_call(&tape, SENDFILE);
	ev->args[0] = 4;
	ev->args[1] = 3;
	copied = fed(&tape, ev);
	ev = next_call(&tape, KILL);
	ev->args[0] = 77;
	ev->args[1] = 15;
	killed = fed(&tape, ev);
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
	return fed(tape, ev);
}

static uint64_t go_to(struct tape *tape, int32_t pid, int32_t fd, const char *path)
{
	struct rn_event *ev = next(tape, RN_SYSCALL, pid, pid);

	ev->nr = path ? CHDIR : FCHDIR;
	ev->args[0] = path ? 0x1000 : (uint32_t)fd;
	if (path)
		in_folder(ev, 0, path);
	return fed(tape, ev);
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
	written = call_with(&tape, WRITE, 4, NULL, NULL, 5);
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
	ev = next_call(&tape, CHDIR);
	ev->args[0] = 0x1000;
	ev->result = -2;
	ev->flags = RN_FLAG_FAILED;
	in_folder(ev, 0, "not");
	failed = fed(&tape, ev);
	back = open_at(&tape, 10, cwd, "..", 8);
	empty = open_at(&tape, 10, 4, "", 9);
	root = open_at(&tape, 11, cwd, "../../i", 10);
	ev = next_call(&tape, RENAMEAT);
	ev->args[0] = 3;
	ev->args[1] = 0x1000;
	ev->args[2] = (uint32_t)cwd;
	ev->args[3] = 0x2000;
	in_folder(ev, 1, "f");
	in_folder(ev, 3, "f");
	moved = fed(&tape, ev);
	link = call_with(&tape, SYMLINK, 0x1000, "../to", "l", 0);
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
	ev = next_call(&tape, SETXATTR);
	ev->args[2] = 0x7fff0000;
	ev->args[3] = 3;
	record_piece(ev, RN_PIECE_PATH, 0, 0, "/a", 2);
	record_piece(ev, RN_PIECE_STRING, 1, 0, "user.x", 6);
	record_piece(ev, RN_PIECE_BUFFER, 2, 0, "one", 3);
	short_one = fed(&tape, ev);
	ev = next_call(&tape, SETAFFINITY);
	ev->args[1] = 8;
	ev->args[2] = 0x7fff0000;
	record_piece(ev, RN_PIECE_BUFFER, 2, 0, cpus, sizeof(cpus));
	masked = fed(&tape, ev);
	for (unsigned i = 0; i < 3; i++) {
		ev = next_call(&tape, SETXATTR);
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
		ev = next_call(&tape, EXECVE);
		ev->args[1] = 0x7fff0000;
		record_piece(ev, RN_PIECE_PATH, 0, 0, "/a", 2);
		record_piece(ev, RN_PIECE_ARGV, 1, RN_PIECE_CUT, "a", 1);
		record_piece(ev, RN_PIECE_REST, 1, i == 1 ? RN_PIECE_CUT : 0,
			     i == 2 ? &broken : &rest, i == 2 ? 8 : sizeof(rest));
		rows[i] = fed(&tape, ev);
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
		ev = next_call(&tape, EXECVE);
		ev->args[1] = 0x7fff0000;
		ev->args[2] = 0x7fff1000;
		record_piece(ev, RN_PIECE_PATH, 0, 0, "/a", 2);
		record_piece(ev, RN_PIECE_ARGV, 1, 0, "a", 2);
		record_piece(ev, RN_PIECE_ENV, 2, i == 2 ? RN_PIECE_UNREAD : 0, given,
			     i ? 0 : sizeof(given));
		rows[i] = fed(&tape, ev);
	}
	rn_replay_finish(tape.replay);
	CHECK(strstr(text(&tape, shown_of(&tape, rows[0])->text),
		     "\x1f{\"A=1\", \"P=/x:\\6P\\6\", \"GONE\""));
	CHECK_STR(text(&tape, shown_of(&tape, rows[1])->text), "\x01\x1f[\"a\", ...]\x1f{]");
	CHECK_STR(text(&tape, shown_of(&tape, rows[2])->text), "\x01\x1f[\"a\", ...]");
	rn_replay_free(tape.replay);
}

/* A message to 127.0.0.1:53 with descriptor 3, of which so many bytes are said to be there. */
static uint64_t message(struct tape *tape, uint32_t name_bytes, uint32_t control_bytes, size_t len)
{
	struct {
		struct rn_message_head head;
		struct sockaddr_in to;
		struct {
			struct cmsghdr head;
			int32_t fd, rest;
		} rights;
	} given = {
		.head = {.namelen = sizeof(given.to),
			 .controllen = sizeof(given.rights),
			 .name_bytes = name_bytes,
			 .control_bytes = control_bytes},
		.to = {.sin_family = AF_INET,
		       .sin_port = htons(53),
		       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
		.rights = {.head = {.cmsg_len = CMSG_LEN(sizeof(int32_t)),
				    .cmsg_level = SOL_SOCKET,
				    .cmsg_type = SCM_RIGHTS},
			   .fd = 3},
	};
	struct rn_event *ev = next(tape, RN_SYSCALL, 10, 10);

	CHECK(len <= sizeof(given));
	ev->nr = SENDMSG;
	ev->args[0] = 9;
	record_piece(ev, RN_PIECE_STRUCT, 1, 0, &given, (uint32_t)len);
	return fed(tape, ev);
}

/* Whom sendmsg names, and what it passes on; of a record that lies, nothing. */
static void test_messages(void)
{
	const size_t name = sizeof(struct sockaddr_in), head = sizeof(struct rn_message_head);
	const size_t rights = CMSG_SPACE(sizeof(int32_t)), whole = head + name + rights;
	struct tape tape = tape_open(NO_LIMIT);
	uint64_t opened, seen, sent, lies[4];
	char passed[64];

	CHECK(rn_replay_want_details(tape.replay));
	CHECK(rn_replay_want_shown(tape.replay));
	start(&tape, 10, 10, 1, 0);
	opened = call_with(&tape, OPEN, 0, "/a", NULL, 3);
	seen = call_with(&tape, WRITE, 3, NULL, NULL, 0);
	sent = message(&tape, (uint32_t)name, (uint32_t)rights, whole);
	lies[0] = message(&tape, 4000, (uint32_t)rights, whole);
	lies[1] = message(&tape, (uint32_t)name, 4000, whole);
	lies[2] = message(&tape, (uint32_t)name, (uint32_t)rights, head + name + 8);
	lies[3] = message(&tape, (uint32_t)name, (uint32_t)rights, head - 8);
	rn_replay_finish(tape.replay);
	snprintf(passed, sizeof(passed), "%u,0,%u;", shown_of(&tape, seen)->kind,
		 detail_of(&tape, opened)->path);
	CHECK_STR(text(&tape, detail_of(&tape, sent)->peer), "127.0.0.1:53");
	CHECK_STR(text(&tape, shown_of(&tape, sent)->passed), passed);
	for (unsigned i = 0; i < 4; i++) {
		CHECK_INT(detail_of(&tape, lies[i])->peer, 0);
		CHECK_INT(shown_of(&tape, lies[i])->passed, 0);
	}
	rn_replay_free(tape.replay);
}

int main(void)
{
	test_messages();
	test_shown();
	test_shown_variables();
	test_shown_rest();
	test_shown_values();
	test_folders();
	return check_done();
}
