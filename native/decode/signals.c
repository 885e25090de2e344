/* SPDX-License-Identifier: MIT */
/* Signals: sets of them, what is to be done, what is told of one, where a timer sends one. */
#include <signal.h>

#include "decode.h"

enum {
	CODE_FROM_KILL = 0,   /* SI_USER */
	CODE_FROM_TIMER = -2, /* SI_TIMER */
	CODE_FROM_TKILL = -6, /* SI_TKILL */
	CODE_EXITED = 1       /* CLD_EXITED */
};

char *rn_write_sigset(char *out, uint64_t set)
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

static char *write_sigaction(char *out, const struct rn_value *value)
{
	const uint8_t *data = value->data;
	size_t word = rn_machine(value->abi) == 0 ? 8 : 4;
	uint64_t handler = rn_get(data, 0, word), flags = rn_get(data, word, word);

	out = rn_write_text(out, "{sa_handler=");
	if (handler <= 1)
		out = rn_write_text(out, handler ? "SIG_IGN" : "SIG_DFL");
	else
		out = rn_write_hex(out, handler);
	out = rn_write_sigset(rn_write_text(out, ", sa_mask="), rn_get(data, 3 * word, 8));
	out = rn_write_names(rn_write_text(out, ", sa_flags="), RN_SET_SAFLAGS, value->abi, flags);
	if (flags & 0x04000000) { /* SA_RESTORER */
		out = rn_write_text(out, ", sa_restorer=");
		out = rn_write_pointer(out, rn_get(data, 2 * word, word));
	}
	*out++ = '}';
	return out;
}

/* The union of struct siginfo lies behind three numbers, where pointers are aligned. */
struct info {
	const uint8_t *data;
	size_t at, word;
};

static char *write_sender(char *out, const struct info *info)
{
	out = rn_write_i64(rn_write_text(out, ", si_pid="), rn_get_signed(info->data, info->at, 4));
	return rn_write_u64(rn_write_text(out, ", si_uid="), rn_get(info->data, info->at + 4, 4));
}

static char *write_payload(char *out, const struct info *info)
{
	out = rn_write_i64(rn_write_text(out, ", si_int="),
			   rn_get_signed(info->data, info->at + 8, 4));
	return rn_write_pointer(rn_write_text(out, ", si_ptr="),
				rn_get(info->data, info->at + 8, info->word));
}

static char *write_child(char *out, const struct info *info, int code)
{
	size_t times = info->at + 8 + info->word;

	out = rn_write_text(write_sender(out, info), ", si_status=");
	out = code == CODE_EXITED
		      ? rn_write_i64(out, rn_get_signed(info->data, info->at + 8, 4))
		      : rn_write_signal(out, (int32_t)rn_get(info->data, info->at + 8, 4));
	out = rn_write_i64(rn_write_text(out, ", si_utime="),
			   rn_get_signed(info->data, times, info->word));
	return rn_write_i64(rn_write_text(out, ", si_stime="),
			    rn_get_signed(info->data, times + info->word, info->word));
}

static char *write_seccomp(char *out, const struct info *info)
{
	uint32_t nr = (uint32_t)rn_get(info->data, info->at + info->word, 4);
	uint32_t arch = (uint32_t)rn_get(info->data, info->at + info->word + 4, 4);
	unsigned abi = arch == 0xc000003e   ? RN_ABI_X86_64
		       : arch == 0xc00000b7 ? RN_ABI_AARCH64
		       : arch == 0x40000003 ? RN_ABI_I386
					    : RN_ABI_UNKNOWN;
	const char *name = rn_syscall(abi, nr)->name;

	out = rn_write_pointer(rn_write_text(out, ", si_call_addr="),
			       rn_get(info->data, info->at, info->word));
	out = rn_write_text(out, ", si_syscall=");
	out = name ? rn_write_text(rn_write_text(out, "__NR_"), name) : rn_write_u64(out, nr);
	out = rn_write_text(out, ", si_arch=");
	return rn_write_names(out, RN_SET_AUDITARCH, RN_ABI_X86_64, arch);
}

char *rn_write_siginfo(char *out, const struct rn_value *value)
{
	int machine = rn_machine(value->abi);
	struct info info = {value->data, machine == 0 ? 16 : 12, machine == 0 ? 8 : 4};
	int signo = (int32_t)rn_get(value->data, 0, 4), err = (int32_t)rn_get(value->data, 4, 4);
	int code = (int32_t)rn_get(value->data, 8, 4);
	const char *name = rn_si_code_name(signo, code);

	if (signo == 0)
		return rn_write_text(out, "{}");
	out = rn_write_signal(rn_write_text(out, "{si_signo="), signo);
	out = rn_write_text(out, ", si_code=");
	out = name ? rn_write_text(out, name) : rn_write_i64(out, code);
	if (err) {
		name = rn_errno_name(err);
		out = rn_write_text(out, ", si_errno=");
		out = name ? rn_write_text(out, name) : rn_write_i64(out, err);
	}
	if (code == CODE_FROM_TIMER) {
		out = rn_write_hex(rn_write_text(out, ", si_timerid="),
				   rn_get(info.data, info.at, 4));
		out = rn_write_i64(rn_write_text(out, ", si_overrun="),
				   rn_get_signed(info.data, info.at + 4, 4));
		out = write_payload(out, &info);
	} else if (code <= 0) {
		out = write_sender(out, &info);
		if (code != CODE_FROM_KILL && code != CODE_FROM_TKILL &&
		    rn_get(info.data, info.at + 8, info.word))
			out = write_payload(out, &info);
	} else if (signo == SIGCHLD) {
		out = write_child(out, &info, code);
	} else if (signo == SIGILL || signo == SIGFPE || signo == SIGSEGV || signo == SIGBUS) {
		out = rn_write_pointer(rn_write_text(out, ", si_addr="),
				       rn_get(info.data, info.at, info.word));
	} else if (signo == SIGPOLL) {
		if (code <= 6) { /* POLL_HUP */
			out = rn_write_i64(rn_write_text(out, ", si_band="),
					   rn_get_signed(info.data, info.at, info.word));
			out = rn_write_i64(rn_write_text(out, ", si_fd="),
					   rn_get_signed(info.data, info.at + info.word, 4));
		}
	} else if (signo == SIGSYS) {
		out = write_seccomp(out, &info);
	} else {
		if (rn_get(info.data, info.at, 8))
			out = write_sender(out, &info);
		if (rn_get(info.data, info.at + 8, info.word))
			out = write_payload(out, &info);
	}
	*out++ = '}';
	return out;
}

static char *write_sigevent(char *out, const struct rn_value *value)
{
	size_t word = rn_machine(value->abi) == 0 ? 8 : 4;
	uint32_t notify = (uint32_t)rn_get(value->data, word + 4, 4);
	int sig = (int32_t)rn_get(value->data, word, 4);
	const uint8_t *rest = value->data + word + 8;

	out = rn_write_i64(rn_write_text(out, "{sigev_value={sival_int="),
			   rn_get_signed(value->data, 0, 4));
	out = rn_write_pointer(rn_write_text(out, ", sival_ptr="), rn_get(value->data, 0, word));
	out = rn_write_text(out, "}, sigev_signo=");
	out = notify == 0 || notify == 4 ? rn_write_signal(out, sig) : rn_write_i64(out, sig);
	out = rn_write_names(rn_write_text(out, ", sigev_notify="), RN_SET_SIGEVNOTIFY, value->abi,
			     notify);
	if (notify == 4) { /* SIGEV_THREAD_ID */
		out = rn_write_i64(rn_write_text(out, ", sigev_notify_thread_id="),
				   rn_get_signed(rest, 0, 4));
	} else if (notify == 2) { /* SIGEV_THREAD */
		out = rn_write_pointer(rn_write_text(out, ", sigev_notify_function="),
				       rn_get(rest, 0, word));
		out = rn_write_pointer(rn_write_text(out, ", sigev_notify_attributes="),
				       rn_get(rest, word, word));
	}
	*out++ = '}';
	return out;
}

static char *write_sigstack(char *out, const struct rn_value *value)
{
	size_t word = rn_machine(value->abi) == 0 ? 8 : 4;

	out = rn_write_pointer(rn_write_text(out, "{ss_sp="), rn_get(value->data, 0, word));
	out = rn_write_names(rn_write_text(out, ", ss_flags="), RN_SET_SSFLAGS, value->abi,
			     rn_get(value->data, word, 4));
	out = rn_write_u64(rn_write_text(out, ", ss_size="), rn_get(value->data, 2 * word, word));
	*out++ = '}';
	return out;
}

char *rn_write_signal_shape(char *out, unsigned shape, const struct rn_value *value)
{
	switch (shape) {
	case RN_SHAPE_SIGSET:
		return rn_write_sigset(out, rn_get(value->data, 0, 8));
	case RN_SHAPE_SIGRETURN:
		out = rn_write_sigset(rn_write_text(out, "{mask="), rn_get(value->data, 0, 8));
		*out++ = '}';
		return out;
	case RN_SHAPE_SIGACTION:
		return write_sigaction(out, value);
	case RN_SHAPE_SIGINFO:
		return rn_write_siginfo(out, value);
	case RN_SHAPE_SIGEVENT:
		return write_sigevent(out, value);
	case RN_SHAPE_SIGSTACK:
		return write_sigstack(out, value);
	default:
		return NULL;
	}
}
