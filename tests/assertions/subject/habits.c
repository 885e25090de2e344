/* SPDX-License-Identifier: MIT */
/*
 * Habits that rules look for, and what comes near them: habits FOLDER MODE... runs each mode in a
 * process of its own, one after the other, and prints the mode and its pid.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

static char file[4096];
static char buffer[65536];

static int opened(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void must(int done, const char *what)
{
	if (!done)
		err(1, "%s", what);
}

static void read_often(const char *path, int times, size_t size)
{
	int fd = opened(path, O_RDONLY);

	for (int i = 0; i < times; i++)
		must(read(fd, buffer, size) == (ssize_t)size, "read");
	close(fd);
}

static void write_often(int times, size_t size)
{
	int fd = opened("/dev/null", O_WRONLY);

	for (int i = 0; i < times; i++)
		must(write(fd, buffer, size) == (ssize_t)size, "write");
	close(fd);
}

static void look(int times, int names)
{
	struct stat st;
	char path[5000];

	for (int i = 0; i < times; i++) {
		snprintf(path, sizeof(path), "%s.%d", file, i % names);
		stat(path, &st);
	}
}

static void open_often(int times, int names)
{
	char path[5000];

	for (int i = 0; i < times; i++) {
		snprintf(path, sizeof(path), "%s.o%d", file, i % names);
		close(opened(path, O_RDONLY | O_CREAT));
	}
}

/* Files that are there: of 100 bytes or more. */
static void reread(int times, int changes)
{
	char path[5000];

	snprintf(path, sizeof(path), "%s.%s", file, changes ? "changes" : "stays");
	for (int i = 0; i < times; i++) {
		int fd = opened(path, O_RDWR);

		if (changes)
			must(pwrite(fd, buffer, 100, 0) == 100, "pwrite");
		must(pread(fd, buffer, 100, 0) == 100, "pread");
		close(fd);
	}
}

static void sync_often(int times)
{
	int fd = opened(file, O_RDWR | O_CREAT);

	for (int i = 0; i < times; i++)
		must(fdatasync(fd) == 0, "fdatasync");
	close(fd);
}

static void poll_often(int times, int ready)
{
	int ends[2];
	struct pollfd one;

	must(pipe(ends) == 0, "pipe");
	if (ready)
		must(write(ends[1], "x", 1) == 1, "write");
	one = (struct pollfd){.fd = ends[0], .events = POLLIN};
	for (int i = 0; i < times; i++)
		must(poll(&one, 1, 0) == ready, "poll");
}

/* By another call, and for how long. */
static void ask_often(const char *how, int times, long wait_ns)
{
	int ends[2], epoll = epoll_create1(0);
	struct epoll_event event;

	must(pipe(ends) == 0 && epoll >= 0, "pipe, epoll");
	for (int i = 0; i < times; i++) {
		struct pollfd one = {.fd = ends[0], .events = POLLIN};
		struct timespec wait = {.tv_nsec = wait_ns};
		struct timeval micro = {.tv_usec = wait_ns / 1000};
		fd_set set;

		FD_ZERO(&set);
		FD_SET(ends[0], &set);
		if (!strcmp(how, "ppoll"))
			must(ppoll(&one, 1, &wait, NULL) == 0, "ppoll");
		else if (!strcmp(how, "select")) /* the C library may make it a pselect6 */
			must(select(ends[0] + 1, &set, NULL, NULL, &micro) == 0, "select");
		else if (!strcmp(how, "pselect"))
			must(pselect(ends[0] + 1, &set, NULL, NULL, &wait, NULL) == 0, "pselect");
		else if (!strcmp(how, "epoll2")) /* not every C library has it */
			must(syscall(SYS_epoll_pwait2, epoll, &event, 1, &wait, NULL, 8) == 0,
			     "epoll_pwait2");
		else
			must(epoll_pwait(epoll, &event, 1, wait_ns > 0, NULL) == 0, "epoll_pwait");
	}
}

static void try_often(int times, int asks)
{
	int ends[2];

	must(pipe2(ends, O_NONBLOCK) == 0, "pipe2");
	for (int i = 0; i < times; i++) {
		struct pollfd one = {.fd = ends[0], .events = POLLIN};

		must(read(ends[0], buffer, 1) < 0, "read");
		if (asks)
			must(poll(&one, 1, 0) == 0, "poll");
	}
}

static void connect_often(int times, int ports)
{
	struct sockaddr_in at[8];
	socklen_t len = sizeof(at[0]);

	for (int i = 0; i < ports; i++) {
		int listener = socket(AF_INET, SOCK_STREAM, 0);

		at[i] = (struct sockaddr_in){.sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		must(bind(listener, (struct sockaddr *)&at[i], len) == 0, "bind");
		must(listen(listener, 256) == 0, "listen");
		must(getsockname(listener, (struct sockaddr *)&at[i], &len) == 0, "getsockname");
	}
	for (int i = 0; i < times; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

		connect(fd, (struct sockaddr *)&at[i % ports], len);
		close(fd);
	}
}

static void fork_often(int times)
{
	for (int i = 0; i < times; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		must(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
	}
}

static void leave_open(int times, int stay)
{
	for (int i = 0; i < times; i++)
		close(dup(1));
	for (int i = 0; i < stay; i++)
		must(dup(1) > 0, "dup");
}

static void call_often(int times)
{
	for (int i = 0; i < times; i++)
		getppid();
}

static void burn(int ms)
{
	struct timespec now;

	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < ms);
}

static void *sleeper(void *unused)
{
	nanosleep(&(struct timespec){.tv_sec = 600}, NULL);
	return unused;
}

static void sleep_aside(void)
{
	pthread_t thread;

	must(!pthread_create(&thread, NULL, sleeper, NULL), "pthread_create");
	burn(20);
}

static void burn_in(int processes, int ms)
{
	for (int i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			burn(ms);
			_exit(0);
		}
		must(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
	}
}

static void *map(size_t size, int protection)
{
	void *at = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(at != MAP_FAILED, "mmap");
	return at;
}

/* 64 MiB at most: two halves, one of which is given back before a third; none of what it reserves. */
static void allocate(void)
{
	const size_t size = 32u << 20;
	char *first, *second;

	map(1u << 30, PROT_NONE);
	first = map(size, PROT_READ | PROT_WRITE);
	second = map(size, PROT_READ | PROT_WRITE);
	must(munmap(first + size / 2, size / 2) == 0, "munmap");
	must(munmap(first, size / 2) == 0, "munmap");
	first = map(size / 2, PROT_NONE);
	must(mprotect(first, size / 2, PROT_READ) == 0, "mprotect");
	must(mremap(second, size, size / 2, 0) == second, "mremap");
}

static void perform(const char *mode)
{
	int near = !strncmp(mode, "near-", 5);
	const char *what = mode + 5 * near;

	if (!strcmp(what, "TinyReads"))
		near ? read_often("/dev/zero", 1200, 4096) : read_often("/dev/zero", 1200, 8);
	else if (!strcmp(what, "TinyWrites"))
		near ? write_often(1200, 4096) : write_often(1200, 8);
	else if (!strcmp(what, "StatStorm"))
		near ? look(120, 3) : look(120, 1);
	else if (!strcmp(what, "OpenStorm"))
		near ? open_often(120, 3) : open_often(120, 1);
	else if (!strcmp(what, "RereadFile"))
		near ? reread(12, 1) : reread(12, 0);
	else if (!strcmp(what, "FsyncStorm"))
		sync_often(near ? 60 : 120);
	else if (!strcmp(what, "BusyPolling"))
		poll_often(600, near);
	else if (!strncmp(what, "ask-", 4))
		ask_often(what + 4, 600, near ? 1000 : 0);
	else if (!strcmp(what, "EagainSpin"))
		try_often(120, near);
	else if (!strcmp(what, "ConnectionStorm"))
		connect_often(60, near ? 4 : 1);
	else if (!strcmp(what, "ForkStorm"))
		fork_often(near ? 40 : 120);
	else if (!strcmp(what, "FdLeak"))
		near ? leave_open(120, 60) : leave_open(0, 120);
	else if (!strcmp(what, "TightLoop"))
		call_often(near ? 600 : 1200);
	else if (!strcmp(what, "GodProcess"))
		near ? burn_in(4, 80) : burn_in(3, 1), burn(near ? 0 : 400);
	else if (!strcmp(what, "SleepOnCriticalPath"))
		near ? sleep_aside()
		     : (void)nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
	else if (!strcmp(what, "allocate"))
		allocate();
	else
		errx(2, "no such mode: %s", mode);
}

int main(int argc, char **argv)
{
	snprintf(file, sizeof(file), "%s/file", argc > 1 ? argv[1] : ".");
	for (int i = 2; i < argc; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			perform(argv[i]);
			_exit(0);
		}
		printf("%s %d\n", argv[i], (int)pid);
		must(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
		if (status)
			return 1;
	}
	return 0;
}
