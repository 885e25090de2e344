/* SPDX-License-Identifier: MIT */
/* struct perf_event_attr, as strace 6.1 writes it. */
#include "decode.h"

/* Its members, as UAPI's linux/perf_event.h has them, for every machine alike. */
enum {
	TYPE_AT = 0,
	SIZE_AT = 4,
	CONFIG_AT = 8,
	PERIOD_AT = 16,
	SAMPLE_TYPE_AT = 24,
	READ_FORMAT_AT = 32,
	BITS_AT = 40,
	WAKEUP_AT = 48,
	BREAK_AT = 52,
	CONFIG1_AT = 56,
	CONFIG2_AT = 64,
	BRANCH_AT = 72,
	REGS_USER_AT = 80,
	STACK_USER_AT = 88,
	CLOCK_AT = 92,
	REGS_INTR_AT = 96,
	AUX_AT = 104,
	MAX_STACK_AT = 108,
	AUX_SIZE_AT = 112,
	SIG_DATA_AT = 120,
	KNOWN = 128
};

static const char *const bits[] = {
	"disabled",
	"inherit",
	"pinned",
	"exclusive",
	"exclude_user",
	"exclude_kernel",
	"exclude_hv",
	"exclude_idle",
	"mmap",
	"comm",
	"freq",
	"inherit_stat",
	"enable_on_exec",
	"task",
	"watermark",
	"precise_ip", /* two bits */
	NULL,
	"mmap_data",
	"sample_id_all",
	"exclude_host",
	"exclude_guest",
	"exclude_callchain_kernel",
	"exclude_callchain_user",
	"mmap2",
	"comm_exec",
	"use_clockid",
	"context_switch",
	"write_backward",
	"namespaces",
	"ksymbol",
	"bpf_event",
	"aux_output",
	"cgroup",
	"text_poke",
	"build_id",
	"inherit_thread",
	"remove_on_exec",
	"sigtrap",
};

enum { FREQ = 10, WATERMARK = 14, PRECISE = 15, USE_CLOCK = 25 };
enum { HARDWARE, SOFTWARE, TRACEPOINT, HW_CACHE, RAW, BREAKPOINT };

static char *write_config(char *out, unsigned abi, uint64_t type, uint64_t config)
{
	out = rn_write_text(out, ", config=");
	switch (type) {
	case HARDWARE:
		if (config >> 32)
			out = rn_write_text(rn_write_hex(out, config >> 32), "<<32|");
		return rn_write_names(out, RN_SET_PERFHW, abi, (uint32_t)config);
	case SOFTWARE:
		return rn_write_names(out, RN_SET_PERFSW, abi, config);
	case TRACEPOINT:
		return rn_write_u64(out, config);
	case HW_CACHE:
		if (config >> 32)
			out = rn_write_text(rn_write_hex(out, config >> 32), "<<32|");
		if (config >> 24 & 0xff)
			out = rn_write_text(rn_write_hex(out, config >> 24 & 0xff), "<<24|");
		out = rn_write_names(out, RN_SET_PERFCACHERESULT, abi, config >> 16 & 0xff);
		out = rn_write_names(rn_write_text(out, "<<16|"), RN_SET_PERFCACHEOP, abi,
				     config >> 8 & 0xff);
		return rn_write_names(rn_write_text(out, "<<8|"), RN_SET_PERFCACHE, abi,
				      config & 0xff);
	default:
		return rn_write_hex(out, config);
	}
}

static char *write_bits(char *out, uint64_t value, bool verbose)
{
	static const char *const skids[] = {"arbitrary skid", "constant skid",
					    "requested to have 0 skid", "must have 0 skid"};

	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		unsigned set = (unsigned)(value >> i & (i == PRECISE ? 3 : 1));

		if (!bits[i] || !(set || verbose || i == PRECISE))
			continue;
		out = rn_write_text(rn_write_text(out, ", "), bits[i]);
		out = rn_write_u64(rn_write_text(out, "="), set);
		if (i == PRECISE) {
			out = rn_write_text(rn_write_text(out, " /* "), skids[set]);
			out = rn_write_text(out, " */");
		}
	}
	return out;
}

/* How a member of the second part is shown, and whether it is there at all. */
enum how { DEC, HEX, BRANCH, CLOCK, BREAK };

static char *write_rest(char *out, const struct rn_value *value, size_t size)
{
	const uint8_t *data = value->data;
	uint64_t set = rn_get(data, BITS_AT, 8), sampled = rn_get(data, SAMPLE_TYPE_AT, 8);
	bool breaks = rn_get(data, TYPE_AT, 4) == BREAKPOINT;
	const struct {
		const char *name;
		uint8_t at, bytes, how;
		bool there;
	} rest[] = {
		{"wakeup_watermark", WAKEUP_AT, 4, DEC, set >> WATERMARK & 1},
		{"wakeup_events", WAKEUP_AT, 4, DEC, !(set >> WATERMARK & 1)},
		{"bp_type", BREAK_AT, 4, BREAK, breaks},
		{"bp_addr", CONFIG1_AT, 8, HEX, breaks},
		{"config1", CONFIG1_AT, 8, HEX, !breaks},
		{"bp_len", CONFIG2_AT, 8, DEC, breaks},
		{"config2", CONFIG2_AT, 8, HEX, !breaks},
		{"branch_sample_type", BRANCH_AT, 8, BRANCH, sampled >> 11 & 1},
		{"sample_regs_user", REGS_USER_AT, 8, HEX, true},
		{"sample_stack_user", STACK_USER_AT, 4, HEX, sampled >> 13 & 1},
		{"clockid", CLOCK_AT, 4, CLOCK, set >> USE_CLOCK & 1},
		{"sample_regs_intr", REGS_INTR_AT, 8, HEX, true},
		{"aux_watermark", AUX_AT, 4, DEC, true},
		{"sample_max_stack", MAX_STACK_AT, 2, DEC, true},
		{"aux_sample_size", AUX_SIZE_AT, 4, DEC, true},
		{"sig_data", SIG_DATA_AT, 8, HEX, true},
	};

	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		uint64_t number;

		if (!rest[i].there || rest[i].at >= size ||
		    (size_t)rest[i].at + rest[i].bytes > value->len)
			continue;
		number = rn_get(data, rest[i].at, rest[i].bytes);
		out = rn_write_text(rn_write_text(out, ", "), rest[i].name);
		*out++ = '=';
		if (rest[i].how == DEC)
			out = rn_write_u64(out, number);
		else if (rest[i].how == HEX)
			out = rn_write_hex(out, number);
		else
			out = rn_write_names(out,
					     rest[i].how == BRANCH  ? RN_SET_PERFBRANCH
					     : rest[i].how == CLOCK ? RN_SET_CLOCK
								    : RN_SET_PERFBREAK,
					     value->abi, number);
	}
	return out;
}

char *rn_write_perf_attr(char *out, const struct rn_value *value, uint32_t changed)
{
	const uint8_t *data = value->data;
	uint64_t type, size, set;

	if (value->len < 64)
		return NULL;
	type = rn_get(data, TYPE_AT, 4);
	size = rn_get(data, SIZE_AT, 4);
	set = rn_get(data, BITS_AT, 8);
	/* 0 is the size of the first version. */
	if (size && size < 64)
		return NULL;
	out = rn_write_names(rn_write_text(out, "{type="), RN_SET_PERFTYPE, value->abi, type);
	out = rn_write_names(rn_write_text(out, ", size="), RN_SET_PERFSIZE, value->abi, size);
	if (!size)
		out = rn_write_text(out, " /* PERF_ATTR_SIZE_??? */");
	if (changed && changed != size)
		out = rn_write_names(rn_write_text(out, " => "), RN_SET_PERFSIZE, value->abi,
				     changed);
	out = write_config(out, value->abi, type, rn_get(data, CONFIG_AT, 8));
	out = rn_write_u64(
		rn_write_text(out, set >> FREQ & 1 ? ", sample_freq=" : ", sample_period="),
		rn_get(data, PERIOD_AT, 8));
	out = rn_write_names(rn_write_text(out, ", sample_type="), RN_SET_PERFSAMPLE, value->abi,
			     rn_get(data, SAMPLE_TYPE_AT, 8));
	out = rn_write_names(rn_write_text(out, ", read_format="), RN_SET_PERFREAD, value->abi,
			     rn_get(data, READ_FORMAT_AT, 8));
	out = write_bits(out, set, value->style->verbose);
	if (value->style->verbose)
		out = write_rest(out, value, size ? size : 64);
	if (!value->style->verbose || size > KNOWN)
		out = rn_write_text(out, ", ...");
	*out++ = '}';
	return out;
}
