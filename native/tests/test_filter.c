/* SPDX-License-Identifier: MIT */
/* The filter's program: never past its room, and the same whatever room it gets. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "engine/filter.h"
#include "renacer/event.h"

#define WORDS (RN_ABI_COUNT * RN_ABI_WORDS)
#define MAX 4096u
#define ACTION 0x7ff01234u

static bool code;

static unsigned build(const uint64_t *wanted, unsigned cap, struct sock_filter **out)
{
	/* Of just that size, so that a sanitizer sees one step too far. */
	*out = malloc((cap ? cap : 1) * sizeof(**out));
	CHECK(*out != NULL);
	return rn_filter_build(wanted, ACTION, code, *out, cap);
}

static void check(const uint64_t *wanted)
{
	struct sock_filter *whole, *tight, *less;
	unsigned len = build(wanted, MAX, &whole);

	CHECK(len > 10 && len < 3500);
	CHECK_INT(build(wanted, len, &tight), len);
	CHECK_INT(memcmp(whole, tight, len * sizeof(*whole)), 0);
	CHECK_INT(build(wanted, len - 1, &less), 0);
	CHECK_INT(whole[len - 1].code, BPF_RET | BPF_K);
	free(whole);
	free(tight);
	free(less);
}

int main(void)
{
	uint64_t wanted[WORDS];
	uint64_t seed = 88172645463325252u;

	memset(wanted, 0, sizeof(wanted));
	check(wanted);
	memset(wanted, 0xff, sizeof(wanted));
	check(wanted);
	memset(wanted, 0x55, sizeof(wanted));
	check(wanted);
	memset(wanted, 0xaa, sizeof(wanted));
	check(wanted);
	for (int round = 0; round < 200; round++) {
		code = round % 2;
		for (unsigned i = 0; i < WORDS; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			wanted[i] = round % 3 ? seed : seed & (seed >> 11) & (seed << 7);
		}
		check(wanted);
	}
	/* All that it must see has a number on this machine. */
	for (int call = 0; call < GUARDED_COUNT; call++) {
		CHECK(rn_guarded_number(RN_ABI_X86_64, (enum guarded)call) >= 0);
		CHECK(rn_guarded_number(RN_ABI_I386, (enum guarded)call) >= 0);
		CHECK(rn_guarded_number(RN_ABI_AARCH64, (enum guarded)call) >= 0);
		CHECK(rn_guarded_number(RN_ABI_ARM, (enum guarded)call) >= 0);
	}
	CHECK_INT(rn_guarded_number(RN_ABI_I386, GUARDED_SIGRETURN), 119);
	CHECK_INT(rn_guarded_number(RN_ABI_X86_64, GUARDED_SIGRETURN), 15);
	return check_done();
}
