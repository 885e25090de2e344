/* SPDX-License-Identifier: MIT */
/*
 * Arguments as text, by their kinds. No call is named here: what a call's arguments
 * are is told by the tables.
 */
#include "netlink.h"

/* The bits of open's flags that make its mode count; the same in every ABI known here. */
#define CREATING_FLAGS (0100u | 020000000u) /* O_CREAT, O_TMPFILE */

/* A cut list or string, an address and a comment: what is added to the captured bytes. */
#define ARG_EXTRA (96u + RN_NAMES_MAX)
/* Each captured byte: four for an escape, or the quotes and the comma of an empty string. */
#define ARG_PER_BYTE 8u
/* Each byte of a CPU mask: eight numbers. */
#define CPUS_PER_BYTE 48u

/* `netlink`: some buffer holds messages of such a socket. */
static size_t room_of(const struct rn_event *ev, bool netlink)
{
	const struct rn_piece *piece = ev->pieces ? rn_piece_first(ev) : NULL;
	size_t room = 0;

	for (; piece; piece = rn_piece_next(ev, piece))
		room += piece->type == RN_PIECE_STRUCT ||
					(netlink && piece->type == RN_PIECE_BUFFER)
				? (size_t)RN_SHAPE_PER_BYTE * piece->len + RN_SHAPE_EXTRA
				: (size_t)(piece->type == RN_PIECE_BUFFER &&
							   piece->len <= RN_CPUS_MAX
						   ? CPUS_PER_BYTE
						   : ARG_PER_BYTE) *
					  (piece->len + sizeof(*piece));
	return room;
}

static bool has_netlink(const struct rn_event *ev)
{
	const struct rn_piece *piece = ev && ev->pieces ? rn_piece_first(ev) : NULL;

	for (; piece; piece = rn_piece_next(ev, piece))
		if (piece->type == RN_PIECE_NETLINK)
			return true;
	return false;
}

size_t rn_call_room(const struct rn_call *call)
{
	bool netlink = has_netlink(call->entry) || has_netlink(call->exit);
	size_t room = 6 * ARG_EXTRA;

	if (call->entry)
		room += room_of(call->entry, netlink);
	if (call->exit && call->exit != call->entry)
		room += room_of(call->exit, netlink);
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
	if (desc->kind == RN_ARG_STRUCT_IN && desc->form == RN_SHAPE_SIGRETURN)
		return !call->args[arg];
	if (desc->kind == RN_ARG_VOID) /* the half of a pair of registers that ARM skips */
		return true;
	if (desc->kind == RN_ARG_HIGH_HALF)
		return rn_machine(call->abi) == 0 || call->abi == RN_ABI_X32;
	if (desc->kind == RN_ARG_MAKEDEV && desc->aux) /* counts only where a device is made */
		return (call->args[desc->aux] & 0170000) != 0020000 &&
		       (call->args[desc->aux] & 0170000) != 0060000;
	return desc->kind == RN_ARG_MODE && desc->aux && desc->aux < 6 &&
	       !(call->args[desc->aux] & CREATING_FLAGS);
}

static bool is_narrow(const struct rn_call *call)
{
	return call->abi == RN_ABI_I386 || call->abi == RN_ABI_ARM;
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
			  const struct rn_style *style)
{
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_BUFFER);
	struct rn_netlink netlink;

	if (style->no_buffers)
		return rn_write_pointer(out, call->args[arg]);
	if (piece && rn_netlink_of(call, arg, style, &netlink))
		return rn_write_netlink(out, &netlink, rn_piece_data(piece), piece->len,
					piece->flags & RN_PIECE_CUT);
	if (piece)
		return write_string(out, piece, style->string_limit);
	if (length == 0 && call->args[arg] != 0)
		return rn_write_text(out, "\"\"");
	return rn_write_pointer(out, call->args[arg]);
}

static char *write_out_buffer(char *out, const struct rn_call *call, unsigned arg,
			      const struct rn_style *style)
{
	if (call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED | RN_FLAG_UNFINISHED))
		return rn_write_pointer(out, call->args[arg]);
	return write_buffer(out, call, arg, (uint64_t)call->result, style);
}

static char *write_out_path(char *out, const struct rn_call *call, unsigned arg, uint32_t limit)
{
	const struct rn_piece *piece = rn_call_piece(call, arg);
	size_t len;

	if (!piece || (piece->flags & RN_PIECE_UNREAD) ||
	    (call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED)))
		return rn_write_pointer(out, call->args[arg]);
	len = piece->len;
	/* getcwd's result counts the NUL. */
	if (len && rn_piece_data(piece)[len - 1] == 0)
		len--;
	return rn_write_quoted(out, rn_piece_data(piece), len < limit ? len : limit,
			       piece->flags & RN_PIECE_CUT || len > limit);
}

char *rn_write_strings(char *out, const struct rn_piece *piece, const struct rn_style *style)
{
	const uint8_t *data = rn_piece_data(piece);
	const uint8_t *end = data + piece->len;
	bool cut = piece->flags & RN_PIECE_CUT;
	uint32_t limit = style->string_limit;
	uint64_t count = 0;

	*out++ = '[';
	while (data < end && (count < limit || style->verbose)) {
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

static char *write_envp(char *out, const struct rn_call *call, unsigned arg,
			const struct rn_style *style)
{
	const struct rn_piece *all = rn_call_piece_of(call, arg, RN_PIECE_ARGV);
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_ENVC);
	uint64_t count;

	/* All of them, however many there are. */
	if (style->verbose && all && call->args[arg])
		return rn_write_strings(out, all, style);
	out = rn_write_pointer(out, call->args[arg]);
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

/* Flags of a new object, and the permissions below them. */
static char *write_ipc_flags(char *out, unsigned abi, uint32_t value, uint32_t form)
{
	if (value & ~0777u) {
		out = rn_write_names(out, form & RN_FORM_MASK, abi, value & ~0777u);
		*out++ = '|';
	}
	return rn_write_octal(out, value & 0777);
}

/* A command without a name: what the number says by itself. */
static char *write_ioctl(char *out, uint32_t command)
{
	/* Numbers that two drivers share; strace tells both. */
	static const struct {
		uint32_t command;
		const char *other;
	} shared[] = {
		{0x5402, "SNDCTL_TMR_START or "},          {0x5403, "SNDCTL_TMR_STOP or "},
		{0x5404, "SNDCTL_TMR_CONTINUE or "},       {0x40049409, "BTRFS_IOC_CLONE or "},
		{0x4020940d, "BTRFS_IOC_CLONE_RANGE or "},
	};
	const char *name = rn_name_of(RN_SET_IOCTL, RN_ABI_X86_64, command);

	for (size_t i = 0; name && i < sizeof(shared) / sizeof(shared[0]); i++)
		if (shared[i].command == command)
			out = rn_write_text(out, shared[i].other);
	if (name)
		return rn_write_text(out, name);
	out = rn_write_text(out, "_IOC(");
	out = rn_write_names(out, RN_SET_IOCDIR, RN_ABI_X86_64, command >> 30);
	out = rn_write_hex(rn_write_text(out, ", "), command >> 8 & 0xff);
	out = rn_write_hex(rn_write_text(out, ", "), command & 0xff);
	out = rn_write_hex(rn_write_text(out, ", "), command >> 16 & 0x3fff);
	return rn_write_text(out, ")");
}

/* A CPU mask, if all of it was captured. */
static char *write_cpus(char *out, const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_BUFFER);

	if (!piece || piece->flags & RN_PIECE_CUT || piece->len > RN_CPUS_MAX)
		return rn_write_pointer(out, call->args[arg]);
	return rn_write_cpus(out, rn_piece_data(piece), piece->len);
}

/* Random bytes: every one in hex. */
static char *write_hex_bytes(char *out, const struct rn_call *call, unsigned arg, uint32_t limit)
{
	static const char digits[] = "0123456789abcdef";
	const struct rn_piece *piece = readable(call, arg, RN_PIECE_BUFFER);
	uint32_t len;

	if (!piece || rn_gave_nothing(call))
		return rn_write_pointer(out, call->args[arg]);
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

char *rn_write_arg(char *out, const struct rn_call *call, unsigned arg,
		   const struct rn_style *style)
{
	uint32_t string_limit = style->string_limit;
	const struct rn_piece *piece;
	uint64_t value = call->args[arg];
	struct rn_fd_pieces fds;
	struct rn_meaning meaning;

	rn_arg_meaning(call, arg, &meaning);
	if (rn_meaning_named(&meaning))
		return rn_write_arg_names(out, call, arg, &meaning);
	switch (meaning.kind) {
	case RN_ARG_INT:
	case RN_ARG_PID:
		return rn_write_i64(out, (int32_t)value);
	case RN_ARG_FD:
	case RN_ARG_DIRFD:
		fds = rn_fd_pieces_of(call, arg, false);
		return rn_write_fd(out, &fds, (int32_t)value, meaning.kind == RN_ARG_DIRFD);
	case RN_ARG_LONG:
		return rn_write_i64(out, is_narrow(call) ? (int32_t)value : (int64_t)value);
	case RN_ARG_UINT:
		return rn_write_u64(out, (uint32_t)value);
	case RN_ARG_ULONG:
		return rn_write_u64(out, value);
	case RN_ARG_ID:
		return (uint32_t)value == UINT32_MAX ? rn_write_text(out, "-1")
						     : rn_write_u64(out, (uint32_t)value);
	case RN_ARG_PATH:
		piece = readable(call, arg, RN_PIECE_PATH);
		return piece ? write_string(out, piece, UINT32_MAX) : rn_write_pointer(out, value);
	case RN_ARG_STRING:
		piece = readable(call, arg, RN_PIECE_STRING);
		return piece ? write_string(out, piece, string_limit)
			     : rn_write_pointer(out, value);
	case RN_ARG_ARGV:
		piece = readable(call, arg, RN_PIECE_ARGV);
		return piece && value ? rn_write_strings(out, piece, style)
				      : rn_write_pointer(out, value);
	case RN_ARG_ENVP:
		return write_envp(out, call, arg, style);
	case RN_ARG_BUF_IN:
		if (meaning.form == RN_SHAPE_CPUS)
			return write_cpus(out, call, arg);
		return write_buffer(out, call, arg, meaning.aux < 6 ? call->args[meaning.aux] : 1,
				    style);
	case RN_ARG_BUF_OUT:
		if (meaning.form == RN_SHAPE_HEX && !style->no_buffers)
			return write_hex_bytes(out, call, arg, string_limit);
		if (meaning.form == RN_SHAPE_CPUS)
			return rn_gave_nothing(call) ? rn_write_pointer(out, value)
						     : write_cpus(out, call, arg);
		return write_out_buffer(out, call, arg, style);
	case RN_ARG_PATH_OUT:
		return write_out_path(out, call, arg,
				      meaning.form == RN_SHAPE_LIMITED ? string_limit : UINT32_MAX);
	case RN_ARG_SIGNAL:
		return rn_write_signal(out, (int32_t)value);
	case RN_ARG_MODE:
		return rn_write_octal(out, (uint16_t)value);
	case RN_ARG_MODE_TYPE:
		return rn_write_file_mode(out, call->abi, (uint16_t)value);
	case RN_ARG_MAKEDEV: /* as user space hands it to mknod(): 32 bits */
		return rn_write_device(out, value >> 8 & 0xfff,
				       (value & 0xff) | (value >> 12 & 0xfff00));
	case RN_ARG_FLAGS:
	case RN_ARG_RAW:
		return rn_write_hex(out, value);
	case RN_ARG_HIGH_HALF:
		return rn_write_hex(out, value);
	case RN_ARG_IPC_FLAGS:
		return write_ipc_flags(out, call->abi, (uint32_t)value, meaning.form);
	case RN_ARG_IOCTL:
		return write_ioctl(out, (uint32_t)value);
	case RN_ARG_PTR:
		return rn_write_pointer(out, value);
	default:
		return rn_write_aggregate(out, call, arg, &meaning, style);
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
	const struct rn_style style = {.string_limit = string_limit};
	char *end;

	if (arg >= call->desc->nargs || !rn_buf_reserve(buf, rn_call_room(call)))
		return;
	end = rn_write_arg((char *)buf->data + buf->len, call, arg, &style);
	buf->len = (size_t)((uint8_t *)end - buf->data);
}
