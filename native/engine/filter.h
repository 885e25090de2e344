/* SPDX-License-Identifier: MIT */
/*
 * Calls chosen in the kernel: a seccomp filter that lets through what nobody asked for
 * without a stop. It is the command's from before its exec on, and of all that it starts;
 * nothing takes it away again.
 */
#ifndef RENACER_FILTER_H
#define RENACER_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

struct rn_engine;

/* Calls that the engine itself has to do with under a filter: numbers of an ABI, -1 = none. */
enum guarded {
	GUARDED_SECCOMP,
	GUARDED_PRCTL,
	GUARDED_CLONE,
	GUARDED_CLONE3,
	GUARDED_READ,
	GUARDED_WRITE,
	GUARDED_EXIT,
	GUARDED_SIGRETURN, /* the one that strict mode allows */
	GUARDED_COUNT
};

int rn_guarded_number(unsigned abi, enum guarded call);

/*
 * The program for the calls of `wanted` (RN_ABI_COUNT * RN_ABI_WORDS words) and those that the engine
 * needs: `action` for them, SECCOMP_RET_ALLOW for others; with `code` also for an mmap of a
 * file's code by x86_64. Returns its length; 0: `cap` is
 * too small for it.
 */
unsigned rn_filter_build(const uint64_t *wanted, uint32_t action, bool code,
			 struct sock_filter *out, unsigned cap);

/* Of the command, before its exec; 0 or errno. Async-signal-safe. */
int rn_filter_install(const struct rn_engine *e);

/* Makes ready what the command will install; e->filter.len stays 0 where none is to be. */
void rn_filter_prepare(struct rn_engine *e);
/* The command's call to install it has returned. */
void rn_filter_installed(struct rn_engine *e, int64_t result);

#endif
