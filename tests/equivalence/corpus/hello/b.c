/* SPDX-License-Identifier: MIT */
#include <stdio.h>

int main(int argc, char **argv)
{
	fprintf(stdout, "Hello, %s!\n", argv[argc - 1]);
	return 0;
}
