/* SPDX-License-Identifier: MIT */
/* Descriptors in messages: SCM_RIGHTS, in order, thrown away, and where nobody can tell. */
#include "fd_world.h"

static void begin(struct world *w)
{
	world_open(w);
	world_start(w, MAIN, MAIN, RN_ORDINAL_COMMAND, 0, 0);
	fd_socketpair(w, MAIN, 3, 4, 0);
	fd_clone(w, MAIN, 200, 200, 0);
}

static void end(struct world *w)
{
	world_finish(w);
	world_close(w);
	free(w);
}

static void eventfds(struct world *w, int32_t first, int32_t last)
{
	for (int32_t fd = first; fd <= last; fd++)
		fd_call(w, MAIN, "eventfd", 0, 0, 0, fd);
}

static void test_in_order(void)
{
	struct world *w = malloc(sizeof(*w));
	const int32_t first[2] = {10, 11}, second[1] = {12}, got[2] = {20, 21}, later[1] = {22};
	struct object *sent[3];

	begin(w);
	eventfds(w, 10, 12);
	for (int32_t i = 0; i < 3; i++)
		sent[i] = object_of(w, MAIN, 10 + i);
	fd_send(w, MAIN, 3, first, 2, 1);
	fd_send(w, MAIN, 3, second, 1, 1);
	CHECK_INT(sent[0]->users, 2);
	fd_call(w, MAIN, "close", 10, 0, 0, 0);
	CHECK_INT(sent[0]->users, 1); /* it lives on, under way */
	fd_receive(w, 200, 4, got, 2, MSG_CMSG_CLOEXEC);
	world_feed(w);
	CHECK(object_of(w, 200, 20) == sent[0] && object_of(w, 200, 21) == sent[1]);
	CHECK(is_cloexec(w, 200, 20));
	/* A look is no receipt. */
	fd_receive(w, 200, 4, later, 1, MSG_PEEK);
	world_feed(w);
	CHECK(object_of(w, 200, 22) == sent[2]);
	fd_receive(w, 200, 4, second, 1, 0);
	world_feed(w);
	CHECK(object_of(w, 200, 12) == sent[2] && !is_cloexec(w, 200, 12));
	for (unsigned i = 0; i < 3; i++)
		CHECK(!sent[i]->foreign);
	CHECK_INT(sent[2]->users, 3);
	end(w);
}

/* The receipt may be recorded before the send's exit; a send that fails sent nothing. */
static void test_under_way(void)
{
	struct world *w = malloc(sizeof(*w));
	const int32_t one[1] = {10}, got[1] = {20};
	struct object *sent;
	struct rn_event *ev;

	begin(w);
	eventfds(w, 10, 10);
	sent = object_of(w, MAIN, 10);
	ev = fd_event(w, RN_SYSCALL_ENTER, MAIN, "sendmsg", 3, 0x1000, 0, 0, 0);
	fd_message(ev, 0, one, 1, 0);
	world_feed(w);
	fd_receive(w, 200, 4, got, 1, 0);
	world_feed(w);
	CHECK(object_of(w, 200, 20) == sent);
	fd_return(w, MAIN, "sendmsg", 3, 0x1000, 0, 1);
	CHECK_INT(sent->users, 2);
	fd_send(w, MAIN, 3, one, 1, -11);
	CHECK_INT(sent->users, 2);
	/* Nobody takes it: it ends with the socket. */
	fd_send(w, MAIN, 3, one, 1, 1);
	CHECK_INT(sent->users, 3);
	fd_call(w, MAIN, "close", 4, 0, 0, 0);
	fd_call(w, 200, "close", 4, 0, 0, 0);
	CHECK_INT(sent->users, 2);
	CHECK(!sent->foreign);
	end(w);
}

/* A read throws away what it meets, or meets nothing: from then on nobody knows. */
static void test_thrown_away(void)
{
	struct world *w = malloc(sizeof(*w));
	const int32_t two[2] = {10, 11}, one[1] = {12}, got[1] = {20};
	struct object *sent;

	begin(w);
	eventfds(w, 10, 12);
	fd_send(w, MAIN, 3, two, 2, 1);
	fd_send(w, MAIN, 3, one, 1, 1);
	sent = object_of(w, MAIN, 12);
	fd_call(w, 200, "read", 4, 0x1000, 1, 1);
	CHECK(sent->foreign && object_of(w, MAIN, 10)->foreign);
	fd_receive(w, 200, 4, got, 1, 0);
	world_feed(w);
	CHECK(object_of(w, 200, 20) && object_of(w, 200, 20) != sent);
	CHECK(object_of(w, 200, 20)->foreign);
	CHECK_INT(sent->users, 1);
	/* The other direction is as it was. */
	fd_call(w, 200, "eventfd", 0, 0, 0, 30);
	{
		const int32_t back[1] = {30}, here[1] = {31};

		fd_send(w, 200, 4, back, 1, 1);
		fd_receive(w, MAIN, 3, here, 1, 0);
		world_feed(w);
		CHECK(object_of(w, MAIN, 31) == object_of(w, 200, 30));
		CHECK(!object_of(w, MAIN, 31)->foreign);
	}
	end(w);
}

/* Where the record says what came, no order is needed. */
static void test_by_identity(void)
{
	struct world *w = malloc(sizeof(*w));
	const int32_t pipe[1] = {11}, got[1] = {20};
	const struct rn_object_id id = {
		.kind = RN_OBJECT_PIPE, .inode = 77, .dev_minor = 13, .ways = RN_WAY_WRITE};
	struct rn_event *ev;

	begin(w);
	fd_pipe(w, MAIN, 10, 11, 0, 77);
	fd_send(w, MAIN, 3, pipe, 1, 1);
	fd_call(w, 200, "read", 4, 0x1000, 1, 1);
	ev = fd_receive(w, 200, 4, got, 1, 0);
	fd_piece(ev, 20, &id, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK(object_of(w, 200, 20) == object_of(w, MAIN, 10));
	CHECK_INT(object_of(w, 200, 20)->writers, 2);
	CHECK_INT(object_of(w, 200, 20)->readers, 1);
	end(w);
}

/* Two receivers, two senders, another end that is not known: no guess. */
static void test_no_order(void)
{
	struct world *w = malloc(sizeof(*w));
	const int32_t one[1] = {10}, other[1] = {11}, got[1] = {20};
	struct rn_event *ev;

	begin(w);
	eventfds(w, 10, 13);
	fd_clone(w, MAIN, 300, 300, 0);
	fd_enter(w, 300, "recvmsg", 4, 0x1000, 0);
	fd_send(w, MAIN, 3, one, 1, 1);
	fd_receive(w, 200, 4, got, 1, 0);
	world_feed(w);
	CHECK(object_of(w, 200, 20) != object_of(w, MAIN, 10));
	CHECK(object_of(w, MAIN, 10)->foreign);
	fd_socketpair(w, MAIN, 5, 6, 0);
	fd_clone(w, MAIN, 400, 400, 0);
	ev = fd_event(w, RN_SYSCALL_ENTER, MAIN, "sendmsg", 5, 0x1000, 0, 0, 0);
	fd_message(ev, 0, other, 1, 0);
	world_feed(w);
	ev = fd_event(w, RN_SYSCALL_ENTER, 400, "sendmsg", 5, 0x1000, 0, 0, 0);
	fd_message(ev, 0, (const int32_t[]){12}, 1, 0);
	world_feed(w);
	CHECK(object_of(w, MAIN, 11)->foreign && object_of(w, MAIN, 12)->foreign);
	fd_call(w, MAIN, "socket", AF_UNIX, SOCK_STREAM, 0, 7);
	fd_send(w, MAIN, 7, (const int32_t[]){13}, 1, 1);
	CHECK(object_of(w, MAIN, 13)->foreign);
	end(w);
}

/* Sockets in messages to each other, in long chains: all of it ends. */
static void test_chains(void)
{
	struct world *w = malloc(sizeof(*w));
	const unsigned n = 2000 * test_scale();

	begin(w);
	for (unsigned i = 0; i < n; i++) {
		fd_socketpair(w, MAIN, 10, 11, 0);
		if (i)
			fd_send(w, MAIN, 10, (const int32_t[]){12, 13}, 2, 1);
		fd_call(w, MAIN, "dup2", 10, 12, 0, 12);
		fd_call(w, MAIN, "dup2", 11, 13, 0, 13);
		fd_call(w, MAIN, "close", 10, 0, 0, 0);
		fd_call(w, MAIN, "close", 11, 0, 0, 0);
	}
	/* One to itself. */
	fd_send(w, MAIN, 12, (const int32_t[]){12, 13}, 2, 1);
	fd_call(w, MAIN, "close", 12, 0, 0, 0);
	fd_call(w, MAIN, "close", 13, 0, 0, 0);
	end(w);
}

int main(void)
{
	test_in_order();
	test_under_way();
	test_thrown_away();
	test_by_identity();
	test_no_order();
	test_chains();
	return check_done();
}
