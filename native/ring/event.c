/* SPDX-License-Identifier: MIT */
/* Reading records safely: every bound is checked here, once, on a private copy. */
#include "renacer/event.h"

static const struct rn_piece *piece_at(const struct rn_event *ev, uint32_t offset)
{
	return (const struct rn_piece *)((const uint8_t *)ev + offset);
}

static uint32_t piece_size(const struct rn_piece *piece)
{
	return (uint32_t)sizeof(*piece) + rn_pad8(piece->len);
}

const struct rn_piece *rn_piece_first(const struct rn_event *ev)
{
	return ev->pieces ? piece_at(ev, RN_EVENT_HEADER) : NULL;
}

const struct rn_piece *rn_piece_next(const struct rn_event *ev, const struct rn_piece *piece)
{
	uint32_t offset = (uint32_t)((const uint8_t *)piece - (const uint8_t *)ev);

	offset += piece_size(piece);
	return offset < ev->size ? piece_at(ev, offset) : NULL;
}

uint32_t rn_event_check(const void *data, size_t len)
{
	const struct rn_event *ev = data;
	uint32_t offset = RN_EVENT_HEADER;

	if (len < RN_EVENT_HEADER)
		return 0;
	if (ev->size < RN_EVENT_HEADER || ev->size > len || ev->size > RN_EVENT_MAX ||
	    ev->size % 8 != 0)
		return 0;
	if (ev->kind == 0 || ev->kind >= RN_KIND_COUNT || ev->abi >= RN_ABI_COUNT)
		return 0;
	for (uint32_t i = 0; i < ev->pieces; i++) {
		const struct rn_piece *piece;

		if (ev->size - offset < sizeof(*piece))
			return 0;
		piece = piece_at(ev, offset);
		if (piece->len > ev->size - offset - sizeof(*piece))
			return 0;
		/* size and offset are multiples of 8, so the padding is inside as well */
		offset += piece_size(piece);
	}
	return offset == ev->size ? ev->size : 0;
}
