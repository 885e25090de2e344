/* SPDX-License-Identifier: MIT */
/* This program's own call frame information. */
#ifndef RENACER_TESTS_CFI_SAMPLE_H
#define RENACER_TESTS_CFI_SAMPLE_H

#include <elf.h>
#include <link.h>
#include <string.h>

#include "check.h"
#include "engine/cfi.h"

static inline int take_own(struct dl_phdr_info *info, size_t size, void *to)
{
	struct cfi_table *table = to;

	(void)size;
	table->low = UINT64_MAX;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uint64_t at = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && at < table->low)
			table->low = at;
		if (header->p_type == PT_LOAD && at + header->p_memsz > table->high)
			table->high = at + header->p_memsz;
		if (header->p_type == PT_GNU_EH_FRAME) {
			table->header = at;
			table->header_size = header->p_memsz;
		}
	}
	/* .eh_frame stands behind it, in the same segment; where, it says four bytes from its start. */
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uint64_t at = info->dlpi_addr + header->p_vaddr;
		int32_t distance;

		if (header->p_type != PT_LOAD || table->header < at ||
		    table->header >= at + header->p_memsz)
			continue;
		memcpy(&distance, (const void *)(uintptr_t)(table->header + 4), sizeof(distance));
		table->frames = table->header + 4 + (uint64_t)(int64_t)distance;
		table->frames_size = at + header->p_memsz - table->frames;
	}
	return 1; /* the program comes first */
}

static inline struct cfi_table own_table(void)
{
	struct cfi_table table = {.header = 0};

	dl_iterate_phdr(take_own, &table);
	CHECK(table.header && table.frames > table.header);
	return table;
}

#endif
