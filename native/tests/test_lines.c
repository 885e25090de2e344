/* SPDX-License-Identifier: MIT */
/* Lines of addresses, from units of .debug_line made by hand. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "symbols/lines.h"

struct bytes {
	uint8_t data[4096];
	size_t len;
};

static void put(struct bytes *to, uint64_t value, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		to->data[to->len++] = (uint8_t)(value >> 8 * i);
}

static void put_text(struct bytes *to, const char *text)
{
	memcpy(to->data + to->len, text, strlen(text) + 1);
	to->len += strlen(text) + 1;
}

static size_t put_hole(struct bytes *to)
{
	put(to, 0, 4);
	return to->len;
}

/* What stands behind the hole is so long. */
static void fill_hole(struct bytes *to, size_t hole)
{
	uint32_t len = (uint32_t)(to->len - hole);

	memcpy(to->data + hole - 4, &len, 4);
}

/* From 0x1000: line 10, from 0x1008 line 12 of the second file, from 0x1010 none; the end 0x1020. */
static void put_program(struct bytes *to)
{
	put(to, 0x020900, 3), put(to, 0x1000, 8); /* set_address */
	put(to, 3, 1), put(to, 9, 1);  /* advance_line 9 */
	put(to, 1, 1);                 /* copy */
	put(to, 4, 1), put(to, 2, 1);  /* set_file 2 */
	put(to, 13 + 14 * 8 + 2 + 5, 1); /* special: 8 further, 2 lines on */
	put(to, 3, 1), put(to, 0x74, 1); /* advance_line -12 */
	put(to, 2, 1), put(to, 8, 1);  /* advance_pc 8 */
	put(to, 1, 1);
	put(to, 2, 1), put(to, 16, 1);
	put(to, 0x010100, 3); /* end_sequence */
}

static void put_common(struct bytes *to, bool newer)
{
	static const uint8_t lengths[12] = {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};

	put(to, 1, 1); /* least instruction */
	if (newer)
		put(to, 1, 1);
	put(to, 1, 1);
	put(to, 0xfb, 1); /* line_base -5 */
	put(to, 14, 1);   /* line_range */
	put(to, 13, 1);
	memcpy(to->data + to->len, lengths, sizeof(lengths));
	to->len += sizeof(lengths);
}

static void put_unit(struct bytes *to, unsigned version, const char *folder)
{
	size_t unit = put_hole(to), header;

	put(to, version, 2);
	if (version == 5)
		put(to, 8, 2);
	header = put_hole(to);
	put_common(to, version >= 4);
	if (version == 5) {
		put(to, 1, 1), put(to, 1, 1), put(to, 0x08, 1); /* folders: path, string */
		put(to, 2, 1), put_text(to, folder), put_text(to, "src/../inc/./deep");
		put(to, 2, 1), put(to, 1, 1), put(to, 0x08, 1), put(to, 2, 1), put(to, 0x0b, 1);
		put(to, 3, 1);
		put_text(to, "zero.c"), put(to, 0, 1);
		put_text(to, "one.c"), put(to, 0, 1);
		put_text(to, "two.h"), put(to, 1, 1);
	} else {
		put_text(to, "inc"), put(to, 0, 1);
		put_text(to, "one.c"), put(to, 0, 3);
		put_text(to, "two.h"), put(to, 1, 1), put(to, 0, 2);
		put(to, 0, 1);
	}
	fill_hole(to, header);
	put_program(to);
	fill_hole(to, unit);
}

static struct elf_file file_of(const struct bytes *bytes)
{
	struct elf_file file = {.fd = memfd_create("lines", MFD_CLOEXEC), .size = bytes->len};

	CHECK(file.fd >= 0);
	CHECK_INT(write(file.fd, bytes->data, bytes->len), bytes->len);
	file.lines = (struct elf_part){0, bytes->len, 0};
	return file;
}

static void check(const struct elf_file *file, uint64_t address, const char *path, unsigned line,
		  size_t below)
{
	struct line_index index;
	struct line_found found;

	rn_lines_index(file, &index);
	CHECK_INT(rn_lines_find(file, &index, address, &found), line != 0);
	if (line) {
		CHECK_INT(found.line, line);
		CHECK_STR(found.path, path);
		CHECK_INT(found.below, below);
	}
	rn_lines_free(&index);
}

static void test_newest(void)
{
	struct bytes bytes = {.len = 0};
	struct elf_file file;

	put_unit(&bytes, 5, "/home/x");
	file = file_of(&bytes);
	check(&file, 0x0fff, "", 0, 0);
	check(&file, 0x1000, "/home/x/one.c", 10, 8);
	check(&file, 0x1007, "/home/x/one.c", 10, 8);
	check(&file, 0x1008, "/home/x/inc/deep/two.h", 12, 8);
	check(&file, 0x1010, "", 0, 0);
	check(&file, 0x1020, "", 0, 0);
	rn_elf_close(&file);
}

static void test_older(void)
{
	for (unsigned version = 2; version <= 4; version++) {
		struct bytes bytes = {.len = 0};
		struct elf_file file;

		/* One of a version that nobody knows, before it. */
		put(&bytes, 4, 4), put(&bytes, 77, 2), put(&bytes, 0xffff, 2);
		put_unit(&bytes, version, "");
		file = file_of(&bytes);
		check(&file, 0x1000, "one.c", 10, 0);
		check(&file, 0x1008, "inc/two.h", 12, 0);
		rn_elf_close(&file);
	}
}

static void test_cut_anywhere(void)
{
	struct bytes bytes = {.len = 0};

	put_unit(&bytes, 5, "/home/x");
	for (size_t len = 0; len < bytes.len; len++) {
		struct bytes cut = bytes;
		struct line_found found;
		struct line_index index;
		struct elf_file file;

		cut.len = len;
		file = file_of(&cut);
		rn_lines_index(&file, &index);
		CHECK_INT(index.n, 0);
		CHECK(!rn_lines_find(&file, &index, 0x1000, &found));
		rn_lines_free(&index);
		rn_elf_close(&file);
	}
}

int main(void)
{
	test_newest();
	test_older();
	test_cut_anywhere();
	return check_done();
}
