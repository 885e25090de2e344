/* SPDX-License-Identifier: MIT */
/*
 * Structures as text, as strace 6.1 writes them: abbreviated where it abbreviates. Most are
 * data (structs.c); here are those that are not, and which file knows which. What is captured
 * is hostile and read by memcpy() within its length only.
 */
#include <errno.h>
#include <linux/limits.h>

#include "decode.h"

static const uint16_t shape_sizes[RN_SHAPE_COUNT][3] = {RN_SHAPE_SIZES};

uint32_t rn_shape_size(uint32_t form, unsigned abi)
{
	int machine = rn_machine(abi);

	form &= RN_FORM_MASK;
	if (machine < 0 || form >= RN_SHAPE_COUNT)
		return 0;
	/* Packed on x86_64 alone, and on i386 by nature. */
	if (form == RN_SHAPE_EPOLL_EVENT && abi == RN_ABI_AARCH64)
		return 16;
	return shape_sizes[form][machine];
}

uint32_t rn_value_reach(uint32_t form)
{
	switch (form) {
	case RN_SHAPE_CPUS:
		return RN_CPUS_MAX;
	case RN_SHAPE_VALUE:
		return XATTR_SIZE_MAX;
	default:
		return 0;
	}
}

uint32_t rn_shape_reach(uint32_t form, unsigned abi)
{
	uint32_t size = rn_shape_size(form, abi);

	if (!size)
		return 0;
	switch (form & RN_FORM_MASK) {
	case RN_SHAPE_FILEHANDLE:
		return size + 128; /* MAX_HANDLE_SZ */
	case RN_SHAPE_PERFATTR:
		return 136;
	default:
		return size;
	}
}

uint64_t rn_array_count(const struct rn_meaning *meaning, const uint64_t args[6], unsigned abi)
{
	uint64_t count = args[meaning->aux < 6 ? meaning->aux : 0];

	switch (meaning->form & RN_FORM_MASK) {
	case RN_SHAPE_NODES: { /* maxnode is one more than the bits of the mask */
		uint64_t bits = 8 * rn_shape_size(RN_SHAPE_NODES, abi);

		return bits && count > 1 ? (count - 2) / bits + 1 : 0;
	}
	case RN_SHAPE_PAGEADDR:
	case RN_SHAPE_NODEITEM:
	case RN_SHAPE_PAGESTATUS:
		return count;
	default:
		return (uint32_t)count;
	}
}

#define RESTART_FIRST 512 /* ERESTARTSYS … */
#define RESTART_LAST 516  /* … ERESTART_RESTARTBLOCK */

bool rn_failure_fills(const struct rn_meaning *meaning, int64_t result)
{
	/* What is left of a sleep, if a signal cut it short. */
	if (meaning->kind == RN_ARG_REMAINDER)
		return result == -EINTR || (-result >= RESTART_FIRST && -result <= RESTART_LAST);
	/* How long it should have been. */
	return meaning->kind == RN_ARG_STRUCT_INOUT &&
	       ((meaning->form == RN_SHAPE_FILEHANDLE && result == -EOVERFLOW) ||
		(meaning->form == RN_SHAPE_PERFATTR && result == -E2BIG));
}

char *rn_write_pointer(char *out, uint64_t value)
{
	return value ? rn_write_hex(out, value) : rn_write_text(out, "NULL");
}

static char *write_pollfd(char *out, const struct rn_value *value)
{
	int fd = (int32_t)rn_get(value->data, 0, 4);

	out = rn_write_text(out, "{fd=");
	out = value->fds ? rn_write_fd(out, value->fds, fd, false) : rn_write_i64(out, fd);
	if (fd >= 0)
		out = rn_write_names(rn_write_text(out, ", events="), RN_SET_POLL, value->abi,
				     rn_get(value->data, 4, 2));
	*out++ = '}';
	return out;
}

static char *write_epoll_event(char *out, const struct rn_value *value)
{
	size_t at = rn_shape_size(RN_SHAPE_EPOLL_EVENT, value->abi) - 8;
	uint64_t data = rn_get(value->data, at, 8);

	out = rn_write_names(rn_write_text(out, "{events="), RN_SET_EPOLL, value->abi,
			     rn_get(value->data, 0, 4));
	out = rn_write_u64(rn_write_text(out, ", data={u32="), (uint32_t)data);
	out = rn_write_u64(rn_write_text(out, ", u64="), data);
	return rn_write_text(out, "}}");
}

static char *write_clone_args(char *out, const struct rn_value *value)
{
	const uint8_t *data = value->data;
	uint64_t flags = rn_get(data, 0, 8), signal = rn_get(data, 32, 8);

	out = rn_write_names(rn_write_text(out, "{flags="), RN_SET_CLONE, value->abi, flags);
	if (flags & 0x1000) /* CLONE_PIDFD */
		out = rn_write_pointer(rn_write_text(out, ", pidfd="), rn_get(data, 8, 8));
	if (flags & 0x01200000) /* CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID */
		out = rn_write_pointer(rn_write_text(out, ", child_tid="), rn_get(data, 16, 8));
	if (flags & 0x00100000) /* CLONE_PARENT_SETTID */
		out = rn_write_pointer(rn_write_text(out, ", parent_tid="), rn_get(data, 24, 8));
	out = rn_write_text(out, ", exit_signal=");
	out = signal <= 64 ? rn_write_signal(out, (int)signal) : rn_write_u64(out, signal);
	out = rn_write_pointer(rn_write_text(out, ", stack="), rn_get(data, 40, 8));
	out = rn_write_hex(rn_write_text(out, ", stack_size="), rn_get(data, 48, 8));
	if (flags & 0x00080000) /* CLONE_SETTLS */
		out = rn_write_hex(rn_write_text(out, ", tls="), rn_get(data, 56, 8));
	*out++ = '}';
	return out;
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

/* Of the second version on, each set is in two halves, which lie apart. */
static char *write_capabilities(char *out, const struct rn_value *value)
{
	uint8_t whole[24];

	for (unsigned i = 0; i < 3; i++) {
		memcpy(whole + 8 * i, value->data + 4 * i, 4);
		memcpy(whole + 8 * i + 4, value->data + 12 + 4 * i, 4);
	}
	return rn_write_struct(
		out, RN_SHAPE_CAPSETS,
		&(const struct rn_value){whole, 24, value->abi, value->style, NULL, 0});
}

/* IPC_STAT's answers: the permissions come first in all three. */
static char *write_ipc(char *out, unsigned shape, const struct rn_value *value)
{
	static const char *const prefixes[] = {"shm", "msg", "sem"};
	const char *prefix = prefixes[shape - RN_SHAPE_SHMID];
	const uint8_t *data = value->data;

	/* Of x86_64; others order their members otherwise. */
	if (value->abi != RN_ABI_X86_64)
		return NULL;
	*out++ = '{';
	out = rn_write_u64(rn_write_text(rn_write_text(out, prefix), "_perm={uid="),
			   rn_get(data, 4, 4));
	out = rn_write_u64(rn_write_text(out, ", gid="), rn_get(data, 8, 4));
	out = rn_write_octal(rn_write_text(out, ", mode="), rn_get(data, 20, 4));
	out = rn_write_i64(rn_write_text(out, ", key="), rn_get_signed(data, 0, 4));
	out = rn_write_u64(rn_write_text(out, ", cuid="), rn_get(data, 12, 4));
	out = rn_write_u64(rn_write_text(out, ", cgid="), rn_get(data, 16, 4));
	*out++ = '}';
	for (unsigned i = 0; i < 9; i++) {
		static const struct {
			uint8_t shape, at, size;
			const char *name;
		} rest[] = {
			{0, 48, 8, ", shm_segsz="}, {0, 80, 4, ", shm_cpid="},
			{0, 84, 4, ", shm_lpid="},  {0, 88, 8, ", shm_nattch="},
			{0, 56, 8, ", shm_atime="}, {0, 64, 8, ", shm_dtime="},
			{0, 72, 8, ", shm_ctime="}, {1, 48, 8, ", msg_stime="},
			{1, 56, 8, ", msg_rtime="}, {1, 64, 8, ", msg_ctime="},
			{1, 80, 8, ", msg_qnum="},  {1, 88, 8, ", msg_qbytes="},
			{1, 96, 4, ", msg_lspid="}, {1, 100, 4, ", msg_lrpid="},
			{2, 48, 8, ", sem_otime="}, {2, 64, 8, ", sem_ctime="},
			{2, 80, 8, ", sem_nsems="},
		};
		static const uint8_t starts[] = {0, 7, 14, 17};
		unsigned which = starts[shape - RN_SHAPE_SHMID] + i;

		if (which >= starts[shape - RN_SHAPE_SHMID + 1])
			break;
		out = rn_write_u64(rn_write_text(out, rest[which].name),
				   rn_get(data, rest[which].at, rest[which].size));
	}
	*out++ = '}';
	return out;
}

static char *write_uring_params(char *out, const struct rn_value *value)
{
	const uint8_t *data = value->data;
	struct rn_value offsets = *value;
	uint64_t flags = rn_get(data, 8, 4);

	out = rn_write_names(rn_write_text(out, "{flags="), RN_SET_URINGSETUP, value->abi, flags);
	out = rn_write_u64(rn_write_text(out, ", sq_thread_cpu="), rn_get(data, 12, 4));
	out = rn_write_u64(rn_write_text(out, ", sq_thread_idle="), rn_get(data, 16, 4));
	if (flags & 0x20) /* IORING_SETUP_ATTACH_WQ */
		out = rn_write_i64(rn_write_text(out, ", wq_fd="), rn_get_signed(data, 24, 4));
	out = rn_write_u64(rn_write_text(out, ", sq_entries="), rn_get(data, 0, 4));
	out = rn_write_u64(rn_write_text(out, ", cq_entries="), rn_get(data, 4, 4));
	out = rn_write_names(rn_write_text(out, ", features="), RN_SET_URINGFEAT, value->abi,
			     rn_get(data, 20, 4));
	offsets.data = data + 40;
	offsets.len = 40;
	out = rn_write_struct(rn_write_text(out, ", sq_off="), RN_SHAPE_SQOFFSETS, &offsets);
	offsets.data = data + 80;
	out = rn_write_struct(rn_write_text(out, ", cq_off="), RN_SHAPE_CQOFFSETS, &offsets);
	*out++ = '}';
	return out;
}

/* A word of a node mask: printf's %#0*lx, as many digits as it has, the prefix among them. */
static char *write_nodes(char *out, uint64_t word, size_t size)
{
	int shift = (int)size * 8 - 4;

	if (word)
		out = rn_write_text(out, "0x");
	/* The prefix takes the place of two zeros, where there are two. */
	if (word && !(word >> (shift - 4)))
		shift -= 8;
	else if (word && !(word >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*out++ = "0123456789abcdef"[word >> shift & 15];
	return out;
}

/* struct ifreq: a name, and an address of what `shape` says. */
static char *write_interface(char *out, unsigned shape, const struct rn_value *value)
{
	const char *what = shape == RN_SHAPE_IFADDR        ? "addr"
			   : shape == RN_SHAPE_IFNETMASK   ? "netmask"
			   : shape == RN_SHAPE_IFBROADADDR ? "broadaddr"
							   : "dstaddr";

	out = rn_write_text(out, "{ifr_name=");
	out = rn_write_quoted(out, value->data, strnlen((const char *)value->data, 16), false);
	out = rn_write_text(rn_write_text(rn_write_text(out, ", ifr_"), what), "=");
	out = rn_write_sockaddr(out, value->abi, value->data + 16, 16);
	*out++ = '}';
	return out;
}

char *rn_write_shape(char *out, unsigned shape, const struct rn_value *value)
{
	uint32_t size = rn_shape_size(shape, value->abi);
	char *end;

	if (size == 0 || value->len < size)
		return NULL;
	if ((end = rn_write_struct(out, shape, value)) ||
	    (end = rn_write_signal_shape(out, shape, value)) ||
	    (end = rn_write_file_shape(out, shape, value)))
		return end;
	switch (shape) {
	case RN_SHAPE_NODES:
		return write_nodes(out, rn_get(value->data, 0, size), size);
	case RN_SHAPE_PERFATTR:
		return rn_write_perf_attr(out, value, 0);
	case RN_SHAPE_POLLFD:
		return write_pollfd(out, value);
	case RN_SHAPE_EPOLL_EVENT:
		return write_epoll_event(out, value);
	case RN_SHAPE_CLONE_ARGS:
		return write_clone_args(out, value);
	case RN_SHAPE_TERMIOS:
		return rn_write_terminal(out, value);
	case RN_SHAPE_URINGPARAMS:
		return write_uring_params(out, value);
	case RN_SHAPE_IFADDR:
	case RN_SHAPE_IFNETMASK:
	case RN_SHAPE_IFBROADADDR:
	case RN_SHAPE_IFDSTADDR:
		return write_interface(out, shape, value);
	case RN_SHAPE_CAPDATA:
		return write_capabilities(out, value);
	case RN_SHAPE_SHMID:
	case RN_SHAPE_MSGID:
	case RN_SHAPE_SEMID:
		return write_ipc(out, shape, value);
	default:
		return NULL;
	}
}
