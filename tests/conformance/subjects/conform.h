/* SPDX-License-Identifier: MIT */
/*
 * What the subjects share. A subject does one thing and says on standard output what it
 * saw of it, in words that are the same in each run: no ids, no addresses, no times.
 *
 * Three calls speak to whoever compares traces: the trace of a thread counts from
 * begin() on and up to end(), and a thread that calls helper() does not count at all.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_UNTRACED
#define CLONE_UNTRACED 0x00800000
#endif

/* Ends with a message where something that must work does not. */
#define MUST(call)                                                                                 \
	({                                                                                         \
		long must_result = (long)(call);                                                   \
		if (must_result == -1) {                                                           \
			fprintf(stderr, "%s: %s\n", #call, strerror(errno));                       \
			_exit(99);                                                                 \
		}                                                                                  \
		must_result;                                                                       \
	})

/* `full` with RENACER_TEST_SCALE=full, else `few`: how often. */
static inline unsigned scaled(unsigned full, unsigned few)
{
	const char *scale = getenv("RENACER_TEST_SCALE");

	return scale && strcmp(scale, "full") == 0 ? full : few;
}

/* The end of a child would cut short whatever its parent is at: a matter of chance. */
static inline void begin(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	access("/conformance/begin", F_OK);
}

static inline void end(void)
{
	access("/conformance/end", F_OK);
}

static inline void helper(void)
{
	access("/conformance/helper", F_OK);
}

/* A call that nobody else makes, and that is seen in the trace. */
static inline void mark(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/conformance/mark/%s", name);
	access(path, F_OK);
}

/* One write for each, so that nothing waits in a buffer at a fork or a death. */
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
	char text[512];
	va_list list;
	int len;

	va_start(list, format);
	len = vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (len > 0)
		MUST(write(1, text, (size_t)len));
}

static inline const char *error_of(long result)
{
	return result == -1 ? strerrorname_np(errno) : "-";
}

static inline void say_status(const char *what, int status)
{
	if (WIFSTOPPED(status))
		say("%s: stopped by %d\n", what, WSTOPSIG(status));
	else if (WIFCONTINUED(status))
		say("%s: continued\n", what);
	else if (WIFSIGNALED(status))
		say("%s: killed by %d\n", what, WTERMSIG(status));
	else
		say("%s: exited with %d\n", what, WEXITSTATUS(status));
}

/* Waits for a child's end and says it. */
static inline void ended(const char *what, pid_t pid)
{
	int status;

	MUST(waitpid(pid, &status, __WALL));
	say_status(what, status);
}

/* Memory that children share: ids in a pipe would show in the trace. */
static inline void *shared(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	MUST(page == MAP_FAILED ? -1 : 0);
	return page;
}

static inline void put_byte(int fd)
{
	MUST(write(fd, "b", 1));
}

/* One byte; false at the end of the pipe. */
static inline bool take_byte(int fd)
{
	char byte;

	return MUST(read(fd, &byte, 1)) == 1;
}

/* Whether a thread sleeps inside the call of that number. */
static inline bool is_blocked(pid_t pid, pid_t tid, long nr)
{
	char path[64], text[64], state;
	long in_call;
	FILE *file;
	bool found;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	found = fscanf(file, "%*d (%*[^)]) %c", &state) == 1 && state == 'S';
	fclose(file);
	if (!found)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	found = fgets(text, sizeof(text), file) && sscanf(text, "%ld", &in_call) == 1 &&
		in_call == nr;
	fclose(file);
	return found;
}

/* For helpers only: until that thread sleeps in that call. */
static inline void until_blocked(pid_t pid, pid_t tid, long nr)
{
	while (!is_blocked(pid, tid, nr))
		usleep(500);
}

/* A thread without a C library's own: it makes no call but those that its function makes. */
struct strand {
	_Atomic int tid; /* 0 when it is gone */
	int (*run)(void *);
	void *arg;
};

#define STRAND_STACK 65536u
#define STRAND_FLAGS                                                                               \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |        \
	 CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID)

static int strand_main(void *arg)
{
	struct strand *strand = arg;

	syscall(SYS_exit, strand->run(strand->arg));
	return 0;
}

/* `stacks` is from stacks(); each has a part of its own. */
static inline char *stacks(unsigned n)
{
	void *made = mmap(NULL, (size_t)n * STRAND_STACK, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	MUST(made == MAP_FAILED ? -1 : 0);
	return made;
}

static inline void strand_start(struct strand *strand, char *stack, unsigned i, int (*run)(void *),
				void *arg)
{
	strand->run = run;
	strand->arg = arg;
	strand->tid = -1;
	MUST(clone(strand_main, stack + (size_t)(i + 1) * STRAND_STACK - 64, STRAND_FLAGS, strand,
		   &strand->tid, NULL, &strand->tid));
}

/* How often it waits is a matter of chance: cases leave futex out of the comparison. */
static inline void strand_join(struct strand *strand)
{
	int tid;

	while ((tid = strand->tid) != 0)
		syscall(SYS_futex, &strand->tid, FUTEX_WAIT, tid, NULL, NULL, 0);
}

struct part {
	const char *name;
	int (*main)(char **argv);
};

/* Runs the part that the first word names, between begin() and end(). */
static inline int run_part(const struct part *parts, size_t n, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < n; i++) {
		int result;

		if (strcmp(parts[i].name, argv[1]) != 0)
			continue;
		begin();
		result = parts[i].main(argv);
		end();
		return result;
	}
	fprintf(stderr, "%s: what?\n", argv[0]);
	return 98;
}

#define MAIN(...)                                                                                  \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		static const struct part parts[] = {__VA_ARGS__};                                  \
		return run_part(parts, sizeof(parts) / sizeof(parts[0]), argc, argv);              \
	}

#endif
