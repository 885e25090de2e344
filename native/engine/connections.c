/* SPDX-License-Identifier: MIT */
/*
 * Both ends of a TCP connection. Of a socket whose addresses are known the kernel tells at once, as
 * of the one at its other end; by the inode alone it would have to go through all there are. The
 * addresses are asked of a copy of the descriptor: see docs/decisions/0069.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine_private.h"

#define ANSWER_BYTES 1024u
#define LISTENING 10 /* TCP_LISTEN */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* A copy of a process's descriptor; -1: not allowed, not there, or a kernel before 5.6. */
static int copy_of(int pid, int32_t fd)
{
	int copy = -1;
	int process = (int)syscall(SYS_pidfd_open, pid, 0);

	if (process >= 0) {
		copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
		close(process);
	}
	return copy;
}

/* Both addresses of a connected socket. */
static bool look_at(int copy, uint64_t inode, union address ends[2])
{
	socklen_t len[2] = {sizeof(ends[0]), sizeof(ends[1])};
	struct stat st;

	/* Threads of a process may have descriptors of their own. */
	if (fstat(copy, &st) < 0 || st.st_ino != inode ||
	    getsockname(copy, &ends[0].any, &len[0]) < 0 ||
	    getpeername(copy, &ends[1].any, &len[1]) < 0)
		return false;
	return ends[0].any.sa_family == ends[1].any.sa_family &&
	       (ends[0].any.sa_family == AF_INET || ends[0].any.sa_family == AF_INET6);
}

/* Returns the port. */
static uint16_t tell_address(const union address *from, uint8_t to[16])
{
	if (from->any.sa_family == AF_INET) {
		memcpy(to, &from->v4.sin_addr, 4);
		return ntohs(from->v4.sin_port);
	}
	memcpy(to, &from->v6.sin6_addr, 16);
	return ntohs(from->v6.sin6_port);
}

static void tell(const union address ends[2], struct rn_object_id *id)
{
	id->family = ends[0].any.sa_family;
	id->type = SOCK_STREAM;
	id->known = RN_OBJECT_HAS_LOCAL | RN_OBJECT_HAS_PEER;
	id->port = tell_address(&ends[0], id->address);
	id->peer_port = tell_address(&ends[1], id->peer_address);
}

/* The inode of the connected socket at `from` whose other end is at `to`; 0 = it has none (it is
   not accepted yet, or closed), or there is no such socket in our network namespace. */
static uint64_t inode_of(int netlink, uint16_t family, const uint8_t from[16], uint16_t from_port,
			 const uint8_t to[16], uint16_t to_port)
{
	static _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
	const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)answer;
	const struct inet_diag_msg *msg = (const struct inet_diag_msg *)(const void *)(head + 1);
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} request = {
		.head = {.nlmsg_len = sizeof(request),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST},
		.body = {.sdiag_family = (uint8_t)family,
			 .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = UINT32_MAX,
			 .id = {.idiag_sport = htons(from_port),
				.idiag_dport = htons(to_port),
				.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
	};
	ssize_t len;

	memcpy(request.body.id.idiag_src, from, 16);
	memcpy(request.body.id.idiag_dst, to, 16);
	if (send(netlink, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return 0;
	/* The answer is there when the request has been taken. */
	len = recv(netlink, answer, sizeof(answer), MSG_DONTWAIT);
	if (len < (ssize_t)(sizeof(*head) + sizeof(*msg)) ||
	    head->nlmsg_type != SOCK_DIAG_BY_FAMILY || msg->idiag_state == LISTENING ||
	    msg->id.idiag_sport != request.body.id.idiag_sport ||
	    msg->id.idiag_dport != request.body.id.idiag_dport)
		return 0;
	return msg->idiag_inode;
}

static int open_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

static uint64_t peer_of(int netlink, const struct rn_object_id *id)
{
	return inode_of(netlink, id->family, id->peer_address, id->peer_port, id->address,
			id->port);
}

uint64_t rn_connection_peer(const struct rn_object_id *id)
{
	int netlink = open_netlink();
	uint64_t peer = 0;

	if (netlink < 0)
		return 0;
	peer = peer_of(netlink, id);
	close(netlink);
	return peer;
}

bool rn_connection_ask(int pid, int32_t fd, struct rn_object_id *id)
{
	struct rn_object_id told = *id;
	union address ends[2];
	int copy = copy_of(pid, fd), netlink;
	bool found;

	if (copy < 0)
		return false;
	found = look_at(copy, id->inode, ends);
	close(copy);
	netlink = found ? open_netlink() : -1;
	if (netlink < 0)
		return false;
	tell(ends, &told);
	/* In another network namespace the same addresses are others'. */
	found = inode_of(netlink, told.family, told.address, told.port, told.peer_address,
			 told.peer_port) == id->inode;
	if (found) {
		told.peer = peer_of(netlink, &told);
		*id = told;
	}
	close(netlink);
	return found;
}
