/* SPDX-License-Identifier: MIT */
/* The tables of calls, errno values and signals. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "check.h"
#include "decode/decode.h"
#include "renacer/api.h"
#include "renacer/ids.h"

/* The C library's own names, an independent source: glibc has them since 2.32. */
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 32)
#define HAVE_LIBC_NAMES
#endif
#endif

static const enum rn_abi abis[] = {RN_ABI_X86_64, RN_ABI_I386, RN_ABI_AARCH64};

static void test_numbers(void)
{
	CHECK_STR(rn_syscall(RN_ABI_X86_64, 0)->name, "read");
	CHECK_STR(rn_syscall(RN_ABI_X86_64, 257)->name, "openat");
	CHECK_STR(rn_syscall(RN_ABI_I386, 3)->name, "read");
	CHECK_STR(rn_syscall(RN_ABI_I386, 295)->name, "openat");
	CHECK_STR(rn_syscall(RN_ABI_AARCH64, 63)->name, "read");
	CHECK_STR(rn_syscall(RN_ABI_AARCH64, 56)->name, "openat");
	for (size_t i = 0; i < sizeof(abis) / sizeof(abis[0]); i++) {
		CHECK_STR(rn_syscall(abis[i], 435)->name, "clone3");
		CHECK_INT(rn_syscall_number(abis[i], "clone3"), 435);
		CHECK_INT(rn_syscall_number(abis[i], "nosuchcall"), -1);
		CHECK_INT(rn_syscall_number(abis[i], ""), -1);
		CHECK_INT(rn_syscall_number(abis[i], "\xff"), -1);
		CHECK_INT(rn_syscall_number(abis[i], NULL), -1);
		CHECK(rn_syscall_limit(abis[i]) > 450);
	}
	CHECK_INT(rn_syscall_number(RN_ABI_AARCH64, "open"), -1);
	CHECK_INT(rn_syscall_number(RN_ABI_X32, "read"), 0);
	CHECK_INT(rn_syscall_number(RN_ABI_X32, "rt_sigaction"), 512);
	CHECK_STR(rn_syscall(RN_ABI_X32, 547)->name, "pwritev2");
	CHECK(!rn_syscall(RN_ABI_X32, 13)->name);
	CHECK_STR(rn_syscall(RN_ABI_ARM, 289)->name, "send");
	CHECK_INT(rn_syscall_number(RN_ABI_ARM, "mmap"), -1);
	CHECK_INT(rn_syscall(RN_ABI_ARM, 180)->args[3].kind, RN_ARG_VOID); /* pread64 */
	for (unsigned abi = 0; abi < RN_ABI_COUNT; abi++)
		CHECK(rn_syscall_limit((enum rn_abi)abi) <= (int)(RN_ABI_WORDS * 64));
	CHECK_INT(rn_syscall_limit(RN_ABI_UNKNOWN), 0);
	CHECK_INT(rn_syscall_limit((enum rn_abi)77), 0);
	CHECK_INT(rn_syscall_number((enum rn_abi)77, "read"), -1);
}

/* The machine's own headers, an independent source of a few of them. */
static void test_numbers_of_this_machine(void)
{
#if defined(__x86_64__) && !defined(__ILP32__)
	enum rn_abi abi = RN_ABI_X86_64;
#elif defined(__aarch64__)
	enum rn_abi abi = RN_ABI_AARCH64;
#elif defined(__i386__)
	enum rn_abi abi = RN_ABI_I386;
#else
	return;
#endif
	CHECK_INT(rn_syscall_number(abi, "write"), SYS_write);
	CHECK_INT(rn_syscall_number(abi, "execve"), SYS_execve);
	CHECK_INT(rn_syscall_number(abi, "wait4"), SYS_wait4);
	CHECK_INT(rn_syscall_number(abi, "exit_group"), SYS_exit_group);
	CHECK_INT(rn_syscall_number(abi, "pipe2"), SYS_pipe2);
	CHECK_INT(rn_syscall_number(abi, "getrandom"), SYS_getrandom);
	CHECK_INT(rn_syscall_number(abi, "restart_syscall"), SYS_restart_syscall);
}

static void test_unknown_numbers(void)
{
	static const int64_t numbers[] = {-1,        400,        99999,    INT64_MAX,
					  INT64_MIN, 0x40000000, 1ll << 32};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const struct rn_syscall_desc *desc = rn_syscall(RN_ABI_X86_64, numbers[i]);

		CHECK(desc->name == NULL);
		CHECK_INT(desc->nargs, 6);
		for (unsigned arg = 0; arg < 6; arg++) {
			CHECK_INT(desc->args[arg].kind, RN_ARG_RAW);
			CHECK(desc->args[arg].name != NULL);
		}
	}
	CHECK(rn_syscall(RN_ABI_UNKNOWN, 0)->name == NULL);
	CHECK(rn_syscall((enum rn_abi)200, 0)->name == NULL);
}

static void test_every_description(void)
{
	for (size_t i = 0; i < sizeof(abis) / sizeof(abis[0]); i++) {
		int known = 0;

		for (int nr = 0; nr < rn_syscall_limit(abis[i]); nr++) {
			const struct rn_syscall_desc *desc = rn_syscall(abis[i], nr);

			if (!desc->name)
				continue;
			known++;
			CHECK_INT(rn_syscall_number(abis[i], desc->name), nr);
			CHECK(desc->nargs <= 6);
			for (unsigned arg = 0; arg < desc->nargs; arg++) {
				const struct rn_arg_desc *how = &desc->args[arg];

				CHECK(how->name && how->name[0]);
				CHECK(how->kind < RN_ARG_KIND_COUNT);
				if (how->kind == RN_ARG_BUF_IN)
					CHECK(how->aux != arg && how->aux < desc->nargs);
				if (how->kind == RN_ARG_STRUCT_IN || how->kind == RN_ARG_STRUCT_OUT)
					CHECK(rn_shape_size(how->form, abis[i]) > 0);
			}
		}
		CHECK(known > 300);
		CHECK(rn_syscall(abis[i], rn_syscall_limit(abis[i]) - 1)->name != NULL);
	}
}

static const struct rn_syscall_desc *call_of(const char *name)
{
	return rn_syscall(RN_ABI_X86_64, rn_syscall_number(RN_ABI_X86_64, name));
}

static void test_kinds_and_flags(void)
{
	const struct rn_syscall_desc *desc = call_of("openat");

	CHECK_INT(desc->nargs, 4);
	CHECK_STR(desc->args[1].name, "filename");
	CHECK_INT(desc->args[0].kind, RN_ARG_DIRFD);
	CHECK_INT(desc->args[1].kind, RN_ARG_PATH);
	CHECK_INT(desc->args[2].kind, RN_ARG_FLAGS);
	CHECK_INT(desc->args[3].kind, RN_ARG_MODE);
	CHECK_INT(desc->flags, RN_CALL_RESULT_FD);
	desc = call_of("sendto");
	CHECK_INT(desc->flags, RN_CALL_MESSAGES);
	CHECK_INT(desc->args[1].kind, RN_ARG_BUF_IN);
	CHECK_INT(desc->args[1].aux, 2);
	CHECK_INT(call_of("recvfrom")->args[1].kind, RN_ARG_BUF_OUT);
	CHECK_INT(call_of("stat")->args[0].kind, RN_ARG_PATH);
	CHECK_INT(rn_shape_size(call_of("clone3")->args[0].form, RN_ABI_X86_64), 88);
	CHECK_INT(rn_shape_size(call_of("waitid")->args[2].form, RN_ABI_X86_64), 128);
	/* Secrets and bulk that have no business in a trace stay addresses. */
	CHECK_INT(call_of("add_key")->args[2].kind, RN_ARG_PTR);
	CHECK_INT(call_of("init_module")->args[0].kind, RN_ARG_PTR);

	CHECK_INT(call_of("exit_group")->flags, RN_CALL_NO_RETURN);
	CHECK_INT(call_of("mmap")->flags, RN_CALL_RESULT_PTR);
	CHECK_INT(call_of("execveat")->flags, RN_CALL_EXEC);
	CHECK_INT(call_of("vfork")->flags, RN_CALL_FORK);
	CHECK_INT(call_of("wait4")->flags, RN_CALL_WAIT);
	CHECK_INT(call_of("setns")->flags, RN_CALL_AFFINITY);
	CHECK_INT(rn_syscall(RN_ABI_I386, rn_syscall_number(RN_ABI_I386, "waitpid"))->flags,
		  RN_CALL_WAIT);

	/* Where ABIs differ. */
	CHECK_STR(rn_syscall(RN_ABI_X86_64, 56)->args[3].name, "child_tidptr");
	CHECK_STR(rn_syscall(RN_ABI_AARCH64, 220)->args[3].name, "tls");
	CHECK_INT(rn_syscall(RN_ABI_I386, rn_syscall_number(RN_ABI_I386, "pread64"))->nargs, 5);
	CHECK_INT(call_of("pread64")->nargs, 4);
}

static void test_errno(void)
{
	CHECK_STR(rn_errno_name(ENOENT), "ENOENT");
	CHECK_STR(rn_errno_text(ENOENT), "No such file or directory");
	CHECK_STR(rn_errno_name(EAGAIN), "EAGAIN");
	CHECK_STR(rn_errno_name(512), "ERESTARTSYS");
	CHECK_STR(rn_errno_text(516), "Interrupted by signal");
	CHECK_STR(rn_errno_name(0), NULL);
	CHECK_STR(rn_errno_name(-1), NULL);
	CHECK_STR(rn_errno_name(41), NULL);
	CHECK_STR(rn_errno_text(4095), NULL);
	CHECK_STR(rn_errno_name(INT32_MIN), NULL);
#ifdef HAVE_LIBC_NAMES
	for (int err = 1; err < 134; err++) {
		const char *name = strerrorname_np(err);

		CHECK_STR(rn_errno_name(err), name);
		if (name)
			CHECK_STR(rn_errno_text(err), strerrordesc_np(err));
	}
#endif
	CHECK(rn_errno_is_routine(ENOENT));
	CHECK(rn_errno_is_routine(EAGAIN));
	CHECK(rn_errno_is_routine(EINTR));
	CHECK(rn_errno_is_routine(ECHILD));
	CHECK(rn_errno_is_routine(512));
	CHECK(!rn_errno_is_routine(EACCES));
	CHECK(!rn_errno_is_routine(EFAULT));
	CHECK(!rn_errno_is_routine(ECONNREFUSED));
	CHECK(!rn_errno_is_routine(0));
	CHECK(!rn_errno_is_routine(99999));
	CHECK(!rn_errno_is_routine(-1));
}

static void test_signals(void)
{
	CHECK_STR(rn_signal_name(0), NULL);
	CHECK_STR(rn_signal_name(32), NULL);
	CHECK_STR(rn_signal_name(INT32_MIN), NULL);
#ifdef HAVE_LIBC_NAMES
	for (int sig = 1; sig < 32; sig++) {
		const char *name = sigabbrev_np(sig);

		CHECK(name &&
		      strcmp(rn_signal_name(sig) + 3, strcmp(name, "POLL") ? name : "IO") == 0);
	}
#endif
	CHECK_STR(rn_si_code_name(SIGCHLD, CLD_DUMPED), "CLD_DUMPED");
	CHECK_STR(rn_si_code_name(SIGSEGV, SEGV_ACCERR), "SEGV_ACCERR");
	CHECK_STR(rn_si_code_name(SIGSEGV, SI_TKILL), "SI_TKILL");
	CHECK_STR(rn_si_code_name(SIGUSR1, 1), NULL);
	CHECK_STR(rn_si_code_name(SIGCHLD, INT32_MIN), NULL);
}

/* As Python asks. */
static void test_api_names(void)
{
	struct rn_id_key key = {7, 8};

	CHECK_STR(rn_table_edge(1), "fork");
	CHECK_STR(rn_table_edge(0), NULL);
	CHECK_STR(rn_table_errno(2), "ENOENT");
	CHECK_STR(rn_table_errno(4000), NULL);
	CHECK_STR(rn_table_edge(1000), NULL);
	CHECK_INT(rn_span_counter(7, 8, rn_id_of(&key, 42)), 42);
}

static void test_api_arguments(void)
{
	int nr = rn_table_number(RN_ABI_X86_64, "openat"), kind = -1;
	uint64_t value = 7;

	CHECK_STR(rn_table_argument(RN_ABI_X86_64, nr, 1, &kind), "filename");
	CHECK_INT(kind, RN_ARG_PATH);
	CHECK_STR(rn_table_argument(RN_ABI_X86_64, nr, 4, &kind), NULL);
	CHECK_STR(rn_table_argument(RN_ABI_X86_64, nr, -1, &kind), NULL);
	CHECK_STR(rn_table_argument(RN_ABI_X86_64, 100000, 0, &kind), NULL);
	CHECK_STR(rn_table_argument(77, nr, 0, &kind), NULL);
	CHECK(rn_table_flags(RN_ABI_X86_64, nr) & RN_CALL_RESULT_FD);
	CHECK_INT(rn_table_flags(RN_ABI_X86_64, -1), 0);
	CHECK_INT(rn_table_flags(77, nr), 0);
	CHECK(rn_table_value(RN_ABI_X86_64, nr, 2, "O_CREAT", &value));
	CHECK_INT(value, 0x40);
	/* The machines differ. */
	CHECK(rn_table_value(RN_ABI_X86_64, nr, 2, "O_DIRECTORY", &value));
	CHECK_INT(value, 0x10000);
	/* Which constants it is shown by depends on another argument. */
	nr = rn_table_number(RN_ABI_X86_64, "fcntl");
	CHECK(rn_table_value(RN_ABI_X86_64, nr, 2, "FD_CLOEXEC", &value));
	CHECK_INT(value, 1);
	CHECK(!rn_table_value(RN_ABI_X86_64, nr, 2, "FD_NOTHING", &value));
	nr = rn_table_number(RN_ABI_AARCH64, "openat");
	CHECK(rn_table_value(RN_ABI_AARCH64, nr, 2, "O_DIRECTORY", &value));
	CHECK_INT(value, 0x4000);
	CHECK(!rn_table_value(RN_ABI_AARCH64, nr, 2, "O_NOTHING", &value));
	CHECK(!rn_table_value(RN_ABI_AARCH64, nr, 1, "O_CREAT", &value));
	CHECK_INT(value, 0x4000);
}

int main(void)
{
	test_numbers();
	test_numbers_of_this_machine();
	test_unknown_numbers();
	test_every_description();
	test_kinds_and_flags();
	test_errno();
	test_signals();
	test_api_names();
	test_api_arguments();
	return check_done();
}
