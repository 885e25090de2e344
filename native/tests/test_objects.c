/* SPDX-License-Identifier: MIT */
/* Descriptor tables: what every call does to them, and what is not known. */
#include <linux/close_range.h>
#include <sys/ioctl.h>

#include "object_world.h"

/* An engine that does not capture what a call wrote tells which object each new one is. */
static void test_told_by_identities_alone(void)
{
	struct world *w = malloc(sizeof(*w));
	struct rn_object_id id = {
		.kind = RN_OBJECT_PIPE, .inode = 7, .dev_minor = 13, .ways = RN_WAY_WRITE};
	struct closings closings;
	struct rn_event *ev;
	struct object *pipe;

	begin(w, &closings);
	fd_pipe_told(w, MAIN, 3, 4, 0, 7, false);
	pipe = object_of(w, MAIN, 3);
	CHECK(pipe && pipe == object_of(w, MAIN, 4));
	CHECK_INT(pipe->readers, 1);
	CHECK_INT(pipe->writers, 1);
	ev = fd_event(w, RN_SYSCALL, MAIN, "recvmsg", 9, 0x1000, 0, 0, 1);
	fd_piece(ev, 5, &id, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK(object_of(w, MAIN, 5) == pipe);
	CHECK_INT(pipe->writers, 2);
	/* Neither is told. */
	fd_pipe_told(w, MAIN, 20, 21, 0, 0, false);
	CHECK(!object_of(w, MAIN, 20) && !object_of(w, MAIN, 21));
	end(w);
	free(w);
}

static void test_pipe_and_copies(void)
{
	struct world *w = malloc(sizeof(*w));
	struct closings closings;
	struct object *pipe;

	begin(w, &closings);
	fd_pipe(w, MAIN, 3, 4, O_CLOEXEC, 0);
	pipe = object_of(w, MAIN, 3);
	CHECK(pipe && pipe == object_of(w, MAIN, 4));
	CHECK_INT(pipe->id.kind, RN_OBJECT_PIPE);
	CHECK(!pipe->foreign);
	CHECK_INT(pipe->readers, 1);
	CHECK_INT(pipe->writers, 1);
	CHECK(is_cloexec(w, MAIN, 3) && is_cloexec(w, MAIN, 4));
	fd_call(w, MAIN, "dup", 4, 0, 0, 5);
	CHECK(object_of(w, MAIN, 5) == pipe && !is_cloexec(w, MAIN, 5));
	fd_call(w, MAIN, "dup2", 4, 1, 0, 1);
	CHECK(object_of(w, MAIN, 1) == pipe);
	fd_call(w, MAIN, "dup3", 4, 9, O_CLOEXEC, 9);
	CHECK(is_cloexec(w, MAIN, 9));
	fd_call(w, MAIN, "fcntl", 3, F_DUPFD, 100, 100);
	fd_call(w, MAIN, "fcntl", 3, F_DUPFD_CLOEXEC, 200, 200);
	CHECK(!is_cloexec(w, MAIN, 100) && is_cloexec(w, MAIN, 200));
	CHECK_INT(pipe->readers, 3);
	CHECK_INT(pipe->writers, 4);
	CHECK_INT(pipe->users, 7);
	fd_call(w, MAIN, "fcntl", 100, F_SETFD, FD_CLOEXEC, 0);
	CHECK(is_cloexec(w, MAIN, 100));
	fd_call(w, MAIN, "ioctl", 100, FIONCLEX, 0, 0);
	CHECK(!is_cloexec(w, MAIN, 100));
	fd_call(w, MAIN, "ioctl", 100, FIOCLEX, 0, 0);
	CHECK(is_cloexec(w, MAIN, 100));
	/* Failures change nothing. */
	fd_call(w, MAIN, "dup", 4, 0, 0, -24);
	fd_call(w, MAIN, "dup2", 77, 1, 0, -9);
	fd_call(w, MAIN, "dup3", 4, 4, 0, -22);
	fd_call(w, MAIN, "dup2", 4, 4, 0, 4);
	CHECK_INT(pipe->users, 7);
	CHECK_INT(closings.n, 0);
	/* To the last. */
	fd_call(w, MAIN, "close_range", 4, 50, 0, 0);
	CHECK(!object_of(w, MAIN, 4) && !object_of(w, MAIN, 9));
	CHECK_INT(pipe->writers, 1);
	fd_call(w, MAIN, "close", 1, 0, 0, 0);
	CHECK_INT(closings.n, 1);
	CHECK_INT(closings.ways[0], RN_WAY_WRITE);
	CHECK_INT(closings.number[0], pipe->number);
	fd_call(w, MAIN, "close_range", 0, UINT32_MAX, CLOSE_RANGE_CLOEXEC, 0);
	CHECK(is_cloexec(w, MAIN, 3) && object_of(w, MAIN, 3));
	fd_call(w, MAIN, "close_range", 0, UINT32_MAX, 0, 0);
	CHECK_INT(closings.n, 2);
	CHECK_INT(closings.ways[1], RN_WAY_READ);
	CHECK(!object_of(w, MAIN, 3));
	end(w);
	free(w);
}

/* What dup2 replaces closes at its entry, and comes back if it fails. */
static void test_replaced(void)
{
	struct world *w = malloc(sizeof(*w));
	struct closings closings;
	struct object *first, *second;

	begin(w, &closings);
	fd_pipe(w, MAIN, 3, 4, 0, 7000);
	fd_pipe(w, MAIN, 5, 6, 0, 7001);
	first = object_of(w, MAIN, 3);
	second = object_of(w, MAIN, 5);
	fd_enter(w, MAIN, "dup2", 6, 4, 0);
	CHECK_INT(closings.n, 1);
	CHECK_INT(closings.number[0], first->number);
	CHECK(!object_of(w, MAIN, 4));
	fd_return(w, MAIN, "dup2", 6, 4, 0, -16);
	CHECK(object_of(w, MAIN, 4) == first);
	CHECK_INT(first->writers, 1);
	fd_call(w, MAIN, "dup2", 6, 4, 0, 4);
	CHECK(object_of(w, MAIN, 4) == second);
	CHECK_INT(first->writers, 0);
	CHECK_INT(second->writers, 2);
	/* Of what a descriptor stands for that was never seen nothing is known. */
	fd_call(w, MAIN, "dup2", 40, 4, 0, 4);
	CHECK(!object_of(w, MAIN, 4));
	CHECK_INT(second->writers, 1);
	end(w);
	free(w);
}

static void test_close_at_entry(void)
{
	struct world *w = malloc(sizeof(*w));
	struct closings closings;
	struct object *pipe;

	begin(w, &closings);
	fd_pipe(w, MAIN, 3, 4, 0, 0);
	fd_clone(w, MAIN, 101, MAIN, CLONE_FILES | CLONE_THREAD | CLONE_VM);
	pipe = object_of(w, MAIN, 3);
	CHECK(object_of(w, 101, 3) == pipe);
	/* A dup that began before means what it was then. */
	fd_enter(w, 101, "dup", 4, 0, 0);
	fd_enter(w, MAIN, "close", 4, 0, 0);
	CHECK(!object_of(w, 101, 4));
	CHECK_INT(closings.n, 1);
	fd_return(w, 101, "dup", 4, 0, 0, 7);
	CHECK(object_of(w, MAIN, 7) == pipe && !pipe->foreign);
	CHECK_INT(pipe->writers, 1);
	fd_return(w, MAIN, "close", 4, 0, 0, 0);
	/* Another's number meanwhile: which of the two it was is not known. */
	fd_enter(w, 101, "dup", 7, 0, 0);
	fd_enter(w, MAIN, "close", 7, 0, 0);
	fd_return(w, MAIN, "close", 7, 0, 0, 0);
	fd_pipe(w, MAIN, 7, 8, 0, 0);
	fd_return(w, 101, "dup", 7, 0, 0, 9);
	CHECK(!object_of(w, MAIN, 9));
	CHECK(object_of(w, MAIN, 7)->foreign && object_of(w, MAIN, 8)->foreign);
	end(w);
	free(w);
}

static void test_fork_exec(void)
{
	struct world *w = malloc(sizeof(*w));
	struct closings closings;
	struct object *pipe;

	begin(w, &closings);
	fd_pipe(w, MAIN, 3, 4, O_CLOEXEC, 0);
	pipe = object_of(w, MAIN, 3);
	fd_clone(w, MAIN, 200, 200, 17);
	CHECK(object_of(w, 200, 3) == pipe && object_of(w, 200, 4) == pipe);
	CHECK_INT(pipe->writers, 2);
	CHECK(!pipe->foreign);
	fd_call(w, 200, "dup2", 4, 1, 0, 1);
	fd_call(w, MAIN, "close", 4, 0, 0, 0);
	CHECK(object_of(w, 200, 4) == pipe);
	/* An exec's entry closes, an exec that fails does not. */
	fd_enter(w, 200, "execve", 0, 0, 0);
	CHECK(!object_of(w, 200, 4) && object_of(w, 200, 1) == pipe);
	fd_return(w, 200, "execve", 0, 0, 0, -2);
	CHECK(object_of(w, 200, 4) == pipe && is_cloexec(w, 200, 4));
	fd_enter(w, 200, "execve", 0, 0, 0);
	world_exec(w, 200, 200, "/bin/x", RN_CONTEXT_NONE, NULL);
	fd_return(w, 200, "execve", 0, 0, 0, 0);
	CHECK(!object_of(w, 200, 3) && !object_of(w, 200, 4));
	CHECK(object_of(w, 200, 1) == pipe);
	CHECK_INT(pipe->writers, 1);
	CHECK_INT(closings.n, 0);
	/* The end of a process closes what it had, at its last call. */
	fd_enter(w, 200, "exit_group", 0, 0, 0);
	CHECK_INT(closings.n, 1);
	CHECK_INT(closings.ways[0], RN_WAY_WRITE);
	world_exit(w, 200, 200, 0);
	CHECK_INT(pipe->writers, 0);
	CHECK_INT(pipe->readers, 1);
	end(w);
	free(w);
}

static void test_shared_and_unshared(void)
{
	struct world *w = malloc(sizeof(*w));
	struct closings closings;
	struct object *pipe;

	begin(w, &closings);
	fd_clone(w, MAIN, 101, MAIN, CLONE_FILES | CLONE_THREAD);
	fd_clone(w, MAIN, 300, 300, CLONE_FILES);
	fd_pipe(w, 101, 3, 4, 0, 0);
	pipe = object_of(w, MAIN, 3);
	CHECK(object_of(w, 300, 4) == pipe);
	CHECK_INT(pipe->users, 2);
	fd_call(w, 300, "unshare", CLONE_FILES, 0, 0, 0);
	CHECK_INT(pipe->users, 4);
	fd_call(w, MAIN, "close", 3, 0, 0, 0);
	CHECK(!object_of(w, 101, 3) && object_of(w, 300, 3) == pipe);
	/* A thread alone leaves its process's table. */
	fd_call(w, 101, "close_range", 4, 4, CLOSE_RANGE_UNSHARE, 0);
	CHECK(!object_of(w, 101, 4) && object_of(w, MAIN, 4) == pipe);
	/* An exec has a table of its own. */
	fd_clone(w, 300, 400, 400, CLONE_FILES);
	world_exec(w, 400, 400, "/bin/x", RN_CONTEXT_NONE, NULL);
	fd_call(w, 400, "close", 3, 0, 0, 0);
	CHECK(object_of(w, 300, 3) == pipe);
	CHECK(!pipe->foreign);
	/* A thread that ends leaves the table to the others. */
	world_exit(w, 101, MAIN, 0);
	CHECK(object_of(w, MAIN, 4) == pipe);
	end(w);
	free(w);
}

/* Whether a copy of the table has what changed while it was made is not known. */
static void test_changes_during_a_fork(void)
{
	struct world *w = malloc(sizeof(*w));
	struct closings closings;

	begin(w, &closings);
	fd_clone(w, MAIN, 101, MAIN, CLONE_FILES | CLONE_THREAD);
	fd_pipe(w, MAIN, 3, 4, 0, 0);
	fd_pipe(w, MAIN, 5, 6, 0, 0);
	fd_enter(w, 101, "fork", 0, 0, 0);
	fd_call(w, MAIN, "close", 4, 0, 0, 0);
	CHECK(object_of(w, MAIN, 3)->foreign);
	fd_pipe(w, MAIN, 7, 8, 0, 0);
	CHECK(object_of(w, MAIN, 7)->foreign);
	fd_enter(w, MAIN, "close", 6, 0, 0);
	fd_start(w, 500, 500, 101, 0);
	fd_return(w, MAIN, "close", 6, 0, 0, 0);
	CHECK(object_of(w, MAIN, 5)->foreign);
	fd_pipe(w, MAIN, 9, 10, 0, 0);
	CHECK(!object_of(w, MAIN, 9)->foreign); /* after the copy */
	fd_return(w, 101, "fork", 0, 0, 0, 500);
	/* An open that the copy fell into. */
	fd_enter(w, MAIN, "pipe2", 0x1000, 0, 0);
	fd_clone(w, 101, 501, 501, 0);
	{
		const int32_t fds[2] = {11, 12};
		struct rn_event *ev =
			fd_event(w, RN_SYSCALL_EXIT, MAIN, "pipe2", 0x1000, 0, 0, 0, 0);

		record_piece(ev, RN_PIECE_STRUCT, 0, RN_PIECE_AT_EXIT, fds, sizeof(fds));
		world_feed(w);
	}
	CHECK(object_of(w, MAIN, 11)->foreign);
	CHECK(!object_of(w, MAIN, 9)->foreign);
	/* A receive takes nothing away: the child has what its maker has. */
	fd_enter(w, MAIN, "recvmsg", 9, 0, 0);
	fd_clone(w, 101, 502, 502, 0);
	fd_return(w, MAIN, "recvmsg", 9, 0, 0, 0);
	CHECK(!object_of(w, MAIN, 9)->foreign);
	CHECK(object_of(w, 502, 9) == object_of(w, MAIN, 9));
	/* A child that nobody follows has all of it. */
	fd_call(w, MAIN, "fork", 0, 0, 0, 600);
	CHECK(object_of(w, MAIN, 9)->foreign);
	end(w);
	free(w);
}

static void test_found_and_inherited(void)
{
	struct world *w = malloc(sizeof(*w));
	struct rn_object_id pipe = {.kind = RN_OBJECT_PIPE, .inode = 55, .ways = RN_WAY_WRITE};
	struct rn_object_id file = {.kind = RN_OBJECT_FILE, .inode = 55, .ways = RN_WAY_READ};
	struct rn_event *ev;

	world_open(w);
	for (int32_t pid = 10; pid <= 11; pid++) {
		ev = world_next(w, RN_PROCESS_START, pid, pid);
		ev->args[0] = (uint64_t)pid;
		ev->args[4] = RN_BIRTH_ATTACH;
		fd_piece(ev, 1, &pipe, 0);
		fd_piece(ev, 0, &file, RN_PIECE_CLOEXEC);
		world_feed(w);
	}
	CHECK(object_of(w, 10, 1) && object_of(w, 10, 1) == object_of(w, 11, 1));
	CHECK(object_of(w, 10, 1) != object_of(w, 10, 0));
	CHECK(object_of(w, 10, 1)->foreign && !object_of(w, 10, 1)->named);
	CHECK_INT(object_of(w, 10, 1)->writers, 2);
	CHECK(is_cloexec(w, 11, 0) && !is_cloexec(w, 11, 1));
	/* The same FIFO, opened twice by its name. */
	pipe.inode = 66;
	for (int32_t pid = 10; pid <= 11; pid++) {
		ev = fd_event(w, RN_SYSCALL, pid, "openat", 0, 0x1000, O_RDWR | O_CLOEXEC, 0, 7);
		pipe.ways = RN_WAY_READ | RN_WAY_WRITE;
		fd_piece(ev, 7, &pipe, RN_PIECE_AT_EXIT);
		world_feed(w);
	}
	CHECK(object_of(w, 10, 7) == object_of(w, 11, 7));
	CHECK(object_of(w, 10, 7)->foreign && object_of(w, 10, 7)->named);
	CHECK(is_cloexec(w, 11, 7));
	CHECK_INT(object_of(w, 10, 7)->readers, 2);
	world_finish(w);
	world_close(w);
	free(w);
}

static void test_makers(void)
{
	static const struct {
		const char *name;
		uint64_t a, b, c, d;
		uint8_t kind;
		bool cloexec;
	} cases[] = {
		{"open", 0, O_RDONLY | O_CLOEXEC, 0, 0, RN_OBJECT_OTHER, true},
		{"creat", 0, 0, 0, 0, RN_OBJECT_OTHER, false},
		{"socket", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, RN_OBJECT_SOCKET, true},
		{"accept", 3, 0, 0, 0, RN_OBJECT_SOCKET, false},
		{"accept4", 3, 0, 0, SOCK_CLOEXEC, RN_OBJECT_SOCKET, true},
		{"eventfd2", 0, O_CLOEXEC | 1, 0, 0, RN_OBJECT_EVENTFD, true},
		{"eventfd", 0, O_CLOEXEC, 0, 0, RN_OBJECT_EVENTFD, false},
		{"epoll_create1", O_CLOEXEC, 0, 0, 0, RN_OBJECT_OTHER, true},
		{"timerfd_create", 0, 0, 0, 0, RN_OBJECT_OTHER, false},
		{"memfd_create", 0, 1, 0, 0, RN_OBJECT_FILE, true},
		{"pidfd_open", 1, 0, 0, 0, RN_OBJECT_PIDFD, true},
		{"inotify_init1", 0, 0, 0, 0, RN_OBJECT_OTHER, false},
		{"mq_open", 0, O_RDWR, 0, 0, RN_OBJECT_MQUEUE, true},
		{"signalfd4", (uint32_t)-1, 0, 8, O_CLOEXEC, RN_OBJECT_SIGNALFD, true},
		{"userfaultfd", 0, 0, 0, 0, RN_OBJECT_OTHER, false},
	};
	struct world *w = malloc(sizeof(*w));
	struct closings closings;

	begin(w, &closings);
	for (int32_t i = 0; i < (int32_t)(sizeof(cases) / sizeof(cases[0])); i++) {
		int32_t fd = 10 + i;

		fd_event(w, RN_SYSCALL, MAIN, cases[i].name, cases[i].a, cases[i].b, cases[i].c,
			 cases[i].d, fd);
		world_feed(w);
		CHECK(object_of(w, MAIN, fd));
		CHECK_INT(object_of(w, MAIN, fd)->id.kind, cases[i].kind);
		CHECK_INT(is_cloexec(w, MAIN, fd), cases[i].cloexec);
		for (int32_t other = 10; other < fd; other++)
			CHECK(object_of(w, MAIN, other) != object_of(w, MAIN, fd));
	}
	CHECK_INT(object_of(w, MAIN, 15)->id.more, 1); /* a semaphore */
	/* The same signalfd with another mask is no new one. */
	fd_call(w, MAIN, "close", 23, 0, 0, 0);
	fd_event(w, RN_SYSCALL, MAIN, "signalfd4", 23, 0, 8, 0, 23);
	world_feed(w);
	CHECK(!object_of(w, MAIN, 23));
	/* A ring of io_uring opens and closes on its own. */
	fd_call(w, MAIN, "io_uring_setup", 8, 0x1000, 0, 30);
	fd_call(w, MAIN, "eventfd", 0, 0, 0, 31);
	CHECK(!object_of(w, MAIN, 10) && !object_of(w, MAIN, 31));
	end(w);
	free(w);
}

/* An engine that captures no memory tells of objects all the same. */
static void test_pairs_by_their_objects(void)
{
	struct rn_object_id id = {.kind = RN_OBJECT_PIPE, .inode = 5, .ways = RN_WAY_READ};
	struct world *w = malloc(sizeof(*w));
	struct closings closings;
	struct rn_event *ev;

	begin(w, &closings);
	ev = fd_event(w, RN_SYSCALL, MAIN, "pipe2", 0x1000, O_CLOEXEC, 0, 0, 0);
	fd_piece(ev, 3, &id, RN_PIECE_AT_EXIT);
	id.ways = RN_WAY_WRITE;
	fd_piece(ev, 4, &id, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK(object_of(w, MAIN, 3) && object_of(w, MAIN, 3) == object_of(w, MAIN, 4));
	CHECK(is_cloexec(w, MAIN, 3) && !object_of(w, MAIN, 3)->foreign);
	CHECK_INT(object_of(w, MAIN, 3)->readers, 1);
	CHECK_INT(object_of(w, MAIN, 3)->writers, 1);
	ev = fd_event(w, RN_SYSCALL, MAIN, "socketpair", AF_UNIX, SOCK_STREAM, 0, 0x1000, 0);
	id.kind = RN_OBJECT_SOCKET;
	fd_piece(ev, 5, &id, RN_PIECE_AT_EXIT);
	id.inode = 6;
	fd_piece(ev, 6, &id, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK(object_of(w, MAIN, 5)->peer == object_of(w, MAIN, 6));
	/* One alone is no pair. */
	ev = fd_event(w, RN_SYSCALL, MAIN, "pipe2", 0x1000, 0, 0, 0, 0);
	fd_piece(ev, 7, &id, RN_PIECE_AT_EXIT);
	world_feed(w);
	CHECK(!object_of(w, MAIN, 7));
	end(w);
	free(w);
}

static void test_losses_and_filters(void)
{
	uint64_t wanted[RN_ABI_COUNT * RN_ABI_WORDS];
	struct world *w = malloc(sizeof(*w));
	struct closings closings;
	struct object *held;

	CHECK(rn_objects_are_followed(NULL));
	memset(wanted, 0xff, sizeof(wanted));
	CHECK(rn_objects_are_followed(wanted));
	wanted[RN_ABI_X86_64 * RN_ABI_WORDS] &= ~(1ull << 3); /* close */
	CHECK(!rn_objects_are_followed(wanted));

	begin(w, &closings);
	fd_pipe(w, MAIN, 3, 4, 0, 12);
	held = rn_object_hold(object_of(w, MAIN, 3));
	world_next(w, RN_GAP, 0, 0)->args[0] = 1;
	world_feed(w);
	CHECK(!object_of(w, MAIN, 3) && held->foreign);
	CHECK_INT(closings.n, 0); /* forgotten is not closed */
	rn_object_put(w->in->objects, held);
	fd_pipe(w, MAIN, 5, 6, 0, 0);
	CHECK(object_of(w, MAIN, 5) && !object_of(w, MAIN, 5)->foreign);
	end(w);
	free(w);
}

int main(void)
{
	test_pipe_and_copies();
	test_told_by_identities_alone();
	test_replaced();
	test_close_at_entry();
	test_fork_exec();
	test_shared_and_unshared();
	test_changes_during_a_fork();
	test_found_and_inherited();
	test_makers();
	test_pairs_by_their_objects();
	test_losses_and_filters();
	return check_done();
}
