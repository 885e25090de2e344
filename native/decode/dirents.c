/* SPDX-License-Identifier: MIT */
/* What getdents and getdents64 have filled in: getdents(2). */
#include "decode.h"

static char *write_entries(char *out, const struct rn_call *call, const struct rn_piece *piece,
			   bool old)
{
	size_t word = old && rn_machine(call->abi) != 0 ? 4 : 8, head = 2 * word + 2, at = 0;
	const uint8_t *data = rn_piece_data(piece);

	*out++ = '[';
	while (at + head + 1 <= piece->len) {
		size_t size = (size_t)rn_get(data, at + 2 * word, 2);
		size_t name = head + (old ? 0 : 1), type = old ? at + size - 1 : at + head;

		if (size <= name || size > piece->len - at)
			break;
		out = rn_write_u64(rn_write_text(out, at ? ", {d_ino=" : "{d_ino="),
				   rn_get(data, at, word));
		out = rn_write_u64(rn_write_text(out, ", d_off="), rn_get(data, at + word, word));
		out = rn_write_u64(rn_write_text(out, ", d_reclen="), size);
		if (!old)
			out = rn_write_names(rn_write_text(out, ", d_type="), RN_SET_DIRTYPE,
					     call->abi, data[type]);
		out = rn_write_text(out, ", d_name=");
		out = rn_write_quoted(
			out, data + at + name,
			strnlen((const char *)data + at + name, size - name - (old ? 1 : 0)),
			false);
		if (old)
			out = rn_write_names(rn_write_text(out, ", d_type="), RN_SET_DIRTYPE,
					     call->abi, data[type]);
		*out++ = '}';
		at += size;
	}
	if (piece->flags & RN_PIECE_CUT)
		out = rn_write_text(out, at ? ", ..." : "...");
	*out++ = ']';
	return out;
}

char *rn_write_dirents(char *out, const struct rn_call *call, unsigned arg, bool old,
		       const struct rn_style *style)
{
	const struct rn_piece *piece = rn_struct_at(call, arg, true);
	const struct rn_piece *entries = rn_call_piece_of(call, arg, RN_PIECE_BUFFER);
	uint64_t count;

	if (style->verbose && !rn_gave_nothing(call) && call->args[arg]) {
		if (entries)
			return write_entries(out, call, entries, old);
		if (call->result == 0)
			return rn_write_text(out, "[]");
	}
	out = rn_write_pointer(out, call->args[arg]);
	if (rn_gave_nothing(call) || !call->args[arg])
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
