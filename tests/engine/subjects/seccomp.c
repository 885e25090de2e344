/* SPDX-License-Identifier: MIT */
/*
 * seccomp WHAT: what a program sees that uses seccomp itself, or wants to be let alone, in
 * words that do not change from run to run. getppid is the call that its filters are about;
 * getpgid is left to itself.
 */
#include <pthread.h>
#include <sys/ioctl.h>

#include "seccomp.h"

#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000u
#endif

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
