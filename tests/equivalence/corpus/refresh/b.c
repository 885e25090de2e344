/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

int main(int argc, char **argv)
{
	static char lines[100][80];
	FILE *in = fopen(argv[1], "r"), *out;
	int n = 0;

	while (fgets(lines[n], sizeof(lines[n]), in)) {
		lines[n][strcspn(lines[n], "\n")] = 0;
		n++;
	}
	fclose(in);
	qsort(lines, n, sizeof(lines[0]), compare);
	out = fopen(argv[1], "w");
	for (int i = 0; i < n; i++)
		fprintf(out, "%s%s", lines[i], i + 1 < n || 1 ? "\n" : "");
	return fclose(out);
}
