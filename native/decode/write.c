/* SPDX-License-Identifier: MIT */
/*
 * Numbers and quoted bytes as text. Made by hand: a line of trace has four to ten of
 * them, and printf() would cost more than all the rest of the line.
 */
#include <string.h>

#include "decode.h"

static const char hex_digits[16] = "0123456789abcdef";

static const char decimal_pairs[200] = "00010203040506070809"
				       "10111213141516171819"
				       "20212223242526272829"
				       "30313233343536373839"
				       "40414243444546474849"
				       "50515253545556575859"
				       "60616263646566676869"
				       "70717273747576777879"
				       "80818283848586878889"
				       "90919293949596979899";

char *rn_write_u64(char *out, uint64_t value)
{
	char digits[20];
	char *p = digits + sizeof(digits);
	size_t len;

	if (value < 10) {
		*out = (char)('0' + value);
		return out + 1;
	}
	while (value >= 100) {
		p -= 2;
		memcpy(p, decimal_pairs + 2 * (value % 100), 2);
		value /= 100;
	}
	if (value >= 10) {
		p -= 2;
		memcpy(p, decimal_pairs + 2 * value, 2);
	} else {
		*--p = (char)('0' + value);
	}
	len = (size_t)(digits + sizeof(digits) - p);
	memcpy(out, p, len);
	return out + len;
}

char *rn_write_i64(char *out, int64_t value)
{
	if (value >= 0)
		return rn_write_u64(out, (uint64_t)value);
	*out = '-';
	return rn_write_u64(out + 1, 0 - (uint64_t)value);
}

char *rn_write_hex(char *out, uint64_t value)
{
	unsigned shift;

	if (value == 0) {
		*out = '0';
		return out + 1;
	}
	*out++ = '0';
	*out++ = 'x';
	shift = (unsigned)(63 - __builtin_clzll(value)) & ~3u;
	for (;; shift -= 4) {
		*out++ = hex_digits[(value >> shift) & 15];
		if (shift == 0)
			return out;
	}
}

char *rn_write_octal(char *out, uint64_t value)
{
	char digits[RN_NUMBER_MAX];
	char *p = digits + sizeof(digits);
	size_t len;

	do {
		*--p = (char)('0' + (value & 7));
		value >>= 3;
	} while (value);
	*--p = '0';
	while (digits + sizeof(digits) - p < 3)
		*--p = '0';
	len = (size_t)(digits + sizeof(digits) - p);
	memcpy(out, p, len);
	return out + len;
}

/* 0: as it is; 'o': octal; else the letter after the backslash. */
static const char escapes[256] = {
	[0 ... 8] = 'o', ['\t'] = 't',      ['\n'] = 'n',        ['\v'] = 'v', ['\f'] = 'f',
	['\r'] = 'r',    [14 ... 31] = 'o', [127 ... 255] = 'o', ['"'] = '"',  ['\\'] = '\\',
};

static _Thread_local enum rn_hex in_hex;

void rn_quote_in_hex(enum rn_hex how)
{
	in_hex = how;
}

bool rn_quotes_chars_in_hex(void)
{
	return in_hex == RN_HEX_NON_ASCII_CHARS;
}

static bool is_plain(uint8_t c)
{
	return (c >= ' ' && c <= '~') || (c >= '\t' && c <= '\r');
}

bool rn_is_in_hex(const uint8_t *data, size_t len)
{
	if (in_hex != RN_HEX_NON_ASCII)
		return in_hex == RN_HEX_ALL;
	for (size_t i = 0; i < len; i++)
		if (!is_plain(data[i]))
			return true;
	return false;
}

static char *write_hex_byte(char *out, uint8_t c)
{
	*out++ = '\\';
	*out++ = 'x';
	*out++ = hex_digits[c >> 4];
	*out++ = hex_digits[c & 15];
	return out;
}

char *rn_write_in_hex(char *out, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out = write_hex_byte(out, data[i]);
	return out;
}

char *rn_write_escaped(char *out, const uint8_t *data, size_t len, bool digit)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = data[i];
		char how = escapes[c];
		bool full;

		if (!how) {
			*out++ = (char)c;
			continue;
		}
		if (in_hex == RN_HEX_NON_ASCII_CHARS && !is_plain(c)) {
			out = write_hex_byte(out, c);
			continue;
		}
		*out++ = '\\';
		if (how != 'o') {
			*out++ = how;
			continue;
		}
		/* As few digits as will do, but all three where an octal digit follows. */
		full = i + 1 < len ? data[i + 1] >= '0' && data[i + 1] <= '7' : digit;
		if (full || c >= 0100)
			*out++ = (char)('0' + (c >> 6));
		if (full || c >= 010)
			*out++ = (char)('0' + ((c >> 3) & 7));
		*out++ = (char)('0' + (c & 7));
	}
	return out;
}

char *rn_write_quoted(char *out, const uint8_t *data, size_t len, bool cut)
{
	*out++ = '"';
	if (in_hex && rn_is_in_hex(data, len))
		out = rn_write_in_hex(out, data, len);
	else
		out = rn_write_escaped(out, data, len, false);
	*out++ = '"';
	if (cut)
		out = rn_write_text(out, "...");
	return out;
}
