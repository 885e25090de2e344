/* SPDX-License-Identifier: MIT */
/* struct termios: flags, numbers in some of their bits, control characters. */
#include "decode.h"

struct group {
	uint32_t mask;
	uint16_t set;
};

/* The numbers among the bits first, in strace's order, then the flags. */
static char *write_bits(char *out, uint32_t value, const struct group *groups, size_t count,
			unsigned flags)
{
	char *start = out;

	for (size_t i = 0; i < count; i++) {
		if (i)
			*out++ = '|';
		out = rn_write_names(out, groups[i].set, RN_ABI_X86_64, value & groups[i].mask);
		value &= ~groups[i].mask;
	}
	if (value || out == start) {
		if (out != start)
			*out++ = '|';
		out = rn_write_names(out, flags, RN_ABI_X86_64, value);
	}
	return out;
}

char *rn_write_terminal(char *out, const struct rn_value *value)
{
	static const struct group output[] = {
		{0000400, RN_SET_TERMNL}, {0003000, RN_SET_TERMCR}, {0014000, RN_SET_TERMTAB},
		{0020000, RN_SET_TERMBS}, {0040000, RN_SET_TERMVT}, {0100000, RN_SET_TERMFF},
	};
	static const struct group control[] = {{0010017, RN_SET_TERMBAUD},
					       {0000060, RN_SET_TERMCS}};
	static const char *const names[] = {
		"VINTR",    "VQUIT",    "VERASE",  "VKILL",  "VEOF",  "VTIME",
		"VMIN",     "VSWTC",    "VSTART",  "VSTOP",  "VSUSP", "VEOL",
		"VREPRINT", "VDISCARD", "VWERASE", "VLNEXT", "VEOL2",
	};
	const uint8_t *data = value->data, *characters = data + 17;
	uint32_t local = (uint32_t)rn_get(data, 12, 4);

	out = write_bits(rn_write_text(out, "{c_iflag="), (uint32_t)rn_get(data, 0, 4), NULL, 0,
			 RN_SET_TERMIFLAG);
	out = write_bits(rn_write_text(out, ", c_oflag="), (uint32_t)rn_get(data, 4, 4), output, 6,
			 RN_SET_TERMOFLAG);
	out = write_bits(rn_write_text(out, ", c_cflag="), (uint32_t)rn_get(data, 8, 4), control, 2,
			 RN_SET_TERMCFLAG);
	out = write_bits(rn_write_text(out, ", c_lflag="), local, NULL, 0, RN_SET_TERMLFLAG);
	if (!value->style->verbose)
		return rn_write_text(out, ", ...}");
	out = rn_write_names(rn_write_text(out, ", c_line="), RN_SET_TERMLDISC, value->abi,
			     data[16]);
	out = rn_write_text(out, ", c_cc=[");
	for (unsigned i = 0; i < 19; i++) {
		out = rn_write_text(out, i ? ", [" : "[");
		out = i < 17 ? rn_write_text(out, names[i]) : rn_write_u64(out, i);
		out = rn_write_hex(rn_write_text(out, "]="), characters[i]);
	}
	return rn_write_text(out, "]}");
}
