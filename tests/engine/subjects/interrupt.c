/* SPDX-License-Identifier: MIT */
/*
 * interrupt restart|eintr: each call that can block, under a timer that keeps firing.
 * Prints what the program sees of it: result and errno. A late tick lets the
 * call through, so that a restarted one ends.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "subject.h"

static int feed_to = -1;
static atomic_int ticks;
static _Atomic uint32_t word;
static pid_t to_kill;
static int queue = -1;
static int let_through; /* the tick that does */

static void on_tick(int sig)
{
	int saved = errno;

	(void)sig;
	if (++ticks == let_through) {
		struct {
			long type;
			char byte;
		} message = {1, 'x'};

		if (feed_to >= 0)
			MUST(write(feed_to, "x", 1));
		if (to_kill > 0)
			kill(to_kill, SIGKILL);
		if (queue >= 0)
			msgsnd(queue, &message, 1, IPC_NOWAIT);
		word = 1;
		syscall(SYS_futex, &word, FUTEX_WAKE, 9, NULL, NULL, 0);
	}
	errno = saved;
}

static void start(void)
{
	struct itimerval every = {{0, 2000}, {0, 2000}};

	ticks = 0;
	word = 0;
	setitimer(ITIMER_REAL, &every, NULL);
}

static void stop(const char *name, long result)
{
	struct itimerval never;
	int err = errno;

	memset(&never, 0, sizeof(never));
	setitimer(ITIMER_REAL, &never, NULL);
	feed_to = -1;
	to_kill = 0;
	printf("%s %ld %s\n", name, result, result < 0 ? strerror(err) : "-");
}

static long kept(long result, pid_t pid)
{
	return result == pid ? 1 : result;
}

int interrupt_main(char **argv)
{
	struct sigaction action;
	struct timespec long_time = {5, 0}, at;
	struct timeval tv = {5, 0};
	struct epoll_event event;
	struct pollfd poller;
	sigset_t none;
	struct {
		long type;
		char byte;
	} message;
	char byte;
	int ends[2], pair[2], watch;
	fd_set set;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_tick;
	action.sa_flags = strcmp(argv[0], "restart") == 0 ? SA_RESTART : 0;
	/* Without a restart the first tick ends a call; a late one must not let it through. */
	let_through = action.sa_flags ? 3 : 200;
	MUST(sigaction(SIGALRM, &action, NULL));
	MUST(pipe(ends));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	sigemptyset(&none);

	start();
	feed_to = ends[1];
	stop("read", read(ends[0], &byte, 1));

	start();
	feed_to = pair[1];
	stop("recv", recv(pair[0], &byte, 1, 0));

	start();
	stop("nanosleep", nanosleep(&long_time, NULL));

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += 5;
	start();
	errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	stop("clock_nanosleep", errno ? -1 : 0);

	poller = (struct pollfd){.fd = ends[0], .events = POLLIN};
	start();
	stop("poll", poll(&poller, 1, 5000));

	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	start();
	stop("select", select(ends[0] + 1, &set, NULL, NULL, &tv));

	watch = (int)MUST(epoll_create1(0));
	event = (struct epoll_event){.events = EPOLLIN};
	MUST(epoll_ctl(watch, EPOLL_CTL_ADD, ends[0], &event));
	start();
	stop("epoll_wait", epoll_wait(watch, &event, 1, 5000));

	start();
	stop("pause", pause());

	start();
	stop("sigsuspend", sigsuspend(&none));

	start();
	stop("futex", syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0));

	to_kill = 0;
	{
		pid_t pid = (pid_t)MUST(fork());

		if (pid == 0)
			for (;;)
				pause();
		start();
		to_kill = pid;
		stop("wait4", kept(waitpid(pid, NULL, 0), pid));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}

	queue = msgget(IPC_PRIVATE, 0600);
	if (queue >= 0) {
		start();
		stop("msgrcv", msgrcv(queue, &message, 1, 0, 0));
		msgctl(queue, IPC_RMID, NULL);
		queue = -1;
	}
	return 0;
}
