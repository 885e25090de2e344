/* SPDX-License-Identifier: MIT */
/* Inner parts of decode/ that encode/ uses too. Not part of the contracts. */
#ifndef RENACER_DECODE_H
#define RENACER_DECODE_H

#include <stdint.h>

#include "renacer/encode.h"

/* "CLD_EXITED" of SIGCHLD's 1; NULL where unknown. */
const char *rn_si_code_name(int sig, int code);

/*
 * Room that rn_write_*() may take. A writer is handed a pointer into a buffer with
 * at least this much room and returns the end of what it wrote.
 */
#define RN_NUMBER_MAX 24u /* any integer, in any base, with sign and prefix */

char *rn_write_u64(char *out, uint64_t value);   /* decimal */
char *rn_write_i64(char *out, int64_t value);    /* decimal */
char *rn_write_hex(char *out, uint64_t value);   /* 0x1f; 0 as 0 */
char *rn_write_octal(char *out, uint64_t value); /* like printf's %#03o: 000, 0644 */

/* How much room rn_write_arg() may take for one argument of this call. */
size_t rn_arg_room(const struct rn_call *call, unsigned arg, uint32_t string_limit);

/* Writes one argument as text; see rn_format_arg(). */
char *rn_write_arg(char *out, const struct rn_call *call, unsigned arg, uint32_t string_limit);

/* "SIGINT", "SIGRT_3", or the number; at most RN_NUMBER_MAX bytes. */
char *rn_write_signal(char *out, int sig);

/* Whether the call fills what this kind of argument points to: it is shown at the exit. */
static inline bool rn_kind_is_out(unsigned kind)
{
	return kind == RN_ARG_BUF_OUT || kind == RN_ARG_PATH_OUT || kind == RN_ARG_STRUCT_OUT ||
	       kind == RN_ARG_WAIT_STATUS || kind == RN_ARG_FD_PAIR_OUT;
}

#endif
