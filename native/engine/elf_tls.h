/* SPDX-License-Identifier: MIT */
/*
 * Where an ELF file says that the thread-local `otel_thread_ctx_v1` is: the pointer to a
 * thread's record of its live span (OTEP 4947). x86_64 only. The file is not trusted: every
 * read and every table is bounded.
 */
#ifndef RENACER_ELF_TLS_H
#define RENACER_ELF_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_TLS_SYMBOL "otel_thread_ctx_v1"
#define ELF_TLS_HEAD 64u

/* How the pointer is found. */
enum elf_tls_way {
	ELF_TLS_NONE = 0,   /* the file has nothing to do with it */
	ELF_TLS_PROGRAM,    /* at `offset` from the thread pointer: it is the program's */
	ELF_TLS_OFFSET,     /* the loader writes that offset to `got` (R_X86_64_TPOFF64) */
	ELF_TLS_MODULE,     /* it writes module and offset there (R_X86_64_DTPMOD64) */
	ELF_TLS_DESCRIPTOR, /* it writes a descriptor there (R_X86_64_TLSDESC) */
};

struct elf_tls {
	uint8_t way;   /* enum elf_tls_way */
	bool program;  /* not a shared object */
	bool musl;     /* its loader is musl's */
	bool defined;  /* the file holds it; else it only refers to it */
	bool local;    /* `got` is not the symbol's own: of MODULE only the module counts */
	bool has_head; /* the file's beginning is mapped, at head_at */
	int64_t offset;
	uint64_t value; /* defined: its offset in the file's thread-local block */
	uint64_t got;
	uint64_t head_at;
	uint64_t headers_at;           /* the program headers */
	uint64_t code_at, code_offset; /* the first executable segment, in whole pages */
	uint8_t head[ELF_TLS_HEAD];    /* the file's beginning */
};

/* Reads up to `len` bytes at `offset`; how many there were. */
typedef size_t elf_reader(void *from, uint64_t offset, void *to, size_t len);

/* False: not an ELF file of x86_64, or a broken one; *out is zeroes then. */
bool rn_elf_tls(elf_reader *read, void *from, struct elf_tls *out);

#endif
