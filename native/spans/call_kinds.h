/* SPDX-License-Identifier: MIT */
/* Calls that carry causes, by what they do, in every ABI. Inner part of spans/. */
#ifndef RENACER_SPANS_CALL_KINDS_H
#define RENACER_SPANS_CALL_KINDS_H

#include <stdbool.h>
#include <stdint.h>

enum call_kind {
	CALL_OTHER = 0,
	CALL_FUTEX,
	CALL_FUTEX_WAIT,
	CALL_FUTEX_WAKE,
	CALL_FUTEX_WAITV,
	CALL_FUTEX_REQUEUE,
	CALL_RESTART, /* goes on with a wait that a stop has interrupted */
	CALL_SET_TID,
	CALL_EXIT,     /* of a thread, or of its process */
	CALL_IO_URING, /* whose requests wait and wake without calls */
	CALL_CLONE,
	CALL_CLONE3,
	CALL_FORK,
	CALL_VFORK,
	CALL_UNSHARE,
	CALL_SETNS,
	CALL_MMAP,
	CALL_MMAP2,
	CALL_MMAP_OLD,
	CALL_MUNMAP,
	CALL_MREMAP,
	CALL_SHMAT,
	CALL_REMAP_PAGES,
	CALL_FLOCK,
	CALL_FCNTL,
	CALL_KILL,
	CALL_PIDFD_SIGNAL,
	CALL_TKILL,
	CALL_TGKILL,
	CALL_SIGQUEUE,
	CALL_TGSIGQUEUE,
	CALL_SIGWAIT,
};

enum call_kind rn_call_kind(uint8_t abi, int32_t nr);

/* Whether a bitmap (as in rn_selection, NULL = all) holds every call of the kinds from `first` to
   `last`, in every ABI. */
bool rn_kinds_are_wanted(const uint64_t *wanted, enum call_kind first, enum call_kind last);

/* Finds all numbers; safe to be called again. */
void rn_call_kinds_init(void);

#endif
