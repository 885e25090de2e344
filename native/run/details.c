/* SPDX-License-Identifier: MIT */
#include "details.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "decode/decode.h"
#include "renacer/content.h"
#include "renacer/replay.h"
#include "spans/summary_private.h"
#include "symbols/sites.h"

#include "messages.h"
#include "places.h"

/* Of an object: texts, 0 = not known. */
struct named {
	uint32_t path, peer;
};

struct details {
	struct rn_interpreter *interpreter; /* NULL once finished */
	struct allowance *allowance;
	struct rn_sites *sites;
	struct column rows;  /* rn_replay_detail */
	struct column sources; /* rn_replay_source */
	struct column of_site; /* uint32_t by the site's id: its row, 0 = none yet */
	struct column held;  /* uint64_t a thread: the object of its call's descriptor */
	struct column named; /* by the object's number */
	struct texts texts;
	struct rn_roles unseen; /* 1: of unseen_calls[] */
	struct rn_roles waits; /* index of waits[], from 1 */
	bool path_is_own; /* of the last row */
	bool portable; /* hashes of what names the run's folder: RN_PIECE_PORTABLE */
};

/* Calls that move data from object to object, or have it moved while they are over. */
static const char *const unseen_calls[] = {
	"sendfile",        "sendfile64", "splice",         "tee",
	"copy_file_range", "io_submit",  "io_uring_enter", "process_vm_writev"};

/* Calls that wait for descriptors, and the argument that says how long. */
static const struct {
	const char *name;
	uint8_t arg;
	bool in_memory; /* a structure of two numbers; NULL: without an end */
} waits[] = {
	{"poll", 2, false},           {"epoll_wait", 3, false}, {"epoll_pwait", 3, false},
	{"epoll_pwait2", 3, true},    {"ppoll", 2, true},       {"ppoll_time64", 2, true},
	{"select", 4, true},          {"_newselect", 4, true},  {"pselect6", 4, true},
	{"pselect6_time64", 4, true},
};

struct details *rn_details_create(struct rn_interpreter *in, struct rn_sites *sites,
				  struct allowance *allowance)
{
	struct details *details = calloc(1, sizeof(*details));

	if (!details)
		return NULL;
	details->interpreter = in;
	details->allowance = allowance;
	details->sites = sites;
	details->sources.size = sizeof(rn_replay_source);
	details->of_site.size = sizeof(uint32_t);
	details->rows.size = sizeof(rn_replay_detail);
	details->held.size = sizeof(uint64_t);
	details->named.size = sizeof(struct named);
	rn_texts_init(&details->texts);
	for (size_t i = 0; i < sizeof(unseen_calls) / sizeof(unseen_calls[0]); i++)
		rn_roles_set(&details->unseen, unseen_calls[i], 1);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		rn_roles_set(&details->waits, waits[i].name, (uint8_t)(i + 1));
	return details;
}

void rn_details_portable(struct details *details)
{
	details->portable = true;
}

void rn_details_finish(struct details *details)
{
	details->interpreter = NULL;
	rn_texts_finish(&details->texts, details->allowance);
	free(details->held.rows);
	free(details->named.rows);
	free(details->of_site.rows);
	details->held.rows = details->named.rows = details->of_site.rows = NULL;
	details->held.n = details->named.n = details->of_site.n = 0;
}

void rn_details_destroy(struct details *details)
{
	if (!details)
		return;
	free(details->rows.rows);
	free(details->held.rows);
	free(details->named.rows);
	free(details->of_site.rows);
	free(details->sources.rows);
	rn_texts_deinit(&details->texts);
	free(details);
}

/* The row `at` of a column that has one for each number; NULL: no memory, counted. */
static void *row_at(struct details *details, struct column *column, uint64_t at)
{
	if (at >= column->n && !rn_rows_add(details->allowance, column, at + 1 - column->n))
		return NULL;
	return column->rows + at * column->size;
}

static const struct rn_piece *path_piece(const struct rn_event *ev, unsigned arg)
{
	const struct rn_piece *p = ev ? rn_piece_first(ev) : NULL;

	while (p && (p->arg != arg || p->flags & (RN_PIECE_AT_EXIT | RN_PIECE_UNREAD) ||
		     (p->type != RN_PIECE_PATH && p->type != RN_PIECE_STRING)))
		p = rn_piece_next(ev, p);
	return p;
}

int rn_details_empty_path(const struct rn_syscall_desc *desc, const uint64_t args[6],
			  const struct rn_event *ev)
{
	for (unsigned arg = 1; arg < desc->nargs && arg < 6; arg++) {
		const struct rn_piece *piece;

		if (desc->args[arg].kind != RN_ARG_PATH || desc->args[arg - 1].kind != RN_ARG_DIRFD)
			continue;
		if ((int32_t)args[arg - 1] < 0)
			return -1;
		piece = path_piece(ev, arg);
		return !args[arg] || (piece && !piece->len) ? (int)arg : -1;
	}
	return -1;
}

int32_t rn_details_fd(const struct rn_syscall_desc *desc, const uint64_t args[6],
		      const struct rn_event *ev)
{
	int empty;

	for (unsigned arg = 0; arg < desc->nargs && arg < 6; arg++)
		if (desc->args[arg].kind == RN_ARG_FD)
			return (int32_t)args[arg];
	empty = rn_details_empty_path(desc, args, ev);
	return empty < 0 ? -1 : (int32_t)args[empty - 1];
}

void rn_details_before(struct details *details, const struct rn_event *ev, uint32_t thread)
{
	const struct rn_syscall_desc *desc;
	uint64_t *held;
	int32_t fd;

	if (thread == RN_NO_PLACE || (ev->kind != RN_SYSCALL && ev->kind != RN_SYSCALL_ENTER))
		return;
	held = row_at(details, &details->held, thread);
	if (!held)
		return;
	desc = rn_syscall((enum rn_abi)ev->abi, ev->nr);
	fd = rn_details_fd(desc, ev->args, ev);
	*held = fd < 0 ? 0 : rn_interpreter_object(details->interpreter, ev->tid, fd);
}

/* The second path among the arguments: of a rename, a link. */
static uint32_t other_path(struct details *details, const struct rn_call *call)
{
	bool first = true;

	for (unsigned arg = 0; arg < call->desc->nargs && arg < 6; arg++) {
		const struct rn_piece *piece;

		if (call->desc->args[arg].kind != RN_ARG_PATH)
			continue;
		if (first) {
			first = false;
			continue;
		}
		piece = rn_call_piece(call, arg);
		return piece && (piece->type == RN_PIECE_PATH || piece->type == RN_PIECE_STRING)
			       ? rn_texts_row(&details->texts, details->allowance,
					      rn_piece_data(piece), piece->len)
			       : 0;
	}
	return 0;
}

static uint32_t path_of(struct details *details, const struct rn_call *call)
{
	char path[RN_SUMMARY_NAME_MAX];

	rn_summary_path(call, path);
	return rn_texts_row(&details->texts, details->allowance, path, strlen(path));
}

/* An address: "192.0.2.1:80", "[::1]:80", a Unix socket's path, "@" and an abstract name. */
static uint32_t address_row(struct details *details, const struct rn_peer *peer)
{
	char text[RN_SOCKET_NAME_MAX + 64];
	size_t len;

	if (peer->port >= 0) {
		int n = snprintf(text, sizeof(text),
				 peer->family == AF_INET6 ? "[%.*s]:%d" : "%.*s:%d", (int)peer->len,
				 (const char *)peer->data, peer->port);

		len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	} else {
		len = peer->len < sizeof(text) ? peer->len : sizeof(text);
		memcpy(text, peer->data, len);
		if (!text[0])
			text[0] = '@';
	}
	return rn_texts_row(&details->texts, details->allowance, text, len);
}

/* The other end. */
static uint32_t peer_of(struct details *details, const struct rn_call *call)
{
	struct rn_peer peer;

	if (!rn_call_peer(call, &peer) && !rn_message_peer(call, &peer))
		return 0;
	return peer.local || !peer.len ? 0 : address_row(details, &peer);
}

/* The own address, as peer_of() has the other: of a connection that the call has made, or as the
   kernel tells it. */
static uint32_t own_end_of(struct details *details, const struct rn_call *call)
{
	const struct rn_piece *p = call->exit ? rn_piece_first(call->exit) : NULL;
	char shown[INET6_ADDRSTRLEN], text[sizeof(shown) + 16];
	struct rn_object_id id;
	struct rn_peer peer;
	bool local = rn_call_peer(call, &peer) && peer.local;

	if (local && (peer.port > 0 || (peer.family == AF_UNIX && peer.len &&
					strcmp(call->desc->name, "bind") == 0)))
		return address_row(details, &peer);
	while (p && (p->type != RN_PIECE_OBJECT || p->len != sizeof(id)))
		p = rn_piece_next(call->exit, p);
	if (!p)
		return 0;
	memcpy(&id, rn_piece_data(p), sizeof(id));
	if (id.kind != RN_OBJECT_SOCKET || !id.port || (!id.peer_port && !local) ||
	    !inet_ntop(id.family, id.address, shown, sizeof(shown)))
		return 0;
	snprintf(text, sizeof(text), id.family == AF_INET6 ? "[%s]:%u" : "%s:%u", shown, id.port);
	return rn_texts_row(&details->texts, details->allowance, text, strlen(text));
}

static bool makes_descriptor(const struct rn_call *call)
{
	return call->desc->flags & RN_CALL_RESULT_FD && call->result >= 0 &&
	       call->result <= INT32_MAX && !(call->flags & RN_FLAG_UNFINISHED);
}

/* From now on the object is called as this call does; what this call does not say, is as before. */
static void name_object(struct details *details, rn_replay_detail *row, bool made)
{
	struct named *named;

	if (!row->object)
		return;
	if (row->object >= details->named.n && !row->path && !row->peer)
		return;
	named = row_at(details, &details->named, row->object);
	if (!named)
		return;
	if (row->path && (made || !named->path))
		named->path = row->path;
	if (row->peer)
		named->peer = row->peer;
	row->path = row->path ? row->path : named->path;
	row->peer = row->peer ? row->peer : named->peer;
}

static bool polls(const struct details *details, const struct rn_call *call)
{
	const struct rn_piece *piece = call->entry ? rn_piece_first(call->entry) : NULL;
	unsigned which = rn_role(&details->waits, call->abi, call->nr), arg;

	if (!which)
		return false;
	arg = waits[which - 1].arg;
	if (!waits[which - 1].in_memory)
		return (int32_t)call->args[arg] == 0;
	for (; piece; piece = rn_piece_next(call->entry, piece)) {
		static const uint8_t zeros[16];

		if (piece->arg == arg && piece->type == RN_PIECE_STRUCT &&
		    !(piece->flags & RN_PIECE_AT_EXIT))
			return piece->len >= 8 && piece->len <= sizeof(zeros) &&
			       memcmp(rn_piece_data(piece), zeros, piece->len) == 0;
	}
	return false;
}

static const struct rn_piece *content_piece(const struct details *details,
					    const struct rn_event *ev)
{
	const struct rn_piece *found = NULL;

	for (const struct rn_piece *p = ev ? rn_piece_first(ev) : NULL; p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_CONTENT ||
		    (p->type == RN_PIECE_PORTABLE && details->portable))
			found = p; /* the portable one comes second */
	return found;
}

static void set_content(const struct details *details, const struct rn_call *call,
			rn_replay_detail *row)
{
	const struct rn_piece *piece = content_piece(details, call->exit);
	struct rn_content content;

	if (!piece) {
		bool unseen = rn_role(&details->unseen, call->abi, call->nr);

		row->content = unseen && call->exit && call->result > 0 ? RN_CONTENT_UNSEEN
									: RN_CONTENT_NONE;
		return;
	}
	row->content = RN_CONTENT_UNREAD;
	if (piece->flags & RN_PIECE_UNREAD || piece->len != sizeof(content))
		return;
	memcpy(&content, rn_piece_data(piece), sizeof(content));
	if (!rn_content_is_sound(&content))
		return;
	row->content = RN_CONTENT_HASHED;
	row->hashed = content.bytes;
	memcpy(row->hash, content.lanes, sizeof(row->hash));
}

static uint32_t text_row(struct details *details, const char *text)
{
	return rn_texts_row(&details->texts, details->allowance, text, strlen(text));
}

/* Where a call was made: a row for each place; 0: not recorded, or no memory. */
static uint32_t source_of(struct details *details, const struct rn_call *call)
{
	const struct rn_site *site = rn_sites_look(details->sites, call);
	rn_replay_source *row;
	uint32_t *known = NULL;

	if (!site)
		return 0;
	if (site->id) {
		known = row_at(details, &details->of_site, site->id);
		if (!known || *known)
			return known ? *known : 0;
	}
	if (details->sources.n >= UINT32_MAX ||
	    !rn_rows_add(details->allowance, &details->sources, details->sources.n ? 1 : 2))
		return 0;
	row = (rn_replay_source *)(void *)details->sources.rows + details->sources.n - 1;
	*row = (rn_replay_source){
		.offset = site->offset,
		.path = text_row(details, site->path),
		.file = text_row(details, site->file),
		.function = text_row(details, site->function),
		.module = text_row(details, site->module),
		.line = site->line,
		.how = site->how,
	};
	if (known)
		*known = (uint32_t)details->sources.n - 1;
	return (uint32_t)details->sources.n - 1;
}

bool rn_details_add(struct details *details, const struct rn_call *call, uint32_t thread)
{
	rn_replay_detail *row = rn_rows_add(details->allowance, &details->rows, 1);
	bool made = makes_descriptor(call);

	if (!row)
		return false;
	memcpy(row->args, call->args, sizeof(row->args));
	row->path = path_of(details, call);
	details->path_is_own = row->path != 0;
	row->other_path = other_path(details, call);
	row->peer = peer_of(details, call);
	row->own_end = own_end_of(details, call);
	row->source = source_of(details, call);
	row->fd = rn_details_fd(call->desc, call->args, call->entry ? call->entry : call->exit);
	if (made) {
		row->fd = (int32_t)call->result;
		row->object = rn_interpreter_object(details->interpreter, call->tid, row->fd);
	} else if (thread < details->held.n) {
		row->object = ((const uint64_t *)(const void *)details->held.rows)[thread];
	}
	row->polls = polls(details, call);
	set_content(details, call, row);
	name_object(details, row, made);
	if (!details->path_is_own &&
	    rn_details_empty_path(call->desc, call->args, call->entry ? call->entry : call->exit) >=
		    0)
		row->path = 0; /* as given */
	return true;
}

const rn_replay_detail *rn_details_last(const struct details *details, bool *path_is_own)
{
	*path_is_own = details->path_is_own;
	return (const rn_replay_detail *)(const void *)details->rows.rows + details->rows.n - 1;
}

uint32_t rn_details_text(struct details *details, const void *data, size_t len)
{
	return rn_texts_row(&details->texts, details->allowance, data, len);
}

uint32_t rn_details_name(const struct details *details, uint64_t object)
{
	const struct named *named = (const struct named *)(const void *)details->named.rows;

	if (object == 0 || object >= details->named.n)
		return 0;
	return named[object].path ? named[object].path : named[object].peer;
}

void rn_details_drop(struct details *details)
{
	details->rows.n--;
}

const struct column *rn_details_rows(const struct details *details)
{
	return &details->rows;
}

const struct column *rn_details_sources(const struct details *details)
{
	return &details->sources;
}

const struct texts *rn_details_texts(const struct details *details)
{
	return &details->texts;
}
