/* SPDX-License-Identifier: MIT */
/* Calls by int 0x80 from a 64-bit program: structures as 32-bit programs have them. */
#include "subject.h"
#include <sys/mman.h>

static long call(long nr, long a, long b, long c, long d, long e)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

int main(void)
{
	/* Addresses must fit in 32 bits. */
	char *low = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int32_t *words = (int32_t *)low;
	long at = (long)low, text = at + 4096, other = at + 8192;
	int64_t *wide = (int64_t *)low;
	int fds[2], n;

	if (low == MAP_FAILED || pipe(fds))
		return 1;
	strcpy(low + 4096, "/etc/passwd");
	mark();
	call(195, text, at, 0, 0, 0);         /* stat64 */
	call(106, text, at, 0, 0, 0);         /* stat */
	call(197, fds[0], at, 0, 0, 0);         /* fstat64 */
	call(300, -100, text, at, 0x100, 0);        /* fstatat64 */
	call(268, text, 84, at, 0, 0);         /* statfs64 */
	call(99, text, at, 0, 0, 0);         /* statfs */
	call(5, text, 02000000, 0, 0, 0);        /* open */
	call(122, at, 0, 0, 0, 0);         /* uname */
	call(116, at, 0, 0, 0, 0);         /* sysinfo */
	call(78, at, other, 0, 0, 0);         /* gettimeofday */
	call(265, 1, at, 0, 0, 0);         /* clock_gettime */
	call(403, 1, at, 0, 0, 0);         /* clock_gettime64 */
	words[0] = 0;
	words[1] = 1000;
	call(162, at, other, 0, 0, 0);         /* nanosleep */
	wide[0] = 0;
	wide[1] = 1000;
	call(407, 1, 0, at, other, 0);         /* clock_nanosleep_time64 */
	call(76, 7, at, 0, 0, 0);         /* getrlimit */
	call(191, 7, at, 0, 0, 0);         /* ugetrlimit */
	call(340, 0, 7, 0, at, 0);         /* prlimit64 */
	call(77, 0, at, 0, 0, 0);         /* getrusage */
	words[0] = 1;
	words[1] = 0x14000000;
	words[2] = 0x1000;
	words[3] = 0x200;
	words[4] = 0;
	call(174, 12, at, other, 8, 0);         /* rt_sigaction */
	call(175, 0, at + 12, other, 8, 0);        /* rt_sigprocmask */
	memcpy(low + 512, "hello", 6);
	words[0] = (int32_t)at + 512;
	words[1] = 5;
	words[2] = (int32_t)at + 514;
	words[3] = 2;
	call(146, fds[1], at, 2, 0, 0);         /* writev */
	words[32] = fds[0];
	words[33] = 1;
	call(168, at + 128, 1, 0, 0, 0);        /* poll */
	words[40] = 1 << fds[0];
	words[42] = 0;
	words[43] = 0;
	call(142, fds[0] + 1, at + 160, 0, 0, at + 168);      /* _newselect */
	words[0] = (int32_t)at + 512;
	words[1] = 5;
	words[2] = (int32_t)at + 520;
	words[3] = 9;
	call(145, fds[0], at, 2, 0, 0);         /* readv */
	n = (int)call(329, 0, 0, 0, 0, 0);        /* epoll_create1 */
	words[0] = 1;
	words[1] = 77;
	words[2] = 0;
	call(255, n, 1, fds[0], at, 0);         /* epoll_ctl */
	call(256, n, other, 4, 0, 0);         /* epoll_wait */
	memset(low, 0, 64);
	words[1] = 4;
	words[2] = 5;
	((short *)low)[0] = 1;
	call(221, 0, 6, at, 0, 0);         /* fcntl64 F_SETLK */
	memset(low, 0, 64);
	words[1] = 4;
	words[3] = 5;
	call(221, 0, 37, at, 0, 0);         /* fcntl64 F_OFD_SETLK */
	call(43, at, 0, 0, 0, 0);         /* times */
	call(240, at, 1, 1, 0, 0);         /* futex */
	call(54, 0, 0x5401, at, 0, 0);         /* ioctl */
	call(220, fds[0], at, 100, 0, 0);        /* getdents64 */
	call(224, 0, 0, 0, 0, 0);         /* gettid */
	mark();
	return 0;
}
