/* SPDX-License-Identifier: MIT */
/* A shared object, made twice: with a different call. */
#include <sys/syscall.h>
#include <unistd.h>

void from_object(void);

void from_object(void)
{
	long done = CALL; /* from_object */

	__asm__ volatile("" : "+r"(done));
}
