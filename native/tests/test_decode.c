/* SPDX-License-Identifier: MIT */
/* Arguments as text, by every kind. */
#include <errno.h>

#include "decode/decode.h"
#include "sample.h"

static const enum rn_abi abis[] = {RN_ABI_X86_64, RN_ABI_I386, RN_ABI_AARCH64};

static void test_signals(struct rn_buf *buf)
{
	static const struct {
		int sig;
		const char *text;
	} cases[] = {{2, "SIGINT"},    {31, "SIGSYS"}, {32, "SIGRTMIN"}, {35, "SIGRT_3"},
		     {64, "SIGRT_32"}, {65, "65"},     {0, "0"},         {-7, "-7"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rn_format_signal(buf, cases[i].sig);
		CHECK_STR(taken(buf), cases[i].text);
	}
}

static const char *arg_text(struct rn_buf *buf, const struct sample *s, unsigned arg)
{
	rn_format_arg(buf, &s->call, arg, 32);
	return taken(buf);
}

static void test_number_kinds(struct rn_buf *buf, struct sample *s)
{
	sample(s, "openat", ARGS(0xffffff9cu, 0, 0x80000, 0644));
	CHECK_STR(arg_text(buf, s, 0), "AT_FDCWD");
	CHECK_STR(arg_text(buf, s, 1), "NULL");
	CHECK_STR(arg_text(buf, s, 2), "O_RDONLY|O_CLOEXEC");
	CHECK_STR(arg_text(buf, s, 3), "0644");
	CHECK(rn_arg_is_void(&s->call, 3));
	s->call.args[2] |= 0100; /* O_CREAT */
	CHECK(!rn_arg_is_void(&s->call, 3));
	s->call.args[2] = 020000000 | 2; /* O_TMPFILE | O_RDWR */
	CHECK(!rn_arg_is_void(&s->call, 3));
	s->call.args[0] = 7;
	s->call.args[2] = 0;
	s->call.args[3] = 0;
	CHECK_STR(arg_text(buf, s, 0), "7");
	CHECK_STR(arg_text(buf, s, 2), "O_RDONLY");
	CHECK_STR(arg_text(buf, s, 3), "000");
	s->call.args[3] = 7;
	CHECK_STR(arg_text(buf, s, 3), "007");
	s->call.args[3] = 0xffffffffffff0000 | 0600; /* umode_t is 16 bits */
	CHECK_STR(arg_text(buf, s, 3), "0600");
	/* Beyond the arguments: nothing, and no reading outside. */
	CHECK_STR(arg_text(buf, s, 4), "");
	CHECK_STR(arg_text(buf, s, 4000000000u), "");

	sample(s, "mmap", ARGS(0, UINT64_MAX, 3, 0x22, UINT64_MAX, 0x1000));
	CHECK_STR(arg_text(buf, s, 0), "NULL");
	CHECK_STR(arg_text(buf, s, 1), "18446744073709551615");
	CHECK_STR(arg_text(buf, s, 4), "-1");
	CHECK_STR(arg_text(buf, s, 5), "0x1000");
	s->call.args[0] = 0x7fffdeadbeef;
	CHECK_STR(arg_text(buf, s, 0), "0x7fffdeadbeef");

	sample(s, "lseek", ARGS(0x1ffffffff, (uint64_t)INT64_MIN, 0x1ffffffff));
	CHECK_STR(arg_text(buf, s, 0), "-1");
	CHECK_STR(arg_text(buf, s, 1), "-9223372036854775808");
	CHECK_STR(arg_text(buf, s, 2), "0xffffffff /* SEEK_??? */");
	sample_nr(s, RN_ABI_I386, rn_syscall_number(RN_ABI_I386, "lseek"), ARGS(1, 0xfffffff6, 2));
	CHECK_STR(arg_text(buf, s, 1), "-10");

	sample(s, "kill", ARGS(0xffffffff, 9));
	CHECK_STR(arg_text(buf, s, 0), "-1");
	CHECK_STR(arg_text(buf, s, 1), "SIGKILL");
	sample(s, "clone3", ARGS(0x1000, 88));
	CHECK_STR(arg_text(buf, s, 0), "0x1000");
	sample_nr(s, RN_ABI_X86_64, 99999, ARGS(0, UINT64_MAX));
	CHECK_STR(arg_text(buf, s, 0), "0");
	CHECK_STR(arg_text(buf, s, 1), "0xffffffffffffffff");
}

/* As strace 6.1 names the same values. */
static void test_names(struct rn_buf *buf, struct sample *s)
{
	static const struct {
		const char *call;
		unsigned arg;
		uint64_t value;
		const char *text;
	} cases[] = {
		{"openat", 2, 02100, "O_RDONLY|O_CREAT|O_APPEND"},
		{"openat", 2, 04010000 | 0200000, "O_RDONLY|O_SYNC|O_DIRECTORY"},
		{"openat", 2, 020200002, "O_RDWR|O_TMPFILE"},
		{"openat", 2, 0xffffffff00000003, "O_ACCMODE"},
		{"openat", 2, 0x80000001, "O_WRONLY|0x80000000"},
		{"access", 1, 0, "F_OK"},
		{"access", 1, 5, "R_OK|X_OK"},
		{"access", 1, 0x18, "0x18 /* ?_OK */"},
		{"mmap", 2, 0, "PROT_NONE"},
		{"mmap", 2, 7, "PROT_READ|PROT_WRITE|PROT_EXEC"},
		{"mmap", 2, 0x100000001, "PROT_READ|0x100000000"},
		{"mmap", 3, 0x22, "MAP_PRIVATE|MAP_ANONYMOUS"},
		{"mmap", 3, 0x812, "MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE"},
		{"lseek", 2, 1, "SEEK_CUR"},
		{"lseek", 2, 9, "0x9 /* SEEK_??? */"},
		{"futex", 1, 0x80, "FUTEX_WAIT_PRIVATE"},
		{"futex", 1, 0x189, "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME"},
		{"socket", 0, 10, "AF_INET6"},
		{"socket", 1, 0x80801, "SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK"},
		{"rt_sigprocmask", 0, 2, "SIG_SETMASK"},
		{"wait4", 2, 0x3, "WNOHANG|WSTOPPED"},
		{"prlimit64", 1, 7, "RLIMIT_NOFILE"},
		{"arch_prctl", 0, 0x1002, "ARCH_SET_FS"},
		{"ioctl", 1, 0x5401, "TCGETS"},
		{"ioctl", 1, 0x5413, "TIOCGWINSZ"},
		{"ioctl", 1, 0x12345, "_IOC(_IOC_NONE, 0x23, 0x45, 0x1)"},
		{"getrandom", 2, 1, "GRND_NONBLOCK"},
		{"getrandom", 2, 0, "0"},
		{"umount2", 1, 2, "MNT_DETACH"},
		{"ioctl", 1, 0x5403, "SNDCTL_TMR_STOP or TCSETSW"},
		{"ioprio_set", 2, 0x4004, "IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 4)"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sample(s, cases[i].call, ARGS(0));
		s->call.args[cases[i].arg] = cases[i].value;
		CHECK_STR(arg_text(buf, s, cases[i].arg), cases[i].text);
	}
	/* Flags that another machine numbers otherwise. */
	sample_nr(s, RN_ABI_AARCH64, rn_syscall_number(RN_ABI_AARCH64, "openat"),
		  ARGS(0, 0, 040000 | 0100000));
	CHECK_STR(arg_text(buf, s, 2), "O_RDONLY|O_NOFOLLOW|O_DIRECTORY");
}

static void test_integers(void)
{
	char got[RN_NUMBER_MAX], want[RN_NUMBER_MAX];
	uint64_t value = 1;

	for (int i = 0; i < 4000; i++) {
		uint64_t n = value >> (i % 64);

		*rn_write_u64(got, n) = 0;
		snprintf(want, sizeof(want), "%llu", (unsigned long long)n);
		CHECK_STR(got, want);
		*rn_write_i64(got, (int64_t)n) = 0;
		snprintf(want, sizeof(want), "%lld", (long long)n);
		CHECK_STR(got, want);
		*rn_write_hex(got, n) = 0;
		snprintf(want, sizeof(want), "%#llx", (unsigned long long)n);
		CHECK_STR(got, want);
		*rn_write_octal(got, n) = 0;
		snprintf(want, sizeof(want), "%#03llo", (unsigned long long)n);
		CHECK_STR(got, want);
		value = value * 6364136223846793005ull + 1442695040888963407ull;
	}
}

static void test_strings(struct rn_buf *buf, struct sample *s)
{
	static const char hostile[] = "\0018\0019\0017\t\n\v\f\r\a\b\33\"\\\303\251\0";
	char longer[4096];

	sample(s, "write", ARGS(1, 0x1000, sizeof(hostile) - 1));
	sample_piece(s, RN_PIECE_BUFFER, 1, hostile, sizeof(hostile) - 1, sizeof(hostile) - 1, 0);
	/* As strace 6.1 quotes the same bytes. */
	CHECK_STR(arg_text(buf, s, 1),
		  "\"\\18\\19\\0017\\t\\n\\v\\f\\r\\7\\10\\33\\\"\\\\\\303\\251\\0\"");

	memset(longer, 'x', sizeof(longer));
	sample(s, "write", ARGS(1, 0x1000, 4096));
	sample_piece(s, RN_PIECE_BUFFER, 1, longer, 32, 4096, RN_PIECE_CUT);
	CHECK_STR(arg_text(buf, s, 1), "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"...");
	sample(s, "write", ARGS(1, 0x1000, 33));
	sample_piece(s, RN_PIECE_BUFFER, 1, longer, 33, 33, 0);
	CHECK_STR(arg_text(buf, s, 1), "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"...");
	sample(s, "write", ARGS(1, 0x1000, 0));
	CHECK_STR(arg_text(buf, s, 1), "\"\"");
	sample(s, "write", ARGS(1, 0x1000, 3));
	CHECK_STR(arg_text(buf, s, 1), "0x1000");
	sample_piece(s, RN_PIECE_BUFFER, 1, NULL, 0, 3, RN_PIECE_UNREAD);
	CHECK_STR(arg_text(buf, s, 1), "0x1000");

	sample(s, "chdir", ARGS(0x1000));
	sample_piece(s, RN_PIECE_PATH, 0, longer, 100, 100, 0);
	CHECK_INT(strlen(arg_text(buf, s, 0)), 102); /* a path is not cut at -s */
	sample(s, "chdir", ARGS(0x1000));
	sample_piece(s, RN_PIECE_PATH, 0, "/a", 2, 2, RN_PIECE_CUT);
	CHECK_STR(arg_text(buf, s, 0), "\"/a\"...");
	sample(s, "chdir", ARGS(8));
	sample_piece(s, RN_PIECE_PATH, 0, NULL, 0, 0, RN_PIECE_UNREAD);
	CHECK_STR(arg_text(buf, s, 0), "0x8");
	/* A piece of another type than the argument's is not believed. */
	sample(s, "chdir", ARGS(8));
	sample_piece(s, RN_PIECE_ENVC, 0, "/a", 2, 2, 0);
	CHECK_STR(arg_text(buf, s, 0), "0x8");

	sample(s, "memfd_create", ARGS(0x1000, 1));
	sample_piece(s, RN_PIECE_STRING, 0, longer, 40, 40, 0);
	CHECK_STR(arg_text(buf, s, 0), "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"...");
}

static void test_lists(struct rn_buf *buf, struct sample *s)
{
	static const char argv[] = "sh\0-c\0\0echo \"hi\"\n";
	char many[128];
	uint64_t count = 20;

	sample(s, "execve", ARGS(0x1000, 0x2000, 0x3000));
	sample_piece(s, RN_PIECE_ARGV, 1, argv, sizeof(argv), 4, 0);
	sample_piece(s, RN_PIECE_ENVC, 2, &count, sizeof(count), count, 0);
	CHECK_STR(arg_text(buf, s, 1), "[\"sh\", \"-c\", \"\", \"echo \\\"hi\\\"\\n\"]");
	CHECK_STR(arg_text(buf, s, 2), "0x3000 /* 20 vars */");

	sample(s, "execve", ARGS(0x1000, 0x2000, 0x3000));
	sample_piece(s, RN_PIECE_ARGV, 1, NULL, 0, 0, 0);
	count = 1;
	sample_piece(s, RN_PIECE_ENVC, 2, &count, sizeof(count), count, RN_PIECE_CUT);
	CHECK_STR(arg_text(buf, s, 1), "[]");
	CHECK_STR(arg_text(buf, s, 2), "0x3000 /* 1 var, unterminated */");

	/* More strings than were captured, the last one cut. */
	sample(s, "execve", ARGS(0x1000, 0x2000, 0));
	sample_piece(s, RN_PIECE_ARGV, 1, "a\0bc", 5, 9, RN_PIECE_CUT);
	sample_piece(s, RN_PIECE_ENVC, 2, &count, sizeof(count), count, 0);
	CHECK_STR(arg_text(buf, s, 1), "[\"a\", \"bc\"..., ...]");
	CHECK_STR(arg_text(buf, s, 2), "NULL");
	/* All that was captured is whole, but there was one more. */
	sample(s, "execve", ARGS(0x1000, 0x2000, 0));
	sample_piece(s, RN_PIECE_ARGV, 1, "a", 2, 2, 0);
	CHECK_STR(arg_text(buf, s, 1), "[\"a\", ...]");
	/* No NUL at the end. */
	sample(s, "execve", ARGS(0x1000, 0x2000, 0x3000));
	sample_piece(s, RN_PIECE_ARGV, 1, "a\0bc", 4, 2, 0);
	sample_piece(s, RN_PIECE_ENVC, 2, &count, 3, count, 0);
	CHECK_STR(arg_text(buf, s, 1), "[\"a\", \"bc\"]");
	CHECK_STR(arg_text(buf, s, 2), "0x3000");
	sample(s, "execve", ARGS(0x1000, 0x2000, 0));
	sample_piece(s, RN_PIECE_ARGV, 1, NULL, 0, 0, RN_PIECE_UNREAD);
	CHECK_STR(arg_text(buf, s, 1), "0x2000");

	/* Only as many strings as -s has bytes, as strace does. */
	memset(many, 0, sizeof(many));
	sample(s, "execve", ARGS(0x1000, 0x2000, 0));
	sample_piece(s, RN_PIECE_ARGV, 1, many, 40, 40, 0);
	rn_format_arg(buf, &s->call, 1, 3);
	CHECK_STR(taken(buf), "[\"\", \"\", \"\", ...]");
}

static void test_filled_by_the_call(struct rn_buf *buf, struct sample *s)
{
	static const int32_t pair[2] = {3, -4};
	static const struct {
		uint32_t status;
		const char *text;
	} statuses[] = {
		{0x0300, "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]"},
		{0x0009, "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}]"},
		{0x008b, "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}]"},
		{0x137f, "[{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}]"},
		{0xffff, "[{WIFCONTINUED(s)}]"},
		{0x80057f, "[{WIFSTOPPED(s) && WSTOPSIG(s) == SIGTRAP} | 128<<16]"},
		{0xffffffff, "[{WIFSTOPPED(s) && WSTOPSIG(s) == 255} | 65535<<16]"},
	};

	sample(s, "read", ARGS(3, 0x1000, 100));
	sample_result(s, 3);
	CHECK_STR(arg_text(buf, s, 1), "0x1000"); /* not captured */
	sample_piece(s, RN_PIECE_BUFFER, 1, "a\0b", 3, 3, RN_PIECE_AT_EXIT);
	CHECK_STR(arg_text(buf, s, 1), "\"a\\0b\"");
	sample(s, "read", ARGS(3, 0x1000, 100));
	sample_result(s, 0);
	CHECK_STR(arg_text(buf, s, 1), "\"\"");
	sample(s, "read", ARGS(3, 0x1000, 100));
	sample_result(s, -EAGAIN);
	CHECK_STR(arg_text(buf, s, 1), "0x1000");
	sample(s, "read", ARGS(3, 0x1000, 100));
	sample_result(s, -512);
	CHECK_STR(arg_text(buf, s, 1), "0x1000");

	sample(s, "getcwd", ARGS(0x1000, 100));
	sample_piece(s, RN_PIECE_PATH, 0, "/tmp", 5, 5, RN_PIECE_AT_EXIT);
	sample_result(s, 5);
	CHECK_STR(arg_text(buf, s, 0), "\"/tmp\"");
	sample(s, "readlink", ARGS(0x1000, 0x2000, 4));
	sample_piece(s, RN_PIECE_PATH, 1, "/tmp", 4, 4, RN_PIECE_AT_EXIT);
	sample_path(s, 0, "link");
	sample_result(s, 4);
	CHECK_STR(arg_text(buf, s, 0), "\"link\"");
	CHECK_STR(arg_text(buf, s, 1), "\"/tmp\"");
	sample_result(s, -EINVAL);
	CHECK_STR(arg_text(buf, s, 1), "0x2000");

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		sample(s, "wait4", ARGS(UINT32_MAX, 0x1000, 0, 0));
		sample_piece(s, RN_PIECE_STRUCT, 1, &statuses[i].status, 4, 4, RN_PIECE_AT_EXIT);
		sample_result(s, 7);
		CHECK_STR(arg_text(buf, s, 1), statuses[i].text);
		sample_result(s, 0);
		CHECK_STR(arg_text(buf, s, 1), "0x1000");
	}
	sample(s, "wait4", ARGS(UINT32_MAX, 0, 0, 0));
	sample_result(s, 7);
	CHECK_STR(arg_text(buf, s, 1), "NULL");

	sample(s, "pipe2", ARGS(0x1000, 0));
	sample_piece(s, RN_PIECE_STRUCT, 0, pair, 8, 8, RN_PIECE_AT_EXIT);
	sample_result(s, 0);
	CHECK_STR(arg_text(buf, s, 0), "[3, -4]");
	sample(s, "pipe2", ARGS(0x1000, 0));
	sample_piece(s, RN_PIECE_STRUCT, 0, pair, 7, 8, RN_PIECE_AT_EXIT);
	sample_result(s, 0);
	CHECK_STR(arg_text(buf, s, 0), "0x1000");
	sample(s, "waitid", ARGS(0, 0, 0x1000, 4, 0));
	CHECK_STR(arg_text(buf, s, 2), "0x1000");
}

/* Whatever a piece holds, text is printable ASCII and within the room that was asked for. */
static void test_hostile(struct rn_buf *buf, struct sample *s)
{
	uint8_t bytes[2048];
	uint64_t random = 42;

	for (int round = 0; round < 20000; round++) {
		int nr = (int)((random >> 20) % 480);
		size_t len = (random >> 40) % 64 == 0 ? sizeof(bytes) : (random >> 40) % 40;
		bool zeros = (random >> 50) % 4 == 0;

		for (size_t i = 0; i < len; i++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			bytes[i] = zeros && random >> 62 ? 0 : (uint8_t)(random >> 33);
		}
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		sample_nr(s, abis[round % 3], nr,
			  ARGS(random, random >> 8, random >> 16, random >> 24, random << 9,
			       ~random));
		for (unsigned arg = 0; arg < s->call.desc->nargs; arg++) {
			bool out = rn_kind_is_out(s->call.desc->args[arg].kind);
			unsigned type = 1 + (unsigned)(random >> (8 + arg)) % 9;

			switch (s->call.desc->args[arg].kind) {
			case RN_ARG_ARGV:
				type = RN_PIECE_ARGV;
				break;
			case RN_ARG_ENVP:
				type = RN_PIECE_ENVC;
				break;
			case RN_ARG_PATH:
				type = RN_PIECE_PATH;
				break;
			case RN_ARG_BUF_IN:
			case RN_ARG_BUF_OUT:
				type = RN_PIECE_BUFFER;
				break;
			case RN_ARG_STRING:
				break;
			default:
				type = RN_PIECE_STRUCT;
			}
			sample_piece(s, type, arg, bytes, len, random,
				     (out ? RN_PIECE_AT_EXIT : 0u) | (random >> 30 & RN_PIECE_CUT));
		}
		sample_result(s, (int64_t)(random >> 60) - 2);
		for (unsigned arg = 0; arg < s->call.desc->nargs; arg++)
			rn_format_arg(buf, &s->call, arg, (uint32_t)(random >> (random >> 59)));
		CHECK(!buf->failed && buf->len <= rn_call_room(&s->call));
		for (size_t i = 0; i < buf->len; i++)
			if (buf->data[i] < 0x20 || buf->data[i] > 0x7e)
				CHECK(!"a byte that is not printable ASCII");
		buf->len = 0;
	}
}

int main(void)
{
	static struct sample s;
	struct rn_buf buf;

	rn_buf_init(&buf);
	test_signals(&buf);
	test_integers();
	test_number_kinds(&buf, &s);
	test_names(&buf, &s);
	test_strings(&buf, &s);
	test_lists(&buf, &s);
	test_filled_by_the_call(&buf, &s);
	test_hostile(&buf, &s);
	rn_buf_deinit(&buf);
	return check_done();
}
