/* SPDX-License-Identifier: MIT */
/* The hot path: a syscall stop, from registers to a record. */
#include <elf.h>
#include <string.h>
#if defined(__x86_64__)
#include <sys/user.h>
#else
#include <sys/uio.h>
#endif

#include "engine_private.h"

/* Results with which the kernel asks for a restart; they never reach user space. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

struct stop {
	bool entry;
	bool is_error;
	uint8_t abi;
	int32_t nr;
	uint64_t args[6];
	uint64_t sp;
	int64_t result;
};

static uint8_t abi_of(uint32_t arch, uint64_t *nr)
{
	switch (arch) {
	case AUDIT_ARCH_X86_64:
		if ((int32_t)*nr >= 0 && (*nr & X32_BIT)) {
			*nr &= ~(uint64_t)X32_BIT;
			return RN_ABI_X32;
		}
		return RN_ABI_X86_64;
	case AUDIT_ARCH_I386:
		return RN_ABI_I386;
	case AUDIT_ARCH_AARCH64:
		return RN_ABI_AARCH64;
	case AUDIT_ARCH_ARM:
		return RN_ABI_ARM;
	default:
		return RN_ABI_UNKNOWN;
	}
}

static bool looks_like_error(int64_t result)
{
	return result < 0 && result >= -4095;
}

#if defined(__x86_64__)
/* 64-bit code can make calls of the i386 ABI, too: by the instruction before this address. */
static bool by_int80(int tid, uint64_t rip)
{
	unsigned long word;

	return rn_ptrace(RN_PTRACE_PEEKDATA, tid, (uintptr_t)(rip - 2), (uintptr_t)&word) == 0 &&
	       (word & 0xffff) == 0x80cd;
}

static void from_registers(const struct user_regs_struct *regs, struct stop *stop, bool compat)
{
	uint64_t nr = regs->orig_rax;

	stop->abi = abi_of(compat ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64, &nr);
	stop->nr = (int32_t)nr;
	stop->sp = regs->rsp;
	stop->result = compat ? (int32_t)regs->rax : (int64_t)regs->rax;
	if (compat) {
		const uint64_t args[6] = {(uint32_t)regs->rbx, (uint32_t)regs->rcx,
					  (uint32_t)regs->rdx, (uint32_t)regs->rsi,
					  (uint32_t)regs->rdi, (uint32_t)regs->rbp};
		memcpy(stop->args, args, sizeof(args));
	} else {
		const uint64_t args[6] = {regs->rdi, regs->rsi, regs->rdx,
					  regs->r10, regs->r8,  regs->r9};
		memcpy(stop->args, args, sizeof(args));
	}
}

static bool read_registers(const struct task *task, struct stop *stop)
{
	struct user_regs_struct regs;

	/* Not GETREGSET: of 32-bit code that gives the 32-bit layout. */
	if (rn_ptrace(RN_PTRACE_GETREGS, task->tid, 0, (uintptr_t)&regs) < 0)
		return false;
	from_registers(&regs, stop,
		       regs.cs == 0x23 || (stop->entry && by_int80(task->tid, regs.rip)));
	return true;
}
#elif defined(__aarch64__)
static bool read_registers(const struct task *task, struct stop *stop)
{
	struct {
		uint64_t regs[31], sp, pc, pstate;
	} regs;
	struct iovec iov = {&regs, sizeof(regs)};

	if (rn_ptrace(RN_PTRACE_GETREGSET, task->tid, NT_PRSTATUS, (uintptr_t)&iov) < 0)
		return false;
	if (iov.iov_len < sizeof(regs)) {
		/* 32-bit code: r0 … r15, cpsr and the r0 of the entry, 32 bits each. */
		uint32_t words[18];

		memcpy(words, &regs, sizeof(words));
		stop->abi = RN_ABI_ARM;
		stop->nr = (int32_t)words[7];
		for (unsigned i = 0; i < 6; i++)
			stop->args[i] = words[i];
		stop->result = (int32_t)words[0];
		return true;
	}
	stop->abi = RN_ABI_AARCH64;
	stop->nr = (int32_t)regs.regs[8];
	memcpy(stop->args, regs.regs, sizeof(stop->args));
	stop->sp = regs.sp;
	stop->result = (int64_t)regs.regs[0];
	return true;
}
#else
#error "this engine knows x86_64 and aarch64"
#endif

static bool read_stop(struct rn_engine *e, const struct task *task, struct stop *stop)
{
	struct rn_syscall_info info;
	uint64_t nr;

	if (!e->use_syscall_info) {
		stop->entry = !task->in_call;
		if (!read_registers(task, stop))
			return false;
		stop->is_error = looks_like_error(stop->result);
		return true;
	}
	if (rn_ptrace(RN_PTRACE_GET_SYSCALL_INFO, task->tid, sizeof(info), (uintptr_t)&info) < 0) {
		if (errno == ESRCH)
			return false;
		e->use_syscall_info = false; /* before Linux 5.3 */
		return read_stop(e, task, stop);
	}
	switch (info.op) {
	case RN_SYSCALL_INFO_ENTRY:
	case RN_SYSCALL_INFO_SECCOMP: /* the same members, and one more */
		stop->entry = true;
		nr = info.entry.nr;
		stop->abi = abi_of(info.arch, &nr);
		stop->nr = (int32_t)nr;
		memcpy(stop->args, info.entry.args, sizeof(stop->args));
		stop->sp = info.sp;
		return true;
	case RN_SYSCALL_INFO_EXIT:
		stop->entry = false;
		stop->result = info.exit.rval;
		stop->is_error = info.exit.is_error;
		return true;
	default:
		return false;
	}
}

static bool is_wanted(const struct rn_engine *e, const struct task *task)
{
	const uint64_t *wanted = e->config.wanted;

	if (!wanted)
		return true;
	if (task->nr < 0 || task->nr >= 512)
		return false;
	return wanted[task->abi * RN_ABI_WORDS + (unsigned)task->nr / 64u] >> (task->nr % 64) & 1u;
}

static bool is_restart_syscall(const struct stop *stop)
{
	const char *name = rn_syscall(stop->abi, stop->nr)->name;

	return name && strcmp(name, "restart_syscall") == 0;
}

/* Whether this entry goes on with the call that the last exit interrupted. */
static uint16_t restarted(const struct task *task, const struct stop *stop)
{
	bool same = stop->nr == task->cut.nr && stop->abi == task->cut.abi &&
		    memcmp(stop->args, task->cut.args, sizeof(task->cut.args)) == 0;

	if (task->last_result == -ERESTART_RESTARTBLOCK)
		same = is_restart_syscall(stop);
	return same ? RN_FLAG_RESTARTED : 0;
}

/* Calls in which the engine has something to do, whoever makes them. */
#define NEEDED (RN_CALL_AFFINITY | RN_CALL_FORK | RN_CALL_EXEC)

static void on_silent_entry(struct rn_engine *e, struct task *task)
{
	bool guarded = rn_is_guarded(e, task);

	task->wanted = false;
	/* Its return is of no interest, either. */
	task->in_call = task->stepping || guarded || task->desc->flags & NEEDED;
	if (guarded)
		rn_guard_entry(e, task);
	if (task->desc->flags & NEEDED)
		rn_cpu_before_call(e, task);
}

/*
 * rt_sigreturn takes no argument but the stack, where the mask lies that comes back: in the
 * ucontext, which aarch64 puts behind a siginfo. 0: not known there.
 */
static uint64_t saved_mask(const struct stop *stop)
{
	if (!stop->sp)
		return 0;
	switch (stop->abi) {
	case RN_ABI_X86_64:
		return stop->sp + 296;
	case RN_ABI_AARCH64:
		return stop->sp + 128 + 40;
	default:
		return 0;
	}
}

static void on_entry(struct rn_engine *e, struct task *task, const struct stop *stop)
{
	uint16_t flags = task->last_result ? restarted(task, stop) : 0;

	task->last_result = 0;
	task->in_call = true;
	task->abi = stop->abi;
	task->nr = stop->nr;
	task->desc = rn_syscall(stop->abi, stop->nr);
	memcpy(task->args, stop->args, sizeof(task->args));
	if (task->desc->flags & RN_CALL_NO_RESULT)
		task->args[0] = saved_mask(stop);
	task->t_entry = e->now;
	task->stime_entry = e->stime;
	if (task->desc->flags & RN_CALL_FORK)
		task->clone_flags = rn_clone_flags(e, task);
	if (task->silent) {
		on_silent_entry(e, task);
		return;
	}
	if (task->hidden) {
		if (!(task->desc->flags & RN_CALL_EXEC)) {
			task->wanted = false;
			return;
		}
		task->hidden = false;
	}
	if (rn_take_marker(e, task)) {
		task->wanted = false;
		/* It fails by itself: its return is of no interest. */
		task->in_call = task->stepping || !e->filter.on;
		return;
	}
	task->wanted = is_wanted(e, task);
	if (task->wanted) {
		rn_emit_flush_pending(e);
		rn_record_begin(e, &e->entry, RN_SYSCALL_ENTER, task);
		e->entry.ev.abi = task->abi;
		e->entry.ev.nr = task->nr;
		e->entry.ev.flags = flags;
		memcpy(e->entry.ev.args, task->args, sizeof(task->args));
		rn_thread_context(e, task, &e->entry);
		rn_source_at_entry(e, task, &e->entry);
		rn_capture_entry(e, task, &e->entry);
		rn_states_at_entry(e, task, &e->entry);
		if (task->desc->flags & (RN_CALL_NO_RETURN | RN_CALL_EXEC))
			rn_peak_add(e, task, &e->entry);
		rn_emit_entry(e, task);
		atomic_fetch_add_explicit(&e->counters.calls, 1, memory_order_relaxed);
	}
	if (rn_is_guarded(e, task))
		rn_guard_entry(e, task);
	if (task->desc->flags & NEEDED)
		rn_cpu_before_call(e, task);
}

static void on_return(struct rn_engine *e, struct task *task, struct stop *stop)
{
	uint16_t flags = 0;
	bool had_entry = task->in_call;

	if (had_entry)
		rn_cpu_saw_call(e, e->now - task->t_entry);
	task->in_call = false;
	if (task->cut.result && had_entry && task->desc->flags & RN_CALL_NO_RESULT) {
		/* The end of a handler: a call is begun anew if its number is in the register. */
		if (!stop->is_error && stop->result == task->cut.nr)
			task->last_result = task->cut.result;
		task->cut.result = 0;
	}
	if (task->repin)
		rn_cpu_after_call(e, task);
	if (task->guard)
		rn_guard_exit(e, task, &stop->result, &stop->is_error);
	if (task->hidden && had_entry && e->filter.len &&
	    task->nr == rn_guarded_number(task->abi, GUARDED_SECCOMP)) {
		rn_filter_installed(e, stop->result);
		rn_cpu_filtered(e);
	}
	if (had_entry) {
		rn_space_after_call(e, task, stop->result);
		rn_process_context(e, task);
	}
	if (task->hidden || !had_entry || !task->wanted)
		return;
	if (stop->is_error && looks_like_error(stop->result) &&
	    !(task->desc->flags & RN_CALL_NO_RESULT)) {
		int64_t err = -stop->result;

		flags = RN_FLAG_FAILED;
		if (err >= ERESTARTSYS && err <= ERESTART_RESTARTBLOCK) {
			flags = RN_FLAG_INTERRUPTED;
			task->last_result = stop->result;
			task->cut.result = stop->result;
			task->cut.nr = task->nr;
			task->cut.abi = task->abi;
			memcpy(task->cut.args, task->args, sizeof(task->cut.args));
		}
	}
	rn_emit_exit(e, task, stop->result, flags);
}

void rn_on_syscall_stop(struct rn_engine *e, struct task *task)
{
	struct stop stop;

	if (!read_stop(e, task, &stop))
		return; /* gone: its death is reported on its own */
	if (stop.entry)
		on_entry(e, task, &stop);
	else
		on_return(e, task, &stop);
}

void rn_on_seccomp_stop(struct rn_engine *e, struct task *task)
{
	struct stop stop;
	unsigned long data;

	if (rn_ptrace(RN_PTRACE_GETEVENTMSG, task->tid, 0, (uintptr_t)&data) < 0)
		return;
	if (data != e->filter.cookie) {
		rn_guard_foreign(e, task);
		return;
	}
	/* One that stops at every call has stopped at this one before. */
	if (task->in_call || !read_stop(e, task, &stop))
		return;
	on_entry(e, task, &stop);
}
