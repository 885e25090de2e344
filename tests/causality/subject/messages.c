/* SPDX-License-Identifier: MIT */
/* Sends and receipts of words, each the id of the call that sent it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "calls.h"

#define WORDS 512

/* Of the lanes of this process; those of forked ones are copies. */
static uint64_t buffers[LANES][WORDS];

void send_words(unsigned me, const struct op *op)
{
	int fd = all->object[op->object].in, kind = (int)all->object[op->object].kind;
	size_t len = op->n * sizeof(uint64_t);
	struct iovec parts[2] = {{buffers[me], 8}, {buffers[me] + 1, len - 8}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	bool socket = kind >= OBJECT_STREAM && kind <= OBJECT_TCP;
	struct row *row = begin(me, SYS_write, op->object);
	unsigned how = op->how & 3;
	long got;

	for (unsigned i = 0; i < op->n; i++)
		buffers[me][i] = id_of(me, row);
	if (kind == OBJECT_QUEUE) {
		row->nr = SYS_mq_timedsend;
		got = raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0);
		got = got ? got : (long)len;
		end(row, 0);
	} else if (how == 1 && kind != OBJECT_EVENTFD) {
		row->nr = SYS_writev;
		got = end(row, raw(row->nr, fd, (long)parts, 2, 0, 0, 0));
	} else if (how == 2 && socket) {
		row->nr = SYS_sendto;
		got = end(row, raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0));
	} else if (how == 3 && socket) {
		row->nr = SYS_sendmsg;
		got = end(row, raw(row->nr, fd, (long)&message, 0, 0, 0, 0));
	} else {
		got = end(row, raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0));
	}
	if (got != (long)len)
		fail("a send");
}

unsigned receive(unsigned me, const struct op *op, unsigned n)
{
	int fd = all->object[op->object].out, kind = (int)all->object[op->object].kind;
	bool socket = kind >= OBJECT_STREAM && kind <= OBJECT_TCP;
	bool whole = kind == OBJECT_MESSAGES || kind == OBJECT_PACKETS || kind == OBJECT_QUEUE;
	size_t len = (whole || n > WORDS ? WORDS : n) * sizeof(uint64_t);
	struct iovec parts[2] = {{buffers[me], 8}, {buffers[me] + 1, len - 8}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	struct row *row = begin(me, SYS_read, op->object);
	unsigned how = op->how & 3;
	long got;

	if (kind == OBJECT_QUEUE) {
		row->nr = SYS_mq_timedreceive;
		got = raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0);
	} else if (how == 1 && kind != OBJECT_EVENTFD) {
		row->nr = SYS_readv;
		got = raw(row->nr, fd, (long)parts, 2, 0, 0, 0);
	} else if (how == 2 && socket) {
		row->nr = SYS_recvfrom;
		got = raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0);
	} else if (how == 3 && socket) {
		row->nr = SYS_recvmsg;
		got = raw(row->nr, fd, (long)&message, 0, 0, 0, 0);
	} else {
		got = raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0);
	}
	if (got < 0 || got % 8 || (got == 0 && op->kind != OP_DRAIN))
		fail("a receive");
	for (unsigned i = 0; i < got / 8; i++)
		carry(row, buffers[me][i]);
	end(row, got);
	return (unsigned)(got / 8);
}

static uint32_t forks_ended(unsigned me)
{
	return __atomic_load_n(&all->lane[all->lane[me].pid].forks_ended, __ATOMIC_SEQ_CST);
}

/* Since so many had ended. */
static bool was_forked(unsigned me, uint32_t ended)
{
	return __atomic_load_n(&all->lane[all->lane[me].pid].forks_begun, __ATOMIC_SEQ_CST) !=
	       ended;
}

void call(unsigned me, const struct op *op)
{
	struct sockaddr_in there = {.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				    .sin_port = htons((uint16_t)all->object[op->object].in)};
	uint32_t forks = forks_ended(me);
	long fd = LOGGED(me, op->object, SYS_socket, AF_INET, SOCK_STREAM, 0, 0, 0, 0);
	struct row *connected = begin(me, SYS_connect, op->object), *row;

	if (fd < 0 || end(connected, raw(connected->nr, fd, (long)&there, sizeof(there), 0, 0, 0)))
		fail("a connection");
	row = begin(me, SYS_write, op->object);
	buffers[me][0] = id_of(me, row);
	if (end(row, raw(row->nr, fd, (long)buffers[me], 8, 0, 0, 0)) != 8)
		fail("a send");
	LOGGED(me, op->object, SYS_close, fd, 0, 0, 0, 0, 0);
	connected->forked = was_forked(me, forks);
}

/* The word names the write; the call before that was the connect. */
void take_call(unsigned me, const struct op *op)
{
	uint32_t forks = forks_ended(me);
	struct row *accepted = begin(me, SYS_accept4, op->object), *row;
	long fd = end(accepted, raw(accepted->nr, all->object[op->object].out, 0, 0, 0, 0, 0));

	row = begin(me, SYS_read, op->object);
	if (fd < 0 || end(row, raw(row->nr, fd, (long)buffers[me], 8, 0, 0, 0)) != 8)
		fail("a receive");
	carry(row, buffers[me][0]);
	carry(accepted, buffers[me][0] - 1);
	accepted->forked = was_forked(me, forks);
	LOGGED(me, op->object, SYS_close, fd, 0, 0, 0, 0, 0);
}
