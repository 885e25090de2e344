/* SPDX-License-Identifier: MIT */
/* Lists of buffers (readv, writev), as strace 6.1 writes them. */
#include "netlink.h"

char *rn_write_iovecs(char *out, const uint8_t *data, size_t left, uint64_t total,
		      const struct rn_style *style, const struct rn_netlink *netlink)
{
	uint32_t limit = style->string_limit;
	uint64_t count = 0;

	*out++ = '[';
	while (left >= sizeof(struct rn_iovec_head) && count < limit) {
		struct rn_iovec_head head;
		size_t len, padded;
		bool unread;

		memcpy(&head, data, sizeof(head));
		data += sizeof(head);
		left -= sizeof(head);
		unread = head.captured == UINT64_MAX || !head.base;
		len = unread ? 0 : head.captured < left ? (size_t)head.captured : left;
		out = rn_write_text(out, count++ ? ", {iov_base=" : "{iov_base=");
		if (unread || style->no_payload)
			out = rn_write_pointer(out, head.base);
		else if (netlink && len)
			out = rn_write_netlink(out, netlink, data, len, len < head.shown);
		else
			out = rn_write_quoted(out, data, len < limit ? len : limit,
					      len > limit || len < head.shown);
		out = rn_write_u64(rn_write_text(out, ", iov_len="), head.len);
		*out++ = '}';
		padded = (len + 7) & ~(size_t)7;
		padded = padded < left ? padded : left;
		data += padded;
		left -= padded;
	}
	if (count < total)
		out = rn_write_text(out, count ? ", ..." : "...");
	*out++ = ']';
	return out;
}
