/* SPDX-License-Identifier: MIT */
/*
 * Does to its descriptors what it is told, in as many processes and threads ("lanes") as it is
 * told: each lane reads orders from a pipe of its own, and answers each on one that all share.
 * `descriptors FOLDER ANSWERS ORDERS…`; the pipes are moved out of the way, up to FIRST.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define LANES 12
#define FIRST 500
#define ANSWERS (FIRST + LANES)
#define STACK 65536

enum op {
	CHECK, DUP, DUP2, DUP3, FCNTL, CLOSE, CLOSE_RANGE, OPEN, PIPE, SOCKETPAIR, EVENTFD, EPOLL,
	MEMFD, PIDFD_OPEN, PIDFD_GETFD, LISTEN, CONNECT, ACCEPT, SEND, RECEIVE, DRAIN, CLONE, CLONE3,
	UNSHARE, EXEC, LEAVE, IOCTL
};

struct order {
	int32_t op, a, b, c;
	int32_t fds[4];
};

struct answer {
	int32_t lane, tid, pid, result;
};

static const char *self, *folder;

static void live(int lane);

static void answer(int lane, long result)
{
	struct answer a = {lane, (int)syscall(SYS_gettid), (int)syscall(SYS_getpid), (int)result};

	if (write(ANSWERS, &a, sizeof(a)) != sizeof(a))
		_exit(1);
}

static int begin(void *lane)
{
	live((int)(intptr_t)lane);
	return 0;
}

static long make(const struct order *o)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int pidfd = -1;

	if (stack == MAP_FAILED)
		return -1;
	/* The pidfd goes where the maker's thread id could. */
	return clone(begin, stack + STACK, o->b, (void *)(intptr_t)o->a, &pidfd, NULL, NULL);
}

static long make3(const struct order *o)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = (uint32_t)o->b, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
	long got = syscall(SYS_clone3, &args, sizeof(args));

	if (got == 0) {
		live(o->a);
		_exit(0);
	}
	return got;
}

static long run_again(int lane)
{
	char number[12];
	char *argv[] = {(char *)self, (char *)folder, "again", number, NULL};

	snprintf(number, sizeof(number), "%d", lane);
	return execve(self, argv, (char *[]){NULL});
}

static long open_one(const struct order *o)
{
	static const char *const names[] = {"one", "two", "fifo", ".", "/dev/null", "none"};
	char path[300];

	snprintf(path, sizeof(path), "%s%s%s", o->a == 4 ? "" : folder, o->a == 4 ? "" : "/",
		 names[o->a]);
	return openat(AT_FDCWD, path, o->b, 0600);
}

static struct sockaddr_un name_of(int number)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/socket%d", folder, number);
	return name;
}

static long listen_at(const struct order *o)
{
	struct sockaddr_un name = name_of(o->b);
	int fd = socket(AF_UNIX, SOCK_STREAM | o->a, 0);

	if (fd < 0 || bind(fd, (void *)&name, sizeof(name)) < 0)
		return -1;
	return listen(fd, 8);
}

static long connect_to(const struct order *o)
{
	struct sockaddr_un name = name_of(o->b);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | o->a, 0);

	return fd < 0 ? fd : connect(fd, (void *)&name, sizeof(name));
}

static long send_fds(const struct order *o)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(o->fds))];
	} control = {.room = {0}};
	struct iovec iov = {"x", 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	size_t size = (size_t)o->b * sizeof(int);

	if (o->b) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(size);
		control.head = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), o->fds, size);
	}
	return sendmsg(o->a, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static long receive_fds(const struct order *o)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	char bytes[16];
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = (size_t)o->c};

	return recvmsg(o->a, &message, MSG_DONTWAIT | o->b);
}

static long done(const struct order *o, int lane)
{
	char byte[16];
	int two[2];

	switch ((enum op)o->op) {
	case CHECK:
		return lseek(-1, o->a, SEEK_SET);
	case DUP:
		return dup(o->a);
	case DUP2:
		return dup2(o->a, o->b);
	case DUP3:
		return dup3(o->a, o->b, o->c);
	case FCNTL:
		return fcntl(o->a, o->b, o->c);
	case CLOSE:
		return close(o->a);
	case CLOSE_RANGE:
		return syscall(SYS_close_range, o->a, o->b, o->c);
	case OPEN:
		return open_one(o);
	case PIPE:
		return pipe2(two, o->a);
	case SOCKETPAIR:
		return socketpair(AF_UNIX, o->a, 0, two);
	case EVENTFD:
		return eventfd(0, o->a);
	case EPOLL:
		return epoll_create1(o->a);
	case MEMFD:
		return memfd_create("memory", (unsigned)o->a);
	case PIDFD_OPEN:
		return syscall(SYS_pidfd_open, o->a, 0);
	case PIDFD_GETFD:
		return syscall(SYS_pidfd_getfd, o->a, o->b, 0);
	case LISTEN:
		return listen_at(o);
	case CONNECT:
		return connect_to(o);
	case ACCEPT:
		return accept4(o->a, NULL, NULL, o->b);
	case SEND:
		return send_fds(o);
	case RECEIVE:
		return receive_fds(o);
	case DRAIN:
		return recv(o->a, byte, sizeof(byte), MSG_DONTWAIT);
	case CLONE:
		return make(o);
	case CLONE3:
		return make3(o);
	case UNSHARE:
		return unshare(CLONE_FILES);
	case EXEC:
		return run_again(lane);
	case LEAVE:
		return syscall(o->a ? SYS_exit_group : SYS_exit, 0);
	case IOCTL:
		return ioctl(o->a, o->b ? FIOCLEX : FIONCLEX);
	}
	return -1;
}

static void live(int lane)
{
	struct order order;

	answer(lane, 0);
	while (read(FIRST + lane, &order, sizeof(order)) == sizeof(order))
		answer(lane, done(&order, lane));
	/* The test has ended. */
	syscall(SYS_exit_group, 0);
}

static void move(int fd, int to)
{
	if (dup2(fd, to) != to || close(fd) < 0)
		_exit(2);
}

int main(int argc, char **argv)
{
	static char buffer[4096];

	self = realpath("/proc/self/exe", buffer);
	folder = argv[1];
	if (argc == 4) {
		live(atoi(argv[3]));
		return 0;
	}
	signal(SIGCHLD, SIG_IGN);
	move(atoi(argv[2]), ANSWERS);
	for (int i = 0; i < LANES; i++)
		move(atoi(argv[3 + i]), FIRST + i);
	live(0);
	return 0;
}
