/* SPDX-License-Identifier: MIT */
/*
 * subject FILE [LANE]: runs the script in FILE. Each call that a lane makes after its marker goes
 * through logged(), and so stands in the file, with what it carried. Nothing else makes calls,
 * but that a new image starts with those of libc, up to its marker, and that a handler ends with
 * rt_sigreturn.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "calls.h"

#define MARKER SYS_sched_get_priority_min
#define STACK 65536

static const char *file;
static char *self;
static uid_t user;
/* Of the lanes of this process; those of forked ones are copies. */
static uint8_t stacks[LANES][STACK] __attribute__((aligned(64)));

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
