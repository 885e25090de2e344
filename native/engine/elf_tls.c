/* SPDX-License-Identifier: MIT */
/*
 * The thread-local of OTEP 4947 in an ELF file. (System V ABI, gABI chapter 5; its x86-64
 * supplement; Drepper, "ELF Handling For Thread-Local Storage", for the layouts.)
 *
 * A program's own is at a distance from the thread pointer that its segment's size and
 * alignment give. For all others the loader's word is taken: the relocation against the symbol
 * says where it leaves the offset, the module, or the descriptor.
 */
#include "elf_tls.h"

#include <elf.h>
#include <string.h>

#define PAGE 4096u
#define SEGMENTS_MAX 64u
#define SECTIONS_MAX 256u
#define DYNAMIC_MAX 1024u    /* entries of the dynamic section */
#define SYMBOLS_MAX 1000000u /* looked at, of a table */
#define RELOCATIONS_MAX 4000000u
#define CHAIN_MAX 4096u /* of a hash bucket */
#define NAMES_MAX 4096u /* of thread-locals that are looked at */
#define CHUNK 8192u

struct elf {
	elf_reader *read;
	void *from;
	Elf64_Ehdr head;
	Elf64_Phdr segments[SEGMENTS_MAX];
	unsigned nsegments;
	const Elf64_Phdr *tls, *dynamic;
	/* From the dynamic section: addresses, and sizes in bytes. */
	uint64_t symbols, strings, strings_size, gnu_hash, relocations, relocations_size;
	uint64_t plt, plt_size, flags;
	unsigned names;
	uint8_t chunk[CHUNK];
};

static bool read_at(const struct elf *elf, uint64_t offset, void *to, size_t len)
{
	return offset <= INT64_MAX && elf->read(elf->from, offset, to, len) == len;
}

/* The place in the file of an address. */
static bool file_offset(const struct elf *elf, uint64_t addr, uint64_t *offset)
{
	for (unsigned i = 0; i < elf->nsegments; i++) {
		const Elf64_Phdr *p = &elf->segments[i];

		if (p->p_type == PT_LOAD && addr >= p->p_vaddr && addr - p->p_vaddr < p->p_filesz) {
			*offset = p->p_offset + (addr - p->p_vaddr);
			return true;
		}
	}
	return false;
}

static bool read_addr(const struct elf *elf, uint64_t addr, void *to, size_t len)
{
	uint64_t offset;

	return file_offset(elf, addr, &offset) && read_at(elf, offset, to, len);
}

static bool is_elf(const Elf64_Ehdr *head)
{
	return memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
	       head->e_ident[EI_CLASS] == ELFCLASS64 && head->e_ident[EI_DATA] == ELFDATA2LSB &&
	       head->e_machine == EM_X86_64 &&
	       (head->e_type == ET_EXEC || head->e_type == ET_DYN) &&
	       head->e_phentsize == sizeof(Elf64_Phdr) && head->e_phnum &&
	       head->e_phnum <= SEGMENTS_MAX;
}

static void take_loader(const struct elf *elf, const Elf64_Phdr *p, struct elf_tls *out)
{
	char name[128];
	size_t len = p->p_filesz < sizeof(name) - 1 ? (size_t)p->p_filesz : sizeof(name) - 1;

	memset(name, 0, sizeof(name));
	if (read_at(elf, p->p_offset, name, len))
		out->musl = strstr(name, "/ld-musl-") != NULL;
}

static void take_segments(struct elf *elf, struct elf_tls *out)
{
	bool code = false;

	for (unsigned i = 0; i < elf->nsegments; i++) {
		const Elf64_Phdr *p = &elf->segments[i];

		if (p->p_type == PT_TLS)
			elf->tls = p;
		if (p->p_type == PT_DYNAMIC)
			elf->dynamic = p;
		if (p->p_type == PT_INTERP)
			take_loader(elf, p, out);
		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_offset == 0 && p->p_filesz >= ELF_TLS_HEAD && !out->has_head) {
			out->has_head = true;
			out->head_at = p->p_vaddr;
		}
		if (elf->head.e_phoff >= p->p_offset &&
		    elf->head.e_phoff - p->p_offset < p->p_filesz)
			out->headers_at = p->p_vaddr + (elf->head.e_phoff - p->p_offset);
		if (p->p_flags & PF_X && !code) {
			code = true;
			out->code_at = p->p_vaddr & ~(uint64_t)(PAGE - 1);
			out->code_offset = p->p_offset & ~(uint64_t)(PAGE - 1);
		}
	}
}

static void take_dynamic(struct elf *elf)
{
	uint64_t n = elf->dynamic->p_filesz / sizeof(Elf64_Dyn);
	Elf64_Dyn dyn;

	for (uint64_t i = 0; i < n && i < DYNAMIC_MAX; i++) {
		if (!read_at(elf, elf->dynamic->p_offset + i * sizeof(dyn), &dyn, sizeof(dyn)) ||
		    dyn.d_tag == DT_NULL)
			return;
		switch (dyn.d_tag) {
		case DT_SYMTAB:
			elf->symbols = dyn.d_un.d_ptr;
			break;
		case DT_STRTAB:
			elf->strings = dyn.d_un.d_ptr;
			break;
		case DT_STRSZ:
			elf->strings_size = dyn.d_un.d_val;
			break;
		case DT_GNU_HASH:
			elf->gnu_hash = dyn.d_un.d_ptr;
			break;
		case DT_RELA:
			elf->relocations = dyn.d_un.d_ptr;
			break;
		case DT_RELASZ:
			elf->relocations_size = dyn.d_un.d_val;
			break;
		case DT_JMPREL:
			elf->plt = dyn.d_un.d_ptr;
			break;
		case DT_PLTRELSZ:
			elf->plt_size = dyn.d_un.d_val;
			break;
		case DT_FLAGS_1:
			elf->flags = dyn.d_un.d_val;
			break;
		default:
			break;
		}
	}
}

/* A thread-local of that name. */
static bool is_it(struct elf *elf, const Elf64_Sym *symbol, uint64_t strings, uint64_t size)
{
	char name[sizeof(ELF_TLS_SYMBOL)];

	return ELF64_ST_TYPE(symbol->st_info) == STT_TLS && symbol->st_name < size &&
	       strings + symbol->st_name >= strings && elf->names++ < NAMES_MAX &&
	       read_at(elf, strings + symbol->st_name, name, sizeof(name)) &&
	       memcmp(name, ELF_TLS_SYMBOL, sizeof(name)) == 0;
}

/* Among `n` symbols at a place in the file; its index, or -1. */
static int64_t scan_symbols(struct elf *elf, uint64_t at, uint64_t n, uint64_t strings,
			    uint64_t size, Elf64_Sym *found)
{
	const uint64_t each = CHUNK / sizeof(Elf64_Sym);

	for (uint64_t i = 0; i < n && i < SYMBOLS_MAX; i += each) {
		uint64_t take = n - i < each ? n - i : each;
		size_t got = elf->read(elf->from, at + i * sizeof(*found), elf->chunk,
				       (size_t)take * sizeof(*found));

		for (uint64_t j = 0; j < got / sizeof(*found); j++) {
			memcpy(found, elf->chunk + j * sizeof(*found), sizeof(*found));
			if (is_it(elf, found, strings, size))
				return (int64_t)(i + j);
		}
		if (got < take * sizeof(*found))
			break;
	}
	return -1;
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

/* By the hash table, which has those that are defined only. *first: of the symbols in it. */
static int64_t by_hash(struct elf *elf, uint64_t strings, uint32_t *first, Elf64_Sym *found)
{
	uint32_t head[4], hash = gnu_hash(ELF_TLS_SYMBOL), index, word;
	uint64_t buckets, chains;

	if (!read_addr(elf, elf->gnu_hash, head, sizeof(head)) || !head[0] || head[2] > 1u << 24)
		return -1;
	*first = head[1];
	buckets = elf->gnu_hash + sizeof(head) + (uint64_t)head[2] * 8;
	chains = buckets + (uint64_t)head[0] * 4;
	if (!read_addr(elf, buckets + hash % head[0] * 4ull, &index, sizeof(index)) ||
	    index < head[1])
		return -1;
	for (unsigned i = 0; i < CHAIN_MAX; i++, index++) {
		if (!read_addr(elf, chains + (uint64_t)(index - head[1]) * 4, &word, sizeof(word)))
			return -1;
		if ((word | 1u) == (hash | 1u) &&
		    read_addr(elf, elf->symbols + (uint64_t)index * sizeof(*found), found,
			      sizeof(*found)) &&
		    is_it(elf, found, strings, elf->strings_size))
			return index;
		if (word & 1u || index == UINT32_MAX)
			return -1;
	}
	return -1;
}

/* In the dynamic symbol table. */
static int64_t find_dynamic(struct elf *elf, Elf64_Sym *found)
{
	uint64_t strings, symbols;
	uint32_t first = 0;
	int64_t index;

	if (!elf->symbols || !elf->strings || !elf->gnu_hash ||
	    !file_offset(elf, elf->strings, &strings) || !file_offset(elf, elf->symbols, &symbols))
		return -1;
	index = by_hash(elf, strings, &first, found);
	/* Those that are only referred to stand before the hashed ones. */
	return index >= 0 ? index
			  : scan_symbols(elf, symbols, first, strings, elf->strings_size, found);
}

/* A program without a dynamic section has the table for debuggers, if that was not stripped. */
static int64_t find_static(struct elf *elf, Elf64_Sym *found)
{
	unsigned n = elf->head.e_shnum < SECTIONS_MAX ? elf->head.e_shnum : SECTIONS_MAX;
	Elf64_Shdr section, strings;

	if (elf->head.e_shentsize != sizeof(section))
		return -1;
	for (unsigned i = 0; i < n; i++) {
		if (!read_at(elf, elf->head.e_shoff + i * sizeof(section), &section,
			     sizeof(section)))
			return -1;
		if (section.sh_type != SHT_SYMTAB || section.sh_link >= n)
			continue;
		if (!read_at(elf, elf->head.e_shoff + section.sh_link * sizeof(strings), &strings,
			     sizeof(strings)))
			return -1;
		return scan_symbols(elf, section.sh_offset, section.sh_size / sizeof(*found),
				    strings.sh_offset, strings.sh_size, found);
	}
	return -1;
}

static bool is_ours(const Elf64_Rela *rela, uint64_t index, bool *local, const struct elf_tls *out)
{
	uint64_t type = ELF64_R_TYPE(rela->r_info), symbol = ELF64_R_SYM(rela->r_info);

	if (type != R_X86_64_TPOFF64 && type != R_X86_64_DTPMOD64 && type != R_X86_64_TLSDESC)
		return false;
	*local = symbol != index;
	if (!*local)
		return rela->r_addend == 0;
	/* Of the file's own block, where the symbol is bound when it is linked. */
	return symbol == 0 && out->defined &&
	       (type == R_X86_64_DTPMOD64 || (uint64_t)rela->r_addend == out->value);
}

static enum elf_tls_way way_of(const Elf64_Rela *rela)
{
	switch (ELF64_R_TYPE(rela->r_info)) {
	case R_X86_64_TPOFF64:
		return ELF_TLS_OFFSET;
	case R_X86_64_DTPMOD64:
		return ELF_TLS_MODULE;
	default:
		return ELF_TLS_DESCRIPTOR;
	}
}

/* The first relocation against the symbol; of several kinds any will do. */
static void take_relocations(struct elf *elf, uint64_t addr, uint64_t size, uint64_t index,
			     struct elf_tls *out)
{
	const uint64_t each = CHUNK / sizeof(Elf64_Rela);
	uint64_t n = size / sizeof(Elf64_Rela), at;

	if (!size || !file_offset(elf, addr, &at))
		return;
	for (uint64_t i = 0; i < n && i < RELOCATIONS_MAX; i += each) {
		uint64_t take = n - i < each ? n - i : each;
		size_t got = elf->read(elf->from, at + i * sizeof(Elf64_Rela), elf->chunk,
				       (size_t)take * sizeof(Elf64_Rela));

		for (uint64_t j = 0; j < got / sizeof(Elf64_Rela); j++) {
			Elf64_Rela rela;
			bool local;

			memcpy(&rela, elf->chunk + j * sizeof(rela), sizeof(rela));
			if (!is_ours(&rela, index, &local, out) || (local && out->way))
				continue;
			out->way = (uint8_t)way_of(&rela);
			out->got = rela.r_offset;
			out->local = local;
			if (!local)
				return;
		}
		if (got < take * sizeof(Elf64_Rela))
			return;
	}
}

/* Variant II: a program's block ends at the thread pointer, and keeps its alignment. */
static bool take_program(const struct elf *elf, struct elf_tls *out)
{
	const Elf64_Phdr *tls = elf->tls;
	uint64_t align, size;

	if (!tls || tls->p_memsz > INT32_MAX || tls->p_align > INT32_MAX ||
	    out->value > tls->p_memsz)
		return false;
	align = tls->p_align ? tls->p_align : 1;
	if (align & (align - 1))
		return false;
	size = tls->p_memsz + ((0 - tls->p_vaddr - tls->p_memsz) & (align - 1));
	out->way = ELF_TLS_PROGRAM;
	out->offset = (int64_t)out->value - (int64_t)size;
	return true;
}

bool rn_elf_tls(elf_reader *read, void *from, struct elf_tls *out)
{
	struct elf elf = {.read = read, .from = from};
	Elf64_Sym symbol;
	int64_t index;

	memset(out, 0, sizeof(*out));
	if (!read_at(&elf, 0, &elf.head, sizeof(elf.head)) || !is_elf(&elf.head))
		return false;
	elf.nsegments = elf.head.e_phnum;
	if (!read_at(&elf, elf.head.e_phoff, elf.segments, elf.nsegments * sizeof(elf.segments[0])))
		return false;
	memcpy(out->head, &elf.head, sizeof(elf.head));
	take_segments(&elf, out);
	if (elf.dynamic)
		take_dynamic(&elf);
	out->program = elf.head.e_type == ET_EXEC || elf.flags & DF_1_PIE;
	if (!elf.tls && !elf.dynamic)
		return true;
	index = elf.dynamic ? find_dynamic(&elf, &symbol) : find_static(&elf, &symbol);
	if (index < 0)
		return true;
	out->defined = symbol.st_shndx != SHN_UNDEF;
	out->value = out->defined ? symbol.st_value : 0;
	if (out->program && out->defined) {
		take_program(&elf, out);
		return true;
	}
	take_relocations(&elf, elf.relocations, elf.relocations_size, (uint64_t)index, out);
	if (!out->way || out->local)
		take_relocations(&elf, elf.plt, elf.plt_size, (uint64_t)index, out);
	return true;
}

_Static_assert(sizeof(Elf64_Ehdr) == ELF_TLS_HEAD, "the file's beginning is its header");
