/* SPDX-License-Identifier: MIT */
/* Messages of NETLINK_SOCK_DIAG (sock_diag(7)) about Internet and Unix sockets. */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "netlink.h"

#define ID 48u /* struct inet_diag_sockid */

static char *write_part(char *out, const struct rn_netlink *netlink, unsigned shape,
			const uint8_t *data)
{
	const struct rn_value value = {
		data, rn_shape_size(shape, RN_ABI_X86_64), RN_ABI_X86_64, netlink->style, NULL, 0};

	return rn_write_struct(out, shape, &value);
}

static char *write_address(char *out, const char *name, unsigned family, const uint8_t *data)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop((int)family, data, text, sizeof(text));
	if (family == AF_INET) {
		out = rn_write_text(rn_write_text(rn_write_text(out, ", "), name), "=inet_addr(\"");
		return rn_write_text(rn_write_text(out, text), "\")");
	}
	out = rn_write_text(rn_write_text(out, ", inet_pton(AF_INET6, \""), text);
	out = rn_write_text(rn_write_text(out, "\", &"), name);
	return rn_write_text(out, ")");
}

static char *write_id(char *out, unsigned family, const uint8_t *data)
{
	out = rn_write_u64(rn_write_text(out, ", id={idiag_sport=htons("),
			   ntohs((uint16_t)rn_get(data, 0, 2)));
	out = rn_write_u64(rn_write_text(out, "), idiag_dport=htons("),
			   ntohs((uint16_t)rn_get(data, 2, 2)));
	out = write_address(rn_write_text(out, ")"), "idiag_src", family, data + 4);
	out = write_address(out, "idiag_dst", family, data + 20);
	out = rn_write_u64(rn_write_text(out, ", idiag_if="), rn_get(data, 36, 4));
	out = rn_write_u64(rn_write_text(out, ", idiag_cookie=["), rn_get(data, 40, 4));
	out = rn_write_u64(rn_write_text(out, ", "), rn_get(data, 44, 4));
	return rn_write_text(out, "]}");
}

static char *write_inet(char *out, const struct rn_netlink *netlink, bool request,
			const uint8_t *data)
{
	unsigned shape = request ? RN_SHAPE_INETDIAGREQ : RN_SHAPE_INETDIAGMSG;
	uint32_t head = rn_shape_size(shape, RN_ABI_X86_64);

	*out++ = '{';
	out = write_part(out, netlink, shape, data);
	out = write_id(out, data[0], data + head);
	if (!request)
		out = write_part(rn_write_text(out, ", "), netlink, RN_SHAPE_INETDIAGREST,
				 data + head + ID);
	*out++ = '}';
	return out;
}

char *rn_write_diag_message(char *out, const struct rn_netlink *netlink, bool request,
			    const uint8_t *data, size_t len)
{
	unsigned family = data[0], shape = 0;
	size_t size;

	if (family == AF_UNIX) {
		shape = request ? RN_SHAPE_UNIXDIAGREQ : RN_SHAPE_UNIXDIAGMSG;
		size = rn_shape_size(shape, RN_ABI_X86_64);
	} else if (family == AF_INET || family == AF_INET6) {
		size = request ? 8 + ID : 4 + ID + 20;
	} else {
		return NULL;
	}
	if (len < size) {
		out = rn_write_text(out, request ? "{s" : shape ? "{u" : "{i");
		out = rn_write_names(rn_write_text(out, "diag_family="), RN_SET_FAMILY,
				     RN_ABI_X86_64, family);
		return rn_write_text(out, ", ...}");
	}
	out = shape ? write_part(out, netlink, shape, data)
		    : write_inet(out, netlink, request, data);
	if (len == size)
		return out;
	/* Filters that a request may have are a small language: bytes. */
	out = rn_write_text(out, ", ");
	return request ? rn_write_netlink_bytes(out, data + size, len - size, netlink->style)
		       : rn_write_diag_attrs(out, netlink, family, data + size, len - size);
}
