/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "shapes.h"

void say(const char *what, int value)
{
	printf("%s: %d\n", what, value);
}
