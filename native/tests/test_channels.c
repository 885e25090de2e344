/* SPDX-License-Identifier: MIT */
/* Bytes between processes: pipes, what ends them, what relays them; and lies. */
#include "channel_world.h"

static void test_pipe(void)
{
	uint64_t first, second, read, both[2];

	open_world();
	make_pipe(A, 3, 4, 100, 0);
	start(B, A);
	first = whole(A, "write", 4, 0, 10, 10);
	read = whole(B, "read", 3, 0, 100, 10);
	check_cause(read, "pipe", first);
	/* It ends before the write that fed it. */
	read = enter(B, "read", 3, 0, 100);
	first = enter(A, "write", 4, 0, 10);
	leave(B, "read", 3, 0, 100, 10);
	leave(A, "write", 4, 0, 10, 10);
	check_cause(read, "pipe", first);
	/* Of two, by lists; a third that wrote nothing. */
	both[0] = whole(A, "writev", 4, 0, 2, 5);
	whole(A, "write", 4, 0, 5, -EAGAIN);
	both[1] = whole(A, "write", 4, 0, 8, 7);
	read = whole(B, "readv", 3, 0, 2, 12);
	check_causes(read, "pipe", true, 2, both);
	/* One's own bytes are no edge. */
	whole(A, "write", 4, 0, 5, 5);
	read = whole(A, "read", 3, 0, 5, 5);
	check_causes(read, "pipe", true, 0, NULL);
	/* Overlapping writers. */
	start(C, A);
	first = enter(A, "write", 4, 0, 5);
	second = whole(C, "write", 4, 0, 5, 5);
	leave(A, "write", 4, 0, 5, 5);
	both[0] = first;
	both[1] = second;
	read = whole(B, "read", 3, 0, 5, 5);
	check_causes(read, "pipe", false, 2, both);
	CHECK(call_of(read)->end > call_of(first)->start);
	CHECK(call_of(read)->end > call_of(second)->start);
	read = whole(B, "read", 3, 0, 5, 5);
	check_causes(read, "pipe", false, 2, both);
	first = whole(C, "write", 4, 0, 5, 5);
	read = whole(B, "read", 3, 0, 5, 5);
	check_cause(read, "pipe", first);
	close_world();
}

static void test_many_causes(void)
{
	uint64_t read;

	open_world();
	make_pipe(A, 3, 4, 100, 0);
	start(B, A);
	for (unsigned i = 0; i < 20; i++)
		whole(A, "write", 4, 0, 1, 1);
	read = whole(B, "read", 3, 0, 100, 20);
	CHECK_INT(call_of(read)->nlinks, RN_CALL_LINKS);
	CHECK_INT(call_of(read)->more_links, 20 - RN_CALL_LINKS);
	close_world();
}

/* A writer that is killed inside its call: how much it wrote nobody knows. */
static void test_killed_writer(void)
{
	uint64_t first, second, read;

	open_world();
	make_pipe(A, 3, 4, 100, 0);
	start(B, A);
	start(C, A);
	first = enter(C, "write", 4, 0, 10);
	world_exit(&w, C, C, 9);
	second = whole(A, "write", 4, 0, 5, 5);
	read = whole(B, "read", 3, 0, 5, 5);
	CHECK_INT(call_of(read)->nlinks, 0);
	CHECK(call_of(read)->end > call_of(first)->start);
	CHECK(call_of(read)->end > call_of(second)->start);
	whole(B, "read", 3, 0, 5, -EAGAIN);
	first = whole(A, "write", 4, 0, 5, 5);
	read = whole(B, "read", 3, 0, 5, 5);
	check_cause(read, "pipe", first);
	close_world();
}

static void test_packets(void)
{
	uint64_t both[2], read;

	open_world();
	make_pipe(A, 3, 4, 100, O_DIRECT);
	start(B, A);
	both[0] = whole(A, "write", 4, 0, 5000, 5000); /* two packets */
	both[1] = whole(A, "write", 4, 0, 10, 10);
	read = whole(B, "read", 3, 0, 3, 3); /* the rest of a packet is thrown away */
	check_cause(read, "pipe", both[0]);
	read = whole(B, "read", 3, 0, 9000, 904);
	check_cause(read, "pipe", both[0]);
	read = whole(B, "read", 3, 0, 9000, 10);
	check_cause(read, "pipe", both[1]);
	/* From packets to bytes: how much of what is there belongs together is not known. */
	whole(A, "fcntl", 4, F_SETFL, 0, 0);
	whole(A, "write", 4, 0, 10, 10);
	read = whole(B, "read", 3, 0, 10, 10);
	CHECK_INT(call_of(read)->nlinks, 0);
	close_world();
}

static void test_end_of_file(void)
{
	uint64_t closed, read;

	open_world();
	make_pipe(A, 3, 4, 100, 0);
	start(B, A);
	whole(B, "close", 4, 0, 0, 0);
	closed = whole(A, "close", 4, 0, 0, 0);
	read = whole(B, "read", 3, 0, 10, 0);
	check_cause(read, "eof", closed);
	/* An entry suffices: the read may end first. */
	make_pipe(A, 5, 6, 101, 0);
	start(C, A);
	whole(C, "close", 6, 0, 0, 0);
	read = enter(C, "read", 5, 0, 10);
	closed = enter(A, "close", 6, 0, 0);
	leave(C, "read", 5, 0, 10, 0);
	leave(A, "close", 6, 0, 0, 0);
	check_cause(read, "eof", closed);
	close_world();

	/* Two at once: each may be the last. */
	open_world();
	make_pipe(A, 3, 4, 100, 0);
	start(B, A);
	start(C, A);
	whole(C, "close", 4, 0, 0, 0);
	closed = enter(A, "close", 4, 0, 0);
	whole(B, "close", 4, 0, 0, 0);
	read = whole(C, "read", 3, 0, 10, 0);
	CHECK_INT(call_of(read)->nlinks, 0);
	leave(A, "close", 4, 0, 0, 0);
	CHECK(call_of(read)->end > call_of(closed)->start);
	close_world();

	/* Both are over when the last one goes; and still going on. */
	for (int over = 0; over < 2; over++) {
		open_world();
		make_pipe(A, 3, 4, 100, 0);
		start(B, A);
		start(C, A);
		enter(A, "close", 4, 0, 0);
		whole(B, "close", 4, 0, 0, 0);
		if (over)
			leave(A, "close", 4, 0, 0, 0);
		closed = whole(C, "close", 4, 0, 0, 0);
		read = whole(B, "read", 3, 0, 10, 0);
		if (over)
			check_cause(read, "eof", closed);
		else
			CHECK_INT(call_of(read)->nlinks, 0);
		close_world();
	}

	/* By the end of the writer, which is recorded after the read. */
	open_world();
	make_pipe(A, 3, 4, 100, 0);
	start(B, A);
	whole(A, "close", 4, 0, 0, 0);
	closed = enter(B, "exit_group", 0, 0, 0);
	read = whole(A, "read", 3, 0, 10, 0);
	world_exit(&w, B, B, 0);
	check_cause(read, "eof", closed);
	close_world();

	/* Killed: no call of it tells, but all that it did was before. */
	open_world();
	make_pipe(A, 3, 4, 100, 0);
	start(B, A);
	whole(A, "close", 4, 0, 0, 0);
	closed = whole(B, "getpid", 0, 0, 0, 1);
	read = whole(A, "read", 3, 0, 10, 0);
	world_exit(&w, B, B, 9);
	CHECK_INT(call_of(read)->nlinks, 1);
	CHECK_STR(call_of(read)->links[0].edge, "eof");
	CHECK(call_of(read)->end > call_of(closed)->end);
	close_world();
}

static void open_fifo(int32_t tid, int32_t fd, uint8_t way, bool whole_call)
{
	const uint64_t flags = way == RN_WAY_READ ? O_RDONLY : O_WRONLY;
	const struct rn_object_id id = {
		.kind = RN_OBJECT_PIPE, .ways = way, .dev_minor = 9, .inode = 700};
	struct rn_event *ev = call_record(whole_call ? RN_SYSCALL : RN_SYSCALL_EXIT, tid, "openat",
					  0, 0x1000, flags, 0);

	add_object(ev, fd, &id);
	set_result(ev, fd);
	world_feed(&w);
	w.seq += whole_call;
}

/* A reader's open that is recorded when the writer has closed it already; and opens after that. */
static void test_fifo_found_again(void)
{
	uint64_t written, closed, read;

	open_world();
	start(B, A);
	enter(A, "openat", 0, 0x1000, O_RDONLY);
	open_fifo(B, 5, RN_WAY_WRITE, true);
	written = whole(B, "write", 5, 0, 10, 10);
	closed = whole(B, "close", 5, 0, 0, 0);
	open_fifo(A, 3, RN_WAY_READ, false);
	read = whole(A, "read", 3, 0, 100, 10);
	check_cause(read, "pipe", written);
	CHECK(!call_of(read)->incomplete);
	read = whole(A, "read", 3, 0, 100, 0);
	check_cause(read, "eof", closed);
	/* What is left may be there still, or not: who opens it had not begun to. */
	open_fifo(B, 5, RN_WAY_WRITE, true);
	written = whole(B, "write", 5, 0, 10, 10);
	whole(B, "close", 5, 0, 0, 0);
	whole(A, "close", 3, 0, 0, 0);
	open_fifo(A, 3, RN_WAY_READ, true);
	read = whole(A, "read", 3, 0, 100, 10);
	CHECK(call_of(read)->end > call_of(written)->start);
	CHECK_INT(call_of(read)->nlinks, 0);
	CHECK(call_of(read)->incomplete);
	close_world();
}

/* The reader who let a writer in was killed in his open: what was written may be thrown away. */
static void test_reader_killed_in_open(void)
{
	for (unsigned late = 0; late < 2; late++) {
		uint64_t written, read;

		open_world();
		start(B, A);
		start(C, A);
		start(13, A);
		enter(A, "openat", 0, 0x1000, O_RDONLY);
		open_fifo(B, 5, RN_WAY_WRITE, true);
		whole(B, "write", 5, 0, 10, 10);
		/* These have begun, and the kernel may come to them only when all have gone. */
		enter(C, "openat", 0, 0x1000, O_RDONLY);
		enter(13, "openat", 0, 0x1000, O_WRONLY);
		whole(B, "close", 5, 0, 0, 0);
		if (!late)
			world_exit(&w, A, A, 9);
		open_fifo(13, 5, RN_WAY_WRITE, false);
		open_fifo(C, 3, RN_WAY_READ, false);
		if (late)
			world_exit(&w, A, A, 9);
		written = whole(13, "write", 5, 0, 10, 10);
		read = whole(C, "read", 3, 0, 10, 10);
		CHECK_INT(call_of(read)->nlinks, 0);
		CHECK_STR(call_of(read)->incomplete, "untraced");
		CHECK(call_of(read)->end > call_of(written)->start);
		close_world();
	}
}

/* One that was killed in its open before: nobody's reader. */
static void test_killed_in_open_before(void)
{
	uint64_t written, read;

	open_world();
	start(B, A);
	start(C, A);
	enter(C, "openat", 0, 0x1000, O_RDONLY);
	world_exit(&w, C, C, 9);
	enter(A, "openat", 0, 0x1000, O_RDONLY);
	open_fifo(B, 5, RN_WAY_WRITE, true);
	written = whole(B, "write", 5, 0, 10, 10);
	whole(B, "close", 5, 0, 0, 0);
	open_fifo(A, 3, RN_WAY_READ, false);
	read = whole(A, "read", 3, 0, 100, 10);
	check_cause(read, "pipe", written);
	close_world();
}

static void test_relays(void)
{
	uint64_t written, spliced, read;

	open_world();
	make_pipe(A, 3, 4, 100, 0);
	make_pipe(A, 5, 6, 101, 0);
	start(B, A);
	start(C, A);
	/* The splice waits, is fed, feeds, and only then ends. */
	call_record(RN_SYSCALL_ENTER, B, "splice", 3, 0, 6, 0)->args[4] = 100;
	world_feed(&w);
	spliced = w.seq;
	for (unsigned i = 0; i < 30; i++)
		whole(A, "getpid", 0, 0, 0, 1);
	written = whole(A, "write", 4, 0, 10, 10);
	read = whole(C, "read", 5, 0, 10, 10);
	check_cause(read, "pipe", spliced);
	CHECK(call_of(read)->end > call_of(written)->start);
	call_record(RN_SYSCALL_EXIT, B, "splice", 3, 0, 6, 0)->args[4] = 100;
	set_result((struct rn_event *)w.record, 10);
	world_feed(&w);
	check_cause(spliced, "pipe", written);
	/* What tee copied is there still. */
	written = whole(A, "write", 4, 0, 10, 10);
	spliced = whole(B, "tee", 3, 6, 100, 10);
	check_cause(spliced, "pipe", written);
	read = whole(C, "read", 5, 0, 10, 10);
	check_cause(read, "pipe", spliced);
	read = whole(C, "read", 3, 0, 10, 10);
	check_cause(read, "pipe", written);
	close_world();
}

static void test_ready(void)
{
	struct pollfd_like {
		int32_t fd;
		int16_t events, revents;
	} fds[1] = {{3, 1, 1}};
	struct rn_event *ev;
	uint64_t written, polled;

	open_world();
	make_pipe(A, 3, 4, 100, 0);
	start(B, A);
	for (unsigned i = 0; i < 30; i++)
		whole(A, "getpid", 0, 0, 0, 1);
	written = whole(A, "write", 4, 0, 10, 10);
	ev = call_record(RN_SYSCALL, B, "poll", 0x1000, 1, 0, 0);
	record_piece(ev, RN_PIECE_STRUCT, 0, RN_PIECE_AT_EXIT, fds, sizeof(fds));
	polled = feed_whole(ev, 1);
	check_causes(polled, "ready", false, 0, NULL);
	CHECK(call_of(polled)->end > call_of(written)->start);
	close_world();
}

/* Records were lost: what was there before is not certain, what comes anew is. */
static void test_losses(void)
{
	struct rn_event *ev;
	uint64_t read;

	open_world();
	make_pipe(A, 3, 4, 100, 0);
	start(B, A);
	whole(A, "write", 4, 0, 10, 10);
	ev = world_next(&w, RN_GAP, 0, 0);
	ev->args[0] = 1;
	world_feed(&w);
	read = whole(B, "read", 3, 0, 10, 10);
	CHECK_INT(call_of(read)->nlinks, 0);
	close_world();
}

/* Results, descriptors and pieces that no kernel gives. */
static void test_lies(void)
{
	struct rng rng = test_rng();
	static const char *const names[] = {
		"read",     "write",    "recvmsg",  "sendmsg",  "splice",     "tee",      "sendto",
		"recvfrom", "accept",   "connect",  "shutdown", "epoll_wait", "close",    "dup2",
		"vmsplice", "sendmmsg", "recvmmsg", "poll",     "select",     "epoll_ctl"};

	open_world();
	make_pipe(A, 0, 1, 100, 0);
	make_pair(A, SOCK_STREAM, 2, 3, 200);
	make_pair(A, SOCK_DGRAM, 4, 5, 300);
	start(B, A);
	start(C, B);
	for (unsigned i = 0; i < 3000; i++) {
		const char *name = names[rng_below(&rng, sizeof(names) / sizeof(names[0]))];
		int32_t tid = A + (int32_t)rng_below(&rng, 3);
		enum rn_kind kind = (enum rn_kind)(1 + rng_below(&rng, 3));
		struct rn_event *ev =
			call_record(kind, tid, name, rng_below(&rng, 7), rng_below(&rng, 7),
				    rng_below(&rng, 7), rng_next(&rng) >> rng_below(&rng, 64));
		uint8_t junk[64];

		for (unsigned k = 0; k < sizeof(junk); k++)
			junk[k] = (uint8_t)rng_next(&rng);
		ev->args[4] = rng_next(&rng) >> rng_below(&rng, 64);
		record_piece(ev, RN_PIECE_STRUCT, rng_below(&rng, 5),
			     rng_below(&rng, 2) ? RN_PIECE_AT_EXIT : 0, junk,
			     rng_below(&rng, sizeof(junk)));
		set_result(ev, (int64_t)(rng_next(&rng) >> rng_below(&rng, 64)) -
				       (int64_t)rng_below(&rng, 2000));
		ev->flags |= rng_below(&rng, 16) ? 0 : RN_FLAG_UNFINISHED;
		world_feed(&w);
		w.seq += kind == RN_SYSCALL;
		if (told.ncalls > EDGES_MAX / 2 || told.nedges > EDGES_MAX / 2)
			told.ncalls = told.nedges = 0;
	}
	close_world();
}

int main(void)
{
	test_pipe();
	test_many_causes();
	test_killed_writer();
	test_packets();
	test_end_of_file();
	test_fifo_found_again();
	test_reader_killed_in_open();
	test_killed_in_open_before();
	test_relays();
	test_ready();
	test_losses();
	test_lies();
	return check_done();
}
