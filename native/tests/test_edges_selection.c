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

int main(void)
{
	test_futexes();
	return 0;
}
