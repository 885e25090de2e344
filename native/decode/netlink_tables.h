/* SPDX-License-Identifier: MIT */
/*
 * What the attributes of netlink messages hold; part of netlink_route.c. Their names are data
 * (sets.tsv), the structures in them too (structs.tsv). Numbers, not the headers' names: these may
 * be of a kernel that is older than what is shown.
 */
#ifndef RENACER_DECODE_NETLINK_TABLES_H
#define RENACER_DECODE_NETLINK_TABLES_H

#include <sys/socket.h>

#include "decode.h"

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
	LIST32_FROM_1,
	U64,
	SOCKOPT /* struct inet_diag_sockopt */
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
	INET_DIAG,
	UNIX_DIAG,
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

static const struct attr of_inet_diag[] = {
	[4] = {STR, 0},      /* CONG */
	[5] = {U8, 0},      /* TOS */
	[6] = {U8, 0},      /* TCLASS */
	[8] = {U8, 0},      /* SHUTDOWN */
	[11] = {U8, 0},      /* SKV6ONLY */
	[15] = {U32, 0},     /* MARK */
	[17] = {U32, 0},     /* CLASS_ID */
	[21] = {U64, 0},     /* CGROUP_ID */
	[22] = {SOCKOPT, 0},
};

static const struct attr of_unix_diag[] = {
	[2] = {U32, 0}, /* PEER */
	[4] = {STRUCT, RN_SHAPE_UNIXRQLEN},
	[6] = {U8, 0}, /* SHUTDOWN */
	[7] = {U32, 0}, /* UID */
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
	[INET_DIAG] = TABLE(of_inet_diag, RN_SET_INETDIAG),
	[UNIX_DIAG] = TABLE(of_unix_diag, RN_SET_UNIXDIAG),
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

#endif
