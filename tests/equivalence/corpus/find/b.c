/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	FILE *file = fopen(argv[2], "r");
	char line[256];
	int number = 0, found = 0;

	while (argc == 3 && fgets(line, sizeof(line), file)) {
		number++;
		if (strstr(line, argv[1])) {
			printf("%d:%s", number, line);
			found = 1;
		}
	}
	return !found;
}
