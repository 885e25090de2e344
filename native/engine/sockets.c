/* SPDX-License-Identifier: MIT */
/*
 * What is known of a socket by its inode: addresses and peers, from the kernel's sock_diag(7).
 * That of another network namespace is not found: then protocol and inode are all there is.
 */
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/netlink_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine_private.h"

#define ANSWER_BYTES 32768u
#define LISTENING 10 /* TCP_LISTEN */

/* Bits of states (net/tcp_states.h). Ones that wait for their time to end are nobody's. */
#define EVERY_STATE (UINT32_MAX & ~(1u << 6))
/* Nor closed, listening, half open or merely bound: such lists take long to make. */
#define CONNECTED_STATES (EVERY_STATE & ~(1u << 7 | 1u << 10 | 1u << 12 | 1u << 13))

/* By the kernel's names of protocols. `type`: SOCK_*; 0 = the kernel says it of each socket. */
static const struct protocol {
	const char *name;
	uint8_t family, number, type;
	bool stays; /* once it has a peer, or listens, its addresses do not change */
} protocols[] = {
	{"TCP", AF_INET, IPPROTO_TCP, SOCK_STREAM, true},
	{"TCPv6", AF_INET6, IPPROTO_TCP, SOCK_STREAM, true},
	{"UDP", AF_INET, IPPROTO_UDP, SOCK_DGRAM, false},
	{"UDPv6", AF_INET6, IPPROTO_UDP, SOCK_DGRAM, false},
	{"UDP-Lite", AF_INET, IPPROTO_UDPLITE, SOCK_DGRAM, false},
	{"UDPLITEv6", AF_INET6, IPPROTO_UDPLITE, SOCK_DGRAM, false},
	{"DCCP", AF_INET, IPPROTO_DCCP, SOCK_DCCP, true},
	{"DCCPv6", AF_INET6, IPPROTO_DCCP, SOCK_DCCP, true},
	{"SCTP", AF_INET, IPPROTO_SCTP, 0, false},
	{"SCTPv6", AF_INET6, IPPROTO_SCTP, 0, false},
	{"RAW", AF_INET, IPPROTO_RAW, SOCK_RAW, false},
	{"RAWv6", AF_INET6, IPPROTO_RAW, SOCK_RAW, false},
	{"PING", AF_INET, IPPROTO_ICMP, SOCK_DGRAM, false},
	{"PINGv6", AF_INET6, IPPROTO_ICMPV6, SOCK_DGRAM, false},
	{"UNIX", AF_UNIX, 0, 0, false},
	{"UNIX-STREAM", AF_UNIX, 0, SOCK_STREAM, true},
	{"NETLINK", AF_NETLINK, 0, 0, false},
};

/* What was found: of most sockets it stays, and once the other end is closed it is found no more. */
static struct rn_fd_detail known[256]; /* one tracer thread in a process */

static const struct protocol *protocol_of(const char *name)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(protocols[i].name, name) == 0)
			return &protocols[i];
	return NULL;
}

union request {
	struct inet_diag_req_v2 inet;
	struct unix_diag_req local;
	struct netlink_diag_req netlink;
};

static size_t make_request(const struct protocol *protocol, uint64_t inode, uint32_t states,
			   union request *request, uint16_t *flags)
{
	memset(request, 0, sizeof(*request));
	*flags = NLM_F_REQUEST | NLM_F_DUMP;
	switch (protocol->family) {
	case AF_UNIX:
		*flags = NLM_F_REQUEST;
		request->local.sdiag_family = AF_UNIX;
		request->local.udiag_states = UINT32_MAX;
		request->local.udiag_ino = (uint32_t)inode;
		request->local.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER;
		request->local.udiag_cookie[0] = UINT32_MAX; /* any */
		request->local.udiag_cookie[1] = UINT32_MAX;
		return sizeof(request->local);
	case AF_NETLINK:
		request->netlink.sdiag_family = AF_NETLINK;
		request->netlink.sdiag_protocol = NDIAG_PROTO_ALL;
		return sizeof(request->netlink);
	default:
		request->inet.sdiag_family = protocol->family;
		request->inet.sdiag_protocol = protocol->number;
		request->inet.idiag_states = states;
		return sizeof(request->inet);
	}
}

static bool send_request(int fd, const struct protocol *protocol, uint64_t inode, uint32_t states)
{
	struct {
		struct nlmsghdr head;
		union request body;
	} message;
	uint16_t flags;
	size_t len;

	len = sizeof(message.head) + make_request(protocol, inode, states, &message.body, &flags);
	message.head = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)len,
		.nlmsg_type = SOCK_DIAG_BY_FAMILY,
		.nlmsg_flags = flags,
	};
	return send(fd, &message, len, 0) == (ssize_t)len;
}

static void from_inet(const struct inet_diag_msg *msg, struct rn_fd_detail *detail)
{
	static const uint8_t nowhere[16];
	size_t len = detail->family == AF_INET ? 4 : 16;

	detail->known = RN_SOCKET_LOCAL;
	detail->port = ntohs(msg->id.idiag_sport);
	detail->peer_port = ntohs(msg->id.idiag_dport);
	memcpy(detail->address, msg->id.idiag_src, len);
	memcpy(detail->peer, msg->id.idiag_dst, len);
	if (detail->peer_port || memcmp(detail->peer, nowhere, len) != 0)
		detail->known |= RN_SOCKET_PEER;
	else if (msg->idiag_state == LISTENING)
		detail->known |= RN_SOCKET_LISTENS;
}

static void from_unix(const struct unix_diag_msg *msg, size_t len, struct rn_fd_detail *detail)
{
	const uint8_t *at = (const uint8_t *)(msg + 1);
	const uint8_t *end = (const uint8_t *)msg + len;
	struct rtattr attr;

	while (at + sizeof(attr) <= end) {
		const uint8_t *data = at + sizeof(attr);
		size_t size;

		memcpy(&attr, at, sizeof(attr));
		if (attr.rta_len < sizeof(attr) || attr.rta_len > end - at)
			break;
		size = attr.rta_len - sizeof(attr);
		if (attr.rta_type == UNIX_DIAG_PEER && size >= 4) {
			uint32_t peer;

			memcpy(&peer, data, sizeof(peer));
			detail->peer_inode = peer; /* 0: closed */
			detail->known |= peer ? RN_SOCKET_PEER : 0;
		} else if (attr.rta_type == UNIX_DIAG_NAME && size && size <= RN_SOCKET_NAME_MAX) {
			memcpy(detail->name, data, size);
			detail->name_len = (uint32_t)size;
			detail->known |= RN_SOCKET_LOCAL;
		}
		at += RTA_ALIGN(attr.rta_len);
	}
}

static void from_netlink(const struct netlink_diag_msg *msg, struct rn_fd_detail *detail)
{
	detail->known = RN_SOCKET_LOCAL;
	detail->major = msg->ndiag_protocol;
	detail->minor = msg->ndiag_portid;
}

/* Sockets of one protocol, by inode, and how many of them are still to be found. */
struct sought {
	struct rn_socket **sockets;
	unsigned n, left;
	uint32_t states;
};

/* The first that has this inode. */
static struct rn_socket *find(const struct sought *sought, uint32_t inode)
{
	unsigned first = 0, end = sought->n;

	while (first < end) {
		unsigned at = first + (end - first) / 2;

		if ((uint32_t)sought->sockets[at]->detail.inode < inode)
			first = at + 1;
		else
			end = at;
	}
	if (first == sought->n || (uint32_t)sought->sockets[first]->detail.inode != inode)
		return NULL;
	return sought->sockets[first];
}

/* What one message tells, if it is about one of them. */
static void take_message(struct sought *sought, uint8_t family, const void *body, size_t size)
{
	const struct unix_diag_msg *local = body;
	const struct netlink_diag_msg *netlink = body;
	const struct inet_diag_msg *inet = body;
	struct rn_socket *socket;

	if (family == AF_UNIX && size >= sizeof(*local)) {
		socket = find(sought, local->udiag_ino);
		if (!socket)
			return;
		from_unix(local, size, &socket->detail);
		socket->type = local->udiag_type;
	} else if (family == AF_NETLINK && size >= sizeof(*netlink)) {
		socket = find(sought, netlink->ndiag_ino);
		if (!socket || socket->detail.known)
			return;
		from_netlink(netlink, &socket->detail);
		socket->type = netlink->ndiag_type;
	} else if ((family == AF_INET || family == AF_INET6) && size >= sizeof(*inet)) {
		socket = find(sought, inet->idiag_inode);
		if (!socket || socket->detail.known)
			return;
		from_inet(inet, &socket->detail);
	} else {
		return;
	}
	sought->left -= sought->left > 0;
}

/* Whether the list goes on, and is worth reading on. */
static bool look_through(const uint8_t *data, size_t len, uint8_t family, struct sought *sought)
{
	while (len >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)data;
		size_t whole;

		if (head->nlmsg_len < NLMSG_HDRLEN || head->nlmsg_len > len ||
		    head->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return false;
		take_message(sought, family, data + NLMSG_HDRLEN, head->nlmsg_len - NLMSG_HDRLEN);
		whole = NLMSG_ALIGN(head->nlmsg_len);
		if (sought->left == 0 || family == AF_UNIX)
			return false;
		if (whole >= len)
			return true;
		data += whole;
		len -= whole;
	}
	return false;
}

/* Of Unix sockets it is one that is asked for, else all of the protocol. */
static void ask(const struct protocol *protocol, struct sought *sought)
{
	static _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	bool more;

	if (fd < 0)
		return;
	more = send_request(fd, protocol, sought->sockets[0]->detail.inode, sought->states);
	while (more) {
		/* An answer is made while it is read: there is nothing to wait for. */
		ssize_t len = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);

		more = len > 0 && look_through(answer, (size_t)len, protocol->family, sought);
	}
	close(fd);
}

static bool begin(const struct protocol *protocol, uint64_t inode, struct rn_socket *socket)
{
	if (!protocol)
		return false;
	memset(socket, 0, sizeof(*socket));
	socket->detail.kind = RN_FD_SOCKET;
	socket->detail.inode = inode;
	socket->detail.family = protocol->family;
	memcpy(socket->detail.protocol, protocol->name, strlen(protocol->name));
	socket->type = protocol->type;
	return true;
}

bool rn_socket_begin(const char *name, uint64_t inode, struct rn_socket *socket)
{
	return begin(protocol_of(name), inode, socket);
}

static int by_inode(const void *a, const void *b)
{
	uint32_t left = (uint32_t)(*(struct rn_socket *const *)a)->detail.inode;
	uint32_t right = (uint32_t)(*(struct rn_socket *const *)b)->detail.inode;

	return (left > right) - (left < right);
}

/* `n` of one protocol, in order of their inodes. */
static void ask_for(const struct protocol *protocol, struct rn_socket **sockets, unsigned n,
		    uint32_t states)
{
	struct sought sought = {.sockets = sockets, .n = n, .states = states};

	for (unsigned i = 0; i < n; i++)
		sought.left += i == 0 || sockets[i]->detail.inode != sockets[i - 1]->detail.inode;
	if (protocol->family != AF_UNIX)
		ask(protocol, &sought);
	for (unsigned i = 0; i < n; i++) {
		struct sought one = {.sockets = &sockets[i], .n = 1, .left = 1};

		if (i > 0 && sockets[i]->detail.inode == sockets[i - 1]->detail.inode)
			*sockets[i] = *sockets[i - 1];
		else if (protocol->family == AF_UNIX)
			ask(protocol, &one);
	}
}

void rn_sockets_ask(struct rn_socket **sockets, unsigned n, bool connected)
{
	uint32_t states = connected ? CONNECTED_STATES : EVERY_STATE;

	qsort(sockets, n, sizeof(struct rn_socket *), by_inode);
	for (size_t i = 0; n && i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		unsigned taken = 0;

		/* Those of this protocol to the front, in their order. */
		for (unsigned at = 0; at < n; at++) {
			struct rn_socket *socket = sockets[at];

			if (strcmp(socket->detail.protocol, protocols[i].name) != 0)
				continue;
			memmove(&sockets[taken + 1], &sockets[taken],
				(at - taken) * sizeof(struct rn_socket *));
			sockets[taken++] = socket;
		}
		if (taken)
			ask_for(&protocols[i], sockets, taken, states);
		sockets += taken;
		n -= taken;
	}
}

bool rn_socket_describe(const char *name, uint64_t inode, struct rn_fd_detail *detail)
{
	const struct protocol *protocol = protocol_of(name);
	struct rn_fd_detail *kept = &known[inode % (sizeof(known) / sizeof(known[0]))];
	struct rn_socket socket, *sockets = &socket;
	struct sought sought = {.sockets = &sockets, .n = 1, .left = 1, .states = EVERY_STATE};
	bool known_before;

	if (!begin(protocol, inode, &socket))
		return false;
	known_before = kept->inode == inode && strcmp(kept->protocol, protocol->name) == 0;
	if (known_before && protocol->stays) {
		*detail = *kept;
		return true;
	}
	ask(protocol, &sought);
	*detail = socket.detail;
	if (detail->known & (RN_SOCKET_PEER | RN_SOCKET_LISTENS))
		*kept = *detail;
	else if (known_before && protocol->family == AF_UNIX)
		*detail = *kept;
	return true;
}
