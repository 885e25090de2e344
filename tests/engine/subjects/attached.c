/* SPDX-License-Identifier: MIT */
/*
 * attached WHAT: is attached to while it runs. It reads a line from standard input to
 * be asked what it saw meanwhile, and says it in one line: interrupted calls, signals,
 * results that changed.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "attached.h"

static atomic_long n_failed, n_done;
static atomic_int stop, running;

/* Threads that compute and make no call: the same result each time. */
static uint64_t checksum(void)
{
	volatile double real = 1.0;
	uint64_t sum = 88172645463325252u;

	for (int i = 0; i < 20000; i++) {
		sum ^= sum << 13;
		sum ^= sum >> 7;
		sum ^= sum << 17;
		real = real * 1.0000001 + 0.5;
	}
	return sum + (uint64_t)real;
}

static void *computes(void *unused)
{
	uint64_t first = checksum();

	running++;
	while (!stop) {
		if (checksum() == first)
			n_done++;
		else
			n_failed++;
	}
	return unused;
}

static void tell_affinity(const char *when)
{
	cpu_set_t mask;

	MUST(sched_getaffinity(0, sizeof(mask), &mask));
	printf("%s %d CPUs\n", when, CPU_COUNT(&mask));
	fflush(stdout);
}

static int registers(void)
{
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, computes, NULL);
	while (running < 2)
		sched_yield();
	ready();
	while (asked())
		tell_affinity("asked:");
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	printf("changed %ld\n", n_failed);
	return n_done == 0;
}

/* Counts queued signals and their values, while threads make calls. */
static atomic_long n_signals, value_sum, n_children;

static void count(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	n_signals++;
	value_sum += info->si_value.sival_int;
}

static void *calls_on(void *unused)
{
	while (!stop) {
		mark();
		n_done++;
	}
	return unused;
}

/* Children and threads, one after the other; those that did not do their part are counted. */
static atomic_long n_wrong;

static void *does_its_part(void *unused)
{
	marks(2);
	n_children++;
	return unused;
}

static void *gives_birth(void *unused)
{
	while (!stop) {
		pthread_t thread;
		long before = n_children;
		pid_t pid = fork();

		if (pid == 0) {
			marks(2);
			_exit(5);
		}
		if (pid > 0 && ended(pid) != 5)
			n_wrong++;
		if (pthread_create(&thread, NULL, does_its_part, NULL) == 0) {
			pthread_join(thread, NULL);
			n_wrong += n_children != before + 1;
		}
	}
	return unused;
}

static void tell_signals(void)
{
	cpu_set_t mask;

	MUST(sched_getaffinity(0, sizeof(mask), &mask));
	printf("signals %ld sum %ld cpus %d tracer %ld wrong %ld\n", n_signals, value_sum,
	       CPU_COUNT(&mask), tracer_of("/proc/self/status"), n_wrong);
	fflush(stdout);
}

static int storm(long threads, bool births)
{
	struct sigaction action;
	pthread_t thread[16];

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = count;
	action.sa_flags = SA_SIGINFO | SA_RESTART;
	MUST(sigaction(SIGRTMIN + 1, &action, NULL));
	for (long i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, i == 0 && births ? gives_birth : calls_on, NULL);
	ready();
	while (asked())
		tell_signals();
	stop = 1;
	for (long i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	tell_signals();
	return 0;
}

/*
 * To PID, N signals with values 1 to N, PAUSE microseconds apart; those that the kernel
 * cannot queue yet are sent again.
 */
static int sender(pid_t pid, long n, long pause)
{
	struct timespec between = {0, pause * 1000};

	for (long i = 1; i <= n; i++) {
		union sigval value = {.sival_int = (int)i};

		while (sigqueue(pid, SIGRTMIN + 1, value) < 0) {
			if (errno != EAGAIN) {
				perror("sigqueue");
				return 1;
			}
			sched_yield();
		}
		if (pause)
			nanosleep(&between, NULL);
	}
	printf("sent %ld sum %ld\n", n, n * (n + 1) / 2);
	return 0;
}

/* A parent that waits in vfork for a child that waits for its input. */
static int in_vfork(void)
{
	pid_t pid;

	ready();
	pid = vfork();
	if (pid == 0) {
		char byte;

		while (read(0, &byte, 1) < 0 && errno == EINTR)
			;
		_exit(7);
	}
	printf("child %d\n", ended(pid));
	return 0;
}

/* Threads and children come and go; each says at the end whether all of them did their part. */
static void *short_lived(void *unused)
{
	marks(3);
	n_done++;
	return unused;
}

static int births(void)
{
	pthread_t thread;
	long made = 0;

	ready();
	fcntl(0, F_SETFL, O_NONBLOCK);
	for (;;) {
		char byte;
		pid_t pid;

		if (read(0, &byte, 1) == 0)
			break;
		MUST(pthread_create(&thread, NULL, short_lived, NULL) ? -1 : 0);
		made++;
		pid = (pid_t)MUST(fork());
		if (pid == 0) {
			marks(2);
			_exit(5);
		}
		if (ended(pid) == 5)
			n_children++;
		pthread_join(thread, NULL);
	}
	printf("threads %d children %d\n", n_done == made, n_children == made);
	return 0;
}

/* The first thread ends, another goes on making calls. */
static pthread_t first_thread;

static void *goes_on(void *unused)
{
	pthread_join(first_thread, NULL);
	ready();
	while (asked())
		mark();
	exit(6);
	return unused;
}

static int leaderless(void)
{
	pthread_t thread;

	first_thread = pthread_self();
	pthread_create(&thread, NULL, goes_on, NULL);
	pthread_exit(NULL);
}

/* Reads lines, makes a marker call for each, and says so. */
static int echo(void)
{
	ready();
	while (asked()) {
		mark();
		printf("echo\n");
		fflush(stdout);
	}
	return 4;
}

/* Runs a program when it is asked to. */
static int execs(char **argv)
{
	ready();
	asked();
	execvp(argv[0], argv);
	return 1;
}

int attached_main(char **argv)
{
	if (strcmp(argv[0], "blocking") == 0)
		return blocking(argv[1]);
	if (strcmp(argv[0], "registers") == 0)
		return registers();
	if (strcmp(argv[0], "storm") == 0)
		return storm(number(argv, 1, 2), argv[1] && argv[2]);
	if (strcmp(argv[0], "sender") == 0)
		return sender((pid_t)number(argv, 1, 0), number(argv, 2, 1),
			      number(argv, 3, 0));
	if (strcmp(argv[0], "vfork") == 0)
		return in_vfork();
	if (strcmp(argv[0], "births") == 0)
		return births();
	if (strcmp(argv[0], "leaderless") == 0)
		return leaderless();
	if (strcmp(argv[0], "echo") == 0)
		return echo();
	if (strcmp(argv[0], "execs") == 0)
		return execs(argv + 1);
	return 98;
}
