/* SPDX-License-Identifier: MIT */
/* Inner parts of decode/ for messages of netlink sockets. */
#ifndef RENACER_DECODE_NETLINK_H
#define RENACER_DECODE_NETLINK_H

#include "decode.h"

struct rn_netlink {
	uint32_t protocol; /* NETLINK_* */
	const struct rn_style *style;
};

/* Whether a buffer of the call is known to hold such messages, and may be shown. */
bool rn_netlink_of(const struct rn_call *call, unsigned arg, const struct rn_style *style,
		   struct rn_netlink *netlink);

/* Each takes at most RN_SHAPE_PER_BYTE * len + RN_SHAPE_EXTRA bytes. */
/* Messages in a row. `cut`: there is more than what was captured. */
char *rn_write_netlink(char *out, const struct rn_netlink *netlink, const uint8_t *data, size_t len,
		       bool cut);
/* What follows the head of a message of NETLINK_ROUTE, len > 0; NULL: it is not known. */
char *rn_write_route_message(char *out, const struct rn_netlink *netlink, unsigned type,
			     const uint8_t *data, size_t len);
/* The same of a message of NETLINK_SOCK_DIAG; `request`: not what the kernel answered. */
char *rn_write_diag_message(char *out, const struct rn_netlink *netlink, bool request,
			    const uint8_t *data, size_t len);
/* Attributes of its answers, len > 0. */
char *rn_write_diag_attrs(char *out, const struct rn_netlink *netlink, unsigned family,
			  const uint8_t *data, size_t len);
/* What stands in a row: [{...}, {...}], one alone without brackets, as many as are shown. */
struct rn_netlink_list {
	size_t head; /* shorter ones are bytes */
	/* How far the next one is; 0: there is none. len >= head. */
	size_t (*step)(const uint8_t *data, size_t len);
	char *(*write)(char *out, const struct rn_netlink *netlink, const void *ctx,
		       const uint8_t *data, size_t len);
	const void *ctx;
};
char *rn_write_netlink_list(char *out, const struct rn_netlink_list *list,
			    const struct rn_netlink *netlink, const uint8_t *data, size_t len);
/* "\x01\x02", as many as a string has. */
char *rn_write_netlink_bytes(char *out, const uint8_t *data, size_t len,
			     const struct rn_style *style);

#endif
