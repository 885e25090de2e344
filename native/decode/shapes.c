/* SPDX-License-Identifier: MIT */
/*
 * Structures as text, as strace 6.1 writes them: abbreviated where it abbreviates. Layouts
 * are the kernel's for 64-bit programs; what is captured is hostile and read by memcpy()
 * within its length only.
 */
#include <stddef.h>
#include <time.h>

#include "decode.h"

enum how {
	SIGNED,
	UNSIGNED,
	NAMES,   /* by `set` */
	TEXT,    /* a C string in `size` bytes */
	NESTED,  /* the structure `set` */
	LIMIT    /* rlim_t */
};

struct field {
	const char *name;
	uint16_t offset;
	uint8_t size;
	uint8_t how;
	uint16_t set;
};

struct layout {
	const struct field *fields;
	uint8_t count;
	bool more; /* strace leaves out the rest: ", ..." */
};

static const uint32_t shape_sizes[RN_SHAPE_COUNT] = {RN_SHAPE_SIZES};

uint32_t rn_shape_size(uint32_t form)
{
	form &= RN_FORM_MASK;
	return form < RN_SHAPE_COUNT ? shape_sizes[form] : 0;
}

static const struct field timespec[] = {{"tv_sec", 0, 8, SIGNED, 0},
					{"tv_nsec", 8, 8, UNSIGNED, 0}};
static const struct field timeval[] = {{"tv_sec", 0, 8, SIGNED, 0}, {"tv_usec", 8, 8, UNSIGNED, 0}};
static const struct field itimerspec[] = {{"it_interval", 0, 16, NESTED, RN_SHAPE_TIMESPEC},
					  {"it_value", 16, 16, NESTED, RN_SHAPE_TIMESPEC}};
static const struct field itimerval[] = {{"it_interval", 0, 16, NESTED, RN_SHAPE_TIMEVAL},
					 {"it_value", 16, 16, NESTED, RN_SHAPE_TIMEVAL}};
static const struct field rlimit[] = {{"rlim_cur", 0, 8, LIMIT, 0}, {"rlim_max", 8, 8, LIMIT, 0}};
static const struct field rusage[] = {{"ru_utime", 0, 16, NESTED, RN_SHAPE_TIMEVAL},
				      {"ru_stime", 16, 16, NESTED, RN_SHAPE_TIMEVAL}};
static const struct field utsname[] = {{"sysname", 0, 65, TEXT, 0}, {"nodename", 65, 65, TEXT, 0}};
static const struct field times[] = {{"tms_utime", 0, 8, SIGNED, 0},
				     {"tms_stime", 8, 8, SIGNED, 0},
				     {"tms_cutime", 16, 8, SIGNED, 0},
				     {"tms_cstime", 24, 8, SIGNED, 0}};
static const struct field epoll_event_x86[] = {{"events", 0, 4, NAMES, RN_SET_EPOLL}};

static const struct layout layouts[RN_SHAPE_COUNT] = {
#define LAYOUT(name, more) {name, sizeof(name) / sizeof((name)[0]), more}
	[RN_SHAPE_TIMESPEC] = LAYOUT(timespec, false),
	[RN_SHAPE_TIMEVAL] = LAYOUT(timeval, false),
	[RN_SHAPE_ITIMERSPEC] = LAYOUT(itimerspec, false),
	[RN_SHAPE_ITIMERVAL] = LAYOUT(itimerval, false),
	[RN_SHAPE_RLIMIT] = LAYOUT(rlimit, false),
	[RN_SHAPE_RUSAGE] = LAYOUT(rusage, true),
	[RN_SHAPE_UTSNAME] = LAYOUT(utsname, true),
	[RN_SHAPE_TIMES] = LAYOUT(times, false),
};

static uint64_t get(const uint8_t *data, size_t offset, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, data + offset, size);
	return value;
}

static int64_t get_signed(const uint8_t *data, size_t offset, size_t size)
{
	uint64_t value = get(data, offset, size);

	return size == 4 ? (int32_t)value : size == 2 ? (int16_t)value : (int64_t)value;
}

static char *write_limit(char *out, uint64_t value)
{
	if (value == UINT64_MAX)
		return rn_write_text(out, "RLIM64_INFINITY");
	if (value > 1024 && value % 1024 == 0)
		return rn_write_text(rn_write_u64(out, value / 1024), "*1024");
	return rn_write_u64(out, value);
}

static char *write_pointer(char *out, uint64_t value)
{
	return value ? rn_write_hex(out, value) : rn_write_text(out, "NULL");
}

static char *write_fields(char *out, const struct layout *layout, unsigned abi, const uint8_t *data)
{
	*out++ = '{';
	for (unsigned i = 0; i < layout->count; i++) {
		const struct field *field = &layout->fields[i];
		const uint8_t *at = data + field->offset;

		if (i)
			out = rn_write_text(out, ", ");
		out = rn_write_text(out, field->name);
		*out++ = '=';
		switch (field->how) {
		case SIGNED:
			out = rn_write_i64(out, get_signed(at, 0, field->size));
			break;
		case NAMES:
			out = rn_write_names(out, field->set, abi, get(at, 0, field->size));
			break;
		case TEXT:
			out = rn_write_quoted(out, at, strnlen((const char *)at, field->size),
					      false);
			break;
		case NESTED:
			out = write_fields(out, &layouts[field->set], abi, at);
			break;
		case LIMIT:
			out = write_limit(out, get(at, 0, field->size));
			break;
		default:
			out = rn_write_u64(out, get(at, 0, field->size));
		}
	}
	out = rn_write_text(out, layout->more ? ", ...}" : "}");
	return out;
}

static char *write_mode(char *out, unsigned abi, uint32_t mode)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} bits[] = {{04000, "|S_ISUID"}, {02000, "|S_ISGID"}, {01000, "|S_ISVTX"}};
	const char *type = rn_name_of(RN_SET_FILETYPE, abi, mode & 0170000);

	out = type ? rn_write_text(out, type) : rn_write_octal(out, mode & 0170000);
	for (size_t i = 0; i < 3; i++)
		if (mode & bits[i].bit)
			out = rn_write_text(out, bits[i].name);
	*out++ = '|';
	return rn_write_octal(out, mode & 0777);
}

static char *write_device(char *out, uint64_t major, uint64_t minor)
{
	out = rn_write_hex(rn_write_text(out, "makedev("), major);
	return rn_write_text(rn_write_hex(rn_write_text(out, ", "), minor), ")");
}

static bool is_device(uint32_t mode)
{
	return (mode & 0170000) == 0020000 || (mode & 0170000) == 0060000;
}

static char *write_stat(char *out, unsigned abi, const uint8_t *data)
{
	/* struct stat of x86_64, and asm-generic's. */
	bool generic = abi == RN_ABI_AARCH64;
	uint32_t mode = (uint32_t)get(data, generic ? 16 : 24, 4);
	uint64_t device = get(data, generic ? 32 : 40, 8);

	out = write_mode(rn_write_text(out, "{st_mode="), abi, mode);
	if (is_device(mode)) {
		out = rn_write_text(out, ", st_rdev=");
		out = write_device(out, (device >> 8 & 0xfff) | (device >> 32 & ~0xfffull),
				   (device & 0xff) | (device >> 12 & 0xffffff00));
	} else {
		out = rn_write_text(out, ", st_size=");
		out = rn_write_i64(out, get_signed(data, 48, 8));
	}
	return rn_write_text(out, ", ...}");
}

static char *write_statx(char *out, unsigned abi, const uint8_t *data)
{
	uint32_t mode = (uint32_t)get(data, 28, 2);

	out = rn_write_names(rn_write_text(out, "{stx_mask="), RN_SET_STATX, abi, get(data, 0, 4));
	out = rn_write_names(rn_write_text(out, ", stx_attributes="), RN_SET_STATXATTR, abi,
			     get(data, 8, 8));
	out = write_mode(rn_write_text(out, ", stx_mode="), abi, mode);
	if (is_device(mode)) {
		out = rn_write_u64(rn_write_text(out, ", stx_rdev_major="), get(data, 128, 4));
		out = rn_write_u64(rn_write_text(out, ", stx_rdev_minor="), get(data, 132, 4));
	} else {
		out = rn_write_u64(rn_write_text(out, ", stx_size="), get(data, 40, 8));
	}
	return rn_write_text(out, ", ...}");
}

static char *write_sigset(char *out, uint64_t set)
{
	/* Where most are in it, those that are not. */
	bool inverse = __builtin_popcountll(set) >= 64 * 2 / 3;
	bool first = true;

	if (inverse) {
		set = ~set;
		*out++ = '~';
	}
	*out++ = '[';
	for (int sig = 1; sig <= 64; sig++) {
		char name[RN_NUMBER_MAX];
		size_t len;

		if (!(set >> (sig - 1) & 1))
			continue;
		if (!first)
			*out++ = ' ';
		first = false;
		len = (size_t)(rn_write_signal(name, sig) - name);
		memcpy(out, name + 3, len - 3);
		out += len - 3;
	}
	*out++ = ']';
	return out;
}

static char *write_sigaction(char *out, unsigned abi, const uint8_t *data)
{
	uint64_t handler = get(data, 0, 8), flags = get(data, 8, 8);

	out = rn_write_text(out, "{sa_handler=");
	if (handler <= 1)
		out = rn_write_text(out, handler ? "SIG_IGN" : "SIG_DFL");
	else
		out = rn_write_hex(out, handler);
	out = write_sigset(rn_write_text(out, ", sa_mask="), get(data, 24, 8));
	out = rn_write_names(rn_write_text(out, ", sa_flags="), RN_SET_SAFLAGS, abi, flags);
	if (flags & 0x04000000) { /* SA_RESTORER */
		out = rn_write_text(out, ", sa_restorer=");
		out = write_pointer(out, get(data, 16, 8));
	}
	*out++ = '}';
	return out;
}

static char *write_siginfo(char *out, const uint8_t *data)
{
	int signo = (int32_t)get(data, 0, 4), code = (int32_t)get(data, 8, 4);
	const char *name = rn_si_code_name(signo, code);

	if (signo == 0)
		return rn_write_text(out, "{}");
	out = rn_write_signal(rn_write_text(out, "{si_signo="), signo);
	out = rn_write_text(out, ", si_code=");
	out = name ? rn_write_text(out, name) : rn_write_i64(out, code);
	out = rn_write_i64(rn_write_text(out, ", si_pid="), get_signed(data, 16, 4));
	out = rn_write_u64(rn_write_text(out, ", si_uid="), get(data, 20, 4));
	if (signo == 17) { /* SIGCHLD */
		out = rn_write_text(out, ", si_status=");
		out = code == 1 ? rn_write_i64(out, get_signed(data, 24, 4))
				: rn_write_signal(out, (int32_t)get(data, 24, 4));
		out = rn_write_i64(rn_write_text(out, ", si_utime="), get_signed(data, 32, 8));
		out = rn_write_i64(rn_write_text(out, ", si_stime="), get_signed(data, 40, 8));
	}
	*out++ = '}';
	return out;
}

static char *write_sysinfo(char *out, const uint8_t *data)
{
	static const struct field fields[] = {
		{", totalram", 32, 8, UNSIGNED, 0},  {", freeram", 40, 8, UNSIGNED, 0},
		{", sharedram", 48, 8, UNSIGNED, 0}, {", bufferram", 56, 8, UNSIGNED, 0},
		{", totalswap", 64, 8, UNSIGNED, 0}, {", freeswap", 72, 8, UNSIGNED, 0},
		{", procs", 80, 2, UNSIGNED, 0},     {", totalhigh", 88, 8, UNSIGNED, 0},
		{", freehigh", 96, 8, UNSIGNED, 0},  {", mem_unit", 104, 4, UNSIGNED, 0},
	};

	out = rn_write_i64(rn_write_text(out, "{uptime="), get_signed(data, 0, 8));
	out = rn_write_u64(rn_write_text(out, ", loads=["), get(data, 8, 8));
	out = rn_write_u64(rn_write_text(out, ", "), get(data, 16, 8));
	out = rn_write_u64(rn_write_text(out, ", "), get(data, 24, 8));
	*out++ = ']';
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		out = rn_write_text(out, fields[i].name);
		*out++ = '=';
		out = rn_write_u64(out, get(data, fields[i].offset, fields[i].size));
	}
	*out++ = '}';
	return out;
}

static char *write_pollfd(char *out, unsigned abi, const uint8_t *data)
{
	int fd = (int32_t)get(data, 0, 4);

	out = rn_write_i64(rn_write_text(out, "{fd="), fd);
	if (fd >= 0)
		out = rn_write_names(rn_write_text(out, ", events="), RN_SET_POLL, abi,
				     get(data, 4, 2));
	*out++ = '}';
	return out;
}

static char *write_epoll_event(char *out, unsigned abi, const uint8_t *data)
{
	/* Packed on x86_64 alone. */
	uint64_t value = get(data, 4, 8);

	out = write_fields(out, &(const struct layout){epoll_event_x86, 1, false}, abi, data) - 1;
	out = rn_write_text(out, ", data={u32=");
	out = rn_write_u64(out, (uint32_t)value);
	out = rn_write_text(out, ", u64=");
	out = rn_write_u64(out, value);
	return rn_write_text(out, "}}");
}

static char *write_clone_args(char *out, unsigned abi, const uint8_t *data)
{
	uint64_t flags = get(data, 0, 8), signal = get(data, 32, 8);

	out = rn_write_names(rn_write_text(out, "{flags="), RN_SET_CLONE, abi, flags);
	if (flags & 0x1000) /* CLONE_PIDFD */
		out = write_pointer(rn_write_text(out, ", pidfd="), get(data, 8, 8));
	if (flags & 0x01200000) /* CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID */
		out = write_pointer(rn_write_text(out, ", child_tid="), get(data, 16, 8));
	if (flags & 0x00100000) /* CLONE_PARENT_SETTID */
		out = write_pointer(rn_write_text(out, ", parent_tid="), get(data, 24, 8));
	out = rn_write_text(out, ", exit_signal=");
	out = signal <= 64 ? rn_write_signal(out, (int)signal) : rn_write_u64(out, signal);
	out = write_pointer(rn_write_text(out, ", stack="), get(data, 40, 8));
	out = rn_write_hex(rn_write_text(out, ", stack_size="), get(data, 48, 8));
	if (flags & 0x00080000) /* CLONE_SETTLS */
		out = rn_write_hex(rn_write_text(out, ", tls="), get(data, 56, 8));
	*out++ = '}';
	return out;
}

/* What utimensat() is given for a time, with the date that it means. */
static char *write_file_time(char *out, const uint8_t *data)
{
	int64_t seconds = get_signed(data, 0, 8), ns = get_signed(data, 8, 8);
	time_t time = (time_t)seconds;
	struct tm tm;

	if (ns == 0x3fffffff)
		return rn_write_text(out, "UTIME_NOW");
	if (ns == 0x3ffffffe)
		return rn_write_text(out, "UTIME_OMIT");
	out = write_fields(out, &layouts[RN_SHAPE_TIMESPEC], RN_ABI_X86_64, data);
	/* Beyond these years a date needs more room than there is. */
	if (seconds < 0 || seconds > 253402300799 || ns < 0 || ns > 999999999 ||
	    !localtime_r(&time, &tm))
		return out;
	out = rn_write_text(out, " /* ");
	out += strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	if (ns) {
		char *digit = out + 9;

		*out = '.';
		for (int64_t rest = ns; digit > out; rest /= 10)
			*digit-- = (char)('0' + rest % 10);
		out += 10;
	}
	out += strftime(out, 32, "%z", &tm);
	return rn_write_text(out, " */");
}

char *rn_write_cpus(char *out, const uint8_t *data, size_t len)
{
	bool first = true;

	*out++ = '[';
	for (size_t cpu = 0; cpu < 8 * len; cpu++) {
		if (!(data[cpu / 8] >> cpu % 8 & 1))
			continue;
		if (!first)
			*out++ = ' ';
		first = false;
		out = rn_write_u64(out, cpu);
	}
	*out++ = ']';
	return out;
}

static char *write_sigstack(char *out, unsigned abi, const uint8_t *data)
{
	out = write_pointer(rn_write_text(out, "{ss_sp="), get(data, 0, 8));
	out = rn_write_names(rn_write_text(out, ", ss_flags="), RN_SET_SSFLAGS, abi,
			     get(data, 8, 4));
	out = rn_write_u64(rn_write_text(out, ", ss_size="), get(data, 16, 8));
	*out++ = '}';
	return out;
}

char *rn_write_shape(char *out, unsigned shape, unsigned abi, const uint8_t *data, size_t len)
{
	if (shape >= RN_SHAPE_COUNT || len < shape_sizes[shape] ||
	    (abi != RN_ABI_X86_64 && abi != RN_ABI_AARCH64))
		return NULL;
	if (layouts[shape].count)
		return write_fields(out, &layouts[shape], abi, data);
	switch (shape) {
	case RN_SHAPE_STAT:
		return write_stat(out, abi, data);
	case RN_SHAPE_STATX:
		return write_statx(out, abi, data);
	case RN_SHAPE_TIMESPECS:
		*out++ = '[';
		out = rn_write_text(write_file_time(out, data), ", ");
		out = write_file_time(out, data + 16);
		*out++ = ']';
		return out;
	case RN_SHAPE_SIGSET:
		return write_sigset(out, get(data, 0, 8));
	case RN_SHAPE_SIGACTION:
		return write_sigaction(out, abi, data);
	case RN_SHAPE_SIGINFO:
		return write_siginfo(out, data);
	case RN_SHAPE_SIGSTACK:
		return write_sigstack(out, abi, data);
	case RN_SHAPE_SYSINFO:
		return write_sysinfo(out, data);
	case RN_SHAPE_POLLFD:
		return write_pollfd(out, abi, data);
	case RN_SHAPE_EPOLL_EVENT:
		return abi == RN_ABI_X86_64 ? write_epoll_event(out, abi, data) : NULL;
	case RN_SHAPE_CLONE_ARGS:
		return write_clone_args(out, abi, data);
	case RN_SHAPE_SCHED_PARAM:
		*out++ = '[';
		out = rn_write_i64(out, get_signed(data, 0, 4));
		*out++ = ']';
		return out;
	default:
		return NULL;
	}
}
