/* SPDX-License-Identifier: MIT */
/*
 * The record: what every engine writes and every interpreter reads (version 1).
 *
 * Every record starts with the same fixed header of 104 bytes and goes on with
 * typed pieces of captured data. Little-endian, 8-byte aligned, no pointers into
 * this process: a record means the same in the ring, in a TRACE file and on
 * another machine.
 *
 *   byte 0        4      5     6        8      12     16      24      32
 *        +--------+------+-----+--------+------+------+-------+-------+
 *        | size   | kind | abi | flags  | tid  | pid  | seq   | t0    |
 *        +--------+------+-----+--------+------+------+-------+-------+
 *   byte 32       40     44        48               96       104
 *        +--------+------+---------+----------------+--------+---------
 *        | t1     | nr   | pieces  | args[6]        | result | pieces …
 *        +--------+------+---------+----------------+--------+---------
 *
 * A call is two events, its entry and its exit. It travels as one RN_SYSCALL
 * record only if nothing else was recorded between the two; otherwise an
 * RN_SYSCALL_ENTER record goes first and an RN_SYSCALL_EXIT follows later. The
 * order of records therefore extends causality, and a call that blocks is
 * visible while it blocks.
 */
#ifndef RENACER_EVENT_H
#define RENACER_EVENT_H

#include <stddef.h>
#include <stdint.h>

#define RN_EVENT_VERSION 1

/* No record is longer than this; a reader refuses one that claims to be. */
#define RN_EVENT_MAX (256u * 1024u)

enum rn_kind {
	RN_SYSCALL_ENTER = 1, /* entry: nr, args, entry pieces; t0 = t1 = time of entry */
	RN_SYSCALL_EXIT = 2,  /* exit: nr, args, result, exit pieces; t0 = entry, t1 = exit */
	RN_SYSCALL = 3,       /* both, back to back: the exit's seq is seq + 1 */
	RN_PROCESS_START = 4, /* a process (tid == pid) or a thread came to be */
	RN_EXEC = 5,          /* a process runs a new program */
	RN_EXIT = 6,          /* a thread ended */
	RN_SIGNAL = 7,        /* a signal is about to be delivered to tid */
	RN_GROUP_STOP = 8,    /* tid stopped by job control; nr = signal, 0 = continued */
	RN_CONTEXT = 9,       /* the application told of its own span: in-band trace context */
	RN_GAP = 10,          /* events were lost here; see below */
	RN_KIND_COUNT = 11
};

/* rn_event.flags */
enum {
	RN_FLAG_FAILED = 1u << 0,      /* the call returned an error (result = -errno) */
	RN_FLAG_INTERRUPTED = 1u << 1, /* the kernel returned ERESTART*: a signal cut it short */
	RN_FLAG_RESTARTED = 1u << 2,   /* this entry continues an interrupted call */
	RN_FLAG_UNFINISHED = 1u << 3,  /* there is no exit: the thread ended inside the call */
	RN_FLAG_TRUNCATED = 1u << 4,   /* some piece was cut at its limit */
	RN_FLAG_NO_ENTRY = 1u << 5,    /* the entry was not seen (attach, lost) */
	RN_FLAG_DETACHED = 1u << 6 /* RN_EXIT: let go, it runs on; a call: nor is its end known */
};

/* rn_event.abi: which table `nr` belongs to. */
enum rn_abi {
	RN_ABI_UNKNOWN = 0,
	RN_ABI_X86_64 = 1,
	RN_ABI_I386 = 2, /* int 0x80 and 32-bit code */
	RN_ABI_X32 = 3,
	RN_ABI_AARCH64 = 4,
	RN_ABI_ARM = 5,
	RN_ABI_COUNT = 6
};

/*
 * A set of calls is a bitmap for each ABI, RN_ABI_WORDS words of 64 bits: x32's own numbers go up
 * to 547.
 */
#define RN_ABI_WORDS 9u

struct rn_event {
	uint32_t size; /* bytes of the whole record, pieces included; multiple of 8 */
	uint8_t kind; /* enum rn_kind */
	uint8_t abi; /* enum rn_abi; 0 where no call is concerned */
	uint16_t flags; /* RN_FLAG_* */
	int32_t tid; /* kernel thread id, in the tracer's PID namespace */
	int32_t pid; /* thread-group id */
	uint64_t seq; /* number of the (first) event in this record, from 1, without holes
	                     but for those that an RN_GAP counts */
	uint64_t t0; /* CLOCK_MONOTONIC, ns */
	uint64_t t1; /* CLOCK_MONOTONIC, ns */
	int32_t nr; /* system call number, or the kind's own (signal number) */
	uint32_t pieces; /* how many pieces follow */
	uint64_t args[6]; /* the call's arguments, or the kind's own, listed below */
	int64_t result; /* the call's result: -errno on error */
};

#define RN_EVENT_HEADER ((uint32_t)sizeof(struct rn_event))
_Static_assert(sizeof(struct rn_event) == 104, "the record header is 104 bytes");

/*
 * args[] of the kinds that are not calls.
 *
 * RN_PROCESS_START  [0] process ordinal (from 1; a thread carries its process's)
 *                   [1] tid of the maker, 0 = unknown   [2] pid of the maker
 *                   [3] clone flags (0 where unknown)   [4] enum rn_birth
 *                   [5] when it was made, if attached to: Unix time, ns; 0 = unknown
 *                   result, if attached to: a thread told of before that has the same table
 *                   of descriptors, or its own tid; 0 = not known: its process's
 *                   pieces, if attached to: EXE, FDs of selected paths; OBJECTs, as of
 *                   the command; CONTEXT records that follow have those that did not fit
 * RN_EXEC           [0] process ordinal   [1] tid before the exec
 *                   [2] enum rn_context   pieces: EXE, and CONTEXT if foreign
 *                   [3] Lamport time that TRACESTATE held, [4] the one written there;
 *                   0 = none; not told: one that this run wrote itself
 * RN_EXIT           [0] process ordinal   [1] wait status (wait(2))
 *                   [2] 1 if the process is gone with it, else 0
 * RN_SIGNAL         nr = signal  [0] si_code  [1] si_pid  [2] si_uid  [3] si_addr/si_value
 *                   [4] si_status
 * RN_CONTEXT        a marker of the application: piece SPAN; none = it has no span now. With a
 *                   piece RESOURCE no marker: the process has published that; with OBJECTs
 *                   no marker: descriptors that did not fit into the record of its start
 * RN_GAP            [0] events lost  [1] calls lost whole (no record of them anywhere)
 *                   [2] exits lost of calls whose entry is recorded  [3] signals
 *                   [4] other events  [5] bytes that they would have taken
 */
/* The command's process; all others have greater ones. */
#define RN_ORDINAL_COMMAND 1u

enum rn_birth {
	RN_BIRTH_LAUNCH = 0,
	RN_BIRTH_FORK = 1,
	RN_BIRTH_VFORK = 2,
	RN_BIRTH_CLONE = 3,
	RN_BIRTH_ATTACH = 4,
	RN_BIRTH_UNKNOWN = 5 /* its maker died before it could tell */
};

/*
 * Lamport times that come from outside are no greater than this: attributes are int64, and half
 * the range is left to count on from there.
 */
#define RN_LAMPORT_MAX (1ull << 62)

/*
 * So much ahead of all that was recorded is the time that a program finds in TRACESTATE: what it
 * does before it hands that on is not to be later than what is done with it.
 */
#define RN_LAMPORT_AHEAD (1ull << 20)

/* What an exec found in the environment's TRACEPARENT. */
enum rn_context {
	RN_CONTEXT_NONE = 0, /* propagation is off */
	RN_CONTEXT_ABSENT = 1, /* no TRACEPARENT */
	RN_CONTEXT_OURS = 2, /* named a span of this run: now names this process's */
	RN_CONTEXT_FOREIGN = 3, /* named another's span: the process span's parent */
	RN_CONTEXT_UNREADABLE = 4, /* the stack could not be read or written */
	RN_CONTEXT_UNSAMPLED = 5, /* another's, not sampled: nothing written */
	RN_CONTEXT_INVALID = 6 /* not a valid traceparent: nothing written */
};

/* Types of captured data. */
enum rn_piece_type {
	RN_PIECE_PATH = 1, /* bytes of a path, no NUL */
	RN_PIECE_STRING = 2, /* bytes of a C string, no NUL */
	RN_PIECE_BUFFER = 3, /* head of a buffer; `total` is its whole length */
	RN_PIECE_ARGV = 4, /* strings, each ended by NUL; `total` is how many there are */
	RN_PIECE_STRUCT = 5, /* raw bytes of a fixed-size structure or integer */
	RN_PIECE_EXE = 6, /* path of the executable (RN_EXEC, RN_PROCESS_START) */
	RN_PIECE_CONTEXT = 7, /* the traceparent text as found */
	RN_PIECE_ENVC = 8, /* u64: number of environment strings */
	RN_PIECE_TRACESTATE = 9,
	RN_PIECE_FD = 10, /* path of a descriptor that is open; `total` is its number */
	RN_PIECE_FD_LINK = 11, /* what descriptor `total` of `arg`, or of the result, is: as
				  /proc/TID/fd says, of AT_FDCWD the folder; if asked for */
	RN_PIECE_FD_DETAIL = 12, /* struct rn_fd_detail of the FD_LINK before it */
	RN_PIECE_OBJECT = 13, /* struct rn_object_id of descriptor `total`: of a new one, of a
				 socket that was connected or bound, of one that a process starts
				 with; `arg` is RN_PIECE_NO_ARG */
	RN_PIECE_SPAN = 14, /* the thread's own span at the entry: see struct rn_live_span */
	RN_PIECE_RESOURCE = 15, /* what the process publishes of itself: a ProcessContext of
				   opentelemetry-proto, at most RN_RESOURCE_MAX bytes */
	RN_PIECE_NETLINK = 17, /* buffers of argument `arg` hold messages of a netlink socket, and
				  may be captured longer; `total` is its protocol, no data */
	RN_PIECE_SOURCE = 19, /* which code made the call: see struct rn_source; if asked for */
	RN_PIECE_CPU_TIME = 16, /* u64: ns of system CPU time that the process took between the
				  call's stops, by wait4(2)'s ru_stime; only where asked for */
	RN_PIECE_CONTENT = 18, /* struct rn_content of the bytes that the call has written or sent,
				 as they are in memory at its exit; `total` is how many these
				 are, of sendmmsg those of all messages. RN_PIECE_UNREAD: not
				 all of them could be read. Only where asked for */
	RN_PIECE_PORTABLE = 22, /* the same of the bytes with RN_FOLDER in them wherever they name
				   the folder that the run began in; only where they do */
	RN_PIECE_REST = 21, /* struct rn_content of what does not fit into the ARGV of argument
			       `arg`, with its NULs; `total` is its bytes. RN_PIECE_CUT: not of
			       all of it. Only where hashes are asked for */
	RN_PIECE_ENV = 23, /* strings with their NULs: variables in envp, argument `arg`, that the
			      process was not given, or not so ("NAME=VALUE"), and those that it
			      was given and that are not there ("NAME"); `total` is how many. In a
			      VALUE a name between two 0x06 stands for what that variable was.
			      RN_PIECE_UNREAD: it is not known. Only where hashes are asked for */
	RN_PIECE_PEAK = 20 /* u64: bytes that the process had resident at most, until the entry of
			      exit, exit_group, execve or execveat, or a signal; if asked for */
};

enum {
	RN_PIECE_CUT = 1u << 0, /* longer than what is here */
	RN_PIECE_UNREAD = 1u << 1, /* the memory could not be read; len = 0 */
	RN_PIECE_AT_EXIT = 1u << 2, /* captured at the call's exit, else at its entry */
	RN_PIECE_CLOEXEC = 1u << 3, /* FD: an exec closes it */
	RN_PIECE_DELETED = 1u << 4 /* FD_LINK: the name is gone */
};

#define RN_PIECE_NO_ARG 0xff

/* How many bytes, and their hash: see content.h. */
struct rn_content {
	uint64_t bytes;
	uint64_t lanes[2];
};
_Static_assert(sizeof(struct rn_content) == 24, "no holes");

#define RN_FOLDER "\0<folder>" /* PORTABLE: stands for the folder; its NUL, too */

#define RN_NETLINK_UNKNOWN 0xffffffffu /* NETLINK: the socket's protocol is not known */
#define RN_RESOURCE_MAX 16384u

struct rn_piece {
	uint8_t type; /* enum rn_piece_type */
	uint8_t arg; /* index of the argument, or RN_PIECE_NO_ARG */
	uint16_t flags; /* RN_PIECE_* */
	uint32_t len; /* bytes of data that follow, before padding to 8 */
	uint64_t total; /* whole length of what was captured, in bytes (ARGV: in strings) */
	/* data[len], padded with zeros to a multiple of 8 */
};
_Static_assert(sizeof(struct rn_piece) == 16, "the piece header is 16 bytes");

static inline uint32_t rn_pad8(uint32_t n)
{
	return (n + 7u) & ~7u;
}

/* What is behind a descriptor: RN_PIECE_FD_DETAIL. Addresses in network order, ports as numbers. */
enum rn_fd_kind { RN_FD_CHAR = 1, RN_FD_BLOCK = 2, RN_FD_PID = 3, RN_FD_SOCKET = 4 };

enum {
	RN_SOCKET_LOCAL = 1u << 0, /* it has an address; else only protocol and inode are known */
	RN_SOCKET_PEER = 1u << 1,
	RN_SOCKET_LISTENS = 1u << 2
};

#define RN_SOCKET_NAME_MAX 108u /* sun_path */

struct rn_fd_detail {
	uint32_t kind; /* enum rn_fd_kind */
	uint32_t major; /* CHAR, BLOCK; PID: the process; a NETLINK socket's protocol */
	uint32_t minor; /* CHAR, BLOCK; a NETLINK socket's port id */
	uint16_t family; /* SOCKET: AF_* */
	uint16_t known; /* SOCKET: RN_SOCKET_* */
	uint64_t inode; /* SOCKET */
	uint64_t peer_inode; /* AF_UNIX; 0 = none */
	uint16_t port, peer_port; /* AF_INET, AF_INET6 */
	uint32_t name_len;
	uint8_t address[16], peer[16]; /* AF_INET: the first four bytes */
	char protocol[16]; /* as the kernel calls it: "TCP", "UNIX-STREAM" */
	uint8_t name[RN_SOCKET_NAME_MAX]; /* AF_UNIX; an abstract one starts with NUL */
	uint32_t zero;
};
_Static_assert(sizeof(struct rn_fd_detail) == 200, "no holes");

/*
 * Which object of the kernel's a descriptor means: RN_PIECE_OBJECT. Two descriptors with the same
 * kind, device and inode are the same object, but for those without an inode of their own
 * (RN_OBJECT_EVENTFD, RN_OBJECT_PIDFD, RN_OBJECT_SIGNALFD, RN_OBJECT_OTHER): these are told apart
 * by the calls that made and copied them.
 */
enum rn_object_kind {
	RN_OBJECT_OTHER = 0,
	RN_OBJECT_FILE = 1, /* with data or locks of its own: regular, directory, device */
	RN_OBJECT_PIPE = 2, /* a pipe or a FIFO */
	RN_OBJECT_SOCKET = 3, /* family, type, and what is known of its ends */
	RN_OBJECT_EVENTFD = 4,
	RN_OBJECT_MQUEUE = 5, /* a POSIX message queue */
	RN_OBJECT_PIDFD = 6, /* peer = the process */
	RN_OBJECT_SIGNALFD = 7, /* whoever reads it takes signals that are pending for itself */
	RN_OBJECT_KIND_COUNT = 8
};

/* rn_object_id.ways: what may pass through this descriptor. */
enum { RN_WAY_READ = 1u << 0, RN_WAY_WRITE = 1u << 1 };

/* rn_object_id.known */
enum {
	RN_OBJECT_HAS_LOCAL = 1u << 0, /* address and port */
	RN_OBJECT_HAS_PEER = 1u << 1, /* peer address and port */
	RN_OBJECT_IS_REGULAR = 1u << 2 /* FILE: no folder, no device */
};

struct rn_object_id {
	uint8_t kind; /* enum rn_object_kind */
	uint8_t ways; /* RN_WAY_*; 0 = not known */
	uint8_t known;
	uint8_t zero;
	uint16_t family, type; /* SOCKET: AF_*, SOCK_* without its flags */
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	uint64_t peer; /* AF_UNIX, TCP: inode of the other end; PIDFD: the process; 0 = not known */
	uint16_t port, peer_port; /* AF_INET, AF_INET6: numbers, not in network order */
	uint32_t more; /* EVENTFD: 1 = a semaphore; FILE: tells it from another one that had its
			  inode before, 0 = not known */
	uint8_t address[16], peer_address[16]; /* network order; AF_INET: the first four bytes */
};
_Static_assert(sizeof(struct rn_object_id) == 72, "no holes");

/*
 * The application's own span that is live in a thread: RN_PIECE_SPAN of an entry, and
 * RN_CONTEXT records, which hold until the thread's next one. The first 28 bytes of
 * OTEP 4947's record.
 */
struct rn_live_span {
	uint8_t trace_id[16];
	uint8_t span_id[8]; /* as on the wire */
	uint8_t valid; /* 1; else there is none */
	uint8_t flags; /* W3C trace-flags */
	uint16_t zero;
};
_Static_assert(sizeof(struct rn_live_span) == 28, "no holes");

/*
 * The first stack frame outside the C library, its loader and the kernel's own code (vDSO), at the
 * entry of a call: RN_PIECE_SOURCE. Places are offsets in the file that is mapped there, so that
 * they are the same wherever it is mapped; behind the head stand `count` of them (u64), then the
 * file's path as the tracer sees it, or "[anon]" of code that no file has.
 */
enum rn_source_how {
	RN_SOURCE_DIRECT = 1, /* it made the call itself: nothing had to be found out */
	RN_SOURCE_CFI = 2, /* by the call frame information of the code below it */
	RN_SOURCE_NONE = 3, /* all of the stack is the C library's or the loader's; no place */
	RN_SOURCE_LOST = 4, /* the stack could not be followed so far; no place */
	RN_SOURCE_ABI = 5 /* code of another kind of machine (i386): not looked at; no place */
};

#define RN_SOURCE_PLACES 16u
#define RN_BUILD_ID_MAX 20u

struct rn_source {
	uint8_t how; /* enum rn_source_how */
	uint8_t count; /* places: 1; of a program that holds its C library, up to
			  RN_SOURCE_PLACES, innermost first */
	uint8_t id_len; /* bytes of `id`; 0 = it has none */
	uint8_t zero;
	uint32_t path_len;
	uint64_t inode; /* of the file; 0 = none */
	uint8_t id[RN_BUILD_ID_MAX]; /* NT_GNU_BUILD_ID */
	uint32_t zero2;
};
_Static_assert(sizeof(struct rn_source) == 40, "no holes");

/* The first piece, or NULL. Only for records that rn_event_check() accepted. */
const struct rn_piece *rn_piece_first(const struct rn_event *ev);

/* The piece after `piece`, or NULL. */
const struct rn_piece *rn_piece_next(const struct rn_event *ev, const struct rn_piece *piece);

/* The data of a piece. */
static inline const uint8_t *rn_piece_data(const struct rn_piece *piece)
{
	return (const uint8_t *)(piece + 1);
}

/*
 * Whether `len` bytes at `data` (8-byte aligned) start with one whole, well-formed
 * record: size, kind, and every piece within bounds. Returns its size, or 0.
 * Never reads outside data[0..len).
 */
uint32_t rn_event_check(const void *data, size_t len);

#endif
