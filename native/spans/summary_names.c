/* SPDX-License-Identifier: MIT */
/* Which file or which peer a call is about, from what the engine captured of it. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../decode/decode.h"
#include "summary_private.h"

#define CWD (-100) /* AT_FDCWD */

/* The link of the descriptor in argument `arg`, at entry; of the result with RN_PIECE_NO_ARG. */
static const struct rn_piece *link_of(const struct rn_call *call, unsigned arg)
{
	bool result = arg == RN_PIECE_NO_ARG;
	const struct rn_event *ev = result ? call->exit : call->entry;

	for (const struct rn_piece *p = ev ? rn_piece_first(ev) : NULL; p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_FD_LINK && p->arg == arg &&
		    !(p->flags & RN_PIECE_AT_EXIT) == !result)
			return p;
	return NULL;
}

/* Up to the first NUL; cut where there is no more room. */
static void append(char *to, const void *data, size_t len)
{
	size_t at = strlen(to);

	if (len > RN_SUMMARY_NAME_MAX - 1 - at)
		len = RN_SUMMARY_NAME_MAX - 1 - at;
	memcpy(to + at, data, len);
	to[at + len] = 0;
}

static void append_piece(char *to, const struct rn_piece *piece)
{
	append(to, rn_piece_data(piece), piece->len);
}

/* A path argument; one that is relative behind the folder that it is relative to, if known. */
static void put_path(const struct rn_call *call, unsigned arg, const struct rn_piece *path,
		     char *to)
{
	const struct rn_piece *folder = NULL;
	bool relative = !path->len || rn_piece_data(path)[0] != '/';

	if (relative && arg > 0 && call->desc->args[arg - 1].kind == RN_ARG_DIRFD)
		folder = link_of(call, arg - 1);
	if (folder) {
		append_piece(to, folder);
		if (path->len && to[0] && to[strlen(to) - 1] != '/')
			append(to, "/", 1);
	}
	append_piece(to, path);
}

void rn_summary_path(const struct rn_call *call, char to[RN_SUMMARY_NAME_MAX])
{
	const struct rn_piece *piece = link_of(call, RN_PIECE_NO_ARG);
	unsigned arg;

	to[0] = 0;
	if (piece) { /* what was opened */
		append_piece(to, piece);
		return;
	}
	for (arg = 0; arg < call->desc->nargs; arg++) {
		if (call->desc->args[arg].kind != RN_ARG_PATH)
			continue;
		piece = rn_call_piece(call, arg);
		if (piece && !(piece->flags & RN_PIECE_UNREAD)) {
			put_path(call, arg, piece, to);
			return;
		}
	}
	for (arg = 0; arg < call->desc->nargs; arg++) {
		piece = link_of(call, arg);
		if (piece && (int32_t)piece->total != CWD) {
			append_piece(to, piece);
			return;
		}
	}
}

/* What an engine told of the socket that a call is about. */
static bool socket_of(const struct rn_call *call, struct rn_fd_detail *detail)
{
	const struct rn_event *events[] = {call->entry, call->exit};

	for (unsigned i = 0; i < 2; i++)
		for (const struct rn_piece *p = events[i] ? rn_piece_first(events[i]) : NULL; p;
		     p = rn_piece_next(events[i], p)) {
			if (p->type != RN_PIECE_FD_DETAIL || p->len != sizeof(*detail))
				continue;
			memcpy(detail, rn_piece_data(p), sizeof(*detail));
			/* An accept() is about what it returns, not about what it listens at. */
			if (detail->kind == RN_FD_SOCKET && !(detail->known & RN_SOCKET_LISTENS))
				return true;
		}
	return false;
}

static void put_address(char *to, uint16_t family, const char *text, int32_t port)
{
	snprintf(to, RN_SUMMARY_NAME_MAX, family == AF_INET6 ? "[%s]:%d" : "%s:%d", text, port);
}

/* false: it has none. An abstract name starts with NUL. */
static bool put_unix(char *to, const uint8_t *name, size_t len)
{
	if (len > RN_SOCKET_NAME_MAX)
		len = RN_SOCKET_NAME_MAX;
	memcpy(to, name, len);
	to[len] = 0;
	if (len > 1 && !to[0] && to[1])
		to[0] = '@';
	return to[0];
}

/* The address that the call itself was given or gave. */
static bool peer_in_call(const struct rn_call *call, char *to)
{
	struct rn_peer peer;

	if (!rn_call_peer(call, &peer) || peer.local || !peer.len)
		return false;
	if (peer.family == AF_UNIX)
		return put_unix(to, peer.data, peer.len);
	put_address(to, peer.family, peer.text, peer.port);
	return true;
}

static void put_peer(const struct rn_fd_detail *detail, char *to)
{
	char text[INET6_ADDRSTRLEN];

	if (!(detail->known & RN_SOCKET_PEER))
		return;
	if (detail->family == AF_UNIX) {
		/* The accepted end has the name that the other one connected to. */
		if (!(detail->known & RN_SOCKET_LOCAL) ||
		    !put_unix(to, detail->name, detail->name_len))
			memcpy(to, "unix", sizeof("unix"));
	} else if ((detail->family == AF_INET || detail->family == AF_INET6) &&
		   inet_ntop(detail->family, detail->peer, text, sizeof(text))) {
		put_address(to, detail->family, text, detail->peer_port);
	}
}

uint32_t rn_summary_group_of_peer(struct rn_summary *s, const struct rn_call *call)
{
	struct rn_fd_detail detail;
	bool is_socket = socket_of(call, &detail);
	struct connected *kept = NULL;
	char name[RN_SUMMARY_NAME_MAX] = "";

	if (is_socket)
		kept = &s->connected[detail.inode % RN_SUMMARY_CONNECTED];
	if (peer_in_call(call, name)) {
		uint32_t group = rn_summary_group_of_name(s, name);

		/* What a socket of AF_UNIX was connected to is not to be had later. */
		if (kept && call->desc->name && strcmp(call->desc->name, "connect") == 0)
			*kept = (struct connected){detail.inode, group};
		return group;
	}
	if (kept && kept->inode == detail.inode && kept->group)
		return kept->group;
	if (is_socket)
		put_peer(&detail, name);
	return rn_summary_group_of_name(s, name);
}
