/* SPDX-License-Identifier: MIT */
/* Reads of a signalfd, signalfd(2): which signals they took, as far as it was captured. */
#include <stddef.h>
#include <string.h>
#include <sys/signalfd.h>

#include "signals.h"

/* The end of what tells who sent it, and of all that signals.c looks at. */
#define SENDER_END offsetof(struct signalfd_siginfo, ssi_uid)
#define VALUE_END offsetof(struct signalfd_siginfo, ssi_utime)

/* What the read has put into its buffer; NULL: it was not captured. */
static const struct rn_piece *buffer_of(const struct rn_call *call)
{
	const struct rn_piece *piece = rn_call_piece(call, 1);

	return piece && piece->type == RN_PIECE_BUFFER && piece->flags & RN_PIECE_AT_EXIT ? piece
											  : NULL;
}

void rn_signals_read(struct edges *edges, struct thread *thread, const struct rn_call *call,
		     struct joined *joined)
{
	const struct rn_piece *piece = buffer_of(call);
	struct signalfd_siginfo one;
	uint32_t len = piece ? piece->len : 0;
	int64_t end = call->flags & RN_FLAG_UNFINISHED ? 0 : call->result;

	for (uint32_t at = 0; at < end; at += (uint32_t)sizeof(one)) {
		uint32_t there = at < len ? len - at : 0;
		struct signal_info info;

		if (there < SENDER_END) {
			rn_signals_unknown(edges, thread, joined);
			return;
		}
		memcpy(&one, rn_piece_data(piece) + at, there < sizeof(one) ? there : sizeof(one));
		info = (struct signal_info){
			.sig = (int32_t)one.ssi_signo,
			.code = one.ssi_code,
			.pid = (int32_t)one.ssi_pid,
			.has_value = there >= VALUE_END,
		};
		if (info.has_value)
			info.value = one.ssi_ptr;
		rn_signals_arrived(edges, thread, &info, joined);
	}
}
