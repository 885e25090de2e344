/* SPDX-License-Identifier: MIT */
/* Lines of text for what is no call: signals, exits, gaps. */
#include <signal.h>

#include "text_line.h"

enum {
	CODE_FROM_KILL = 0,   /* SI_USER */
	CODE_FROM_TIMER = -2, /* SI_TIMER */
	CODE_FROM_TKILL = -6, /* SI_TKILL */
	CODE_EXITED = 1       /* CLD_EXITED */
};

static void put_source(struct line *line, const struct rn_event *ev)
{
	PUT(line, ", si_pid=");
	line->end = rn_write_i64(line->end, (int32_t)ev->args[1]);
	PUT(line, ", si_uid=");
	line->end = rn_write_u64(line->end, (uint32_t)ev->args[2]);
}

static void put_address(struct line *line, uint64_t address)
{
	if (address)
		line->end = rn_write_hex(line->end, address);
	else
		PUT(line, "NULL");
}

static void put_value(struct line *line, uint64_t value)
{
	PUT(line, ", si_int=");
	line->end = rn_write_i64(line->end, (int32_t)value);
	PUT(line, ", si_ptr=");
	put_address(line, value);
}

/* From a program: kill(), sigqueue(), a timer. */
static void put_user_fields(struct line *line, const struct rn_event *ev, int code)
{
	if (code == CODE_FROM_TIMER) {
		/* A timer's id and overrun lie where the sender's pid and uid are elsewhere. */
		PUT(line, ", si_timerid=");
		line->end = rn_write_hex(line->end, (uint32_t)ev->args[1]);
		PUT(line, ", si_overrun=");
		line->end = rn_write_i64(line->end, (int32_t)ev->args[2]);
		put_value(line, ev->args[3]);
		return;
	}
	put_source(line, ev);
	if (code != CODE_FROM_KILL && code != CODE_FROM_TKILL && ev->args[3])
		put_value(line, ev->args[3]);
}

/* From the kernel: which fields there are depends on the signal. */
static void put_kernel_fields(struct line *line, const struct rn_event *ev, int code)
{
	int status = (int32_t)ev->args[4];

	switch (ev->nr) {
	case SIGCHLD:
		put_source(line, ev);
		PUT(line, ", si_status=");
		if (code == CODE_EXITED)
			line->end = rn_write_i64(line->end, status);
		else
			line->end = rn_write_signal(line->end, status);
		return;
	case SIGILL:
	case SIGFPE:
	case SIGSEGV:
	case SIGBUS:
		PUT(line, ", si_addr=");
		put_address(line, ev->args[3]);
		return;
	case SIGIO:
	case SIGSYS:
		return; /* si_band, si_call_addr: not in the record */
	default:
		if (ev->args[1] || ev->args[2])
			put_source(line, ev);
	}
}

static void put_signal(struct line *line, const struct rn_event *ev)
{
	int code = (int32_t)ev->args[0];
	const char *name = rn_si_code_name(ev->nr, code);
	const struct rn_piece *piece = ev->pieces ? rn_piece_first(ev) : NULL;
	static const struct rn_style style;
	char *end = NULL;

	PUT(line, "--- ");
	line->end = rn_write_signal(line->end, ev->nr);
	/* The tracer's own struct siginfo, whatever the program's ABI is. */
	if (piece && piece->type == RN_PIECE_STRUCT && !(piece->flags & RN_PIECE_UNREAD)) {
		*line->end = ' ';
		end = rn_write_shape(line->end + 1, RN_SHAPE_SIGINFO,
				     &(const struct rn_value){rn_piece_data(piece), piece->len,
							      RN_ABI_X86_64, &style, NULL, 0});
	}
	if (end) {
		line->end = end;
		PUT(line, " ---");
		return;
	}
	PUT(line, " {si_signo=");
	line->end = rn_write_signal(line->end, ev->nr);
	PUT(line, ", si_code=");
	if (name)
		put(line, name);
	else
		line->end = rn_write_i64(line->end, code);
	if (code <= 0)
		put_user_fields(line, ev, code);
	else
		put_kernel_fields(line, ev, code);
	PUT(line, "} ---");
}

void rn_text_signal(struct rn_text *text, struct rn_buf *buf, const struct rn_signal_event *sig)
{
	const struct rn_event *ev = sig->ev;
	struct line line;

	/* strace tells of the stop; that it is over is told by the signal that ended it. */
	if (ev->kind == RN_GROUP_STOP && ev->nr == 0)
		return;
	if (!rn_text_begin(text, buf, &line, ev->tid, ev->t0, 0))
		return;
	if (ev->kind == RN_GROUP_STOP) {
		PUT(&line, "--- stopped by ");
		line.end = rn_write_signal(line.end, ev->nr);
		PUT(&line, " ---");
	} else {
		put_signal(&line, ev);
	}
	rn_text_finish(buf, &line);
}

void rn_text_gone(struct rn_text *text, int32_t tid, uint32_t live)
{
	struct text_thread *thread = rn_text_threads_find(&text->threads, tid);

	if (thread)
		rn_text_threads_remove(&text->threads, thread);
	text->live = live;
}

void rn_text_exit(struct rn_text *text, struct rn_buf *buf, const struct rn_event *ev,
		  uint32_t live)
{
	uint32_t status = (uint32_t)ev->args[1];
	struct line line;

	/* strace, too, tells of deaths by signals whatever -qq says. */
	if ((!(text->flags & RN_TEXT_NO_EXITS) || (status & 0x7f)) &&
	    rn_text_begin(text, buf, &line, ev->tid, ev->t0, 0)) {
		if (status & 0x7f) {
			PUT(&line, "+++ killed by ");
			line.end = rn_write_signal(line.end, (int)(status & 0x7f));
			if (status & 0x80)
				PUT(&line, " (core dumped)");
		} else {
			PUT(&line, "+++ exited with ");
			line.end = rn_write_u64(line.end, (status >> 8) & 0xff);
		}
		PUT(&line, " +++");
		rn_text_finish(buf, &line);
	}
	rn_text_gone(text, ev->tid, live);
}

void rn_text_gap(struct rn_text *text, struct rn_buf *buf, const struct rn_event *ev)
{
	struct line line;

	/* No prefix: what was lost belongs to no one thread. */
	if (!rn_text_begin(text, buf, &line, 0, ev->t1, 0))
		return;
	PUT(&line, "--- ");
	line.end = rn_write_u64(line.end, ev->args[0]);
	put(&line, ev->args[0] == 1 ? " event lost here (" : " events lost here (");
	line.end = rn_write_u64(line.end, ev->args[1]);
	put(&line, ev->args[1] == 1 ? " whole call) ---" : " whole calls) ---");
	rn_text_finish(buf, &line);
}
