/* SPDX-License-Identifier: MIT */
/* Inner parts of decode/ that encode/ uses too. Not part of the contracts. */
#ifndef RENACER_DECODE_H
#define RENACER_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "renacer/encode.h"

#include "../tables/forms.inc"

/* "CLD_EXITED" of SIGCHLD's 1; NULL where unknown. */
const char *rn_si_code_name(int sig, int code);

/*
 * Writers. Each is handed a pointer into a buffer that has room enough and returns
 * the end of what it wrote; none of them ends it with a NUL.
 */
#define RN_NUMBER_MAX 32u /* any integer, in any base, with sign and prefix */

char *rn_write_u64(char *out, uint64_t value);   /* decimal */
char *rn_write_i64(char *out, int64_t value);    /* decimal */
char *rn_write_hex(char *out, uint64_t value);   /* 0x1f; 0 as 0 */
char *rn_write_octal(char *out, uint64_t value); /* 000, 0644: printf's %#03o */
char *rn_write_signal(char *out, int sig);       /* at most RN_NUMBER_MAX bytes */

/* "…" with strace's escapes, and "..." if `cut`: at most 4 * len + 5 bytes. */
char *rn_write_quoted(char *out, const uint8_t *data, size_t len, bool cut);

static inline char *rn_write_text(char *out, const char *text)
{
	size_t len = strlen(text);

	memcpy(out, text, len);
	return out + len;
}

/*
 * Constants by name: at most RN_NAMES_MAX bytes. rn_name_of() is for sets of which a value
 * is one (not flags); NULL where it has no name.
 */
#define RN_NAMES_MAX 512u
char *rn_write_names(char *out, unsigned set, unsigned abi, uint64_t value);
const char *rn_name_of(unsigned set, unsigned abi, uint64_t value);

/* Whether an argument is a number that is shown by names, and those names. */
bool rn_arg_has_names(const struct rn_arg_desc *desc);
char *rn_write_arg_names(char *out, const struct rn_call *call, unsigned arg);

/* The most that rn_write_arg() takes for all arguments of this call together. */
size_t rn_call_room(const struct rn_call *call);

/* Writes one argument as text; see rn_format_arg(). */
char *rn_write_arg(char *out, const struct rn_call *call, unsigned arg, uint32_t string_limit);

/* Whether the argument means nothing in this call: the mode of an open() that makes no file. */
bool rn_arg_is_void(const struct rn_call *call, unsigned arg);

/* Whether the call fills what this kind of argument points to: it is shown at the exit. */
static inline bool rn_kind_is_out(unsigned kind)
{
	return kind == RN_ARG_BUF_OUT || kind == RN_ARG_PATH_OUT || kind == RN_ARG_STRUCT_OUT ||
	       kind == RN_ARG_WAIT_STATUS || kind == RN_ARG_FD_PAIR_OUT;
}

#endif
