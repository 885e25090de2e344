/* SPDX-License-Identifier: MIT */
/* Who connected to what was accepted: sockets of both ends, and what went through them first. */
#include <sched.h>

#include "channel_world.h"

/* Two processes: A listens at 3, which is 300, B is to connect 5, which is 301. */
static void open_two(uint16_t family)
{
	open_world();
	make_socket(A, family, SOCK_STREAM, 3, 300);
	start(B, A);
	make_socket(B, family, SOCK_STREAM, 5, 301);
}

static struct rn_object_id inet_id(uint64_t inode, uint16_t port, uint16_t peer_port)
{
	struct rn_object_id id = socket_id(AF_INET, SOCK_STREAM, inode, 0);

	id.port = port;
	id.peer_port = peer_port;
	id.address[0] = id.peer_address[0] = 127;
	id.address[3] = id.peer_address[3] = 1;
	id.known = RN_OBJECT_HAS_LOCAL | (peer_port ? RN_OBJECT_HAS_PEER : 0);
	return id;
}

static void test_tcp(void)
{
	struct rn_object_id id;
	struct rn_event *ev;
	uint64_t connected, accepted, sent, got, shut;

	open_two(AF_INET);
	connected = w.seq + 1;
	ev = call_record(RN_SYSCALL, B, "connect", 5, 0x1000, 16, 0);
	id = inet_id(301, 4000, 80);
	add_object(ev, 5, &id);
	feed_whole(ev, 0);
	/* Sent and closed before it is accepted. */
	sent = whole(B, "write", 5, 0, 4, 4);
	shut = whole(B, "close", 5, 0, 0, 0);
	accepted = w.seq + 1;
	ev = call_record(RN_SYSCALL, A, "accept4", 3, 0, 0, 0);
	id = inet_id(302, 80, 4000);
	add_object(ev, 6, &id);
	feed_whole(ev, 6);
	check_cause(accepted, "connect", connected);
	got = whole(A, "recvfrom", 6, 0, 100, 4);
	check_cause(got, "tcp", sent);
	got = whole(A, "read", 6, 0, 100, 0);
	check_cause(got, "eof", shut);
	/* From outside: bytes that nobody here has sent. */
	ev = call_record(RN_SYSCALL, A, "accept4", 3, 0, 0, 0);
	id = inet_id(303, 80, 4001);
	add_object(ev, 7, &id);
	accepted = feed_whole(ev, 7);
	CHECK_INT(call_of(accepted)->nlinks, 0);
	CHECK_STR(call_of(accepted)->incomplete, "untraced");
	got = whole(A, "read", 7, 0, 100, 4);
	CHECK_STR(call_of(got)->incomplete, "untraced");
	CHECK_INT(call_of(got)->nlinks, 0);
	close_world();
}

static uint64_t accept_one(int32_t tid, int32_t fd, const struct rn_object_id *id)
{
	struct rn_event *ev = call_record(RN_SYSCALL, tid, "accept4", 3, 0, 0, 0);

	add_object(ev, fd, id);
	return feed_whole(ev, fd);
}

static void end_connect(int32_t tid, const struct rn_object_id *id, int64_t result)
{
	struct rn_event *ev = call_record(RN_SYSCALL_EXIT, tid, "connect", 5, 0x1000, 16, 0);

	if (id)
		add_object(ev, 5, id);
	set_result(ev, result);
	world_feed(&w);
}

/* The accept ends, and reads wait, before the connect's end tells of its port. */
static void test_accepted_first(void)
{
	struct rn_object_id id;
	uint64_t connected, accepted, sent, got, shut;

	open_two(AF_INET);
	connected = enter(B, "connect", 5, 0x1000, 16);
	id = inet_id(302, 80, 4000);
	id.peer = 301;
	accepted = accept_one(A, 6, &id);
	check_cause(accepted, "connect", connected);
	got = enter(A, "read", 6, 0, 100);
	id = inet_id(301, 4000, 80);
	id.peer = 302;
	end_connect(B, &id, 0);
	sent = whole(B, "write", 5, 0, 4, 4);
	leave(A, "read", 6, 0, 100, 4);
	check_cause(got, "tcp", sent);
	shut = whole(B, "shutdown", 5, SHUT_RDWR, 0, 0);
	got = whole(A, "read", 6, 0, 100, 0);
	check_cause(got, "eof", shut);
	/* One with that inode, and of other addresses: it is another. */
	id = inet_id(303, 80, 4001);
	id.peer = 301;
	accepted = accept_one(A, 7, &id);
	CHECK_INT(call_of(accepted)->nlinks, 0);
	CHECK_STR(call_of(accepted)->incomplete, "untraced");
	close_world();
}

static void set_option(int32_t tid, int32_t fd, uint64_t name)
{
	feed_whole(
		call_record(RN_SYSCALL, tid, "setsockopt", (uint64_t)fd, SOL_SOCKET, name, 0x1000),
		0);
}

/* A listener's option that moves where a peek begins goes over to what it accepts. */
static void test_inherited_option(void)
{
	static const uint64_t options[] = {SO_KEEPALIVE, SO_PEEK_OFF};

	for (unsigned odd = 0; odd < 2; odd++) {
		struct rn_object_id id = inet_id(301, 4000, 80);
		uint64_t sent, got;

		open_world();
		make_socket(A, AF_INET, SOCK_STREAM, 3, 300);
		set_option(A, 3, options[odd]);
		start(B, A);
		make_socket(B, AF_INET, SOCK_STREAM, 5, 301);
		enter(B, "connect", 5, 0x1000, 16);
		end_connect(B, &id, 0);
		id = inet_id(302, 80, 4000);
		accept_one(A, 6, &id);
		sent = whole(B, "write", 5, 0, 4, 4);
		got = feed_whole(call_record(RN_SYSCALL, A, "recvfrom", 6, 0, 4, MSG_PEEK), 4);
		check_causes(got, "tcp", !odd, 1, &sent);
		/* The other way there is no such option. */
		sent = whole(A, "write", 6, 0, 4, 4);
		got = whole(B, "read", 5, 0, 4, 4);
		check_cause(got, "tcp", sent);
		close_world();
	}
}

static void test_connected_to_itself(void)
{
	struct rn_object_id id = inet_id(300, 80, 80);
	uint64_t sent, got, shut;

	open_world();
	make_socket(A, AF_INET, SOCK_STREAM, 5, 300);
	enter(A, "connect", 5, 0x1000, 16);
	end_connect(A, &id, 0);
	start(B, A);
	sent = whole(A, "write", 5, 0, 4, 4);
	got = whole(B, "read", 5, 0, 100, 4);
	check_cause(got, "tcp", sent);
	shut = whole(A, "shutdown", 5, SHUT_WR, 0, 0);
	got = whole(B, "read", 5, 0, 100, 0);
	check_cause(got, "eof", shut);
	whole(B, "close", 5, 0, 0, 0);
	whole(A, "close", 5, 0, 0, 0);
	close_world();
}

/* A Unix socket that was closed before it was accepted: whose it was is not known, but before what. */
static void test_closed_before_accepted(void)
{
	struct rn_object_id id = socket_id(AF_UNIX, SOCK_STREAM, 302, 0);
	uint64_t connected, accepted, sent, got;

	open_two(AF_UNIX);
	for (unsigned i = 0; i < 10; i++)
		whole(B, "getpid", 0, 0, 0, B);
	connected = whole(B, "connect", 5, 0x1000, 16, 0);
	for (unsigned i = 0; i < 10; i++)
		whole(B, "getpid", 0, 0, 0, B);
	sent = whole(B, "write", 5, 0, 4, 4);
	whole(B, "close", 5, 0, 0, 0);
	accepted = accept_one(A, 6, &id);
	CHECK(call_of(accepted)->end > call_of(connected)->start);
	got = whole(A, "read", 6, 0, 100, 4);
	CHECK_INT(call_of(got)->nlinks, 0);
	CHECK(call_of(got)->end > call_of(sent)->start);
	close_world();
}

/* One that has the same descriptors. */
static void start_sharing(int32_t tid, int32_t maker)
{
	struct rn_event *ev;

	world_enter(&w, maker, maker, "clone");
	ev = world_next(&w, RN_PROCESS_START, tid, tid);
	ev->args[0] = 90;
	ev->args[1] = ev->args[2] = (uint64_t)maker;
	ev->args[3] = CLONE_FILES;
	world_feed(&w);
	world_return(&w, maker, maker, "clone", tid);
}

/* While an accept waits another one forks: the child has not what came to be after that. */
static void test_forked_while_accepting(void)
{
	for (unsigned late = 0; late < 2; late++) {
		struct rn_object_id id = inet_id(302, 80, 4000);
		uint64_t connected = 0, accepted, sent, got;
		struct rn_event *ev;

		open_two(AF_INET);
		start_sharing(C, A);
		accepted = enter(C, "accept4", 3, 0, 0);
		if (late)
			connected = enter(B, "connect", 5, 0x1000, 16);
		start(13, A);
		if (!late)
			connected = enter(B, "connect", 5, 0x1000, 16);
		ev = call_record(RN_SYSCALL_EXIT, C, "accept4", 3, 0, 0, 0);
		id.peer = 301;
		add_object(ev, 6, &id);
		set_result(ev, 6);
		world_feed(&w);
		check_cause(accepted, "connect", connected);
		id = inet_id(301, 4000, 80);
		end_connect(B, &id, 0);
		sent = whole(B, "write", 5, 0, 4, 4);
		got = whole(C, "read", 6, 0, 100, 4);
		check_causes(got, "tcp", !late, 1, &sent);
		CHECK_STR(call_of(got)->incomplete, late ? "untraced" : NULL);
		close_world();
	}
}

/* Which of several calls on one socket has connected it. */
static void test_several_connects(void)
{
	struct rn_object_id id = inet_id(302, 80, 4000);
	uint64_t connected, accepted;

	id.peer = 301;
	/* Begun by the first, asked after by the second. */
	open_two(AF_INET);
	connected = whole(B, "connect", 5, 0x1000, 16, -EINPROGRESS);
	whole(B, "connect", 5, 0x1000, 16, -EALREADY);
	whole(B, "connect", 5, 0x1000, 16, -EISCONN);
	accepted = accept_one(A, 6, &id);
	check_cause(accepted, "connect", connected);
	close_world();
	/* One that was refused is none. */
	open_two(AF_INET);
	whole(B, "connect", 5, 0x1000, 16, -ECONNREFUSED);
	connected = whole(B, "connect", 5, 0x1000, 16, 0);
	accepted = accept_one(A, 6, &id);
	check_cause(accepted, "connect", connected);
	close_world();
	/* Two at once. */
	open_world();
	make_socket(A, AF_INET, SOCK_STREAM, 3, 300);
	start(C, A);
	make_socket(C, AF_INET, SOCK_STREAM, 5, 301);
	start(B, C);
	connected = enter(B, "connect", 5, 0x1000, 16);
	enter(C, "connect", 5, 0x1000, 16);
	accepted = accept_one(A, 6, &id);
	check_causes(accepted, "connect", false, 1, &connected);
	end_connect(B, NULL, 0);
	end_connect(C, NULL, -EISCONN);
	close_world();
}

int main(void)
{
	test_tcp();
	test_accepted_first();
	test_forked_while_accepting();
	test_several_connects();
	test_closed_before_accepted();
	test_inherited_option();
	test_connected_to_itself();
	return check_done();
}
