/* SPDX-License-Identifier: MIT */
/* Descriptors with what is behind them, as strace 6.1 writes them: 3</etc/passwd>. */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "decode.h"

#define AT_FDCWD_VALUE (-100)

static char *write_bracket(char *out, uint8_t c)
{
	if (rn_quotes_chars_in_hex())
		return rn_write_in_hex(out, &c, 1);
	return rn_write_text(out, c == '<' ? "\\74" : "\\76");
}

/* A name within < and >: neither of them is in it, nor a control byte. */
static char *write_name(char *out, const uint8_t *data, size_t len)
{
	if (rn_is_in_hex(data, len))
		return rn_write_in_hex(out, data, len);
	for (size_t from = 0; from < len;) {
		size_t to = from;

		while (to < len && data[to] != '<' && data[to] != '>')
			to++;
		out = rn_write_escaped(out, data + from, to - from,
				       to + 1 < len && data[to + 1] >= '0' && data[to + 1] <= '7');
		if (to < len)
			out = write_bracket(out, data[to]);
		from = to + 1;
	}
	return out;
}

static char *write_address(char *out, uint16_t family, const uint8_t *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(family, address, text, sizeof(text)))
		text[0] = 0;
	if (family == AF_INET6)
		*out++ = '[';
	out = rn_write_text(out, text);
	if (family == AF_INET6)
		*out++ = ']';
	*out++ = ':';
	return rn_write_u64(out, port);
}

static char *write_unix(char *out, const struct rn_fd_detail *detail)
{
	size_t len = detail->name_len < RN_SOCKET_NAME_MAX ? detail->name_len : RN_SOCKET_NAME_MAX;

	out = rn_write_u64(out, detail->inode);
	if (detail->known & RN_SOCKET_PEER)
		out = rn_write_u64(rn_write_text(out, "->"), detail->peer_inode);
	if (!(detail->known & RN_SOCKET_LOCAL) || len == 0)
		return out;
	*out++ = ',';
	if (detail->name[0] == 0) {
		*out++ = '@';
		return rn_write_quoted(out, detail->name + 1, len - 1, false);
	}
	return rn_write_quoted(out, detail->name, strnlen((const char *)detail->name, len), false);
}

static char *write_socket(char *out, unsigned abi, const struct rn_fd_detail *detail)
{
	const char *protocol;

	out = rn_write_escaped(out, (const uint8_t *)detail->protocol,
			       strnlen(detail->protocol, sizeof(detail->protocol)), false);
	out = rn_write_text(out, ":[");
	if (!(detail->known & (RN_SOCKET_LOCAL | RN_SOCKET_PEER))) {
		out = rn_write_u64(out, detail->inode);
	} else if (detail->family == AF_UNIX) {
		out = write_unix(out, detail);
	} else if (detail->family == AF_NETLINK) {
		protocol = rn_name_of(RN_SET_NETLINK, abi, detail->major);
		if (protocol && strncmp(protocol, "NETLINK_", 8) == 0)
			out = rn_write_text(out, protocol + 8);
		else
			out = rn_write_u64(out, detail->major);
		*out++ = ':';
		out = rn_write_u64(out, detail->minor);
	} else {
		out = write_address(out, detail->family, detail->address, detail->port);
		if (detail->known & RN_SOCKET_PEER)
			out = write_address(rn_write_text(out, "->"), detail->family, detail->peer,
					    detail->peer_port);
	}
	*out++ = ']';
	return out;
}

static char *write_behind(char *out, unsigned abi, const struct rn_piece *link,
			  const struct rn_fd_detail *detail)
{
	switch (detail ? detail->kind : 0) {
	case RN_FD_SOCKET:
		return write_socket(out, abi, detail);
	case RN_FD_PID:
		return rn_write_i64(rn_write_text(out, "pid:"), (int32_t)detail->major);
	case RN_FD_CHAR:
	case RN_FD_BLOCK:
		out = write_name(out, rn_piece_data(link), link->len);
		out = rn_write_text(out, detail->kind == RN_FD_CHAR ? "<char " : "<block ");
		out = rn_write_u64(out, detail->major);
		*out++ = ':';
		out = rn_write_u64(out, detail->minor);
		*out++ = '>';
		return out;
	default:
		return write_name(out, rn_piece_data(link), link->len);
	}
}

static bool is_of(const struct rn_piece *piece, unsigned arg, bool at_exit)
{
	return piece->arg == arg && !(piece->flags & RN_PIECE_AT_EXIT) == !at_exit;
}

struct rn_fd_pieces rn_fd_pieces_of(const struct rn_call *call, unsigned arg, bool at_exit)
{
	const struct rn_event *ev = at_exit ? call->exit : call->entry;
	struct rn_fd_pieces fds = {.ev = ev, .arg = arg, .at_exit = at_exit, .abi = call->abi};

	if (ev && ev->pieces)
		fds.at = rn_piece_first(ev);
	return fds;
}

const struct rn_piece *rn_fd_next(struct rn_fd_pieces *fds, int32_t fd, struct rn_fd_detail *detail,
				  bool *detailed)
{
	const struct rn_piece *piece = fds->at, *next;

	*detailed = false;
	while (piece && !(piece->type == RN_PIECE_FD_LINK && is_of(piece, fds->arg, fds->at_exit)))
		piece = rn_piece_next(fds->ev, piece);
	fds->at = piece;
	if (!piece || piece->total != (uint32_t)fd)
		return NULL;
	next = rn_piece_next(fds->ev, piece);
	fds->at = next;
	if (next && next->type == RN_PIECE_FD_DETAIL && next->len == sizeof(*detail)) {
		memcpy(detail, rn_piece_data(next), sizeof(*detail));
		*detailed = true;
	}
	return piece;
}

char *rn_write_fd(char *out, struct rn_fd_pieces *fds, int32_t fd, bool folder)
{
	struct rn_fd_detail detail;
	const struct rn_piece *link;
	bool detailed;

	if (folder && fd == AT_FDCWD_VALUE)
		out = rn_write_text(out, "AT_FDCWD");
	else
		out = rn_write_i64(out, fd);
	if (!fds->at)
		return out;
	link = rn_fd_next(fds, fd, &detail, &detailed);
	if (!link)
		return out;
	*out++ = '<';
	out = write_behind(out, fds->abi, link, detailed ? &detail : NULL);
	*out++ = '>';
	return link->flags & RN_PIECE_DELETED ? rn_write_text(out, "(deleted)") : out;
}

char *rn_write_fd_set(char *out, struct rn_fd_pieces *fds, const uint8_t *data, size_t len)
{
	bool first = true;

	*out++ = '[';
	for (size_t fd = 0; fd < 8 * len; fd++) {
		if (!(data[fd / 8] >> fd % 8 & 1))
			continue;
		if (!first)
			*out++ = ' ';
		first = false;
		out = rn_write_fd(out, fds, (int32_t)fd, false);
	}
	*out++ = ']';
	return out;
}
