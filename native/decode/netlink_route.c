/* SPDX-License-Identifier: MIT */
/*
 * What follows the head of a message of NETLINK_ROUTE (rtnetlink(7)): a structure, and
 * attributes, some of which hold attributes again. Which is what, is told by the tables here;
 * names are data (sets.tsv), structures too (structs.tsv).
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "netlink.h"

#define ATTR_HEAD 4u /* struct nlattr */
#define STRUCT_MAX 256u

enum { NESTED = 0x8000, NET_BYTEORDER = 0x4000, TYPE_MASK = 0x3fff };

enum attr_kind {
	RAW = 0,
	STR,
	U8,
	U16,
	U32,
	S32,
	BE16,
	MAC,
	ADDR,  /* of the message's family */
	ADDR6,
	NAME8, /* of the set `of` */
	NAME32,
	STRUCT, /* the shape `of` */
	NEST,   /* attributes, by the table `of` */
	LIST32, /* numbers, each with the name of its place in the set `of` */
	LIST64,
	LIST32_FROM_1
};

struct attr {
	uint8_t kind;
	uint16_t of;
};

enum table {
	NONE,
	LINK,
	LINKINFO,
	XDP,
	AF_SPEC,
	INET,
	INET6,
	ADDRESS,
	ROUTE,
	METRICS,
	NEIGH,
	RULE,
	TRAFFIC,
	TABLES
};

static const struct attr of_link[] = {
	[1] = {MAC, 0},  /* ADDRESS */
	[2] = {MAC, 0},  /* BROADCAST */
	[3] = {STR, 0},  /* IFNAME */
	[4] = {U32, 0},  /* MTU */
	[5] = {U32, 0},  /* LINK */
	[6] = {STR, 0},  /* QDISC */
	[7] = {STRUCT, RN_SHAPE_LINKSTATS},
	[10] = {U32, 0}, /* MASTER */
	[13] = {U32, 0}, /* TXQLEN */
	[14] = {STRUCT, RN_SHAPE_LINKMAP},
	[15] = {U32, 0}, /* WEIGHT */
	[16] = {U8, 0},  /* OPERSTATE */
	[17] = {U8, 0},  /* LINKMODE */
	[18] = {NEST, LINKINFO},
	[19] = {U32, 0}, /* NET_NS_PID */
	[20] = {STR, 0}, /* IFALIAS */
	[21] = {U32, 0}, /* NUM_VF */
	[23] = {STRUCT, RN_SHAPE_LINKSTATS64},
	[26] = {NEST, AF_SPEC},
	[27] = {U32, 0}, /* GROUP */
	[28] = {U32, 0}, /* NET_NS_FD */
	[29] = {NAME32, RN_SET_IFLAEXT},
	[30] = {U32, 0}, /* PROMISCUITY */
	[31] = {U32, 0}, /* NUM_TX_QUEUES */
	[32] = {U32, 0}, /* NUM_RX_QUEUES */
	[33] = {U8, 0},  /* CARRIER */
	[35] = {U32, 0}, /* CARRIER_CHANGES */
	[37] = {S32, 0}, /* LINK_NETNSID */
	[38] = {STR, 0}, /* PHYS_PORT_NAME */
	[39] = {U8, 0},  /* PROTO_DOWN */
	[40] = {U32, 0}, /* GSO_MAX_SEGS */
	[41] = {U32, 0}, /* GSO_MAX_SIZE */
	[43] = {NEST, XDP},
	[45] = {S32, 0}, /* NEW_NETNSID */
	[46] = {S32, 0}, /* TARGET_NETNSID */
	[47] = {U32, 0}, /* CARRIER_UP_COUNT */
	[48] = {U32, 0}, /* CARRIER_DOWN_COUNT */
	[49] = {U32, 0}, /* NEW_IFINDEX */
	[50] = {U32, 0}, /* MIN_MTU */
	[51] = {U32, 0}, /* MAX_MTU */
	[53] = {STR, 0}, /* ALT_IFNAME */
	[54] = {MAC, 0}, /* PERM_ADDRESS */
	[56] = {STR, 0}, /* PARENT_DEV_NAME */
	[57] = {STR, 0}, /* PARENT_DEV_BUS_NAME */
	[58] = {U32, 0}, /* GRO_MAX_SIZE */
	[59] = {U32, 0}, /* TSO_MAX_SIZE */
	[60] = {U32, 0}, /* TSO_MAX_SEGS */
	[61] = {U32, 0}, /* ALLMULTI */
};

static const struct attr of_linkinfo[] = {[1] = {STR, 0}, [4] = {STR, 0}};

static const struct attr of_xdp[] = {
	[1] = {S32, 0},         /* FD */
	[2] = {NAME8, RN_SET_XDPATTACHED},    /* ATTACHED */
	[4] = {U32, 0},
	[5] = {U32, 0},       /* PROG_ID, DRV_PROG_ID */
	[6] = {U32, 0},
	[7] = {U32, 0},       /* SKB_PROG_ID, HW_PROG_ID */
};

/* By families. */
static const struct attr of_af_spec[] = {[AF_INET] = {NEST, INET}, [AF_INET6] = {NEST, INET6}};

static const struct attr of_inet[] = {[1] = {LIST32_FROM_1, RN_SET_DEVCONF4}};

static const struct attr of_inet6[] = {
	[1] = {NAME32, RN_SET_IN6IFFLAGS}, [2] = {LIST32, RN_SET_DEVCONF6},
	[3] = {LIST64, RN_SET_IPMIB},      [5] = {STRUCT, RN_SHAPE_INET6CACHEINFO},
	[6] = {LIST64, RN_SET_ICMP6MIB},   [7] = {ADDR6, 0}, /* TOKEN */
	[8] = {NAME8, RN_SET_IN6GENMODE},
};

static const struct attr of_address[] = {
	[1] = {ADDR, 0}, /* ADDRESS */
	[2] = {ADDR, 0}, /* LOCAL */
	[3] = {STR, 0},  /* LABEL */
	[4] = {ADDR, 0}, /* BROADCAST */
	[5] = {ADDR, 0}, /* ANYCAST */
	[6] = {STRUCT, RN_SHAPE_IFACACHEINFO},
	[7] = {ADDR, 0}, /* MULTICAST */
	[8] = {NAME32, RN_SET_IFAFLAGS},
	[9] = {U32, 0},  /* RT_PRIORITY */
	[10] = {S32, 0}, /* TARGET_NETNSID */
};

static const struct attr of_route[] = {
	[1] = {ADDR, 0}, /* DST */
	[2] = {ADDR, 0}, /* SRC */
	[3] = {U32, 0},  /* IIF */
	[4] = {U32, 0},  /* OIF */
	[5] = {ADDR, 0}, /* GATEWAY */
	[6] = {U32, 0},  /* PRIORITY */
	[7] = {ADDR, 0}, /* PREFSRC */
	[8] = {NEST, METRICS},
	[11] = {U32, 0}, /* FLOW */
	[12] = {STRUCT, RN_SHAPE_RTACACHEINFO},
	[15] = {NAME32, RN_SET_RTTABLE},
	[16] = {U32, 0},  /* MARK */
	[20] = {U8, 0},   /* PREF */
	[25] = {U32, 0},  /* UID */
	[26] = {U8, 0},   /* TTL_PROPAGATE */
	[28] = {BE16, 0}, /* SPORT */
	[29] = {BE16, 0}, /* DPORT */
};

static const struct attr of_metrics[] = {
	[1] = {U32, 0},  [2] = {U32, 0},  [3] = {U32, 0},  [4] = {U32, 0},
	[5] = {U32, 0},  [6] = {U32, 0},  [7] = {U32, 0},  [8] = {U32, 0},
	[9] = {U32, 0},  [10] = {U32, 0}, [11] = {U32, 0}, [12] = {U32, 0},
	[13] = {U32, 0}, [14] = {U32, 0}, [15] = {U32, 0}, [16] = {STR, 0}, /* CC_ALGO */
	[17] = {U32, 0},
};

static const struct attr of_neigh[] = {
	[1] = {ADDR, 0}, /* DST */
	[2] = {MAC, 0},  /* LLADDR */
	[3] = {STRUCT, RN_SHAPE_NDACACHEINFO},
	[4] = {U32, 0},  /* PROBES */
	[5] = {U16, 0},  /* VLAN */
	[6] = {BE16, 0}, /* PORT */
	[7] = {U32, 0},  /* VNI */
	[8] = {U32, 0},  /* IFINDEX */
	[9] = {U32, 0},  /* MASTER */
	[12] = {NAME8, RN_SET_RTPROTO},
};

static const struct attr of_rule[] = {
	[1] = {ADDR, 0}, /* DST */
	[2] = {ADDR, 0}, /* SRC */
	[3] = {STR, 0},  /* IIFNAME */
	[4] = {U32, 0},  /* GOTO */
	[6] = {U32, 0},  /* PRIORITY */
	[10] = {U32, 0}, /* FWMARK */
	[11] = {U32, 0}, /* FLOW */
	[13] = {U32, 0}, /* SUPPRESS_IFGROUP */
	[14] = {U32, 0}, /* SUPPRESS_PREFIXLEN */
	[15] = {NAME32, RN_SET_RTTABLE},
	[16] = {U32, 0}, /* FWMASK */
	[17] = {STR, 0}, /* OIFNAME */
	[19] = {U8, 0},  /* L3MDEV */
	[21] = {NAME8, RN_SET_RTPROTO},
};

static const struct attr of_traffic[] = {
	[1] = {STR, 0},  /* KIND */
	[11] = {U32, 0}, /* CHAIN */
	[12] = {U8, 0},  /* HW_OFFLOAD */
	[13] = {U32, 0}, /* INGRESS_BLOCK */
	[14] = {U32, 0}, /* EGRESS_BLOCK */
};

#define TABLE(attrs, set) {attrs, sizeof(attrs) / sizeof((attrs)[0]), set}

static const struct {
	const struct attr *attrs;
	uint16_t count;
	uint16_t names;
} tables[TABLES] = {
	[LINK] = TABLE(of_link, RN_SET_IFLA),
	[LINKINFO] = TABLE(of_linkinfo, RN_SET_IFLAINFO),
	[XDP] = TABLE(of_xdp, RN_SET_IFLAXDP),
	[AF_SPEC] = TABLE(of_af_spec, RN_SET_FAMILY),
	[INET] = TABLE(of_inet, RN_SET_IFLAINET),
	[INET6] = TABLE(of_inet6, RN_SET_IFLAINET6),
	[ADDRESS] = TABLE(of_address, RN_SET_IFATTR),
	[ROUTE] = TABLE(of_route, RN_SET_RTATTR),
	[METRICS] = TABLE(of_metrics, RN_SET_RTMETRIC),
	[NEIGH] = TABLE(of_neigh, RN_SET_NDATTR),
	[RULE] = TABLE(of_rule, RN_SET_FRATTR),
	[TRAFFIC] = TABLE(of_traffic, RN_SET_TCATTR),
};

/* By a quarter of the type: new, delete, get and set have the same. */
static const struct {
	const char *family; /* how the first byte is called */
	uint16_t shape;
	uint8_t table;
} messages[] = {
	[16 / 4] = {"ifi_family", RN_SHAPE_IFINFOMSG, LINK},
	[20 / 4] = {"ifa_family", RN_SHAPE_IFADDRMSG, ADDRESS},
	[24 / 4] = {"rtm_family", RN_SHAPE_RTMSG, ROUTE},
	[28 / 4] = {"ndm_family", RN_SHAPE_NDMSG, NEIGH},
	[32 / 4] = {"family", RN_SHAPE_FIBRULEHDR, RULE},
	[36 / 4] = {"tcm_family", RN_SHAPE_TCMSG, TRAFFIC},
	[40 / 4] = {"tcm_family", RN_SHAPE_TCMSG, TRAFFIC},
	[44 / 4] = {"tcm_family", RN_SHAPE_TCMSG, TRAFFIC},
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

static char *write_value(char *out, const struct rn_netlink *netlink, const struct attr *attr,
			 unsigned family, const uint8_t *data, size_t len)
{
	static const uint8_t least[] = {
		[U8] = 1,    [U16] = 2,    [U32] = 4,    [S32] = 4,    [BE16] = 2,
		[NAME8] = 1, [NAME32] = 4, [LIST32] = 4, [LIST64] = 8, [LIST32_FROM_1] = 4};
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

static char *write_attr(char *out, const struct rn_netlink *netlink, unsigned table,
			unsigned family, const uint8_t *data, size_t len)
{
	static const struct attr unknown = {RAW, 0};
	size_t said = (size_t)rn_get(data, 0, 2), whole = said < len ? said : len;
	unsigned type = (unsigned)rn_get(data, 2, 2), number = type & TYPE_MASK;
	const struct attr *attr =
		number < tables[table].count ? &tables[table].attrs[number] : &unknown;

	if (whole > ATTR_HEAD)
		*out++ = '[';
	out = rn_write_u64(rn_write_text(out, "{nla_len="), said);
	out = rn_write_text(out, ", nla_type=");
	out = rn_write_text(out, type & NESTED ? "NLA_F_NESTED|" : "");
	out = rn_write_text(out, type & NET_BYTEORDER ? "NLA_F_NET_BYTEORDER|" : "");
	out = rn_write_names(out, tables[table].names, RN_ABI_X86_64, number);
	*out++ = '}';
	if (whole <= ATTR_HEAD)
		return out;
	out = rn_write_text(out, ", ");
	out = write_value(out, netlink, attr, family, data + ATTR_HEAD, whole - ATTR_HEAD);
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
	uint32_t limit = netlink->style->verbose ? UINT32_MAX : netlink->style->string_limit;
	bool several = len >= ATTR_HEAD && step(data, len);

	if (several)
		*out++ = '[';
	for (uint32_t count = 0;; count++) {
		size_t next;

		if (count == limit && several) {
			out = rn_write_text(out, "...");
			break;
		}
		if (len < ATTR_HEAD) {
			out = rn_write_netlink_bytes(out, data, len, netlink->style);
			break;
		}
		out = write_attr(out, netlink, table, family, data, len);
		next = step(data, len);
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
