/* SPDX-License-Identifier: MIT */
/*
 * attached WHAT: is attached to while it runs. It reads a line from standard input to
 * be asked what it saw meanwhile, and says it in one line: interrupted calls, signals,
 * results that changed.
 */
#include <fcntl.h>
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

#include "subject.h"

static atomic_long n_eintr, n_failed, n_done;
static atomic_int stop, running;

static void ready(void)
{
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
}

/* Waits until it is asked; false at the end of the input. */
static bool asked(void)
{
	char line[64];

	return fgets(line, sizeof(line), stdin) != NULL;
}

/* Calls that block: each is entered by a thread, and ended by another. */

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

static int blocking(const char *name)
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
