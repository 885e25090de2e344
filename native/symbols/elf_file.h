/* SPDX-License-Identifier: MIT */
/*
 * An ELF file's sections, for whoever looks for names and lines in it. Files come from traced
 * programs: only regular ones are opened, nothing in them is believed without a look at the
 * file's size, and none is mapped, for it may be cut short meanwhile.
 */
#ifndef RENACER_ELF_FILE_H
#define RENACER_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "renacer/event.h"

struct elf_part {
	uint64_t offset, size; /* size 0: there is none */
	uint64_t entry;        /* bytes of one */
};

struct elf_load {
	uint64_t offset, size, address;
};

#define ELF_LOADS 16u

struct elf_file {
	int fd;
	uint64_t size, inode;
	struct elf_load loads[ELF_LOADS];
	unsigned n_loads;
	/* Of symbols .symtab, else .dynsym. */
	struct elf_part symbols, names, lines, line_strings, strings;
	bool own_symbols; /* they are .symtab */
	uint8_t id[RN_BUILD_ID_MAX];
	uint8_t id_len;
	char link[256]; /* .gnu_debuglink: name of the file with the debug information; "" = none */
};

/* false: it is none, or not one of this machine's kind. */
bool rn_elf_open(const char *path, struct elf_file *file);
void rn_elf_close(struct elf_file *file);
/* `len` bytes at `at` of a part. false: they are not all there. */
bool rn_elf_read(const struct elf_file *file, const struct elf_part *part, uint64_t at, void *to,
		 size_t len);
/* A whole part, to be freed; NULL: it is empty, longer than `most`, or there is no memory. */
void *rn_elf_take(const struct elf_file *file, const struct elf_part *part, uint64_t most);
/* A string of a part, cut at `room` - 1. false: it is not there. */
bool rn_elf_string(const struct elf_file *file, const struct elf_part *part, uint64_t at, char *to,
		   size_t room);
/* Of a place in the file, where it is loaded; 0: nowhere. */
uint64_t rn_elf_address(const struct elf_file *file, uint64_t offset);

#endif
