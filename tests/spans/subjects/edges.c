/* SPDX-License-Identifier: MIT */
/*
 * One cause and one effect in two threads or processes: edges KIND.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t *word;

static void check(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		_exit(9);
	}
}

/* Until a futex wait of that thread has gone to sleep: its wake wakes one. */
static void wake_one(int op)
{
	while (syscall(SYS_futex, word, op, 1, NULL, NULL, 0) != 1)
		sched_yield();
}

static void *wake_private(void *unused)
{
	(void)unused;
	wake_one(FUTEX_WAKE_PRIVATE);
	return NULL;
}

static void wait_word(int op)
{
	while (syscall(SYS_futex, word, op, 0, NULL, NULL, 0) != 0)
		check(errno == EINTR, "futex");
}

static uint32_t *map(int fd, off_t from)
{
	void *at = mmap(NULL, 8192 - (size_t)from, PROT_READ | PROT_WRITE, MAP_SHARED, fd, from);

	check(at != MAP_FAILED, "mmap");
	close(fd);
	return at;
}

static int asleep_in_futex(pid_t tid)
{
	char path[64], line[256], state = 0;
	long nr = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	file = fopen(path, "r");
	check(file && fgets(line, sizeof(line), file), path);
	fclose(file);
	if (sscanf(line, "%ld", &nr) != 1 || nr != SYS_futex)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "r");
	check(file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1, path);
	fclose(file);
	return state == 'S';
}

/* A joiner that comes too late makes no call. */
static void *leave(void *unused)
{
	(void)unused;
	while (!asleep_in_futex(getpid()))
		sched_yield();
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
	getppid();
}

static pid_t child_that_waits(int sig, int (*body)(void))
{
	sigset_t set;
	int fds[2];
	char byte;
	pid_t pid;

	check(pipe(fds) == 0, "pipe");
	sigemptyset(&set);
	sigaddset(&set, sig);
	check(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "sigprocmask");
	pid = fork();
	check(pid >= 0, "fork");
	if (pid == 0) {
		check(write(fds[1], "", 1) == 1, "write");
		_exit(body());
	}
	check(read(fds[0], &byte, 1) == 1, "read");
	return pid;
}

static int sleep_until(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t none;

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGRTMIN + 1, &action, NULL);
	sigemptyset(&none);
	sigsuspend(&none);
	return 0;
}

static int take_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return sigwaitinfo(&set, NULL) != SIGUSR1 && errno;
}

static int take_signal_info(void)
{
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return sigwaitinfo(&set, &info) != SIGUSR1;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	int status;
	pthread_t thread;
	pid_t pid;

	word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(word != MAP_FAILED, "mmap");
	if (!strcmp(kind, "wait")) {
		pid = fork();
		if (pid == 0)
			_exit(3);
		check(waitpid(pid, &status, 0) == pid, "waitpid");
	} else if (!strcmp(kind, "vfork")) {
		pid = vfork();
		if (pid == 0) {
			execl("/proc/self/exe", "edges", "nothing", NULL);
			_exit(9);
		}
		check(waitpid(pid, &status, 0) == pid && status == 0, "waitpid");
	} else if (!strcmp(kind, "join")) {
		check(!pthread_create(&thread, NULL, leave, NULL), "pthread_create");
		check(!pthread_join(thread, NULL), "pthread_join");
	} else if (!strcmp(kind, "futex")) {
		static uint32_t own;

		word = &own;
		check(!pthread_create(&thread, NULL, wake_private, NULL), "pthread_create");
		wait_word(FUTEX_WAIT_PRIVATE);
		pthread_join(thread, NULL);
	} else if (!strcmp(kind, "shared-futex")) {
		pid = fork();
		if (pid == 0) {
			/* The same memory at another address. */
			word = mremap(word, 4096, 8192, MREMAP_MAYMOVE);
			wait_word(FUTEX_WAIT);
			_exit(0);
		}
		wake_one(FUTEX_WAKE);
		check(waitpid(pid, &status, 0) == pid && status == 0, "waitpid");
	} else if (!strcmp(kind, "file-futex")) {
		char name[] = "/dev/shm/edges-XXXXXX";
		int fd = mkstemp(name);

		check(fd >= 0 && ftruncate(fd, 8192) == 0, name);
		word = map(fd, 0) + 1024;
		pid = fork();
		if (pid == 0) {
			/* By its name, from its second page on, without the parent's mapping. */
			munmap((char *)word - 4096, 8192);
			word = map(open(name, O_RDWR), 4096);
			check(unlink(name) == 0, name);
			wait_word(FUTEX_WAIT);
			_exit(0);
		}
		wake_one(FUTEX_WAKE);
		check(waitpid(pid, &status, 0) == pid && status == 0, "waitpid");
	} else if (!strcmp(kind, "kill")) {
		pid = child_that_waits(SIGUSR1, sleep_until);
		check(kill(pid, SIGUSR1) == 0, "kill");
		check(waitpid(pid, &status, 0) == pid && status == 0, "waitpid");
	} else if (!strcmp(kind, "sigqueue")) {
		pid = child_that_waits(SIGRTMIN + 1, sleep_until);
		check(sigqueue(pid, SIGRTMIN + 1, (union sigval){.sival_int = 5}) == 0, "sigqueue");
		check(waitpid(pid, &status, 0) == pid && status == 0, "waitpid");
	} else if (!strcmp(kind, "sigwait")) {
		pid = child_that_waits(SIGUSR1, take_signal_info);
		check(kill(pid, SIGUSR1) == 0, "kill");
		check(waitpid(pid, &status, 0) == pid && status == 0, "waitpid");
	} else if (!strcmp(kind, "sigwait-blind")) {
		pid = child_that_waits(SIGUSR1, take_signal);
		check(kill(pid, SIGUSR1) == 0, "kill");
		check(waitpid(pid, &status, 0) == pid && status == 0, "waitpid");
	}
	return 0;
}
