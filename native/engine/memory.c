/* SPDX-License-Identifier: MIT */
/* The tracee's memory: process_vm_readv(2), word by word where that is not to be had. */
#include <string.h>
#include <sys/uio.h>

#include "engine_private.h"

#define PAGE 4096u /* the smallest page of any machine; larger ones only split more */

static size_t peek(int tid, const struct rn_span_of_memory *span)
{
	uint8_t *to = span->to;
	size_t got = 0;

	while (got < span->len) {
		uint64_t at = span->addr + got;
		uint64_t aligned = at & ~(uint64_t)(sizeof(long) - 1);
		size_t skip = (size_t)(at - aligned);
		size_t take = sizeof(long) - skip;
		long word;

		if (rn_ptrace(RN_PTRACE_PEEKDATA, tid, (uintptr_t)aligned, (uintptr_t)&word) < 0)
			break;
		if (take > span->len - got)
			take = span->len - got;
		memcpy(to + got, (uint8_t *)&word + skip, take);
		got += take;
		if (span->string && memchr(to + got - take, 0, take))
			break;
	}
	return got;
}

/* False: not to be had at all (ENOSYS) or here (EPERM), but PEEKDATA may be. */
static bool vm_read(struct rn_engine *e, int tid, const struct iovec *local,
		    const struct iovec *remote, unsigned n, size_t *got)
{
	ssize_t result = process_vm_readv(tid, local, n, remote, n, 0);

	*got = result > 0 ? (size_t)result : 0;
	if (result >= 0)
		return true;
	if (errno == ENOSYS)
		e->use_vm_readv = false;
	return errno != ENOSYS && errno != EPERM;
}

#define PARTS 16

static void read_parts(struct rn_engine *e, int tid, struct rn_span_of_memory *spans, unsigned n)
{
	struct iovec local[PARTS], remote[PARTS];
	unsigned owner[PARTS], parts = 0, bad = PARTS;
	size_t got;

	for (unsigned i = 0; i < n; i++)
		spans[i].got = 0;
	if (!e->use_vm_readv)
		goto fallback;
	/*
	 * The kernel stops at the first part that it cannot read. So first the part of
	 * each that lies in its first page, then what goes over into later pages.
	 */
	for (int second = 0; second < 2; second++) {
		for (unsigned i = 0; i < n && parts < PARTS; i++) {
			size_t head = PAGE - (size_t)(spans[i].addr % PAGE);

			if (head > spans[i].len)
				head = spans[i].len;
			if (second && head == spans[i].len)
				continue;
			owner[parts] = i;
			local[parts].iov_base = (uint8_t *)spans[i].to + (second ? head : 0);
			local[parts].iov_len = second ? spans[i].len - head : head;
			remote[parts].iov_base =
				(void *)(uintptr_t)(spans[i].addr + (second ? head : 0));
			remote[parts].iov_len = local[parts].iov_len;
			parts++;
		}
	}
	if (!vm_read(e, tid, local, remote, parts, &got))
		goto fallback;
	for (unsigned i = 0; i < parts; i++) {
		struct rn_span_of_memory *span = &spans[owner[i]];
		size_t take = local[i].iov_len < got ? local[i].iov_len : got;

		got -= take;
		/* One bad address must not hide the others. */
		if (bad < i && owner[i] != owner[bad])
			vm_read(e, tid, &local[i], &remote[i], 1, &take);
		if (take < local[i].iov_len && bad == PARTS)
			bad = i;
		/* What lies behind a hole is not the span's beginning. */
		if (span->got == (size_t)((uint8_t *)local[i].iov_base - (uint8_t *)span->to))
			span->got += take;
	}
	return;
fallback:
	for (unsigned i = 0; i < n; i++)
		spans[i].got = peek(tid, &spans[i]);
}

/* Few strings are longer: of the others one page is looked at, and little of it copied. */
#define STRING_HEAD 256u

static size_t head_of(const struct rn_span_of_memory *span)
{
	size_t head = PAGE - (size_t)(span->addr % PAGE);

	if (head > STRING_HEAD)
		head = STRING_HEAD;
	return head < span->len ? head : span->len;
}

void rn_memory_read(struct rn_engine *e, int tid, struct rn_span_of_memory *spans, unsigned n)
{
	size_t whole[PARTS];

	for (unsigned i = 0; i < n; i++) {
		whole[i] = spans[i].len;
		if (spans[i].string)
			spans[i].len = head_of(&spans[i]);
	}
	read_parts(e, tid, spans, n);
	for (unsigned i = 0; i < n; i++) {
		size_t got = spans[i].got;
		bool more = got && got == spans[i].len && got < whole[i];

		spans[i].len = whole[i];
		if (!more || memchr(spans[i].to, 0, got))
			continue;
		spans[i].got += rn_memory_read_one(e, tid, spans[i].addr + got,
						   (uint8_t *)spans[i].to + got, whole[i] - got);
	}
}

size_t rn_memory_read_one(struct rn_engine *e, int tid, uint64_t addr, void *to, size_t len)
{
	struct rn_span_of_memory span = {.addr = addr, .to = to, .len = len};

	read_parts(e, tid, &span, 1);
	return span.got;
}

bool rn_memory_force_read(struct rn_engine *e, int tid, uint64_t addr, void *to, size_t len)
{
	struct rn_span_of_memory span = {.addr = addr, .to = to, .len = len};

	return rn_memory_read_one(e, tid, addr, to, len) == len || peek(tid, &span) == len;
}

/* Word by word, each read, changed and written back. */
static bool poke(int tid, uint64_t addr, const uint8_t *from, size_t len)
{
	while (len) {
		uint64_t aligned = addr & ~(uint64_t)(sizeof(long) - 1);
		size_t skip = (size_t)(addr - aligned);
		size_t take = sizeof(long) - skip;
		long word;

		if (take > len)
			take = len;
		if (rn_ptrace(RN_PTRACE_PEEKDATA, tid, (uintptr_t)aligned, (uintptr_t)&word) < 0)
			return false;
		memcpy((uint8_t *)&word + skip, from, take);
		if (rn_ptrace(RN_PTRACE_POKEDATA, tid, (uintptr_t)aligned, (uintptr_t)word) < 0)
			return false;
		addr += take;
		from += take;
		len -= take;
	}
	return true;
}

bool rn_memory_write(struct rn_engine *e, int tid, uint64_t addr, const void *from, size_t len)
{
	struct iovec local = {(void *)(uintptr_t)from, len};
	struct iovec remote = {(void *)(uintptr_t)addr, len};

	if (e->use_vm_readv && process_vm_writev(tid, &local, 1, &remote, 1, 0) == (ssize_t)len)
		return true;
	return poke(tid, addr, from, len);
}
