/* SPDX-License-Identifier: MIT */
/* Netlink messages as text: what is known, what lies, and that it stays in the room it asked for. */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "decode/decode.h"
#include "records.h"
#include "sample.h"

#define BYTES_MAX 2048u

static struct sample s;

static void captured(const void *data, size_t len, uint32_t protocol, uint64_t total)
{
	sample(&s, "sendto", ARGS(3, 0x1000, total, 0, 0, 0));
	sample_piece(&s, RN_PIECE_BUFFER, 1, data, len, total, len < total ? RN_PIECE_CUT : 0);
	sample_piece(&s, RN_PIECE_NETLINK, 1, NULL, 0, protocol, 0);
	sample_result(&s, (int64_t)total);
}

static void test_a_message(struct rn_buf *buf)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
		struct rtattr attr;
		char name[4];
	} message = {
		{sizeof(message), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 7, 9},
		{.ifi_family = AF_UNSPEC, .ifi_type = 1, .ifi_index = 2, .ifi_flags = 1},
		{8, 3},
		"eth",
	};

	captured(&message, sizeof(message), NETLINK_ROUTE, sizeof(message));
	rn_format_arg(buf, &s.call, 1, 32);
	CHECK_STR(taken(buf),
		  "[{nlmsg_len=40, nlmsg_type=RTM_GETLINK, nlmsg_flags=NLM_F_REQUEST|NLM_F_DUMP, "
		  "nlmsg_seq=7, nlmsg_pid=9}, {ifi_family=AF_UNSPEC, ifi_type=ARPHRD_ETHER, "
		  "ifi_index=2, ifi_flags=IFF_UP, ifi_change=0}, "
		  "[{nla_len=8, nla_type=IFLA_IFNAME}, \"eth\"]]");
	/* Not all of it was captured. */
	captured(&message, 20, NETLINK_ROUTE, sizeof(message));
	rn_format_arg(buf, &s.call, 1, 32);
	CHECK_STR(taken(buf),
		  "[{nlmsg_len=40, nlmsg_type=RTM_GETLINK, nlmsg_flags=NLM_F_REQUEST|NLM_F_DUMP, "
		  "nlmsg_seq=7, nlmsg_pid=9}, {ifi_family=AF_UNSPEC, ...}]...");
	captured(&message, sizeof(message), RN_NETLINK_UNKNOWN, sizeof(message));
	rn_format_arg(buf, &s.call, 1, 3);
	CHECK_STR(
		taken(buf),
		"[{nlmsg_len=40, nlmsg_type=0x12 /* NLMSG_??? */, nlmsg_flags=NLM_F_REQUEST|0x300, "
		"nlmsg_seq=7, nlmsg_pid=9}, \"\\x00\\x00\\x01\"...]");
}

static void put(uint8_t *at, uint64_t value, size_t size)
{
	memcpy(at, &value, size);
}

/* Heads whose lengths mostly fit, and anything between them. */
static size_t make_up(struct rng *rng, uint8_t *bytes)
{
	size_t len = 1 + rng_below(rng, BYTES_MAX);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(rng_below(rng, 3) ? rng_next(rng) : 0xff);
	for (size_t at = 0; at + 16 <= len;) {
		uint32_t size = 16 + rng_below(rng, 400);
		size_t attr = at + 16 + 4 * (size_t)rng_below(rng, 19);

		put(bytes + at, rng_below(rng, 20) ? size : rng_next(rng), 4);
		put(bytes + at + 4, rng_below(rng, 3) ? 16 + rng_below(rng, 32) : rng_below(rng, 4),
		    2);
		bytes[at + 16 < len ? at + 16 : at] = (uint8_t)rng_below(rng, 11);
		while (attr + 4 <= len && attr < at + size) {
			uint32_t room = 4 + rng_below(rng, 60);

			put(bytes + attr, rng_below(rng, 20) ? room : rng_below(rng, 8), 2);
			put(bytes + attr + 2, rng_below(rng, 64) | rng_below(rng, 2) << 15, 2);
			attr += rng_below(rng, 3) ? (room + 3) & ~3u : 4;
		}
		at += (size + 3) & ~3u;
	}
	return len;
}

static void test_any_bytes(void)
{
	static uint8_t bytes[BYTES_MAX];
	struct rng rng = test_rng();

	for (unsigned i = 0; i < 3000 * test_scale(); i++) {
		static const uint32_t protocols[] = {NETLINK_ROUTE, NETLINK_SOCK_DIAG,
						     NETLINK_GENERIC};
		struct rn_style style = {.string_limit = i % 40, .verbose = i & 1};
		size_t len = make_up(&rng, bytes), room;
		char *text, *end;

		captured(bytes, len, protocols[i % 3], len + i % 2);
		room = rn_call_room(&s.call);
		text = malloc(room);
		CHECK(text != NULL);
		if (!text)
			return;
		end = rn_write_arg(text, &s.call, 1, &style);
		CHECK((size_t)(end - text) <= room);
		for (const char *c = text; c < end; c++)
			CHECK(*c >= 0x20 && *c < 0x7f);
		free(text);
	}
}

int main(void)
{
	struct rn_buf buf;

	rn_buf_init(&buf);
	test_a_message(&buf);
	test_any_bytes();
	rn_buf_deinit(&buf);
	return check_done();
}
