/* SPDX-License-Identifier: MIT */
/*
 * Messages of netlink sockets (netlink(7)), as strace 6.1 writes them: heads, errors, and what
 * follows in messages of NETLINK_ROUTE and NETLINK_SOCK_DIAG. What is not known is shown as bytes.
 */
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "netlink.h"

#define HEAD 16u /* struct nlmsghdr */

enum { FIRST_TYPE = 16 }; /* NLMSG_MIN_TYPE: below it they mean the same in all protocols */

char *rn_write_netlink_bytes(char *out, const uint8_t *data, size_t len,
			     const struct rn_style *style)
{
	size_t shown = len < style->string_limit ? len : style->string_limit;

	*out++ = '"';
	out = rn_write_in_hex(out, data, shown);
	*out++ = '"';
	return shown < len ? rn_write_text(out, "...") : out;
}

static unsigned flags_of(uint32_t protocol, unsigned type)
{
	if (type < FIRST_TYPE)
		return type == NLMSG_ERROR ? RN_SET_NLFLAGSACK : RN_SET_NLFLAGS;
	if (protocol == NETLINK_SOCK_DIAG)
		return type == SOCK_DESTROY ? RN_SET_NLFLAGSDEL : RN_SET_NLFLAGSGET;
	/* New, delete, get, set: in this order, RTM_SETLINK alone has more. */
	if (protocol != NETLINK_ROUTE || !rn_name_of(RN_SET_RTM, RN_ABI_X86_64, type))
		return RN_SET_NLFLAGS;
	switch (type & 3) {
	case 0:
		return RN_SET_NLFLAGSNEW;
	case 1:
		return RN_SET_NLFLAGSDEL;
	case 2:
		return RN_SET_NLFLAGSGET;
	default:
		return RN_SET_NLFLAGS;
	}
}

static char *write_type(char *out, uint32_t protocol, unsigned type)
{
	unsigned set = RN_SET_NLMSG;

	if (type >= FIRST_TYPE && protocol == NETLINK_ROUTE)
		set = RN_SET_RTM;
	else if (type >= FIRST_TYPE && protocol == NETLINK_SOCK_DIAG)
		set = RN_SET_SOCKDIAG;
	else if (type == FIRST_TYPE && protocol == NETLINK_GENERIC)
		return rn_write_text(out, "nlctrl"); /* others have numbers from the kernel */
	if (!rn_name_of(set, RN_ABI_X86_64, type))
		return rn_write_number_named(out, set, RN_ABI_X86_64, type);
	return rn_write_names(out, set, RN_ABI_X86_64, type);
}

static char *write_head(char *out, uint32_t protocol, const uint8_t *data)
{
	unsigned type = (unsigned)rn_get(data, 4, 2);

	out = rn_write_u64(rn_write_text(out, "{nlmsg_len="), rn_get(data, 0, 4));
	out = write_type(rn_write_text(out, ", nlmsg_type="), protocol, type);
	out = rn_write_names(rn_write_text(out, ", nlmsg_flags="), flags_of(protocol, type),
			     RN_ABI_X86_64, rn_get(data, 6, 2));
	out = rn_write_u64(rn_write_text(out, ", nlmsg_seq="), rn_get(data, 8, 4));
	out = rn_write_u64(rn_write_text(out, ", nlmsg_pid="), rn_get(data, 12, 4));
	*out++ = '}';
	return out;
}

static char *write_message(char *out, const struct rn_netlink *netlink, const uint8_t *data,
			   size_t len, bool in_error);

/* struct nlmsgerr: an errno, and the message that it is about, or its head: len >= 4 + HEAD. */
static char *write_error(char *out, const struct rn_netlink *netlink, const uint8_t *data,
			 size_t len)
{
	int64_t err = rn_get_signed(data, 0, 4);
	const char *name = err < 0 && err > -4096 ? rn_errno_name((int)-err) : NULL;

	out = rn_write_text(out, "{error=");
	out = name ? rn_write_text(rn_write_text(out, "-"), name) : rn_write_i64(out, err);
	out = rn_write_text(out, ", msg=");
	out = write_message(out, netlink, data + 4, len - 4, true);
	*out++ = '}';
	return out;
}

/* What follows `head`. */
static char *write_payload(char *out, const struct rn_netlink *netlink, const uint8_t *head,
			   size_t len, bool in_error)
{
	unsigned type = (unsigned)rn_get(head, 4, 2);
	const uint8_t *data = head + HEAD;
	char *end = NULL;

	/* An error within an error is none that the kernel sends. */
	if (type == NLMSG_ERROR && len >= 4 + HEAD && !in_error)
		return write_error(out, netlink, data, len);
	if (type == NLMSG_DONE && len >= 4)
		return rn_write_i64(out, rn_get_signed(data, 0, 4));
	if (type >= FIRST_TYPE && netlink->protocol == NETLINK_ROUTE)
		end = rn_write_route_message(out, netlink, type, data, len);
	else if (type >= SOCK_DIAG_BY_FAMILY && netlink->protocol == NETLINK_SOCK_DIAG)
		end = rn_write_diag_message(out, netlink, rn_get(head, 6, 2) & NLM_F_REQUEST, data,
					    len);
	return end ? end : rn_write_netlink_bytes(out, data, len, netlink->style);
}

/* One of `len` >= HEAD bytes, which may be less than it says, or more. */
static char *write_message(char *out, const struct rn_netlink *netlink, const uint8_t *data,
			   size_t len, bool in_error)
{
	uint64_t said = rn_get(data, 0, 4);
	size_t whole = said < len ? (size_t)said : len;

	if (whole <= HEAD)
		return write_head(out, netlink->protocol, data);
	*out++ = '[';
	out = write_head(out, netlink->protocol, data);
	out = rn_write_text(out, ", ");
	out = write_payload(out, netlink, data, whole - HEAD, in_error);
	*out++ = ']';
	return out;
}

/* How far the next message is; 0: there is none. */
static size_t step(const uint8_t *data, size_t len)
{
	uint64_t said = (rn_get(data, 0, 4) + 3) & ~3ull;

	return rn_get(data, 0, 4) >= HEAD && said < len ? (size_t)said : 0;
}

char *rn_write_netlink_list(char *out, const struct rn_netlink_list *list,
			    const struct rn_netlink *netlink, const uint8_t *data, size_t len)
{
	uint32_t limit = netlink->style->verbose ? UINT32_MAX : netlink->style->string_limit;
	bool several = len >= list->head && list->step(data, len);
	size_t next;

	if (several)
		*out++ = '[';
	for (uint32_t count = 0;; count++) {
		if (count == limit && several) {
			out = rn_write_text(out, "...");
			break;
		}
		if (len < list->head) {
			out = rn_write_netlink_bytes(out, data, len, netlink->style);
			break;
		}
		out = list->write(out, netlink, list->ctx, data, len);
		next = list->step(data, len);
		if (!next)
			break;
		out = rn_write_text(out, ", ");
		data += next;
		len -= next;
	}
	if (several)
		*out++ = ']';
	return out;
}

static char *write_one(char *out, const struct rn_netlink *netlink, const void *ctx,
		       const uint8_t *data, size_t len)
{
	(void)ctx;
	return write_message(out, netlink, data, len, false);
}

char *rn_write_netlink(char *out, const struct rn_netlink *netlink, const uint8_t *data, size_t len,
		       bool cut)
{
	const struct rn_netlink_list list = {.head = HEAD, .step = step, .write = write_one};

	out = rn_write_netlink_list(out, &list, netlink, data, len);
	return cut && len >= HEAD ? rn_write_text(out, "...") : out;
}

bool rn_netlink_of(const struct rn_call *call, unsigned arg, const struct rn_style *style,
		   struct rn_netlink *netlink)
{
	const struct rn_piece *piece = rn_call_piece_of(call, arg, RN_PIECE_NETLINK);

	if (!piece || style->no_payload)
		return false;
	*netlink = (struct rn_netlink){(uint32_t)piece->total, style};
	return true;
}
