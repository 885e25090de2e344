/* SPDX-License-Identifier: MIT */
#include "peaks.h"

#include <linux/sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "renacer/syscalls.h"

/* Of a process. */
struct peak {
	uint64_t bytes;
	int32_t signal; /* at which it was told last; 0 = none */
	bool exits;     /* it was told at the entry of exit or exit_group, of this program */
	bool shares;    /* the memory is its maker's, or was copied from us */
};

void rn_peaks_init(struct peaks *peaks)
{
	*peaks = (struct peaks){.rows.size = sizeof(struct peak)};
}

void rn_peaks_deinit(struct peaks *peaks)
{
	free(peaks->rows.rows);
}

/* NULL: no memory, counted; or a number that no process can have yet. */
static struct peak *peak_of(struct peaks *peaks, struct allowance *allowance, uint64_t ordinal,
			    uint64_t threads)
{
	struct column *rows = &peaks->rows;

	if (ordinal > threads + 1)
		return NULL;
	if (ordinal >= rows->n && !rn_rows_add(allowance, rows, ordinal + 1 - rows->n))
		return NULL;
	return (struct peak *)(void *)rows->rows + ordinal;
}

/* The number that a record carries; false: it has none. */
static bool told(const struct rn_event *ev, uint64_t *bytes)
{
	const struct rn_piece *piece = rn_piece_first(ev);

	while (piece && piece->type != RN_PIECE_PEAK)
		piece = rn_piece_next(ev, piece);
	if (!piece || piece->len != sizeof(*bytes))
		return false;
	memcpy(bytes, rn_piece_data(piece), sizeof(*bytes));
	return true;
}

static void take(struct peaks *peaks, struct allowance *allowance, const struct rn_event *ev,
		 uint64_t threads, const rn_replay_thread *of)
{
	struct peak *peak;
	uint64_t bytes;

	if (!of || !told(ev, &bytes))
		return;
	peak = peak_of(peaks, allowance, of->ordinal, threads);
	if (!peak || peak->shares)
		return;
	if (bytes > peak->bytes)
		peak->bytes = bytes;
	if (ev->kind == RN_SIGNAL)
		peak->signal = ev->nr;
	else
		peak->exits = rn_syscall((enum rn_abi)ev->abi, ev->nr)->flags & RN_CALL_NO_RETURN;
}

void rn_peaks_follow(struct peaks *peaks, struct allowance *allowance, const struct rn_event *ev,
		     uint64_t threads, const rn_replay_thread *of)
{
	struct peak *peak;

	switch ((enum rn_kind)ev->kind) {
	case RN_PROCESS_START:
		if (ev->tid != ev->pid ||
		    !(ev->args[3] & CLONE_VM || ev->args[4] == RN_BIRTH_VFORK ||
		      ev->args[4] == RN_BIRTH_LAUNCH))
			break;
		peak = peak_of(peaks, allowance, ev->args[0], threads);
		if (peak)
			peak->shares = true;
		break;
	case RN_EXEC:
		peak = peak_of(peaks, allowance, ev->args[0], threads);
		if (peak) {
			peak->shares = peak->exits = false;
			peak->signal = 0;
		}
		break;
	case RN_SYSCALL:
	case RN_SYSCALL_ENTER:
		if (rn_syscall((enum rn_abi)ev->abi, ev->nr)->flags &
		    (RN_CALL_NO_RETURN | RN_CALL_EXEC))
			take(peaks, allowance, ev, threads, of);
		break;
	case RN_SIGNAL:
		take(peaks, allowance, ev, threads, of);
		break;
	default:
		break;
	}
}

void rn_peaks_tell(const struct peaks *peaks, rn_replay_process *row)
{
	const struct peak *peak = (const void *)peaks->rows.rows;

	if (row->ordinal >= peaks->rows.n)
		return;
	peak += row->ordinal;
	row->shares = peak->shares;
	row->peak = peak->bytes;
	row->peak_known = row->ended && (WIFEXITED(row->wait_status)
						 ? peak->exits
						 : peak->signal == WTERMSIG(row->wait_status));
}
