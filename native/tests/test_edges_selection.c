/* SPDX-License-Identifier: MIT */
/* What is certain where some calls are not recorded: nothing that these may have caused. */
#include <linux/futex.h>

#include "edge_world.h"

#define WORD 0x7000u
#define PRIVATE(op) ((op) | FUTEX_PRIVATE_FLAG)

static uint64_t wanted[RN_ABI_COUNT * RN_ABI_WORDS];
static const struct rn_selection selected = {.wanted = wanted};

static void leave_out(const char *name)
{
	int nr = rn_syscall_number(RN_ABI_X86_64, name);

	CHECK(nr >= 0);
	memset(wanted, 0xff, sizeof(wanted));
	wanted[RN_ABI_X86_64 * RN_ABI_WORDS + (unsigned)nr / 64u] &= ~(1ull << (unsigned)nr % 64u);
}

/* Whether a private futex, and a thread's end, are linked where a call is not recorded. */
static void check_left_out(const char *name, bool private_linked, bool join_linked)
{
	uint64_t wait, wake, leave;

	leave_out(name);
	begin_selecting(&selected);
	spawn_threads(1);
	spawn(7, 7, 9, 7, 1, CLONE_VM | CLONE_THREAD | CLONE_CHILD_CLEARTID, WORD);
	spawned(7, 7, 9);
	wait = ENTER(8, 7, "futex", WORD + 64, PRIVATE(FUTEX_WAIT));
	wake = CALL(9, 7, "futex", 1, WORD + 64, PRIVATE(FUTEX_WAKE), 1);
	LEAVE(8, 7, "futex", 0, WORD + 64, PRIVATE(FUTEX_WAIT));
	CHECK_INT(edges_to(wait, wake, RN_EDGE_FUTEX, private_linked), 1);
	CHECK_INT(world_find_call(&w, wait)->call.nlinks, private_linked);
	CHECK_STR(incomplete(wait), private_linked ? "" : "selection");
	wait = ENTER(7, 7, "futex", WORD, FUTEX_WAIT, 9);
	leave = world_enter(&w, 9, 7, "exit");
	LEAVE(7, 7, "futex", 0, WORD, FUTEX_WAIT, 9);
	CHECK_INT(edges_to(wait, leave, RN_EDGE_JOIN, join_linked), 1);
	CHECK_STR(incomplete(wait), join_linked ? "" : "selection");
	end();
}

static void test_futexes(void)
{
	static const char *const wakers[] = {"futex_wake",      "futex_requeue", "exit_group",
					     "set_tid_address", "clone3",        "io_uring_setup"};
	static const char *const mappers[] = {"mmap", "munmap", "mremap", "shmat", "fork"};

	check_left_out("getpid", true, true);
	for (unsigned i = 0; i < sizeof(wakers) / sizeof(wakers[0]); i++)
		check_left_out(wakers[i], false, false);
	for (unsigned i = 0; i < sizeof(mappers) / sizeof(mappers[0]); i++)
		check_left_out(mappers[i], true, false);
	/* Which file is mapped is not known then. */
	check_left_out("openat", true, false);
}

static void deliver(int32_t tid, int32_t sig, int32_t code, int32_t from)
{
	struct rn_event *ev = world_next(&w, RN_SIGNAL, tid, tid);

	ev->nr = sig;
	ev->args[0] = (uint64_t)(int64_t)code;
	ev->args[1] = (uint64_t)from;
	world_feed(&w);
}

/* A signal that process 7 sent to 8, by a call that is recorded. */
static void check_signal(const char *left_out, bool is_linked, const char *call, uint64_t second,
			 uint64_t third, int32_t code)
{
	uint64_t sent, next;

	leave_out(left_out);
	begin_selecting(&selected);
	spawn(7, 7, 8, 8, 2, SIGCHLD, 0);
	spawned(7, 7, 8);
	sent = CALL(7, 7, call, 0, 8, second, third);
	deliver(8, (int32_t)(third ? third : second), code, 7);
	CHECK_INT(edges_to(w.seq, sent, RN_EDGE_SIGNAL, is_linked), 1);
	next = world_call(&w, 8, 8, "getpid", 8);
	CHECK_INT(world_find_call(&w, next)->call.nlinks, is_linked);
	CHECK_STR(incomplete(next), is_linked ? "" : "selection");
	/* Once told, told. */
	CHECK_STR(incomplete(world_call(&w, 8, 8, "getpid", 8)), "");
	end();
}

static void test_signals(void)
{
	check_signal("getpid", true, "kill", SIGUSR1, 0, SI_USER);
	check_signal("tgkill", true, "kill", SIGUSR1, 0, SI_USER);
	check_signal("rt_sigqueueinfo", true, "kill", SIGUSR1, 0, SI_USER);
	check_signal("pidfd_send_signal", false, "kill", SIGUSR1, 0, SI_USER);
	check_signal("rt_sigtimedwait", false, "kill", SIGUSR1, 0, SI_USER);
	check_signal("unshare", false, "kill", SIGUSR1, 0, SI_USER);
	check_signal("kill", true, "tgkill", 8, SIGUSR1, SI_TKILL);
	check_signal("tkill", false, "tgkill", 8, SIGUSR1, SI_TKILL);
	check_signal("kill", true, "rt_sigqueueinfo", SIGUSR1, 0, SI_QUEUE);
	check_signal("rt_tgsigqueueinfo", false, "rt_sigqueueinfo", SIGUSR1, 0, SI_QUEUE);
}

/* What the kernel sends by itself, no call of these has sent. */
static void test_own_signals(void)
{
	leave_out("kill");
	begin_selecting(&selected);
	deliver(7, SIGALRM, SI_KERNEL, 0);
	CHECK_STR(incomplete(world_call(&w, 7, 7, "getpid", 7)), "");
	deliver(7, SIGUSR1, SI_USER, 7);
	CHECK_STR(incomplete(world_call(&w, 7, 7, "getpid", 7)), "selection");
	end();
}

int main(void)
{
	test_signals();
	test_own_signals();
	test_futexes();
	return 0;
}
