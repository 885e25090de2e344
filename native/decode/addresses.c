/* SPDX-License-Identifier: MIT */
/* Addresses of the rarer families of sockets, as strace 6.1 writes them. */
#include <sys/socket.h>

#include "decode.h"

/* Those that native/tables/structs.tsv tells. */
static const struct {
	uint16_t family, bytes, shape;
} by_data[] = {
	{AF_IPX, 16, RN_SHAPE_ADDRIPX},
	{AF_X25, 18, RN_SHAPE_ADDRX25},
	{42, 12, RN_SHAPE_ADDRQIPCRTR}, /* AF_QIPCRTR */
	{45, 12, RN_SHAPE_ADDRMCTP},    /* AF_MCTP */
};

/* The bytes of a hardware address, joined by colons. */
static char *write_hardware(char *out, const uint8_t *data, size_t len)
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

/* A number of L2CAP: by name, or counted from where the dynamic ones start. */
static char *write_l2cap(char *out, unsigned set, unsigned abi, unsigned value, unsigned start)
{
	const char *name = rn_name_of(set, abi, value);

	out = rn_write_text(out, "htobs(");
	if (value >= start) {
		out = rn_write_text(out, set == RN_SET_L2PSM ? "L2CAP_PSM_DYN_START"
							     : "L2CAP_CID_DYN_START");
		if (value > start)
			out = rn_write_u64(rn_write_text(out, "+"), value - start);
	} else if (name) {
		out = rn_write_text(out, name);
	} else {
		out = rn_write_number_named(out, set, abi, value);
	}
	return rn_write_text(out, ")");
}

/* Which of the four structures it is, its length tells. */
static char *write_bluetooth(char *out, unsigned abi, const uint8_t *data, size_t len)
{
	switch (len) {
	case 4:
	case 6:
		out = rn_write_u64(rn_write_text(out, ", hci_dev=htobs("), rn_get(data, 2, 2));
		*out++ = ')';
		return len == 4 ? out
				: rn_write_names(rn_write_text(out, ", hci_channel="),
						 RN_SET_HCICHANNEL, abi, rn_get(data, 4, 2));
	case 8:
		return write_hardware(rn_write_text(out, ", sco_bdaddr="), data + 2, 6);
	case 10:
		out = write_hardware(rn_write_text(out, ", rc_bdaddr="), data + 2, 6);
		return rn_write_u64(rn_write_text(out, ", rc_channel="), data[8]);
	case 12:
	case 14:
		out = write_l2cap(rn_write_text(out, ", l2_psm="), RN_SET_L2PSM, abi,
				  (unsigned)rn_get(data, 2, 2), 0x1001);
		out = write_hardware(rn_write_text(out, ", l2_bdaddr="), data + 4, 6);
		out = write_l2cap(rn_write_text(out, ", l2_cid="), RN_SET_L2CID, abi,
				  (unsigned)rn_get(data, 10, 2), 0x40);
		return len == 12 ? out
				 : rn_write_names(rn_write_text(out, ", l2_bdaddr_type="),
						  RN_SET_BTADDRTYPE, abi, data[12]);
	default:
		return NULL;
	}
}

static char *write_ieee802154(char *out, unsigned abi, const uint8_t *data)
{
	uint32_t type = (uint32_t)rn_get(data, 4, 4), pan = (uint32_t)rn_get(data, 8, 2);

	out = rn_write_text(out, ", addr={addr_type=");
	out = rn_write_number_named(out, RN_SET_IEEEADDR, abi, type);
	out = rn_write_hex(rn_write_text(out, ", pan_id="), pan);
	if (pan == 0xffff)
		out = rn_write_text(out, " /* IEEE802154_PANID_BROADCAST */");
	if (type == 2) {
		uint64_t address = rn_get(data, 10, 2);

		out = rn_write_hex(rn_write_text(out, ", short_addr="), address);
		if (address == 0xffff)
			out = rn_write_text(out, " /* IEEE802154_ADDR_BROADCAST */");
	} else if (type) {
		out = write_hardware(rn_write_text(out, ", hwaddr="), data + 10, 8);
	}
	*out++ = '}';
	return out;
}

/* A text that fills its room is one that was cut. */
static char *write_filled(char *out, const uint8_t *data, size_t room)
{
	size_t len = strnlen((const char *)data, room);
	bool cut = len == room;

	return rn_write_quoted(out, data, cut ? len - 1 : len, cut);
}

/* Features and masks of algorithms: one bit of them has a name outside the kernel. */
static char *write_features(char *out, const char *name, uint32_t value)
{
	out = rn_write_hex(rn_write_text(out, name), value);
	if (!value)
		return out;
	out = rn_write_text(out, " /* CRYPTO_ALG_");
	if (!(value & 0x1000))
		return rn_write_text(out, "??? */");
	out = rn_write_text(out, "KERN_DRIVER_ONLY");
	if (value & ~0x1000u)
		out = rn_write_hex(rn_write_text(out, "|"), value & ~0x1000u);
	return rn_write_text(out, " */");
}

static char *write_alg(char *out, const uint8_t *data, size_t len)
{
	out = write_filled(rn_write_text(out, ", salg_type="), data + 2, 14);
	out = write_features(out, ", salg_feat=", (uint32_t)rn_get(data, 16, 4));
	out = write_features(out, ", salg_mask=", (uint32_t)rn_get(data, 20, 4));
	return write_filled(rn_write_text(out, ", salg_name="), data + 24, len - 24);
}

static char *write_nfc(char *out, unsigned abi, const uint8_t *data, size_t len)
{
	size_t named;

	out = rn_write_u64(rn_write_text(out, ", dev_idx="), rn_get(data, 4, 4));
	out = rn_write_hex(rn_write_text(out, ", target_idx="), rn_get(data, 8, 4));
	out = rn_write_text(out, ", nfc_protocol=");
	out = rn_name_of(RN_SET_NFCPROTO, abi, rn_get(data, 12, 4))
		      ? rn_write_names(out, RN_SET_NFCPROTO, abi, rn_get(data, 12, 4))
		      : rn_write_number_named(out, RN_SET_NFCPROTO, abi, rn_get(data, 12, 4));
	/* struct sockaddr_nfc_llcp is longer. */
	if (len < 96)
		return len > 16 ? rn_write_text(out, ", ...") : out;
	for (unsigned i = 0; i < 2; i++) {
		const char *name = rn_name_of(RN_SET_NFCSAP, abi, data[16 + i]);

		out = rn_write_hex(rn_write_text(out, i ? ", ssap=" : ", dsap="), data[16 + i]);
		if (name)
			out = rn_write_text(rn_write_text(rn_write_text(out, " /* "), name), " */");
	}
	named = rn_get(data, 88, 8) < 63 ? (size_t)rn_get(data, 88, 8) : 63;
	out = rn_write_quoted(rn_write_text(out, ", service_name="), data + 18, named, false);
	return rn_write_u64(rn_write_text(out, ", service_name_len="), rn_get(data, 88, 8));
}

/* The interface by its number, as for packet sockets. */
static char *write_xdp(char *out, unsigned abi, const uint8_t *data)
{
	uint64_t flags = rn_get(data, 2, 2), shared = rn_get(data, 12, 4);

	out = rn_write_names(rn_write_text(out, ", sxdp_flags="), RN_SET_XDPFLAGS, abi, flags);
	out = rn_write_u64(rn_write_text(out, ", sxdp_ifindex="), rn_get(data, 4, 4));
	out = rn_write_u64(rn_write_text(out, ", sxdp_queue_id="), rn_get(data, 8, 4));
	if (!(flags & 1) && !shared)
		return out;
	out = rn_write_text(out, ", sxdp_shared_umem_fd=");
	return flags & 1 ? rn_write_i64(out, (int32_t)shared) : rn_write_hex(out, shared);
}

char *rn_write_rare_address(char *out, unsigned abi, const uint8_t *data, size_t len)
{
	/* The same in programs of every ABI. */
	const struct rn_value value = {data, len, RN_ABI_X86_64, NULL, NULL, 0};
	uint64_t family = rn_get(data, 0, 2);

	for (size_t i = 0; i < sizeof(by_data) / sizeof(by_data[0]); i++)
		if (family == by_data[i].family && len >= by_data[i].bytes)
			return rn_write_struct(rn_write_text(out, ", "), by_data[i].shape, &value);
	if (family == AF_BLUETOOTH)
		return write_bluetooth(out, abi, data, len);
	if (family == AF_IEEE802154 && len >= 20)
		return write_ieee802154(out, abi, data);
	if (family == AF_ALG && len > 24)
		return write_alg(out, data, len);
	if (family == AF_NFC && len >= 16)
		return write_nfc(out, abi, data, len);
	if (family == 44 && len >= 16) /* AF_XDP */
		return write_xdp(out, abi, data);
	return NULL;
}
