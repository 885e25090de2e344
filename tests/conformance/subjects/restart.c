/* SPDX-License-Identifier: MIT */
/*
 * restart|eintr|stop CALL...: calls that sleep, and a signal with a handler. A helper sends it
 * once the call sleeps, and lets the call end once it sleeps again, if it does.
 */
#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "conform.h"

static struct {
	_Atomic bool asleep; /* about to call */
	_Atomic int handled; /* handlers that ran */
	_Atomic bool over;   /* the call has returned */
	_Atomic uint32_t word;
	_Atomic bool other_is_there;
} *board;

static int ends[2], sockets[2], queue = -1, locked = -1, sems = -1;
static pid_t sleeper, other;

static void on_signal(int sig)
{
	(void)sig;
	board->handled++;
	access("/conformance/mark/handler", F_OK);
}

/* What lets a call end: all of it, whichever call it is. */
static void release(void)
{
	struct {
		long type;
		char byte;
	} message = {1, 'x'};
	struct sembuf up = {0, 1, 0};

	MUST(write(ends[1], "x", 1));
	MUST(write(sockets[1], "x", 1));
	if (queue >= 0)
		msgsnd(queue, &message, 1, IPC_NOWAIT);
	if (sems >= 0)
		semop(sems, &up, 1);
	if (locked >= 0)
		flock(locked, LOCK_UN);
	if (other > 0)
		kill(other, SIGKILL);
	board->word = 1;
	syscall(SYS_futex, &board->word, FUTEX_WAKE, 9, NULL, NULL, 0);
}

/* A signal when the call sleeps; if it sleeps again after the handler, lets it end. */
static void help(long nr, bool stops)
{
	helper();
	while (!board->asleep)
		usleep(200);
	until_blocked(sleeper, sleeper, nr);
	if (stops) {
		kill(sleeper, SIGSTOP);
		for (;;) {
			char path[64], text[512];
			FILE *file;
			bool stopped;

			snprintf(path, sizeof(path), "/proc/%d/stat", sleeper);
			file = fopen(path, "re");
			stopped = file && fgets(text, sizeof(text), file) &&
				  (strstr(text, ") T ") || strstr(text, ") t "));
			if (file)
				fclose(file);
			if (stopped)
				break;
			usleep(200);
		}
		kill(sleeper, SIGCONT);
	} else {
		kill(sleeper, SIGUSR1);
		while (!board->handled)
			usleep(200);
	}
	while (!board->over) {
		if (is_blocked(sleeper, sleeper, nr) ||
		    is_blocked(sleeper, sleeper, SYS_restart_syscall)) {
			release();
			break;
		}
		usleep(200);
	}
	_exit(0);
}

static struct timespec brief;

static long call_read(void)
{
	char byte;

	return read(ends[0], &byte, 1);
}

static long call_recv(void)
{
	char byte;

	return recv(sockets[0], &byte, 1, 0);
}

static long call_nanosleep(void)
{
	struct timespec left = {0, 0};
	long result = syscall(SYS_nanosleep, &brief, &left);

	say("something left %d\n", left.tv_nsec > 0);
	return result;
}

static long call_clock_nanosleep(void)
{
	struct timespec left = {0, 0};
	long result = syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &brief, &left);

	return result;
}

static long call_poll(void)
{
	struct pollfd poller = {.fd = ends[0], .events = POLLIN};

	return syscall(SYS_ppoll, &poller, 1, NULL, NULL, 8);
}

#ifdef SYS_poll
static long call_old_poll(void)
{
	struct pollfd poller = {.fd = ends[0], .events = POLLIN};

	return syscall(SYS_poll, &poller, 1, -1);
}
#endif

static long call_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	return syscall(SYS_pselect6, ends[0] + 1, &set, NULL, NULL, NULL, NULL);
}

static int watch;

static long call_epoll(void)
{
	struct epoll_event event;

	return syscall(SYS_epoll_pwait, watch, &event, 1, -1, NULL, 8);
}

static long call_futex(void)
{
	return syscall(SYS_futex, &board->word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static long call_futex_timed(void)
{
	return syscall(SYS_futex, &board->word, FUTEX_WAIT, 0, &brief, NULL, 0);
}

static long call_wait4(void)
{
	int status;

	return syscall(SYS_wait4, other, &status, 0, NULL) == other ? 0 : -1;
}

static long call_msgrcv(void)
{
	struct {
		long type;
		char byte;
	} message;

	return msgrcv(queue, &message, 1, 0, 0);
}

static long call_semop(void)
{
	struct sembuf down = {0, -1, 0};

	return syscall(SYS_semtimedop, sems, &down, 1, NULL);
}

static long call_flock(void)
{
	int fd = open("lock", O_RDWR | O_CLOEXEC);

	return flock(fd, LOCK_EX);
}

static long call_suspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigaddset(&none, SIGCHLD);
	return syscall(SYS_rt_sigsuspend, &none, 8);
}

#ifdef SYS_pause
static long call_pause(void)
{
	return syscall(SYS_pause);
}
#endif

static long call_accept(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {0, 200000};

	/* With a limit on the socket it is EINTR, whatever the handler asked for. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	MUST(bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t)));
	MUST(listen(fd, 1));
	return accept(fd, NULL, NULL);
}

static const struct call {
	const char *name;
	long nr;
	long (*make)(void);
} calls[] = {
	{"read", SYS_read, call_read},
	{"recv", SYS_recvfrom, call_recv},
	{"nanosleep", SYS_nanosleep, call_nanosleep},
	{"clock_nanosleep", SYS_clock_nanosleep, call_clock_nanosleep},
	{"ppoll", SYS_ppoll, call_poll},
#ifdef SYS_poll
	{"poll", SYS_poll, call_old_poll},
#endif
	{"select", SYS_pselect6, call_select},
	{"epoll", SYS_epoll_pwait, call_epoll},
	{"futex", SYS_futex, call_futex},
	{"futex-timed", SYS_futex, call_futex_timed},
	{"wait4", SYS_wait4, call_wait4},
	{"msgrcv", SYS_msgrcv, call_msgrcv},
	{"semop", SYS_semtimedop, call_semop},
	{"flock", SYS_flock, call_flock},
	{"sigsuspend", SYS_rt_sigsuspend, call_suspend},
#ifdef SYS_pause
	{"pause", SYS_pause, call_pause},
#endif
	{"accept", SYS_accept, call_accept},
};

static void prepare(void)
{
	struct epoll_event event = {.events = EPOLLIN};

	MUST(pipe(ends));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	watch = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
	MUST(epoll_ctl(watch, EPOLL_CTL_ADD, ends[0], &event));
	queue = msgget(IPC_PRIVATE, 0600);
	sems = semget(IPC_PRIVATE, 1, 0600);
}

static void one(const char *way, const struct call *call)
{
	bool restart = strcmp(way, "restart") == 0, stops = strcmp(way, "stop") == 0;
	struct sigaction action;
	pid_t helping;
	long result;
	int error;

	memset(board, 0, sizeof(*board));
	brief.tv_sec = stops ? 1 : 20;
	prepare();
	locked = other = -1;
	if (call->make == call_flock) {
		locked = (int)MUST(open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		MUST(flock(locked, LOCK_EX));
	}
	if (call->make == call_wait4) {
		other = (pid_t)MUST(fork());
		if (other == 0) {
			helper();
			board->other_is_there = true;
			for (;;)
				pause();
		}
		while (!board->other_is_there)
			usleep(200);
	}
	helping = (pid_t)MUST(fork());
	if (helping == 0)
		help(call->nr, stops);
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	action.sa_flags = restart ? SA_RESTART : 0;
	MUST(sigaction(SIGUSR1, &action, NULL));
	begin();
	board->asleep = true;
	result = call->make();
	error = errno;
	board->over = true;
	say("%s %s: %d %s, handled %d\n", way, call->name, result < 0 ? -1 : result > 0,
	    result < 0 ? strerrorname_np(error) : "-", board->handled);
	end();
	waitpid(helping, NULL, 0);
	if (other > 0) {
		kill(other, SIGKILL);
		waitpid(other, NULL, 0);
	}
	msgctl(queue, IPC_RMID, NULL);
	semctl(sems, 0, IPC_RMID);
	close_range(3, ~0u, 0);
}

/* The way: restart, eintr, or stop: a stop and going on without any handler. */
int main(int argc, char **argv)
{
	sleeper = getpid();
	board = shared();
	for (int word = 2; word < argc; word++)
		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
			if (strcmp(calls[i].name, argv[word]) == 0)
				one(argv[1], &calls[i]);
	return 0;
}
