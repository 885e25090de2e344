/* SPDX-License-Identifier: MIT */
/*
 * An engine: what watches processes and writes records into a ring. This is the
 * native ptrace engine, for a command that it launches and processes that it attaches to. Everything runs on
 * the thread that calls rn_engine_run(): ptrace takes requests from one thread only.
 */
#ifndef RENACER_ENGINE_H
#define RENACER_ENGINE_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "renacer/event.h"
#include "renacer/ids.h"
#include "renacer/ring.h"

enum rn_cpu_policy { RN_CPU_POLICY_AUTO = 0, RN_CPU_POLICY_SHARE = 1, RN_CPU_POLICY_FREE = 2 };

/* Fallbacks that are forced. */
/* Whether calls that are not wanted are let through in the kernel, by a seccomp filter. */
enum rn_filter_mode {
	RN_FILTER_OFF = 0,
	RN_FILTER_AUTO = 1, /* if the kernel takes the filter */
	RN_FILTER_ON = 2    /* else the command is not started */
};

enum { RN_ENGINE_NO_SYSCALL_INFO = 1u << 0, RN_ENGINE_NO_VM_READV = 1u << 1 };

/* What is told of descriptors (-y); 0 = nothing. */
enum {
	RN_FDS_PATH = 1u << 0,
	RN_FDS_SOCKET = 1u << 1,
	RN_FDS_DEV = 1u << 2,
	RN_FDS_PIDFD = 1u << 3
};

/* Files that are looked at: none, all that calls may change, or in the end only those that memory may
   have written, which no call tells of. */
enum rn_states { RN_STATES_NONE = 0, RN_STATES_ALL = 1, RN_STATES_MAPPED = 2 };

struct rn_engine_config {
	char *const *argv;
	/* A process that is inside rn_engine_become() with the other end of the socket, and is
	   to be the command; 0 = fork one. */
	int adopt_pid, adopt_fd;
	char *const *envp;
	const char *path; /* of the executable, resolved; NULL = search PATH of envp */
	sigset_t mask;    /* blocked signals that the command starts with */
	bool change_user; /* the command runs as uid and gid with these groups */
	uint32_t uid, gid;
	const uint32_t *groups;
	uint32_t group_count;
	bool follow;        /* else the first thread only */
	uint32_t max_depth; /* generations of processes below the command that are followed */
	enum rn_filter_mode filter;
	bool no_new_privs; /* without which the filter is not allowed */
	enum rn_cpu_policy cpu;
	bool drop_on_full;
	uint64_t block_limit_ns;
	uint32_t string_limit; /* bytes of a buffer that are captured */
	bool verbose;          /* whole environments, entries of directories */
	uint32_t describe_fds; /* RN_FDS_* */
	bool objects;          /* which objects descriptors are: RN_PIECE_OBJECT */
	uint32_t disable;
	bool cpu_times;  /* records of calls carry RN_PIECE_CPU_TIME */
	bool hashes;     /* records of what is written carry RN_PIECE_CONTENT */
	enum rn_states states; /* which files are looked at: rn_engine_looked() */
	bool peaks;      /* ends of programs carry RN_PIECE_PEAK */
	bool no_capture; /* nothing of calls' arguments is read from memory */
	bool source;      /* entries carry RN_PIECE_SOURCE */
	bool application; /* entries carry RN_PIECE_SPAN where the application publishes it */
	bool propagate;
	uint64_t lamport_seed; /* greatest Lamport time heard of before the start */
	uint8_t trace_id[16];
	struct rn_id_key key;
	const uint64_t *wanted; /* RN_ABI_COUNT * RN_ABI_WORDS words, or NULL */
	/* Paths whose open descriptors are recorded of processes that are attached to;
	   NULL-ended, or NULL = none. */
	const char *const *paths;
	struct rn_ring *ring;
};

enum rn_launch_error {
	RN_LAUNCH_OK = 0,
	RN_LAUNCH_NOT_FOUND,
	RN_LAUNCH_NOT_EXECUTABLE,
	RN_LAUNCH_PTRACE, /* ptrace was refused */
	RN_LAUNCH_SYSTEM, /* another call failed */
	RN_LAUNCH_FILTER, /* RN_FILTER_ON, and the kernel refused */
	RN_LAUNCH_MEMORY,
	RN_LAUNCH_ABANDONED, /* the process that was to be the command could not, and says so */
	RN_LAUNCH_ATTACH /* to none of the processes */
};

struct rn_launch_result {
	enum rn_launch_error error;
	int err;          /* errno */
	const char *what; /* the call that failed; static text */
};

/* Written by the tracer thread, read by any. */
struct rn_engine_counters {
	_Atomic uint64_t calls;  /* entries seen, of the wanted calls */
	_Atomic uint64_t stops;
	_Atomic uint64_t lost_events;
	_Atomic uint64_t lost_calls;
	_Atomic uint64_t cpu_ns; /* of the tracer thread; set at the end */
	_Atomic uint64_t added_ns; /* to the command's time by tracing, estimated; set at the end */
	_Atomic uint64_t cpu_switches;
	_Atomic int shared; /* 1 = tracer and tracees on one CPU */
	_Atomic int command_pid; /* 0 = not started, -1 = gone */
	_Atomic int let_go; /* threads */
	_Atomic int filter; /* 1 = the seccomp filter is on, 0 = there is none, else -errno */
	/* By number: when (CLOCK_MONOTONIC ns) others last sent the command a signal. */
	_Atomic uint64_t signalled[65];
	_Atomic uint64_t void_set_id; /* programs that ran without the rights of their files */
	_Atomic int at_rest; /* 1 = the command is stopped by job control, 2 = all tracees are */
};

struct rn_engine;

struct rn_engine *rn_engine_create(const struct rn_engine_config *config);
void rn_engine_destroy(struct rn_engine *engine);

/*
 * Forks and seizes the command and lets it exec. Call on the tracer thread. On
 * success the command stands at its first exec, whose entry and exec are recorded.
 */
struct rn_launch_result rn_engine_launch(struct rn_engine *engine);

/*
 * Seizes `n` processes, all their threads, and records their starts. errors[i]: errno, or 0.
 * Returns how many could be seized. On the tracer thread, before rn_engine_launch(), if
 * there is a command, too. They are let go, as they are, when the thread ends.
 */
unsigned rn_engine_attach(struct rn_engine *engine, const int32_t *pids, int *errors, unsigned n);

/*
 * The calling process becomes the command, once the tracer, another process, has it.
 * Returns only on failure: errno, or -1 where the tracer is gone.
 */
int rn_engine_become(char *const *argv, char *const *envp, int fd, int tracer);

/* Traces until no tracee is left; closes the ring. Returns the command's wait status. */
int rn_engine_run(struct rn_engine *engine);

/* Any thread: asks to let go of all tracees, which run on. Ask again until the run ends. */
void rn_engine_let_go(struct rn_engine *engine);

/*
 * Whether the seccomp filter is on. Then nobody can be let go: without a tracer each call
 * that it stops fails with ENOSYS.
 */
bool rn_engine_is_filtered(const struct rn_engine *engine);

/* Any thread: sends a signal to each process that is traced. From a key (SIGINT, SIGQUIT)
   those of our own process group have it already. */
void rn_engine_signal_all(struct rn_engine *engine, int sig);

const struct rn_engine_counters *rn_engine_counters(const struct rn_engine *engine);

/* A file, or that there is none: stat(2). */
struct rn_file_state {
	uint32_t mode; /* type and mode; 0 = there is none */
	uint32_t uid, gid, links;
	uint64_t size;
	uint64_t device, inode, rdev;
	uint64_t attributes[2]; /* of all extended ones, in any order; 0 = none */
	uint64_t lanes[2]; /* of its content, see content.h, if it is known… */
	const char *target; /* …or of a symbolic link; else NULL */
	bool known;
	bool unreadable; /* it could not be looked at */
};

/* What calls may have changed, by the path that it has after all links, in the tracer's sight. */
struct rn_looked {
	const char *path;
	struct rn_file_state before, after; /* the first such call; the end of the run */
	bool mapped; /* it was mapped so that memory may write it, or got its name from one that was */
};

/* Once the run has ended, with config.states: the one with this number, or NULL. */
const struct rn_looked *rn_engine_looked(const struct rn_engine *engine, uint32_t at);
/* How often something was not looked at: there were too many, or it was not to be had. */
uint64_t rn_engine_not_looked(const struct rn_engine *engine);

#endif
