/* SPDX-License-Identifier: MIT */
/*
 * Spans as bytes, without Python: exact bytes and text of small spans, the bounds of
 * large ones (meant for the sanitizers), the buffer and the escape. That the bytes are
 * OTLP is for the official classes to say: tests/encode/.
 */
#include <errno.h>
#include <signal.h>

#include "encode/attributes.h"
#include "sample.h"

static const struct rn_trace trace = {
	.realtime_anchor = 1700000000000000000u,
	.monotonic_anchor = 1000,
	.string_limit = 32,
};

static struct rn_process process;
static struct rn_buf buf;
static struct sample s;
static uint64_t random_state = 88172645463325252u;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static const char *hex_taken(void)
{
	static char hex[4096];
	size_t i;

	CHECK(!buf.failed && 2 * buf.len < sizeof(hex));
	for (i = 0; i < buf.len; i++)
		snprintf(hex + 2 * i, 3, "%02x", buf.data[i]);
	buf.len = 0;
	return hex;
}

static void finish(int64_t result)
{
	memset(process.ctx.trace_id, 0xab, 16);
	process.ctx.tracestate = (char *)(uintptr_t)"";
	s.call.process = &process;
	s.call.trace_id = process.ctx.trace_id;
	s.call.trace_flags = 1;
	s.call.span_id = 0x0102030405060708u;
	s.call.parent_span_id = 0x1112131415161718u;
	s.call.t0 = 1001;
	s.call.t1 = 1003;
	s.call.lamport_start = 7;
	s.call.lamport_end = 300;
	sample_result(&s, result);
}

static void test_exact_bytes(void)
{
	sample(&s, "chdir", ARGS(0x1000));
	sample_path(&s, 0, "/a\xff");
	finish(-EACCES);
	rn_otlp_call(&buf, &trace, &s.call);
	CHECK_STR(hex_taken(),
		  "12b702"
		  "0a10abababababababababababababababab" /* trace_id */
		  "12080102030405060708"                 /* span_id */
		  "22081112131415161718"                 /* parent_span_id */
		  "2a056368646972"                       /* name "chdir" */
		  "3001"                                 /* kind INTERNAL */
		  "3901002a36fe9c9717"                   /* start 1700000000000000001 */
		  "4103002a36fe9c9717"                   /* end 1700000000000000003 */
		  "4a170a0c73797363616c6c2e6e616d6512070a056368646972"
		  "4a140a0e73797363616c6c2e6e756d62657212021850"
		  "4a110a0b73797363616c6c2e7469641202187b"
		  "4a1d0a0e73797363616c6c2e726573756c74120b18f3ffffffffffffffff01"
		  "4a160a0a6572726f722e7479706512080a06454143434553"
		  "4a1b0a1572656e616365722e6c616d706f72742e737461727412021807"
		  "4a1a0a1372656e616365722e6c616d706f72742e656e64120318ac02"
		  "4a210a1573797363616c6c2e617267732e66696c656e616d6512080a062f615c786666"
		  "4a150a0966696c652e7061746812080a062f615c786666"
		  "7a021802"          /* status ERROR */
		  "850101010000");    /* flags 0x101 */
}

static void test_exact_json(void)
{
	sample(&s, "kill", ARGS((uint64_t)-1, SIGTERM));
	finish(0);
	process.ctx.tracestate = (char *)(uintptr_t)"a=\"b\\";
	rn_json_call(&buf, &trace, &s.call);
	CHECK_STR(taken(&buf),
		  "{\"traceId\":\"abababababababababababababababab\","
		  "\"spanId\":\"0102030405060708\",\"traceState\":\"a=\\\"b\\\\\","
		  "\"parentSpanId\":\"1112131415161718\",\"name\":\"kill\",\"kind\":1,"
		  "\"startTimeUnixNano\":\"1700000000000000001\","
		  "\"endTimeUnixNano\":\"1700000000000000003\",\"attributes\":["
		  "{\"key\":\"syscall.name\",\"value\":{\"stringValue\":\"kill\"}},"
		  "{\"key\":\"syscall.number\",\"value\":{\"intValue\":\"62\"}},"
		  "{\"key\":\"syscall.tid\",\"value\":{\"intValue\":\"123\"}},"
		  "{\"key\":\"syscall.result\",\"value\":{\"intValue\":\"0\"}},"
		  "{\"key\":\"renacer.lamport.start\",\"value\":{\"intValue\":\"7\"}},"
		  "{\"key\":\"renacer.lamport.end\",\"value\":{\"intValue\":\"300\"}},"
		  "{\"key\":\"syscall.args.pid\",\"value\":{\"intValue\":\"-1\"}},"
		  "{\"key\":\"syscall.args.sig\",\"value\":{\"stringValue\":\"SIGTERM\"}}],"
		  "\"flags\":257}");
}

static const unsigned kinds[] = {RN_ARG_PATH,     RN_ARG_STRING,     RN_ARG_ARGV,  RN_ARG_ENVP,
				 RN_ARG_PATH_OUT, RN_ARG_BUF_IN,     RN_ARG_FDSET, RN_ARG_IOVEC_IN,
				 RN_ARG_MSG_IN,   RN_ARG_SOCKADDR_IN};
static const enum rn_piece_type types[] = {
	RN_PIECE_PATH,   RN_PIECE_STRING, RN_PIECE_ARGV,   RN_PIECE_ENVC,   RN_PIECE_PATH,
	RN_PIECE_BUFFER, RN_PIECE_STRUCT, RN_PIECE_STRUCT, RN_PIECE_STRUCT, RN_PIECE_STRUCT};

/* A record as long as records get, all of it strings or a structure, mostly of bytes that grow fourfold. */
static void fill_record(uint64_t *memory, unsigned arg_kind, unsigned bytes, int fill)
{
	struct rn_event *ev = (struct rn_event *)memory;
	unsigned arg, i;

	memset(ev, 0, sizeof(*ev));
	ev->kind = RN_SYSCALL;
	ev->size = RN_EVENT_HEADER;
	for (arg = 0; arg < 6; arg++) {
		struct rn_piece *piece = (struct rn_piece *)((uint8_t *)memory + ev->size);
		uint8_t *data = (uint8_t *)(piece + 1);

		memset(piece, 0, sizeof(*piece) + rn_pad8(bytes));
		piece->type = (uint8_t)types[arg_kind];
		piece->arg = (uint8_t)arg;
		piece->len = bytes;
		piece->total = random_u64() >> (random_u64() & 63);
		for (i = 0; i < bytes; i++)
			data[i] = (uint8_t)(fill < 0 ? random_u64() : (unsigned)fill);
		ev->size += (uint32_t)sizeof(*piece) + rn_pad8(bytes);
		ev->pieces++;
	}
	CHECK_INT(rn_event_check(memory, RN_EVENT_MAX), ev->size);
}

static void test_no_span_outgrows_its_room(void)
{
	static uint64_t memory[RN_EVENT_MAX / 8];
	static const int fills[] = {-1, 0, 'a', '\\', 0x80};
	static const unsigned sizes[] = {0, 1, 100, 4096, 16384, 16385, 40000};
	struct rn_arg_desc args[6];
	struct rn_syscall_desc desc = {.name = "f", .nargs = 6, .args = args};
	unsigned kind, fill, size, i;

	sample(&s, "getpid", ARGS(0));
	finish(-EPERM);
	s.call.desc = &desc;
	s.call.flags = 0xffff & ~RN_FLAG_UNFINISHED;
	s.call.entry = s.call.exit = (const struct rn_event *)memory;
	for (i = 0; i < 6; i++) {
		args[i] = (struct rn_arg_desc){.name = "a_name_that_is_longer_than_any_of_the_"
						       "kernel's_own_parameters_would_be"};
		s.call.args[i] = UINT64_MAX;
	}
	for (kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		for (i = 0; i < 6; i++)
			args[i].kind = (uint8_t)kinds[kind];
		for (fill = 0; fill < sizeof(fills) / sizeof(fills[0]); fill++) {
			for (size = 0; size < sizeof(sizes) / sizeof(sizes[0]); size++) {
				fill_record(memory, kind, sizes[size], fills[fill]);
				/* A buffer of exactly the room that is asked for. */
				rn_buf_deinit(&buf);
				rn_otlp_call(&buf, &trace, &s.call);
				CHECK(!buf.failed);
				CHECK(buf.len <= RN_SPAN_STRINGS + RN_SPAN_FIXED);
				CHECK(types[kind] == RN_PIECE_STRUCT ||
				      buf.cap <= RN_SPAN_STRINGS + RN_SPAN_FIXED);
				buf.len = 0;
				rn_json_call(&buf, &trace, &s.call);
				CHECK(!buf.failed && buf.data[buf.len - 1] == '}');
			}
		}
	}
	buf.len = 0;
}

static void test_hostile_processes(void)
{
	static char text[RN_EVENT_MAX];
	struct rn_process p = {.exe = text, .name = text, .nlinks = RN_PROCESS_LINKS};
	struct rn_run_span run = {.engine = text, .command = text, .options = text};
	unsigned i;

	memset(text, '\x01', sizeof(text)); /* not even a NUL */
	for (i = 0; i < RN_PROCESS_LINKS; i++)
		p.links[i].edge = text;
	memset(&run.totals, 0xff, sizeof(run.totals));
	rn_buf_deinit(&buf);
	rn_otlp_process(&buf, &trace, &p);
	CHECK(!buf.failed && buf.len <= RN_SPAN_STRINGS + RN_SPAN_FIXED);
	rn_buf_deinit(&buf);
	rn_otlp_run(&buf, &trace, &run);
	CHECK(!buf.failed && buf.len <= RN_SPAN_STRINGS + RN_SPAN_FIXED);
	buf.len = 0;
}

static void test_cuts(void)
{
	static const struct {
		const char *text;
		uint32_t most;
		bool escaped;
		size_t len;
	} cases[] = {
		{"abc", 0, true, 0},
		{"abc", 2, true, 2},
		{"abc", 3, true, 3},
		{"a\xc3\xa4"
		 "c",
		 2, true, 3},
		{"\xf0\x9f\x98\x80"
		 "c",
		 1, false, 4},
		{"a\\x1b", 4, true, 1}, /* whole escapes only */
		{"a\\x1b", 5, true, 5},
		{"a\\x1b", 4, false, 4},
		{"\\\\b", 1, true, 0},
		{"\\\\b", 2, true, 2},
		{"\\", 1, true, 1},
		{"\\x1", 2, true, 2},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_INT(rn_bounds_cut(cases[i].text, strlen(cases[i].text), cases[i].most,
					cases[i].escaped),
			  cases[i].len);
}

/* Limits only take away: what is left is never more than without. */
static void test_limits(void)
{
	struct rn_limits limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX,
				   UINT32_MAX, UINT32_MAX, UINT32_MAX};
	struct rn_trace limited = trace;
	size_t whole, before = 0;

	limited.limits = &limits;
	sample(&s, "chdir", ARGS(0x1000));
	sample_path(&s, 0, "/a\xff/and more of it");
	finish(-EACCES);
	rn_otlp_call(&buf, &trace, &s.call);
	whole = buf.len;
	buf.len = 0;
	rn_otlp_call(&buf, &limited, &s.call);
	CHECK_INT(buf.len, whole);
	for (limits.attributes = 0; limits.attributes < 12; limits.attributes++) {
		buf.len = 0;
		rn_otlp_call(&buf, &limited, &s.call);
		CHECK(!buf.failed && buf.len >= before);
		before = buf.len > 2 ? buf.len - 2 : 0; /* the count's own bytes */
	}
	for (limits.value_length = 0; limits.value_length < 30; limits.value_length++) {
		buf.len = 0;
		rn_json_call(&buf, &limited, &s.call);
		rn_otlp_call(&buf, &limited, &s.call);
		CHECK(!buf.failed);
	}
	buf.len = 0;
}

static void test_no_memory(void)
{
	struct rn_buf full;

	rn_buf_init(&full);
	rn_buf_put(&full, "ab", 2);
	CHECK(!rn_buf_reserve(&full, SIZE_MAX));
	CHECK(full.failed);
	/* It stays so, and nobody writes any more. */
	rn_buf_put(&full, "c", 1);
	rn_buf_printf(&full, "%d", 1);
	rn_utf8_escape(&full, "d", 1, 1);
	sample(&s, "getpid", ARGS(0));
	finish(1);
	rn_otlp_call(&full, &trace, &s.call);
	rn_json_call(&full, &trace, &s.call);
	CHECK(full.failed);
	CHECK_INT(full.len, 2);
	rn_buf_deinit(&full);
	CHECK(!full.failed && !full.data && !full.cap);
}

static void test_buffer(void)
{
	size_t i;

	buf.len = 0;
	for (i = 0; i < 3000; i++)
		rn_buf_printf(&buf, "%03zu", i % 1000);
	CHECK_INT(buf.len, 9000);
	CHECK(!memcmp(buf.data + 3 * 1999, "999", 3));
	buf.len = 0;
	rn_buf_printf(&buf, "%0200d|", 7); /* longer than its first guess */
	CHECK_INT(buf.len, 201);
	CHECK(buf.data[0] == '0' && buf.data[199] == '7' && buf.data[200] == '|');
	buf.len = 0;
}

static unsigned nibble(uint8_t c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void test_escape_round_trip(void)
{
	static const uint8_t pool[] = {'\\', 0x7f, 0x1f, ' ',  '~',  0xc2, 0x80, 0x9f, 0xa0,
				       0xed, 0xe0, 0xf0, 0xf4, 0x90, 0x8f, 0xbf, 0xff, 0};
	uint8_t *in, back[64];
	unsigned round;

	for (round = 0; round < 100000; round++) {
		size_t len = random_u64() % 40, limit = random_u64() % 50, i, n = 0;
		size_t want = len < limit ? len : limit;

		in = malloc(len + 1); /* so that a read behind its end is seen */
		CHECK(in != NULL);
		for (i = 0; i < len; i++) {
			uint64_t r = random_u64();

			in[i] = r % 3   ? (uint8_t)('a' + (r >> 8) % 26)
				: r & 1 ? pool[(r >> 8) % sizeof(pool)]
					: (uint8_t)(r >> 8);
		}
		in[len] = 0x80; /* would complete a code point */
		rn_utf8_escape(&buf, in, len, limit);
		for (i = 0; i < buf.len;) {
			uint8_t c = buf.data[i];

			CHECK(c >= 0x20 && c != 0x7f);
			if (c != '\\') {
				back[n++] = c;
				i++;
			} else if (buf.data[i + 1] == '\\') {
				back[n++] = c;
				i += 2;
			} else {
				CHECK(buf.data[i + 1] == 'x');
				back[n++] = (uint8_t)(nibble(buf.data[i + 2]) << 4 |
						      nibble(buf.data[i + 3]));
				i += 4;
			}
		}
		CHECK(n <= want && n + 3 >= want);
		CHECK(limit < len || n == len);
		CHECK(!memcmp(in, back, n));
		buf.len = 0;
		free(in);
	}
}

int main(void)
{
	rn_buf_init(&buf);
	test_exact_bytes();
	test_exact_json();
	test_no_span_outgrows_its_room();
	test_hostile_processes();
	test_cuts();
	test_limits();
	test_no_memory();
	test_buffer();
	test_escape_round_trip();
	rn_buf_deinit(&buf);
	return check_done();
}
