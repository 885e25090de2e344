/* SPDX-License-Identifier: MIT */
/* Descriptor tables: sockets, socketcall, pidfds. */
#include "object_world.h"

static struct rn_event *socketcall(struct world *w, uint64_t which, int64_t result)
{
	struct rn_event *ev = fd_event(w, RN_SYSCALL, MAIN, "read", which, 0x1000, 0, 0, result);

	ev->abi = RN_ABI_I386;
	ev->nr = rn_syscall_number(RN_ABI_I386, "socketcall");
	return ev;
}

/* Its arguments are in memory, which no record has. */
static void test_socketcalls(void)
{
	struct rn_object_id id = {.kind = RN_OBJECT_SOCKET, .family = AF_UNIX, .inode = 70};
	struct world *w = malloc(sizeof(*w));
	struct closings closings;
	struct object *pipe;
	struct rn_event *ev;

	begin(w, &closings);
	ev = socketcall(w, 8, 0); /* socketpair */
	id.peer = 71;
	fd_piece(ev, 3, &id, RN_PIECE_AT_EXIT);
	id.inode = 71;
	id.peer = 70;
	fd_piece(ev, 4, &id, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK_INT(object_of(w, MAIN, 3)->id.inode, 70);
	CHECK(object_of(w, MAIN, 3)->peer == object_of(w, MAIN, 4));
	fd_pipe(w, MAIN, 5, 6, 0, 80);
	pipe = object_of(w, MAIN, 5);
	CHECK(!pipe->foreign);
	socketcall(w, 16, 1); /* sendmsg: of what, nobody knows */
	world_feed(w);
	CHECK(pipe->foreign);
	ev = socketcall(w, 17, 1); /* recvmsg */
	fd_piece(ev, 7, &pipe->id, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK(object_of(w, MAIN, 7) == pipe);
	socketcall(w, 1, 8); /* socket: nothing is told of it */
	world_feed(w);
	CHECK(object_of(w, MAIN, 8)->foreign);
	ev = socketcall(w, 3, 0); /* connect */
	id.inode = 90;
	id.peer = 0;
	fd_piece(ev, 8, &id, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK_INT(object_of(w, MAIN, 8)->id.inode, 90);
	end(w);
	free(w);
}

static void test_pidfds(void)
{
	struct world *w = malloc(sizeof(*w));
	struct closings closings;
	struct object *pipe;
	struct rn_event *ev;
	const struct rn_object_id told = {.kind = RN_OBJECT_PIDFD, .peer = 17};
	const uint64_t args[11] = {CLONE_PIDFD | CLONE_VFORK, 0x1000};

	begin(w, &closings);
	ev = fd_event(w, RN_SYSCALL_ENTER, MAIN, "clone3", 0x1000, 88, 0, 0, 0);
	record_piece(ev, RN_PIECE_STRUCT, 0, 0, args, sizeof(args));
	world_feed(w);
	fd_start(w, 200, 200, MAIN, args[0]);
	ev = fd_event(w, RN_SYSCALL_EXIT, MAIN, "clone3", 0x1000, 88, 0, 0, 17);
	fd_piece(ev, 8, &told, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK(object_of(w, MAIN, 8) && is_cloexec(w, MAIN, 8));
	CHECK_INT(object_of(w, MAIN, 8)->id.kind, RN_OBJECT_PIDFD);
	/* By the tracer's number, whatever the caller's namespace says. */
	CHECK_INT(object_of(w, MAIN, 8)->id.peer, 200);
	fd_pipe(w, 200, 3, 4, 0, 0);
	pipe = object_of(w, 200, 4);
	fd_call(w, MAIN, "pidfd_getfd", 8, 4, 0, 9);
	CHECK(object_of(w, MAIN, 9) == pipe && is_cloexec(w, MAIN, 9));
	CHECK_INT(pipe->writers, 2);
	CHECK(!pipe->foreign);
	/* Of a process that is not known, it may be anything. */
	fd_call(w, MAIN, "pidfd_open", 4, 0, 0, 10);
	fd_call(w, MAIN, "pidfd_getfd", 10, 4, 0, 11);
	CHECK(object_of(w, MAIN, 11) != pipe && object_of(w, MAIN, 11)->foreign);
	CHECK(pipe->foreign);
	end(w);
	free(w);
}

static void test_connections(void)
{
	struct world *w = malloc(sizeof(*w));
	struct closings closings;
	struct rn_object_id a = {.kind = RN_OBJECT_SOCKET,
				 .family = AF_INET6,
				 .type = SOCK_STREAM,
				 .known = RN_OBJECT_HAS_LOCAL | RN_OBJECT_HAS_PEER,
				 .inode = 900,
				 .port = 5000,
				 .peer_port = 80,
				 .address = {[10] = 0xff, 0xff, 127, 0, 0, 1},
				 .peer_address = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
	struct rn_object_id b = {.kind = RN_OBJECT_SOCKET,
				 .family = AF_INET,
				 .type = SOCK_STREAM,
				 .known = RN_OBJECT_HAS_LOCAL | RN_OBJECT_HAS_PEER,
				 .inode = 901,
				 .port = 80,
				 .peer_port = 5000,
				 .address = {127, 0, 0, 1},
				 .peer_address = {127, 0, 0, 1}};
	struct rn_event *ev;

	begin(w, &closings);
	fd_call(w, MAIN, "socket", AF_INET6, SOCK_STREAM, 0, 3);
	fd_call(w, MAIN, "socket", AF_INET, SOCK_STREAM, 0, 4);
	ev = fd_event(w, RN_SYSCALL, MAIN, "connect", 3, 0x1000, 28, 0, -115);
	fd_piece(ev, 3, &a, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK(!object_of(w, MAIN, 3)->peer);
	ev = fd_event(w, RN_SYSCALL, MAIN, "accept", 4, 0, 0, 0, 5);
	fd_piece(ev, 5, &b, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK(object_of(w, MAIN, 3)->peer == object_of(w, MAIN, 5));
	CHECK(object_of(w, MAIN, 5)->peer == object_of(w, MAIN, 3));
	fd_call(w, MAIN, "close", 3, 0, 0, 0);
	CHECK(!object_of(w, MAIN, 5)->peer);
	fd_socketpair(w, MAIN, 6, 7, 0);
	CHECK(object_of(w, MAIN, 6)->peer == object_of(w, MAIN, 7));
	fd_socketpair(w, MAIN, 8, 9, 300);
	CHECK(object_of(w, MAIN, 9)->peer == object_of(w, MAIN, 8));
	end(w);
	free(w);
}

int main(void)
{
	test_socketcalls();
	test_pidfds();
	test_connections();
	return check_done();
}
