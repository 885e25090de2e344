/* SPDX-License-Identifier: MIT */
/*
 * seccomp WHAT: what a program sees that uses seccomp itself, or wants to be let alone, in
 * words that do not change from run to run. getppid is the call that its filters are about;
 * getpgrp is left to itself.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "subject.h"

#ifndef CLONE_UNTRACED
#define CLONE_UNTRACED 0x00800000
#endif
#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000u
#endif

static const char *word(long result)
{
	if (result >= 0)
		return "works";
	switch (errno) {
	case EACCES:
		return "EACCES";
	case EINVAL:
		return "EINVAL";
	case ENOSYS:
		return "ENOSYS";
	case EPERM:
		return "EPERM";
	case EXDEV:
		return "EXDEV";
	default:
		return strerror(errno);
	}
}

/* `action` for one call, all others allowed; by seccomp(2), or by prctl(2) for -1. */
static long filter(int nr, uint32_t action, long flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, code};

	if (flags < 0)
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void allow_filters(void)
{
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void try_calls(const char *who)
{
	printf("%s: getppid %s", who, word(syscall(SYS_getppid)));
	printf(", getpgid %s\n", word(syscall(SYS_getpgid, 0)));
	fflush(stdout);
}

/* What a child does that ends in some way. */
static void in_child(const char *name, void (*act)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		act();
		syscall(SYS_exit, 5);
	}
	printf("%s: ended %d\n", name, ended(pid));
}

static int mode(void)
{
	printf("mode %d\n", prctl(PR_GET_SECCOMP));
	printf("again %d\n", prctl(PR_GET_SECCOMP, 1, 2, 3, 4));
	printf("privileges %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	allow_filters();
	printf("privileges %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	printf("filter %s\n", word(filter(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV, 0)));
	printf("mode %d\n", prctl(PR_GET_SECCOMP));
	return 0;
}

static int privileges(void)
{
	printf("privileges %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	printf("filter %s\n", word(filter(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV, 0)));
	printf("prctl %s\n", word(filter(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV, -1)));
	allow_filters();
	printf("filter %s\n", word(filter(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV, 0)));
	try_calls("it");
	return 0;
}

static int questions(void)
{
	uint32_t action = SECCOMP_RET_TRACE, unknown = 0x12340000;
	struct seccomp_notif_sizes sizes;

	printf("sizes %s\n", word(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes)));
	printf("trace %s\n", word(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action)));
	printf("none %s\n", word(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &unknown)));
	printf("operation %s\n", word(syscall(SYS_seccomp, 99, 0, NULL)));
	printf("strict %s\n", word(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL)));
	printf("strict %s\n", word(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &action)));
	printf("prctl %s\n", word(prctl(PR_SET_SECCOMP, 99, 0, 0, 0)));
	printf("no program %s\n", word(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL)));
	return 0;
}

static void strict(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0)
		syscall(SYS_write, 1, "strict\n", 7);
}

static void strict_exits(void)
{
	char byte;

	strict();
	syscall(SYS_read, -1, &byte, 1);
}

static void strict_by_seccomp(void)
{
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) == 0)
		syscall(SYS_write, 1, "strict too\n", 11);
}

static void strict_getppid(void)
{
	strict();
	syscall(SYS_getppid);
}

static void strict_getpgid(void)
{
	strict();
	syscall(SYS_getpgid, 0);
}

static void strict_exit_group(void)
{
	strict();
	_exit(3);
}

static void strict_prctl(void)
{
	strict();
	prctl(PR_GET_SECCOMP);
}

static void strict_fork(void)
{
	strict();
	syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void on_signal(int sig)
{
	static int ticks;

	(void)sig;
	/* Not the first: that may come before the mode is on. */
	if (++ticks == 3)
		syscall(SYS_write, 1, "handled\n", 8);
	if (ticks == 3)
		syscall(SYS_exit, 5);
}

static void strict_handler(void)
{
	struct itimerval every = {{0, 20000}, {0, 20000}};
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	action.sa_flags = SA_RESTART;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	MUST(setitimer(ITIMER_REAL, &every, NULL));
	strict();
	for (;;) {
		char byte;

		/* A pipe that nobody writes to. */
		if (syscall(SYS_read, 100, &byte, 1) < 0)
			return;
	}
}

static void strict_clock(void)
{
	strict();
#if defined(__x86_64__)
	__builtin_ia32_rdtsc();
#endif
}

static void strict_late(void)
{
	allow_filters();
	MUST(filter(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV, 0));
	printf("strict under a filter: %s\n", word(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)));
	fflush(stdout);
}

static int strict_mode(void)
{
	int ends[2];

	MUST(pipe(ends));
	MUST(dup2(ends[0], 100));
	in_child("plain", strict_exits);
	in_child("seccomp", strict_by_seccomp);
	in_child("getppid", strict_getppid);
	in_child("getpgid", strict_getpgid);
	in_child("exit_group", strict_exit_group);
	in_child("prctl", strict_prctl);
	in_child("fork", strict_fork);
	in_child("handler", strict_handler);
	in_child("clock", strict_clock);
	in_child("late", strict_late);
	return 0;
}

static void *strict_thread(void *unused)
{
	strict();
	syscall(SYS_getpgid, 0);
	syscall(SYS_write, 1, "not reached\n", 12);
	return unused;
}

/* One thread breaks the rule; the others live. */
static int strict_in_thread(void)
{
	pthread_t thread;
	char path[64];
	long tid = 0;

	if (pthread_create(&thread, NULL, strict_thread, NULL))
		return 99;
	/* Its end clears no futex that tells: look for it. */
	for (tid = 0; tid < 2000; tid++) {
		snprintf(path, sizeof(path), "/proc/self/status");
		FILE *file = fopen(path, "re");
		char line[128];
		int threads = 0;

		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "Threads: %d", &threads) == 1)
				break;
		if (file)
			fclose(file);
		if (threads == 1)
			break;
		usleep(5000);
	}
	printf("alone: %s\n", tid < 2000 ? "yes" : "no");
	return 0;
}

static int own(uint32_t action, bool by_prctl)
{
	allow_filters();
	MUST(filter(SYS_getppid, action, by_prctl ? -1 : 0));
	try_calls("first");
	in_child("child", mark);
	fflush(stdout);
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		try_calls("child");
		execl("/proc/self/exe", "subject", "seccomp", "try", NULL);
		_exit(97);
	}
	printf("program: ended %d\n", ended(pid));
	return 0;
}

static void killed_process(void)
{
	allow_filters();
	MUST(filter(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0));
	syscall(SYS_getpgid, 0);
	mark();
}

static void killed_thread(void)
{
	allow_filters();
	MUST(filter(SYS_getppid, SECCOMP_RET_KILL, 0));
	mark();
}

static int kills(void)
{
	in_child("process", killed_process);
	in_child("thread", killed_thread);
	return 0;
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)context;
	printf("signal %d, code %d, call %d, data %d\n", sig, info->si_code,
	       info->si_syscall == SYS_getppid, info->si_errno);
}

static int traps(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_trap;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGSYS, &action, NULL);
	allow_filters();
	MUST(filter(SYS_getppid, SECCOMP_RET_TRAP | 7, 0));
	mark();
	try_calls("after");
	return 0;
}

/* Filters that ask for a tracer: there is none. One of a call that nobody traces, too. */
static int traces(void)
{
	allow_filters();
	MUST(filter(SYS_getppid, SECCOMP_RET_TRACE | 1, 0));
	try_calls("getppid");
	MUST(filter(SYS_getpgid, SECCOMP_RET_TRACE | 0xffff, 0));
	try_calls("both");
	return 0;
}

static int gates[2], answers[2];

static void *other_thread(void *unused)
{
	char byte;

	MUST(write(answers[1], "r", 1));
	MUST(read(gates[0], &byte, 1));
	for (int i = 0; i < 3; i++)
		syscall(SYS_getppid);
	try_calls("thread");
	return unused;
}

static int together(void)
{
	pthread_t thread;
	char byte;

	MUST(pipe(gates));
	MUST(pipe(answers));
	if (pthread_create(&thread, NULL, other_thread, NULL))
		return 99;
	MUST(read(answers[0], &byte, 1));
	allow_filters();
	printf("filter %s\n",
	       word(filter(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV, SECCOMP_FILTER_FLAG_TSYNC)));
	try_calls("first");
	MUST(write(gates[1], "g", 1));
	pthread_join(thread, NULL);
	return 0;
}

/* A thread that computes while the filter is put on it. */
static _Atomic bool synced;

static void *busy_thread(void *unused)
{
	MUST(write(answers[1], "r", 1));
	while (!synced)
		;
	for (int i = 0; i < 3; i++)
		syscall(SYS_getppid);
	try_calls("thread");
	return unused;
}

static int together_busy(void)
{
	pthread_t thread;
	char byte;

	MUST(pipe(answers));
	if (pthread_create(&thread, NULL, busy_thread, NULL))
		return 99;
	MUST(read(answers[0], &byte, 1));
	allow_filters();
	MUST(filter(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV, SECCOMP_FILTER_FLAG_TSYNC));
	synced = true;
	pthread_join(thread, NULL);
	return 0;
}

/* Somebody else decides about a call. */
static int listener = -1;

static void *supervised(void *unused)
{
	allow_filters();
	listener = (int)MUST(
		filter(SYS_getppid, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER));
	MUST(write(gates[1], "g", 1));
	printf("answer %ld\n", syscall(SYS_getppid));
	printf("mode %d\n", prctl(PR_GET_SECCOMP));
	return unused;
}

static int listens(void)
{
	struct seccomp_notif call;
	struct seccomp_notif_resp response;
	pthread_t thread;
	char byte;

	MUST(pipe(gates));
	if (pthread_create(&thread, NULL, supervised, NULL))
		return 99;
	MUST(read(gates[0], &byte, 1));
	memset(&call, 0, sizeof(call));
	MUST(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call));
	memset(&response, 0, sizeof(response));
	response.id = call.id;
	response.val = 4242;
	MUST(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response));
	pthread_join(thread, NULL);
	return 0;
}

#if defined(__x86_64__)
/* The raw call; *flags is what the register holds afterwards, in parent and child. */
static long raw_clone(unsigned long *flags)
{
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	unsigned long rdi = *flags;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result), "+D"(rdi)
			 : "a"(SYS_clone), "S"(0), "d"(0), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	*flags = rdi;
	return result;
}
#else
static long raw_clone(unsigned long *flags)
{
	return syscall(SYS_clone, *flags, 0, 0, 0, 0);
}
#endif

static void child_tells(const char *name, bool unchanged)
{
	char text[128];
	long parent = syscall(SYS_getppid);
	int len = snprintf(text, sizeof(text), "%s child: getppid %s, flags %s\n", name,
			   parent > 0 ? "works" : "fails", unchanged ? "kept" : "changed");
	pid_t grandchild;

	MUST(write(1, text, (size_t)len));
	grandchild = (pid_t)MUST(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	if (grandchild == 0) {
		if (syscall(SYS_getppid) > 0)
			MUST(write(1, "grandchild works\n", 17));
		syscall(SYS_exit, 4);
	}
	syscall(SYS_exit, ended(grandchild));
}

/* By a structure that nobody can write, or that cannot be read. */
static void untraced_from(const char *name, struct clone_args *args, bool readable)
{
	struct clone_args before;
	long pid;

	if (readable)
		before = *args;
	fflush(stdout);
	pid = syscall(SYS_clone3, args, CLONE_ARGS_SIZE_VER0);
	if (pid == 0)
		child_tells(name, !readable || memcmp(args, &before, sizeof(before)) == 0);
	MUST(pid);
	if (!readable)
		MUST(mprotect(args, 4096, PROT_READ));
	printf("%s: ended %d, flags %s\n", name, ended((pid_t)pid),
	       args->flags == CLONE_UNTRACED ? "kept" : "changed");
}

static int untraced_odd(void)
{
	struct clone_args args = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
	int fd = (int)MUST(memfd_create("args", MFD_ALLOW_SEALING));
	void *sealed, *hidden;

	MUST(write(fd, &args, sizeof(args)));
	MUST(ftruncate(fd, 4096));
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
	sealed = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	hidden = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sealed == MAP_FAILED || hidden == MAP_FAILED)
		return 99;
	memcpy(hidden, &args, sizeof(args));
	MUST(mprotect(hidden, 4096, PROT_WRITE));
	untraced_from("sealed", sealed, true);
	untraced_from("write-only", hidden, false);
	return 0;
}

static int untraced(void)
{
	unsigned long asked = CLONE_UNTRACED | SIGCHLD, flags = asked;
	struct clone_args args, before;
	long pid;

	fflush(stdout);
	pid = raw_clone(&flags);
	if (pid == 0)
		child_tells("clone", flags == asked);
	MUST(pid);
	printf("clone: ended %d, flags %s\n", ended((pid_t)pid),
	       flags == asked ? "kept" : "changed");
	fflush(stdout);
	memset(&args, 0, sizeof(args));
	args.flags = CLONE_UNTRACED;
	args.exit_signal = SIGCHLD;
	before = args;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		child_tells("clone3", memcmp(&args, &before, sizeof(args)) == 0);
	MUST(pid);
	printf("clone3: ended %d, flags %s\n", ended((pid_t)pid),
	       memcmp(&args, &before, sizeof(args)) ? "changed" : "kept");
	/* From memory that cannot be written. */
	struct clone_args *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return 99;
	*page = before;
	MUST(mprotect(page, 4096, PROT_READ));
	fflush(stdout);
	pid = syscall(SYS_clone3, page, sizeof(*page));
	if (pid == 0)
		child_tells("read-only", memcmp(page, &before, sizeof(before)) == 0);
	MUST(pid);
	printf("read-only: ended %d, flags %s\n", ended((pid_t)pid),
	       memcmp(page, &before, sizeof(before)) ? "changed" : "kept");
	return 0;
}

int seccomp_main(char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} parts[] = {
		{"mode", mode},          {"privileges", privileges},   {"questions", questions},
		{"strict", strict_mode}, {"thread", strict_in_thread}, {"kills", kills},
		{"traps", traps},        {"traces", traces},           {"together", together},
		{"busy", together_busy}, {"listens", listens},         {"untraced", untraced},
		{"odd", untraced_odd},
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(argv[0], "errno") == 0)
		return own(SECCOMP_RET_ERRNO | EXDEV, false);
	if (strcmp(argv[0], "prctl") == 0)
		return own(SECCOMP_RET_ERRNO | EPERM, true);
	if (strcmp(argv[0], "log") == 0)
		return own(SECCOMP_RET_LOG, false);
	if (strcmp(argv[0], "try") == 0) {
		try_calls("program");
		return 6;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcmp(parts[i].name, argv[0]) == 0)
			return parts[i].run();
	return 98;
}
