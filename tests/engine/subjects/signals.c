/* SPDX-License-Identifier: MIT */
/* signals WHAT: what a program sees of signals, in words that do not change from run to run. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "subject.h"

#define SEEN 64

static struct seen {
	int sig, code, value, status;
	bool from_self, right_thread;
	void *addr;
} seen[SEEN];
static atomic_int n_seen;
static pid_t expect_tid;

static void note(int sig, siginfo_t *info, void *context)
{
	int i = atomic_fetch_add(&n_seen, 1);

	(void)context;
	if (i >= SEEN)
		return;
	seen[i].sig = sig;
	seen[i].code = info->si_code;
	seen[i].from_self = info->si_pid == getpid();
	seen[i].value = info->si_code == SI_QUEUE ? info->si_value.sival_int : 0;
	seen[i].status = sig == SIGCHLD ? info->si_status : 0;
	seen[i].addr = info->si_code > 0 ? info->si_addr : NULL;
	seen[i].right_thread = syscall(SYS_gettid) == expect_tid;
}

static void handle(int sig, int flags)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = note;
	action.sa_flags = SA_SIGINFO | flags;
	sigfillset(&action.sa_mask);
	MUST(sigaction(sig, &action, NULL));
}

static int tell(void)
{
	for (int i = 0; i < n_seen && i < SEEN; i++)
		printf("%d code %d self %d value %d status %d thread %d\n", seen[i].sig,
		       seen[i].code, seen[i].from_self, seen[i].value, seen[i].status,
		       seen[i].right_thread);
	return 0;
}

/* Each signal once, real-time ones queued in order, each with its siginfo. */
static int once(void)
{
	sigset_t blocked, before;
	union sigval value;

	expect_tid = (pid_t)syscall(SYS_gettid);
	handle(SIGUSR1, 0);
	handle(SIGUSR2, 0);
	handle(SIGCHLD, 0);
	handle(SIGRTMIN + 3, 0);
	handle(SIGRTMIN + 4, 0);
	for (int i = 0; i < 3; i++)
		kill(getpid(), SIGUSR1);
	raise(SIGUSR2);
	sigfillset(&blocked);
	sigprocmask(SIG_SETMASK, &blocked, &before);
	for (int i = 0; i < 4; i++) {
		kill(getpid(), SIGUSR1); /* these four become one */
		value.sival_int = 40 + i;
		sigqueue(getpid(), SIGRTMIN + 4, value);
		value.sival_int = 30 + i;
		sigqueue(getpid(), SIGRTMIN + 3, value);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (MUST(fork()) == 0)
		_exit(42);
	ended(-1);
	if (MUST(fork()) == 0) {
		signal(SIGUSR2, SIG_DFL);
		raise(SIGUSR2);
	}
	ended(-1);
	return tell();
}

static atomic_int thread_ready;

static void *target(void *unused)
{
	sigset_t set;

	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	expect_tid = (pid_t)syscall(SYS_gettid);
	thread_ready = 1;
	while (!n_seen)
		sched_yield();
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return NULL;
}

/* To one thread of several. */
static int thread(void)
{
	pthread_t chosen;

	handle(SIGUSR1, 0);
	if (pthread_create(&chosen, NULL, target, NULL))
		return 99;
	while (!thread_ready)
		sched_yield();
	syscall(SYS_tgkill, getpid(), expect_tid, SIGUSR1);
	pthread_join(chosen, NULL);
	return tell();
}

static volatile char *page;

static void fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	printf("%d code %d at %ld\n", sig, info->si_code,
	       (long)((volatile char *)info->si_addr - page));
	mprotect((void *)(uintptr_t)page, 4096, PROT_READ | PROT_WRITE);
}

/* A fault of our own making: where, and that the program goes on behind it. */
static int faults(void)
{
	struct sigaction action;

	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = fault;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &action, NULL);
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page[17] = 5;
	printf("wrote %d\n", page[17]);
#if defined(__x86_64__)
	/* A breakpoint of its own: SIGTRAP that is not the tracer's. */
	signal(SIGTRAP, SIG_IGN);
	handle(SIGTRAP, 0);
	__asm__ volatile("int3");
	raise(SIGTRAP);
#endif
	return tell();
}

static void on_term(int sig)
{
	static const char text[] = "handled\n";

	(void)sig;
	MUST(write(1, text, sizeof(text) - 1));
	_exit(7);
}

/* ready, then waits: until SIG, which it handles and exits 7, or dies of. */
static _Noreturn void waits(int sig, bool handled)
{
	signal(sig, handled ? on_term : SIG_DFL);
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	for (;;)
		pause();
}

/* Counts a signal that comes from outside, until SIGTERM. */
static int counts(int sig)
{
	sigset_t set;
	int n = 0, got;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	while (sigwait(&set, &got) == 0 && got != SIGTERM) {
		n++;
		printf("%d\n", n);
		fflush(stdout);
	}
	printf("end %d\n", n);
	return 0;
}

int signals_main(char **argv)
{
	if (strcmp(argv[0], "once") == 0)
		return once();
	if (strcmp(argv[0], "thread") == 0)
		return thread();
	if (strcmp(argv[0], "faults") == 0)
		return faults();
	if (strcmp(argv[0], "handles") == 0)
		waits((int)number(argv, 1, SIGTERM), true);
	if (strcmp(argv[0], "dies-of") == 0)
		waits((int)number(argv, 1, SIGTERM), false);
	if (strcmp(argv[0], "counts") == 0)
		return counts((int)number(argv, 1, SIGUSR1));
	return 98;
}
