/* SPDX-License-Identifier: MIT */
/* Socket addresses, as strace 6.1 writes them, and what spans say of them. */
#include <arpa/inet.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "decode.h"

static uint16_t port_of(const uint8_t *data)
{
	return (uint16_t)(data[2] << 8 | data[3]);
}

static char *write_inet(char *out, const uint8_t *data)
{
	char text[INET_ADDRSTRLEN];

	out = rn_write_u64(rn_write_text(out, ", sin_port=htons("), port_of(data));
	out = rn_write_text(out, "), sin_addr=inet_addr(\"");
	out = rn_write_text(out, inet_ntop(AF_INET, data + 4, text, sizeof(text)) ? text : "");
	return rn_write_text(out, "\")");
}

/* Of less than 28 bytes: without the scope. */
static char *write_inet6(char *out, const uint8_t *data, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	uint32_t flow, scope = 0;

	memcpy(&flow, data + 4, 4);
	if (len >= 28)
		memcpy(&scope, data + 24, 4);
	out = rn_write_u64(rn_write_text(out, ", sin6_port=htons("), port_of(data));
	out = rn_write_u64(rn_write_text(out, "), sin6_flowinfo=htonl("), ntohl(flow));
	out = rn_write_text(out, "), inet_pton(AF_INET6, \"");
	out = rn_write_text(out, inet_ntop(AF_INET6, data + 8, text, sizeof(text)) ? text : "");
	out = rn_write_text(out, "\", &sin6_addr)");
	return len < 28 ? out : rn_write_u64(rn_write_text(out, ", sin6_scope_id="), scope);
}

static char *write_unix(char *out, const uint8_t *data, size_t len)
{
	const uint8_t *path = data + 2;
	size_t room = len - 2;

	if (room == 0)
		return out;
	out = rn_write_text(out, ", sun_path=");
	if (path[0] == 0 && room > 1) {
		*out++ = '@';
		return rn_write_quoted(out, path + 1, room - 1, false);
	}
	return rn_write_quoted(out, path, strnlen((const char *)path, room), false);
}

static char *write_netlink(char *out, const uint8_t *data)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t pid, groups;

	memcpy(&pid, data + 4, 4);
	memcpy(&groups, data + 8, 4);
	if (rn_get(data, 2, 2))
		out = rn_write_hex(rn_write_text(out, ", nl_pad="), rn_get(data, 2, 2));
	out = rn_write_i64(rn_write_text(out, ", nl_pid="), (int32_t)pid);
	out = rn_write_text(out, ", nl_groups=");
	/* printf's %#08x */
	if (groups)
		out = rn_write_text(out, "0x");
	for (int shift = groups && groups >> 24 == 0 ? 20 : 28; shift >= 0; shift -= 4)
		*out++ = digits[groups >> shift & 15];
	return out;
}

/* The interface by its number: which name it has hangs on the program's network namespace. */
static char *write_packet(char *out, unsigned abi, const uint8_t *data, size_t len)
{
	size_t halen = data[11], room = len - 12;

	out = rn_write_names(rn_write_text(out, ", sll_protocol="), RN_SET_ETHPROTO, abi,
			     rn_get(data, 2, 2));
	out = rn_write_i64(rn_write_text(out, ", sll_ifindex="), rn_get_signed(data, 4, 4));
	out = rn_write_names(rn_write_text(out, ", sll_hatype="), RN_SET_ARPHRD, abi,
			     rn_get(data, 8, 2));
	out = rn_write_names(rn_write_text(out, ", sll_pkttype="), RN_SET_PACKETTYPE, abi,
			     data[10]);
	out = rn_write_u64(rn_write_text(out, ", sll_halen="), halen);
	if (!halen)
		return out;
	out = rn_write_text(out, ", sll_addr=[");
	for (size_t i = 0; i < halen && i < room; i++) {
		if (i)
			out = rn_write_text(out, ", ");
		out = data[12 + i] ? rn_write_hex(out, data[12 + i]) : rn_write_text(out, "00");
	}
	if (halen > room)
		out = rn_write_text(out, ", ...");
	*out++ = ']';
	return out;
}

static char *write_vsock(char *out, unsigned abi, const uint8_t *data)
{
	const char *name = rn_name_of(RN_SET_VMADDR, abi, rn_get(data, 8, 4));

	if (rn_get(data, 2, 2))
		out = rn_write_hex(rn_write_text(out, ", svm_reserved1="), rn_get(data, 2, 2));
	out = rn_write_text(out, ", svm_cid=");
	out = name ? rn_write_text(out, name) : rn_write_hex(out, rn_get(data, 8, 4));
	out = rn_write_hex(rn_write_text(out, ", svm_port="), rn_get(data, 4, 4));
	out = rn_write_names(rn_write_text(out, ", svm_flags="), RN_SET_VSOCKFLAGS, abi, data[12]);
	if (!rn_get(data, 13, 3))
		return out;
	out = rn_write_in_hex(rn_write_text(out, ", svm_zero=\""), data + 13, 3);
	return rn_write_text(out, "\"");
}

char *rn_write_sockaddr(char *out, unsigned abi, const uint8_t *data, size_t len)
{
	uint16_t family;
	char *end;

	if (len < 2)
		return NULL;
	memcpy(&family, data, 2);
	out = rn_write_names(rn_write_text(out, "{sa_family="), RN_SET_FAMILY, abi, family);
	if (family == AF_INET && len >= 16)
		out = write_inet(out, data);
	else if (family == AF_INET6 && len >= 24)
		out = write_inet6(out, data, len);
	else if (family == AF_UNIX)
		out = write_unix(out, data, len);
	else if (family == AF_PACKET && len >= 20)
		out = write_packet(out, abi, data, len);
	else if (family == AF_VSOCK && len >= 16)
		out = write_vsock(out, abi, data);
	else if (family == AF_NETLINK && len >= 12)
		out = write_netlink(out, data);
	else if ((end = rn_write_rare_address(out, abi, data, len)))
		out = end;
	else if (len > 2)
		out = rn_write_quoted(rn_write_text(out, ", sa_data="), data + 2, len - 2, false);
	*out++ = '}';
	return out;
}

bool rn_peer_of(const uint8_t *data, size_t len, struct rn_peer *peer)
{
	uint16_t family;

	if (len < 2)
		return false;
	memcpy(&family, data, 2);
	peer->port = -1;
	peer->family = family;
	if ((family == AF_INET && len >= 8) || (family == AF_INET6 && len >= 28)) {
		if (!inet_ntop(family, data + (family == AF_INET ? 4 : 8), peer->text,
			       sizeof(peer->text)))
			return false;
		peer->data = (const uint8_t *)peer->text;
		peer->len = strlen(peer->text);
		peer->port = port_of(data);
		return true;
	}
	if (family != AF_UNIX || len < 4)
		return false;
	peer->data = data + 2;
	/* An abstract name starts with NUL and goes on to the end. */
	peer->len = data[2] ? strnlen((const char *)data + 2, len - 2) : len - 2;
	return true;
}

bool rn_call_peer(const struct rn_call *call, struct rn_peer *peer)
{
	for (unsigned arg = 0; arg < call->desc->nargs && arg < 6; arg++) {
		unsigned kind = call->desc->args[arg].kind;
		const struct rn_piece *piece;
		const uint8_t *data;
		size_t len;

		if (kind != RN_ARG_SOCKADDR_IN && kind != RN_ARG_SOCKADDR_OUT)
			continue;
		/* What a call fills in counts only if it did. */
		if (kind == RN_ARG_SOCKADDR_OUT &&
		    call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED | RN_FLAG_UNFINISHED))
			return false;
		piece = rn_call_piece(call, arg);
		if (!piece || piece->type != RN_PIECE_STRUCT || piece->len < 2 ||
		    piece->flags & RN_PIECE_UNREAD)
			return false;
		data = rn_piece_data(piece);
		len = piece->len;
		/* What stands behind it in the buffer is no part of a name. */
		if (kind == RN_ARG_SOCKADDR_OUT && (len = rn_filled_length(call, arg, len)) < 2)
			return false;
		peer->local = (call->desc->args[arg].form & RN_FORM_MASK) == RN_SHAPE_LOCAL;
		return rn_peer_of(data, len, peer);
	}
	return false;
}
