/* SPDX-License-Identifier: MIT */
/* Small ELF files with the thread-local of OTEP 4947, made by hand, and a reader of them. */
#ifndef RENACER_TESTS_ELF_SAMPLE_H
#define RENACER_TESTS_ELF_SAMPLE_H

#include <elf.h>
#include <string.h>

#include "engine/elf_tls.h"

#define SAMPLE_SIZE 4096u

enum {
	SAMPLE_DYNAMIC = 0x200,
	SAMPLE_SYMBOLS = 0x300,
	SAMPLE_STRINGS = 0x400,
	SAMPLE_HASH = 0x500,
	SAMPLE_RELA = 0x600,
	SAMPLE_LOADER = 0x700,
	SAMPLE_SECTIONS = 0x800,
	SAMPLE_BASE = 0x10000 /* address of the file's beginning */
};

struct sample {
	bool program;   /* else a shared object */
	bool dynamic;   /* else the symbol is in the table for debuggers */
	bool undefined; /* it is only referred to */
	bool bound;     /* the relocation is against the file's block */
	const char *loader;
	uint32_t relocation; /* R_X86_64_*; 0 = none */
	uint64_t value, tls_size, tls_align, tls_addr;
};

static inline uint32_t sample_hash(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

static inline void make_sample(const struct sample *sample, uint8_t *to)
{
	uint32_t index = sample->undefined ? 1 : 2;
	Elf64_Ehdr head = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_phoff = 64,
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 4,
		.e_shoff = SAMPLE_SECTIONS,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = sample->dynamic ? 0 : 3,
	};
	const Elf64_Phdr segments[4] = {
		{.p_type = PT_LOAD,
		 .p_flags = PF_R | PF_X,
		 .p_vaddr = SAMPLE_BASE,
		 .p_filesz = SAMPLE_SIZE},
		{.p_type = PT_TLS,
		 .p_vaddr = sample->tls_addr,
		 .p_memsz = sample->tls_size,
		 .p_align = sample->tls_align},
		{.p_type = sample->dynamic ? PT_DYNAMIC : PT_NULL,
		 .p_offset = SAMPLE_DYNAMIC,
		 .p_filesz = 0x100},
		{.p_type = sample->loader ? PT_INTERP : PT_NULL,
		 .p_offset = SAMPLE_LOADER,
		 .p_filesz = 64},
	};
	const Elf64_Dyn dynamic[] = {
		{DT_SYMTAB, {SAMPLE_BASE + SAMPLE_SYMBOLS}},
		{DT_STRTAB, {SAMPLE_BASE + SAMPLE_STRINGS}},
		{DT_STRSZ, {0x100}},
		{DT_GNU_HASH, {SAMPLE_BASE + SAMPLE_HASH}},
		{DT_RELA, {SAMPLE_BASE + SAMPLE_RELA}},
		{DT_RELASZ, {3 * sizeof(Elf64_Rela)}},
		{DT_FLAGS_1, {sample->program ? DF_1_PIE : 0}},
		{DT_NULL, {0}},
	};
	Elf64_Sym symbols[3] = {
		{.st_name = 0},
		{.st_name = 32, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_TLS), .st_shndx = 0},
		{.st_name = 32, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_TLS), .st_shndx = 1},
	};
	uint32_t hash[8] = {1,           2,           1, 6,
			    0xffffffffu, 0xffffffffu, 2, sample_hash(ELF_TLS_SYMBOL) | 1u};
	const Elf64_Rela rela[3] = {
		{.r_offset = 0x1000, .r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE)},
		{.r_offset = 0x1008, .r_info = ELF64_R_INFO(7, R_X86_64_TPOFF64)},
		{.r_offset = 0x1010,
		 .r_info = ELF64_R_INFO((uint64_t)(sample->bound ? 0 : index), sample->relocation),
		 .r_addend = sample->bound && sample->relocation != R_X86_64_DTPMOD64
				     ? (int64_t)sample->value
				     : 0},
	};
	const Elf64_Shdr sections[3] = {
		{.sh_type = SHT_NULL},
		{.sh_type = SHT_SYMTAB,
		 .sh_offset = SAMPLE_SYMBOLS,
		 .sh_size = sizeof(symbols),
		 .sh_link = 2},
		{.sh_type = SHT_STRTAB, .sh_offset = SAMPLE_STRINGS, .sh_size = 0x100},
	};

	symbols[index].st_name = 1;
	symbols[index].st_value = sample->value;
	if (sample->undefined)
		hash[7] = 0x1235; /* another's */
	memset(to, 0, SAMPLE_SIZE);
	memcpy(to, &head, sizeof(head));
	memcpy(to + 64, segments, sizeof(segments));
	memcpy(to + SAMPLE_DYNAMIC, dynamic, sizeof(dynamic));
	memcpy(to + SAMPLE_SYMBOLS, symbols, sizeof(symbols));
	memcpy(to + SAMPLE_STRINGS + 1, ELF_TLS_SYMBOL, sizeof(ELF_TLS_SYMBOL));
	memcpy(to + SAMPLE_STRINGS + 32, "otel_thread_ctx_v2", 19);
	memcpy(to + SAMPLE_HASH, hash, sizeof(hash));
	memcpy(to + SAMPLE_RELA, rela, sizeof(rela));
	if (sample->loader)
		memcpy(to + SAMPLE_LOADER, sample->loader, strlen(sample->loader));
	memcpy(to + SAMPLE_SECTIONS, sections, sizeof(sections));
}

struct sample_file {
	const uint8_t *bytes;
	size_t len;
	unsigned long reads;
};

static inline size_t read_sample(void *from, uint64_t offset, void *to, size_t len)
{
	struct sample_file *file = (struct sample_file *)from;

	file->reads++;
	if (offset >= file->len)
		return 0;
	if (len > file->len - offset)
		len = (size_t)(file->len - offset);
	memcpy(to, file->bytes + offset, len);
	return len;
}

#endif
