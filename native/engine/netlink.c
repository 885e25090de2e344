/* SPDX-License-Identifier: MIT */
/*
 * Which sockets are netlink's, and of which protocol: what their messages mean hangs on it. Asked
 * only where the first bytes of a message may be a netlink head, so of other sockets hardly ever.
 */
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine_private.h"

#define LONGEST (1u << 20) /* text as a length is greater than any message */

bool rn_may_be_netlink(const uint8_t *data, size_t len)
{
	uint32_t said;

	if (len < sizeof(struct nlmsghdr))
		return false;
	memcpy(&said, data, sizeof(said));
	return said < LONGEST;
}

bool rn_is_netlink(int tid, int32_t fd, uint32_t *protocol)
{
	static struct {
		uint64_t inode;
		uint32_t protocol;
	} known[64]; /* one tracer thread in a process */
	char path[64], name[16] = "", link[64] = "";
	struct rn_fd_detail detail = {.known = 0};
	uint64_t inode;
	unsigned slot;

	if (fd < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", tid, fd);
	if (getxattr(path, "system.sockprotoname", name, sizeof(name) - 1) <= 0 ||
	    strcmp(name, "NETLINK") != 0 || readlink(path, link, sizeof(link) - 1) < 9)
		return false;
	inode = strtoull(link + 8, NULL, 10); /* socket:[… */
	slot = inode % (sizeof(known) / sizeof(known[0]));
	if (known[slot].inode != inode) {
		*protocol = RN_NETLINK_UNKNOWN;
		if (!rn_socket_describe(name, inode, &detail) || !(detail.known & RN_SOCKET_LOCAL))
			return true; /* not bound yet, or of another network namespace */
		known[slot].inode = inode;
		known[slot].protocol = detail.major;
	}
	*protocol = known[slot].protocol;
	/* Its messages are strings. */
	return *protocol != NETLINK_KOBJECT_UEVENT;
}

bool rn_netlink_is_shown(uint32_t protocol)
{
	return protocol == NETLINK_ROUTE || protocol == NETLINK_SOCK_DIAG;
}
