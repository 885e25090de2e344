/* SPDX-License-Identifier: MIT */
/* Of a program that is attached to while it runs. */
#ifndef ATTACHED_H
#define ATTACHED_H

#include "subject.h"

static inline void ready(void)
{
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
}

/* Waits until it is asked; false at the end of the input. */
static inline bool asked(void)
{
	char line[64];

	return fgets(line, sizeof(line), stdin) != NULL;
}

/* blocking.c: the call of this name is entered by a thread, and ended by another. */
int blocking(const char *name);

#endif
