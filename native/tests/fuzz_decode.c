/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what was captured for every argument of any call, before it and after it:
 * what is written stays in the room that was asked for, and can be shown.
 */
#include "fuzz.h"
#include "sample.h"

#include "decode/decode.h"

#define HEAD 24u

/* A piece for each argument, its type now and then not the one that belongs there. */
static void add_pieces(struct sample *s, const uint8_t *data, size_t len, uint8_t odd)
{
	for (unsigned arg = 0; arg < s->call.desc->nargs; arg++) {
		unsigned kind = s->call.desc->args[arg].kind;
		enum rn_piece_type type = RN_PIECE_STRUCT;
		size_t from = len ? (arg * 7u) % len : 0;

		if (kind == RN_ARG_BUF_IN || kind == RN_ARG_BUF_OUT || odd == arg)
			type = RN_PIECE_BUFFER;
		else if (kind == RN_ARG_ARGV || kind == RN_ARG_ENVP)
			type = RN_PIECE_ARGV;
		else if (kind == RN_ARG_PATH || kind == RN_ARG_STRING)
			type = RN_PIECE_PATH;
		for (unsigned exit = 0; exit < 2; exit++)
			sample_piece(s, type, arg, data + from, len - from, data[from] * 3u,
				     (exit ? RN_PIECE_AT_EXIT : 0) | (odd & RN_PIECE_CUT));
		if (odd & 0x40)
			sample_piece(s, RN_PIECE_NETLINK, arg, NULL, 0, odd & 0x20 ? 4 : 0, 0);
	}
}

static void write_all(const struct rn_call *call, const struct rn_style *style)
{
	size_t room = rn_call_room(call);
	char *text = malloc(room), *end = text;

	CHECK(text != NULL);
	if (!text)
		return;
	for (unsigned arg = 0; arg < call->desc->nargs; arg++)
		if (!rn_arg_is_void(call, arg))
			end = rn_write_arg(end, call, arg, style);
	end = rn_write_result(end, call, style);
	CHECK((size_t)(end - text) <= room);
	for (const char *c = text; c < end; c++)
		CHECK(*c >= 0x20 && *c < 0x7f);
	free(text);
}

int fuzz_decode(const uint8_t *data, size_t size)
{
	static struct sample s;
	uint8_t bytes[640] = {0};
	uint64_t args[6] = {0};
	enum rn_abi abi;
	size_t len;

	if (size <= HEAD)
		return 0;
	abi = (enum rn_abi)(data[0] % RN_ABI_COUNT);
	if (rn_syscall_limit(abi) == 0)
		abi = RN_ABI_X86_64;
	for (unsigned i = 0; i < 6; i++)
		args[i] = data[4 + i] & 1 ? data[4 + i] >> 1
					  : (uint64_t)data[10 + i] << (data[4 + i] / 4);
	sample_nr(&s, abi, (data[1] | data[2] << 8) % rn_syscall_limit(abi), args);
	len = size - HEAD < sizeof(bytes) ? size - HEAD : sizeof(bytes);
	memcpy(bytes, data + HEAD, len);
	add_pieces(&s, bytes, len, data[3]);
	sample_result(&s, (int64_t)(int8_t)data[16]);
	for (unsigned limit = 0; limit < 2; limit++)
		write_all(&s.call, &(const struct rn_style){.string_limit = limit ? 32 : data[17],
							    .verbose = limit});
	return 0;
}

FUZZ_TARGET(fuzz_decode);
