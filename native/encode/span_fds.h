/* SPDX-License-Identifier: MIT */
/* What spans say of descriptors, where that was captured (-y, -yy): part of span_walk.h. */
#include <arpa/inet.h>
#include <sys/socket.h>

/* What the call's first descriptor is, or the one that it returned; NULL: not captured. */
static const struct rn_piece *walk_link(const struct rn_call *call, const struct rn_event **of)
{
	const struct rn_event *events[] = {call->entry, call->exit};

	for (unsigned i = 0; i < 2; i++) {
		const struct rn_piece *piece = NULL;

		*of = events[i];
		if (events[i] && events[i]->pieces)
			piece = rn_piece_first(events[i]);
		for (; piece; piece = rn_piece_next(events[i], piece))
			if (piece->type == RN_PIECE_FD_LINK)
				return (int32_t)piece->total < 0 ? NULL : piece;
	}
	return NULL;
}

static bool walk_detail(const struct rn_call *call, struct rn_fd_detail *detail)
{
	const struct rn_event *ev;
	const struct rn_piece *piece = walk_link(call, &ev);

	if (piece)
		piece = rn_piece_next(ev, piece);
	if (!piece || piece->type != RN_PIECE_FD_DETAIL || piece->len != sizeof(*detail))
		return false;
	memcpy(detail, rn_piece_data(piece), sizeof(*detail));
	return detail->kind == RN_FD_SOCKET;
}

/* The ends of a socket, as the kernel knows them. */
static void walk_socket(struct writer *w, const struct rn_fd_detail *detail)
{
	static const struct {
		const char *name, *transport;
	} transports[] = {{"TCP", "tcp"}, {"TCPv6", "tcp"}, {"UDP", "udp"}, {"UDPv6", "udp"}};
	bool v6 = detail->family == AF_INET6;
	char text[INET6_ADDRSTRLEN];
	size_t len;

	if (detail->family == AF_UNIX) {
		attr_text(w, RN_KEY("network.transport"), "unix", 4);
		len = detail->name_len < RN_SOCKET_NAME_MAX ? detail->name_len : RN_SOCKET_NAME_MAX;
		if (len && detail->name[0])
			len = strnlen((const char *)detail->name, len);
		if (len)
			attr_bytes(w, RN_KEY("network.local.address"), detail->name, len);
		return;
	}
	if (!v6 && detail->family != AF_INET)
		return;
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (strncmp(detail->protocol, transports[i].name, sizeof(detail->protocol)) == 0)
			attr_text(w, RN_KEY("network.transport"), transports[i].transport, 3);
	attr_text(w, RN_KEY("network.type"), v6 ? "ipv6" : "ipv4", 4);
	if (detail->known & RN_SOCKET_LOCAL &&
	    inet_ntop(detail->family, detail->address, text, sizeof(text))) {
		attr_text(w, RN_KEY("network.local.address"), text, strlen(text));
		attr_int(w, RN_KEY("network.local.port"), detail->port);
	}
	if (detail->known & RN_SOCKET_PEER &&
	    inet_ntop(detail->family, detail->peer, text, sizeof(text))) {
		attr_text(w, RN_KEY("network.peer.address"), text, strlen(text));
		attr_int(w, RN_KEY("network.peer.port"), detail->peer_port);
	}
}
