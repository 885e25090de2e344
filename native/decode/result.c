/* SPDX-License-Identifier: MIT */
/* Results that are no errors, with what strace 6.1 adds in brackets. */
#include "decode.h"

/* 0x8000 (flags O_RDONLY|O_LARGEFILE), 0 (SCHED_OTHER), 10 (SIGUSR1) */
static char *write_meaning(char *out, const struct rn_call *call, const struct rn_meaning *meaning)
{
	uint32_t value = (uint32_t)call->result;
	unsigned set = meaning->form & RN_FORM_MASK;

	switch (meaning->kind) {
	case RN_ARG_FLAGS:
		out = rn_write_hex(out, (uint64_t)call->result);
		if (set == RN_SET_FDFLAGS && call->result == 0)
			return out;
		out = rn_write_names(rn_write_text(out, " (flags "), set, call->abi, value);
		return rn_write_text(out, ")");
	case RN_ARG_SIGNAL:
		out = rn_write_i64(out, call->result);
		if (value == 0)
			return out;
		out = rn_write_signal(rn_write_text(out, " ("), (int)value);
		return rn_write_text(out, ")");
	case RN_ARG_RAW:
	case RN_ARG_INT:
		out = meaning->kind == RN_ARG_RAW ? rn_write_hex(out, (uint64_t)call->result)
						  : rn_write_i64(out, call->result);
		/* A number without a name says nothing more; flags do. */
		if (rn_set_is_one(set) && set != RN_SET_IOPRIO &&
		    !rn_name_of(set, call->abi, value))
			return out;
		out = rn_write_names(rn_write_text(out, " ("), set, call->abi, value);
		return rn_write_text(out, ")");
	default:
		return rn_write_i64(out, call->result);
	}
}

struct note {
	char *out, *start;
};

/* " (" before the first thing, ", " before each other one. */
static char *next(struct note *note)
{
	note->out = rn_write_text(note->out, note->out == note->start ? " (" : ", ");
	return note->out;
}

/* [{fd=3, revents=POLLIN}] */
static void note_ready(struct note *note, const struct rn_call *call, unsigned arg,
		       const struct rn_style *style)
{
	const struct rn_piece *piece = rn_struct_at(call, arg, true);
	uint32_t count = 0;
	char *out;

	if (!piece)
		return;
	out = next(note);
	*out++ = '[';
	for (size_t at = 0; at + 8 <= piece->len; at += 8) {
		const uint8_t *data = rn_piece_data(piece) + at;
		uint16_t ready = (uint16_t)rn_get(data, 6, 2);

		if (!ready)
			continue;
		if (count)
			out = rn_write_text(out, ", ");
		if (count++ == style->string_limit) {
			out = rn_write_text(out, "...");
			break;
		}
		out = rn_write_i64(rn_write_text(out, "{fd="), rn_get_signed(data, 0, 4));
		out = rn_write_names(rn_write_text(out, ", revents="), RN_SET_POLL, call->abi,
				     ready);
		*out++ = '}';
	}
	*out++ = ']';
	note->out = out;
}

/* in [3 5] */
static void note_set(struct note *note, const struct rn_call *call, unsigned arg)
{
	static const char *const names[] = {"in ", "out ", "except "};
	const struct rn_piece *piece = rn_struct_at(call, arg, true);
	bool any = false;

	if (!piece || piece->flags & RN_PIECE_CUT || arg < 1 || arg > 3)
		return;
	for (uint32_t i = 0; i < piece->len; i++)
		any |= rn_piece_data(piece)[i] != 0;
	if (any)
		note->out = rn_write_cpus(rn_write_text(next(note), names[arg - 1]),
					  rn_piece_data(piece), piece->len);
}

static void note_left(struct note *note, const struct rn_call *call, unsigned arg,
		      const struct rn_meaning *meaning, const struct rn_style *style)
{
	const struct rn_piece *piece = rn_struct_at(call, arg, true);
	char *before = note->out, *end = NULL;

	if (piece) {
		const struct rn_value value = {
			rn_piece_data(piece), piece->len, call->abi, style, NULL, 0};

		end = rn_write_shape(rn_write_text(next(note), "left "),
				     meaning->form & RN_FORM_MASK, &value);
	}
	note->out = end ? end : before;
}

char *rn_write_result(char *out, const struct rn_call *call, const struct rn_style *style)
{
	const struct rn_syscall_desc *desc = call->desc;
	bool waits = false, messages = false;
	struct rn_meaning meaning;
	struct rn_fd_pieces fds;
	struct note note;

	if (desc->result && rn_result_meaning(call, &meaning))
		return write_meaning(out, call, &meaning);
	fds = rn_fd_pieces_of(call, RN_PIECE_NO_ARG, true);
	out = fds.at ? rn_write_fd(out, &fds, (int32_t)call->result, false)
		     : rn_write_i64(out, call->result);
	for (unsigned arg = 0; arg < desc->nargs; arg++) {
		waits |= desc->args[arg].kind == RN_ARG_POLLFDS ||
			 desc->args[arg].kind == RN_ARG_FDSET;
		messages |= desc->args[arg].kind == RN_ARG_MMSG_OUT;
	}
	if (!waits && !messages)
		return out;
	if (waits && call->result == 0)
		return rn_write_text(out, " (Timeout)");
	note = (struct note){out, out};
	for (unsigned arg = 0; arg < desc->nargs; arg++) {
		rn_arg_meaning(call, arg, &meaning);
		if (meaning.kind == RN_ARG_POLLFDS)
			note_ready(&note, call, arg, style);
		else if (meaning.kind == RN_ARG_FDSET)
			note_set(&note, call, arg);
		else if (meaning.kind == RN_ARG_STRUCT_INOUT)
			note_left(&note, call, arg, &meaning, style);
	}
	return note.out == note.start ? note.out : rn_write_text(note.out, ")");
}
