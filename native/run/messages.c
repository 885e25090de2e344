/* SPDX-License-Identifier: MIT */
#include "messages.h"

#include <string.h>
#include <sys/socket.h>

#include "decode/decode.h"
#include "renacer/syscalls.h"

/* One of a list, and what is left behind it. */
struct message {
	struct rn_message_head head;
	const uint8_t *name, *control;
	size_t name_len, control_len;
};

static const uint8_t *take(const uint8_t **data, size_t *left, uint32_t bytes, size_t *len)
{
	const uint8_t *at = *data;
	size_t padded;

	*len = bytes == UINT32_MAX ? 0 : bytes;
	padded = (*len + 7) & ~(size_t)7;
	if (padded > *left)
		return NULL;
	*data += padded;
	*left -= padded;
	return at;
}

static bool next_message(const uint8_t **data, size_t *left, struct message *to)
{
	size_t unused;

	if (*left < sizeof(to->head))
		return false;
	memcpy(&to->head, *data, sizeof(to->head));
	*data += sizeof(to->head);
	*left -= sizeof(to->head);
	to->name = take(data, left, to->head.name_bytes, &to->name_len);
	if (!to->name || !take(data, left, to->head.iov_bytes, &unused))
		return false;
	to->control = take(data, left, to->head.control_bytes, &to->control_len);
	return to->control != NULL;
}

bool rn_message_peer(const struct rn_call *call, struct rn_peer *peer)
{
	for (unsigned arg = 0; arg < call->desc->nargs && arg < 6; arg++) {
		unsigned kind = call->desc->args[arg].kind;
		bool out = kind == RN_ARG_MSG_OUT || kind == RN_ARG_MMSG_OUT;
		const struct rn_piece *piece;
		struct message message;
		const uint8_t *data;
		size_t left;

		if (!out && kind != RN_ARG_MSG_IN && kind != RN_ARG_MMSG_IN)
			continue;
		piece = out && rn_gave_nothing(call) ? NULL : rn_struct_at(call, arg, out);
		if (!piece)
			return false;
		data = rn_piece_data(piece);
		left = piece->len;
		if (!next_message(&data, &left, &message))
			return false;
		peer->local = false;
		if (message.head.namelen < message.name_len)
			message.name_len = message.head.namelen;
		return rn_peer_of(message.name, message.name_len, peer);
	}
	return false;
}

unsigned rn_message_rights(const struct rn_event *ev, int32_t *fds, unsigned max)
{
	const struct rn_syscall_desc *desc = rn_syscall((enum rn_abi)ev->abi, ev->nr);
	size_t word = ev->abi == RN_ABI_X86_64 || ev->abi == RN_ABI_AARCH64 ? 8 : 4;
	unsigned n = 0;

	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p)) {
		unsigned kind = p->arg < desc->nargs && p->arg < 6 ? desc->args[p->arg].kind : 0;
		const uint8_t *data = rn_piece_data(p);
		size_t left = p->len;
		struct message message;

		if (p->type != RN_PIECE_STRUCT || p->flags & (RN_PIECE_AT_EXIT | RN_PIECE_UNREAD) ||
		    (kind != RN_ARG_MSG_IN && kind != RN_ARG_MMSG_IN))
			continue;
		while (next_message(&data, &left, &message)) {
			struct rn_control control;

			while (rn_control_next(&message.control, &message.control_len, word,
					       &control)) {
				if (control.level != SOL_SOCKET || control.type != SCM_RIGHTS)
					continue;
				for (size_t at = 0; at + sizeof(*fds) <= control.len && n < max;
				     at += sizeof(*fds))
					memcpy(&fds[n++], control.data + at, sizeof(*fds));
			}
		}
	}
	return n;
}
