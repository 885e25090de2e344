/* SPDX-License-Identifier: MIT */
/* Where files say that the application's thread-local is. */
#include "check.h"
#include "elf_sample.h"

static struct elf_tls look(const struct sample *sample, size_t len)
{
	uint8_t bytes[SAMPLE_SIZE];
	struct sample_file file = {.bytes = bytes, .len = len};
	struct elf_tls tls;

	make_sample(sample, bytes);
	CHECK_INT(rn_elf_tls(read_sample, &file, &tls), len >= 64 + 4 * sizeof(Elf64_Phdr));
	return tls;
}

static void check_program(uint64_t size, uint64_t align, uint64_t addr, int64_t offset)
{
	struct sample sample = {.program = true,
				.dynamic = true,
				.value = 8,
				.tls_size = size,
				.tls_align = align,
				.tls_addr = addr,
				.loader = "/lib/ld-musl-x86_64.so.1"};
	struct elf_tls tls = look(&sample, SAMPLE_SIZE);

	CHECK_INT(tls.way, ELF_TLS_PROGRAM);
	CHECK_INT(tls.offset, offset);
	CHECK(tls.program && tls.musl && tls.defined);
	sample.dynamic = false;
	tls = look(&sample, SAMPLE_SIZE);
	/* A shared object without a dynamic section is none. */
	CHECK_INT(tls.way, ELF_TLS_NONE);
}

static void check_object(uint32_t relocation, enum elf_tls_way way)
{
	struct sample sample = {.dynamic = true,
				.value = 16,
				.tls_size = 64,
				.tls_align = 8,
				.relocation = relocation};
	struct elf_tls tls = look(&sample, SAMPLE_SIZE);

	CHECK_INT(tls.way, way);
	CHECK(!tls.program && !tls.musl && tls.defined && !tls.local && tls.has_head);
	CHECK_INT(tls.got, 0x1010);
	CHECK_INT(tls.value, 16);
	CHECK_INT(tls.head_at, SAMPLE_BASE);
	CHECK_INT(tls.code_at, SAMPLE_BASE);
	CHECK_INT(tls.headers_at, SAMPLE_BASE + 64);
	sample.bound = true;
	tls = look(&sample, SAMPLE_SIZE);
	CHECK_INT(tls.way, way);
	CHECK(tls.local);
	sample.bound = false;
	sample.undefined = true;
	tls = look(&sample, SAMPLE_SIZE);
	CHECK_INT(tls.way, way);
	CHECK(!tls.defined);
	/* Against another's block: not ours. */
	sample.bound = true;
	CHECK_INT(look(&sample, SAMPLE_SIZE).way, ELF_TLS_NONE);
}

int main(void)
{
	const struct sample cut = {.dynamic = true,
				   .value = 16,
				   .tls_size = 64,
				   .tls_align = 8,
				   .relocation = R_X86_64_TLSDESC};
	const struct sample plain = {.dynamic = true, .tls_size = 64, .tls_align = 8};
	unsigned found = 0;

	/* The block ends at the thread pointer, its beginning keeps address modulo alignment. */
	check_program(16, 8, 0, 8 - 16);
	check_program(12, 8, 0, 8 - 16);
	check_program(16, 64, 0x40, 8 - 64);
	check_program(16, 64, 0x50, 8 - 48);
	check_program(16, 0, 0x50, 8 - 16);
	check_object(R_X86_64_TPOFF64, ELF_TLS_OFFSET);
	check_object(R_X86_64_DTPMOD64, ELF_TLS_MODULE);
	check_object(R_X86_64_TLSDESC, ELF_TLS_DESCRIPTOR);
	CHECK_INT(look(&plain, SAMPLE_SIZE).way, ELF_TLS_NONE); /* nobody says where */
	/* Cut anywhere. */
	for (size_t len = 0; len < SAMPLE_SIZE; len++)
		found += look(&cut, len).way != ELF_TLS_NONE;
	CHECK(found > 1000 && found < SAMPLE_SIZE - SAMPLE_RELA);
	return check_done();
}
