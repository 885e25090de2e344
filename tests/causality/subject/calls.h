/* SPDX-License-Identifier: MIT */
/* Calls that stand in the file: who made them, and what they carried. */
#ifndef CAUSALITY_CALLS_H
#define CAUSALITY_CALLS_H

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "script.h"

#define NONE 0xffff

static struct shared *const all = SHARED_AT;

static inline _Noreturn void fail(const char *what)
{
	static const char end[] = " failed\n";

	if (write(2, what, strlen(what)) < 0 || write(2, end, sizeof(end) - 1) < 0)
		_exit(99);
	_exit(98);
}

/* Without errno, which threads share here. */
static inline long raw(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#endif
}

static inline struct row *begin(unsigned me, long nr, unsigned lane)
{
	struct lane *mine = &all->lane[me];
	struct row *row = &all->row[me][mine->nrows];

	if (mine->nrows == ROWS)
		fail("room for rows");
	mine->nrows++;
	*row = (struct row){.nr = (int32_t)nr, .op = mine->op, .lane = (uint16_t)lane};
	row->state = 1;
	return row;
}

static inline uint64_t id_of(unsigned me, const struct row *row)
{
	return ID(me, (uint64_t)(row - all->row[me]));
}

static inline long end(struct row *row, long result)
{
	row->result = result;
	row->state = 2;
	return result;
}

#define LOGGED(me, lane, nr, a, b, c, d, e, f)                                                     \
	logged(me, lane, nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline long logged(unsigned me, unsigned lane, long nr, long a, long b, long c, long d, long e,
		   long f)
{
	struct row *row = begin(me, nr, lane);

	return end(row, raw(nr, a, b, c, d, e, f));
}

static inline void carry(struct row *row, uint64_t id)
{
	if (id >> 48 != ID_MAGIC)
		fail("a word");
	for (unsigned i = 0; i < row->ncarried; i++)
		if (row->carried[i] == id)
			return;
	if (row->ncarried == CARRIED)
		fail("room for causes");
	row->carried[row->ncarried++] = id;
}

/* messages.c: words through an object, and through a connection of their own. */
void send_words(unsigned me, const struct op *op);
unsigned receive(unsigned me, const struct op *op, unsigned n); /* words, at most so many */
void call(unsigned me, const struct op *op);
void take_call(unsigned me, const struct op *op);
/* locks.c: takes a lock, and lets go of it. */
void lock(unsigned me, const struct op *op);
/* objects.c: makes the i-th one. */
void make(unsigned i);

#endif
