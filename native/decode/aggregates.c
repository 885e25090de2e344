/* SPDX-License-Identifier: MIT */
/* Arguments that are more than a number or a string: structures, lists, sets, lengths. */
#include "decode.h"

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

/* The piece of an argument, if it holds data that can be shown. */
static const struct rn_piece *readable(const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = rn_call_piece(call, arg);

	if (!piece || piece->type != RN_PIECE_STRUCT || (piece->flags & RN_PIECE_UNREAD))
		return NULL;
	return piece;
}

/* The same of one record alone: what stood there before the call, or after it. */
const struct rn_piece *rn_struct_at(const struct rn_call *call, unsigned arg, bool at_exit)
{
	const struct rn_event *ev = at_exit ? call->exit : call->entry;
	const struct rn_piece *piece = ev && ev->pieces ? rn_piece_first(ev) : NULL;

	for (; piece; piece = rn_piece_next(ev, piece))
		if (piece->arg == arg && piece->type == RN_PIECE_STRUCT &&
		    !(piece->flags & RN_PIECE_UNREAD) &&
		    !(piece->flags & RN_PIECE_AT_EXIT) == !at_exit)
			return piece;
	return NULL;
}

static bool length_at(const struct rn_call *call, unsigned arg, bool at_exit, int32_t *value)
{
	const struct rn_piece *piece = rn_struct_at(call, arg, at_exit);

	if (!piece || piece->len < sizeof(*value))
		return false;
	memcpy(value, rn_piece_data(piece), sizeof(*value));
	return true;
}

/* What the call wrote to an int or two; the address where it wrote nothing. */
static char *write_out_ints(char *out, const struct rn_call *call, unsigned arg, unsigned kind)
{
	const struct rn_piece *piece = readable(call, arg);
	struct rn_fd_pieces fds;
	int32_t value[2];
	size_t need = kind == RN_ARG_FD_PAIR_OUT ? 8 : 4;

	/* A wait that returns 0 (WNOHANG) leaves the status alone. */
	if (!piece || piece->len < need || (call->flags & RN_FLAG_FAILED) ||
	    (kind == RN_ARG_WAIT_STATUS && call->result <= 0))
		return rn_write_pointer(out, call->args[arg]);
	memcpy(value, rn_piece_data(piece), need);
	if (kind == RN_ARG_WAIT_STATUS)
		return write_wait_status(out, (uint32_t)value[0]);
	fds = rn_fd_pieces_of(call, arg, true);
	*out++ = '[';
	out = rn_write_fd(out, &fds, value[0], false);
	out = rn_write_text(out, ", ");
	out = rn_write_fd(out, &fds, value[1], false);
	*out++ = ']';
	return out;
}

static char *write_shape(char *out, const struct rn_call *call, const struct rn_piece *piece,
			 unsigned shape, const struct rn_style *style)
{
	const struct rn_value value = {rn_piece_data(piece), piece->len, call->abi, style, NULL, 0};

	return rn_write_shape(out, shape & RN_FORM_MASK, &value);
}

/* Whether the program says that its structure is shorter, or its signal set longer. */
static bool is_of_other_size(const struct rn_call *call, const struct rn_meaning *meaning)
{
	uint64_t size = call->args[meaning->aux];

	if (!meaning->aux)
		return false;
	switch (meaning->form & RN_FORM_MASK) {
	case RN_SHAPE_SIGSET:
		return size != 8;
	case RN_SHAPE_CLONE_ARGS: /* its first version */
		return size < 64;
	case RN_SHAPE_OPENHOW:
		return size < 24;
	default:
		return false;
	}
}

static char *write_struct(char *out, const struct rn_call *call, unsigned arg,
			  const struct rn_meaning *meaning, const struct rn_style *style)
{
	const struct rn_piece *piece = readable(call, arg);
	char *end = NULL;

	if (is_of_other_size(call, meaning))
		return rn_write_pointer(out, call->args[arg]);
	if (piece && meaning->form == RN_SHAPE_FILEHANDLE)
		end = rn_write_handle(out, piece, NULL, true);
	else if (piece && call->args[arg] &&
		 !(meaning->kind == RN_ARG_STRUCT_OUT && rn_gave_nothing(call)))
		end = write_shape(out, call, piece, meaning->form, style);
	return end ? end : rn_write_pointer(out, call->args[arg]);
}

#define SIZED_MAX 256u /* bytes of one */

/* A structure as long as the program says: what is missing is 0, what is left over is told. */
static char *write_sized(char *out, const struct rn_call *call, unsigned arg,
			 const struct rn_meaning *meaning, const struct rn_style *style)
{
	const struct rn_piece *piece = rn_struct_at(call, arg, false);
	uint32_t size = rn_shape_size(meaning->form, call->abi);
	uint32_t given = (uint32_t)call->args[meaning->aux < 6 ? meaning->aux : 0];
	uint8_t whole[SIZED_MAX] = {0};
	struct rn_value value = {whole, sizeof(whole), call->abi, style, NULL, given};
	bool more = false;
	char *end;

	if (!piece || !piece->len || !size || size > SIZED_MAX)
		return rn_write_pointer(out, call->args[arg]);
	memcpy(whole, rn_piece_data(piece), piece->len < size ? piece->len : size);
	for (size_t i = size; i < piece->len; i++)
		more |= rn_piece_data(piece)[i] != 0;
	end = rn_write_shape(out, meaning->form & RN_FORM_MASK, &value);
	if (!end)
		return rn_write_pointer(out, call->args[arg]);
	if (!more || end[-1] != '}')
		return end;
	if (!style->verbose)
		return rn_write_text(end - 1, ", ...}");
	end = rn_write_text(end - 1, ", extra_data=\"");
	end = rn_write_in_hex(end, rn_piece_data(piece) + size, piece->len - size);
	end = rn_write_u64(rn_write_text(end, "\" /* bytes "), size);
	end = rn_write_u64(rn_write_text(end, ".."), piece->len - 1);
	return rn_write_text(end, " */}");
}

/* As it stood before the call; where a position moved, behind it what it became. */
static char *write_changed(char *out, const struct rn_call *call, unsigned arg,
			   const struct rn_meaning *meaning, const struct rn_style *style)
{
	const struct rn_piece *before = rn_struct_at(call, arg, false);
	const struct rn_piece *after = rn_struct_at(call, arg, true);
	char *end;

	if (before && meaning->form == RN_SHAPE_FILEHANDLE)
		end = rn_write_handle(out, before, after, !rn_gave_nothing(call));
	else if (before && meaning->form == RN_SHAPE_PERFATTR && after && rn_gave_nothing(call))
		end = rn_write_perf_attr(
			out,
			&(const struct rn_value){rn_piece_data(before), before->len, call->abi,
						 style, NULL, 0},
			after->len >= 8 ? (uint32_t)rn_get(rn_piece_data(after), 4, 4) : 0);
	else
		end = before ? write_shape(out, call, before, meaning->form, style) : NULL;
	if (!end)
		return rn_write_pointer(out, call->args[arg]);
	if (meaning->form == RN_SHAPE_OFFSET && !rn_gave_nothing(call) && after &&
	    after->len == before->len &&
	    memcmp(rn_piece_data(after), rn_piece_data(before), after->len) != 0) {
		char *more = rn_write_text(end, " => ");

		more = write_shape(more, call, after, RN_SHAPE_OFFSET, style);
		end = more ? more : end;
	}
	return end;
}

/* `count` structures, of which those are shown that were captured whole. */
static char *write_array(char *out, const struct rn_call *call, unsigned arg,
			 const struct rn_meaning *meaning, uint64_t count,
			 const struct rn_style *style)
{
	const struct rn_piece *piece = meaning->kind == RN_ARG_POLLFDS
					       ? rn_struct_at(call, arg, false)
					       : readable(call, arg);
	uint32_t size = rn_shape_size(meaning->form, call->abi);
	struct rn_fd_pieces fds = rn_fd_pieces_of(call, arg, false);
	char *start = out;
	uint64_t n = 0;

	if (count == 0 && call->args[arg] && size)
		return rn_write_text(out, "[]");
	if (!piece || !size)
		return rn_write_pointer(out, call->args[arg]);
	*out++ = '[';
	for (; n < count && n < style->string_limit && (n + 1) * size <= piece->len; n++) {
		const struct rn_value value = {
			rn_piece_data(piece) + n * size, size, call->abi, style, &fds, 0,
		};
		char *end;

		if (n)
			out = rn_write_text(out, ", ");
		end = rn_write_shape(out, meaning->form & RN_FORM_MASK, &value);
		if (!end)
			return rn_write_pointer(start, call->args[arg]);
		out = end;
	}
	if (n < count)
		out = rn_write_text(out, n ? ", ..." : "...");
	*out++ = ']';
	return out;
}

/* clone3(): what it was given, and what it wrote there. */
static char *write_clone(char *out, const struct rn_call *call, unsigned arg,
			 const struct rn_meaning *meaning, const struct rn_style *style)
{
	const struct rn_piece *before = rn_struct_at(call, arg, false);
	const struct rn_piece *after = rn_struct_at(call, arg, true);
	char *end = before ? write_shape(out, call, before, meaning->form, style) : NULL;
	uint64_t flags;

	if (!end || is_of_other_size(call, meaning))
		return rn_write_pointer(out, call->args[arg]);
	flags = rn_get(rn_piece_data(before), 0, 8);
	if (!after || after->len < 8 || rn_gave_nothing(call) || !(flags & 0x101000))
		return end;
	end = rn_write_text(end, " => {");
	if (flags & 0x1000) { /* CLONE_PIDFD */
		end = rn_write_i64(rn_write_text(end, "pidfd=["),
				   rn_get_signed(rn_piece_data(after), 0, 4));
		end = rn_write_text(end, flags & 0x100000 ? "], " : "]");
	}
	if (flags & 0x100000) { /* CLONE_PARENT_SETTID */
		end = rn_write_i64(rn_write_text(end, "parent_tid=["),
				   rn_get_signed(rn_piece_data(after), 4, 4));
		*end++ = ']';
	}
	*end++ = '}';
	return end;
}

static char *write_fdset(char *out, const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = rn_struct_at(call, arg, false);

	struct rn_fd_pieces fds;

	if (!piece || !piece->len || piece->flags & RN_PIECE_CUT)
		return rn_write_pointer(out, call->args[arg]);
	fds = rn_fd_pieces_of(call, arg, false);
	return rn_write_fd_set(out, &fds, rn_piece_data(piece), piece->len);
}

/* What has its length beside it: options of a socket. */
static char *write_value(char *out, const struct rn_call *call, unsigned arg,
			 const struct rn_meaning *meaning, const struct rn_style *style)
{
	const struct rn_piece *piece = readable(call, arg);
	unsigned shape = meaning->form & RN_FORM_MASK;
	bool given = meaning->kind == RN_ARG_VALUE_IN;
	struct rn_value value;
	int32_t length = 0;
	char *end = NULL;
	size_t shown;

	if (given)
		length = (int32_t)call->args[meaning->aux];
	else if (rn_gave_nothing(call) || !length_at(call, arg + 1, true, &length))
		return rn_write_pointer(out, call->args[arg]);
	if (!piece || length < 0)
		return rn_write_pointer(out, call->args[arg]);
	value = (struct rn_value){rn_piece_data(piece), piece->len, call->abi, style, NULL, 0};
	if ((uint32_t)length < value.len)
		value.len = (size_t)length;
	if (!shape && length == 4)
		shape = RN_SHAPE_INT;
	if (shape && shape != RN_SHAPE_LIMITED)
		end = rn_write_shape(out, shape, &value);
	if (end)
		return end;
	if (style->no_payload)
		return rn_write_pointer(out, call->args[arg]);
	/* Too short for what it should be: a number by default. */
	if (given && shape != RN_SHAPE_LIMITED && (meaning->form || value.len < 4))
		return rn_write_pointer(out, call->args[arg]);
	shown = value.len < style->string_limit ? value.len : style->string_limit;
	return rn_write_quoted(out, value.data, shown, shown < (uint32_t)length);
}

static char *write_sigmask_arg(char *out, const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = readable(call, arg);
	const uint8_t *data;

	if (!piece || piece->len < 16)
		return rn_write_pointer(out, call->args[arg]);
	data = rn_piece_data(piece);
	out = rn_write_text(out, "{sigmask=");
	out = piece->len >= 24 ? rn_write_sigset(out, rn_get(data, 16, 8))
			       : rn_write_pointer(out, rn_get(data, 0, 8));
	out = rn_write_u64(rn_write_text(out, ", sigsetsize="), rn_get(data, 8, 8));
	*out++ = '}';
	return out;
}

static char *write_length(char *out, const struct rn_call *call, unsigned arg)
{
	int32_t before, after;

	if (!call->args[arg] || !length_at(call, arg, false, &before))
		return rn_write_pointer(out, call->args[arg]);
	*out++ = '[';
	out = rn_write_i64(out, before);
	if (!rn_gave_nothing(call) && length_at(call, arg, true, &after) && after != before)
		out = rn_write_i64(rn_write_text(out, " => "), after);
	*out++ = ']';
	return out;
}

size_t rn_filled_length(const struct rn_call *call, unsigned arg, size_t len)
{
	int32_t room, after;

	if (arg < 5 && length_at(call, arg + 1, false, &room) &&
	    length_at(call, arg + 1, true, &after)) {
		if (after >= 0 && (size_t)after < len)
			len = (size_t)after;
		if (room >= 0 && (size_t)room < len)
			len = (size_t)room;
	}
	return len;
}

static char *write_sockaddr(char *out, const struct rn_call *call, unsigned arg, bool filled)
{
	const struct rn_piece *piece = readable(call, arg);
	char *end = NULL;
	size_t len;

	if (piece && !(filled && rn_gave_nothing(call))) {
		len = filled ? rn_filled_length(call, arg, piece->len) : piece->len;
		end = rn_write_sockaddr(out, call->abi, rn_piece_data(piece), len);
	}
	return end ? end : rn_write_pointer(out, call->args[arg]);
}

static char *write_messages(char *out, const struct rn_call *call, unsigned arg,
			    const struct rn_meaning *meaning, const struct rn_style *style)
{
	bool fills = meaning->kind == RN_ARG_MSG_OUT || meaning->kind == RN_ARG_MMSG_OUT;
	const struct rn_piece *piece;

	if (fills && rn_gave_nothing(call)) {
		struct rn_message_head head;

		piece = rn_struct_at(call, arg, false);
		if (meaning->kind != RN_ARG_MSG_OUT || !piece || piece->len < sizeof(head))
			return rn_write_pointer(out, call->args[arg]);
		memcpy(&head, rn_piece_data(piece), sizeof(head));
		out = rn_write_i64(rn_write_text(out, "{msg_namelen="), (int32_t)head.namelen);
		*out++ = '}';
		return out;
	}
	if (meaning->kind == RN_ARG_MMSG_OUT || meaning->kind == RN_ARG_MMSG_IN) {
		if (call->args[arg] &&
		    (rn_gave_nothing(call) ? call->args[meaning->aux] == 0 : call->result == 0))
			return rn_write_text(out, "[]");
	}
	piece = rn_struct_at(call, arg, true);
	if (!piece && !fills)
		piece = rn_struct_at(call, arg, false);
	return piece && piece->len ? rn_write_message(out, call, piece, meaning, style)
				   : rn_write_pointer(out, call->args[arg]);
}

char *rn_write_aggregate(char *out, const struct rn_call *call, unsigned arg,
			 const struct rn_meaning *meaning, const struct rn_style *style)
{
	const struct rn_piece *piece;

	switch (meaning->kind) {
	case RN_ARG_WAIT_STATUS:
	case RN_ARG_FD_PAIR_OUT:
		return write_out_ints(out, call, arg, meaning->kind);
	case RN_ARG_STRUCT_IN:
	case RN_ARG_STRUCT_OUT:
		return write_struct(out, call, arg, meaning, style);
	case RN_ARG_SIZED_IN:
		return write_sized(out, call, arg, meaning, style);
	case RN_ARG_REMAINDER:
		piece = rn_struct_at(call, arg, true);
		return (piece ? write_shape(out, call, piece, meaning->form, style) : NULL)
			       ?: rn_write_pointer(out, call->args[arg]);
	case RN_ARG_CLONE_ARGS:
		return write_clone(out, call, arg, meaning, style);
	case RN_ARG_STRUCT_INOUT:
		return write_changed(out, call, arg, meaning, style);
	case RN_ARG_ARRAY_IN:
	case RN_ARG_POLLFDS:
		return write_array(out, call, arg, meaning,
				   rn_array_count(meaning, call->args, call->abi), style);
	case RN_ARG_ARRAY_FILLED:
		if (rn_gave_nothing(call) && rn_array_count(meaning, call->args, call->abi))
			return rn_write_pointer(out, call->args[arg]);
		return write_array(out, call, arg, meaning,
				   rn_array_count(meaning, call->args, call->abi), style);
	case RN_ARG_ARRAY_OUT:
		return rn_gave_nothing(call) ? rn_write_pointer(out, call->args[arg])
					     : write_array(out, call, arg, meaning,
							   (uint64_t)call->result, style);
	case RN_ARG_FDSET:
		return write_fdset(out, call, arg);
	case RN_ARG_VALUE_IN:
	case RN_ARG_VALUE_OUT:
		return write_value(out, call, arg, meaning, style);
	case RN_ARG_SIGMASK_ARG:
		return write_sigmask_arg(out, call, arg);
	case RN_ARG_SOCKADDR_IN:
	case RN_ARG_SOCKADDR_OUT:
		return write_sockaddr(out, call, arg, meaning->kind == RN_ARG_SOCKADDR_OUT);
	case RN_ARG_IOVEC_IN:
	case RN_ARG_IOVEC_OUT:
		piece = readable(call, arg);
		if (!piece || (meaning->kind == RN_ARG_IOVEC_OUT && rn_gave_nothing(call)))
			return rn_write_pointer(out, call->args[arg]);
		return rn_write_iovecs(out, rn_piece_data(piece), piece->len, piece->total, style,
				       NULL);
	case RN_ARG_LENGTH_INOUT:
		return write_length(out, call, arg);
	case RN_ARG_DIRENTS_OUT:
		return rn_write_dirents(out, call, arg, meaning->aux != 0, style);
	case RN_ARG_MSG_IN:
	case RN_ARG_MSG_OUT:
	case RN_ARG_MMSG_IN:
	case RN_ARG_MMSG_OUT:
		return write_messages(out, call, arg, meaning, style);
	default:
		return rn_write_pointer(out, call->args[arg]);
	}
}
