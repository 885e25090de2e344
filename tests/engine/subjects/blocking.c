/* SPDX-License-Identifier: MIT */
/*
 * attached blocking CALL: a call that blocks, entered by a thread and ended by another; then how
 * often it was interrupted, had failed and was done.
 */
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "attached.h"

static atomic_long n_eintr, n_failed, n_done;
static atomic_int running;

static int ends[2], id;
static int word = 1;
static struct sockaddr_un address;
static aio_context_t aio;

static void make_pipe(void)
{
	MUST(pipe(ends));
}

static void write_one(void)
{
	MUST(write(ends[1], "x", 1));
}

static long do_read(void)
{
	char byte;

	return read(ends[0], &byte, 1);
}

static long do_poll(void)
{
	struct pollfd fd = {.fd = ends[0], .events = POLLIN};

	return poll(&fd, 1, -1);
}

static long do_poll_timeout(void)
{
	struct pollfd fd = {.fd = ends[0], .events = POLLIN};

	return poll(&fd, 1, 3600000);
}

static long do_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	return select(ends[0] + 1, &set, NULL, NULL, NULL);
}

static void make_epoll(void)
{
	struct epoll_event event = {.events = EPOLLIN};

	make_pipe();
	id = (int)MUST(epoll_create1(0));
	MUST(epoll_ctl(id, EPOLL_CTL_ADD, ends[0], &event));
}

static long do_epoll(void)
{
	struct epoll_event event;

	return epoll_wait(id, &event, 1, -1);
}

/* One that a stop cut short is begun anew by the kernel, maybe only after the word was changed. */
static long wait_futex(const struct timespec *timeout)
{
	long result = syscall(SYS_futex, &word, FUTEX_WAIT, 1, timeout, NULL, 0);

	return result < 0 && errno == EAGAIN && word == 0 ? 0 : result;
}

static long do_futex(void)
{
	return wait_futex(NULL);
}

static long do_futex_timeout(void)
{
	struct timespec hour = {3600, 0};

	return wait_futex(&hour);
}

static void wake_futex(void)
{
	word = 0;
	syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void make_listener(void)
{
	address.sun_family = AF_UNIX;
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "attached-%d", getpid());
	id = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(bind(id, (struct sockaddr *)&address, sizeof(address)));
	MUST(listen(id, 1));
}

static long do_accept(void)
{
	return accept(id, NULL, NULL);
}

static void connect_to_it(void)
{
	MUST(connect((int)MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&address,
		     sizeof(address)));
}

static void make_semaphore(void)
{
	id = (int)MUST(semget(IPC_PRIVATE, 1, 0600));
}

static long do_semop(void)
{
	struct sembuf down = {0, -1, 0};

	return semop(id, &down, 1);
}

static void raise_semaphore(void)
{
	struct sembuf up = {0, 1, 0};

	MUST(semop(id, &up, 1));
}

static void make_messages(void)
{
	id = (int)MUST(msgget(IPC_PRIVATE, 0600));
}

static long do_msgrcv(void)
{
	struct {
		long type;
		char text[8];
	} message;

	return msgrcv(id, &message, sizeof(message.text), 0, 0);
}

static void send_message(void)
{
	struct {
		long type;
		char text[8];
	} message = {1, "x"};

	MUST(msgsnd(id, &message, sizeof(message.text), 0));
}

static void block_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static long do_sigwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return sigwaitinfo(&set, NULL);
}

static void send_signal(void)
{
	MUST(kill(getpid(), SIGUSR2));
}

static void make_aio(void)
{
	MUST(syscall(SYS_io_setup, 1, &aio));
}

static long do_getevents(void)
{
	struct io_event event;
	struct timespec second = {1, 0};

	/* Nothing is in flight: it waits for its whole time. */
	return syscall(SYS_io_getevents, aio, 1, 1, &event, &second);
}

static long do_nanosleep(void)
{
	struct timespec second = {1, 0};

	return syscall(SYS_nanosleep, &second, NULL);
}

static long do_clock_nanosleep(void)
{
	struct timespec second = {1, 0};
	int err = clock_nanosleep(CLOCK_MONOTONIC, 0, &second, NULL);

	errno = err;
	return err ? -1 : 0;
}

static void make_timeout_socket(void)
{
	struct timeval hour = {.tv_sec = 3600};

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	MUST(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &hour, sizeof(hour)));
}

static long do_recv(void)
{
	char byte;

	return recv(ends[0], &byte, 1, 0);
}

static void make_child(void)
{
	make_pipe();
	id = (int)MUST(fork());
	if (id == 0) {
		char byte;

		_exit(read(ends[0], &byte, 1) != 1);
	}
}

static long do_wait(void)
{
	return waitpid(id, NULL, 0);
}

static void nothing(void)
{
}

static const struct call {
	const char *name;
	void (*make)(void);
	long (*enter)(void);
	void (*end)(void);
} calls[] = {
	{"read", make_pipe, do_read, write_one},
	{"poll", make_pipe, do_poll, write_one},
	{"poll-timeout", make_pipe, do_poll_timeout, write_one},
	{"select", make_pipe, do_select, write_one},
	{"epoll_wait", make_epoll, do_epoll, write_one},
	{"futex", nothing, do_futex, wake_futex},
	{"futex-timeout", nothing, do_futex_timeout, wake_futex},
	{"accept", make_listener, do_accept, connect_to_it},
	{"semop", make_semaphore, do_semop, raise_semaphore},
	{"msgrcv", make_messages, do_msgrcv, send_message},
	{"sigwaitinfo", block_signal, do_sigwait, send_signal},
	{"io_getevents", make_aio, do_getevents, nothing},
	{"nanosleep", nothing, do_nanosleep, nothing},
	{"clock_nanosleep", nothing, do_clock_nanosleep, nothing},
	{"recv-timeout", make_timeout_socket, do_recv, write_one},
	{"waitpid", make_child, do_wait, write_one},
};

static void *blocks(void *arg)
{
	const struct call *call = arg;

	running = (int)syscall(SYS_gettid);
	while (!n_done && !n_failed) {
		if (call->enter() >= 0)
			n_done++;
		else if (errno == EINTR)
			n_eintr++;
		else
			n_failed++;
	}
	return NULL;
}

int blocking(const char *name)
{
	const struct call *call = calls;
	pthread_t thread;

	while (strcmp(call->name, name) != 0)
		call++;
	call->make();
	pthread_create(&thread, NULL, blocks, (void *)(uintptr_t)call);
	while (!running)
		sched_yield();
	printf("ready %d %d\n", (int)getpid(), running);
	fflush(stdout);
	asked();
	call->end();
	pthread_join(thread, NULL);
	printf("interrupted %ld failed %ld done %ld\n", n_eintr, n_failed, n_done);
	if (strcmp(name, "semop") == 0)
		semctl(id, 0, IPC_RMID);
	if (strcmp(name, "msgrcv") == 0)
		msgctl(id, IPC_RMID, NULL);
	return 0;
}
