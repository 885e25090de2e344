/* SPDX-License-Identifier: MIT */
/* A listing: objects that any JSON reader takes, whatever stands in a call. */
#include "sample.h"

static struct sample s;
static struct rn_buf buf;
static struct rn_listing listing;
static struct rn_process process = {.pid = 7, .name = (char *)"cat"};
static const struct rn_trace trace = {
	.monotonic_anchor = 1000, .string_limit = 32, .payload = true};

static const char *object(void)
{
	s.call.process = &process;
	s.call.pid = 7;
	s.call.tid = 8;
	s.call.t0 = 5000;
	s.call.t1 = 1000042000;
	listing.calls = 0;
	rn_listing_call(&listing, &buf, &trace, &s.call);
	return taken(&buf);
}

#define TIME ",\"duration_us\":1000037,\"duration_ns\":1000037000,\"ts_us\":4"
#define NO_TIME ",\"duration_us\":0,\"duration_ns\":0,\"ts_us\":4"
#define WHO ",\"pid\":7,\"tid\":8,\"process\":"

static void test_objects(void)
{
	sample(&s, "openat", ARGS(0xffffff9cu, 0x1000, 0x80000, 0x77));
	sample_path(&s, 1, "a,b \"c\"\r\n");
	sample_result(&s, 3);
	CHECK_STR(object(), "{\"name\":\"openat\",\"args\":[\"AT_FDCWD\","
			    "\"\\\"a,b \\\\\\\"c\\\\\\\"\\\\r\\\\n\\\"\",\"O_RDONLY|O_CLOEXEC\"],"
			    "\"result\":3" TIME WHO "\"cat\"}");
	sample(&s, "close", ARGS(0xffffffffu));
	sample_result(&s, -9);
	s.call.flags |= RN_FLAG_FAILED;
	CHECK_STR(object(), "{\"name\":\"close\",\"args\":[\"-1\"],\"result\":-9,\"error\":"
			    "\"EBADF\"" TIME WHO "\"cat\"}");
	sample(&s, "pause", ARGS(0));
	sample_result(&s, -514);
	s.call.flags |= RN_FLAG_INTERRUPTED;
	CHECK_STR(object(), "{\"name\":\"pause\",\"args\":[],\"result\":-514,\"error\":"
			    "\"ERESTARTNOHAND\"" TIME WHO "\"cat\"}");
	sample(&s, "exit_group", ARGS(1));
	s.call.flags |= RN_FLAG_UNFINISHED;
	CHECK_STR(object(), "{\"name\":\"exit_group\",\"args\":[\"1\"],\"result\":0,"
			    "\"unfinished\":true" NO_TIME WHO "\"cat\"}");
	sample_nr(&s, RN_ABI_X86_64, -1, ARGS(0));
	sample_result(&s, -4095);
	s.call.flags |= RN_FLAG_FAILED;
	CHECK_STR(object(),
		  "{\"name\":\"syscall_0xffffffff\",\"args\":"
		  "[\"0\",\"0\",\"0\",\"0\",\"0\",\"0\"],\"result\":-4095" TIME WHO "\"cat\"}");
	CHECK_INT((long long)listing.errors, 2);
	CHECK_INT((long long)listing.ns, 4000148000);
}

static void test_names(void)
{
	sample(&s, "getpid", ARGS(0));
	sample_result(&s, 7);
	process.name = (char *)"a\\\"\x01\x7f\xff";
	CHECK_STR(object(), "{\"name\":\"getpid\",\"args\":[],\"result\":7" TIME WHO
			    "\"a\\\\\\\\\\\"\\\\x01\\\\x7f\\\\xff\"}");
	process.name = (char *)"cat";
}

/* A comma between calls, none before the first or behind the last; the counts at the end. */
static void test_document(void)
{
	struct rn_event gap = {.size = RN_EVENT_HEADER, .kind = RN_GAP, .args = {12, 5}};
	const char *text;

	listing = (struct rn_listing){0};
	rn_listing_end(&listing, &buf, 0);
	CHECK_STR(taken(&buf), "\n],\"summary\":{\"total_syscalls\":0,\"total_time_us\":0,"
			       "\"exit_code\":0,\"failed_syscalls\":0,\"lost_syscalls\":0}}\n");
	sample(&s, "getpid", ARGS(0));
	sample_result(&s, 7);
	s.call.process = &process;
	s.call.t1 = s.call.t0 + 1999;
	rn_listing_call(&listing, &buf, &trace, &s.call);
	rn_listing_gap(&listing, &gap);
	rn_listing_call(&listing, &buf, &trace, &s.call);
	rn_listing_end(&listing, &buf, -9);
	text = taken(&buf);
	CHECK(strstr(text, "{\"name\"") == text);
	CHECK(strstr(text, "},\n{\"name\"") != NULL);
	CHECK(strstr(text,
		     "}\n],\"summary\":{\"total_syscalls\":2,\"total_time_us\":3,"
		     "\"exit_code\":-9,\"failed_syscalls\":0,\"lost_syscalls\":5}}\n") != NULL);
}

int main(void)
{
	rn_buf_init(&buf);
	test_objects();
	test_names();
	test_document();
	rn_buf_deinit(&buf);
	return check_done();
}
