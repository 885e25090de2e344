/* SPDX-License-Identifier: MIT */
#include "elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "renacer/notes.h"

#define SECTIONS_MAX 65536u
#define HEADERS_MAX 128u
#define NOTES_MAX 4096u

static bool read_exact(const struct elf_file *file, uint64_t at, void *to, size_t len)
{
	size_t got = 0;

	if (at > file->size || len > file->size - at)
		return false;
	while (got < len) {
		ssize_t n = pread(file->fd, (char *)to + got, len - got, (off_t)(at + got));

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

/* Not by its name twice, nor anything but a file: to open a FIFO or a device does something. */
static int open_regular(const char *path, struct stat *st)
{
	int place = open(path, O_PATH | O_CLOEXEC), fd = -1;
	char name[64];

	if (place < 0)
		return -1;
	if (fstat(place, st) == 0 && S_ISREG(st->st_mode)) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", place);
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	}
	close(place);
	return fd;
}

static void take_notes(struct elf_file *file, uint64_t offset, uint64_t size)
{
	uint8_t notes[NOTES_MAX];
	size_t len = size < sizeof(notes) ? (size_t)size : sizeof(notes);

	if (read_exact(file, offset, notes, len))
		file->id_len = rn_notes_build_id(notes, len, file->id);
}

static void take_segments(struct elf_file *file, const Elf64_Ehdr *head)
{
	Elf64_Phdr headers[HEADERS_MAX];
	unsigned n = head->e_phnum < HEADERS_MAX ? head->e_phnum : HEADERS_MAX;

	if (head->e_phentsize != sizeof(headers[0]) ||
	    !read_exact(file, head->e_phoff, headers, n * sizeof(headers[0])))
		return;
	for (unsigned i = 0; i < n; i++) {
		if (headers[i].p_type == PT_LOAD && file->n_loads < ELF_LOADS)
			file->loads[file->n_loads++] = (struct elf_load){
				headers[i].p_offset, headers[i].p_filesz, headers[i].p_vaddr};
		if (headers[i].p_type == PT_NOTE && !file->id_len)
			take_notes(file, headers[i].p_offset, headers[i].p_filesz);
	}
}

static struct elf_part part_of(const struct elf_file *file, const Elf64_Shdr *header)
{
	struct elf_part part = {header->sh_offset, header->sh_size, header->sh_entsize};

	/* Compressed ones are as good as none: nothing here can inflate them. */
	if (header->sh_type == SHT_NOBITS || header->sh_flags & SHF_COMPRESSED ||
	    part.offset > file->size || part.size > file->size - part.offset)
		part.size = 0;
	return part;
}

static void take_section(struct elf_file *file, const char *name, const struct elf_part *part,
			 const Elf64_Shdr *headers, unsigned n, const Elf64_Shdr *header)
{
	if (strcmp(name, ".debug_line") == 0)
		file->lines = *part;
	else if (strcmp(name, ".debug_line_str") == 0)
		file->line_strings = *part;
	else if (strcmp(name, ".debug_str") == 0)
		file->strings = *part;
	else if (strcmp(name, ".gnu_debuglink") == 0)
		rn_elf_string(file, part, 0, file->link, sizeof(file->link));
	if ((header->sh_type != SHT_SYMTAB && header->sh_type != SHT_DYNSYM) || !part->size ||
	    part->entry != sizeof(Elf64_Sym) || header->sh_link >= n || file->own_symbols)
		return;
	file->own_symbols = header->sh_type == SHT_SYMTAB;
	file->symbols = *part;
	file->names = part_of(file, &headers[header->sh_link]);
}

static void take_sections(struct elf_file *file, const Elf64_Ehdr *head)
{
	unsigned n = head->e_shnum;
	struct elf_part names;
	Elf64_Shdr *headers;

	if (head->e_shentsize != sizeof(*headers) || n == 0 || n > SECTIONS_MAX ||
	    head->e_shstrndx >= n)
		return;
	headers = malloc(n * sizeof(*headers));
	if (!headers)
		return;
	if (read_exact(file, head->e_shoff, headers, n * sizeof(*headers))) {
		names = part_of(file, &headers[head->e_shstrndx]);
		for (unsigned i = 0; i < n; i++) {
			struct elf_part part = part_of(file, &headers[i]);
			char name[32];

			if (rn_elf_string(file, &names, headers[i].sh_name, name, sizeof(name)))
				take_section(file, name, &part, headers, n, &headers[i]);
		}
	}
	free(headers);
}

bool rn_elf_open(const char *path, struct elf_file *file)
{
	struct stat st;
	Elf64_Ehdr head;

	*file = (struct elf_file){.fd = open_regular(path, &st)};
	if (file->fd < 0)
		return false;
	file->size = (uint64_t)st.st_size;
	file->inode = st.st_ino;
	if (!read_exact(file, 0, &head, sizeof(head)) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_ident[EI_DATA] != ELFDATA2LSB) {
		rn_elf_close(file);
		return false;
	}
	take_segments(file, &head);
	take_sections(file, &head);
	return true;
}

void rn_elf_close(struct elf_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

bool rn_elf_read(const struct elf_file *file, const struct elf_part *part, uint64_t at, void *to,
		 size_t len)
{
	return at <= part->size && len <= part->size - at &&
	       read_exact(file, part->offset + at, to, len);
}

void *rn_elf_take(const struct elf_file *file, const struct elf_part *part, uint64_t most)
{
	void *data;

	if (part->size == 0 || part->size > most)
		return NULL;
	data = malloc((size_t)part->size);
	if (data && !rn_elf_read(file, part, 0, data, (size_t)part->size)) {
		free(data);
		data = NULL;
	}
	return data;
}

bool rn_elf_string(const struct elf_file *file, const struct elf_part *part, uint64_t at, char *to,
		   size_t room)
{
	size_t len = room - 1;

	if (at >= part->size)
		return false;
	if (len > part->size - at)
		len = (size_t)(part->size - at);
	if (!rn_elf_read(file, part, at, to, len))
		return false;
	to[len] = 0;
	return true;
}

uint64_t rn_elf_address(const struct elf_file *file, uint64_t offset)
{
	for (unsigned i = 0; i < file->n_loads; i++) {
		const struct elf_load *load = &file->loads[i];

		if (offset >= load->offset && offset - load->offset < load->size)
			return load->address + (offset - load->offset);
	}
	return 0;
}
