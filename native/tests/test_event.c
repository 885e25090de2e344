/* SPDX-License-Identifier: MIT */
/*
 * rn_event_check(): every malformed shape is refused, and nothing outside the given
 * bytes is read. Records stand at the end of a page that no page follows.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "records.h"
#include "renacer/api.h"

#define ROOM (2u * RN_EVENT_MAX)

static uint8_t *wall; /* the first byte that cannot be read */

static void build_wall(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *base =
		mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(base != MAP_FAILED);
	CHECK_INT(mprotect(base + ROOM, page, PROT_NONE), 0);
	wall = base + ROOM;
}

/* The last `len` bytes before the wall (a multiple of 8, so aligned), of a sane record. */
static struct rn_event *before_wall(uint32_t len)
{
	struct rn_event *ev = (struct rn_event *)(wall - len);

	memset(ev, 0xa5, len);
	record_begin(ev, RN_SYSCALL, 7, 7);
	ev->abi = RN_ABI_X86_64;
	return ev;
}

/* A record that ends at the wall: no data, 5 bytes, 8 bytes, 1 byte. */
static struct rn_event *sample_at_wall(uint32_t *len)
{
	struct rn_event *ev;

	*len = RN_EVENT_HEADER + 4 * 16 + 0 + 8 + 8 + 8;
	ev = before_wall(*len);
	record_piece(ev, RN_PIECE_STRUCT, 0, RN_PIECE_UNREAD, NULL, 0);
	record_piece(ev, RN_PIECE_PATH, 1, 0, "/dev/", 5);
	record_piece(ev, RN_PIECE_BUFFER, 2, RN_PIECE_AT_EXIT, "12345678", 8);
	record_piece(ev, RN_PIECE_STRING, RN_PIECE_NO_ARG, RN_PIECE_CUT, "x", 1);
	CHECK_INT(ev->size, *len);
	return ev;
}

/* Reads all that a checked record says is there; the wall ends what goes too far. */
static uint32_t walk(const struct rn_event *ev)
{
	uint32_t sum = 0, n = 0;

	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p)) {
		const uint8_t *data = rn_piece_data(p);

		CHECK((const uint8_t *)p >= (const uint8_t *)(ev + 1));
		CHECK(data + rn_pad8(p->len) <= (const uint8_t *)ev + ev->size);
		for (uint32_t i = 0; i < p->len; i++)
			sum += data[i];
		n++;
	}
	CHECK_INT(n, ev->pieces);
	return sum;
}

static void test_whole_records(void)
{
	static const uint8_t kinds[] = {
		RN_SYSCALL_ENTER, RN_SYSCALL_EXIT, RN_SYSCALL,    RN_PROCESS_START, RN_EXEC,
		RN_EXIT,          RN_SIGNAL,       RN_GROUP_STOP, RN_CONTEXT,       RN_GAP};
	uint32_t len;
	struct rn_event *ev = before_wall(RN_EVENT_HEADER);

	for (size_t i = 0; i < sizeof(kinds); i++) {
		ev->kind = kinds[i];
		CHECK_INT(rn_event_check(ev, RN_EVENT_HEADER), RN_EVENT_HEADER);
		CHECK(rn_piece_first(ev) == NULL);
	}
	for (unsigned abi = 0; abi < RN_ABI_COUNT; abi++) {
		ev->abi = (uint8_t)abi;
		CHECK_INT(rn_event_check(ev, RN_EVENT_HEADER), RN_EVENT_HEADER);
	}
	ev = sample_at_wall(&len);
	CHECK_INT(rn_event_check(ev, len), len);
	CHECK_INT(walk(ev), '/' + 'd' + 'e' + 'v' + '/' + 8 * '4' + 4 + 'x');
}

/* One longest record is whole; one word more is refused though all of it is there. */
static void test_longest(void)
{
	uint32_t data = RN_EVENT_MAX - RN_EVENT_HEADER - (uint32_t)sizeof(struct rn_piece);
	struct rn_event *ev = before_wall(RN_EVENT_MAX + 8);
	struct rn_piece *piece = (struct rn_piece *)(ev + 1);

	ev->size = RN_EVENT_MAX;
	ev->pieces = 1;
	piece->len = data;
	CHECK_INT(rn_event_check(ev, RN_EVENT_MAX + 8), RN_EVENT_MAX);
	piece->len = data - 7; /* the padding is part of the record */
	CHECK_INT(rn_event_check(ev, RN_EVENT_MAX + 8), RN_EVENT_MAX);
	piece->len = data - 8;
	CHECK_INT(rn_event_check(ev, RN_EVENT_MAX + 8), 0);
	ev->size = RN_EVENT_MAX + 8;
	piece->len = data + 8;
	CHECK_INT(rn_event_check(ev, RN_EVENT_MAX + 8), 0);
}

static void test_size_lies(void)
{
	static const uint32_t sizes[] = {0,          1,          8,         96,  103,
					 105,        106,        108,       112, 0x7ffffff8,
					 0x80000000, 0xfffffff8, UINT32_MAX};
	uint32_t len;
	struct rn_event *ev = before_wall(RN_EVENT_HEADER);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ev->size = sizes[i];
		ev->pieces = 0;
		CHECK_INT(rn_event_check(ev, RN_EVENT_HEADER), 0);
		ev->pieces = 1; /* it would stand behind the wall */
		CHECK_INT(rn_event_check(ev, RN_EVENT_HEADER), 0);
	}
	/* Not even the word that holds the size may be read of less than a header. */
	for (uint32_t have = 0; have < RN_EVENT_HEADER; have += 8)
		CHECK_INT(rn_event_check(wall - have, have), 0);
	/* Every length that is too short for a record that stands there whole. */
	ev = sample_at_wall(&len);
	for (uint32_t have = 0; have < len; have++)
		CHECK_INT(rn_event_check(ev, have), 0);
	/* A size within bounds that does not end where the last piece ends. */
	for (uint32_t size = RN_EVENT_HEADER; size < len; size += 8) {
		ev->size = size;
		CHECK_INT(rn_event_check(ev, len), 0);
	}
	ev->size = len - 4; /* not a multiple of 8 */
	CHECK_INT(rn_event_check(ev, len), 0);
}

static void test_piece_lies(void)
{
	static const uint32_t lens[] = {25,         32,         0x10000,    0x7fffffff, 0x80000000,
					0xfffffff0, 0xfffffff8, 0xfffffff9, UINT32_MAX};
	uint32_t len;
	struct rn_event *ev = sample_at_wall(&len);
	struct rn_piece *last = (struct rn_piece *)(wall - 24);
	struct rn_piece *first = (struct rn_piece *)(ev + 1);

	CHECK_INT(last->type, RN_PIECE_STRING);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		last->len = lens[i];
		CHECK_INT(rn_event_check(ev, len), 0);
		last->len = 1;
		first->len = lens[i] + 128;
		CHECK_INT(rn_event_check(ev, len), 0);
		first->len = 0;
	}
	last->len = 9;
	CHECK_INT(rn_event_check(ev, len), 0);
	last->len = 0;
	CHECK_INT(rn_event_check(ev, len), 0);
	last->len = 8;
	CHECK_INT(rn_event_check(ev, len), len);
	/* The count of pieces says more, or less, than there are. */
	for (uint32_t pieces = 0; pieces < 64; pieces++) {
		ev->pieces = pieces;
		CHECK_INT(rn_event_check(ev, len), pieces == 4 ? len : 0);
	}
	ev->pieces = UINT32_MAX;
	CHECK_INT(rn_event_check(ev, len), 0);
	/* Pieces without data to the wall, and one that has no room for its header. */
	ev = before_wall(RN_EVENT_HEADER + 3 * 16 + 8);
	for (unsigned i = 0; i < 3; i++)
		record_piece(ev, RN_PIECE_STRUCT, i, 0, NULL, 0);
	CHECK_INT(rn_event_check(ev, RN_EVENT_HEADER + 3 * 16 + 8), RN_EVENT_HEADER + 3 * 16);
	ev->size += 8;
	ev->pieces++;
	CHECK_INT(rn_event_check(ev, RN_EVENT_HEADER + 3 * 16 + 8), 0);
}

static void test_kind_and_abi(void)
{
	uint32_t len;
	struct rn_event *ev = sample_at_wall(&len);

	for (unsigned value = 0; value < 256; value++) {
		ev->kind = (uint8_t)value;
		CHECK_INT(rn_event_check(ev, len),
			  value >= RN_SYSCALL_ENTER && value <= RN_GAP ? len : 0);
		ev->kind = RN_SYSCALL;
		ev->abi = (uint8_t)value;
		CHECK_INT(rn_event_check(ev, len), value <= RN_ABI_ARM ? len : 0);
		ev->abi = RN_ABI_X86_64;
	}
}

/* Every byte of a record, every value: refused, or whole and walkable. */
static void test_every_byte_corrupted(void)
{
	uint32_t len;
	struct rn_event *ev = sample_at_wall(&len);
	uint8_t *bytes = (uint8_t *)ev;
	unsigned refused = 0, accepted = 0;

	for (uint32_t at = 0; at < len; at++) {
		uint8_t was = bytes[at];

		for (unsigned value = 0; value < 256; value++) {
			uint32_t size;

			bytes[at] = (uint8_t)value;
			size = rn_event_check(ev, len);
			if (size) {
				CHECK_INT(size, len); /* 4 pieces: no shorter record is whole */
				walk(ev);
				accepted++;
			} else {
				refused++;
			}
		}
		bytes[at] = was;
	}
	/* Bytes that bound something: size, kind, abi, pieces, and len of four pieces. */
	CHECK(refused > (4 + 1 + 1 + 4 + 4 * 3) * 240);
	CHECK(accepted > (len - 4 - 1 - 1 - 4 - 4 * 4) * 255);
}

static void test_random_bytes(void)
{
	struct rng rng = test_rng();
	unsigned rounds = 200000 * test_scale(), whole = 0;

	for (unsigned i = 0; i < rounds; i++) {
		uint32_t len = RN_EVENT_HEADER + 8 * rng_below(&rng, 16);
		struct rn_event *ev = (struct rn_event *)(wall - len);
		uint32_t at = RN_EVENT_HEADER, size;

		for (uint32_t word = 0; word < len / 8; word++)
			((uint64_t *)ev)[word] = rng_next(&rng);
		ev->size = rng_below(&rng, 8) ? len : RN_EVENT_HEADER + 8 * rng_below(&rng, 17);
		ev->kind = (uint8_t)(1 + rng_below(&rng, 10));
		ev->abi = (uint8_t)rng_below(&rng, RN_ABI_COUNT);
		ev->pieces = rng_below(&rng, 4);
		for (uint32_t piece = 0; piece < ev->pieces && at + 16 <= len; piece++) {
			struct rn_piece *p = (struct rn_piece *)((uint8_t *)ev + at);

			p->len = rng_below(&rng, 24);
			at += 16 + rn_pad8(p->len);
		}
		size = rn_event_check(ev, len);
		if (!size)
			continue;
		CHECK(size <= len);
		walk(ev);
		whole++;
	}
	CHECK(whole > rounds / 100);
}

static void test_index(void)
{
	uint32_t len;
	uint64_t offsets[8], used = 99;
	uint8_t *start = wall - 3 * RN_EVENT_HEADER;

	for (unsigned i = 0; i < 3; i++)
		record_begin(start + i * RN_EVENT_HEADER, RN_GAP, 0, 0);
	len = 3 * RN_EVENT_HEADER;
	CHECK_INT(rn_index_records(start, len, offsets, 8, &used), 3);
	CHECK_INT(used, len);
	CHECK_INT(offsets[2], 2 * RN_EVENT_HEADER);
	CHECK_INT(rn_index_records(start, len, offsets, 2, &used), 2);
	CHECK_INT(used, 2 * RN_EVENT_HEADER);
	CHECK_INT(rn_index_records(start, len - 8, offsets, 8, &used), 2);
	CHECK_INT(used, 2 * RN_EVENT_HEADER);
	((struct rn_event *)(start + RN_EVENT_HEADER))->kind = 0;
	CHECK_INT(rn_index_records(start, len, offsets, 8, &used), 1);
	CHECK_INT(used, RN_EVENT_HEADER);
	CHECK_INT(rn_index_records(start, 0, offsets, 8, &used), 0);
	CHECK_INT(used, 0);
}

/* Two types of one number, or one that is missing here, do not compile. */
static bool is_type(enum rn_piece_type type)
{
	switch (type) {
	case RN_PIECE_PATH:
	case RN_PIECE_STRING:
	case RN_PIECE_BUFFER:
	case RN_PIECE_ARGV:
	case RN_PIECE_STRUCT:
	case RN_PIECE_EXE:
	case RN_PIECE_CONTEXT:
	case RN_PIECE_ENVC:
	case RN_PIECE_TRACESTATE:
	case RN_PIECE_FD:
	case RN_PIECE_FD_LINK:
	case RN_PIECE_FD_DETAIL:
	case RN_PIECE_OBJECT:
	case RN_PIECE_SPAN:
	case RN_PIECE_RESOURCE:
	case RN_PIECE_NETLINK:
	case RN_PIECE_SOURCE:
	case RN_PIECE_CPU_TIME:
	case RN_PIECE_CONTENT:
	case RN_PIECE_PORTABLE:
	case RN_PIECE_PEAK:
	case RN_PIECE_REST:
	case RN_PIECE_ENV:
		return true;
	}
	return false;
}

static void test_types_are_distinct(void)
{
	unsigned types = 0;

	for (unsigned type = 0; type < 256; type++)
		types += is_type((enum rn_piece_type)type);
	CHECK_INT(types, 23);
	CHECK(!is_type((enum rn_piece_type)0));
}

int main(void)
{
	build_wall();
	test_types_are_distinct();
	test_whole_records();
	test_longest();
	test_size_lies();
	test_piece_lies();
	test_kind_and_abi();
	test_every_byte_corrupted();
	test_random_bytes();
	test_index();
	return check_done();
}
