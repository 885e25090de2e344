/* SPDX-License-Identifier: MIT */
/* Bytes and messages of sockets, and their ends. */
#include "channel_world.h"

static void test_pairs(void)
{
	static const uint16_t types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};

	for (unsigned i = 0; i < 3; i++) {
		bool bytes = types[i] == SOCK_STREAM;
		uint64_t sent[3], got;

		open_world();
		make_pair(A, types[i], 3, 4, 200);
		start(B, A);
		sent[0] = whole(A, "write", 3, 0, 10, 10);
		sent[1] = whole(A, "sendto", 3, 0, 10, 10);
		/* Each direction has a queue of its own. */
		sent[2] = whole(B, "write", 4, 0, 7, 7);
		got = whole(A, "read", 3, 0, 100, 7);
		check_cause(got, "unix", sent[2]);
		got = feed_whole(call_record(RN_SYSCALL, B, "recvfrom", 4, 0, 10, MSG_PEEK), 10);
		check_cause(got, "unix", sent[0]);
		got = whole(B, "recvmsg", 4, 0, 0, bytes ? 15 : 10);
		if (bytes)
			check_causes(got, "unix", true, 2, sent);
		else
			check_cause(got, "unix", sent[0]);
		/* Of a message too great for it what is left is thrown away. */
		got = whole(B, "read", 4, 0, 5, 5);
		check_cause(got, "unix", sent[1]);
		if (types[i] != SOCK_DGRAM) {
			sent[0] = whole(A, "shutdown", 3, SHUT_WR, 0, 0);
			got = whole(B, "read", 4, 0, 5, 0);
			check_cause(got, "eof", sent[0]);
		}
		close_world();
	}
}

/* How many bytes went is not told; a shutdown that failed ended nothing. */
static void test_uncounted(void)
{
	uint64_t got, sent;

	open_world();
	make_pair(A, SOCK_STREAM, 3, 4, 200);
	start(B, A);
	whole(A, "sendmmsg", 3, 0, 2, 2);
	sent = whole(A, "write", 3, 0, 2, 2);
	got = whole(B, "read", 4, 0, 2, 2);
	CHECK_INT(call_of(got)->nlinks, 0);
	CHECK(call_of(got)->end > call_of(sent)->start);
	whole(A, "shutdown", 3, SHUT_WR, 0, -ENOTCONN);
	whole(B, "close", 3, 0, 0, 0);
	whole(A, "close", 3, 0, 0, 0);
	got = whole(B, "read", 4, 0, 2, 0);
	CHECK_INT(call_of(got)->nlinks, 0);
	close_world();
}

/* Into a pipe sendfile() reads what a socket holds. */
static void test_sendfile_reads(void)
{
	uint64_t sent[3], got;

	open_world();
	make_pair(A, SOCK_STREAM, 3, 4, 200);
	make_pipe(A, 7, 8, 210, 0);
	start(B, A);
	sent[0] = whole(A, "write", 3, 0, 10, 10);
	sent[1] = whole(A, "write", 3, 0, 10, 10);
	sent[2] = feed_whole(call_record(RN_SYSCALL, B, "sendfile", 8, 4, 0, 10), 10);
	check_cause(sent[2], "unix", sent[0]);
	got = whole(B, "read", 4, 0, 10, 10);
	check_cause(got, "unix", sent[1]);
	got = whole(A, "read", 7, 0, 10, 10);
	check_cause(got, "pipe", sent[2]);
	close_world();
}

/* Who shuts down is the end's cause, whoever closed his own descriptor before or meanwhile. */
static void test_shutdown_beside_closes(void)
{
	uint64_t got, shut[2];

	open_world();
	make_pair(A, SOCK_STREAM, 3, 4, 200);
	start(B, A);
	start(C, A);
	whole(A, "close", 4, 0, 0, 0);
	enter(A, "close", 3, 0, 0);
	shut[0] = enter(B, "shutdown", 3, SHUT_WR, 0);
	leave(A, "close", 3, 0, 0, 0);
	got = whole(C, "read", 4, 0, 5, 0);
	check_cause(got, "eof", shut[0]);
	leave(B, "shutdown", 3, SHUT_WR, 0, 0);
	/* The second one ends nothing any more. */
	whole(C, "shutdown", 3, SHUT_WR, 0, 0);
	got = whole(C, "read", 4, 0, 5, 0);
	check_cause(got, "eof", shut[0]);
	close_world();
	/* Two at once: either may have done it. */
	open_world();
	make_pair(A, SOCK_STREAM, 3, 4, 200);
	start(B, A);
	start(C, A);
	shut[0] = enter(A, "shutdown", 3, SHUT_WR, 0);
	shut[1] = enter(B, "shutdown", 3, SHUT_WR, 0);
	got = whole(C, "read", 4, 0, 5, 0);
	leave(A, "shutdown", 3, SHUT_WR, 0, 0);
	leave(B, "shutdown", 3, SHUT_WR, 0, 0);
	CHECK_INT(call_of(got)->nlinks, 0);
	for (unsigned i = 0; i < 2; i++)
		CHECK(call_of(got)->end > call_of(shut[i])->start);
	close_world();
}

static void send_to(int32_t tid, int32_t fd, const char *path, uint64_t len)
{
	struct rn_event *ev = call_record(RN_SYSCALL, tid, "sendto", (uint64_t)fd, 0, len, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ev->args[4] = 0x1000;
	ev->args[5] = sizeof(address);
	record_piece(ev, RN_PIECE_STRUCT, 4, 0, &address, sizeof(address));
	feed_whole(ev, (int64_t)len);
}

static void bind_to(int32_t tid, int32_t fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct rn_event *ev =
		call_record(RN_SYSCALL, tid, "bind", (uint64_t)fd, 0x1000, sizeof(address), 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	record_piece(ev, RN_PIECE_STRUCT, 1, 0, &address, sizeof(address));
	feed_whole(ev, 0);
}

static void move_path(int32_t tid, const char *from, const char *to)
{
	struct rn_event *ev = call_record(RN_SYSCALL, tid, "rename", 0x1000, 0x1100, 0, 0);

	record_piece(ev, RN_PIECE_PATH, 0, 0, from, (uint32_t)strlen(from));
	record_piece(ev, RN_PIECE_PATH, 1, 0, to, (uint32_t)strlen(to));
	feed_whole(ev, 0);
}

/* A name may mean another socket by now: what goes there is nobody's, and anybody's. */
static void test_moved_names(void)
{
	static const char *const paths[][2] = {
		{"/elsewhere/other", "/tmp/this"}, /* it is another */
		{"/tmp/there.new", "/tmp/there"},
		{"new", "there"},
		{"/else", "/tmp"},
		{"there/", "gone"},
	};

	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		uint64_t sent, got;

		open_world();
		make_socket(A, AF_UNIX, SOCK_DGRAM, 3, 400);
		bind_to(A, 3, "/tmp/there");
		move_path(A, paths[i][0], paths[i][1]);
		start(B, A);
		make_socket(B, AF_UNIX, SOCK_DGRAM, 4, 401);
		sent = w.seq + 1;
		send_to(B, 4, "/tmp/there", 5);
		got = whole(A, "read", 3, 0, 100, 5);
		if (i == 0)
			check_cause(got, "unix", sent);
		else
			CHECK_INT(call_of(got)->nlinks, 0);
		CHECK_STR(call_of(got)->incomplete, i == 0 ? NULL : "untraced");
		CHECK(call_of(got)->end > call_of(sent)->start);
		close_world();
	}
}

static void test_named_datagrams(void)
{
	uint64_t sent, got;

	open_world();
	make_socket(A, AF_UNIX, SOCK_DGRAM, 3, 400);
	bind_to(A, 3, "/tmp/there");
	start(B, A);
	make_socket(B, AF_UNIX, SOCK_DGRAM, 4, 401);
	sent = w.seq + 1;
	send_to(B, 4, "/tmp/there", 5);
	got = whole(A, "read", 3, 0, 100, 5);
	check_cause(got, "unix", sent);
	/* To another name, which may lead here, too: as a link, or seen from another folder. */
	make_pair(A, SOCK_DGRAM, 7, 8, 410);
	send_to(B, 4, "/tmp/elsewhere", 5);
	sent = w.seq + 1;
	send_to(B, 4, "/tmp/there", 5);
	got = whole(A, "read", 3, 0, 100, 5);
	CHECK_INT(call_of(got)->nlinks, 0);
	CHECK_STR(call_of(got)->incomplete, "untraced");
	CHECK(call_of(got)->end > call_of(sent)->start);
	/* Those that have no name are reached by no name. */
	sent = whole(A, "write", 7, 0, 5, 5);
	got = whole(A, "read", 8, 0, 100, 5);
	CHECK_STR(call_of(got)->incomplete, NULL);
	close_world();
}

int main(void)
{
	test_pairs();
	test_uncounted();
	test_sendfile_reads();
	test_shutdown_beside_closes();
	test_moved_names();
	test_named_datagrams();
	return check_done();
}
