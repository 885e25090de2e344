/* SPDX-License-Identifier: MIT */
/*
 * Look-ups in the generated tables. The tables themselves are data: native/tables/.
 */
#include "renacer/syscalls.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "decode.h"

struct errno_desc {
	const char *name;
	const char *text;
	bool routine;
};

struct code_desc {
	int16_t signal; /* 0: any */
	int16_t code;
	const char *name;
};

#include "../tables/args.inc"

#include "../tables/aarch64.inc"
#include "../tables/arm.inc"
#include "../tables/i386.inc"
#include "../tables/x32.inc"
#include "../tables/x86_64.inc"

#include "../tables/constants.inc"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct call_table {
	const struct rn_syscall_desc *calls;
	uint32_t limit;
	const uint16_t *by_name;
	uint32_t names;
};

#define TABLE(abi) {abi##_calls, COUNT(abi##_calls), abi##_by_name, COUNT(abi##_by_name)}

static const struct call_table tables[RN_ABI_COUNT] = {
	[RN_ABI_X86_64] = TABLE(x86_64),   [RN_ABI_I386] = TABLE(i386), [RN_ABI_X32] = TABLE(x32),
	[RN_ABI_AARCH64] = TABLE(aarch64), [RN_ABI_ARM] = TABLE(arm),
};

static const struct rn_arg_desc unknown_args[6] = {
	{"arg0", RN_ARG_RAW, 0, 0}, {"arg1", RN_ARG_RAW, 0, 0}, {"arg2", RN_ARG_RAW, 0, 0},
	{"arg3", RN_ARG_RAW, 0, 0}, {"arg4", RN_ARG_RAW, 0, 0}, {"arg5", RN_ARG_RAW, 0, 0},
};

static const struct rn_syscall_desc unknown_call = {NULL, 6, 0, 0, unknown_args};

const struct rn_syscall_desc *rn_syscall(enum rn_abi abi, int64_t nr)
{
	const struct rn_syscall_desc *desc;

	if ((unsigned)abi >= RN_ABI_COUNT || (uint64_t)nr >= tables[abi].limit)
		return &unknown_call;
	desc = &tables[abi].calls[nr];
	return desc->name ? desc : &unknown_call;
}

int rn_syscall_limit(enum rn_abi abi)
{
	return (unsigned)abi < RN_ABI_COUNT ? (int)tables[abi].limit : 0;
}

int rn_syscall_number(enum rn_abi abi, const char *name)
{
	const struct call_table *table;
	uint32_t low = 0, high;

	if ((unsigned)abi >= RN_ABI_COUNT || !name)
		return -1;
	table = &tables[abi];
	high = table->names;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		uint16_t nr = table->by_name[middle];
		int order = strcmp(name, table->calls[nr].name);

		if (order == 0)
			return nr;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -1;
}

bool rn_syscall_next(const char *name, struct rn_number *at)
{
	while (++at->abi < RN_ABI_COUNT) {
		int nr = rn_syscall_number((enum rn_abi)at->abi, name);

		at->nr = (unsigned)nr;
		if (nr >= 0 && at->nr < RN_ABI_CALLS)
			return true;
	}
	return false;
}

void rn_roles_set(struct rn_roles *roles, const char *name, uint8_t role)
{
	for (struct rn_number at = {0}; rn_syscall_next(name, &at);)
		roles->of[at.abi][at.nr] = role;
}

const char *rn_errno_name(int err)
{
	return err > 0 && (size_t)err < COUNT(errno_table) ? errno_table[err].name : NULL;
}

const char *rn_errno_text(int err)
{
	return err > 0 && (size_t)err < COUNT(errno_table) ? errno_table[err].text : NULL;
}

/* Which ones, and why: the `routine` lines of native/tables/rules.tsv. */
int rn_errno_is_routine(int err)
{
	return err > 0 && (size_t)err < COUNT(errno_table) && errno_table[err].routine;
}

const char *rn_signal_name(int sig)
{
	return sig > 0 && (size_t)sig < COUNT(signal_table) ? signal_table[sig] : NULL;
}

const char *rn_si_code_name(int sig, int code)
{
	/* Small, and asked once a signal: no index is worth its while. */
	for (size_t i = 0; i < COUNT(code_table); i++)
		if (code_table[i].code == code &&
		    (code_table[i].signal == 0 || code_table[i].signal == sig))
			return code_table[i].name;
	return NULL;
}
