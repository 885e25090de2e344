/* SPDX-License-Identifier: MIT */
/*
 * subject FILE [LANE]: runs the script in FILE. Each call that a lane makes after its marker goes
 * through logged(), and so stands in the file, with what it carried. Nothing else makes calls,
 * but that a new image starts with those of libc, up to its marker, and that a handler ends with
 * rt_sigreturn.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "script.h"

#define MARKER SYS_sched_get_priority_min
#define NONE 0xffff
#define STACK 65536
#define WORDS 512

static struct shared *const all = SHARED_AT;
static const char *file;
static char *self;
static uid_t user;
/* Of the lanes of this process; those of forked ones are copies. */
static uint8_t stacks[LANES][STACK] __attribute__((aligned(64)));
static uint64_t buffers[LANES][WORDS];

static _Noreturn void fail(const char *what)
{
	static const char end[] = " failed\n";

	if (write(2, what, strlen(what)) < 0 || write(2, end, sizeof(end) - 1) < 0)
		_exit(99);
	_exit(98);
}

/* Without errno, which threads share here. */
static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#endif
}

static struct row *begin(unsigned me, long nr, unsigned lane)
{
	struct lane *mine = &all->lane[me];
	struct row *row = &all->row[me][mine->nrows];

	if (mine->nrows == ROWS)
		fail("room for rows");
	mine->nrows++;
	*row = (struct row){.nr = (int32_t)nr, .op = mine->op, .lane = (uint16_t)lane};
	row->state = 1;
	return row;
}

static uint64_t id_of(unsigned me, const struct row *row)
{
	return ID(me, (uint64_t)(row - all->row[me]));
}

static long end(struct row *row, long result)
{
	row->result = result;
	row->state = 2;
	return result;
}

#define LOGGED(me, lane, nr, a, b, c, d, e, f)                                                     \
	logged(me, lane, nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static long logged(unsigned me, unsigned lane, long nr, long a, long b, long c, long d, long e,
		   long f)
{
	struct row *row = begin(me, nr, lane);

	return end(row, raw(nr, a, b, c, d, e, f));
}

static void carry(struct row *row, uint64_t id)
{
	if (id >> 48 != ID_MAGIC)
		fail("a word");
	for (unsigned i = 0; i < row->ncarried; i++)
		if (row->carried[i] == id)
			return;
	if (row->ncarried == CARRIED)
		fail("room for causes");
	row->carried[row->ncarried++] = id;
}

static void on_signal(int sig, siginfo_t *info, void *unused)
{
	int tid = (int)raw(SYS_gettid, 0, 0, 0, 0, 0, 0);
	struct row *row;

	(void)sig;
	(void)unused;
	for (unsigned me = 0; me < all->lanes; me++) {
		if (all->lane[me].tid != tid)
			continue;
		row = begin(me, SYS_gettid, NONE);
		row->at_entry = 1;
		carry(row, (uint64_t)(uintptr_t)info->si_value.sival_ptr);
		end(row, tid);
		all->lane[me].signals++;
	}
}

static void send_words(unsigned me, const struct op *op)
{
	int fd = all->object[op->object].in, kind = (int)all->object[op->object].kind;
	size_t len = op->n * sizeof(uint64_t);
	struct iovec parts[2] = {{buffers[me], 8}, {buffers[me] + 1, len - 8}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	bool socket = kind >= OBJECT_STREAM && kind <= OBJECT_TCP;
	struct row *row = begin(me, SYS_write, op->object);
	unsigned how = op->how & 3;
	long got;

	for (unsigned i = 0; i < op->n; i++)
		buffers[me][i] = id_of(me, row);
	if (kind == OBJECT_QUEUE) {
		row->nr = SYS_mq_timedsend;
		got = raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0);
		got = got ? got : (long)len;
		end(row, 0);
	} else if (how == 1 && kind != OBJECT_EVENTFD) {
		row->nr = SYS_writev;
		got = end(row, raw(row->nr, fd, (long)parts, 2, 0, 0, 0));
	} else if (how == 2 && socket) {
		row->nr = SYS_sendto;
		got = end(row, raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0));
	} else if (how == 3 && socket) {
		row->nr = SYS_sendmsg;
		got = end(row, raw(row->nr, fd, (long)&message, 0, 0, 0, 0));
	} else {
		got = end(row, raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0));
	}
	if (got != (long)len)
		fail("a send");
}

static unsigned receive(unsigned me, const struct op *op, unsigned n)
{
	int fd = all->object[op->object].out, kind = (int)all->object[op->object].kind;
	bool socket = kind >= OBJECT_STREAM && kind <= OBJECT_TCP;
	bool whole = kind == OBJECT_MESSAGES || kind == OBJECT_PACKETS || kind == OBJECT_QUEUE;
	size_t len = (whole || n > WORDS ? WORDS : n) * sizeof(uint64_t);
	struct iovec parts[2] = {{buffers[me], 8}, {buffers[me] + 1, len - 8}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	struct row *row = begin(me, SYS_read, op->object);
	unsigned how = op->how & 3;
	long got;

	if (kind == OBJECT_QUEUE) {
		row->nr = SYS_mq_timedreceive;
		got = raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0);
	} else if (how == 1 && kind != OBJECT_EVENTFD) {
		row->nr = SYS_readv;
		got = raw(row->nr, fd, (long)parts, 2, 0, 0, 0);
	} else if (how == 2 && socket) {
		row->nr = SYS_recvfrom;
		got = raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0);
	} else if (how == 3 && socket) {
		row->nr = SYS_recvmsg;
		got = raw(row->nr, fd, (long)&message, 0, 0, 0, 0);
	} else {
		got = raw(row->nr, fd, (long)buffers[me], (long)len, 0, 0, 0);
	}
	if (got < 0 || got % 8 || (got == 0 && op->kind != OP_DRAIN))
		fail("a receive");
	for (unsigned i = 0; i < got / 8; i++)
		carry(row, buffers[me][i]);
	end(row, got);
	return (unsigned)(got / 8);
}

static uint32_t forks_ended(unsigned me)
{
	return __atomic_load_n(&all->lane[all->lane[me].pid].forks_ended, __ATOMIC_SEQ_CST);
}

/* Since so many had ended. */
static bool was_forked(unsigned me, uint32_t ended)
{
	return __atomic_load_n(&all->lane[all->lane[me].pid].forks_begun, __ATOMIC_SEQ_CST) !=
	       ended;
}

static void call(unsigned me, const struct op *op)
{
	struct sockaddr_in there = {.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				    .sin_port = htons((uint16_t)all->object[op->object].in)};
	uint32_t forks = forks_ended(me);
	long fd = LOGGED(me, op->object, SYS_socket, AF_INET, SOCK_STREAM, 0, 0, 0, 0);
	struct row *connected = begin(me, SYS_connect, op->object), *row;

	if (fd < 0 || end(connected, raw(connected->nr, fd, (long)&there, sizeof(there), 0, 0, 0)))
		fail("a connection");
	row = begin(me, SYS_write, op->object);
	buffers[me][0] = id_of(me, row);
	if (end(row, raw(row->nr, fd, (long)buffers[me], 8, 0, 0, 0)) != 8)
		fail("a send");
	LOGGED(me, op->object, SYS_close, fd, 0, 0, 0, 0, 0);
	connected->forked = was_forked(me, forks);
}

/* The word names the write; the call before that was the connect. */
static void take_call(unsigned me, const struct op *op)
{
	uint32_t forks = forks_ended(me);
	struct row *accepted = begin(me, SYS_accept4, op->object), *row;
	long fd = end(accepted, raw(accepted->nr, all->object[op->object].out, 0, 0, 0, 0, 0));

	row = begin(me, SYS_read, op->object);
	if (fd < 0 || end(row, raw(row->nr, fd, (long)buffers[me], 8, 0, 0, 0)) != 8)
		fail("a receive");
	carry(row, buffers[me][0]);
	carry(accepted, buffers[me][0] - 1);
	accepted->forked = was_forked(me, forks);
	LOGGED(me, op->object, SYS_close, fd, 0, 0, 0, 0, 0);
}

/* Of these blocks: `type` as fcntl has it. The call is begun already. */
static void set_lock(struct row *row, int kind, long fd, int type, const struct op *op)
{
	static const int of_type[] = {
		[F_RDLCK] = LOCK_SH, [F_WRLCK] = LOCK_EX, [F_UNLCK] = LOCK_UN};
	struct flock range = {.l_type = (short)type, .l_start = op->n & 255, .l_len = op->n >> 8};

	if (kind == OBJECT_FLOCK) {
		row->nr = SYS_flock;
		end(row, raw(row->nr, fd, of_type[type], 0, 0, 0, 0));
	} else {
		row->nr = SYS_fcntl;
		end(row, raw(row->nr, fd, kind == OBJECT_OPEN ? F_OFD_SETLKW : F_SETLKW,
			     (long)&range, 0, 0, 0));
	}
	if (row->result)
		fail("a lock");
}

/* What is held now comes after those who let go of it. */
static void come_after(struct row *row, const struct op *op, bool writes)
{
	unsigned first = op->n & 255, last = first + (op->n >> 8) - 1;

	for (unsigned i = first; i <= last; i++) {
		struct block *block = &all->block[op->object][i];

		for (unsigned k = 0; writes && k < block->readers; k++)
			carry(row, block->reader[k]);
		if (block->writer && !(writes && block->readers))
			carry(row, block->writer);
	}
}

/* It is held still: whoever gets it comes after this call. */
static void tell_release(unsigned me, const struct row *row, const struct op *op, bool writes)
{
	unsigned first = op->n & 255, last = first + (op->n >> 8) - 1;

	for (unsigned i = first; i <= last; i++) {
		struct block *block = &all->block[op->object][i];

		if (writes) {
			block->readers = 0;
			block->writer = id_of(me, row);
		} else {
			unsigned k = __atomic_fetch_add(&block->readers, 1, __ATOMIC_SEQ_CST);

			if (k == READERS)
				fail("room for readers");
			block->reader[k] = id_of(me, row);
		}
	}
}

static void lock(unsigned me, const struct op *op)
{
	int kind = (int)all->object[op->object].kind;
	bool writes = op->how & LOCK_WRITES;
	char path[256];
	struct row *row;
	long fd;

	snprintf(path, sizeof(path), "%.200s/%u", all->folder, (unsigned)op->object);
	fd = LOGGED(me, op->object, SYS_openat, AT_FDCWD, path, O_RDWR, 0, 0, 0);
	row = begin(me, SYS_flock, op->object);
	set_lock(row, kind, fd, writes ? F_WRLCK : F_RDLCK, op);
	come_after(row, op, writes);
	LOGGED(me, NONE, SYS_getppid, 0, 0, 0, 0, 0, 0);
	if (writes && op->how & LOCK_LOWERS) {
		row = begin(me, SYS_flock, op->object);
		tell_release(me, row, op, true);
		set_lock(row, kind, fd, F_RDLCK, op);
		writes = false;
		come_after(row, op, writes);
	}
	row = begin(me, SYS_close, op->object);
	tell_release(me, row, op, writes);
	if (op->how & LOCK_CLOSES) {
		end(row, raw(row->nr, fd, 0, 0, 0, 0, 0));
		return;
	}
	set_lock(row, kind, fd, F_UNLCK, op);
	LOGGED(me, op->object, SYS_close, fd, 0, 0, 0, 0, 0);
}

static void run(unsigned me);

static int begin_lane(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	LOGGED(me, NONE, SYS_gettid, 0, 0, 0, 0, 0, 0);
	run(me);
	return 0;
}

static void spawn(unsigned me, const struct op *op)
{
	struct lane *child = &all->lane[op->object], *leader = &all->lane[all->lane[me].pid];
	uint8_t *stack = stacks[op->object] + STACK;
	int thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		     CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
	int flags = CLONE_PARENT_SETTID | (op->how ? thread : SIGCHLD);
	struct row *row = begin(me, SYS_clone, op->object);
	int tid;

	child->alive = 1;
	if (!op->how)
		__atomic_add_fetch(&leader->forks_begun, 1, __ATOMIC_SEQ_CST);
	tid = clone(begin_lane, stack, flags, (void *)(uintptr_t)op->object, &child->tid, NULL,
		    &child->alive);
	if (tid < 0)
		fail("clone");
	end(row, tid);
	if (!op->how)
		__atomic_add_fetch(&leader->forks_ended, 1, __ATOMIC_SEQ_CST);
}

static void sleep_on(unsigned me, unsigned object, uint32_t *word, uint32_t wanted, bool gone,
		     int private)
{
	for (;;) {
		uint32_t value = __atomic_load_n(word, __ATOMIC_SEQ_CST);

		if (gone ? value == 0 : value >= wanted)
			return;
		LOGGED(me, object, SYS_futex, word, FUTEX_WAIT | private, value, 0, 0, 0);
	}
}

static void send_signal(unsigned me, const struct op *op)
{
	struct row *row =
		begin(me, op->how & 1 ? SYS_rt_sigqueueinfo : SYS_rt_tgsigqueueinfo, op->object);
	const struct lane *to = &all->lane[op->object];
	int sig = SIGRTMIN + 1, pid = all->lane[to->pid].tid;
	siginfo_t info = {.si_signo = sig, .si_code = SI_QUEUE};

	/* sigqueue(3) gives its own. */
	info.si_pid = op->how & 2 ? 1 : all->lane[all->lane[me].pid].tid;
	info.si_uid = user;
	info.si_value.sival_ptr = (void *)(uintptr_t)id_of(me, row);
	end(row, op->how & 1 ? raw(row->nr, pid, sig, (long)&info, 0, 0, 0)
			     : raw(row->nr, pid, to->tid, sig, (long)&info, 0, 0));
	if (row->result)
		fail("a signal");
}

static void await(unsigned me, unsigned n)
{
	uint64_t others = ~(1ull << SIGRTMIN); /* of SIGRTMIN + 1: bit SIGRTMIN */

	while (all->lane[me].signals < n)
		LOGGED(me, NONE, SYS_rt_sigsuspend, &others, 8, 0, 0, 0, 0);
}

static void wait_for(unsigned me, const struct op *op)
{
	long pid = all->lane[op->object].tid, result;
	siginfo_t info = {0};
	int status = 0;

	if (op->how & 1)
		result = LOGGED(me, op->object, SYS_waitid, P_PID, pid, &info, WEXITED, 0, 0);
	else
		result = LOGGED(me, op->object, SYS_wait4, pid, &status, 0, 0, 0, 0);
	if (result < 0)
		fail("a wait");
}

static _Noreturn void again(unsigned me)
{
	char lane[16];
	char *argv[] = {self, (char *)(uintptr_t)file, lane, NULL};
	char *envp[] = {NULL};

	snprintf(lane, sizeof(lane), "%u", me);
	all->lane[me].op++;
	LOGGED(me, NONE, SYS_execve, self, argv, envp, 0, 0, 0);
	fail("execve");
}

static void noise(unsigned me, unsigned how)
{
	static const long calls[] = {SYS_getuid, SYS_sched_yield, SYS_getppid, SYS_getpid};

	LOGGED(me, NONE, calls[how & 3], 0, 0, 0, 0, 0, 0);
}

static void step(unsigned me, const struct op *op)
{
	uint32_t *word = &all->object[op->object % OBJECTS].word;
	int private = op->how & 1 ? FUTEX_PRIVATE_FLAG : 0;

	switch ((enum op_kind)op->kind) {
	case OP_SEND:
		send_words(me, op);
		break;
	case OP_RECV:
		for (unsigned got = 0; got < op->n;)
			got += receive(me, op, op->n - got);
		break;
	case OP_SPAWN:
		spawn(me, op);
		break;
	case OP_WAIT:
		wait_for(me, op);
		break;
	case OP_JOIN:
		sleep_on(me, op->object, &all->lane[op->object].alive, 0, true, 0);
		break;
	case OP_EXEC:
		again(me);
	case OP_SIGNAL:
		send_signal(me, op);
		break;
	case OP_AWAIT:
		await(me, op->n);
		break;
	case OP_WAKE:
		__atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
		LOGGED(me, op->object, SYS_futex, word, FUTEX_WAKE | private,
		       op->how & 2 ? INT32_MAX : 1, 0, 0, 0);
		break;
	case OP_SLEEP:
		sleep_on(me, op->object, word, op->n, false, private);
		break;
	case OP_NOISE:
		noise(me, op->how);
		break;
	case OP_SHUT:
		LOGGED(me, op->object, SYS_shutdown, all->object[op->object].in, SHUT_WR, 0, 0, 0,
		       0);
		break;
	case OP_DRAIN:
		while (receive(me, op, op->n))
			;
		break;
	case OP_CONNECT:
		call(me, op);
		break;
	case OP_ACCEPT:
		take_call(me, op);
		break;
	case OP_LOCK:
		lock(me, op);
		break;
	case OP_END:
		break;
	}
}

static void run(unsigned me)
{
	struct lane *mine = &all->lane[me];

	for (; all->op[me][mine->op].kind != OP_END; mine->op++)
		step(me, &all->op[me][mine->op]);
	/* A process ends after its threads, which its first one has waited for. */
	if (mine->pid == me)
		LOGGED(me, NONE, SYS_exit_group, 0, 0, 0, 0, 0, 0);
	else
		LOGGED(me, NONE, SYS_exit, 0, 0, 0, 0, 0, 0);
}

static int listener(struct sockaddr_in *here)
{
	socklen_t len = sizeof(*here);
	int from = socket(AF_INET, SOCK_STREAM, 0);

	*here = (struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (from < 0 || bind(from, (struct sockaddr *)here, len) || listen(from, 64) ||
	    getsockname(from, (struct sockaddr *)here, &len))
		fail("a listener");
	return from;
}

static void tcp(int *in, int *out)
{
	struct sockaddr_in here;
	int one = 1, from = listener(&here);

	*in = socket(AF_INET, SOCK_STREAM, 0);
	if (*in < 0 || connect(*in, (struct sockaddr *)&here, sizeof(here)))
		fail("a connection");
	*out = accept(from, NULL, NULL);
	close(from);
	setsockopt(*in, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
}

static void make(unsigned i)
{
	int fds[2] = {-1, -1}, type = 0;
	struct mq_attr form = {.mq_maxmsg = 8, .mq_msgsize = 128 * 8};
	struct sockaddr_in here;
	char path[256];

	switch ((enum object)all->object[i].kind) {
	case OBJECT_PIPE:
		type = pipe(fds);
		break;
	case OBJECT_FIFO:
		snprintf(path, sizeof(path), "%.200s/%u", all->folder, i);
		type = mkfifo(path, 0600);
		fds[0] = open(path, O_RDONLY | O_NONBLOCK);
		fds[1] = open(path, O_WRONLY);
		fcntl(fds[0], F_SETFL, 0);
		break;
	case OBJECT_STREAM:
		type = socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
		break;
	case OBJECT_MESSAGES:
		type = socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
		break;
	case OBJECT_PACKETS:
		type = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds);
		break;
	case OBJECT_TCP:
		tcp(&fds[1], &fds[0]);
		break;
	case OBJECT_LISTENER:
		fds[0] = listener(&here);
		fds[1] = ntohs(here.sin_port);
		break;
	case OBJECT_EVENTFD:
		fds[0] = fds[1] = eventfd(0, 0);
		break;
	case OBJECT_QUEUE:
		snprintf(path, sizeof(path), "/causality-%d-%u", (int)getpid(), i);
		fds[0] = fds[1] = mq_open(path, O_RDWR | O_CREAT | O_EXCL, 0600, &form);
		mq_unlink(path);
		/* A descriptor of an exec'd program, too. */
		fcntl(fds[0], F_SETFD, 0);
		break;
	case OBJECT_FLOCK:
	case OBJECT_BYTES:
	case OBJECT_OPEN:
		snprintf(path, sizeof(path), "%.200s/%u", all->folder, i);
		if (close(open(path, O_RDWR | O_CREAT, 0600)))
			fail("a file");
		return;
	case OBJECT_WORD:
	case OBJECT_NONE:
		return;
	}
	if (type || fds[0] < 0 || fds[1] < 0)
		fail("an object");
	all->object[i].out = fds[0];
	all->object[i].in = fds[1];
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	unsigned me = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	int fd = open(argv[1], O_RDWR | O_CLOEXEC);
	sigset_t every;

	user = getuid();
	self = argv[0];
	file = argv[1];
	if (mmap(SHARED_AT, sizeof(struct shared), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) != SHARED_AT)
		fail("mmap");
	close(fd);
	sigfillset(&every);
	sigprocmask(SIG_SETMASK, &every, NULL);
	sigfillset(&action.sa_mask);
	sigaction(SIGRTMIN + 1, &action, NULL);
	if (argc > 2) {
		end(&all->row[me][all->lane[me].nrows - 1], 0); /* of the execve */
	} else {
		all->lane[0].tid = (int32_t)getpid();
		for (unsigned i = 0; i < all->objects; i++)
			make(i);
	}
	LOGGED(me, NONE, MARKER, 0, 0, 0, 0, 0, 0);
	run(me);
	return 97;
}
