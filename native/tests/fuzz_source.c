/* SPDX-License-Identifier: MIT */
/*
 * This program's own call frame information and lines, damaged: what is made of them costs a bounded
 * number of reads, and ends. The input: a byte that chooses the part, then places and what stands
 * there instead.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cfi_sample.h"
#include "fuzz.h"
#include "symbols/functions.h"
#include "symbols/lines.h"

#define READS_MAX 400000u

struct image {
	uint8_t *bytes; /* of [low, low + len) */
	uint64_t low;
	size_t len;
	unsigned reads;
};

static bool read_image(void *from, uint64_t addr, void *to, size_t len)
{
	struct image *image = from;

	image->reads++;
	if (addr < image->low || addr - image->low > image->len ||
	    len > image->len - (addr - image->low))
		return false;
	memcpy(to, image->bytes + (addr - image->low), len);
	return true;
}

static void damage(uint8_t *bytes, size_t len, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 10 <= size && len > 8; i += 10) {
		size_t at = ((size_t)data[i] << 8 | data[i + 1]) * 37 % (len - 8);

		memcpy(bytes + at, data + i + 2, 8);
	}
}

static void follow(struct image *image, const struct cfi_table *table, uint64_t pc)
{
	const struct cfi_memory memory = {read_image, image};
	struct cfi_frame frame = {.pc = pc};
	struct cfi_row row;

	for (unsigned i = 0; i < CFI_REGS; i++)
		frame.regs[i] = table->header + 8 * i;
	for (unsigned i = 0; i < 8; i++)
		if (!rn_cfi_find(&memory, table, frame.pc, &row) ||
		    rn_cfi_step(&memory, table, &row, &frame) != CFI_CALLER)
			break;
	CHECK(image->reads < READS_MAX);
}

/* Only what lies from the table of .eh_frame on is copied and damaged. */
static void frames(const uint8_t *data, size_t size, bool with_table)
{
	struct cfi_table table = own_table();
	uint64_t from = table.header;
	struct image image = {.low = from, .len = 65536};

	if (image.len > table.frames + table.frames_size - from)
		image.len = (size_t)(table.frames + table.frames_size - from);
	image.bytes = malloc(image.len);
	CHECK(image.bytes);
	memcpy(image.bytes, (const void *)(uintptr_t)from, image.len);
	damage(image.bytes, image.len, data, size);
	if (!with_table)
		table.header = 0;
	follow(&image, &table, (uintptr_t)frames);
	follow(&image, &table, (uintptr_t)rn_cfi_find + 40);
	free(image.bytes);
}

/* The program's file is read once. */
static const uint8_t *own_file(size_t *len)
{
	static uint8_t *bytes;
	static size_t known;
	int fd;

	if (!bytes) {
		fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		CHECK(fd >= 0);
		known = (size_t)lseek(fd, 0, SEEK_END);
		bytes = mmap(NULL, known, PROT_READ, MAP_PRIVATE, fd, 0);
		CHECK(bytes != MAP_FAILED);
		close(fd);
	}
	*len = known;
	return bytes;
}

static void file(const uint8_t *data, size_t size, bool lines_only)
{
	struct function_index functions;
	struct line_index lines;
	struct line_found found;
	char path[64], name[FUNCTION_NAME_MAX];
	struct elf_file elf;
	size_t len;
	const uint8_t *own = own_file(&len);
	int fd = memfd_create("file", MFD_CLOEXEC);
	uint8_t *bytes;

	CHECK(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
	bytes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(bytes != MAP_FAILED);
	memcpy(bytes, own, len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (lines_only && rn_elf_open(path, &elf)) {
		damage(bytes + elf.lines.offset, (size_t)elf.lines.size, data, size);
		rn_elf_close(&elf);
	} else {
		damage(bytes, 4096, data, size / 2);
		damage(bytes + len - 4096, 4096, data + size / 2, size - size / 2);
	}
	munmap(bytes, len);
	if (rn_elf_open(path, &elf)) {
		uint64_t at = rn_elf_address(&elf, len / 4);

		rn_lines_index(&elf, &lines);
		rn_functions_index(&elf, &functions);
		for (unsigned i = 0; i < 4; i++) {
			if (i && lines.n)
				at = lines.sequences[lines.n * i / 4].low;
			if (rn_lines_find(&elf, &lines, at, &found))
				CHECK(strnlen(found.path, LINE_PATH_MAX) < LINE_PATH_MAX &&
				      found.line && found.below <= strlen(found.path));
			if (rn_functions_find(&elf, &functions, at, name))
				CHECK(strnlen(name, sizeof(name)) < sizeof(name));
		}
		rn_lines_free(&lines);
		rn_functions_free(&functions);
		rn_elf_close(&elf);
	}
	close(fd);
}

int fuzz_source(const uint8_t *data, size_t size)
{
	uint8_t choice = size ? data[0] : 0;

	if (size < 2)
		size = 0;
	if (choice % 64 < 62)
		frames(data + 2 * (size != 0), size - 2 * (size != 0), choice & 1);
	else
		file(data + 2 * (size != 0), size - 2 * (size != 0), choice & 1);
	return 0;
}

FUZZ_TARGET(fuzz_source);
