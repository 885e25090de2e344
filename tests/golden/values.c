/* SPDX-License-Identifier: MIT */
/* Sets what a process may set, in the folder where it is; what the arguments name, to something else. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define LONG 1500 /* bytes; the file system may allow no more than some thousand */

static char **names;

static bool other(const char *name)
{
	for (char **one = names; *one; one++)
		if (strcmp(*one, name) == 0)
			return true;
	return false;
}

static void set_attributes(void)
{
	char value[LONG];
	int fd = open("file", O_RDWR | O_CREAT, 0644);

	memset(value, 'a', sizeof(value));
	value[sizeof(value) - 1] = other("end of a long attribute") ? 1 : 2;
	setxattr("file", "user.one", other("attribute") ? "two" : "one", 3, 0);
	lsetxattr("file", "user.two", "three", other("size of an attribute") ? 4 : 5, 0);
	fsetxattr(fd, "user.long", value, sizeof(value), 0);
	close(fd);
}

static void set_memory(const char *name, const char *set)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *bytes;

	if (ftruncate(fd, 5000) < 0)
		return;
	bytes = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes != MAP_FAILED)
		bytes[4500] = other(set) ? 'b' : 'a';
	close(fd);
}

/* Memory that may be written later. */
static void set_memory_later(void)
{
	int fd = open("later", O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *bytes;

	if (ftruncate(fd, 5000) < 0)
		return;
	bytes = mmap(NULL, 5000, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes != MAP_FAILED && mprotect(bytes, 5000, PROT_READ | PROT_WRITE) == 0)
		bytes[4500] = other("memory by mprotect") ? 'b' : 'a';
	close(fd);
}

/* Of a file that gets its name afterwards. */
static void set_nameless_memory(void)
{
	int fd = open(".", O_RDWR | O_TMPFILE, 0644);
	char *bytes, path[40];

	if (fd < 0) /* the file system has none */
		fd = open("unnamed", O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (ftruncate(fd, 5000) < 0)
		return;
	bytes = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, AT_FDCWD, "new", AT_SYMLINK_FOLLOW) == 0)
		rename("new", "named");
	if (bytes != MAP_FAILED)
		bytes[4500] = other("memory of what gets a name") ? 'b' : 'a';
	close(fd);
}

/* Of a file whose other name was given before it was mapped. */
static void set_memory_elsewhere(void)
{
	int fd = open("one", O_RDWR | O_CREAT, 0644);

	unlink("elsewhere");
	if (ftruncate(fd, 5000) == 0 && link("one", "elsewhere") == 0 && unlink("one") == 0)
		mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
}

static void set_timers(void)
{
	struct itimerval often = {{other("interval") ? 5 : 1, 0}, {1000, 0}}, off = {0};
	struct itimerspec once = {.it_value.tv_sec = other("timer") ? 2000 : 1000};
	struct itimerspec by_fd = {.it_value.tv_sec = other("timer by descriptor") ? 2000 : 1000};
	struct itimerspec then = {0};
	struct sigevent none = {.sigev_notify = SIGEV_NONE};
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	timer_t timer;

	setitimer(ITIMER_REAL, &often, NULL);
	setitimer(ITIMER_REAL, &off, &often); /* what is left is set again */
	often.it_interval.tv_sec = 0;
	setitimer(ITIMER_REAL, &often, NULL);
	setitimer(ITIMER_REAL, &off, NULL);
	alarm(other("alarm") ? 2000 : 1000);
	alarm(0);
	timer_create(CLOCK_MONOTONIC, &none, &timer);
	timer_settime(timer, 0, &once, NULL);
	timerfd_settime(fd, 0, &by_fd, NULL);
	clock_gettime(CLOCK_MONOTONIC, &then.it_value);
	then.it_value.tv_sec += 1000;
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &then, NULL);
	close(fd);
}

static void set_scheduling(void)
{
	struct sched_param param = {0};
	cpu_set_t cpus;
	int cpu = 0;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (int at = 0; at < CPU_SETSIZE; at++)
		if (CPU_ISSET(at, &cpus)) /* another one, if there is one */
			cpu = at;
	for (int at = 0; !other("affinity") && !CPU_ISSET(cpu = at, &cpus); at++)
		;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	sched_setscheduler(0, other("policy") ? SCHED_BATCH : SCHED_OTHER, &param);
	param.sched_priority = other("parameter") ? 7 : 0;
	sched_setparam(0, &param);
	setpriority(PRIO_PROCESS, 0, other("priority") ? 3 : 2);
	syscall(SYS_ioprio_set, 1, 0, 2 << 13 | (other("priority of input") ? 6 : 5));
}

int main(int count, char **arguments)
{
	struct rlimit limit;

	(void)count;
	names = arguments + 1;
	set_attributes();
	set_memory("mapped", "memory");
	set_memory("first", "memory of what is renamed");
	rename("first", "second");
	set_memory("gone", "memory of what is removed");
	unlink("gone");
	set_memory_later();
	set_nameless_memory();
	if (other("memory elsewhere"))
		set_memory_elsewhere();
	set_timers();
	set_scheduling();
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = other("limit") ? 200 : 100;
	setrlimit(RLIMIT_NOFILE, &limit);
	prctl(PR_SET_NAME, other("name") ? "two" : "one");
	prctl(PR_SET_PDEATHSIG, other("signal") ? SIGTERM : SIGKILL);
	return 0;
}
