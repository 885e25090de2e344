/* SPDX-License-Identifier: MIT */
/*
 * A file with the application's thread-local, damaged: whatever is said of it is possible, and
 * costs a bounded number of reads. The input: a byte that chooses the file, its length, then
 * places and what stands there instead.
 */
#include "check.h"
#include "elf_sample.h"
#include "fuzz.h"

#define READS_MAX 40000u

int fuzz_elf_tls(const uint8_t *data, size_t size)
{
	static const uint32_t relocations[] = {0, R_X86_64_TPOFF64, R_X86_64_DTPMOD64,
					       R_X86_64_TLSDESC};
	uint8_t choice = size ? data[0] : 0;
	const struct sample sample = {
		.program = choice & 1,
		.dynamic = choice & 2,
		.undefined = choice & 4,
		.bound = choice & 8,
		.loader = choice & 16 ? "/lib/ld-musl-x86_64.so.1" : NULL,
		.relocation = relocations[choice >> 5 & 3],
		.value = 8,
		.tls_size = 64,
		.tls_align = 16,
	};
	size_t len = SAMPLE_SIZE;
	struct sample_file file;
	struct elf_tls tls;
	uint8_t *bytes;

	if (size > 1 && data[1] < 64)
		len = (size_t)data[1] * 64;
	bytes = malloc(SAMPLE_SIZE);
	CHECK(bytes);
	make_sample(&sample, bytes);
	for (size_t i = 2; i + 10 <= size; i += 10) {
		size_t at = ((size_t)data[i] << 8 | data[i + 1]) % (SAMPLE_SIZE - 8);

		memcpy(bytes + at, data + i + 2, 8);
	}
	file = (struct sample_file){.bytes = bytes, .len = len};
	if (rn_elf_tls(read_sample, &file, &tls)) {
		CHECK(tls.way <= ELF_TLS_DESCRIPTOR);
		CHECK(tls.way != ELF_TLS_PROGRAM ||
		      (tls.program && tls.defined && tls.offset <= 0 &&
		       tls.offset > -((int64_t)1 << 33)));
	} else {
		CHECK_INT(tls.way, ELF_TLS_NONE);
	}
	CHECK(file.reads < READS_MAX);
	free(bytes);
	return 0;
}

FUZZ_TARGET(fuzz_elf_tls);
