/* SPDX-License-Identifier: MIT */
/* Span limits: where a text that is too long is cut. */
#include "attributes.h"

/* Bytes of the escape that begins here: a pair of backslashes, or \\xHH; 1 = there is none. */
static size_t escape_size(const char *text, size_t len)
{
	if (text[0] != '\\' || len < 2)
		return 1;
	if (text[1] == '\\')
		return 2;
	return text[1] == 'x' && len >= 4 ? 4 : 1;
}

size_t rn_bounds_cut(const char *text, size_t len, uint32_t characters, bool escaped)
{
	size_t at = 0, left = characters;

	while (at < len) {
		size_t size = escaped ? escape_size(text + at, len - at) : 1;

		if (size > left)
			break;
		left -= size;
		at += size;
		/* The rest of a character that is more than a byte. */
		while (at < len && ((uint8_t)text[at] & 0xc0) == 0x80)
			at++;
	}
	return at;
}
