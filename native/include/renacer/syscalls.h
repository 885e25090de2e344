/* SPDX-License-Identifier: MIT */
/*
 * What is known of the system calls, errno values and signals: data, made by
 * scripts/generate_tables.py from the kernel's own metadata. A new call is a line
 * of data; nothing here or in decode/ names a call in code.
 */
#ifndef RENACER_SYSCALLS_H
#define RENACER_SYSCALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "renacer/event.h"

/* How an argument is captured and shown. */
enum rn_arg_kind {
	RN_ARG_RAW = 0,      /* unsigned, shown in hex (0 as 0) */
	RN_ARG_INT = 1,      /* signed 32-bit, decimal */
	RN_ARG_LONG = 2,     /* signed 64-bit, decimal (off_t, ssize_t) */
	RN_ARG_UINT = 3,     /* unsigned 32-bit, decimal */
	RN_ARG_ULONG = 4,    /* unsigned 64-bit, decimal (size_t) */
	RN_ARG_PTR = 5,      /* address: hex, NULL for 0 */
	RN_ARG_FD = 6,       /* file descriptor, decimal */
	RN_ARG_DIRFD = 7,    /* file descriptor or AT_FDCWD */
	RN_ARG_PATH = 8,     /* const char *: a path, captured at entry */
	RN_ARG_STRING = 9,   /* const char *: another C string, captured at entry */
	RN_ARG_ARGV = 10,    /* char *const[]: captured at entry */
	RN_ARG_ENVP = 11,    /* char *const[]: counted at entry */
	RN_ARG_BUF_IN = 12,  /* bytes the call reads: captured at entry, length in args[aux] */
	RN_ARG_BUF_OUT = 13, /* bytes the call fills: captured at exit, length = result */
	RN_ARG_PATH_OUT =
		14,/* C string the call fills (getcwd): captured at exit, length = result */
	RN_ARG_SIGNAL = 15,  /* signal number, shown by name */
	RN_ARG_MODE = 16,    /* octal permission bits */
	RN_ARG_PID = 17,     /* pid_t, decimal */
	RN_ARG_FLAGS = 18,   /* bit set, hex */
	RN_ARG_STRUCT_IN = 19,  /* fixed-size structure read by the call; aux = bytes */
	RN_ARG_STRUCT_OUT = 20, /* fixed-size structure filled by the call; aux = bytes */
	RN_ARG_WAIT_STATUS = 21,/* int *: wait status, filled by the call */
	RN_ARG_FD_PAIR_OUT = 22,/* int[2] filled by the call (pipe, socketpair) */
	RN_ARG_ARRAY_IN = 23, /* structures that the call reads; aux = argument that counts them */
	RN_ARG_ARRAY_OUT = 24, /* structures that the call fills, as many as its result says */
	RN_ARG_SOCKADDR_IN =
		25, /* socket address, captured at entry; aux = its length's argument */
	RN_ARG_SOCKADDR_OUT = 26, /* socket address that the call fills; its length's comes next */
	RN_ARG_LENGTH_INOUT = 27, /* int *: room at entry, length at exit */
	RN_ARG_DIRENTS_OUT = 28, /* struct linux_dirent64[]: only how many is captured (u64) */
	RN_ARG_VOID = 29, /* means nothing in this call */
	RN_ARG_IOVEC_IN = 30, /* struct iovec[] that the call reads; aux = their number's
	                              argument; see struct rn_iovec_head */
	RN_ARG_IOVEC_OUT = 31, /* struct iovec[] whose buffers the call fills */
	RN_ARG_STRUCT_INOUT = 32, /* structure that the call reads and changes: captured twice */
	RN_ARG_POLLFDS = 33, /* struct pollfd[], captured twice; aux = their number's argument */
	RN_ARG_FDSET = 34, /* fd_set, captured twice; aux = argument that bounds the fds */
	RN_ARG_SIGMASK_ARG = 35, /* address and size of a signal mask, and the mask (pselect6) */
	RN_ARG_VALUE_IN = 36, /* what has the length in args[aux] (setsockopt) */
	RN_ARG_VALUE_OUT = 37, /* what the call fills; its length's address comes next */
	RN_ARG_REMAINDER = 38, /* structure that is filled only if a signal cut the call short */
	RN_ARG_MSG_IN = 39, /* struct msghdr that the call reads: see decode/message.c */
	RN_ARG_MSG_OUT = 40, /* struct msghdr whose parts the call fills */
	RN_ARG_MMSG_IN = 41, /* struct mmsghdr[]; aux = their number's argument */
	RN_ARG_MMSG_OUT = 42, /* as many of them as the result says */
	RN_ARG_ID = 43, /* uid_t, gid_t: -1 is none */
	RN_ARG_MAKEDEV = 44, /* dev_t: makedev(0x1, 0x3) */
	RN_ARG_MODE_TYPE = 45, /* mode_t with the type of the file (mknod) */
	RN_ARG_IOCTL = 46, /* command of ioctl(): a name, or what the number says */
	RN_ARG_HIGH_HALF = 47, /* of a position: void in 64-bit programs */
	RN_ARG_IPC_FLAGS = 48, /* flags (form) and, below them, permissions */
	RN_ARG_CLONE_ARGS = 49, /* struct clone_args; at exit the two numbers that it has written */
	RN_ARG_ARRAY_FILLED = 50, /* structures that the call fills; aux counts them */
	RN_ARG_SIZED_IN = 51, /* structure that the call reads; aux = its length's argument */
	RN_ARG_KIND_COUNT = 52
};

struct rn_arg_desc {
	const char *name; /* the kernel's own name of the parameter */
	uint8_t kind; /* enum rn_arg_kind */
	uint16_t aux; /* BUF_IN, VALUE_IN: index of the length argument; BUF_OUT, PATH_OUT: of
	                     the room's argument; MODE: of the open flags that make it count;
	                     lists: of the argument that counts them; 0 = none */
	uint32_t form; /* numbers: which constants it is shown by (enum rn_set), RN_FORM_WIDE
	                     if all 64 bits count; structures: which one (enum rn_shape);
	                     RN_FORM_CHOICE if another argument tells; 0 = none. See
	                     native/tables/sets.tsv */
};

#define RN_FORM_MASK 0x7fffu
#define RN_FORM_WIDE 0x8000u
#define RN_FORM_CHOICE 0x80000000u
#define RN_FORM_SHIFT 16 /* of the first choice, 15 bits */

/* Bytes of the structure that `form` names in programs of `abi`; 0: none, or not known. */
uint32_t rn_shape_size(uint32_t form, unsigned abi);
/* Bytes of it that are worth reading: more, where it tells its own length. */
uint32_t rn_shape_reach(uint32_t form, unsigned abi);
/* Bytes of a buffer that is no data on their way, but what something is set to: a CPU mask, an
   extended attribute at its longest; 0: it is data. */
uint32_t rn_value_reach(uint32_t form);

enum {
	RN_CALL_NO_RETURN = 1u << 0, /* exit, exit_group */
	RN_CALL_RESULT_PTR = 1u << 1, /* result is an address (mmap, brk, mremap, shmat) */
	RN_CALL_EXEC = 1u << 2, /* execve, execveat */
	RN_CALL_FORK = 1u << 3, /* fork, vfork, clone, clone3 */
	RN_CALL_WAIT = 1u << 4, /* wait4, waitid, waitpid */
	RN_CALL_AFFINITY = 1u << 5, /* sched_getaffinity, sched_setaffinity, sched_setattr,
	                                 sched_setscheduler, unshare, setns */
	RN_CALL_RESULT_OCTAL = 1u << 6, /* result is a file mode (umask) */
	RN_CALL_RESULT_FD = 1u << 9, /* result is a new descriptor */
	RN_CALL_RESULT_DUP = 1u << 10, /* so it is of some commands, in argument 1 (fcntl) */
	RN_CALL_NAMED_FLAGS = 1u << 8, /* arguments are shown with names, as its flags need
	                                  them (clone) */
	RN_CALL_MESSAGES = 1u << 11, /* what it sends or receives by argument 0, a socket, are
	                                messages, not parts of a stream */
	RN_CALL_NO_RESULT = 1u << 7 /* what it returns is the register of the code that it goes
	                               back to: never a failure of its own (rt_sigreturn) */
};

/*
 * RN_ARG_IOVEC_*: a RN_PIECE_STRUCT of such heads, `total` is how many the call was given.
 * After each come the captured bytes, padded to 8.
 */
struct rn_iovec_head {
	uint64_t base, len; /* as the program gave them */
	uint64_t shown; /* bytes that the call was given there, or put there */
	uint64_t captured; /* of these; UINT64_MAX: could not be read */
};

/*
 * RN_ARG_MSG_*, RN_ARG_MMSG_*: a RN_PIECE_STRUCT of such heads, one for each message, as the
 * program gave them; UINT32_MAX: could not be read. After each come the bytes of the name, of
 * the buffers (as RN_ARG_IOVEC_*) and of the control messages, each padded to 8.
 */
struct rn_message_head {
	uint64_t name, iov, iovlen, control, controllen;
	uint32_t namelen, flags;
	uint32_t sent; /* struct mmsghdr: msg_len */
	uint32_t name_bytes, iov_bytes, control_bytes;
};

/* One of the control messages that follow: struct cmsghdr, without its head. */
struct rn_control {
	uint32_t level, type;
	const uint8_t *data;
	size_t len;
};

/*
 * The next whole one of `*left` bytes at `*data`, which it takes; `word`: bytes of the program's
 * size_t. False: there is none, or it says that it is longer than what is there.
 */
static inline bool rn_control_next(const uint8_t **data, size_t *left, size_t word,
				   struct rn_control *control)
{
	size_t head = word + 8;
	uint64_t size = 0;

	if (*left < head)
		return false;
	memcpy(&size, *data, word);
	memcpy(&control->level, *data + word, sizeof(control->level));
	memcpy(&control->type, *data + word + 4, sizeof(control->type));
	if (size < head || size > *left)
		return false;
	control->data = *data + head;
	control->len = (size_t)size - head;
	size = (size + word - 1) & ~(uint64_t)(word - 1);
	if (size > *left)
		size = *left; /* the last one's padding is not there */
	*data += size;
	*left -= (size_t)size;
	return true;
}

struct rn_syscall_desc {
	const char *name; /* NULL: no call has this number */
	uint8_t nargs;
	uint16_t flags; /* RN_CALL_* */
	uint16_t result; /* where the choices of what the result means begin, from 1; 0 = none */
	const struct rn_arg_desc *args;
};

/* What an argument is in one call: it may hang on the values of others. */
struct rn_meaning {
	uint8_t kind; /* enum rn_arg_kind */
	uint16_t aux; /* as in struct rn_arg_desc */
	uint32_t form; /* enum rn_set with RN_FORM_WIDE, or enum rn_shape */
};
void rn_arg_choose(const struct rn_syscall_desc *desc, const uint64_t args[6], unsigned arg,
		   struct rn_meaning *meaning);

static inline void rn_arg_mean(const struct rn_syscall_desc *desc, const uint64_t args[6],
			       unsigned arg, struct rn_meaning *meaning)
{
	const struct rn_arg_desc *own = &desc->args[arg];

	meaning->kind = own->kind;
	meaning->aux = own->aux;
	meaning->form = own->form & (RN_FORM_MASK | RN_FORM_WIDE);
	if (own->form & RN_FORM_CHOICE)
		rn_arg_choose(desc, args, arg, meaning);
}

/* How many structures an argument of kind ARRAY_IN, ARRAY_FILLED or POLLFDS has. */
uint64_t rn_array_count(const struct rn_meaning *meaning, const uint64_t args[6], unsigned abi);

/* Whether a call that failed with `result` has filled in such an argument all the same. */
bool rn_failure_fills(const struct rn_meaning *meaning, int64_t result);

/*
 * The description of call `nr` of `abi`; never NULL. An unknown number gives a
 * description with name NULL and six RAW arguments named a0 to a5 (or arg0…).
 */
const struct rn_syscall_desc *rn_syscall(enum rn_abi abi, int64_t nr);

/* One more than the greatest known number of `abi`; 0 where there is no table. */
int rn_syscall_limit(enum rn_abi abi);

/* The number of the call called `name` in `abi`, or -1. */
int rn_syscall_number(enum rn_abi abi, const char *name);

/* Numbers in a set of calls, of each ABI: of 0 to this, less 1. */
#define RN_ABI_CALLS (RN_ABI_WORDS * 64u)

/*
 * The next ABI in which there is a call called `name`, with a number below RN_ABI_CALLS; false: in
 * no other. *at is all zeros at first.
 */
struct rn_number {
	unsigned abi; /* enum rn_abi */
	unsigned nr;
};
bool rn_syscall_next(const char *name, struct rn_number *at);

/* What calls are to whoever keeps this, by their numbers in every ABI; 0 = nothing. */
struct rn_roles {
	uint8_t of[RN_ABI_COUNT][RN_ABI_CALLS];
};

/* Of every call called `name`. */
void rn_roles_set(struct rn_roles *roles, const char *name, uint8_t role);

static inline uint8_t rn_role(const struct rn_roles *roles, unsigned abi, int64_t nr)
{
	return abi < RN_ABI_COUNT && (uint64_t)nr < RN_ABI_CALLS ? roles->of[abi][nr] : 0;
}

/* "ENOENT" and "No such file or directory" of errno 2; NULL where unknown. */
const char *rn_errno_name(int err);
const char *rn_errno_text(int err);

/* "SIGINT" of 2; NULL where unknown. Real-time signals: see rn_format_signal(). */
const char *rn_signal_name(int sig);

/*
 * Whether a call that failed with `err` failed in a routine way (a search that
 * found nothing, a retry): span status stays UNSET, error.type is still set.
 */
int rn_errno_is_routine(int err);

#endif
