/* SPDX-License-Identifier: MIT */
/* Inner parts of decode/ that encode/ uses too. Not part of the contracts. */
#ifndef RENACER_DECODE_H
#define RENACER_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "renacer/encode.h"

#include "renacer/syscalls.h"

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

/*
 * Strings in hex from now on, in this thread: set while a line of text is made, so that each
 * place that quotes need not be told.
 */
void rn_quote_in_hex(enum rn_hex how);
/* Whether all of such a string is to be in hex, and it written so: 4 * len bytes. */
bool rn_is_in_hex(const uint8_t *data, size_t len);
bool rn_quotes_chars_in_hex(void);
char *rn_write_in_hex(char *out, const uint8_t *data, size_t len);

/* The same without the quotes; `digit`: an octal digit comes next. */
char *rn_write_escaped(char *out, const uint8_t *data, size_t len, bool digit);

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
/* Back again, of one name of any set. False: the set has none of this name. */
bool rn_value_of(unsigned set, unsigned abi, const char *name, uint64_t *value);
/* The same of a form that another argument chooses, in whichever of its sets. */
bool rn_value_of_choices(uint32_t form, unsigned abi, const char *name, uint64_t *value);
bool rn_set_is_one(unsigned set);

/* How arguments are written. */
struct rn_style {
	uint32_t string_limit; /* bytes of a string, items of a list */
	bool verbose;          /* -v: nothing is left out */
	bool no_payload; /* what lists of buffers and messages hold is not shown, but their addresses */
	bool no_buffers; /* nor what single buffers do */
};

static inline void rn_arg_meaning(const struct rn_call *call, unsigned arg,
				  struct rn_meaning *meaning)
{
	rn_arg_mean(call->desc, call->args, arg, meaning);
}

/* A number that is shown by names. */
static inline bool rn_meaning_named(const struct rn_meaning *meaning)
{
	switch (meaning->kind) {
	case RN_ARG_INT:
	case RN_ARG_UINT:
	case RN_ARG_LONG:
	case RN_ARG_ULONG:
	case RN_ARG_RAW:
	case RN_ARG_FLAGS:
		return (meaning->form & RN_FORM_MASK) != 0;
	default:
		return false;
	}
}

char *rn_write_arg_names(char *out, const struct rn_call *call, unsigned arg,
			 const struct rn_meaning *meaning);

/* What a result that is no error means beside the number. */
bool rn_result_meaning(const struct rn_call *call, struct rn_meaning *meaning);

/*
 * A result that is no error, with what strace adds in brackets: names, which files are
 * ready, how much time is left. At most rn_call_room() bytes with all arguments together.
 */
char *rn_write_result(char *out, const struct rn_call *call, const struct rn_style *style);

struct rn_fd_pieces;

/* Captured bytes that are to be shown. */
struct rn_value {
	const uint8_t *data;
	size_t len;
	unsigned abi;
	const struct rn_style *style;
	struct rn_fd_pieces *fds; /* what is known of the descriptors in it, or NULL */
	size_t given; /* how long it is by the program's word; 0: as long as it is */
};

/*
 * A structure; NULL: it cannot be shown (too short, not of this machine). At most
 * RN_SHAPE_PER_BYTE * len + RN_SHAPE_EXTRA bytes.
 */
#define RN_SHAPE_PER_BYTE 64u
#define RN_SHAPE_EXTRA 4096u
char *rn_write_shape(char *out, unsigned shape, const struct rn_value *value);

/* Parts of it: each is handed at least as many bytes as rn_shape_size() says. */
char *rn_write_struct(char *out, unsigned shape, const struct rn_value *value); /* structs.tsv */
char *rn_write_file_shape(char *out, unsigned shape, const struct rn_value *value);
char *rn_write_signal_shape(char *out, unsigned shape, const struct rn_value *value);
/* struct file_handle; `after`: what became of it, or NULL; `filled`: all of it is there. */
char *rn_write_handle(char *out, const struct rn_piece *before, const struct rn_piece *after,
		      bool filled);
/* struct perf_event_attr; `changed`: the size that the kernel wrote there, 0: none. */
char *rn_write_perf_attr(char *out, const struct rn_value *value, uint32_t changed);
char *rn_write_terminal(char *out, const struct rn_value *value);
char *rn_write_sigset(char *out, uint64_t set);
char *rn_write_siginfo(char *out, const struct rn_value *value);
char *rn_write_device(char *out, uint64_t major, uint64_t minor);
char *rn_write_file_mode(char *out, unsigned abi, uint32_t mode);
/* " 1970-01-01T00:00:01.5+0000", or nothing; digits: of the fraction. */
char *rn_write_date(char *out, int64_t seconds, int64_t fraction, unsigned digits);
char *rn_write_pointer(char *out, uint64_t value);
char *rn_write_message(char *out, const struct rn_call *call, const struct rn_piece *piece,
		       const struct rn_meaning *meaning, const struct rn_style *style);

static inline uint64_t rn_get(const uint8_t *data, size_t offset, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, data + offset, size);
	return value;
}

static inline int64_t rn_get_signed(const uint8_t *data, size_t offset, size_t size)
{
	unsigned unused = 64 - 8 * (unsigned)size;

	return (int64_t)(rn_get(data, offset, size) << unused) >> unused;
}

/* Which layout an ABI's programs have: 64-bit, i386, ARM; -1: none that is known. */
static inline int rn_machine(unsigned abi)
{
	switch (abi) {
	case RN_ABI_X86_64:
	case RN_ABI_AARCH64:
		return 0;
	case RN_ABI_I386:
		return 1;
	case RN_ABI_ARM:
		return 2;
	default:
		return -1;
	}
}

/* How much of the `len` bytes captured of an address the call has filled in: as the next argument
   told, and no more than there was room. */
size_t rn_filled_length(const struct rn_call *call, unsigned arg, size_t len);

/* The address of a connect(), accept(), bind(), … as it was captured; false: not known. */
struct rn_peer {
	const uint8_t *data; /* the address as text, or a Unix socket's name as it is */
	size_t len;
	int32_t port; /* -1: none */
	uint16_t family;
	bool local; /* the socket's own address: bind(), getsockname() */
	char text[48];
};
bool rn_call_peer(const struct rn_call *call, struct rn_peer *peer);
/* The same of the bytes of an address; `local` is left as it is. */
bool rn_peer_of(const uint8_t *data, size_t len, struct rn_peer *peer);

struct rn_netlink;
/* `netlink`: they hold such messages; else NULL. */
char *rn_write_iovecs(char *out, const uint8_t *data, size_t len, uint64_t total,
		      const struct rn_style *style, const struct rn_netlink *netlink);
/* An ARGV piece, or one like it. */
char *rn_write_strings(char *out, const struct rn_piece *piece, const struct rn_style *style);
#define RN_CPUS_MAX 128u /* bytes of a CPU mask that is written */
char *rn_write_cpus(char *out, const uint8_t *data, size_t len); /* at most 40 * len + 2 */
/* What comes after the family of one of the rarer families; NULL: not known, or too short. */
char *rn_write_rare_address(char *out, unsigned abi, const uint8_t *data, size_t len);
/* A number in hex, and behind it what it is called. */
char *rn_write_number_named(char *out, unsigned set, unsigned abi, uint64_t value);
char *rn_write_sockaddr(char *out, unsigned abi, const uint8_t *data, size_t len);

/* Whether the call filled nothing in: it failed, or is not over. */
static inline bool rn_gave_nothing(const struct rn_call *call)
{
	return call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED | RN_FLAG_UNFINISHED);
}

/* Bytes of an argument as they stood before the call, or after it; NULL: not known. */
const struct rn_piece *rn_struct_at(const struct rn_call *call, unsigned arg, bool at_exit);
/* Entries of a folder; `old`: as getdents has them. */
char *rn_write_dirents(char *out, const struct rn_call *call, unsigned arg, bool old,
		       const struct rn_style *style);

/* The piece of this type of an argument that has several. */
static inline const struct rn_piece *rn_call_piece_of(const struct rn_call *call, unsigned arg,
						      unsigned type)
{
	for (int i = 0; i < 2; i++) {
		const struct rn_event *ev = i ? call->entry : call->exit;

		if (!ev || !ev->pieces)
			continue;
		for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
			if (p->arg == arg && p->type == type && !(p->flags & RN_PIECE_UNREAD))
				return p;
	}
	return NULL;
}

/* Structures, lists, sets, lengths: what rn_write_arg() does not write itself. */
char *rn_write_aggregate(char *out, const struct rn_call *call, unsigned arg,
			 const struct rn_meaning *meaning, const struct rn_style *style);

/*
 * Descriptors, with what is behind them where that was captured. Each piece is shown at most
 * once, in the order in which they came: so rn_call_room() is enough.
 */
struct rn_fd_pieces {
	const struct rn_event *ev;
	const struct rn_piece *at; /* NULL: no more */
	unsigned arg;
	bool at_exit;
	uint8_t abi;
};
/* Those of an argument, or of the result (RN_PIECE_NO_ARG). */
struct rn_fd_pieces rn_fd_pieces_of(const struct rn_call *call, unsigned arg, bool at_exit);
/* The next one if it is of `fd`, else NULL. */
const struct rn_piece *rn_fd_next(struct rn_fd_pieces *fds, int32_t fd, struct rn_fd_detail *detail,
				  bool *detailed);
/* A set of them: [3 5]. */
char *rn_write_fd_set(char *out, struct rn_fd_pieces *fds, const uint8_t *data, size_t len);
/* `folder`: -100 is AT_FDCWD. */
char *rn_write_fd(char *out, struct rn_fd_pieces *fds, int32_t fd, bool folder);

/* The most that rn_write_arg() takes for all arguments of this call together. */
size_t rn_call_room(const struct rn_call *call);

/* Writes one argument as text; see rn_format_arg(). */
char *rn_write_arg(char *out, const struct rn_call *call, unsigned arg,
		   const struct rn_style *style);

/* Whether the argument means nothing in this call: the mode of an open() that makes no file. */
bool rn_arg_is_void(const struct rn_call *call, unsigned arg);

/* Whether the call fills what this kind of argument points to: it is shown at the exit. */
static inline bool rn_kind_is_out(unsigned kind)
{
	switch (kind) {
	case RN_ARG_BUF_OUT:
	case RN_ARG_PATH_OUT:
	case RN_ARG_STRUCT_OUT:
	case RN_ARG_WAIT_STATUS:
	case RN_ARG_FD_PAIR_OUT:
	case RN_ARG_ARRAY_OUT:
	case RN_ARG_ARRAY_FILLED:
	case RN_ARG_SOCKADDR_OUT:
	case RN_ARG_LENGTH_INOUT:
	case RN_ARG_DIRENTS_OUT:
	case RN_ARG_IOVEC_OUT:
	case RN_ARG_VALUE_OUT:
	case RN_ARG_REMAINDER:
	case RN_ARG_MSG_OUT:
	case RN_ARG_CLONE_ARGS:
	case RN_ARG_MMSG_IN: /* msg_len */
	case RN_ARG_MMSG_OUT:
		return true;
	default:
		return false;
	}
}

/* Whether argument `arg` of this very call is shown only when the call is over. */
static inline bool rn_arg_is_out(const struct rn_call *call, unsigned arg)
{
	struct rn_meaning meaning;

	rn_arg_meaning(call, arg, &meaning);
	return rn_kind_is_out(meaning.kind) ||
	       (meaning.kind == RN_ARG_STRUCT_INOUT &&
		(meaning.form == RN_SHAPE_OFFSET || meaning.form == RN_SHAPE_FILEHANDLE ||
		 meaning.form == RN_SHAPE_PERFATTR));
}

#endif
