/* SPDX-License-Identifier: MIT */
/*
 * Constants by name, as strace 6.1 writes them: flags joined by |, the rest in hex. Which
 * names there are is data: native/tables/sets.tsv.
 */
#include <arpa/inet.h>

#include "decode.h"

struct rn_name {
	uint64_t value;
	const char *name;
};

struct names {
	const struct rn_name *names;
	uint16_t count;
	uint16_t base; /* that many of the first are numbers in the low bits, not flags */
};

struct name_set {
	const char *unknown; /* "O_???" */
	bool one;            /* one of the names, sorted by value; else flags */
	struct names names[2];
};

#include "../tables/names.inc"

static const struct names *names_of(unsigned set, unsigned abi)
{
	return &name_sets[set].names[abi == RN_ABI_AARCH64 || abi == RN_ABI_ARM];
}

static const char *find(const struct names *names, uint64_t value)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (names->names[middle].value == value)
			return names->names[middle].name;
		if (names->names[middle].value < value)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Names go in as long as there is room for one more, and for a number after them. */
static bool fits(const char *start, const char *out, const char *name)
{
	return (size_t)(out - start) + strlen(name) + 1 + RN_NUMBER_MAX + 24 <= RN_NAMES_MAX;
}

static char *write_unknown(char *out, uint64_t value, const char *what)
{
	out = rn_write_hex(out, value);
	if (!*what || !value)
		return out;
	out = rn_write_text(out, " /* ");
	out = rn_write_text(out, what);
	return rn_write_text(out, " */");
}

static char *write_flags(char *out, const struct names *names, uint64_t value, const char *what)
{
	const char *start = out;
	uint64_t mask = 0, rest = value;

	for (unsigned i = 0; i < names->base; i++)
		mask |= names->names[i].value;
	for (unsigned i = 0; i < names->base; i++)
		if (names->names[i].value == (value & mask)) {
			out = rn_write_text(out, names->names[i].name);
			rest &= ~mask;
			break;
		}
	for (unsigned i = names->base; i < names->count && rest; i++) {
		const struct rn_name *one = &names->names[i];

		if (!one->value || (rest & one->value) != one->value ||
		    !fits(start, out, one->name))
			continue;
		if (out != start)
			*out++ = '|';
		out = rn_write_text(out, one->name);
		rest &= ~one->value;
	}
	if (out == start) {
		/* Nothing at all may have a name: F_OK, PROT_NONE. */
		for (unsigned i = 0; !value && i < names->count; i++)
			if (!names->names[i].value)
				return rn_write_text(out, names->names[i].name);
		return write_unknown(out, value, what);
	}
	if (rest) {
		*out++ = '|';
		out = rn_write_hex(out, rest);
	}
	return out;
}

static char *write_plain(char *out, unsigned set, unsigned abi, uint64_t value)
{
	const char *name;

	if (!name_sets[set].one)
		return write_flags(out, names_of(set, abi), value, name_sets[set].unknown);
	name = find(names_of(set, abi), value);
	return name ? rn_write_text(out, name) : write_unknown(out, value, name_sets[set].unknown);
}

char *rn_write_number_named(char *out, unsigned set, unsigned abi, uint64_t value)
{
	const char *name = rn_name_of(set, abi, value);

	out = rn_write_text(rn_write_hex(out, value), " /* ");
	out = rn_write_text(out, name ? name : name_sets[set].unknown);
	return rn_write_text(out, " */");
}

/* Numbers that are made of several. */
char *rn_write_names(char *out, unsigned set, unsigned abi, uint64_t value)
{
	switch (set) {
	case RN_SET_ETHPROTO:
		out = rn_write_text(out, "htons(");
		out = rn_name_of(set, abi, ntohs((uint16_t)value))
			      ? write_plain(out, set, abi, ntohs((uint16_t)value))
			      : rn_write_number_named(out, set, abi, ntohs((uint16_t)value));
		return rn_write_text(out, ")");
	case RN_SET_IOPRIO:
		out = rn_write_text(out, "IOPRIO_PRIO_VALUE(");
		out = write_plain(out, set, abi, (uint32_t)value >> 13);
		out = rn_write_u64(rn_write_text(out, ", "), value & 0x1fff);
		return rn_write_text(out, ")");
	case RN_SET_FUTEXOP:
		if (value >> 31 & 1)
			out = rn_write_text(out, "FUTEX_OP_OPARG_SHIFT<<28|");
		out = write_plain(out, set, abi, value >> 28 & 7);
		out = rn_write_hex(rn_write_text(out, "<<28|"), value >> 12 & 0xfff);
		out = write_plain(rn_write_text(out, "<<12|"), RN_SET_FUTEXCMP, abi,
				  value >> 24 & 15);
		return rn_write_hex(rn_write_text(out, "<<24|"), value & 0xfff);
	case RN_SET_QUOTACMD:
		out = write_plain(rn_write_text(out, "QCMD("), set, abi, (uint32_t)value >> 8);
		out = write_plain(rn_write_text(out, ", "), RN_SET_QUOTATYPE, abi, value & 0xff);
		return rn_write_text(out, ")");
	case RN_SET_MEMPOLMODE:
		out = write_plain(out, RN_SET_MEMPOLICY, abi, value & ~0xe000ull);
		if (value & 0xe000)
			out = write_plain(rn_write_text(out, "|"), set, abi, value & 0xe000);
		return out;
	default:
		if (set == RN_SET_NONE || set >= RN_SET_COUNT)
			return rn_write_hex(out, value);
		return write_plain(out, set, abi, value);
	}
}

const char *rn_name_of(unsigned set, unsigned abi, uint64_t value)
{
	if (set == RN_SET_NONE || set >= RN_SET_COUNT || !name_sets[set].one)
		return NULL;
	return find(names_of(set, abi), value);
}

bool rn_value_of(unsigned set, unsigned abi, const char *name, uint64_t *value)
{
	const struct names *names;

	if (set == RN_SET_NONE || set >= RN_SET_COUNT)
		return false;
	names = names_of(set, abi);
	for (unsigned i = 0; i < names->count; i++)
		if (strcmp(names->names[i].name, name) == 0) {
			*value = names->names[i].value;
			return true;
		}
	return false;
}

struct choice {
	uint64_t value;  /* of argument `arg`… */
	uint64_t first;  /* …and this one of argument `other`, if there is one */
	int8_t other;    /* -1: none */
	int8_t arg;      /* -1: whatever they are; -2: the end of a list */
	uint8_t kind;    /* what the argument is then */
	uint8_t aux;
	uint16_t form;
};

#include "../tables/choices.inc"

static const struct choice *choose(const uint64_t args[6], unsigned first)
{
	if (first >= sizeof(choices) / sizeof(choices[0]))
		return NULL;
	for (const struct choice *c = &choices[first];; c++) {
		if (c->arg < 0)
			return c->arg == -1 ? c : NULL;
		if ((uint32_t)args[c->arg] == c->value &&
		    (c->other < 0 || (uint32_t)args[c->other] == c->first))
			return c;
	}
}

bool rn_value_of_choices(uint32_t form, unsigned abi, const char *name, uint64_t *value)
{
	unsigned first = form >> RN_FORM_SHIFT & 0x7fff;

	if (first >= sizeof(choices) / sizeof(choices[0]))
		return false;
	for (const struct choice *c = &choices[first];; c++) {
		/* Forms of structures are no sets. */
		bool number = c->kind == RN_ARG_RAW || c->kind == RN_ARG_INT ||
			      c->kind == RN_ARG_UINT || c->kind == RN_ARG_FLAGS;

		if (number && rn_value_of(c->form & RN_FORM_MASK, abi, name, value))
			return true;
		if (c->arg < 0)
			return false;
	}
}

void rn_arg_choose(const struct rn_syscall_desc *desc, const uint64_t args[6], unsigned arg,
		   struct rn_meaning *meaning)
{
	const struct choice *c = choose(args, desc->args[arg].form >> RN_FORM_SHIFT & 0x7fff);

	if (!c)
		return;
	meaning->kind = c->kind;
	meaning->aux = c->aux;
	meaning->form = c->form;
}

bool rn_set_is_one(unsigned set)
{
	return set < RN_SET_COUNT && name_sets[set].one;
}

char *rn_write_arg_names(char *out, const struct rn_call *call, unsigned arg,
			 const struct rn_meaning *meaning)
{
	uint64_t value = call->args[arg];

	if (!(meaning->form & RN_FORM_WIDE))
		value = (uint32_t)value;
	return rn_write_names(out, meaning->form & RN_FORM_MASK, call->abi, value);
}

bool rn_result_meaning(const struct rn_call *call, struct rn_meaning *meaning)
{
	const struct choice *c =
		call->desc->result ? choose(call->args, call->desc->result - 1u) : NULL;

	if (!c)
		return false;
	*meaning = (struct rn_meaning){.kind = c->kind, .aux = c->aux, .form = c->form};
	return true;
}
