/* SPDX-License-Identifier: MIT */
/*
 * What follows the head of a message of NETLINK_ROUTE (rtnetlink(7)): a structure, and
 * attributes, some of which hold attributes again. Which is what, is told by netlink_tables.h.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "netlink.h"
#include "netlink_tables.h"

#define ATTR_HEAD 4u /* struct nlattr */
#define STRUCT_MAX 256u

enum { NESTED = 0x8000, NET_BYTEORDER = 0x4000, TYPE_MASK = 0x3fff };

/* What kind of attributes they are. */
struct attrs {
	unsigned table, family;
};

static char *write_attrs(char *out, const struct rn_netlink *netlink, unsigned table,
			 unsigned family, const uint8_t *data, size_t len);

static char *write_mac(char *out, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		if (i)
			*out++ = ':';
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	return out;
}

/* NULL: not of a family that is known, or too short. */
static char *write_address(char *out, unsigned family, const uint8_t *data, size_t len)
{
	char text[INET6_ADDRSTRLEN];

	if (family == AF_INET && len >= 4) {
		inet_ntop(AF_INET, data, text, sizeof(text));
		out = rn_write_text(rn_write_text(out, "inet_addr(\""), text);
	} else if (family == AF_INET6 && len >= 16) {
		inet_ntop(AF_INET6, data, text, sizeof(text));
		out = rn_write_text(rn_write_text(out, "inet_pton(AF_INET6, \""), text);
	} else {
		return NULL;
	}
	return rn_write_text(out, "\")");
}

static char *write_list(char *out, const struct rn_netlink *netlink, const struct attr *attr,
			const uint8_t *data, size_t len)
{
	size_t size = attr->kind == LIST64 ? 8 : 4, n = len / size;
	unsigned first = attr->kind == LIST32_FROM_1;

	*out++ = '[';
	for (size_t i = 0; i < n; i++) {
		const char *name = rn_name_of(attr->of, RN_ABI_X86_64, i + first);

		if (i)
			out = rn_write_text(out, ", ");
		if (i == netlink->style->string_limit && !netlink->style->verbose) {
			out = rn_write_text(out, "...");
			break;
		}
		*out++ = '[';
		if (name) {
			out = rn_write_text(out, name);
			out = rn_write_text(out, first ? "-1" : "");
		} else {
			out = rn_write_u64(out, i);
			out = rn_write_text(out, attr->of == RN_SET_IPMIB ? " /* IPSTATS_MIB_??? */"
						 : attr->of == RN_SET_ICMP6MIB
							 ? " /* ICMP6_MIB_??? */"
						 : first ? " /* IPV4_DEVCONF_??? */"
							 : " /* DEVCONF_??? */");
		}
		out = rn_write_text(out, "]=");
		out = size == 8 ? rn_write_u64(out, rn_get(data, i * size, size))
				: rn_write_i64(out, rn_get_signed(data, i * size, size));
	}
	*out++ = ']';
	return out;
}

/* One that is shorter than ours is of an older kernel: what it lacks is left out. */
static char *write_structure(char *out, const struct rn_netlink *netlink, unsigned shape,
			     const uint8_t *data, size_t len)
{
	uint32_t size = rn_shape_size(shape, RN_ABI_X86_64);
	uint8_t whole[STRUCT_MAX] = {0};
	bool grew = shape == RN_SHAPE_LINKSTATS || shape == RN_SHAPE_LINKSTATS64;

	if (size > sizeof(whole) || (len < size && !(grew && len + 16 >= size)))
		return NULL;
	memcpy(whole, data, len < size ? len : size);
	return rn_write_struct(
		out, shape,
		&(const struct rn_value){whole, size, RN_ABI_X86_64, netlink->style, NULL, len});
}

static char *write_string(char *out, const struct rn_netlink *netlink, const uint8_t *data,
			  size_t len)
{
	size_t limit = netlink->style->string_limit, end = strnlen((const char *)data, len);

	return rn_write_quoted(out, data, end < limit ? end : limit, end == len || end > limit);
}

/* Bits; those that are not set only with -v. */
static char *write_sockopt(char *out, const struct rn_netlink *netlink, const uint8_t *data)
{
	static const char *const names[] = {
		"recverr",         "is_icsk",       "freebind",
		"hdrincl",         "mc_loop",       "transparent",
		"mc_all",          "nodefrag",      "bind_address_no_port",
		"recverr_rfc4884", "defer_connect",
	};
	uint64_t bits = rn_get(data, 0, 2), unused = bits >> 11;
	bool first = true;

	*out++ = '{';
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(bits >> i & 1) && !netlink->style->verbose)
			continue;
		out = rn_write_text(rn_write_text(out, first ? "" : ", "), names[i]);
		out = rn_write_text(out, bits >> i & 1 ? "=1" : "=0");
		first = false;
	}
	if (unused || netlink->style->verbose) {
		out = rn_write_hex(rn_write_text(out, first ? "unused=" : ", unused="), unused);
		out = rn_write_text(out, " /* bits 3..8 */");
	}
	*out++ = '}';
	return out;
}

static char *write_value(char *out, const struct rn_netlink *netlink, const struct attr *attr,
			 unsigned family, const uint8_t *data, size_t len)
{
	static const uint8_t least[] = {[U8] = 1,     [U16] = 2,     [U32] = 4,
					[S32] = 4,    [BE16] = 2,    [NAME8] = 1,
					[NAME32] = 4, [LIST32] = 4,  [LIST64] = 8,
					[U64] = 8,    [SOCKOPT] = 2, [LIST32_FROM_1] = 4};
	char *end = NULL;

	if (attr->kind < sizeof(least) && len < least[attr->kind])
		return rn_write_netlink_bytes(out, data, len, netlink->style);
	switch (attr->kind) {
	case STR:
		return write_string(out, netlink, data, len);
	case U8:
		return rn_write_u64(out, data[0]);
	case U16:
		return rn_write_u64(out, rn_get(data, 0, 2));
	case U32:
		return rn_write_u64(out, rn_get(data, 0, 4));
	case U64:
		return rn_write_u64(out, rn_get(data, 0, 8));
	case SOCKOPT:
		return write_sockopt(out, netlink, data);
	case S32:
		return rn_write_i64(out, rn_get_signed(data, 0, 4));
	case BE16:
		out = rn_write_u64(rn_write_text(out, "htons("),
				   ntohs((uint16_t)rn_get(data, 0, 2)));
		return rn_write_text(out, ")");
	case NAME8:
		return rn_write_names(out, attr->of, RN_ABI_X86_64, data[0]);
	case NAME32:
		return rn_write_names(out, attr->of, RN_ABI_X86_64, rn_get(data, 0, 4));
	case LIST32:
	case LIST64:
	case LIST32_FROM_1:
		return write_list(out, netlink, attr, data, len);
	case MAC:
		return write_mac(out, data, len);
	case ADDR:
		end = write_address(out, family, data, len);
		break;
	case ADDR6:
		end = write_address(out, AF_INET6, data, len);
		break;
	case STRUCT:
		end = write_structure(out, netlink, attr->of, data, len);
		break;
	case NEST:
		return write_attrs(out, netlink, attr->of, family, data, len);
	default:
		break;
	}
	return end ? end : rn_write_netlink_bytes(out, data, len, netlink->style);
}

static char *write_attr(char *out, const struct rn_netlink *netlink, const void *ctx,
			const uint8_t *data, size_t len)
{
	const struct attrs *in = ctx;
	static const struct attr unknown = {RAW, 0};
	size_t said = (size_t)rn_get(data, 0, 2), whole = said < len ? said : len;
	unsigned type = (unsigned)rn_get(data, 2, 2), number = type & TYPE_MASK;
	const struct attr *attr =
		number < tables[in->table].count ? &tables[in->table].attrs[number] : &unknown;

	if (whole > ATTR_HEAD)
		*out++ = '[';
	out = rn_write_u64(rn_write_text(out, "{nla_len="), said);
	out = rn_write_text(out, ", nla_type=");
	out = rn_write_text(out, type & NESTED ? "NLA_F_NESTED|" : "");
	out = rn_write_text(out, type & NET_BYTEORDER ? "NLA_F_NET_BYTEORDER|" : "");
	out = rn_write_names(out, tables[in->table].names, RN_ABI_X86_64, number);
	*out++ = '}';
	if (whole <= ATTR_HEAD)
		return out;
	out = rn_write_text(out, ", ");
	out = write_value(out, netlink, attr, in->family, data + ATTR_HEAD, whole - ATTR_HEAD);
	*out++ = ']';
	return out;
}

/* How far the next one is; 0: there is none. */
static size_t step(const uint8_t *data, size_t len)
{
	size_t said = (size_t)rn_get(data, 0, 2), padded = (said + 3) & ~(size_t)3;

	return said >= ATTR_HEAD && padded < len ? padded : 0;
}

static char *write_attrs(char *out, const struct rn_netlink *netlink, unsigned table,
			 unsigned family, const uint8_t *data, size_t len)
{
	const struct attrs attrs = {table, family};
	const struct rn_netlink_list list = {ATTR_HEAD, step, write_attr, &attrs};

	return rn_write_netlink_list(out, &list, netlink, data, len);
}

char *rn_write_route_message(char *out, const struct rn_netlink *netlink, unsigned type,
			     const uint8_t *data, size_t len)
{
	const struct rn_value value = {data, len, RN_ABI_X86_64, netlink->style, NULL, 0};
	uint32_t size;

	if (type / 4 >= sizeof(messages) / sizeof(messages[0]) || !messages[type / 4].shape)
		return NULL;
	size = rn_shape_size(messages[type / 4].shape, RN_ABI_X86_64);
	if (len < size) {
		*out++ = '{';
		out = rn_write_text(rn_write_text(out, messages[type / 4].family), "=");
		out = rn_write_names(out, RN_SET_FAMILY, RN_ABI_X86_64, data[0]);
		return rn_write_text(out, ", ...}");
	}
	out = rn_write_struct(out, messages[type / 4].shape, &value);
	if (len == size)
		return out;
	return write_attrs(rn_write_text(out, ", "), netlink, messages[type / 4].table, data[0],
			   data + size, len - size);
}

char *rn_write_diag_attrs(char *out, const struct rn_netlink *netlink, unsigned family,
			  const uint8_t *data, size_t len)
{
	return write_attrs(out, netlink, family == AF_UNIX ? UNIX_DIAG : INET_DIAG, family, data,
			   len);
}
