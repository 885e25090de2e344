/* SPDX-License-Identifier: MIT */
/*
 * TRACEPARENT and TRACESTATE at exec. At the exec stop the new stack is as the kernel
 * laid it: argc, argv, NULL, envp, NULL, …, with the strings above. The span id in the
 * first TRACEPARENT is replaced in place by that of the process, the Lamport time in the
 * first TRACESTATE by one of now; no string gets longer, nothing else is touched. (W3C
 * Trace Context level 2, sections 3.2 and 3.3; OpenTelemetry environment carriers.)
 */
#include <string.h>
#if defined(__x86_64__)
#include <sys/user.h>
#else
#include <sys/uio.h>
#endif

#include "engine_private.h"
#include "tracestate.h"

#define VALUE_LEN 55u
#define SPAN_AT 36u /* of the span id in a value */
#define ENV_LIMIT (2u * 1024u * 1024u)
#define POINTER_LIMIT 65536u

static bool stack_of(struct rn_engine *e, const struct task *task, uint64_t *sp, size_t *width)
{
	struct rn_syscall_info info;

	*width = task->abi == RN_ABI_I386 || task->abi == RN_ABI_ARM ? 4 : 8;
	if (e->use_syscall_info &&
	    rn_ptrace(RN_PTRACE_GET_SYSCALL_INFO, task->tid, sizeof(info), (uintptr_t)&info) > 0) {
		*sp = info.sp;
		*width = info.arch & 0x80000000u ? 8 : 4; /* __AUDIT_ARCH_64BIT */
		return true;
	}
#if defined(__x86_64__)
	struct user_regs_struct regs;

	if (rn_ptrace(RN_PTRACE_GETREGS, task->tid, 0, (uintptr_t)&regs) < 0)
		return false;
	*sp = regs.rsp;
	*width = regs.cs == 0x23 ? 4 : 8;
	return true;
#elif defined(__aarch64__)
	struct {
		uint64_t regs[31], sp, pc, pstate;
	} regs;
	struct iovec iov = {&regs, sizeof(regs)};

	if (rn_ptrace(RN_PTRACE_GETREGSET, task->tid, 1 /* NT_PRSTATUS */, (uintptr_t)&iov) < 0)
		return false;
	if (iov.iov_len < sizeof(regs)) {
		uint32_t words[18]; /* 32-bit code; r13 is its stack pointer */

		memcpy(words, &regs, sizeof(words));
		*sp = words[13];
		*width = 4;
		return true;
	}
	*sp = regs.sp;
	*width = 8;
	return true;
#endif
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_bytes(const char *text, uint8_t *to, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++) {
		int high = hex(text[2 * i]), low = hex(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
		any |= to[i];
	}
	return any != 0 || n == 1;
}

bool rn_traceparent_parse(const char *value, size_t len, struct traceparent *parent)
{
	uint8_t version, span[8];

	if (len < VALUE_LEN || value[2] != '-' || value[35] != '-' || value[52] != '-')
		return false;
	if (!hex_bytes(value, &version, 1) || version == 0xff ||
	    !hex_bytes(value + 3, parent->trace_id, 16) || !hex_bytes(value + SPAN_AT, span, 8) ||
	    !hex_bytes(value + 53, &parent->flags, 1))
		return false;
	if (len > VALUE_LEN && (version == 0 || value[VALUE_LEN] != '-'))
		return false;
	parent->span_id = 0;
	for (unsigned i = 0; i < 8; i++)
		parent->span_id = parent->span_id << 8 | span[i];
	return true;
}

static bool is_ours(const struct rn_engine *e, const struct traceparent *parent)
{
	uint64_t counter = rn_id_counter(&e->config.key, parent->span_id);

	if (!(counter & RN_ID_RUN))
		return false;
	if ((counter & RN_ID_IMAGE) == RN_ID_IMAGE)
		return (counter & ~RN_ID_IMAGE) <= e->seq;
	return (counter & ~RN_ID_RUN) <= e->ordinals;
}

/* A variable that is looked for. */
struct variable {
	const char *name; /* with its equals sign */
	char *value;      /* its first bytes */
	size_t cap, len;  /* len: of the whole value, as far as it was read */
	uint64_t at;      /* where the value is; 0 = not found */
};

/* The first one of a name is the one that counts. */
static void look_at(struct variable *variables, unsigned n, const uint8_t *line, size_t len,
		    uint64_t at)
{
	for (unsigned i = 0; i < n; i++) {
		struct variable *v = &variables[i];
		size_t name = strlen(v->name);

		if (v->at || len < name || memcmp(line, v->name, name) != 0)
			continue;
		v->at = at + name;
		v->len = len - name;
		memcpy(v->value, line + name, v->len < v->cap ? v->len : v->cap);
	}
}

static bool all_found(const struct variable *variables, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!variables[i].at)
			return false;
	return true;
}

/* Where variables of the new environment are; false: it is unreadable. */
static bool find(struct rn_engine *e, const struct task *task, struct variable *variables,
		 unsigned n)
{
	static uint8_t chunk[65536]; /* one tracer thread in a process */
	uint64_t sp, first = 0, pointer;
	size_t width, fill = 0;
	unsigned pointers = 0, nulls = 0, strings = 0, seen = 0;

	if (!stack_of(e, task, &sp, &width))
		return false;
	sp += width; /* argc */
	/* Skip argv, take the first of envp and their number. */
	while (nulls < 2) {
		size_t got = rn_memory_read_one(e, task->tid, sp, chunk, 4096);

		if (got < width)
			return false;
		for (size_t i = 0; i + width <= got && nulls < 2; i += width) {
			pointer = 0;
			memcpy(&pointer, chunk + i, width);
			if (nulls == 1 && pointer && strings++ == 0)
				first = pointer;
			nulls += pointer == 0;
			if (++pointers > POINTER_LIMIT)
				return false; /* it may be there, behind them */
		}
		sp += got / width * width;
	}
	if (first == 0)
		return true;
	/* The strings stand one behind the other, in the order of the list; behind the last
	   is the name of the file that is run, which may look like one. */
	for (uint64_t from = first; from - first < ENV_LIMIT;) {
		size_t got = rn_memory_read_one(e, task->tid, from + fill, chunk + fill,
						sizeof(chunk) - fill);
		size_t have = fill + got, line = 0;

		if (have == 0)
			return from != first;
		while (line < have && seen < strings) {
			const uint8_t *end = memchr(chunk + line, 0, have - line);
			size_t len = end ? (size_t)(end - (chunk + line)) : have - line;

			if (!end && line > 0 && got)
				break; /* cut: read on from its beginning */
			look_at(variables, n, chunk + line, len, from + line);
			line += len + 1;
			seen += end != NULL;
			if (!end)
				break;
		}
		if (got == 0 || seen == strings || all_found(variables, n))
			return true;
		if (line > have)
			line = have;
		from += line;
		fill = have - line;
		memmove(chunk, chunk + line, fill);
	}
	return true;
}

static bool write_span_id(struct rn_engine *e, int tid, uint64_t at, uint64_t id)
{
	char text[16];

	for (unsigned i = 0; i < 16; i++)
		text[i] = "0123456789abcdef"[id >> (60 - 4 * i) & 15];
	return rn_memory_write(e, tid, at + SPAN_AT, text, sizeof(text));
}

/*
 * No Lamport time that whoever interprets the records gives until now, this exec included, is
 * greater. It knows which events are causes of which; here it is enough that each event makes the
 * greatest time greater by two at most (an entry without an exit counts twice), and so does
 * nothing else but a time that is heard of.
 */
static uint64_t latest(const struct rn_engine *e)
{
	return e->lamport_base + 2 * (e->seq + 2);
}

/* The Lamport time in TRACESTATE: is heard of, and replaced by one of now. */
static void exchange_time(struct rn_engine *e, struct task *task, struct variable *state,
			  struct found_context *found)
{
	struct rn_lamport_member member;
	uint64_t time;

	if (!state->at || state->len > state->cap ||
	    !rn_tracestate_find(state->value, state->len, &member))
		return;
	if (member.time != task->lamport_sent && member.time <= RN_LAMPORT_MAX) {
		found->lamport_found = member.time;
		if (member.time >= latest(e)) /* the exec comes after it */
			e->lamport_base += member.time + 1 - latest(e);
	}
	time = latest(e) + RN_LAMPORT_AHEAD;
	if (time > RN_LAMPORT_MAX)
		return;
	rn_tracestate_set(state->value, &member, time);
	if (rn_memory_write(e, task->tid, state->at, state->value, member.end))
		found->lamport_sent = task->lamport_sent = time;
}

/* What is done with TRACEPARENT. */
static enum rn_context exchange_parent(struct rn_engine *e, struct task *task,
				       const struct variable *variable, struct found_context *found)
{
	const char *value = variable->value;
	size_t len = variable->len < variable->cap ? variable->len : variable->cap;
	uint64_t counter = task->span_counter;
	struct traceparent parent;
	bool ours;

	if (!variable->at)
		return RN_CONTEXT_ABSENT;
	if (!rn_traceparent_parse(value, len, &parent))
		return RN_CONTEXT_INVALID;
	/* One of ours in another trace than this process's is a parent like a foreign one. */
	ours = is_ours(e, &parent) && memcmp(parent.trace_id, task->trace_id, 16) == 0;
	if (!ours && !(parent.flags & 1))
		return RN_CONTEXT_UNSAMPLED;
	if (!ours)
		counter = RN_ID_IMAGE | (e->seq + 1); /* the exec record that follows */
	if (!write_span_id(e, task->tid, variable->at, rn_id_of(&e->config.key, counter)))
		return RN_CONTEXT_UNREADABLE;
	task->span_counter = counter;
	if (ours)
		return RN_CONTEXT_OURS;
	memcpy(task->trace_id, parent.trace_id, 16);
	memcpy(found->parent, value, len);
	found->parent[len] = 0;
	return RN_CONTEXT_FOREIGN;
}

void rn_context_at_exec(struct rn_engine *e, struct task *task, struct found_context *found)
{
	static char state[RN_TRACESTATE_LIMIT]; /* one tracer thread in a process */
	char parent[sizeof(found->parent) - 1];
	struct variable variables[] = {
		{.name = "TRACEPARENT=", .value = parent, .cap = sizeof(parent)},
		{.name = "TRACESTATE=", .value = state, .cap = sizeof(state)},
	};

	*found = (struct found_context){.kind = RN_CONTEXT_NONE};
	if (!e->config.propagate || task->attached)
		return;
	if (!find(e, task, variables, 2)) {
		found->kind = RN_CONTEXT_UNREADABLE;
		return;
	}
	found->kind = exchange_parent(e, task, &variables[0], found);
	/* A tracestate is worth nothing without its traceparent. */
	if (found->kind == RN_CONTEXT_OURS || found->kind == RN_CONTEXT_FOREIGN)
		exchange_time(e, task, &variables[1], found);
}
