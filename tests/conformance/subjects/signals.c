/* SPDX-License-Identifier: MIT */
/* signals PART: each signal once, in its order, to its thread, with its information. */
#include <sys/signalfd.h>

#include "conform.h"

static struct {
	int sig, code, value, status;
	bool from_self, right_thread;
	void *addr;
} seen[64];
static _Atomic unsigned n_seen, n_noted;
static pid_t expected;

static void note(int sig, siginfo_t *info, void *context)
{
	unsigned i = n_seen++;

	(void)context;
	if (i >= sizeof(seen) / sizeof(seen[0]))
		return;
	seen[i].sig = sig;
	seen[i].code = info->si_code;
	seen[i].from_self = info->si_pid == getpid();
	seen[i].value = info->si_code == SI_QUEUE ? info->si_value.sival_int : 0;
	seen[i].status = sig == SIGCHLD ? info->si_status : 0;
	seen[i].addr = info->si_code > 0 ? info->si_addr : NULL;
	seen[i].right_thread = syscall(SYS_gettid) == expected;
	n_noted++;
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
	for (unsigned i = 0; i < n_seen; i++)
		say("%d code %d self %d value %d status %d thread %d\n", seen[i].sig, seen[i].code,
		    seen[i].from_self, seen[i].value, seen[i].status, seen[i].right_thread);
	return 0;
}

/* Ordinary ones become one, real-time ones queue, lower numbers first. */
static int once(char **argv)
{
	sigset_t blocked, before;
	union sigval value;

	(void)argv;
	expected = (pid_t)syscall(SYS_gettid);
	handle(SIGUSR1, 0);
	handle(SIGUSR2, 0);
	handle(SIGRTMIN + 3, 0);
	handle(SIGRTMIN + 4, 0);
	for (int i = 0; i < 3; i++)
		kill(getpid(), SIGUSR1);
	raise(SIGUSR2);
	sigfillset(&blocked);
	sigprocmask(SIG_SETMASK, &blocked, &before);
	for (int i = 0; i < 4; i++) {
		kill(getpid(), SIGUSR1);
		value.sival_int = 40 + i;
		sigqueue(getpid(), SIGRTMIN + 4, value);
		value.sival_int = 30 + i;
		sigqueue(getpid(), SIGRTMIN + 3, value);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return tell();
}

/* Of a child's stop, going on and end. */
static int of_children(char **argv)
{
	sigset_t none;
	pid_t pid;

	(void)argv;
	expected = (pid_t)syscall(SYS_gettid);
	handle(SIGCHLD, 0);
	sigemptyset(&none);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(42);
	}
	sigsuspend(&none);
	kill(pid, SIGCONT);
	sigsuspend(&none);
	/* Continued and ended, or both in one: standard signals do not queue. */
	ended("child", pid);
	say("stop seen: %d\n", seen[0].code == CLD_STOPPED && seen[0].status == SIGSTOP);
	return 0;
}

static int gate[2], back[2];

static int target(void *unused)
{
	char byte;

	(void)unused;
	expected = (pid_t)syscall(SYS_gettid);
	put_byte(back[1]);
	while (read(gate[0], &byte, 1) < 0)
		;
	return 0;
}

/* To one thread of three, by tgkill; the handler runs there and nowhere else. */
static int to_thread(char **argv)
{
	static struct strand strands[3];
	char *stack = stacks(3);
	sigset_t set;

	(void)argv;
	MUST(pipe(gate));
	MUST(pipe(back));
	handle(SIGUSR1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	for (unsigned i = 0; i < 3; i++) {
		strand_start(&strands[i], stack, i, target, NULL);
		take_byte(back[0]);
		syscall(SYS_tgkill, getpid(), strands[i].tid, SIGUSR1);
		while (n_noted <= i)
			__asm__ volatile("" ::: "memory");
	}
	for (unsigned i = 0; i < 3; i++)
		put_byte(gate[1]);
	for (unsigned i = 0; i < 3; i++)
		strand_join(&strands[i]);
	return tell();
}

static volatile char *page;

static void fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	say("%d code %d at %ld\n", sig, info->si_code,
	    (long)((volatile char *)info->si_addr - page));
	mprotect((void *)(uintptr_t)page, 4096, PROT_READ | PROT_WRITE);
}

/* Faults of one's own: where, and that the program goes on behind them. */
static int faults(char **argv)
{
	struct sigaction action;
	static char other_stack[65536];
	stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof(other_stack)};

	(void)argv;
	MUST(sigaltstack(&stack, NULL));
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = fault;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigaction(SIGSEGV, &action, NULL);
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page[17] = 5;
	say("wrote %d\n", page[17]);
	expected = (pid_t)syscall(SYS_gettid);
	handle(SIGTRAP, 0);
#if defined(__x86_64__)
	/* A breakpoint of its own: a SIGTRAP that is not the tracer's. */
	__asm__ volatile("int3");
#endif
	raise(SIGTRAP);
	return tell();
}

/* Taken without a handler: by sigtimedwait and by a descriptor. */
static int taken(char **argv)
{
	struct signalfd_siginfo info;
	struct timespec none = {0, 0};
	siginfo_t got;
	sigset_t set;
	union sigval value = {.sival_int = 77};
	int fd;

	(void)argv;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 5);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say("%s\n", error_of(sigtimedwait(&set, &got, &none)));
	sigqueue(getpid(), SIGRTMIN + 5, value);
	kill(getpid(), SIGUSR1);
	say("%d\n", sigtimedwait(&set, &got, &none));
	MUST(sigtimedwait(&set, &got, &none));
	say("%d %d\n", got.si_signo - SIGRTMIN, got.si_value.sival_int);
	fd = (int)MUST(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
	raise(SIGUSR2);
	end(); /* its content has our id */
	MUST(read(fd, &info, sizeof(info)));
	say("%u by itself %d\n", info.ssi_signo, info.ssi_pid == (uint32_t)getpid());
	return 0;
}

/* Ignored and default-ignored ones are not seen; SIGCONT goes on without a handler. */
static int ignored(char **argv)
{
	sigset_t pending;

	(void)argv;
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	raise(SIGWINCH);
	raise(SIGURG);
	raise(SIGCONT);
	sigpending(&pending);
	say("pending %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGWINCH));
	return 0;
}

/* One handler within another, and a jump out of one. */
static _Atomic int depth;

static void nested(int sig)
{
	int now = ++depth;

	say("in %d at %d\n", sig, now);
	if (now < 4)
		raise(sig);
	say("out %d at %d\n", sig, now);
}

static int nesting(char **argv)
{
	struct sigaction action;

	(void)argv;
	memset(&action, 0, sizeof(action));
	action.sa_handler = nested;
	action.sa_flags = SA_NODEFER;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	depth = 0;
	action.sa_flags = SA_RESETHAND;
	sigaction(SIGUSR1, &action, NULL);
	depth = 9;
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &action);
	say("default again %d\n", action.sa_handler == SIG_DFL);
	return 0;
}

/* What the program was given by whoever started it. */
static int given(char **argv)
{
	sigset_t mask;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig <= 64; sig++) {
		struct sigaction action;

		if (sig == SIGCHLD || sigaction(sig, NULL, &action) < 0)
			continue;
		if (action.sa_handler == SIG_IGN || sigismember(&mask, sig))
			say("%d ignored %d blocked %d\n", sig, action.sa_handler == SIG_IGN,
			    sigismember(&mask, sig));
	}
	(void)argv;
	return 0;
}

static int dies(char **argv)
{
	raise((int)strtol(argv[2], NULL, 10));
	return 97;
}

static int exits(char **argv)
{
	return (int)strtol(argv[2], NULL, 10);
}

MAIN({"once", once}, {"of-children", of_children}, {"to-thread", to_thread}, {"faults", faults},
     {"taken", taken}, {"ignored", ignored}, {"nesting", nesting}, {"given", given}, {"dies", dies},
     {"exits", exits})
