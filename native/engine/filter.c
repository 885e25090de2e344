/* SPDX-License-Identifier: MIT */
/*
 * The filter's program, and its installation. For each ABI a binary search over the ends
 * of the ranges of numbers, so that a set of 300 calls takes some eight comparisons. It
 * looks at number and architecture only, by instructions that the kernel can evaluate in
 * advance: then it need not run at all for a call that is let through (Linux 5.11 and
 * later). But write(2): that to descriptor -1 may be a marker; and mmap(2): it may map code.
 */
#include "filter.h"

#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include "engine_private.h"

#define NO_CALL 0x80000000u /* from here on numbers are negative */

#define OFFSET_NR 0u
#define OFFSET_ARCH 4u
#define OFFSET_ARG(n) (16u + 8u * (n)) /* its lower half */

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

/* A set of call numbers. */
#define SET_BITS (RN_ABI_WORDS * 64u)
struct set {
	uint64_t words[SET_BITS / 64];
};

static void put(struct set *set, int nr)
{
	if (nr >= 0 && nr < (int)SET_BITS)
		set->words[nr / 64] |= 1ull << nr % 64;
}

static bool has(const struct set *set, unsigned nr)
{
	return set->words[nr / 64] >> nr % 64 & 1u;
}

int rn_guarded_number(unsigned abi, enum guarded call)
{
	static const char *const names[GUARDED_COUNT] = {
		"seccomp", "prctl", "clone", "clone3", "read", "write", "exit", "rt_sigreturn"};

	if (call == GUARDED_SIGRETURN && (abi == RN_ABI_I386 || abi == RN_ABI_ARM))
		return rn_syscall_number((enum rn_abi)abi, "sigreturn");
	return rn_syscall_number((enum rn_abi)abi, names[call]);
}

/* What the engine must see, whether or not anybody asked for it. */
static void put_needs(struct set *set, unsigned abi)
{
	for (int nr = 0; nr < rn_syscall_limit((enum rn_abi)abi); nr++) {
		const struct rn_syscall_desc *desc = rn_syscall((enum rn_abi)abi, nr);

		/* NO_RESULT: the end of a handler tells whether a call is begun anew. */
		if (desc->flags &
		    (RN_CALL_FORK | RN_CALL_EXEC | RN_CALL_AFFINITY | RN_CALL_NO_RESULT))
			put(set, nr);
	}
	put(set, rn_syscall_number((enum rn_abi)abi, "restart_syscall"));
	for (int call = GUARDED_SECCOMP; call <= GUARDED_CLONE3; call++)
		put(set, rn_guarded_number(abi, (enum guarded)call));
}

static struct set set_of(const uint64_t *wanted, unsigned abi)
{
	struct set set = {{0}};

	memcpy(set.words, wanted + abi * RN_ABI_WORDS, sizeof(set.words));
	put_needs(&set, abi);
	return set;
}

/* Numbers at which membership changes; region i lies below at[i], membership alternates. */
struct regions {
	uint16_t at[SET_BITS];
	unsigned n;
	bool first; /* of region 0 */
};

static void find_regions(const struct set *set, struct regions *regions)
{
	bool in = has(set, 0);

	regions->n = 0;
	regions->first = in;
	for (unsigned nr = 1; nr <= SET_BITS; nr++) {
		bool now = nr < SET_BITS && has(set, nr);

		if (now != in)
			regions->at[regions->n++] = (uint16_t)nr;
		in = now;
	}
}

struct program {
	struct sock_filter *out;
	unsigned len, cap; /* len goes on past cap, so that it tells what was needed */
	uint32_t action;
};

static void add(struct program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
	if (p->len < p->cap)
		p->out[p->len] = (struct sock_filter){code, yes, no, k};
	p->len++;
}

static void add_return(struct program *p, bool in)
{
	add(p, BPF_RET | BPF_K, 0, 0, in ? p->action : SECCOMP_RET_ALLOW);
}

static unsigned tree_len(unsigned regions)
{
	unsigned left = regions / 2, len;

	if (regions == 1)
		return 1;
	len = tree_len(left);
	/* A conditional jump reaches 255 instructions. */
	return 1 + (len > 255) + len + tree_len(regions - left);
}

static void add_tree(struct program *p, const struct regions *regions, unsigned from, unsigned n)
{
	unsigned left = n / 2, len;

	if (n == 1) {
		add_return(p, regions->first ^ (from & 1));
		return;
	}
	len = tree_len(left);
	if (len > 255) {
		add(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, regions->at[from + left - 1]);
		add(p, BPF_JMP | BPF_JA, 0, 0, len);
	} else {
		add(p, BPF_JMP | BPF_JGE | BPF_K, (uint8_t)len, 0, regions->at[from + left - 1]);
	}
	add_tree(p, regions, from, left);
	add_tree(p, regions, from + left, n - left);
}

#define MARKER_LEN 5u

/* Writes to descriptor -1 stop, if writes do not. */
static void add_marker(struct program *p, unsigned abi)
{
	int write = rn_guarded_number(abi, GUARDED_WRITE);

	add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, MARKER_LEN - 1, (uint32_t)write);
	add(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, OFFSET_ARG(0));
	add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, UINT32_MAX);
	add_return(p, true);
	add_return(p, false);
}

static bool has_write(const struct set *set, unsigned abi)
{
	return has(set, (unsigned)rn_guarded_number(abi, GUARDED_WRITE));
}

static void add_abi(struct program *p, const uint64_t *wanted, unsigned abi)
{
	struct set set = set_of(wanted, abi);
	struct regions regions;

	if (!has_write(&set, abi))
		add_marker(p, abi);
	find_regions(&set, &regions);
	add_tree(p, &regions, 0, regions.n + 1);
}

static unsigned abi_len(const uint64_t *wanted, unsigned abi)
{
	struct set set = set_of(wanted, abi);
	struct regions regions;

	find_regions(&set, &regions);
	return tree_len(regions.n + 1) + (has_write(&set, abi) ? 0 : MARKER_LEN);
}

static void add_load(struct program *p, uint32_t offset)
{
	add(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
}

/* What follows, `len` instructions, is for this architecture only. */
static void add_arch(struct program *p, uint32_t arch, unsigned len)
{
	add(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, arch);
	add(p, BPF_JMP | BPF_JA, 0, 0, len);
}

#if defined(__x86_64__)
/* An mmap of a file with PROT_EXEC: the number is in the accumulator, before and after. */
#define CODE_LEN 7u
static void add_code(struct program *p)
{
	add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 6, SYS_mmap);
	add_load(p, OFFSET_ARG(2));
	add(p, BPF_JMP | BPF_JSET | BPF_K, 0, 3, PROT_EXEC);
	add_load(p, OFFSET_ARG(4));
	add(p, BPF_JMP | BPF_JSET | BPF_K, 1, 0, 0x80000000u); /* no descriptor */
	add_return(p, true);
	add_return(p, false);
}
#endif

unsigned rn_filter_build(const uint64_t *wanted, uint32_t action, bool code,
			 struct sock_filter *out, unsigned cap)
{
	struct program p = {out, 0, cap, action};

	add_load(&p, OFFSET_ARCH);
#if defined(__x86_64__)
	unsigned own = abi_len(wanted, RN_ABI_X86_64), x32 = abi_len(wanted, RN_ABI_X32);

	if (wanted[RN_ABI_X86_64 * RN_ABI_WORDS] >> SYS_mmap & 1u)
		code = false; /* it stops anyhow */
	if (code)
		own += CODE_LEN;

	add_arch(&p, AUDIT_ARCH_X86_64, 3 + own + 3 + x32);
	add_load(&p, OFFSET_NR);
	add(&p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
	add(&p, BPF_JMP | BPF_JA, 0, 0, own);
	if (code)
		add_code(&p);
	add_abi(&p, wanted, RN_ABI_X86_64);
	add(&p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, NO_CALL);
	add_return(&p, false);
	add(&p, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~X32_BIT);
	add_abi(&p, wanted, RN_ABI_X32);
	add_arch(&p, AUDIT_ARCH_I386, 1 + abi_len(wanted, RN_ABI_I386));
	add_load(&p, OFFSET_NR);
	add_abi(&p, wanted, RN_ABI_I386);
#elif defined(__aarch64__)
	(void)code;
	add_arch(&p, AUDIT_ARCH_AARCH64, 1 + abi_len(wanted, RN_ABI_AARCH64));
	add_load(&p, OFFSET_NR);
	add_abi(&p, wanted, RN_ABI_AARCH64);
	add_arch(&p, AUDIT_ARCH_ARM, 1 + abi_len(wanted, RN_ABI_ARM));
	add_load(&p, OFFSET_NR);
	add_abi(&p, wanted, RN_ABI_ARM);
#endif
	add_return(&p, false);
	return p.len <= cap ? p.len : 0;
}

/* Tells our stops from those of a filter of the program's own, which may ask for them, too. */
static uint16_t new_cookie(void)
{
	uint16_t cookie = 0;

	while (cookie == 0)
		if (getrandom(&cookie, sizeof(cookie), 0) != sizeof(cookie))
			cookie = (uint16_t)(rn_monotonic() >> 8);
	return cookie;
}

void rn_filter_prepare(struct rn_engine *e)
{
	struct filter *filter = &e->filter;

	if (e->config.filter == RN_FILTER_OFF || !e->config.wanted)
		return;
	filter->cookie = new_cookie();
	filter->len = rn_filter_build(e->config.wanted, SECCOMP_RET_TRACE | filter->cookie,
				      e->files || e->unwinder, filter->program, FILTER_MAX);
	filter->had_no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	/* 0 = none is on us, or this kernel has none. */
	filter->inherited = prctl(PR_GET_SECCOMP) > 0;
}

int rn_filter_install(const struct rn_engine *e)
{
	const struct filter *filter = &e->filter;
	struct sock_fprog program = {
		.len = (unsigned short)filter->len,
		.filter = (struct sock_filter *)(uintptr_t)filter->program,
	};
	/* Else a program under a filter runs with slower loads on some machines. */
	unsigned long flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	if (e->config.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0)
		return 0;
	if (errno == EINVAL && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0ul, &program) == 0)
		return 0;
	return errno;
}

void rn_filter_installed(struct rn_engine *e, int64_t result)
{
	if (e->filter.on)
		return;
	e->filter.on = result == 0;
	atomic_store(&e->counters.filter, result == 0 ? 1 : (int)result);
}

bool rn_engine_is_filtered(const struct rn_engine *e)
{
	return atomic_load(&e->counters.filter) == 1;
}
