/* SPDX-License-Identifier: MIT */
/* The ptrace engine from inside; one file per concern. */
#ifndef RENACER_ENGINE_PRIVATE_H
#define RENACER_ENGINE_PRIVATE_H

#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "application.h"
#include "filter.h"
#include "ptrace_abi.h"
#include "renacer/engine.h"
#include "renacer/syscalls.h"

/* A traced thread. */
struct task {
	struct task *next; /* hash chain, or free list */
	int32_t tid, pid;
	uint64_t ordinal; /* of its process */
	bool known;       /* its start is recorded; else it is held, or expected */
	bool started;     /* its first stop was seen */
	bool in_call;     /* between entry stop and exit stop */
	bool wanted;      /* the call it is in is recorded */
	bool entry_in_ring;
	bool entry_lost;
	bool held;          /* stopped, or dead, until its maker tells of it */
	bool hidden;        /* not yet at its first exec: nothing is recorded */
	bool group_stopped; /* listening */
	bool pinned;        /* we changed its CPU mask */
	bool own_mask;      /* it has a CPU mask or class of its own: never pinned */
	bool attached;      /* or made by one that is: nothing of it is changed, ever */
	bool repin;         /* the call that it is in gave back somebody's own mask */
	bool silent;        /* ours only because of the filter: nothing is recorded */
	bool left;          /* not to be followed: let go at its first stop */
	bool expected;      /* while all are let go: its maker has told of it already */
	bool stepping;      /* stops at every call, filter or not */
	bool strict;        /* in seccomp's strict mode, as far as it knows */
	bool own_filter;    /* it, or who made it, installed one */
	bool own_no_new_privs;
	uint8_t guard;      /* what was changed in the call it is in: enum guard */
	uint8_t mend;       /* what is to be put back before it runs on: enum guard */
	uint32_t depth;     /* generations of processes below the command */
	uint16_t lent;      /* how many such calls are about this thread's mask */
	uint8_t abi;
	int32_t nr;
	int32_t repin_target; /* whose mask was given back, if not its own */
	const struct rn_syscall_desc *desc;
	uint64_t args[6];
	uint64_t t_entry;
	uint64_t stime_entry; /* system CPU time then, ns */
	uint64_t clone_flags;
	uint64_t told_of_call; /* t_entry of its last call of which a birth was told */
	int64_t last_result; /* if the kernel may now begin the call `cut` anew */
	struct {
		int64_t result; /* 0 = none */
		int32_t nr;
		uint8_t abi;
		uint64_t args[6];
	} cut; /* the last call that a signal cut short */
	uint64_t asleep_since; /* t_entry of the call in which it was seen to wait */
	uint64_t cpu_told; /* CPU time when its clock was read last, ns; of a leader */
	uint64_t cpu_seen; /* of that, what CPUs have been shared out by */
	uint64_t held_since;
	int held_stop; /* its first stop is its process's group-stop, by this signal */
	uint64_t span_counter; /* of its process's current span, see ids.h… */
	uint8_t trace_id[16];  /* …which is in this trace */
	uint64_t lamport_sent; /* the time that its TRACESTATE holds, if it is as we gave it */
	bool dead;             /* it died before its maker told of it… */
	int status;            /* …with this */
	struct space *space;     /* NULL: not looked at */
	uint64_t thread_pointer; /* 0 = not known */
	struct slot slots[SPACE_OBJECTS]; /* by the space's objects */
};

/* Arguments captured at one stop, and bytes of one, at most. */
#define WANT_MAX 6u
#define CAPTURE_MAX 65536u

#define TASK_BUCKETS 4096u /* a power of two */

struct task_table {
	struct task *bucket[TASK_BUCKETS];
	struct task *free;
	struct task_slab *slabs;
	uint32_t count;
	uint32_t held;
};

struct task_slab {
	struct task_slab *next;
	struct task tasks[64];
};

/* More than the largest set takes; the kernel takes BPF_MAXINSNS, 4096. */
#define FILTER_MAX 3500u

struct filter {
	struct sock_filter program[FILTER_MAX];
	unsigned len;    /* 0 = there is none */
	uint16_t cookie; /* the data of our stops */
	bool on;         /* the command has it, and all that it makes */
	bool inherited;  /* our caller is under a filter, and so is the command */
	bool had_no_new_privs; /* our caller has set it */
};

/* Losses since the last record that went in. */
struct gap {
	uint64_t events, calls, exits, signals, others, bytes;
	uint64_t t0, t1, first_seq;
};

/* A record being built, with room for its pieces. */
struct record {
	struct rn_event ev;
	uint8_t pieces[RN_EVENT_MAX - sizeof(struct rn_event)];
};

struct cpu_share {
	bool possible;       /* more than one CPU, and the policy allows it */
	bool shared;         /* now */
	bool may_set_others; /* CAP_SYS_NICE */
	int cpu;
	cpu_set_t undo;     /* what tracees get back */
	cpu_set_t tracer;   /* what the tracer had */
	int cpus;
	uint64_t window_stops;
	uint64_t window_at, window_cpu; /* when it began; CPU time of the tracer then; ns */
	/* What a stop costs here, ns; measured while it runs. */
	uint64_t stop_tracer; /* CPU time of the tracer, on one CPU */
	uint64_t stop_apart;  /* from resumed to stopped again, on two; of short calls */
	/* Of the last windows, newer ones weighing more, ns: what one CPU would have taken
	   more than several, and the less of the two. */
	int64_t gain;
	uint64_t least;
	unsigned ticks; /* since the last change */
};

/* What was seen while tracer and tracees shared a CPU, or did not; ns. */
struct cost_mode {
	uint64_t wall;
	uint64_t cpu;      /* of the tracer */
	uint64_t ticks;    /* at which a tracee was at work */
	uint64_t work;     /* CPU time of tracees… */
	uint64_t parallel; /* …and how long it would take with a CPU for each */
};

struct cost {
	struct cost_mode mode[2]; /* by `shared` */
	uint64_t since, cpu;      /* at the last change of mode */
	uint64_t children;        /* CPU time of children at the beginning */
	int cpus;
	bool shared;
	bool threads; /* there was a process with several at the last tick */
	unsigned active; /* tracees at work at the last tick, at most one a CPU */
};

struct rn_engine {
	struct rn_engine_config config;
	struct rn_engine_counters counters;
	struct task_table tasks;
	struct task *pending; /* whose entry waits in `entry` for its exit */
	bool use_syscall_info;
	bool use_vm_readv;
	bool may_trace_all; /* CAP_SYS_PTRACE */
	bool stalled; /* the consumer made no progress for the whole block limit */
	bool timer_on;
	timer_t timer;
	bool have_timer;
	int tick_signal;
	_Atomic int tracer_tid;
	bool tick_ignored; /* by our caller, hence by the command */
	uint64_t seq; /* of the last event */
	uint64_t lamport_base; /* see latest() in context.c */
	uint64_t ordinals;
	uint64_t ticked_stops; /* stops at the last tick */
	uint64_t now;          /* CLOCK_MONOTONIC of the stop being handled… */
	uint64_t stime;        /* …and its process's system CPU time, if cpu_times, ns */
	struct rusage usage; /* of the stop that was taken last, if cpu_times */
	int command_pid;
	int command_status;
	bool command_execed, command_gone;
	bool leaving;         /* every tracee is let go at its next stop */
	bool peek;            /* stops at signals are not taken, see peek.c */
	unsigned peeked;      /* such stops in a row, with nothing else between */
	unsigned since_sweep; /* steps of the loop since all that waited were taken */
	_Atomic bool let_go; /* somebody asked for that */
	struct gap gap;
	struct cpu_share cpu;
	struct cost cost;
	struct filter filter;
	struct files *files; /* NULL: applications' spans are not looked for */
	struct states *states; /* NULL: files are not looked at */
	struct unwinder *unwinder; /* NULL: nor who made a call */
	_Atomic uint64_t signals; /* to be sent to all; bit signal */
	/* What a call tells of objects, if that is asked for: see identity_calls.c. */
	struct rn_roles identity_roles;
	struct rn_roles content_forms; /* how it writes: see content.c */
	char folder[4096]; /* that the run began in, if what is written is hashed; "" = none */
	size_t folder_len;
	struct record entry; /* the pending call's */
	struct record work;  /* any other record */
	uint8_t scratch[WANT_MAX][CAPTURE_MAX];
};

/* proc.c: what the kernel tells of a thread in /proc */
/* The head of a file, as a string: at least a byte. false: none. */
bool rn_read_text(const char *path, char *text, size_t size);
/* Its state, as proc_pid_stat(5) has it: R, S, …; 0: it is gone, or that cannot be read. */
char rn_thread_state(int tid);

/* task.c */
struct task *rn_task_find(struct rn_engine *e, int tid);
struct task *rn_task_add(struct rn_engine *e, int tid); /* NULL: no memory */
void rn_task_remove(struct rn_engine *e, struct task *task);
void rn_task_rename(struct rn_engine *e, struct task *task, int tid);
void rn_tasks_free(struct rn_engine *e);

/* memory.c: the tracee's memory */
struct rn_span_of_memory {
	uint64_t addr;
	void *to;
	size_t len;
	bool string; /* a reader that goes word by word may stop at a NUL */
	size_t got;  /* out */
};
/* Reads several pieces by one call, long strings by one more; each `got` may be short. At most
   16 pieces. */
void rn_memory_read(struct rn_engine *e, int tid, struct rn_span_of_memory *spans, unsigned n);
/* Reads one; returns bytes read. */
size_t rn_memory_read_one(struct rn_engine *e, int tid, uint64_t addr, void *to, size_t len);
/* All or nothing; also what is mapped for writing only, which the kernel reads all the same. */
bool rn_memory_force_read(struct rn_engine *e, int tid, uint64_t addr, void *to, size_t len);
/* Overwrites `len` bytes; false if it could not. */
bool rn_memory_write(struct rn_engine *e, int tid, uint64_t addr, const void *from, size_t len);

/* capture.c: arguments of a call into pieces */
struct rn_piece *rn_piece_add(struct record *rec, enum rn_piece_type type, unsigned arg,
			      const void *data, size_t len, uint64_t total, unsigned flags);
void rn_capture_entry(struct rn_engine *e, struct task *task, struct record *rec);
void rn_capture_exit(struct rn_engine *e, struct task *task, int64_t result, struct record *rec);

/* descriptors.c: what is behind those of a call, after its arguments were captured */
void rn_describe_at_entry(struct rn_engine *e, const struct task *task, struct record *rec);
void rn_describe_at_exit(struct rn_engine *e, const struct task *task, int64_t result,
			 struct record *rec);
/* Numbers of descriptors that are in memory, as they were captured. */
#define RN_FDS_MAX 128u
struct fd_list {
	int32_t fds[RN_FDS_MAX];
	unsigned n;
};
/* Adds those of the pieces of argument `arg`, which is of this kind. */
void rn_fds_captured(struct fd_list *list, const struct task *task, const struct record *rec,
		     unsigned arg, unsigned kind, unsigned flags);

/* sockets.c */
struct rn_socket {
	struct rn_fd_detail detail;
	uint16_t type; /* SOCK_*; 0 = not known */
};
/* By the kernel's name of the protocol; false: not one that is known. `detail` is zeroes before. */
bool rn_socket_describe(const char *name, uint64_t inode, struct rn_fd_detail *detail);
/* The same for many, as they are now: first each one, then all; their order is lost. `connected`:
   of no others are there addresses to be told. */
bool rn_socket_begin(const char *name, uint64_t inode, struct rn_socket *socket);
void rn_sockets_ask(struct rn_socket **sockets, unsigned n, bool connected);

/* connections.c: addresses of a connected TCP socket of a stopped thread of `pid`, and who is at its
   other end. false: they cannot be had so; `id`, whose inode is known, is as before. */
bool rn_connection_ask(int pid, int32_t fd, struct rn_object_id *id);
/* The inode at the other end of a connection whose addresses are known; 0 = it has none yet, or is
   not of this host. */
uint64_t rn_connection_peer(const struct rn_object_id *id);

/* netlink.c */
#define RN_NETLINK_MAX 16384u /* bytes of messages that are captured of a call */
/* Whether the first bytes of what was sent or received may be a netlink message's. */
bool rn_may_be_netlink(const uint8_t *data, size_t len);
/* Whether a socket of a stopped thread is one whose messages have such heads; of which protocol,
   may be unknown. */
bool rn_is_netlink(int tid, int32_t fd, uint32_t *protocol);
/* Whether more is captured of them than of other buffers: they are shown, and hold no keys. */
bool rn_netlink_is_shown(uint32_t protocol);

/* identity.c: which object a descriptor of a stopped thread is. false: none, or another */
/* Of one that a path was opened by, or memfd_create; no socket. */
bool rn_identify_file(int tid, int32_t fd, struct rn_object_id *id);
bool rn_identify_pidfd(int tid, int32_t fd, struct rn_object_id *id);
/* Inode only. */
bool rn_identify_new_socket(int tid, int32_t fd, struct rn_object_id *id);
/* And family, type, addresses; `pid`: of one that is connected, its process; else 0. */
bool rn_identify_socket(int tid, int32_t fd, int pid, struct rn_object_id *id);
/* Of one that may be anything. */
bool rn_identify_any(int tid, int32_t fd, struct rn_object_id *id);
/* RN_WAY_* of a descriptor; 0: none (O_PATH), or it is gone. */
uint8_t rn_ways_of(int tid, int32_t fd);
uint8_t rn_ways_by(uint64_t flags); /* O_* */
void rn_add_object(struct record *rec, int32_t fd, const struct rn_object_id *id, unsigned flags);
/* All that a process starts with, asked of thread `tid`, to the record being built; where that gets
   full it is emitted, and another one of the same thread begun. `at_exec`: but for those that its
   first exec closes. */
void rn_add_objects(struct rn_engine *e, const struct task *task, int tid, bool at_exec);

/* identity_calls.c */
void rn_identity_init(struct rn_engine *e);
void rn_identify_at_exit(struct rn_engine *e, const struct task *task, int64_t result,
			 struct record *rec);

/* content.c */
void rn_content_init(struct rn_engine *e);
void rn_content_at_exit(struct rn_engine *e, const struct task *task, int64_t result,
			struct record *rec);

/* file_state.c: of a name in an open folder. `room`: bytes of content that may be read, less what was.
   A target is to be freed. */
void rn_file_look(struct rn_engine *e, uint64_t *room, int folder, const char *name,
		  struct rn_file_state *to);

/* states.c: nothing, if it is not asked for */
struct states *rn_states_create(enum rn_states which);
void rn_states_free(struct states *states);
/* After the call's arguments were captured. */
void rn_states_at_entry(struct rn_engine *e, const struct task *task, const struct record *rec);
void rn_states_end(struct rn_engine *e);

/* peak.c: nothing, if it is not asked for */
void rn_peak_add(struct rn_engine *e, const struct task *task, struct record *rec);

/* emit.c: records into the ring, losses counted */
void rn_record_begin(struct rn_engine *e, struct record *rec, enum rn_kind kind,
		     const struct task *task);
void rn_emit_entry(struct rn_engine *e, struct task *task); /* makes it the pending one */
void rn_emit_exit(struct rn_engine *e, struct task *task, int64_t result, uint16_t flags);
void rn_emit_work(struct rn_engine *e, bool structural); /* e->work */
void rn_emit_flush_pending(struct rn_engine *e);
void rn_emit_end(struct rn_engine *e);
/* What the consumer wants to know beside records: the counters, in the ring. */
void rn_emit_tell(struct rn_engine *e);
/* Takes a task with an unfinished call out of the books. */
void rn_emit_forget(struct rn_engine *e, struct task *task);

/* rights.c */
bool rn_have_capability(unsigned capability);
/* Counts a program that the kernel keeps from the rights of its file as we trace it. */
void rn_rights_at_exec(struct rn_engine *e, int pid);

/* syscall_stop.c */
void rn_on_syscall_stop(struct rn_engine *e, struct task *task);
void rn_on_seccomp_stop(struct rn_engine *e, struct task *task);

/* registers.c: of a stopped thread; at an entry before the call is made. Failure: it is gone. */
void rn_set_argument(const struct task *task, unsigned arg, uint64_t value);
void rn_set_number(const struct task *task, int64_t nr);
void rn_set_result(const struct task *task, int64_t result);
uint64_t rn_stack_pointer(const struct task *task);
/* Whether a call leaves the registers of its arguments as they were. */
bool rn_arguments_stay(const struct task *task);

/* guard.c: what a program must not see of the filter */
void rn_guard_entry(struct rn_engine *e, struct task *task);
/* May change the result. */
void rn_guard_exit(struct rn_engine *e, struct task *task, int64_t *result, bool *is_error);
/* A filter of the program's own wants a tracer's word. */
void rn_guard_foreign(struct rn_engine *e, struct task *task);
void rn_guard_birth(struct rn_engine *e, struct task *child, const struct task *maker);
void rn_guard_mend(struct rn_engine *e, struct task *task);
void rn_guard_orphan(struct rn_engine *e, struct task *task);
bool rn_is_guarded(const struct rn_engine *e, const struct task *task);

/* lifecycle.c: births, execs, deaths, signals */
void rn_on_birth(struct rn_engine *e, struct task *maker, int event);
void rn_on_unknown_stop(struct rn_engine *e, int tid, int status);
void rn_on_exec(struct rn_engine *e, int tid);
void rn_on_death(struct rn_engine *e, struct task *task, int status);
void rn_on_command_end(struct rn_engine *e, int status);
void rn_on_signal(struct rn_engine *e, struct task *task, int sig);
void rn_on_group_stop(struct rn_engine *e, struct task *task, int sig);
/* The same, and leaves it listening for SIGCONT. */
void rn_stay_stopped(struct rn_engine *e, struct task *task, int sig);
bool rn_is_stopping(int sig);
void rn_release_held(struct rn_engine *e);
/* Whether what `maker` is about to make will be traced and recorded. */
bool rn_is_followed(const struct rn_engine *e, const struct task *maker);
uint64_t rn_clone_flags(struct rn_engine *e, struct task *task);
void rn_resume(struct rn_engine *e, struct task *task, int sig);

struct kin {
	int tgid, ppid;
};
struct kin rn_kin_of(int tid);
/* To the record being built: the program that a process runs. */
void rn_add_exe(struct rn_engine *e, int pid);

/* program.c */
/* As a shell looks for it; *why = ENOENT or what hindered the only candidates. */
bool rn_program_resolve(const char *name, char *const *envp, char *path, size_t cap, int *why);
/* The signals for which we, not our caller, have decided something. */
void rn_program_signals(sigset_t *set);
/* They are as our caller left them; `ignored`: the one that it ignored, or 0. */
void rn_program_reset(const sigset_t *handled, int ignored);
/* Returns only where it failed, with errno. */
void rn_program_exec(const char *path, char *const *argv, char *const *envp);

/* become.c: the tracer's side of it */
bool rn_adopted_is_ready(int fd);
bool rn_adopted_go(int fd);
bool rn_adopted_failed(int fd, int *err);

/* attach.c */
void rn_task_be_attached(struct task *task, const struct task *like);

/* peek.c: as wait4(2). *stays: the stop is not taken, and ends by its resumption only. */
int rn_wait_any(struct rn_engine *e, int *status, int flags, bool *stays);
int rn_wait_for(struct rn_engine *e, int tid, int *status, bool *stays);

/* leave.c: letting go of everybody */
void rn_leave(struct rn_engine *e);
void rn_leave_at_stop(struct rn_engine *e, int tid, int status);
/* Whether all are gone that are not let go by our end alone. */
bool rn_has_left(struct rn_engine *e);
void rn_send_signals(struct rn_engine *e);

/* context.c: TRACEPARENT and TRACESTATE in the new program's environment */
struct found_context {
	enum rn_context kind;
	char parent[256];       /* RN_CONTEXT_FOREIGN: TRACEPARENT as it was */
	uint64_t lamport_found; /* in TRACESTATE, if it is not from us; 0 = none */
	uint64_t lamport_sent;  /* what is there now; 0 = none was written */
};
void rn_context_at_exec(struct rn_engine *e, struct task *task, struct found_context *found);
struct traceparent {
	uint8_t trace_id[16];
	uint64_t span_id;
	uint8_t flags;
};
/* false: not a valid one. */
bool rn_traceparent_parse(const char *text, size_t len, struct traceparent *parent);

/* marker.c */
/* Whether the call that is entered tells of the application's span, which is then recorded. */
bool rn_take_marker(struct rn_engine *e, const struct task *task);
/* To the environment of the command: there is one filter more than it was told of.
   Async-signal-safe. */
void rn_marker_filter_added(char *const *envp);

/* unwind.c: adds RN_PIECE_SOURCE to the entry of a call. */
void rn_source_at_entry(struct rn_engine *e, struct task *task, struct record *rec);

/* mapped_files.c: whether a device's files are had from a process, which may be one of ours. */
bool rn_is_served(int tid, uint32_t major, uint32_t minor);

/* launch.c */
void rn_loop_step(struct rn_engine *e, bool *none_left);

/* affinity.c */
void rn_cpu_init(struct rn_engine *e);
void rn_cpu_adopt(struct rn_engine *e, struct task *task, const struct task *maker);
void rn_cpu_before_call(struct rn_engine *e, struct task *task);
void rn_cpu_after_call(struct rn_engine *e, struct task *task);
/* It ends, maybe inside a call that gave back somebody else's mask. */
void rn_cpu_forget(struct rn_engine *e, struct task *task);
void rn_cpu_tick(struct rn_engine *e);
/* Ticks begin again: what passed until now is in no window. */
void rn_cpu_window(struct rn_engine *e);
/* Whether they are about to be parted, if a tick more speaks for it. */
bool rn_cpu_undecided(const struct rn_engine *e);
/* A call took `ns` from its entry to its exit. */
void rn_cpu_saw_call(struct rn_engine *e, uint64_t ns);
/* Stops are rare from now on. */
void rn_cpu_filtered(struct rn_engine *e);
void rn_cpu_end(struct rn_engine *e);

/* cost.c: what tracing adds to the command's time */
uint64_t rn_cpu_time_of(int pid);
void rn_cost_begin(struct rn_engine *e);
void rn_cost_mode(struct rn_engine *e, bool shared);
void rn_cost_tick(struct rn_engine *e);
void rn_cost_end(struct rn_engine *e);

/* timer.c */
#define RN_TICK_NS 10000000u
/* A stop's share on the tracee's side, per mille of the tracer's CPU time, on one CPU. */
#define RN_TRACEE_SIDE_PM 380u
void rn_timer_init(struct rn_engine *e);
/* Whether the clock has ticked since the last time. */
bool rn_timer_take_tick(void);
void rn_timer_arm(struct rn_engine *e);
void rn_timer_disarm(struct rn_engine *e);
/* Where there is no timer: sleeps for as long as a tick takes, and has it come. */
void rn_timer_pass_one(void);
void rn_timer_end(struct rn_engine *e);

static inline uint64_t rn_monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* CPU time of the calling thread, ns. */
static inline uint64_t rn_thread_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t rn_ns_of(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_usec * 1000u;
}

#endif
