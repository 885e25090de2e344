/* SPDX-License-Identifier: MIT */
/* Rows: quoted, printable, no formula, whatever stands in a call. */
#include "sample.h"

static struct sample s;
static struct rn_buf buf;
static struct rn_process process = {.pid = 7, .name = (char *)"cat"};
static const struct rn_trace trace = {
	.realtime_anchor = 1700000000000000000u, .string_limit = 32, .payload = true};

static const char *row(void)
{
	s.call.process = &process;
	s.call.pid = 7;
	s.call.tid = 8;
	s.call.t0 = 5;
	s.call.t1 = 1000000042;
	rn_csv_call(&buf, &trace, &s.call);
	return taken(&buf);
}

#define HEAD(name) "1700000000.000000005,7,8,\"cat\"," name ","
#define TIME ",1.000000037\r\n"

static void test_rows(void)
{
	sample(&s, "openat", ARGS(0xffffff9cu, 0x1000, 0x80000, 0x77));
	sample_path(&s, 1, "a,b \"c\"\r\n");
	sample_result(&s, 3);
	CHECK_STR(row(), HEAD("openat") "\"AT_FDCWD, \"\"a,b \\\"\"c\\\"\"\\r\\n\"\", "
					"O_RDONLY|O_CLOEXEC\",3," TIME);
	sample(&s, "close", ARGS(0xffffffffu));
	sample_result(&s, -9);
	s.call.flags |= RN_FLAG_FAILED;
	CHECK_STR(row(), HEAD("close") "\"'-1\",-1,EBADF" TIME);
	sample(&s, "brk", ARGS(0));
	sample_result(&s, 0x5000);
	CHECK_STR(row(), HEAD("brk") "\"NULL\",0x5000," TIME);
	sample(&s, "umask", ARGS(022));
	sample_result(&s, 0644);
	CHECK_STR(row(), HEAD("umask") "\"022\",0644," TIME);
	sample(&s, "pause", ARGS(0));
	sample_result(&s, -514);
	s.call.flags |= RN_FLAG_INTERRUPTED;
	CHECK_STR(row(), HEAD("pause") "\"\",,ERESTARTNOHAND" TIME);
	sample(&s, "exit_group", ARGS(1));
	s.call.flags |= RN_FLAG_UNFINISHED;
	CHECK_STR(row(), HEAD("exit_group") "\"1\",,,\r\n");
	sample_nr(&s, RN_ABI_X86_64, -1, ARGS(0));
	sample_result(&s, -4095);
	s.call.flags |= RN_FLAG_FAILED;
	CHECK_STR(row(), HEAD("syscall_0xffffffff") "\"0, 0, 0, 0, 0, 0\",-1,4095" TIME);
}

static const char *row_of(const char *name)
{
	static char cell[512];
	const char *from, *to;

	process.name = (char *)(uintptr_t)name;
	sample(&s, "getpid", ARGS(0));
	sample_result(&s, 7);
	from = strstr(row(), ",8,") + 3;
	to = strstr(from, ",getpid,");
	CHECK(to != NULL);
	snprintf(cell, sizeof(cell), "%.*s", (int)(to - from), from);
	process.name = (char *)"cat";
	return cell;
}

static void test_names(void)
{
	CHECK_STR(row_of("=cmd|'/c calc'!A0"), "\"'=cmd|'/c calc'!A0\"");
	CHECK_STR(row_of("+1"), "\"'+1\"");
	CHECK_STR(row_of("-1"), "\"'-1\"");
	CHECK_STR(row_of("@x"), "\"'@x\"");
	CHECK_STR(row_of("'x"), "\"''x\""); /* so that it can be undone */
	CHECK_STR(row_of("\t=1"), "\"\\x09=1\"");
	CHECK_STR(row_of("\"\""), "\"\"\"\"\"\"");
	CHECK_STR(row_of("a\\b\xff\r\n"), "\"a\\\\b\\xff\\x0d\\x0a\"");
	CHECK_STR(row_of(""), "\"\"");
}

static void test_gap(void)
{
	struct rn_event ev = {.size = RN_EVENT_HEADER, .kind = RN_GAP, .t0 = 5, .args = {12, 5}};

	rn_csv_gap(&buf, &trace, &ev);
	CHECK_STR(taken(&buf), "1700000000.000000005,,,,(lost),\"12 events, 5 calls\",,,\r\n");
}

int main(void)
{
	rn_buf_init(&buf);
	test_rows();
	test_names();
	test_gap();
	rn_buf_deinit(&buf);
	return check_done();
}
