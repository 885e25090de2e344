/* SPDX-License-Identifier: MIT */
/*
 * A static program has .eh_frame, but nothing that is loaded says where: only the file's table of
 * sections does. It is read once a program.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "code_map.h"

#define SECTIONS_MAX 128u

static bool read_all(int fd, uint64_t at, void *to, size_t len)
{
	return at < INT64_MAX && pread(fd, to, len, (off_t)at) == (ssize_t)len;
}

static void take_frames(int fd, struct module *module, uint64_t first)
{
	Elf64_Shdr sections[SECTIONS_MAX];
	Elf64_Ehdr head;
	char name[16];
	unsigned n;

	if (!read_all(fd, 0, &head, sizeof(head)) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_shentsize != sizeof(sections[0]))
		return;
	n = head.e_shnum < SECTIONS_MAX ? head.e_shnum : SECTIONS_MAX;
	if (head.e_shstrndx >= n || !read_all(fd, head.e_shoff, sections, n * sizeof(sections[0])))
		return;
	for (unsigned i = 0; i < n; i++)
		if (sections[i].sh_flags & SHF_ALLOC && sections[i].sh_type != SHT_NOBITS &&
		    read_all(fd, sections[head.e_shstrndx].sh_offset + sections[i].sh_name, name,
			     sizeof(".eh_frame")) &&
		    memcmp(name, ".eh_frame", sizeof(".eh_frame")) == 0) {
			module->frames = sections[i].sh_addr - first;
			module->frames_size = sections[i].sh_size;
			return;
		}
}

void rn_find_frames(int tid, struct module *module, uint64_t first)
{
	char path[64];
	struct stat st;
	int fd;

	/* The program's alone, which is a file, and no FIFO. */
	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	if (stat(path, &st) < 0 || st.st_ino != module->inode || !S_ISREG(st.st_mode))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return;
	take_frames(fd, module, first);
	close(fd);
}
