/* SPDX-License-Identifier: MIT */
/* What is told of files: stat, statx, times, entries of a directory. */
#include "decode.h"

char *rn_write_file_mode(char *out, unsigned abi, uint32_t mode)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} bits[] = {{04000, "|S_ISUID"}, {02000, "|S_ISGID"}, {01000, "|S_ISVTX"}};
	const char *type = rn_name_of(RN_SET_FILETYPE, abi, mode & 0170000);
	char *start = out;

	if (type)
		out = rn_write_text(out, type);
	for (size_t i = 0; i < 3; i++)
		if (mode & bits[i].bit)
			out = rn_write_text(out, bits[i].name + (out == start));
	if (out != start)
		*out++ = '|';
	return rn_write_octal(out, type ? mode & 0777 : mode & ~07000u);
}

char *rn_write_device(char *out, uint64_t major, uint64_t minor)
{
	out = rn_write_hex(rn_write_text(out, "makedev("), major);
	return rn_write_text(rn_write_hex(rn_write_text(out, ", "), minor), ")");
}

/* dev_t as user space has it. */
static char *write_dev(char *out, uint64_t device)
{
	return rn_write_device(out, (device >> 8 & 0xfff) | (device >> 32 & ~0xfffull),
			       (device & 0xff) | (device >> 12 & 0xffffff00));
}

static bool is_device(uint32_t mode)
{
	return (mode & 0170000) == 0020000 || (mode & 0170000) == 0060000;
}

/* Where the members are, and their bytes; 0 bytes: none. */
struct stat_layout {
	struct {
		uint8_t at, bytes;
	} dev, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, atime, atime_ns, mtime,
		mtime_ns, ctime, ctime_ns;
};

static const struct stat_layout stat_layouts[] = {
	/* struct stat: x86_64, asm-generic's of 64-bit machines, i386 and ARM */
	{{0, 8},
	 {8, 8},
	 {24, 4},
	 {16, 8},
	 {28, 4},
	 {32, 4},
	 {40, 8},
	 {48, 8},
	 {56, 8},
	 {64, 8},
	 {72, 8},
	 {80, 8},
	 {88, 8},
	 {96, 8},
	 {104, 8},
	 {112, 8}},
	{{0, 8},
	 {8, 8},
	 {16, 4},
	 {20, 4},
	 {24, 4},
	 {28, 4},
	 {32, 8},
	 {48, 8},
	 {56, 4},
	 {64, 8},
	 {72, 8},
	 {80, 8},
	 {88, 8},
	 {96, 8},
	 {104, 8},
	 {112, 8}},
	{{0, 4},
	 {4, 4},
	 {8, 2},
	 {10, 2},
	 {12, 2},
	 {14, 2},
	 {16, 4},
	 {20, 4},
	 {24, 4},
	 {28, 4},
	 {32, 4},
	 {36, 4},
	 {40, 4},
	 {44, 4},
	 {48, 4},
	 {52, 4}},
	/* struct stat64: i386, ARM */
	{{0, 8},
	 {88, 8},
	 {16, 4},
	 {20, 4},
	 {24, 4},
	 {28, 4},
	 {32, 8},
	 {44, 8},
	 {52, 4},
	 {56, 8},
	 {64, 4},
	 {68, 4},
	 {72, 4},
	 {76, 4},
	 {80, 4},
	 {84, 4}},
	{{0, 8},
	 {96, 8},
	 {16, 4},
	 {20, 4},
	 {24, 4},
	 {28, 4},
	 {32, 8},
	 {48, 8},
	 {56, 4},
	 {64, 8},
	 {72, 4},
	 {76, 4},
	 {80, 4},
	 {84, 4},
	 {88, 4},
	 {92, 4}},
};

#define MEMBER(value, member) rn_get((value)->data, (member).at, (member).bytes)

static char *write_time(char *out, const char *name, uint64_t seconds, uint64_t ns)
{
	char *start, *end;

	out = rn_write_i64(rn_write_text(rn_write_text(out, name), "="), (int64_t)seconds);
	start = rn_write_text(out, " /* ");
	end = rn_write_date(start, (int64_t)seconds, (int64_t)ns, 9);
	if (end != start)
		out = rn_write_text(end, " */");
	out = rn_write_text(rn_write_text(out, name), "_nsec=");
	return rn_write_u64(out, ns);
}

static char *write_stat(char *out, const struct rn_value *value, const struct stat_layout *of)
{
	uint32_t mode = (uint32_t)MEMBER(value, of->mode);
	bool verbose = value->style->verbose;

	*out++ = '{';
	if (verbose) {
		out = write_dev(rn_write_text(out, "st_dev="), MEMBER(value, of->dev));
		out = rn_write_u64(rn_write_text(out, ", st_ino="), MEMBER(value, of->ino));
		out = rn_write_text(out, ", ");
	}
	out = rn_write_file_mode(rn_write_text(out, "st_mode="), value->abi, mode);
	if (verbose) {
		out = rn_write_u64(rn_write_text(out, ", st_nlink="), MEMBER(value, of->nlink));
		out = rn_write_u64(rn_write_text(out, ", st_uid="), MEMBER(value, of->uid));
		out = rn_write_u64(rn_write_text(out, ", st_gid="), MEMBER(value, of->gid));
		out = rn_write_u64(rn_write_text(out, ", st_blksize="), MEMBER(value, of->blksize));
		out = rn_write_u64(rn_write_text(out, ", st_blocks="), MEMBER(value, of->blocks));
	}
	if (is_device(mode))
		out = write_dev(rn_write_text(out, ", st_rdev="), MEMBER(value, of->rdev));
	else
		out = rn_write_i64(rn_write_text(out, ", st_size="),
				   rn_get_signed(value->data, of->size.at, of->size.bytes));
	if (!verbose)
		return rn_write_text(out, ", ...}");
	out = write_time(out, ", st_atime", MEMBER(value, of->atime), MEMBER(value, of->atime_ns));
	out = write_time(out, ", st_mtime", MEMBER(value, of->mtime), MEMBER(value, of->mtime_ns));
	out = write_time(out, ", st_ctime", MEMBER(value, of->ctime), MEMBER(value, of->ctime_ns));
	*out++ = '}';
	return out;
}

static char *write_statx_time(char *out, const char *name, const uint8_t *at)
{
	int64_t seconds = rn_get_signed(at, 0, 8);
	uint32_t ns = (uint32_t)rn_get(at, 8, 4);
	char *start, *end;

	out = rn_write_i64(rn_write_text(rn_write_text(out, name), "={tv_sec="), seconds);
	out = rn_write_u64(rn_write_text(out, ", tv_nsec="), ns);
	*out++ = '}';
	start = rn_write_text(out, " /* ");
	end = rn_write_date(start, seconds, ns, 9);
	return end == start ? out : rn_write_text(end, " */");
}

static char *write_statx(char *out, const struct rn_value *value)
{
	const uint8_t *data = value->data;
	uint32_t mode = (uint32_t)rn_get(data, 28, 2);
	bool verbose = value->style->verbose;

	out = rn_write_names(rn_write_text(out, "{stx_mask="), RN_SET_STATX, value->abi,
			     rn_get(data, 0, 4));
	if (verbose)
		out = rn_write_u64(rn_write_text(out, ", stx_blksize="), rn_get(data, 4, 4));
	out = rn_write_names(rn_write_text(out, ", stx_attributes="), RN_SET_STATXATTR, value->abi,
			     rn_get(data, 8, 8));
	if (verbose) {
		out = rn_write_u64(rn_write_text(out, ", stx_nlink="), rn_get(data, 16, 4));
		out = rn_write_u64(rn_write_text(out, ", stx_uid="), rn_get(data, 20, 4));
		out = rn_write_u64(rn_write_text(out, ", stx_gid="), rn_get(data, 24, 4));
	}
	out = rn_write_file_mode(rn_write_text(out, ", stx_mode="), value->abi, mode);
	if (verbose)
		out = rn_write_u64(rn_write_text(out, ", stx_ino="), rn_get(data, 32, 8));
	out = rn_write_u64(rn_write_text(out, ", stx_size="), rn_get(data, 40, 8));
	if (!verbose)
		return rn_write_text(out, ", ...}");
	out = rn_write_u64(rn_write_text(out, ", stx_blocks="), rn_get(data, 48, 8));
	out = rn_write_names(rn_write_text(out, ", stx_attributes_mask="), RN_SET_STATXATTR,
			     value->abi, rn_get(data, 56, 8));
	out = write_statx_time(out, ", stx_atime", data + 64);
	out = write_statx_time(out, ", stx_btime", data + 80);
	out = write_statx_time(out, ", stx_ctime", data + 96);
	out = write_statx_time(out, ", stx_mtime", data + 112);
	out = rn_write_u64(rn_write_text(out, ", stx_rdev_major="), rn_get(data, 128, 4));
	out = rn_write_u64(rn_write_text(out, ", stx_rdev_minor="), rn_get(data, 132, 4));
	out = rn_write_u64(rn_write_text(out, ", stx_dev_major="), rn_get(data, 136, 4));
	out = rn_write_u64(rn_write_text(out, ", stx_dev_minor="), rn_get(data, 140, 4));
	out = rn_write_hex(rn_write_text(out, ", stx_mnt_id="), rn_get(data, 144, 8));
	*out++ = '}';
	return out;
}

/* What utimensat() is given for a time, with the date that it means. */
static char *write_file_time(char *out, const struct rn_value *value, size_t at, unsigned shape)
{
	bool exact = shape != RN_SHAPE_TIMEVAL;
	size_t half = rn_shape_size(shape, value->abi) / 2;
	int64_t seconds = rn_get_signed(value->data, at, half);
	int64_t part = rn_get_signed(value->data, at + half, half);
	const struct rn_value one = {value->data + at, 2 * half, value->abi, value->style, NULL, 0};
	char *start, *end;

	if (exact && part == 0x3fffffff)
		return rn_write_text(out, "UTIME_NOW");
	if (exact && part == 0x3ffffffe)
		return rn_write_text(out, "UTIME_OMIT");
	out = rn_write_struct(out, shape, &one);
	start = rn_write_text(out, " /* ");
	end = rn_write_date(start, seconds, part, exact ? 9 : 6);
	return end == start ? out : rn_write_text(end, " */");
}

#define HANDLE_MAX 128u /* MAX_HANDLE_SZ */

char *rn_write_handle(char *out, const struct rn_piece *before, const struct rn_piece *after,
		      bool filled)
{
	const struct rn_piece *shown = filled && after ? after : before;
	const uint8_t *data = rn_piece_data(shown);
	uint64_t room, bytes, len;

	if (before->len < 4 || shown->len < 4 || (after && after->len < 4))
		return NULL;
	room = rn_get(rn_piece_data(before), 0, 4);
	bytes = rn_get(rn_piece_data(after ? after : before), 0, 4);
	out = rn_write_u64(rn_write_text(out, "{handle_bytes="), room);
	if (bytes != room)
		out = rn_write_u64(rn_write_text(out, " => "), bytes);
	if (filled && shown->len >= 8) {
		len = bytes < HANDLE_MAX ? bytes : HANDLE_MAX;
		if (len > shown->len - 8)
			len = shown->len - 8;
		out = rn_write_i64(rn_write_text(out, ", handle_type="), rn_get_signed(data, 4, 4));
		out = rn_write_in_hex(rn_write_text(out, ", f_handle=\""), data + 8, len);
		out = rn_write_text(out, len < bytes ? "\"..." : "\"");
	}
	*out++ = '}';
	return out;
}

char *rn_write_file_shape(char *out, unsigned shape, const struct rn_value *value)
{
	unsigned inner = shape == RN_SHAPE_TIMESPECS     ? RN_SHAPE_TIMESPEC
			 : shape == RN_SHAPE_TIMESPECS64 ? RN_SHAPE_TIMESPEC64
							 : RN_SHAPE_TIMEVAL;

	switch (shape) {
	case RN_SHAPE_STAT:
		return write_stat(out, value,
				  &stat_layouts[value->abi == RN_ABI_X86_64    ? 0
						: value->abi == RN_ABI_AARCH64 ? 1
									       : 2]);
	case RN_SHAPE_STAT64:
		if (rn_machine(value->abi) < 1)
			return NULL;
		return write_stat(out, value, &stat_layouts[2 + rn_machine(value->abi)]);
	case RN_SHAPE_STATX:
		return write_statx(out, value);
	case RN_SHAPE_TIMESPECS:
	case RN_SHAPE_TIMESPECS64:
	case RN_SHAPE_TIMEVALS:
		*out++ = '[';
		out = rn_write_text(write_file_time(out, value, 0, inner), ", ");
		out = write_file_time(out, value, rn_shape_size(inner, value->abi), inner);
		*out++ = ']';
		return out;
	default:
		return NULL;
	}
}
