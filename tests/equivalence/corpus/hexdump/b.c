/* SPDX-License-Identifier: MIT */
#include <stdio.h>

int main(void)
{
	FILE *file = fopen("data", "r");
	int c, at = 0;

	while ((c = fgetc(file)) != EOF) {
		if (at % 8 == 0) {
			if (at)
				putchar('\n');
			printf("%04x:", (unsigned)at);
		}
		printf(" %02x", (unsigned)c);
		at++;
	}
	if (at)
		putchar('\n');
	return 0;
}
