/* SPDX-License-Identifier: MIT */
/* Numbers of calls to what they do. */
#include "call_kinds.h"

#include <pthread.h>

#include "renacer/interpret.h"
#include "renacer/syscalls.h"

static struct rn_roles kinds;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const struct {
	const char *name;
	enum call_kind kind;
} calls[] = {
	{"futex", CALL_FUTEX},
	{"futex_time64", CALL_FUTEX},
	{"futex_wait", CALL_FUTEX_WAIT},
	{"futex_wake", CALL_FUTEX_WAKE},
	{"futex_waitv", CALL_FUTEX_WAITV},
	{"futex_requeue", CALL_FUTEX_REQUEUE},
	{"restart_syscall", CALL_RESTART},
	{"set_tid_address", CALL_SET_TID},
	{"exit", CALL_EXIT},
	{"exit_group", CALL_EXIT},
	{"io_uring_setup", CALL_IO_URING},
	{"clone", CALL_CLONE},
	{"clone3", CALL_CLONE3},
	{"fork", CALL_FORK},
	{"vfork", CALL_VFORK},
	{"unshare", CALL_UNSHARE},
	{"setns", CALL_SETNS},
	{"mmap", CALL_MMAP},
	{"mmap2", CALL_MMAP2},
	{"munmap", CALL_MUNMAP},
	{"mremap", CALL_MREMAP},
	{"shmat", CALL_SHMAT},
	{"flock", CALL_FLOCK},
	{"fcntl", CALL_FCNTL},
	{"fcntl64", CALL_FCNTL},
	{"remap_file_pages", CALL_REMAP_PAGES},
	{"kill", CALL_KILL},
	{"tkill", CALL_TKILL},
	{"tgkill", CALL_TGKILL},
	{"rt_sigqueueinfo", CALL_SIGQUEUE},
	{"rt_tgsigqueueinfo", CALL_TGSIGQUEUE},
	{"pidfd_send_signal", CALL_PIDFD_SIGNAL},
	{"rt_sigtimedwait", CALL_SIGWAIT},
	{"rt_sigtimedwait_time64", CALL_SIGWAIT},
};

static void find_all(void)
{
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		rn_roles_set(&kinds, calls[i].name, (uint8_t)calls[i].kind);
	/* Where there is a newer one, the older one takes a structure. */
	for (struct rn_number at = {0}; rn_syscall_next("mmap", &at);)
		if (at.abi == RN_ABI_I386 || at.abi == RN_ABI_ARM)
			kinds.of[at.abi][at.nr] = CALL_MMAP_OLD;
}

void rn_call_kinds_init(void)
{
	pthread_once(&once, find_all);
}

enum call_kind rn_call_kind(uint8_t abi, int32_t nr)
{
	return (enum call_kind)rn_role(&kinds, abi, nr);
}

bool rn_kinds_are_wanted(const uint64_t *wanted, enum call_kind first, enum call_kind last)
{
	if (!wanted)
		return true;
	rn_call_kinds_init();
	for (unsigned abi = 1; abi < RN_ABI_COUNT; abi++)
		for (unsigned nr = 0; nr < RN_ABI_CALLS; nr++) {
			enum call_kind kind = (enum call_kind)kinds.of[abi][nr];

			if (kind >= first && kind <= last &&
			    !rn_selection_is_wanted(wanted, (uint8_t)abi, (int32_t)nr))
				return false;
		}
	return true;
}
