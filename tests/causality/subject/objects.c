/* SPDX-License-Identifier: MIT */
/* What is there before the first lane begins. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "calls.h"

static int listener(struct sockaddr_in *here)
{
	socklen_t len = sizeof(*here);
	int from = socket(AF_INET, SOCK_STREAM, 0);

	*here = (struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (from < 0 || bind(from, (struct sockaddr *)here, len) || listen(from, 64) ||
	    getsockname(from, (struct sockaddr *)here, &len))
		fail("a listener");
	return from;
}

static void tcp(int *in, int *out)
{
	struct sockaddr_in here;
	int one = 1, from = listener(&here);

	*in = socket(AF_INET, SOCK_STREAM, 0);
	if (*in < 0 || connect(*in, (struct sockaddr *)&here, sizeof(here)))
		fail("a connection");
	*out = accept(from, NULL, NULL);
	close(from);
	setsockopt(*in, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
}

void make(unsigned i)
{
	int fds[2] = {-1, -1}, type = 0;
	struct mq_attr form = {.mq_maxmsg = 8, .mq_msgsize = 128 * 8};
	struct sockaddr_in here;
	char path[256];

	switch ((enum object)all->object[i].kind) {
	case OBJECT_PIPE:
		type = pipe(fds);
		break;
	case OBJECT_FIFO:
		snprintf(path, sizeof(path), "%.200s/%u", all->folder, i);
		type = mkfifo(path, 0600);
		fds[0] = open(path, O_RDONLY | O_NONBLOCK);
		fds[1] = open(path, O_WRONLY);
		fcntl(fds[0], F_SETFL, 0);
		break;
	case OBJECT_STREAM:
		type = socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
		break;
	case OBJECT_MESSAGES:
		type = socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
		break;
	case OBJECT_PACKETS:
		type = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds);
		break;
	case OBJECT_TCP:
		tcp(&fds[1], &fds[0]);
		break;
	case OBJECT_LISTENER:
		fds[0] = listener(&here);
		fds[1] = ntohs(here.sin_port);
		break;
	case OBJECT_EVENTFD:
		fds[0] = fds[1] = eventfd(0, 0);
		break;
	case OBJECT_QUEUE:
		snprintf(path, sizeof(path), "/causality-%d-%u", (int)getpid(), i);
		fds[0] = fds[1] = mq_open(path, O_RDWR | O_CREAT | O_EXCL, 0600, &form);
		mq_unlink(path);
		/* A descriptor of an exec'd program, too. */
		fcntl(fds[0], F_SETFD, 0);
		break;
	case OBJECT_FLOCK:
	case OBJECT_BYTES:
	case OBJECT_OPEN:
		snprintf(path, sizeof(path), "%.200s/%u", all->folder, i);
		if (close(open(path, O_RDWR | O_CREAT, 0600)))
			fail("a file");
		return;
	case OBJECT_WORD:
	case OBJECT_NONE:
		return;
	}
	if (type || fds[0] < 0 || fds[1] < 0)
		fail("an object");
	all->object[i].out = fds[0];
	all->object[i].in = fds[1];
}
