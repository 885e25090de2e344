/* SPDX-License-Identifier: MIT */
/*
 * Arguments as text, by their kinds. No call is named here: what a call's arguments
 * are is told by the tables.
 */
#include "decode.h"

#define AT_FDCWD_VALUE (-100)
/* The bits of open's flags that make its mode count; the same in every ABI known here. */
#define CREATING_FLAGS (0100u | 020000000u) /* O_CREAT, O_TMPFILE */

/* A cut list or string, an address and a comment: what is added to the captured bytes. */
#define ARG_EXTRA (96u + RN_NAMES_MAX)
/* Each captured byte: four for an escape, or the quotes and the comma of an empty string. */
#define ARG_PER_BYTE 8u
/* Each byte of a CPU mask: eight numbers. */
#define CPUS_PER_BYTE 48u
#define CPUS_MAX 128u

static size_t room_of(const struct rn_event *ev)
{
	const struct rn_piece *piece = ev->pieces ? rn_piece_first(ev) : NULL;
	size_t room = 0;

	for (; piece; piece = rn_piece_next(ev, piece))
		room += piece->type == RN_PIECE_STRUCT
				? (size_t)RN_SHAPE_PER_BYTE * piece->len + RN_SHAPE_EXTRA
				: (size_t)(piece->type == RN_PIECE_BUFFER && piece->len <= CPUS_MAX
						   ? CPUS_PER_BYTE
						   : ARG_PER_BYTE) *
					  (piece->len + sizeof(*piece));
	return room;
}

size_t rn_call_room(const struct rn_call *call)
{
	size_t room = 6 * ARG_EXTRA;

	if (call->entry)
		room += room_of(call->entry);
	if (call->exit && call->exit != call->entry)
		room += room_of(call->exit);
	return room;
}

bool rn_arg_is_void(const struct rn_call *call, unsigned arg)
{
	const struct rn_arg_desc *desc = &call->desc->args[arg];
	struct rn_meaning meaning;

	if (desc->form & RN_FORM_CHOICE) {
		rn_arg_meaning(call, arg, &meaning);
		return meaning.kind == RN_ARG_VOID;
	}
	return desc->kind == RN_ARG_MODE && desc->aux && desc->aux < 6 &&
	       !(call->args[desc->aux] & CREATING_FLAGS);
}

static bool is_narrow(const struct rn_call *call)
{
	return call->abi == RN_ABI_I386 || call->abi == RN_ABI_ARM;
}

static char *write_pointer(char *out, uint64_t value)
{
	return value ? rn_write_hex(out, value) : rn_write_text(out, "NULL");
}

char *rn_write_signal(char *out, int sig)
{
	const char *name = rn_signal_name(sig);

	if (name)
		return rn_write_text(out, name);
	/* The kernel's count: 32 is the first real-time signal. */
	if (sig == 32)
		return rn_write_text(out, "SIGRTMIN");
	if (sig > 32 && sig <= 64)
		return rn_write_u64(rn_write_text(out, "SIGRT_"), (uint64_t)(sig - 32));
	return rn_write_i64(out, sig);
}

/* The piece of an argument, if it holds data that can be shown. */
static const struct rn_piece *readable(const struct rn_call *call, unsigned arg, unsigned type)
{
	const struct rn_piece *piece = rn_call_piece(call, arg);

	if (!piece || piece->type != type || (piece->flags & RN_PIECE_UNREAD))
		return NULL;
	return piece;
}

static char *write_string(char *out, const struct rn_piece *piece, uint32_t limit)
{
	size_t len = piece->len;
	bool cut = piece->flags & RN_PIECE_CUT;

	if (len > limit) {
		len = limit;
		cut = true;
	}
	return rn_write_quoted(out, rn_piece_data(piece), len, cut);
}

/* `length` is how much the call was given, or gave. */
static char *write_buffer(char *out, const struct rn_call *call, unsigned arg, uint64_t length,
			  uint32_t limit)
{
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_BUFFER);

	if (piece)
		return write_string(out, piece, limit);
	if (length == 0 && call->args[arg] != 0)
		return rn_write_text(out, "\"\"");
	return write_pointer(out, call->args[arg]);
}

static char *write_out_buffer(char *out, const struct rn_call *call, unsigned arg, uint32_t limit)
{
	if (call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED | RN_FLAG_UNFINISHED))
		return write_pointer(out, call->args[arg]);
	return write_buffer(out, call, arg, (uint64_t)call->result, limit);
}

static char *write_out_path(char *out, const struct rn_call *call, unsigned arg, uint32_t limit)
{
	const struct rn_piece *piece = rn_call_piece(call, arg);
	size_t len;

	if (!piece || (piece->flags & RN_PIECE_UNREAD) ||
	    (call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED)))
		return write_pointer(out, call->args[arg]);
	len = piece->len;
	/* getcwd's result counts the NUL. */
	if (len && rn_piece_data(piece)[len - 1] == 0)
		len--;
	return rn_write_quoted(out, rn_piece_data(piece), len < limit ? len : limit,
			       piece->flags & RN_PIECE_CUT || len > limit);
}

static char *write_argv(char *out, const struct rn_piece *piece, uint32_t limit)
{
	const uint8_t *data = rn_piece_data(piece);
	const uint8_t *end = data + piece->len;
	bool cut = piece->flags & RN_PIECE_CUT;
	uint64_t count = 0;

	*out++ = '[';
	while (data < end && count < limit) {
		const uint8_t *nul = memchr(data, 0, (size_t)(end - data));
		size_t len = (size_t)((nul ? nul : end) - data);
		bool last = !nul || nul + 1 == end;

		if (count++)
			out = rn_write_text(out, ", ");
		out = rn_write_quoted(out, data, len < limit ? len : limit,
				      len > limit || (last && cut));
		data = nul ? nul + 1 : end;
	}
	if (data < end || count < piece->total)
		out = rn_write_text(out, count ? ", ..." : "...");
	*out++ = ']';
	return out;
}

static char *write_envp(char *out, const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_ENVC);
	uint64_t count;

	out = write_pointer(out, call->args[arg]);
	if (!piece || piece->len < sizeof(count) || call->args[arg] == 0)
		return out;
	memcpy(&count, rn_piece_data(piece), sizeof(count));
	out = rn_write_text(out, " /* ");
	out = rn_write_u64(out, count);
	out = rn_write_text(out, count == 1 ? " var" : " vars");
	if (piece->flags & RN_PIECE_CUT)
		out = rn_write_text(out, ", unterminated");
	return rn_write_text(out, " */");
}

static char *write_wait_status(char *out, uint32_t status)
{
	uint32_t low = status & 0x7f;

	out = rn_write_text(out, "[{");
	if (status == 0xffff) {
		out = rn_write_text(out, "WIFCONTINUED(s)");
	} else if (low == 0x7f) {
		out = rn_write_text(out, "WIFSTOPPED(s) && WSTOPSIG(s) == ");
		out = rn_write_signal(out, (int)((status >> 8) & 0xff));
	} else if (low) {
		out = rn_write_text(out, "WIFSIGNALED(s) && WTERMSIG(s) == ");
		out = rn_write_signal(out, (int)low);
		if (status & 0x80)
			out = rn_write_text(out, " && WCOREDUMP(s)");
	} else {
		out = rn_write_text(out, "WIFEXITED(s) && WEXITSTATUS(s) == ");
		out = rn_write_u64(out, (status >> 8) & 0xff);
	}
	*out++ = '}';
	if (status >> 16) {
		out = rn_write_text(out, " | ");
		out = rn_write_u64(out, status >> 16);
		out = rn_write_text(out, "<<16");
	}
	*out++ = ']';
	return out;
}

/* What the call wrote to an int or two; the address where it wrote nothing. */
static char *write_out_ints(char *out, const struct rn_call *call, unsigned arg, unsigned kind)
{
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_STRUCT);
	int32_t value[2];
	size_t need = kind == RN_ARG_FD_PAIR_OUT ? 8 : 4;

	/* A wait that returns 0 (WNOHANG) leaves the status alone. */
	if (!piece || piece->len < need || (call->flags & RN_FLAG_FAILED) ||
	    (kind == RN_ARG_WAIT_STATUS && call->result <= 0))
		return write_pointer(out, call->args[arg]);
	memcpy(value, rn_piece_data(piece), need);
	if (kind == RN_ARG_WAIT_STATUS)
		return write_wait_status(out, (uint32_t)value[0]);
	*out++ = '[';
	out = rn_write_i64(out, value[0]);
	out = rn_write_text(out, ", ");
	out = rn_write_i64(out, value[1]);
	*out++ = ']';
	return out;
}

static bool gave_nothing(const struct rn_call *call)
{
	return call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED | RN_FLAG_UNFINISHED);
}

static char *write_struct(char *out, const struct rn_call *call, unsigned arg,
			  const struct rn_meaning *meaning)
{
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_STRUCT);
	unsigned shape = meaning->form & RN_FORM_MASK;
	char *end = NULL;

	if (shape && piece && call->args[arg] &&
	    !(meaning->kind == RN_ARG_STRUCT_OUT && gave_nothing(call)))
		end = rn_write_shape(out, shape, call->abi, rn_piece_data(piece), piece->len);
	return end ? end : write_pointer(out, call->args[arg]);
}

/* `count` structures, of which those are shown that were captured whole. */
static char *write_array(char *out, const struct rn_call *call, unsigned arg,
			 const struct rn_meaning *meaning, uint64_t count, uint32_t limit)
{
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_STRUCT);
	uint32_t size = rn_shape_size(meaning->form);
	char *start = out;
	uint64_t n = 0;

	if (count == 0 && call->args[arg] && !is_narrow(call))
		return rn_write_text(out, "[]");
	if (!piece || !size)
		return write_pointer(out, call->args[arg]);
	*out++ = '[';
	for (; n < count && n < limit && (n + 1) * size <= piece->len; n++) {
		char *end;

		if (n)
			out = rn_write_text(out, ", ");
		end = rn_write_shape(out, meaning->form & RN_FORM_MASK, call->abi,
				     rn_piece_data(piece) + n * size, size);
		if (!end)
			return write_pointer(start, call->args[arg]);
		out = end;
	}
	if (n < count)
		out = rn_write_text(out, n ? ", ..." : "...");
	*out++ = ']';
	return out;
}

/* The piece of one record alone: what stood there before the call, or after it. */
static bool length_at(const struct rn_event *ev, unsigned arg, bool at_exit, int32_t *value)
{
	const struct rn_piece *piece = ev && ev->pieces ? rn_piece_first(ev) : NULL;

	for (; piece; piece = rn_piece_next(ev, piece))
		if (piece->arg == arg && piece->type == RN_PIECE_STRUCT && piece->len >= 4 &&
		    !(piece->flags & RN_PIECE_UNREAD) &&
		    !(piece->flags & RN_PIECE_AT_EXIT) == !at_exit) {
			memcpy(value, rn_piece_data(piece), 4);
			return true;
		}
	return false;
}

static char *write_length(char *out, const struct rn_call *call, unsigned arg)
{
	int32_t before, after;

	if (!call->args[arg] || !length_at(call->entry, arg, false, &before))
		return write_pointer(out, call->args[arg]);
	*out++ = '[';
	out = rn_write_i64(out, before);
	if (!gave_nothing(call) && length_at(call->exit, arg, true, &after) && after != before)
		out = rn_write_i64(rn_write_text(out, " => "), after);
	*out++ = ']';
	return out;
}

static char *write_sockaddr(char *out, const struct rn_call *call, unsigned arg, bool filled)
{
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_STRUCT);
	char *end = NULL;
	int32_t room, after;
	size_t len;

	if (piece && !(filled && gave_nothing(call))) {
		len = piece->len;
		if (filled && arg < 5 && length_at(call->entry, arg + 1, false, &room) &&
		    length_at(call->exit, arg + 1, true, &after)) {
			if (after >= 0 && (size_t)after < len)
				len = (size_t)after;
			if (room >= 0 && (size_t)room < len)
				len = (size_t)room;
		}
		end = rn_write_sockaddr(out, call->abi, rn_piece_data(piece), len);
	}
	return end ? end : write_pointer(out, call->args[arg]);
}

static char *write_dirents(char *out, const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_STRUCT);
	uint64_t count;

	out = write_pointer(out, call->args[arg]);
	if (gave_nothing(call) || !call->args[arg])
		return out;
	if (piece && piece->len >= sizeof(count))
		memcpy(&count, rn_piece_data(piece), sizeof(count));
	else if (call->result == 0)
		count = 0;
	else
		return out;
	out = rn_write_u64(rn_write_text(out, " /* "), count);
	return rn_write_text(out, count == 1 ? " entry */" : " entries */");
}

/* A CPU mask, if all of it was captured. */
static char *write_cpus(char *out, const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_BUFFER);

	if (!piece || piece->flags & RN_PIECE_CUT || piece->len > CPUS_MAX)
		return write_pointer(out, call->args[arg]);
	return rn_write_cpus(out, rn_piece_data(piece), piece->len);
}

/* Random bytes: every one in hex. */
static char *write_hex_bytes(char *out, const struct rn_call *call, unsigned arg, uint32_t limit)
{
	static const char digits[] = "0123456789abcdef";
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_BUFFER);
	uint32_t len;

	if (!piece || gave_nothing(call))
		return write_pointer(out, call->args[arg]);
	len = piece->len < limit ? piece->len : limit;
	*out++ = '"';
	for (uint32_t i = 0; i < len; i++) {
		uint8_t c = rn_piece_data(piece)[i];

		*out++ = '\\';
		*out++ = 'x';
		*out++ = digits[c >> 4];
		*out++ = digits[c & 15];
	}
	*out++ = '"';
	return len < piece->len || piece->flags & RN_PIECE_CUT ? rn_write_text(out, "...") : out;
}

char *rn_write_arg(char *out, const struct rn_call *call, unsigned arg, uint32_t string_limit)
{
	const struct rn_arg_desc *desc = &call->desc->args[arg];
	const struct rn_piece *piece;
	uint64_t value = call->args[arg];
	struct rn_meaning meaning;

	rn_arg_meaning(call, arg, &meaning);
	if (meaning.named)
		return rn_write_arg_names(out, call, arg, &meaning);
	switch (meaning.kind) {
	case RN_ARG_INT:
	case RN_ARG_FD:
	case RN_ARG_PID:
		return rn_write_i64(out, (int32_t)value);
	case RN_ARG_LONG:
		return rn_write_i64(out, is_narrow(call) ? (int32_t)value : (int64_t)value);
	case RN_ARG_UINT:
		return rn_write_u64(out, (uint32_t)value);
	case RN_ARG_ULONG:
		return rn_write_u64(out, value);
	case RN_ARG_DIRFD:
		if ((int32_t)value == AT_FDCWD_VALUE)
			return rn_write_text(out, "AT_FDCWD");
		return rn_write_i64(out, (int32_t)value);
	case RN_ARG_PATH:
		piece = readable(call, arg, RN_PIECE_PATH);
		return piece ? write_string(out, piece, UINT32_MAX) : write_pointer(out, value);
	case RN_ARG_STRING:
		piece = readable(call, arg, RN_PIECE_STRING);
		return piece ? write_string(out, piece, string_limit) : write_pointer(out, value);
	case RN_ARG_ARGV:
		piece = readable(call, arg, RN_PIECE_ARGV);
		return piece && value ? write_argv(out, piece, string_limit)
				      : write_pointer(out, value);
	case RN_ARG_ENVP:
		return write_envp(out, call, arg);
	case RN_ARG_BUF_IN:
		if (meaning.form == RN_SHAPE_CPUS)
			return write_cpus(out, call, arg);
		return write_buffer(out, call, arg, desc->aux < 6 ? call->args[desc->aux] : 1,
				    string_limit);
	case RN_ARG_BUF_OUT:
		if (meaning.form == RN_SHAPE_HEX)
			return write_hex_bytes(out, call, arg, string_limit);
		if (meaning.form == RN_SHAPE_CPUS)
			return gave_nothing(call) ? write_pointer(out, value)
						  : write_cpus(out, call, arg);
		return write_out_buffer(out, call, arg, string_limit);
	case RN_ARG_PATH_OUT:
		return write_out_path(out, call, arg,
				      meaning.form == RN_SHAPE_LIMITED ? string_limit : UINT32_MAX);
	case RN_ARG_SIGNAL:
		return rn_write_signal(out, (int32_t)value);
	case RN_ARG_MODE:
		return rn_write_octal(out, (uint16_t)value);
	case RN_ARG_FLAGS:
	case RN_ARG_RAW:
		return rn_write_hex(out, value);
	case RN_ARG_WAIT_STATUS:
	case RN_ARG_FD_PAIR_OUT:
		return write_out_ints(out, call, arg, desc->kind);
	case RN_ARG_STRUCT_IN:
	case RN_ARG_STRUCT_OUT:
		return write_struct(out, call, arg, &meaning);
	case RN_ARG_ARRAY_IN:
		return write_array(out, call, arg, &meaning,
				   desc->aux < 6 ? (uint32_t)call->args[desc->aux] : 0,
				   string_limit);
	case RN_ARG_ARRAY_OUT:
		return gave_nothing(call) ? write_pointer(out, value)
					  : write_array(out, call, arg, &meaning,
							(uint64_t)call->result, string_limit);
	case RN_ARG_SOCKADDR_IN:
	case RN_ARG_SOCKADDR_OUT:
		return write_sockaddr(out, call, arg, meaning.kind == RN_ARG_SOCKADDR_OUT);
	case RN_ARG_IOVEC_IN:
	case RN_ARG_IOVEC_OUT:
		piece = readable(call, arg, RN_PIECE_STRUCT);
		if (!piece || (meaning.kind == RN_ARG_IOVEC_OUT && gave_nothing(call)))
			return write_pointer(out, value);
		return rn_write_iovecs(out, piece, string_limit);
	case RN_ARG_LENGTH_INOUT:
		return write_length(out, call, arg);
	case RN_ARG_DIRENTS_OUT:
		return write_dirents(out, call, arg);
	case RN_ARG_PTR:
	default:
		return write_pointer(out, value);
	}
}

void rn_format_signal(struct rn_buf *buf, int sig)
{
	if (rn_buf_reserve(buf, RN_NUMBER_MAX))
		buf->len = (size_t)((uint8_t *)rn_write_signal((char *)buf->data + buf->len, sig) -
				    buf->data);
}

void rn_format_arg(struct rn_buf *buf, const struct rn_call *call, unsigned arg,
		   uint32_t string_limit)
{
	char *end;

	if (arg >= call->desc->nargs || !rn_buf_reserve(buf, rn_call_room(call)))
		return;
	end = rn_write_arg((char *)buf->data + buf->len, call, arg, string_limit);
	buf->len = (size_t)((uint8_t *)end - buf->data);
}
