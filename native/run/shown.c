/* SPDX-License-Identifier: MIT */
#include "shown.h"

#include <stdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "decode/decode.h"
#include "renacer/content.h"
#include "renacer/replay.h"

#include "details.h"
#include "folders.h"
#include "messages.h"
#include "places.h"

#define TEXT_MAX (256u * 1024u) /* of a call's arguments; of what is longer there is a hash */
#define TAIL_MAX 80u            /* that tells of it */
#define ROOM_MAX (4u * 1024u * 1024u) /* to write them; a call that needs more is not shown */
#define ITEMS_MAX RN_EVENT_MAX /* bytes of a string, items of a list: all that there are */
#define SEPARATOR '\x1f'
#define FIRST_PATH '\x01' /* of the details */
#define OTHER_PATH '\x02'
#define FIRST_FD '\x03' /* of the details: its object */
#define OTHER_FD '\x04' /* rn_replay_shown.other */
#define PASSED_MAX 64u /* descriptors of one call's messages */
#define PROCESS_ID '\x05' /* comes before a number */

/* What a thread's call was given at its entry. */
struct held {
	uint64_t other;     /* object of its second descriptor; 0 = not known, or none */
	uint64_t folder[2]; /* that its paths are from: as folders.h has it */
	uint8_t kind, foreign, standard; /* of the first */
	uint8_t other_standard, messages;
	bool begun; /* the thread has made a call */
	uint32_t passed;
};

struct shown {
	struct rn_interpreter *interpreter; /* NULL once finished */
	struct allowance *allowance;
	struct details *details;
	struct column rows; /* rn_replay_shown */
	struct column held; /* by thread */
	struct column standard; /* by the object's number: rn_replay_shown.standard, in a byte */
	struct folders folders;
	char *scratch;
	size_t room; /* of it */
};

struct shown *rn_shown_create(struct rn_interpreter *in, struct allowance *allowance,
			      struct details *details)
{
	struct shown *shown = calloc(1, sizeof(*shown));

	if (!shown)
		return NULL;
	shown->interpreter = in;
	shown->allowance = allowance;
	shown->details = details;
	shown->rows.size = sizeof(rn_replay_shown);
	shown->held.size = sizeof(struct held);
	shown->standard.size = 1;
	rn_folders_init(&shown->folders, allowance, details);
	return shown;
}

void rn_shown_finish(struct shown *shown)
{
	shown->interpreter = NULL;
	free(shown->held.rows);
	free(shown->standard.rows);
	free(shown->scratch);
	rn_folders_finish(&shown->folders);
	shown->held.rows = shown->standard.rows = NULL;
	shown->held.n = shown->standard.n = shown->room = 0;
	shown->scratch = NULL;
}

void rn_shown_destroy(struct shown *shown)
{
	if (!shown)
		return;
	rn_shown_finish(shown);
	free(shown->rows.rows);
	free(shown);
}

/* Which argument is the call's `nth` of this kind; -1: none. */
static int argument_at(const struct rn_syscall_desc *desc, unsigned kind, unsigned nth)
{
	for (unsigned arg = 0; arg < desc->nargs && arg < 6; arg++)
		if (desc->args[arg].kind == kind && nth-- == 0)
			return (int)arg;
	return -1;
}

/* What a process that nobody here made begins with: its streams may be one object. */
static void learn_standard(struct shown *shown, int32_t tid)
{
	uint64_t known = shown->standard.n;

	for (int32_t fd = 0; fd < 3; fd++) {
		uint64_t object = rn_interpreter_object(shown->interpreter, tid, fd);

		if (!object || object < known)
			continue;
		if (object >= shown->standard.n && !rn_rows_add(shown->allowance, &shown->standard,
								object + 1 - shown->standard.n))
			continue;
		shown->standard.rows[object] |= (uint8_t)(1u << fd);
	}
}

static uint8_t standard_of(const struct shown *shown, uint64_t object)
{
	return object < shown->standard.n ? shown->standard.rows[object] : 0;
}

static void learn_kind(struct shown *shown, struct held *held, int32_t tid, int32_t fd)
{
	struct rn_descriptor found;

	held->kind = held->foreign = held->standard = 0;
	if (fd < 0 || !rn_interpreter_descriptor(shown->interpreter, tid, fd, &found) ||
	    found.fd != fd)
		return;
	held->kind = (uint8_t)(found.id.kind + 1);
	held->foreign = found.foreign;
	held->standard = standard_of(shown, found.object);
	held->messages = found.id.kind == RN_OBJECT_MQUEUE ||
			 (found.id.kind == RN_OBJECT_SOCKET && found.id.type &&
			  found.id.type != SOCK_STREAM);
}

/* rn_replay_shown.passed */
static uint32_t passed_on(struct shown *shown, const struct rn_event *ev)
{
	char text[PASSED_MAX * 40];
	int32_t fds[PASSED_MAX];
	unsigned n = rn_message_rights(ev, fds, PASSED_MAX);
	size_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		struct held held = {0};
		uint64_t object = rn_interpreter_object(shown->interpreter, ev->tid, fds[i]);

		learn_kind(shown, &held, ev->tid, fds[i]);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u,%u,%u;", held.kind,
					held.standard, rn_details_name(shown->details, object));
	}
	return len ? rn_details_text(shown->details, text, len) : 0;
}

/* What a path is from: the descriptor before it, or where the thread is. */
static uint64_t folder_of(const struct shown *shown, const struct rn_event *ev,
			  const struct rn_syscall_desc *desc, unsigned nth)
{
	int arg = argument_at(desc, RN_ARG_PATH, nth) - 1;
	uint64_t object;

	if (arg < 0 || desc->args[arg].kind != RN_ARG_DIRFD || (int32_t)ev->args[arg] < 0)
		return RN_FOLDER_OWN;
	object = rn_interpreter_object(shown->interpreter, ev->tid, (int32_t)ev->args[arg]);
	return object ? object : RN_FOLDER_UNKNOWN;
}

void rn_shown_before(struct shown *shown, const struct rn_event *ev, uint32_t thread, bool is_made)
{
	const struct rn_syscall_desc *desc;
	struct held *held;
	int arg;

	if (thread == RN_NO_PLACE || (ev->kind != RN_SYSCALL && ev->kind != RN_SYSCALL_ENTER))
		return;
	if (thread >= shown->held.n &&
	    !rn_rows_add(shown->allowance, &shown->held, thread + 1 - shown->held.n))
		return;
	held = (struct held *)(void *)shown->held.rows + thread;
	if (!held->begun && !is_made)
		learn_standard(shown, ev->tid);
	*held = (struct held){.begun = true};
	desc = rn_syscall((enum rn_abi)ev->abi, ev->nr);
	learn_kind(shown, held, ev->tid, rn_details_fd(desc, ev->args, ev));
	arg = argument_at(desc, RN_ARG_FD, 1);
	if (arg >= 0 && (int32_t)ev->args[arg] >= 0)
		held->other =
			rn_interpreter_object(shown->interpreter, ev->tid, (int32_t)ev->args[arg]);
	held->other_standard = standard_of(shown, held->other);
	held->passed = passed_on(shown, ev);
	for (unsigned nth = 0; nth < 2; nth++)
		held->folder[nth] = folder_of(shown, ev, desc, nth);
}

void rn_shown_start(struct shown *shown, const struct rn_event *ev, uint32_t thread, uint32_t maker)
{
	rn_folders_start(&shown->folders, thread, maker, ev->tid == ev->pid, ev->args[3]);
}

/* Bytes that pass through, and where to: how many is the call's effect, not which it asked for. */
static bool is_content(unsigned kind, uint32_t form)
{
	switch (kind) {
	case RN_ARG_BUF_IN:
		return !rn_value_reach(form);
	case RN_ARG_BUF_OUT:
	case RN_ARG_IOVEC_IN:
	case RN_ARG_IOVEC_OUT:
	case RN_ARG_MSG_IN:
	case RN_ARG_MSG_OUT:
	case RN_ARG_MMSG_IN:
	case RN_ARG_MMSG_OUT:
		return true;
	default:
		return false;
	}
}

static bool has_content(const struct rn_call *call)
{
	for (unsigned arg = 0; arg < call->desc->nargs; arg++)
		if (is_content(call->desc->args[arg].kind, call->desc->args[arg].form))
			return true;
	return false;
}

/* The length of a value: the value tells it. */
static bool is_length(const struct rn_syscall_desc *desc, unsigned arg)
{
	for (unsigned at = 0; at < desc->nargs && at < 6; at++)
		if (desc->args[at].kind == RN_ARG_BUF_IN && desc->args[at].form == RN_SHAPE_VALUE &&
		    desc->args[at].aux == arg)
			return true;
	return false;
}

/* What the program chose; not what the kernel told it, nor what is different each time. */
static bool is_choice(const struct rn_call *call, unsigned arg, bool content)
{
	struct rn_meaning meaning;

	if (rn_arg_is_void(call, arg) || is_length(call->desc, arg))
		return false;
	rn_arg_meaning(call, arg, &meaning);
	switch (meaning.kind) {
	case RN_ARG_DIRFD: /* the path has it */
	case RN_ARG_ENVP:
	case RN_ARG_PTR:
	case RN_ARG_VOID:
	case RN_ARG_HIGH_HALF:
	case RN_ARG_POLLFDS:
	case RN_ARG_FDSET:
		return false;
	case RN_ARG_CLONE_ARGS:
		return true;
	case RN_ARG_INT:
	case RN_ARG_LONG:
	case RN_ARG_UINT:
	case RN_ARG_ULONG:
		return !content || meaning.form & RN_FORM_MASK;
	default:
		return !rn_kind_is_out(meaning.kind) && !is_content(meaning.kind, meaning.form);
	}
}

static bool make_room(struct shown *shown, size_t room)
{
	char *scratch;

	if (room <= shown->room)
		return true;
	scratch = room > ROOM_MAX ? NULL : realloc(shown->scratch, room);
	if (!scratch)
		return false;
	shown->scratch = scratch;
	shown->room = room;
	return true;
}

static bool is_captured(const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = rn_call_piece(call, arg);

	return piece && !(piece->flags & RN_PIECE_UNREAD) &&
	       (piece->type == RN_PIECE_PATH || piece->type == RN_PIECE_STRING);
}

/* Tells of what is not there by a hash, shorter than hex numbers that are taken for random ones. */
static char *write_rest(char *to, uint64_t bytes, const uint64_t lanes[2], bool all)
{
	return to + snprintf(to, TAIL_MAX, "… (and %llu bytes more: %015llx%s)",
			     (unsigned long long)bytes, (unsigned long long)(lanes[0] >> 4),
			     all ? "" : ", ...");
}

/* Of a command line: what did not fit. */
static char *write_rest_of(char *end, const struct rn_call *call, unsigned arg)
{
	const struct rn_piece *piece = rn_call_piece_of(call, arg, RN_PIECE_REST);
	struct rn_content rest;

	if (!piece || piece->len != sizeof(rest))
		return end;
	memcpy(&rest, rn_piece_data(piece), sizeof(rest));
	return write_rest(end, rest.bytes, rest.lanes, !(piece->flags & RN_PIECE_CUT));
}

/* Variables that an exec changes, in braces. */
static char *write_environment(char *end, const struct rn_call *call, unsigned arg,
			       const struct rn_style *style)
{
	const struct rn_piece *piece = rn_call_piece_of(call, arg, RN_PIECE_ENV);
	char *start = end;

	if (!piece || piece->flags & RN_PIECE_UNREAD)
		return end;
	*end++ = SEPARATOR;
	end = rn_write_strings(end, piece, style);
	start[1] = '{';
	return end;
}

/* The arguments that the program chose, with marks for paths and descriptors. Without a record
   paths are taken to be known. */
static char *write_choice(char *start, const struct rn_call *call)
{
	const struct rn_style style = {.string_limit = ITEMS_MAX, .no_payload = true};
	const struct rn_syscall_desc *desc = call->desc;
	bool content = has_content(call), recorded = call->entry || call->exit;
	int empty = rn_details_empty_path(desc, call->args, call->entry ? call->entry : call->exit);
	unsigned paths = 0, fds = 0;
	char *end = start;

	for (unsigned arg = 0; arg < desc->nargs && arg < 6; arg++) {
		unsigned kind = desc->args[arg].kind;

		if (kind == RN_ARG_ENVP)
			end = write_environment(end, call, arg, &style);
		if (!is_choice(call, arg, content))
			continue;
		if (end != start)
			*end++ = SEPARATOR;
		if (kind == RN_ARG_FD && fds < 2 && (int32_t)call->args[arg] >= 0) {
			*end++ = fds++ ? OTHER_FD : FIRST_FD;
			continue;
		}
		if (kind == RN_ARG_PATH && (int)arg == empty) { /* the folder's descriptor itself */
			*end++ = FIRST_FD;
			continue;
		}
		if (kind == RN_ARG_PATH && paths < 2 && (!recorded || is_captured(call, arg))) {
			*end++ = paths++ ? OTHER_PATH : FIRST_PATH;
			continue;
		}
		if (kind == RN_ARG_PID)
			*end++ = PROCESS_ID;
		end = rn_write_arg(end, call, arg, &style);
		if (kind == RN_ARG_ARGV)
			end = write_rest_of(end, call, arg);
	}
	return end;
}

static char *cut(char *start, const char *end)
{
	struct rn_content rest = {0};

	rn_content_add(&rest, start + TEXT_MAX, (size_t)(end - start) - TEXT_MAX);
	return write_rest(start + TEXT_MAX, rest.bytes, rest.lanes, true);
}

static uint32_t text_of(struct shown *shown, const struct rn_call *call)
{
	char *end;

	if (!make_room(shown, rn_call_room(call) + 16 + 2 * TAIL_MAX))
		return 0;
	end = write_choice(shown->scratch, call);
	if (end - shown->scratch > (ptrdiff_t)TEXT_MAX)
		end = cut(shown->scratch, end);
	return rn_details_text(shown->details, shown->scratch, (size_t)(end - shown->scratch));
}

/* What an object was opened as, or else its peer. */
static uint32_t name_of(const struct shown *shown, uint64_t object)
{
	uint32_t path = rn_folders_opened(&shown->folders, object);

	return path ? path : rn_details_name(shown->details, object);
}

static void add_paths(struct shown *shown, const struct rn_call *call, uint32_t thread,
		      const struct held *held, rn_replay_shown *row)
{
	struct folders *folders = &shown->folders;
	bool is_own;
	const rn_replay_detail *given = rn_details_last(shown->details, &is_own);

	if (is_own)
		row->path = rn_folders_path(folders, call, thread, 0, given->path, held->folder[0]);
	else
		row->path = rn_folders_opened(folders, given->object);
	row->other_path =
		rn_folders_path(folders, call, thread, 1, given->other_path, held->folder[1]);
	rn_folders_call(folders, call, thread, row->path,
			call->desc->flags & RN_CALL_RESULT_FD ? given->object : 0);
}

bool rn_shown_add(struct shown *shown, const struct rn_call *call, uint32_t thread)
{
	rn_replay_shown *row = rn_rows_add(shown->allowance, &shown->rows, 1);
	struct held held = {.folder = {RN_FOLDER_UNKNOWN, RN_FOLDER_UNKNOWN}};
	int arg;

	if (!row)
		return false;
	if (thread < shown->held.n)
		held = ((const struct held *)(const void *)shown->held.rows)[thread];
	row->text = text_of(shown, call);
	row->other = name_of(shown, held.other);
	row->kind = held.kind;
	row->foreign = held.foreign;
	row->standard = held.standard;
	row->other_standard = held.other_standard;
	add_paths(shown, call, thread, &held, row);
	row->messages = held.messages;
	row->passed = held.passed;
	arg = argument_at(call->desc, RN_ARG_FD, 1);
	row->other_fd = arg < 0 ? -1 : (int32_t)call->args[arg];
	return true;
}

void rn_shown_drop(struct shown *shown)
{
	shown->rows.n--;
}

const struct column *rn_shown_rows(const struct shown *shown)
{
	return &shown->rows;
}

uint32_t rn_replay_words(uint8_t abi, int32_t nr, const uint64_t *args, char *to, uint32_t max)
{
	struct rn_call call = {.desc = rn_syscall((enum rn_abi)abi, nr), .abi = abi, .nr = nr};
	uint32_t len;
	char *text;

	memcpy(call.args, args, sizeof(call.args));
	text = malloc(rn_call_room(&call) + 16);
	if (!text)
		return 0;
	len = (uint32_t)(write_choice(text, &call) - text);
	if (len > max)
		len = max;
	memcpy(to, text, len);
	free(text);
	return len;
}
