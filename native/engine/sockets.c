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
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine_private.h"

#define ANSWER_BYTES 32768u
#define LISTENING 10 /* TCP_LISTEN */

/* By the kernel's names of protocols. */
static const struct protocol {
	const char *name;
	uint8_t family, number;
	bool stays; /* once it has a peer, or listens, its addresses do not change */
} protocols[] = {
	{"TCP", AF_INET, IPPROTO_TCP, true},
	{"TCPv6", AF_INET6, IPPROTO_TCP, true},
	{"UDP", AF_INET, IPPROTO_UDP, false},
	{"UDPv6", AF_INET6, IPPROTO_UDP, false},
	{"UDP-Lite", AF_INET, IPPROTO_UDPLITE, false},
	{"UDPLITEv6", AF_INET6, IPPROTO_UDPLITE, false},
	{"DCCP", AF_INET, IPPROTO_DCCP, true},
	{"DCCPv6", AF_INET6, IPPROTO_DCCP, true},
	{"SCTP", AF_INET, IPPROTO_SCTP, false},
	{"SCTPv6", AF_INET6, IPPROTO_SCTP, false},
	{"RAW", AF_INET, IPPROTO_RAW, false},
	{"RAWv6", AF_INET6, IPPROTO_RAW, false},
	{"PING", AF_INET, IPPROTO_ICMP, false},
	{"PINGv6", AF_INET6, IPPROTO_ICMPV6, false},
	{"UNIX", AF_UNIX, 0, false},
	{"UNIX-STREAM", AF_UNIX, 0, true},
	{"NETLINK", AF_NETLINK, 0, false},
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

static size_t make_request(const struct protocol *protocol, uint64_t inode, union request *request,
			   uint16_t *flags)
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
		request->inet.idiag_states = UINT32_MAX;
		return sizeof(request->inet);
	}
}

static bool send_request(int fd, const struct protocol *protocol, uint64_t inode)
{
	struct {
		struct nlmsghdr head;
		union request body;
	} message;
	uint16_t flags;
	size_t len;

	len = sizeof(message.head) + make_request(protocol, inode, &message.body, &flags);
	message.head = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)len,
		.nlmsg_type = SOCK_DIAG_BY_FAMILY,
		.nlmsg_flags = flags,
	};
	return send(fd, &message, len, 0) == (ssize_t)len;
}

static bool from_inet(const struct inet_diag_msg *msg, struct rn_fd_detail *detail)
{
	static const uint8_t nowhere[16];
	size_t len = detail->family == AF_INET ? 4 : 16;

	if (msg->idiag_inode != (uint32_t)detail->inode)
		return false;
	detail->known = RN_SOCKET_LOCAL;
	detail->port = ntohs(msg->id.idiag_sport);
	detail->peer_port = ntohs(msg->id.idiag_dport);
	memcpy(detail->address, msg->id.idiag_src, len);
	memcpy(detail->peer, msg->id.idiag_dst, len);
	if (detail->peer_port || memcmp(detail->peer, nowhere, len) != 0)
		detail->known |= RN_SOCKET_PEER;
	else if (msg->idiag_state == LISTENING)
		detail->known |= RN_SOCKET_LISTENS;
	return true;
}

static bool from_unix(const struct unix_diag_msg *msg, size_t len, struct rn_fd_detail *detail)
{
	const uint8_t *at = (const uint8_t *)(msg + 1);
	const uint8_t *end = (const uint8_t *)msg + len;
	struct rtattr attr;

	if (msg->udiag_ino != (uint32_t)detail->inode)
		return false;
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
	return true;
}

static bool from_netlink(const struct netlink_diag_msg *msg, struct rn_fd_detail *detail)
{
	if (msg->ndiag_ino != (uint32_t)detail->inode)
		return false;
	detail->known = RN_SOCKET_LOCAL;
	detail->major = msg->ndiag_protocol;
	detail->minor = msg->ndiag_portid;
	return true;
}

/* 1 = found, 0 = go on, -1 = that was all. */
static int look_through(const uint8_t *data, size_t len, struct rn_fd_detail *detail)
{
	while (len >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)data;
		const void *body = data + NLMSG_HDRLEN;
		size_t size;
		bool found = false;

		if (head->nlmsg_len < NLMSG_HDRLEN || head->nlmsg_len > len ||
		    head->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return -1;
		size = head->nlmsg_len - NLMSG_HDRLEN;
		if (detail->family == AF_UNIX && size >= sizeof(struct unix_diag_msg))
			found = from_unix(body, size, detail);
		else if (detail->family == AF_NETLINK && size >= sizeof(struct netlink_diag_msg))
			found = from_netlink(body, detail);
		else if (size >= sizeof(struct inet_diag_msg))
			found = from_inet(body, detail);
		if (found)
			return 1;
		if (detail->family == AF_UNIX || NLMSG_ALIGN(head->nlmsg_len) >= len)
			return detail->family == AF_UNIX ? -1 : 0;
		data += NLMSG_ALIGN(head->nlmsg_len);
		len -= NLMSG_ALIGN(head->nlmsg_len);
	}
	return -1;
}

static void ask(const struct protocol *protocol, struct rn_fd_detail *detail)
{
	static _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int found = 0;

	if (fd < 0)
		return;
	if (send_request(fd, protocol, detail->inode)) {
		/* An answer is made while it is read: there is nothing to wait for. */
		while (found == 0) {
			ssize_t len = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);

			found = len > 0 ? look_through(answer, (size_t)len, detail) : -1;
		}
	}
	close(fd);
}

bool rn_socket_describe(const char *name, uint64_t inode, struct rn_fd_detail *detail)
{
	const struct protocol *protocol = protocol_of(name);
	struct rn_fd_detail *kept = &known[inode % (sizeof(known) / sizeof(known[0]))];
	bool known_before;

	if (!protocol)
		return false;
	known_before = kept->inode == inode && strcmp(kept->protocol, protocol->name) == 0;
	if (known_before && protocol->stays) {
		*detail = *kept;
		return true;
	}
	detail->kind = RN_FD_SOCKET;
	detail->inode = inode;
	detail->family = protocol->family;
	memcpy(detail->protocol, protocol->name, strlen(protocol->name));
	ask(protocol, detail);
	if (detail->known & (RN_SOCKET_PEER | RN_SOCKET_LISTENS))
		*kept = *detail;
	else if (known_before && protocol->family == AF_UNIX)
		*detail = *kept;
	return true;
}
