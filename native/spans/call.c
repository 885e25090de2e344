/* SPDX-License-Identifier: MIT */
/* A call as the encoders see it, from its records; and what its captured data says. */
#include "call.h"

#include <string.h>

void rn_call_describe(const struct rn_id_key *key, struct rn_call *call,
		      const struct rn_process *process, const struct rn_event *ev)
{
	*call = (struct rn_call){
		.process = process,
		.desc = rn_syscall(ev->abi, ev->nr),
		.abi = ev->abi,
		.flags = ev->flags,
		.tid = ev->tid,
		.pid = ev->pid,
		.nr = ev->nr,
		.span_id = rn_id_of(key, ev->seq),
		.parent_span_id = process->ctx.span_id,
		.trace_id = process->ctx.trace_id,
		.trace_flags = process->ctx.flags,
		.seq = ev->seq,
		.t0 = ev->t0,
		.t1 = ev->t1,
		.result = ev->result,
		.entry = ev,
	};
	memcpy(call->args, ev->args, sizeof(call->args));
}

static const struct rn_piece *piece_of(const struct rn_event *ev, unsigned arg, bool at_exit)
{
	if (!ev)
		return NULL;
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->arg == arg && !!(p->flags & RN_PIECE_AT_EXIT) == at_exit)
			return p;
	return NULL;
}

const struct rn_piece *rn_call_piece(const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = piece_of(call->exit, arg, true);

	return piece ? piece : piece_of(call->entry, arg, false);
}

/* Its index among 32-bit words: behind three of them comes a union, which pointers align. */
static unsigned pid_in_siginfo(uint8_t abi)
{
	return abi == RN_ABI_X86_64 || abi == RN_ABI_AARCH64 ? 4 : 3;
}

int32_t rn_waited_for(const struct rn_call *call)
{
	const struct rn_piece *piece;
	int32_t status, info[5];

	if (call->result < 0)
		return 0;
	for (unsigned i = 0; i < call->desc->nargs; i++) {
		switch (call->desc->args[i].kind) {
		case RN_ARG_WAIT_STATUS:
			piece = rn_call_piece(call, i);
			if (!piece || piece->len < sizeof(status))
				return (int32_t)call->result; /* not asked for: an exit at best */
			memcpy(&status, rn_piece_data(piece), sizeof(status));
			/* stopped: 0x7f in the low byte; continued: 0xffff */
			return (status & 0xff) == 0x7f || status == 0xffff ? 0
									   : (int32_t)call->result;
		case RN_ARG_STRUCT_OUT: /* waitid: signo, errno, code, (pad,) pid */
			piece = rn_call_piece(call, i);
			if (!piece || piece->len < sizeof(info))
				return 0;
			memcpy(info, rn_piece_data(piece), sizeof(info));
			if (info[2] < 1 || info[2] > 3) /* CLD_EXITED … CLD_DUMPED */
				return 0;
			return info[pid_in_siginfo(call->abi)];
		default:
			break;
		}
	}
	return 0;
}

const char *rn_edge_name(enum rn_edge_kind kind)
{
	static const char *const names[RN_EDGE_KIND_COUNT] = {
		[RN_EDGE_NONE] = "none",       [RN_EDGE_FORK] = "fork",
		[RN_EDGE_EXEC] = "exec",       [RN_EDGE_WAIT] = "wait",
		[RN_EDGE_JOIN] = "join",       [RN_EDGE_PIPE] = "pipe",
		[RN_EDGE_UNIX] = "unix",       [RN_EDGE_TCP] = "tcp",
		[RN_EDGE_EVENTFD] = "eventfd", [RN_EDGE_SIGNAL] = "signal",
		[RN_EDGE_FUTEX] = "futex",     [RN_EDGE_MQUEUE] = "mqueue",
		[RN_EDGE_LOCK] = "lock",       [RN_EDGE_EOF] = "eof",
		[RN_EDGE_CONNECT] = "connect", [RN_EDGE_READY] = "ready",
	};

	return (unsigned)kind < RN_EDGE_KIND_COUNT ? names[kind] : names[RN_EDGE_NONE];
}
