/* SPDX-License-Identifier: MIT */
/*
 * Lines of text, as strace 6.1 writes them. A call whose entry comes alone leaves its
 * line without an end: the exit goes on there if nothing else was printed between,
 * else the line is broken off with <unfinished ...>.
 */
#include <linux/sched.h>
#include <stdlib.h>

#include "text_line.h"

/* The result of a call starts at this column, or after the call if that is longer. */
#define RESULT_COLUMN 40u
#define RESULT_COLUMN_MAX 1024u

struct rn_text *rn_text_create(const struct rn_text_config *config)
{
	struct rn_text *text = calloc(1, sizeof(*text));

	if (text) {
		text->flags = config->flags;
		text->style.string_limit = config->string_limit;
		text->style.verbose = config->flags & RN_TEXT_VERBOSE;
		text->column = config->column ? config->column : RESULT_COLUMN;
		if (text->column > RESULT_COLUMN_MAX)
			text->column = RESULT_COLUMN_MAX;
		text->realtime_anchor = config->realtime_anchor;
		text->monotonic_anchor = config->monotonic_anchor;
		text->site = config->site;
		text->site_ctx = config->site_ctx;
		text->live = 1;
	}
	return text;
}

void rn_text_destroy(struct rn_text *text)
{
	if (!text)
		return;
	rn_text_threads_deinit(&text->threads);
	free(text);
}

void rn_text_live(struct rn_text *text, uint32_t live)
{
	text->live = live;
}

static void put_pid(struct rn_text *text, struct line *line, int32_t tid)
{
	char digits[RN_NUMBER_MAX];
	size_t len;

	if (text->flags & RN_TEXT_PID_ALWAYS) {
		char *start = line->end;

		line->end = rn_write_i64(line->end, tid);
		while (line->end - start < 5)
			*line->end++ = ' ';
		*line->end++ = ' ';
	} else if ((text->flags & RN_TEXT_PID_BRACKET) && text->live > 1) {
		len = (size_t)(rn_write_i64(digits, tid) - digits);
		PUT(line, "[pid ");
		for (size_t i = len; i < 5; i++)
			*line->end++ = ' ';
		memcpy(line->end, digits, len);
		line->end += len;
		PUT(line, "] ");
	}
}

static bool reserve(struct rn_buf *buf, struct line *line, size_t room)
{
	if (!rn_buf_reserve(buf, LINE_ROOM + RESULT_COLUMN_MAX + room))
		return false;
	line->start = line->end = (char *)buf->data + buf->len;
	line->column = 0;
	return true;
}

static void keep(struct rn_buf *buf, struct line *line)
{
	buf->len += (size_t)(line->end - line->start);
	line->start = line->end;
}

bool rn_text_begin(struct rn_text *text, struct rn_buf *buf, struct line *line, int32_t tid,
		   uint64_t at, size_t room)
{
	if (!reserve(buf, line, room))
		return false;
	if (text->pending_tid) {
		PUT(line, " <unfinished ...>\n");
		keep(buf, line);
		text->pending_tid = 0;
	}
	if (tid)
		put_pid(text, line, tid);
	rn_text_put_time(text, line, at);
	return true;
}

void rn_text_finish(struct rn_buf *buf, struct line *line)
{
	*line->end++ = '\n';
	keep(buf, line);
}

static void put_name(struct line *line, const struct rn_call *call)
{
	if (call->desc->name) {
		put(line, call->desc->name);
		return;
	}
	PUT(line, "syscall_");
	/* As the program gave it: the bit that says x32 is kept in `abi`. */
	line->end = rn_write_hex(line->end, (uint64_t)(int64_t)call->nr |
						    (call->abi == RN_ABI_X32 ? 0x40000000u : 0));
}

/*
 * clone(): stack first, then flags with the signal, then what the flags ask for, each with
 * its name; what the kernel writes to is shown at the exit.
 */
static unsigned put_named_args(struct line *line, const struct rn_call *call, unsigned first,
			       bool entry)
{
	static const struct {
		const char *arg, *shown;
		uint64_t flags;
	} named[] = {
		{"parent_tidptr", ", parent_tid=", CLONE_PARENT_SETTID | CLONE_PIDFD},
		{"tls", ", tls=", CLONE_SETTLS},
		{"child_tidptr", ", child_tidptr=", CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID},
	};
	const struct rn_syscall_desc *desc = call->desc;
	uint64_t flags = call->args[0];

	if (first == 0) {
		PUT(line, "child_stack=");
		if (call->args[1])
			line->end = rn_write_hex(line->end, call->args[1]);
		else
			PUT(line, "NULL");
		PUT(line, ", flags=");
		if (flags & ~0xffull || !(flags & 0xff))
			line->end = rn_write_names(line->end, RN_SET_CLONE, call->abi,
						   flags & ~0xffull);
		if (flags & ~0xffull && flags & 0xff)
			PUT(line, "|");
		if (flags & 0xff)
			line->end = rn_write_signal(line->end, (int)(flags & 0xff));
		if (entry)
			return 2;
	}
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		for (unsigned arg = 2; arg < desc->nargs; arg++) {
			if (!(flags & named[i].flags) || strcmp(desc->args[arg].name, named[i].arg))
				continue;
			put(line, named[i].shown);
			if (call->args[arg])
				line->end = rn_write_hex(line->end, call->args[arg]);
			else
				PUT(line, "NULL");
		}
	return desc->nargs;
}

/*
 * Arguments from `first` on; with `entry` up to the first one that only the exit
 * tells, the comma before it included. Returns the argument that comes next.
 */
static unsigned put_args(struct rn_text *text, struct line *line, const struct rn_call *call,
			 unsigned first, bool entry)
{
	const struct rn_syscall_desc *desc = call->desc;
	unsigned arg;

	if (desc->flags & RN_CALL_NAMED_FLAGS)
		return put_named_args(line, call, first, entry);
	for (arg = first; arg < desc->nargs; arg++) {
		if (rn_arg_is_void(call, arg))
			continue;
		if (arg > first)
			PUT(line, ", ");
		if (entry && rn_arg_is_out(call, arg))
			return arg;
		line->end = rn_write_arg(line->end, call, arg, &text->style);
	}
	return arg;
}

static void put_result(struct rn_text *text, struct line *line, const struct rn_call *call)
{
	int err = call->result < 0 && call->result >= -4095 ? (int)-call->result : 0;
	const char *name = rn_errno_name(err);

	if ((call->flags & RN_FLAG_INTERRUPTED) && name) {
		PUT(line, "? ");
		put(line, name);
	} else if (err && (call->flags & RN_FLAG_FAILED ||
			   call->desc->flags & RN_CALL_NO_RESULT)) { /* as strace shows it */
		PUT(line, "-1 ");
		if (!name) {
			PUT(line, "(errno ");
			line->end = rn_write_u64(line->end, (uint64_t)err);
			PUT(line, ")");
			return;
		}
		put(line, name);
	} else if (call->desc->flags & RN_CALL_RESULT_PTR) {
		line->end = rn_write_hex(line->end, (uint64_t)call->result);
		return;
	} else if (call->desc->flags & RN_CALL_RESULT_OCTAL) {
		line->end = rn_write_octal(line->end, (uint64_t)call->result);
		return;
	} else {
		line->end = rn_write_result(line->end, call, &text->style);
		return;
	}
	PUT(line, " (");
	put(line, rn_errno_text(err));
	PUT(line, ")");
}

static void put_duration(struct line *line, const struct rn_call *call)
{
	uint64_t us = call->t1 > call->t0 ? (call->t1 - call->t0) / 1000 : 0;
	uint64_t rest = us % 1000000;
	char *digit;

	PUT(line, " <");
	line->end = rn_write_u64(line->end, us / 1000000);
	PUT(line, ".000000>");
	digit = line->end - 1;
	for (; rest; rest /= 10)
		*--digit = (char)('0' + rest % 10);
}

/*
 * The call up to its arguments. A call that takes none and goes on with another one,
 * which a signal had cut short (restart_syscall), names that one.
 */
static void put_head(struct line *line, const struct rn_call *call,
		     const struct text_thread *thread)
{
	put_name(line, call);
	*line->end++ = '(';
	if ((call->flags & RN_FLAG_RESTARTED) && call->desc->nargs == 0 && thread &&
	    thread->paused && thread->paused != call->desc->name) {
		PUT(line, "<... resuming interrupted ");
		put(line, thread->paused);
		PUT(line, " ...>");
	}
}

/* At most `max` bytes, the last ones: they tell more. */
static void put_escaped(struct line *line, const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len > max)
		text += len - max;
	line->end =
		rn_write_escaped(line->end, (const uint8_t *)text, len > max ? max : len, false);
}

/* Where the call was made: " [src/main.c:41 main]", of code without lines " [prog+0x1136 main]". */
static void put_source(struct rn_text *text, struct line *line, const struct rn_call *call)
{
	const struct rn_site *site = text->site ? text->site(text->site_ctx, call) : NULL;
	const char *slash;

	if (!site || site->how == RN_SOURCE_NONE)
		return;
	PUT(line, " [");
	if (*site->file) {
		put_escaped(line, site->file, SOURCE_FILE_MAX);
		PUT(line, ":");
		line->end = rn_write_u64(line->end, site->line);
	} else if (*site->module) {
		slash = strrchr(site->module, '/');
		put_escaped(line, slash ? slash + 1 : site->module, SOURCE_FILE_MAX);
		PUT(line, "+");
		line->end = rn_write_hex(line->end, site->offset);
	} else {
		PUT(line, "?");
	}
	if (*site->function) {
		PUT(line, " ");
		put_escaped(line, site->function, SOURCE_FUNCTION_MAX);
	}
	PUT(line, "]");
}

/* From the closing bracket to the result. */
static void put_end(struct rn_text *text, struct line *line, const struct rn_call *call,
		    bool unfinished)
{
	size_t column;

	PUT(line, ") ");
	column = line->column + (size_t)(line->end - line->start);
	for (; column < text->column; column++)
		*line->end++ = ' ';
	PUT(line, "= ");
	if (unfinished) {
		*line->end++ = '?';
		return;
	}
	put_result(text, line, call);
	if (text->flags & RN_TEXT_DURATION)
		put_duration(line, call);
}

/* From the closing bracket to the end of the line. */
static void put_tail(struct rn_text *text, struct line *line, const struct rn_call *call,
		     bool unfinished)
{
	put_end(text, line, call, unfinished);
	put_source(text, line, call);
}

/* What the arguments and the place take. */
static size_t room_for(const struct rn_text *text, const struct rn_call *call)
{
	return rn_call_room(call) + (text->site ? SOURCE_ROOM : 0);
}

static enum rn_hex hex_of(const struct rn_text *text)
{
	return (enum rn_hex)(text->flags >> RN_TEXT_HEX_SHIFT & 3);
}

static void enter_call(struct rn_text *text, struct rn_buf *buf, const struct rn_call *call)
{
	struct text_thread *thread = rn_text_threads_add(&text->threads, call->tid);
	struct line line;

	/* Without memory to remember it by, the call is printed whole when it is over. */
	if (!thread || !rn_text_begin(text, buf, &line, call->tid, call->t0, room_for(text, call)))
		return;
	put_head(&line, call, thread);
	thread->next_arg = (uint8_t)put_args(text, &line, call, 0, true);
	thread->open = true;
	thread->seq = call->seq;
	thread->done = call->desc->flags & RN_CALL_NO_RETURN;
	if (thread->done) {
		put_tail(text, &line, call, true);
		rn_text_finish(buf, &line);
		return;
	}
	text->pending_tid = call->tid;
	text->pending_column = (size_t)(line.end - line.start);
	keep(buf, &line);
}

void rn_text_enter(struct rn_text *text, struct rn_buf *buf, const struct rn_call *call)
{
	rn_quote_in_hex(hex_of(text));
	enter_call(text, buf, call);
	rn_quote_in_hex(RN_HEX_NONE);
}

/* The start of a call's line, or what stands for it in the line of the second half. */
static bool begin_call(struct rn_text *text, struct rn_buf *buf, struct line *line,
		       const struct rn_call *call, const struct text_thread *thread, bool second)
{
	size_t room = room_for(text, call);

	if (second && text->pending_tid == call->tid) {
		if (!reserve(buf, line, room))
			return false;
		line->column = text->pending_column;
		text->pending_tid = 0;
		return true;
	}
	if (!rn_text_begin(text, buf, line, call->tid, second ? call->t1 : call->t0, room))
		return false;
	if (!second) {
		put_head(line, call, thread);
		return true;
	}
	PUT(line, "<... ");
	put_name(line, call);
	PUT(line, " resumed>");
	return true;
}

static void put_call(struct rn_text *text, struct rn_buf *buf, const struct rn_call *call,
		     const struct text_thread *thread)
{
	bool second = thread && thread->open && thread->seq == call->seq;
	bool unfinished =
		(call->flags & RN_FLAG_UNFINISHED) || (call->desc->flags & RN_CALL_NO_RETURN);
	struct line line;
	unsigned arg;

	if (second && thread->done)
		return;
	if (!begin_call(text, buf, &line, call, thread, second))
		return;
	arg = put_args(text, &line, call, second ? thread->next_arg : 0, unfinished);
	if (call->flags & RN_FLAG_DETACHED) {
		PUT(&line, " <detached ...>");
		rn_text_finish(buf, &line);
		return;
	}
	if (unfinished && arg < call->desc->nargs)
		PUT(&line, " <unfinished ...>");
	put_tail(text, &line, call, unfinished);
	rn_text_finish(buf, &line);
}

void rn_text_call(struct rn_text *text, struct rn_buf *buf, const struct rn_call *call)
{
	struct text_thread *thread = rn_text_threads_find(&text->threads, call->tid);

	rn_quote_in_hex(hex_of(text));
	put_call(text, buf, call, thread);
	rn_quote_in_hex(RN_HEX_NONE);
	if (thread)
		rn_text_threads_remove(&text->threads, thread);
	if (call->flags & RN_FLAG_INTERRUPTED) {
		thread = rn_text_threads_add(&text->threads, call->tid);
		if (thread)
			thread->paused = call->desc->name;
	}
}
