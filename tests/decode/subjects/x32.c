/* SPDX-License-Identifier: MIT */
/* x32's numbers from a 64-bit program: where the kernel is without x32 each is ENOSYS. */
#include "subject.h"
#include <sys/mman.h>

static long call(long nr, long a, long b, long c, long d, long e)
{
	return syscall(0x40000000 + nr, a, b, c, d, e, 0);
}

int main(void)
{
	/* Addresses must fit in 32 bits. */
	char *low = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint32_t *words = (uint32_t *)low;
	int64_t *wide = (int64_t *)low;
	long at = (long)low, text = at + 4096;

	if (low == MAP_FAILED)
		return 1;
	strcpy(low + 4096, "/nonexistent/x32");
	mark();
	call(39, 0, 0, 0, 0, 0);
	call(0, 77, at, 4, 0, 0);
	call(1, 77, text, 16, 0, 0);
	call(2, text, O_RDWR | O_CREAT, 0644, 0, 0);
	call(257, AT_FDCWD, text, O_RDONLY | O_CLOEXEC, 0, 0);
	call(3, 77, 0, 0, 0, 0);
	call(9, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	call(4, text, at, 0, 0, 0);
	call(8, 77, -5, SEEK_END, 0, 0);
	call(17, 77, at, 4, 1l << 40, 0);
	call(41, 1, 2, 0, 0, 0);
	call(62, 1, SIGUSR1, 0, 0, 0);
	call(63, at, 0, 0, 0, 0);
	call(76, text, 1l << 33, 0, 0, 0);
	call(83, text, 0755, 0, 0, 0);
	call(272, 0, 0, 0, 0, 0);
	call(293, at, O_CLOEXEC, 0, 0, 0);
	/* Its own. */
	words[0] = (uint32_t)text;
	words[1] = 7;
	call(515, 77, at, 1, 0, 0);
	call(516, 77, at, 1, 0, 0);
	call(516, 77, at, 0, 0, 0);
	call(514, 77, 0x5401, at, 0, 0);
	call(534, 77, at, 1, 5, 0);
	call(517, 77, at, 16, 0, 0);
	words[0] = (uint32_t)text;
	words[1] = 0;
	call(520, text, at, 0, 0, 0);
	call(529, 0, 0, 0, 0, 0);
	call(541, 77, 1, 2, 0, 0);
	wide[0] = 1;
	wide[1] = 500;
	call(35, at, 0, 0, 0, 0);
	call(228, 1, at, 0, 0, 0);
	call(97, 4, at, 0, 0, 0);
	/* No calls of x32. */
	call(13, 1, 0, 0, 0, 0);
	call(59, 1, 2, 3, 4, 5);
	call(500, 1, 2, 3, 4, 5);
	call(548, 1, 2, 3, 4, 5);
	call(700, 1, 2, 3, 4, 5);
	mark();
	return 0;
}
