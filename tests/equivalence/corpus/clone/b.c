/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	FILE *in = fopen(argv[1], "r");
	FILE *out = fdopen(open(argv[2], O_WRONLY | O_CREAT, 0640), "w");
	int c;

	while ((c = getc(in)) >= 0)
		putc(c, out);
	return fclose(out);
}
