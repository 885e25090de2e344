/* SPDX-License-Identifier: MIT */
/*
 * Random records, or real ones, damaged at random. Inputs that the targets accept in part are
 * kept and damaged further.
 */
#include "fuzz_drive.h"
#include "fuzz.h"
#include "ringtool.h"

#define KEPT 64u
#define SLICE 4096u /* bytes of real records in an input, about */

const struct fuzz_target fuzz_targets[FUZZ_TARGETS] = {
	{"event", fuzz_event, 0, false},    {"ring", fuzz_ring, 24, false},
	{"writer", fuzz_writer, 24, false}, {"spans", fuzz_spans, 0, false},
	{"shape", fuzz_shape, 0, false},    {"decode", fuzz_decode, 24, false},
	{"elf_tls", fuzz_elf_tls, 0, true}, {"source", fuzz_source, 0, true},
};

static struct fuzz_input kept[KEPT];

/* Bytes that mean something somewhere, or nothing. */
static uint64_t interesting(struct rng *rng)
{
	static const uint64_t values[] = {0,          1,          7,          8,        16,
					  55,         104,        255,        4096,     0x7f,
					  0xffff,     0x7fffffff, 0x80000000, 1u << 18, UINT32_MAX,
					  1ull << 62, 1ull << 63, UINT64_MAX};

	return rng_below(rng, 2) ? values[rng_below(rng, sizeof(values) / sizeof(values[0]))]
				 : rng_next(rng) >> rng_below(rng, 64);
}

static void random_piece(struct rng *rng, struct rn_event *ev)
{
	static const char *const texts[] = {
		"/etc/passwd", "00-0102030405060708090a0b0c0d0e0f10-00000000deadbeef-01",
		"\x1b]0;x\a\xff\xc3\x28", "a\0b\0", "\xe2\x80\xae"};
	const char *text = texts[rng_below(rng, 5)];
	uint8_t bytes[96];
	uint32_t len = rng_below(rng, sizeof(bytes));
	uint64_t word = interesting(rng);

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)rng_next(rng);
	if (rng_below(rng, 2))
		record_piece(ev, (enum rn_piece_type)rng_below(rng, 13), rng_below(rng, 7),
			     rng_below(rng, 8), text, (uint32_t)strlen(text) + 1);
	else if (rng_below(rng, 2))
		record_piece(ev, (enum rn_piece_type)rng_below(rng, 13), rng_below(rng, 7),
			     rng_below(rng, 8), &word, 8);
	else
		record_piece(ev, (enum rn_piece_type)rng_below(rng, 13), rng_below(rng, 7),
			     rng_below(rng, 8), bytes, len);
}

static void random_records(struct rng *rng, struct fuzz_input *to)
{
	/* On x86_64: read, open, mmap, clone, execve, wait4, waitid, openat. */
	static const int32_t calls[] = {0, 2, 9, 56, 59, 61, 247, 257};

	to->len = 0;
	for (unsigned n = rng_below(rng, 24); n > 0; n--) {
		struct rn_event *ev = (struct rn_event *)(to->bytes + to->len);

		if (FUZZ_INPUT_MAX - to->len < 1024)
			break;
		record_begin(ev, (enum rn_kind)(1 + rng_below(rng, RN_GAP)),
			     (int32_t)rng_below(rng, 5), (int32_t)rng_below(rng, 5));
		ev->abi = (uint8_t)rng_below(rng, RN_ABI_COUNT);
		ev->nr =
			rng_below(rng, 2) ? (int32_t)rng_below(rng, 480) : calls[rng_below(rng, 8)];
		ev->flags = (uint16_t)(rng_below(rng, 3) ? 0 : rng_next(rng));
		ev->t0 = rng_below(rng, 1000);
		ev->t1 = ev->t0 + rng_below(rng, 1000);
		for (unsigned i = 0; i < 6; i++)
			ev->args[i] = rng_below(rng, 2) ? rng_below(rng, 5) : interesting(rng);
		ev->result = rng_below(rng, 2) ? (int64_t)rng_below(rng, 64) - 32
					       : (int64_t)interesting(rng);
		for (unsigned pieces = rng_below(rng, 5); pieces > 0; pieces--)
			random_piece(rng, ev);
		to->len += ev->size;
	}
}

static void damage(struct rng *rng, struct fuzz_input *at)
{
	for (unsigned n = rng_below(rng, 6); n > 0 && at->len >= 8; n--) {
		uint32_t place = rng_below(rng, at->len);
		uint64_t value = interesting(rng);

		switch (rng_below(rng, 4)) {
		case 0:
			at->bytes[place] ^= (uint8_t)(1u << rng_below(rng, 8));
			break;
		case 1:
			at->bytes[place] = (uint8_t)value;
			break;
		case 2: /* a whole field */
			memcpy(at->bytes + (place & ~3u), &value,
			       at->len - (place & ~3u) < 4 ? at->len - (place & ~3u) : 4);
			break;
		default:
			at->len = rng_below(rng, 8) ? at->len : place;
			break;
		}
	}
}

/* Some records in a row, from anywhere in the corpus. */
static bool real_records(struct rng *rng, const struct fuzz_corpus *corpus, struct fuzz_input *to)
{
	size_t at = 0, skip;
	uint32_t size;

	to->len = 0;
	if (!corpus || corpus->len == 0)
		return false;
	skip = rng_below(rng, (uint32_t)corpus->len);
	while (at < corpus->len && (size = rn_event_check(corpus->bytes + at, corpus->len - at))) {
		if (at >= skip && size <= FUZZ_INPUT_MAX - 24 - to->len) {
			memcpy(to->bytes + to->len, corpus->bytes + at, size);
			to->len += size;
		}
		if (to->len >= SLICE)
			break;
		at += size;
	}
	return to->len > 0;
}

static void fresh(struct rng *rng, const struct fuzz_corpus *corpus, struct fuzz_input *to)
{
	if (rng_below(rng, 2) || !real_records(rng, corpus, to))
		random_records(rng, to);
}

static void next_records(struct rng *rng, const struct fuzz_corpus *corpus, uint32_t head,
			 struct fuzz_input *from, struct fuzz_input *input)
{
	if (rng_below(rng, 4) == 0)
		fresh(rng, corpus, from);
	input->len = head + from->len <= FUZZ_INPUT_MAX ? head + from->len : FUZZ_INPUT_MAX;
	for (uint32_t i = 0; i + 8 <= head; i += 8) {
		uint64_t value = interesting(rng);

		memcpy(input->bytes + i, &value, 8);
	}
	memcpy(input->bytes + head, from->bytes, input->len - head);
	damage(rng, input);
}

/* For targets that damage something of their own, a few words of it. */
static void next_places(struct rng *rng, struct fuzz_input *input)
{
	input->len = 2 + 10 * rng_below(rng, 5);
	for (uint32_t i = 0; i < input->len; i++)
		input->bytes[i] = (uint8_t)rng_next(rng);
	for (uint32_t i = 2; i < input->len; i += 10) {
		uint64_t value = interesting(rng);

		/* Mostly where tables and headers are. */
		input->bytes[i] = (uint8_t)rng_below(rng, 10);
		input->bytes[i + 1] &= 0xf8;
		memcpy(input->bytes + i + 2, &value, 8);
	}
}

unsigned long fuzz_for(const struct fuzz_target *target, struct rng *rng, uint64_t ns,
		       const struct fuzz_corpus *corpus, struct fuzz_input *input,
		       void (*before)(void))
{
	uint64_t until = now_ns() + ns;
	uint32_t head = target->head;
	unsigned long rounds = 0;

	for (unsigned i = 0; i < KEPT; i++)
		fresh(rng, corpus, &kept[i]);
	while (now_ns() < until) {
		struct fuzz_input *from = &kept[rng_below(rng, KEPT)];

		if (target->places)
			next_places(rng, input);
		else
			next_records(rng, corpus, head, from, input);
		if (before)
			before();
		target->run(input->bytes, input->len);
		if (!target->places && input->len >= head && rng_below(rng, 8) == 0) {
			from->len = input->len - head;
			memcpy(from->bytes, input->bytes + head, from->len);
		}
		rounds++;
	}
	return rounds;
}
