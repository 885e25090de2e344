/* SPDX-License-Identifier: MIT */
/* births PART: children of every make; the first call of each is its mark. */
#include <pthread.h>
#include <spawn.h>
#include <sys/prctl.h>

#include "conform.h"

/* May share our memory: touches nothing. */
static int child(void *unused)
{
	(void)unused;
	access("/conformance/mark/child", F_OK);
	syscall(SYS_exit, 7);
	return 0;
}

static pid_t cloned(int flags)
{
	return (pid_t)MUST(clone(child, stacks(4) + 4 * STRAND_STACK, flags, NULL));
}

static int by_clone(int flags)
{
	ended("child", cloned(flags));
	return 0;
}

static int by_fork(char **argv)
{
	pid_t pid;

	(void)argv;
#ifdef SYS_fork
	pid = (pid_t)MUST(syscall(SYS_fork));
#else
	pid = (pid_t)MUST(fork());
#endif
	if (pid == 0)
		child(NULL);
	ended("child", pid);
	return 0;
}

static int by_vfork(char **argv)
{
	pid_t pid;

	(void)argv;
	pid = (pid_t)MUST(vfork());
	if (pid == 0)
		child(NULL);
	mark("parent goes on");
	ended("child", pid);
	return 0;
}

/* A vfork whose child runs a program: the parent waits until then. */
static int vfork_exec(char **argv)
{
	char *const words[] = {argv[0], (char *)(uintptr_t)"marked", NULL};
	pid_t pid = (pid_t)MUST(vfork());

	if (pid == 0) {
		execv("/proc/self/exe", words);
		_exit(96);
	}
	mark("parent goes on");
	ended("child", pid);
	return 0;
}

static int marked(char **argv)
{
	(void)argv;
	mark("new program");
	return 8;
}

static int clone_plain(char **argv)
{
	(void)argv;
	return by_clone(SIGCHLD);
}

static int clone_vm(char **argv)
{
	(void)argv;
	return by_clone(CLONE_VM | CLONE_VFORK | SIGCHLD);
}

static int clone_no_signal(char **argv)
{
	(void)argv;
	return by_clone(0);
}

static int clone_usr1(char **argv)
{
	(void)argv;
	signal(SIGUSR1, SIG_IGN);
	return by_clone(SIGUSR1);
}

static int clone_files(char **argv)
{
	(void)argv;
	return by_clone(CLONE_FILES | CLONE_FS | CLONE_IO | SIGCHLD);
}

static int clone_ptrace(char **argv)
{
	(void)argv;
	return by_clone(CLONE_PTRACE | SIGCHLD);
}

static int clone_untraced(char **argv)
{
	(void)argv;
	return by_clone(CLONE_UNTRACED | SIGCHLD);
}

static int clone_untraced_ptrace(char **argv)
{
	(void)argv;
	return by_clone(CLONE_UNTRACED | CLONE_PTRACE | SIGCHLD);
}

/* Our child makes a sister of its own: a child of ours, too. */
static int clone_parent(char **argv)
{
	pid_t *sister = shared(), maker;

	(void)argv;
	maker = (pid_t)MUST(fork());
	if (maker == 0) {
		*sister = cloned(CLONE_PARENT | SIGCHLD);
		_exit(0);
	}
	ended("maker", maker);
	ended("sister", *sister);
	return 0;
}

static pid_t cloned3(uint64_t flags, uint64_t signal, int *pidfd)
{
	struct clone_args args;
	long pid;

	memset(&args, 0, sizeof(args));
	args.flags = flags;
	args.exit_signal = signal;
	args.pidfd = (uintptr_t)pidfd;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		child(NULL);
	return (pid_t)MUST(pid);
}

static int by_clone3(char **argv)
{
	(void)argv;
	ended("child", cloned3(0, SIGCHLD, NULL));
	ended("child", cloned3(CLONE_VFORK, SIGCHLD, NULL));
	ended("child", cloned3(CLONE_CLEAR_SIGHAND, 0, NULL));
	return 0;
}

static int clone3_pidfd(char **argv)
{
	siginfo_t info;
	int fd = -1;

	(void)argv;
	cloned3(CLONE_PIDFD, SIGCHLD, &fd);
	memset(&info, 0, sizeof(info));
	MUST(waitid((idtype_t)3 /* P_PIDFD */, (id_t)fd, &info, WEXITED));
	say("code %d status %d\n", info.si_code, info.si_status);
	return 0;
}

static int clone3_wrong(char **argv)
{
	struct clone_args args;
	long result;

	(void)argv;
	memset(&args, 0, sizeof(args));
	args.flags = CLONE_THREAD; /* without CLONE_SIGHAND */
	result = syscall(SYS_clone3, &args, sizeof(args));
	say("%s\n", error_of(result));
	result = syscall(SYS_clone3, &args, 8);
	say("%s\n", error_of(result));
	result = syscall(SYS_clone3, NULL, sizeof(args));
	say("%s\n", error_of(result));
	return 0;
}

static int by_posix_spawn(char **argv)
{
	extern char **environ;
	char *const words[] = {argv[0], (char *)(uintptr_t)"marked", NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 7, "/dev/null", O_RDONLY, 0);
	if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, words, environ))
		return 97;
	ended("child", pid);
	error = posix_spawn(&pid, "/no/such/program", NULL, NULL, words, environ);
	say("%s\n", strerrorname_np(error));
	return 0;
}

static void *thread(void *arg)
{
	mark("thread");
	return arg;
}

static int by_pthread(char **argv)
{
	pthread_t made;

	(void)argv;
	for (int i = 0; i < 3; i++) {
		if (pthread_create(&made, NULL, thread, NULL))
			return 97;
		pthread_join(made, NULL);
	}
	say("joined\n");
	return 0;
}

static int storm_gate[2];

static int storm_thread(void *unused)
{
	(void)unused;
	access("/conformance/mark/thread", F_OK);
	return write(storm_gate[1], "b", 1) == 1 ? 0 : 1;
}

/* Threads as fast as they can be made; all alive at once, or each soon gone. */
static int storm(char **argv)
{
	unsigned n = (unsigned)strtoul(argv[2], NULL, 10);
	struct strand *strands = calloc(n, sizeof(*strands));
	char *stack = stacks(n);

	MUST(pipe(storm_gate));
	for (unsigned i = 0; i < n; i++)
		strand_start(&strands[i], stack, i, storm_thread, NULL);
	for (unsigned i = 0; i < n; i++)
		take_byte(storm_gate[0]);
	for (unsigned i = 0; i < n; i++)
		strand_join(&strands[i]);
	say("%u threads\n", n);
	return 0;
}

/* Twice forked and in a session of its own: at work when its maker has ended. */
static int double_fork(char **argv)
{
	int gate[2], up[2];
	char answer;

	(void)argv;
	MUST(pipe(gate));
	MUST(pipe(up));
	if (MUST(fork()) == 0) {
		MUST(setsid());
		if (MUST(fork()) == 0) {
			close(gate[1]);
			close(up[0]);
			take_byte(gate[0]);
			mark("daemon");
			put_byte(up[1]);
			_exit(7);
		}
		_exit(0);
	}
	ended("maker", -1);
	close(up[1]);
	put_byte(gate[1]);
	MUST(read(up[0], &answer, 1));
	/* It has ended when nobody holds the pipe any more. */
	say("daemon gone: %ld\n", MUST(read(up[0], &answer, 1)));
	return 0;
}

/* Children that are killed as soon as they are there, maybe before they ran. */
static int newborn(char **argv)
{
	(void)argv;
	for (int i = 0; i < 50; i++) {
		int status;
		pid_t pid = (pid_t)MUST(fork());

		if (pid == 0)
			for (;;)
				pause();
		kill(pid, SIGKILL);
		MUST(waitpid(pid, &status, 0));
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			return 1;
	}
	say("50 killed\n");
	return 0;
}

/* A signal for a child that has yet to run its first instruction. */
static int signal_at_birth(char **argv)
{
	(void)argv;
	for (int i = 0; i < 20; i++) {
		pid_t pid = (pid_t)MUST(fork());
		int status;

		if (pid == 0)
			for (;;)
				pause();
		kill(pid, i % 2 ? SIGSTOP : SIGTERM);
		if (i % 2) {
			MUST(waitpid(pid, &status, WUNTRACED));
			if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
				return 1;
			kill(pid, SIGTERM);
			kill(pid, SIGCONT);
		}
		MUST(waitpid(pid, &status, 0));
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM)
			return 2;
	}
	say("20 ended by SIGTERM\n");
	return 0;
}

/* A tree: each process makes two, four generations. */
static int tree(char **argv)
{
	int failed = 0;

	(void)argv;
	for (int depth = 0; depth < 4; depth++) {
		pid_t left = (pid_t)MUST(fork()), right;

		if (left == 0)
			continue;
		right = (pid_t)MUST(fork());
		if (right == 0)
			continue;
		for (int i = 0; i < 2; i++) {
			int status;

			MUST(waitpid(i ? right : left, &status, 0));
			failed |= status;
		}
		if (depth == 0) {
			say("all ended: %d\n", failed);
			return 0;
		}
		_exit(failed);
	}
	mark("leaf");
	_exit(0);
}

MAIN({"fork", by_fork}, {"vfork", by_vfork}, {"vfork-exec", vfork_exec}, {"marked", marked},
     {"clone", clone_plain}, {"clone-vm", clone_vm}, {"clone-no-signal", clone_no_signal},
     {"clone-usr1", clone_usr1}, {"clone-files", clone_files}, {"clone-ptrace", clone_ptrace},
     {"clone-untraced", clone_untraced}, {"clone-untraced-ptrace", clone_untraced_ptrace},
     {"clone-parent", clone_parent}, {"clone3", by_clone3}, {"clone3-pidfd", clone3_pidfd},
     {"clone3-wrong", clone3_wrong}, {"posix-spawn", by_posix_spawn}, {"pthread", by_pthread},
     {"storm", storm}, {"double-fork", double_fork}, {"newborn", newborn},
     {"signal-at-birth", signal_at_birth}, {"tree", tree})
