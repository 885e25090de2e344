/* SPDX-License-Identifier: MIT */
/*
 * Structures as data: native/tables/structs.tsv tells their members, this writes them as
 * strace 6.1 does, for 64-bit and 32-bit programs alike.
 */
#include <arpa/inet.h>
#include <time.h>

#include "decode.h"

enum how {
	HOW_DEC,
	HOW_HEX,
	HOW_OCT,
	HOW_PTR,
	HOW_NAMES,  /* by `of`, enum rn_set */
	HOW_NESTED, /* the structure `of`, enum rn_shape */
	HOW_TEXT,   /* a C string, all of `count` */
	HOW_LIMIT,  /* rlim_t */
	HOW_SIGNAL,
	HOW_CAPS,
	HOW_DATE,
	HOW_INET,
	HOW_ERRNO,  /* -ENOENT; what is not below 0 is a number */
	HOW_CUT,    /* a C string, with "..." where nothing ends it */
	HOW_KERNVER,
	HOW_HTONS,
	HOW_HTONL,
	HOW_HEX02 /* printf's %#02x */
};

enum {
	FIELD_SIGNED = 1u << 0,
	FIELD_VERBOSE = 1u << 1, /* only with -v */
	FIELD_NONZERO = 1u << 2, /* only if it is not 0 */
	FIELD_SIZED = 1u << 3    /* only if the structure is so long */
};

enum style { STYLE_BRACES, STYLE_BOX, STYLE_BARE, STYLE_MEMBERS };

struct field {
	const char *name;
	uint16_t offset[3]; /* 64-bit, i386, ARM */
	uint16_t size[3];   /* of one */
	uint8_t count;      /* an array of so many; 0: none */
	uint8_t how;
	uint8_t flags;
	uint16_t of;
};

struct layout {
	const struct field *fields;
	uint8_t count;
	uint8_t style;
};

#include "../tables/structs.inc"

static char *write_limit(char *out, uint64_t value, size_t size)
{
	if (value == (size == 4 ? UINT32_MAX : UINT64_MAX))
		return rn_write_text(out, size == 4 ? "RLIM_INFINITY" : "RLIM64_INFINITY");
	if (value > 1024 && value % 1024 == 0)
		return rn_write_text(rn_write_u64(out, value / 1024), "*1024");
	return rn_write_u64(out, value);
}

char *rn_write_date(char *out, int64_t seconds, int64_t fraction, unsigned digits)
{
	time_t time = (time_t)seconds;
	int64_t most = 1;
	struct tm tm;

	for (unsigned i = 0; i < digits; i++)
		most *= 10;
	/* Beyond these years a date needs more room than there is. */
	if ((!seconds && !fraction) || seconds < 0 || seconds > 253402300799 || fraction < 0 ||
	    fraction >= most || !localtime_r(&time, &tm))
		return out;
	out += strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	if (fraction) {
		char *digit = out + digits;

		*out = '.';
		for (int64_t rest = fraction; digit > out; rest /= 10)
			*digit-- = (char)('0' + rest % 10);
		out += digits + 1;
	}
	return out + strftime(out, 32, "%z", &tm);
}

static char *write_caps(char *out, uint64_t caps)
{
	bool first = true;

	if (!caps)
		return rn_write_text(out, "0");
	for (unsigned cap = 0; cap < 64; cap++) {
		const char *name = rn_name_of(RN_SET_CAP, RN_ABI_X86_64, cap);

		if (!(caps >> cap & 1))
			continue;
		if (!first)
			*out++ = '|';
		first = false;
		if (name)
			out = rn_write_text(rn_write_text(out, "1<<"), name);
		else
			out = rn_write_hex(out, 1ull << cap);
	}
	return out;
}

static char *write_inet(char *out, const uint8_t *data)
{
	char text[INET_ADDRSTRLEN];

	out = rn_write_text(out, "inet_addr(\"");
	out = rn_write_text(out, inet_ntop(AF_INET, data, text, sizeof(text)) ? text : "");
	return rn_write_text(out, "\")");
}

static char *write_one(char *out, const struct field *field, const struct rn_value *value,
		       const uint8_t *at, size_t size)
{
	uint64_t number = 0;

	if (field->how != HOW_NESTED && field->how != HOW_TEXT && field->how != HOW_CUT)
		number = field->flags & FIELD_SIGNED ? (uint64_t)rn_get_signed(at, 0, size)
						     : rn_get(at, 0, size);
	switch (field->how) {
	case HOW_HEX:
		return rn_write_hex(out, size == 4 ? (uint32_t)number : number);
	case HOW_OCT:
		return rn_write_octal(out, number);
	case HOW_PTR:
		return rn_write_pointer(out, number);
	case HOW_NAMES:
		return rn_write_names(out, field->of, value->abi,
				      size == 2   ? (uint16_t)number
				      : size == 4 ? (uint32_t)number
						  : number);
	case HOW_NESTED: {
		/* What is not there at all was made up of zeros. */
		size_t before = (size_t)(at - value->data);
		struct rn_value inner = {at, size, value->abi, value->style, NULL, 0};

		if (value->given)
			inner.given = value->given > before ? value->given - before : 1;

		return rn_write_struct(out, field->of, &inner);
	}
	case HOW_LIMIT:
		return write_limit(out, number, size);
	case HOW_SIGNAL:
		return rn_write_signal(out, (int32_t)number);
	case HOW_CAPS:
		return write_caps(out, number);
	case HOW_INET:
		return write_inet(out, at);
	case HOW_HTONS:
		out = rn_write_u64(rn_write_text(out, "htons("), ntohs((uint16_t)number));
		return rn_write_text(out, ")");
	case HOW_HTONL:
		out = rn_write_hex(rn_write_text(out, "htonl("), ntohl((uint32_t)number));
		return rn_write_text(out, ")");
	case HOW_HEX02:
		return number ? rn_write_hex(out, number) : rn_write_text(out, "00");
	case HOW_KERNVER:
		out = rn_write_u64(rn_write_text(out, "KERNEL_VERSION("), number >> 16);
		out = rn_write_u64(rn_write_text(out, ", "), number >> 8 & 0xff);
		out = rn_write_u64(rn_write_text(out, ", "), number & 0xff);
		return rn_write_text(out, ")");
	case HOW_ERRNO: {
		int64_t err = -(int64_t)number;
		const char *name = err > 0 && err < 4096 ? rn_errno_name((int)err) : NULL;

		return name ? rn_write_text(rn_write_text(out, "-"), name)
			    : rn_write_i64(out, (int64_t)number);
	}
	case HOW_DATE: {
		char *start = rn_write_text(rn_write_i64(out, (int64_t)number), " /* ");
		char *end = rn_write_date(start, (int64_t)number, 0, 0);

		return end == start ? start - 4 : rn_write_text(end, " */");
	}
	default:
		return field->flags & FIELD_SIGNED ? rn_write_i64(out, (int64_t)number)
						   : rn_write_u64(out, number);
	}
}

static char *write_field(char *out, const struct field *field, const struct rn_value *value,
			 int machine)
{
	const uint8_t *at = value->data + field->offset[machine];
	size_t size = field->size[machine];

	if (field->how == HOW_TEXT)
		return rn_write_quoted(out, at, strnlen((const char *)at, field->count), false);
	if (field->how == HOW_CUT) {
		size_t len = strnlen((const char *)at, field->count);
		bool cut = len == field->count;

		return rn_write_quoted(out, at, cut ? len - 1 : len, cut);
	}
	if (!field->count)
		return write_one(out, field, value, at, size);
	*out++ = '[';
	for (unsigned i = 0; i < field->count; i++) {
		if (i)
			out = rn_write_text(out, ", ");
		out = write_one(out, field, value, at + i * size, size);
	}
	*out++ = ']';
	return out;
}

static bool is_zero(const uint8_t *at, size_t size)
{
	while (size)
		if (at[--size])
			return false;
	return true;
}

char *rn_write_struct(char *out, unsigned shape, const struct rn_value *value)
{
	int machine = rn_machine(value->abi);
	const struct layout *layout;
	bool left_out = false, first = true;

	if (shape >= RN_SHAPE_COUNT || machine < 0)
		return NULL;
	layout = &layouts[shape];
	if (!layout->count)
		return NULL;
	if (layout->style < STYLE_BARE)
		*out++ = layout->style == STYLE_BOX ? '[' : '{';
	for (unsigned i = 0; i < layout->count; i++) {
		const struct field *field = &layout->fields[i];

		if (field->flags & FIELD_VERBOSE && !value->style->verbose) {
			left_out = true;
			continue;
		}
		if (field->flags & FIELD_SIZED && value->given &&
		    field->offset[machine] >= value->given)
			continue;
		if (field->flags & FIELD_NONZERO &&
		    is_zero(value->data + field->offset[machine], field->size[machine]))
			continue;
		if (!first)
			out = rn_write_text(out, ", ");
		first = false;
		if (layout->style == STYLE_BRACES || layout->style == STYLE_MEMBERS) {
			out = rn_write_text(out, field->name);
			*out++ = '=';
		}
		out = write_field(out, field, value, machine);
	}
	if (left_out)
		out = rn_write_text(out, ", ...");
	if (layout->style < STYLE_BARE)
		*out++ = layout->style == STYLE_BOX ? ']' : '}';
	return out;
}
