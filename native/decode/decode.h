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

/* What an argument is in this call, which may hang on another argument. */
struct rn_meaning {
	uint8_t kind;  /* enum rn_arg_kind */
	bool named;    /* a number that is shown by names: rn_write_arg_names() */
	uint32_t form; /* enum rn_set with RN_FORM_WIDE, or enum rn_shape */
};
void rn_arg_meaning(const struct rn_call *call, unsigned arg, struct rn_meaning *meaning);
char *rn_write_arg_names(char *out, const struct rn_call *call, unsigned arg,
			 const struct rn_meaning *meaning);
/* enum rn_set by which the result is shown, too. */
unsigned rn_result_set(const struct rn_call *call);

/*
 * A structure, or `count` of them, from `len` captured bytes; NULL: it cannot be shown (too
 * short, not of this machine). At most RN_SHAPE_PER_BYTE * len + RN_SHAPE_EXTRA bytes.
 */
#define RN_SHAPE_PER_BYTE 64u
#define RN_SHAPE_EXTRA 768u
char *rn_write_shape(char *out, unsigned shape, unsigned abi, const uint8_t *data, size_t len);
/* The address of a connect(), accept(), bind(), … as it was captured; false: not known. */
struct rn_peer {
	const uint8_t *data; /* the address as text, or a Unix socket's name as it is */
	size_t len;
	int32_t port;   /* -1: none */
	uint16_t family;
	bool local; /* the socket's own address: bind(), getsockname() */
	char text[48];
};
bool rn_call_peer(const struct rn_call *call, struct rn_peer *peer);

char *rn_write_iovecs(char *out, const struct rn_piece *piece, uint32_t limit);
char *rn_write_cpus(char *out, const uint8_t *data, size_t len); /* at most 40 * len + 2 */
char *rn_write_sockaddr(char *out, unsigned abi, const uint8_t *data, size_t len);

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
	       kind == RN_ARG_WAIT_STATUS || kind == RN_ARG_FD_PAIR_OUT ||
	       kind == RN_ARG_ARRAY_OUT || kind == RN_ARG_SOCKADDR_OUT ||
	       kind == RN_ARG_LENGTH_INOUT || kind == RN_ARG_DIRENTS_OUT ||
	       kind == RN_ARG_IOVEC_OUT;
}

#endif
