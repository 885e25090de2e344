/* SPDX-License-Identifier: MIT */
#include <stdio.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int main(int argc, char **argv)
{
	FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
	unsigned char three[3];
	int n, column = 0;

	while ((n = fread(three, 1, 3, in)) > 0) {
		unsigned word = three[0] << 16 | (n > 1 ? three[1] << 8 : 0) | (n > 2 ? three[2] : 0);

		if (column == 76) {
			fputc('\n', out);
			column = 0;
		}
		fputc(digits[word >> 18], out);
		fputc(digits[word >> 12 & 63], out);
		fputc(n > 1 ? digits[word >> 6 & 63] : '=', out);
		fputc(n > 2 ? digits[word & 63] : '=', out);
		column += 4;
	}
	fputc('\n', out);
	fclose(out);
	return 0;
}
