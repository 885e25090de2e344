/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	FILE *f = fopen(argv[argc - 1], "r");
	int lines = 0, words = 0, bytes = 0, inside = 0, c;

	while (f && (c = fgetc(f)) != EOF) {
		int blank = c == ' ' || c == '\n' || c == '\t';

		bytes++;
		lines += c == '\n';
		words += !blank && !inside;
		inside = !blank;
	}
	fclose(f);
	printf("%d %d %d %s\n", lines, words, bytes, argv[1]);
	return 0;
}
