/* SPDX-License-Identifier: MIT */
/* struct msghdr and struct mmsghdr, as strace 6.1 writes them. */
#include <sys/socket.h>

#include "netlink.h"

struct part {
	const uint8_t *data;
	size_t len;
	bool unread;
};

/* What the head says that there is, and no more than there is. */
static struct part take(const uint8_t **data, size_t *left, uint32_t bytes)
{
	struct part part = {*data, bytes, bytes == UINT32_MAX};
	size_t padded;

	if (part.unread)
		part.len = 0;
	if (part.len > *left)
		part.len = *left;
	padded = (part.len + 7) & ~(size_t)7;
	if (padded > *left)
		padded = *left;
	*data += padded;
	*left -= padded;
	return part;
}

static char *write_rights(char *out, struct rn_fd_pieces *fds, const uint8_t *data, size_t len,
			  uint32_t limit)
{
	size_t n = len / 4;

	*out++ = '[';
	for (size_t i = 0; i < n; i++) {
		if (i)
			out = rn_write_text(out, ", ");
		if (i == limit) {
			out = rn_write_text(out, "...");
			break;
		}
		out = rn_write_fd(out, fds, (int32_t)rn_get(data, 4 * i, 4), false);
	}
	*out++ = ']';
	return out;
}

static char *write_control_data(char *out, const struct rn_call *call, uint32_t level,
				uint32_t type, struct part data, struct rn_fd_pieces *fds,
				const struct rn_style *style)
{
	const struct rn_value value = {data.data, data.len, call->abi, style, NULL, 0};
	char *end = NULL;

	if (level == SOL_SOCKET && type == SCM_RIGHTS && data.len >= 4)
		return write_rights(out, fds, data.data, data.len, style->string_limit);
	if (level == SOL_SOCKET && type == SCM_CREDENTIALS)
		end = rn_write_shape(out, RN_SHAPE_UCRED, &value);
	else if (level == SOL_SOCKET && type == 29) /* SO_TIMESTAMP_OLD */
		end = rn_write_shape(out, RN_SHAPE_TIMEVAL, &value);
	else if (level == SOL_SOCKET && type == 35) /* SO_TIMESTAMPNS_OLD */
		end = rn_write_shape(out, RN_SHAPE_TIMESPEC, &value);
	else if (data.len == 4)
		end = rn_write_shape(out, RN_SHAPE_INT, &value);
	if (end)
		return end;
	if (style->no_payload)
		return rn_write_text(out, "...");
	return rn_write_quoted(out, data.data,
			       data.len < style->string_limit ? data.len : style->string_limit,
			       data.len > style->string_limit);
}

static char *write_control(char *out, const struct rn_call *call, struct part control,
			   uint64_t total, struct rn_fd_pieces *fds, const struct rn_style *style)
{
	size_t word = rn_machine(call->abi) == 0 ? 8 : 4, head = word + 8, at = 0;
	uint32_t count = 0;

	*out++ = '[';
	while (at + head <= control.len) {
		uint64_t len = rn_get(control.data, at, word);
		uint32_t level = (uint32_t)rn_get(control.data, at + word, 4);
		uint32_t type = (uint32_t)rn_get(control.data, at + word + 4, 4);
		struct part data = {control.data + at + head, 0, false};

		if (count++)
			out = rn_write_text(out, ", ");
		out = rn_write_u64(rn_write_text(out, "{cmsg_len="), len);
		out = rn_write_text(out, ", cmsg_level=");
		out = rn_write_names(out, RN_SET_SOLLEVEL, call->abi, level);
		out = rn_write_text(out, ", cmsg_type=");
		out = level == SOL_SOCKET ? rn_write_names(out, RN_SET_CMSG, call->abi, type)
					  : rn_write_hex(out, type);
		if (len > head) {
			data.len = control.len - at - head;
			if (len - head < data.len)
				data.len = (size_t)(len - head);
			out = rn_write_text(out, ", cmsg_data=");
			out = write_control_data(out, call, level, type, data, fds, style);
		}
		*out++ = '}';
		if (len < head || len > control.len - at)
			break;
		at += (size_t)((len + word - 1) & ~(uint64_t)(word - 1));
	}
	if (total > control.len)
		out = rn_write_text(out, count ? ", ..." : "...");
	*out++ = ']';
	return out;
}

/* What recvmsg() was given room for, by the record of its entry. */
static bool room_for_name(const struct rn_call *call, unsigned arg, unsigned index, uint32_t *room)
{
	const struct rn_event *ev = call->entry;
	const struct rn_piece *piece = ev && ev->pieces ? rn_piece_first(ev) : NULL;
	struct rn_message_head head;

	for (; piece; piece = rn_piece_next(ev, piece))
		if (piece->arg == arg && piece->type == RN_PIECE_STRUCT &&
		    !(piece->flags & (RN_PIECE_UNREAD | RN_PIECE_AT_EXIT)) &&
		    piece->len >= (index + 1) * sizeof(head)) {
			memcpy(&head, rn_piece_data(piece) + index * sizeof(head), sizeof(head));
			*room = head.namelen;
			return true;
		}
	return false;
}

struct message {
	struct rn_message_head head;
	struct part name, iov, control;
	uint32_t room;
	bool know_room;
	const struct rn_netlink *netlink; /* or NULL */
};

static char *write_one(char *out, const struct rn_call *call, const struct message *message,
		       struct rn_fd_pieces *fds, const struct rn_style *style)
{
	const struct rn_message_head *head = &message->head;
	char *end = NULL;

	out = rn_write_text(out, "{msg_name=");
	if (head->name && message->name.len) {
		size_t len = message->name.len;

		end = rn_write_sockaddr(out, call->abi, message->name.data, len);
	}
	out = end ? end : rn_write_pointer(out, head->name);
	out = rn_write_text(out, ", msg_namelen=");
	if (message->know_room && message->room != head->namelen)
		out = rn_write_text(rn_write_i64(out, (int32_t)message->room), " => ");
	out = rn_write_i64(out, (int32_t)head->namelen);
	out = rn_write_text(out, ", msg_iov=");
	if (!head->iov || message->iov.unread)
		out = rn_write_pointer(out, head->iov);
	else
		out = rn_write_iovecs(out, message->iov.data, message->iov.len, head->iovlen, style,
				      message->netlink);
	out = rn_write_u64(rn_write_text(out, ", msg_iovlen="), head->iovlen);
	if (head->controllen) {
		out = rn_write_text(out, ", msg_control=");
		if (!head->control || message->control.unread || !message->control.len)
			out = rn_write_pointer(out, head->control);
		else
			out = write_control(out, call, message->control, head->controllen, fds,
					    style);
	}
	out = rn_write_u64(rn_write_text(out, ", msg_controllen="), head->controllen);
	out = rn_write_names(rn_write_text(out, ", msg_flags="), RN_SET_MSG, call->abi,
			     head->flags);
	*out++ = '}';
	return out;
}

char *rn_write_message(char *out, const struct rn_call *call, const struct rn_piece *piece,
		       const struct rn_meaning *meaning, const struct rn_style *style)
{
	bool many = meaning->kind == RN_ARG_MMSG_IN || meaning->kind == RN_ARG_MMSG_OUT;
	bool sent = many && piece->flags & RN_PIECE_AT_EXIT;
	struct rn_fd_pieces fds =
		rn_fd_pieces_of(call, piece->arg, piece->flags & RN_PIECE_AT_EXIT);
	const uint8_t *data = rn_piece_data(piece);
	size_t left = piece->len;
	struct rn_netlink netlink;
	bool is_netlink = rn_netlink_of(call, piece->arg, style, &netlink);
	unsigned count = 0;

	if (many)
		*out++ = '[';
	while (left >= sizeof(struct rn_message_head)) {
		struct message message = {.netlink = is_netlink ? &netlink : NULL};

		memcpy(&message.head, data, sizeof(message.head));
		data += sizeof(message.head);
		left -= sizeof(message.head);
		message.name = take(&data, &left, message.head.name_bytes);
		message.iov = take(&data, &left, message.head.iov_bytes);
		message.control = take(&data, &left, message.head.control_bytes);
		if (meaning->kind == RN_ARG_MSG_OUT || meaning->kind == RN_ARG_MMSG_OUT)
			message.know_room = room_for_name(call, piece->arg, count, &message.room);
		if (count++)
			out = rn_write_text(out, ", ");
		if (many)
			out = rn_write_text(out, "{msg_hdr=");
		out = write_one(out, call, &message, &fds, style);
		if (sent)
			out = rn_write_u64(rn_write_text(out, ", msg_len="), message.head.sent);
		if (many)
			*out++ = '}';
		else
			return out;
	}
	if (count < piece->total && many)
		out = rn_write_text(out, count ? ", ..." : "...");
	if (many)
		*out++ = ']';
	return out;
}
