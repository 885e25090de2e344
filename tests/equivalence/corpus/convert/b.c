/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	FILE *in = fopen("in.csv", "r"), *out = fopen("out.tmp", "w");
	char name[64];
	int size, rows = 0;

	if (!in || !out || fscanf(in, "%*[^\n]\n") < 0)
		return 1;
	setvbuf(out, NULL, _IONBF, 0);
	while (fscanf(in, "%63[^,],%d\n", name, &size) == 2) {
		fprintf(out, "{\"name\": \"%s\", \"size\": %d}\n", name, size);
		rows++;
	}
	fclose(out);
	if (rename("out.tmp", "out.json") < 0)
		return 1;
	printf("%d rows\n", rows);
	return 0;
}
