/* SPDX-License-Identifier: MIT */
/* Lines of text: what strace 6.1 printed for the same events, structures as addresses. */
#include <errno.h>
#include <signal.h>

#include "encode/text_line.h"
#include "sample.h"

static struct rn_buf buf;
static struct sample s;

static const char *enter_text(struct rn_text *text)
{
	rn_text_enter(text, &buf, &s.call);
	return taken(&buf);
}

static const char *call_text(struct rn_text *text)
{
	rn_text_call(text, &buf, &s.call);
	return taken(&buf);
}

static const char *signal_text(struct rn_text *text, enum rn_kind kind, int sig,
			       const uint64_t args[6])
{
	struct rn_event ev = {.size = RN_EVENT_HEADER, .kind = (uint8_t)kind, .tid = 9, .nr = sig};
	struct rn_signal_event event = {.ev = &ev};

	memcpy(ev.args, args, sizeof(ev.args));
	rn_text_signal(text, &buf, &event);
	return taken(&buf);
}

static const char *exit_text(struct rn_text *text, int32_t tid, uint32_t status, uint32_t live)
{
	struct rn_event ev = {.size = RN_EVENT_HEADER, .kind = RN_EXIT, .tid = tid};

	ev.args[1] = status;
	rn_text_exit(text, &buf, &ev, live);
	return taken(&buf);
}

static void test_whole_calls(void)
{
	struct rn_text *text =
		rn_text_create(&(struct rn_text_config){.flags = 0, .string_limit = 32});

	CHECK(text != NULL);
	sample(&s, "openat", ARGS(0xffffff9cu, 0x1000, 0x80000, 0x77));
	sample_path(&s, 1, "/etc/ld.so.cache");
	sample_result(&s, 3);
	CHECK_STR(call_text(text),
		  "openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY|O_CLOEXEC) = 3\n");
	s.call.args[2] = 0x241;
	s.call.args[3] = 0644;
	CHECK_STR(call_text(text), "openat(AT_FDCWD, \"/etc/ld.so.cache\", "
				   "O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3\n");

	sample(&s, "access", ARGS(0x1000, 4));
	sample_path(&s, 0, "/etc/ld.so.preload");
	sample_result(&s, -ENOENT);
	CHECK_STR(call_text(text), "access(\"/etc/ld.so.preload\", R_OK)      = -1 ENOENT "
				   "(No such file or directory)\n");
	sample(&s, "brk", ARGS(0));
	sample_result(&s, 0x563becd75000);
	CHECK_STR(call_text(text), "brk(NULL)                               = 0x563becd75000\n");
	sample(&s, "mmap", ARGS(0, 8192, 3, 0x22, 0xffffffff, 0));
	sample_result(&s, 0x7f034e317000);
	CHECK_STR(call_text(text), "mmap(NULL, 8192, PROT_READ|PROT_WRITE, "
				   "MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f034e317000\n");
	s.call.result = -4096; /* an address, not an error */
	CHECK_STR(call_text(text), "mmap(NULL, 8192, PROT_READ|PROT_WRITE, "
				   "MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xfffffffffffff000\n");

	sample(&s, "write", ARGS(4, 0x1000, 4));
	sample_piece(&s, RN_PIECE_BUFFER, 1, "\0001x\377", 4, 4, 0);
	sample_result(&s, 4);
	CHECK_STR(call_text(text), "write(4, \"\\0001x\\377\", 4)               = 4\n");
	sample(&s, "getpid", ARGS(0));
	sample_result(&s, 20998);
	CHECK_STR(call_text(text), "getpid()                                = 20998\n");
	sample(&s, "lseek", ARGS(0, 0, 1));
	sample_result(&s, -EBADF);
	s.call.flags = 0; /* no error: as a number */
	CHECK_STR(call_text(text), "lseek(0, 0, SEEK_CUR)                   = -9\n");
	sample(&s, "close", ARGS(7));
	sample_result(&s, -4000);
	CHECK_STR(call_text(text), "close(7)                                = -1 (errno 4000)\n");
	s.call.result = -4096; /* no errno is that large */
	CHECK_STR(call_text(text), "close(7)                                = -4096\n");
	sample_nr(&s, RN_ABI_X86_64, 999, ARGS(1, 2, 3, 4, 5, 6));
	sample_result(&s, -ENOSYS);
	CHECK_STR(call_text(text), "syscall_0x3e7(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS "
				   "(Function not implemented)\n");
	sample_nr(&s, RN_ABI_X86_64, -1, ARGS(0));
	sample_result(&s, -ENOSYS);
	CHECK_STR(call_text(text), "syscall_0xffffffffffffffff(0, 0, 0, 0, 0, 0) = -1 ENOSYS "
				   "(Function not implemented)\n");
	sample(&s, "pipe2", ARGS(0x1000, 0));
	sample_piece(&s, RN_PIECE_STRUCT, 0, ((const int32_t[]){3, 4}), 8, 8, RN_PIECE_AT_EXIT);
	sample_result(&s, 0);
	CHECK_STR(call_text(text), "pipe2([3, 4], 0)                        = 0\n");
	sample(&s, "umask", ARGS(0));
	sample_result(&s, 022);
	CHECK_STR(call_text(text), "umask(000)                              = 022\n");
	sample(&s, "exit_group", ARGS(0));
	CHECK_STR(call_text(text), "exit_group(0)                           = ?\n");
	rn_text_destroy(text);
}

static void test_interrupted(void)
{
	struct rn_text *text =
		rn_text_create(&(struct rn_text_config){.flags = 0, .string_limit = 32});

	sample(&s, "wait4", ARGS(27091, 0x7ffefdda94e0, 0, 0));
	sample_result(&s, -512);
	CHECK_STR(call_text(text), "wait4(27091, 0x7ffefdda94e0, 0, NULL)   = ? ERESTARTSYS "
				   "(To be restarted if SA_RESTART is set)\n");
	/* The same call again is no resuming of another. */
	s.call.flags = RN_FLAG_RESTARTED;
	s.call.result = 0;
	CHECK_STR(call_text(text), "wait4(27091, 0x7ffefdda94e0, 0, NULL)   = 0\n");
	sample(&s, "pause", ARGS(0));
	sample_result(&s, -514);
	CHECK_STR(call_text(text), "pause()                                 = ? ERESTARTNOHAND "
				   "(To be restarted if no handler)\n");
	s.call.flags |= RN_FLAG_RESTARTED;
	CHECK_STR(call_text(text), "pause()                                 = ? ERESTARTNOHAND "
				   "(To be restarted if no handler)\n");

	sample(&s, "nanosleep", ARGS(0x1000, 0x1000));
	sample_result(&s, -516);
	CHECK_STR(call_text(text), "nanosleep(0x1000, 0x1000)               = ? "
				   "ERESTART_RESTARTBLOCK (Interrupted by signal)\n");
	sample(&s, "restart_syscall", ARGS(0));
	s.call.flags = RN_FLAG_RESTARTED;
	s.call.tid = 5; /* another thread: nothing known of it */
	sample_result(&s, 0);
	CHECK_STR(call_text(text), "restart_syscall()                       = 0\n");
	s.call.tid = 123;
	CHECK_STR(enter_text(text), "restart_syscall(<... resuming interrupted nanosleep ...>");
	CHECK_STR(call_text(text), ") = 0\n");
	CHECK_STR(call_text(text), "restart_syscall()                       = 0\n");
	rn_text_destroy(text);
}

#define BROKEN_OFF " <unfinished ...>\n"

static void test_two_halves(void)
{
	struct rn_text *text = rn_text_create(
		&(struct rn_text_config){.flags = RN_TEXT_PID_ALWAYS, .string_limit = 32});
	static struct sample wait, nested;

	/* Three threads, each within the other. */
	sample(&wait, "wait4", ARGS(UINT32_MAX, 0x1000, 0, 0));
	wait.call.tid = 20998;
	rn_text_enter(text, &buf, &wait.call);
	CHECK_STR(taken(&buf), "20998 wait4(-1, ");
	sample(&s, "set_robust_list", ARGS(0x7f27ddc55a20, 24));
	s.call.tid = 20999;
	CHECK_STR(enter_text(text), BROKEN_OFF "20999 set_robust_list(0x7f27ddc55a20, 24");
	sample(&nested, "read", ARGS(3, 0x2000, 1));
	nested.call.tid = 7;
	rn_text_enter(text, &buf, &nested.call);
	CHECK_STR(taken(&buf), BROKEN_OFF "7     read(3, ");
	sample_result(&s, 0);
	CHECK_STR(call_text(text), BROKEN_OFF "20999 <... set_robust_list resumed>)    = 0\n");
	sample_piece(&wait, RN_PIECE_STRUCT, 1, &(int){0x0300}, 4, 4, RN_PIECE_AT_EXIT);
	sample_result(&wait, 20999);
	rn_text_call(text, &buf, &wait.call);
	CHECK_STR(taken(&buf),
		  "20998 <... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, "
		  "NULL) = 20999\n");
	sample_piece(&nested, RN_PIECE_BUFFER, 1, "", 1, 1, RN_PIECE_AT_EXIT);
	sample_result(&nested, 1);
	rn_text_call(text, &buf, &nested.call);
	CHECK_STR(taken(&buf), "7     <... read resumed>\"\\0\", 1)        = 1\n");
	rn_text_destroy(text);
}

/* Where nothing comes between, the exit goes on in the entry's line. */
static void test_halves_of_one_line(void)
{
	struct rn_text *text = rn_text_create(
		&(struct rn_text_config){.flags = RN_TEXT_PID_ALWAYS, .string_limit = 32});
	struct rn_event gap = {.size = RN_EVENT_HEADER, .kind = RN_GAP, .args = {2, 0}};

	sample(&s, "read", ARGS(3, 0x2000, 1));
	CHECK_STR(enter_text(text), "123   read(3, ");
	sample_piece(&s, RN_PIECE_BUFFER, 1, "1", 1, 1, RN_PIECE_AT_EXIT);
	sample_result(&s, 1);
	CHECK_STR(call_text(text), "\"1\", 1)                   = 1\n");
	sample(&s, "pipe", ARGS(0x1000));
	CHECK_STR(enter_text(text), "123   pipe(");
	sample_result(&s, -EFAULT);
	CHECK_STR(call_text(text), "0x1000)                      = -1 EFAULT (Bad address)\n");

	/* What the exit tells comes first there. */
	sample(&s, "pipe", ARGS(0x1000));
	CHECK_STR(enter_text(text), "123   pipe(");
	rn_text_gap(text, &buf, &gap);
	CHECK_STR(taken(&buf), BROKEN_OFF "--- 2 events lost here (0 whole calls) ---\n");
	sample_result(&s, -EFAULT);
	CHECK_STR(call_text(text),
		  "123   <... pipe resumed>0x1000)         = -1 EFAULT (Bad address)\n");

	/* The exit of a call was lost: the next one is no resuming of it. */
	sample(&s, "read", ARGS(3, 0x2000, 1));
	CHECK_STR(enter_text(text), "123   read(3, ");
	sample(&s, "read", ARGS(4, 0x2000, 1));
	sample_result(&s, 0);
	CHECK_STR(call_text(text), BROKEN_OFF "123   read(4, \"\", 1)                    = 0\n");
	rn_text_destroy(text);
}

static void test_ended_inside(void)
{
	struct rn_text *text = rn_text_create(&(struct rn_text_config){
		.flags = RN_TEXT_PID_ALWAYS | RN_TEXT_DURATION, .string_limit = 32});

	sample(&s, "read", ARGS(3, 0x2000, 1));
	s.call.flags = RN_FLAG_UNFINISHED;
	CHECK_STR(enter_text(text), "123   read(3, ");
	CHECK_STR(call_text(text), " <unfinished ...>)        = ?\n");
	CHECK_STR(call_text(text), "123   read(3,  <unfinished ...>)        = ?\n");
	CHECK_STR(enter_text(text), "123   read(3, ");
	CHECK_STR(signal_text(text, RN_GROUP_STOP, SIGSTOP, ARGS(0)),
		  BROKEN_OFF "9     --- stopped by SIGSTOP ---\n");
	CHECK_STR(call_text(text), "123   <... read resumed> <unfinished ...>) = ?\n");
	sample(&s, "pause", ARGS(0));
	CHECK_STR(enter_text(text), "123   pause(");
	CHECK_STR(exit_text(text, 7, 0, 1), BROKEN_OFF "7     +++ exited with 0 +++\n");
	s.call.flags = RN_FLAG_UNFINISHED;
	CHECK_STR(call_text(text), "123   <... pause resumed>)              = ?\n");

	/* A call that never returns is complete at its entry. */
	sample(&s, "exit_group", ARGS(3));
	CHECK_STR(enter_text(text), "123   exit_group(3)                     = ?\n");
	s.call.flags = RN_FLAG_UNFINISHED;
	CHECK_STR(call_text(text), "");
	CHECK_STR(call_text(text), "123   exit_group(3)                     = ?\n");
	rn_text_destroy(text);
}

static void test_signals(void)
{
	struct rn_text *text =
		rn_text_create(&(struct rn_text_config){.flags = 0, .string_limit = 32});

	CHECK_STR(signal_text(text, RN_SIGNAL, SIGCHLD, ARGS(CLD_EXITED, 20999, 1000, 0, 3)),
		  "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=20999, si_uid=1000, "
		  "si_status=3} ---\n");
	CHECK_STR(signal_text(text, RN_SIGNAL, SIGCHLD, ARGS(CLD_KILLED, 21000, 0, 0, 9)),
		  "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=21000, si_uid=0, "
		  "si_status=SIGKILL} ---\n");
	CHECK_STR(signal_text(text, RN_SIGNAL, SIGTERM, ARGS(SI_USER, 20998, 0, 0, 0)),
		  "--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=20998, si_uid=0} ---\n");
	CHECK_STR(signal_text(text, RN_SIGNAL, SIGSTOP, ARGS((uint64_t)SI_TKILL, 27091, 0, 0, 0)),
		  "--- SIGSTOP {si_signo=SIGSTOP, si_code=SI_TKILL, si_pid=27091, si_uid=0} ---\n");
	CHECK_STR(signal_text(text, RN_SIGNAL, SIGUSR1, ARGS((uint64_t)SI_QUEUE, 27090, 0, 5, 0)),
		  "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_QUEUE, si_pid=27090, si_uid=0, "
		  "si_int=5, "
		  "si_ptr=0x5} ---\n");
	CHECK_STR(signal_text(text, RN_SIGNAL, SIGUSR1, ARGS((uint64_t)SI_TIMER, 0, 0, 0, 0)),
		  "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_TIMER, si_timerid=0, si_overrun=0, "
		  "si_int=0, si_ptr=NULL} ---\n");
	CHECK_STR(signal_text(text, RN_SIGNAL, SIGSEGV, ARGS(SEGV_MAPERR, 0, 0, 0, 0)),
		  "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---\n");
	CHECK_STR(signal_text(text, RN_SIGNAL, SIGBUS, ARGS(BUS_ADRERR, 0, 0, 0x1000, 0)),
		  "--- SIGBUS {si_signo=SIGBUS, si_code=BUS_ADRERR, si_addr=0x1000} ---\n");
	CHECK_STR(signal_text(text, RN_SIGNAL, SIGINT, ARGS(SI_KERNEL, 0, 0, 0, 0)),
		  "--- SIGINT {si_signo=SIGINT, si_code=SI_KERNEL} ---\n");
	CHECK_STR(signal_text(text, RN_SIGNAL, 35, ARGS(77, 0, 0, 0, 0)),
		  "--- SIGRT_3 {si_signo=SIGRT_3, si_code=77} ---\n");
	CHECK_STR(signal_text(text, RN_GROUP_STOP, SIGSTOP, ARGS(0)),
		  "--- stopped by SIGSTOP ---\n");
	CHECK_STR(signal_text(text, RN_GROUP_STOP, 0, ARGS(0)), "");
	rn_text_destroy(text);
}

static void test_exits_and_prefixes(void)
{
	struct rn_text *text = rn_text_create(&(struct rn_text_config){
		.flags = RN_TEXT_PID_BRACKET | RN_TEXT_DURATION, .string_limit = 32});
	struct rn_event gap = {.size = RN_EVENT_HEADER, .kind = RN_GAP, .args = {12, 5}};

	sample(&s, "alarm", ARGS(1));
	sample_result(&s, 0);
	s.call.t0 = 5000000000;
	s.call.t1 = 5000123999;
	CHECK_STR(call_text(text), "alarm(1)                                = 0 <0.000123>\n");
	rn_text_live(text, 3);
	s.call.tid = 7;
	s.call.t1 = 17999999999;
	CHECK_STR(call_text(text), "[pid     7] alarm(1)                    = 0 <12.999999>\n");
	s.call.tid = 1234567;
	s.call.t1 = 0; /* before its start: never negative */
	CHECK_STR(call_text(text), "[pid 1234567] alarm(1)                  = 0 <0.000000>\n");
	CHECK_STR(exit_text(text, 7, 0, 2), "[pid     7] +++ exited with 0 +++\n");
	CHECK_STR(exit_text(text, 8, 9, 1), "[pid     8] +++ killed by SIGKILL +++\n");
	CHECK_STR(exit_text(text, 9, 0x86, 0), "+++ killed by SIGABRT (core dumped) +++\n");
	CHECK_STR(exit_text(text, 9, 0xff00, 0), "+++ exited with 255 +++\n");
	rn_text_gap(text, &buf, &gap);
	CHECK_STR(taken(&buf), "--- 12 events lost here (5 whole calls) ---\n");
	gap.args[0] = gap.args[1] = 1;
	rn_text_gap(text, &buf, &gap);
	CHECK_STR(taken(&buf), "--- 1 event lost here (1 whole call) ---\n");
	rn_text_destroy(text);
	rn_text_destroy(NULL);
}

/* Threads come and go by the thousand: what is kept is what is open, and it pairs up. */
static void test_many_threads(void)
{
	struct rn_text *text =
		rn_text_create(&(struct rn_text_config){.flags = 0, .string_limit = 32});
	struct text_threads *threads = &text->threads;
	uint64_t seq[512];

	for (int32_t base = 2; base < 200000; base += 100) {
		for (int32_t tid = base; tid < base + 512; tid++) {
			sample(&s, "close", ARGS(5));
			seq[tid - base] = s.call.seq;
			s.call.tid = tid;
			CHECK_STR(enter_text(text), tid == base ? "close(5" : BROKEN_OFF "close(5");
		}
		CHECK_STR(exit_text(text, 1, 0, 1), BROKEN_OFF "+++ exited with 0 +++\n");
		CHECK_INT(threads->count, 512);
		/* Some resume, some end inside the call, some start another one. */
		for (int32_t tid = base; tid < base + 512; tid++) {
			const char *want = "<... close resumed>)                    = 0\n";

			s.call.tid = tid;
			s.call.seq = seq[tid - base];
			if (tid % 3 == 1) {
				CHECK_STR(exit_text(text, tid, 0, 1), "+++ exited with 0 +++\n");
				want = "close(5)                                = 0\n";
			} else if (tid % 3 == 2) {
				s.call.seq = 1;
				want = "close(5)                                = 0\n";
			}
			sample_result(&s, 0);
			CHECK_STR(call_text(text), want);
		}
		CHECK_INT(threads->count, 0);
		base += (base * 7) % 1000;
	}
	CHECK(threads->cap <= 2048);
	rn_text_destroy(text);
}

static void test_threads_table(void)
{
	struct text_threads threads = {0};
	static uint64_t kept[1000];
	uint64_t random = 7;

	CHECK(rn_text_threads_find(&threads, 1) == NULL);
	CHECK(rn_text_threads_add(&threads, 0) == NULL);
	for (int i = 0; i < 200000; i++) {
		int32_t tid;
		struct text_thread *thread;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		tid = 1 + (int32_t)((random >> 33) % 999);
		thread = rn_text_threads_find(&threads, tid * 64 - 32001);
		CHECK(!thread == !kept[tid]);
		if (thread) {
			CHECK_INT(thread->seq, kept[tid]);
			rn_text_threads_remove(&threads, thread);
			kept[tid] = 0;
		} else {
			thread = rn_text_threads_add(&threads, tid * 64 - 32001);
			CHECK(thread && thread->seq == 0 && !thread->open);
			thread->seq = kept[tid] = random | 1;
		}
	}
	rn_text_threads_deinit(&threads);
}

/* Hostile bytes in every place: a call is one line of printable ASCII, within its room. */
static void test_hostile(void)
{
	struct rn_text *text = rn_text_create(&(struct rn_text_config){
		.flags = RN_TEXT_PID_ALWAYS | RN_TEXT_DURATION, .string_limit = UINT32_MAX});
	uint8_t bytes[600];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i < 300 ? i : 0);
	for (int nr = -2; nr < 500; nr++) {
		size_t lines = 0;

		sample_nr(&s, RN_ABI_X86_64, nr,
			  ARGS(UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
			       UINT64_MAX));
		for (unsigned arg = 0; arg < s.call.desc->nargs; arg++)
			for (unsigned type = RN_PIECE_PATH; type <= RN_PIECE_STRUCT; type++)
				sample_piece(&s, type, arg, bytes, type % 2 ? sizeof(bytes) : 5,
					     UINT64_MAX, RN_PIECE_CUT);
		s.call.tid = INT32_MIN;
		s.call.t1 = UINT64_MAX;
		s.call.flags = RN_FLAG_TRUNCATED;
		s.call.result = INT64_MIN;
		rn_text_enter(text, &buf, &s.call);
		rn_text_gap(text, &buf, (const struct rn_event *)s.entry);
		s.call.exit = (const struct rn_event *)s.entry;
		rn_text_call(text, &buf, &s.call);
		rn_text_call(text, &buf, &s.call);
		CHECK(!buf.failed && buf.len <= 4 * (LINE_ROOM + rn_call_room(&s.call)));
		for (size_t i = 0; i < buf.len; i++) {
			lines += buf.data[i] == '\n';
			if (buf.data[i] != '\n' && (buf.data[i] < 0x20 || buf.data[i] > 0x7e))
				CHECK(!"a byte that is not printable ASCII");
		}
		CHECK_INT(lines, s.call.desc->flags & RN_CALL_NO_RETURN ? 3 : 4);
		buf.len = 0;
	}
	CHECK(*signal_text(text, RN_SIGNAL, INT32_MIN,
			   ARGS(UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX)) != 0);
	CHECK(*exit_text(text, INT32_MIN, UINT32_MAX, UINT32_MAX) != 0);
	rn_text_destroy(text);
}

/* Without memory nothing is written and nothing breaks. */
static void test_no_memory(void)
{
	struct rn_text *text =
		rn_text_create(&(struct rn_text_config){.flags = 0, .string_limit = 32});
	struct rn_buf broken = {.failed = true};
	struct rn_event gap = {.size = RN_EVENT_HEADER, .kind = RN_GAP};

	sample(&s, "getpid", ARGS(0));
	rn_text_enter(text, &broken, &s.call);
	rn_text_call(text, &broken, &s.call);
	rn_text_gap(text, &broken, &gap);
	rn_format_arg(&broken, &s.call, 0, 32);
	rn_format_signal(&broken, 9);
	CHECK(broken.failed && broken.len == 0 && broken.data == NULL);
	sample_result(&s, 1);
	CHECK_STR(call_text(text), "getpid()                                = 1\n");
	rn_text_destroy(text);
}

int main(void)
{
	rn_buf_init(&buf);
	test_whole_calls();
	test_interrupted();
	test_two_halves();
	test_halves_of_one_line();
	test_ended_inside();
	test_signals();
	test_exits_and_prefixes();
	test_many_threads();
	test_threads_table();
	test_hostile();
	test_no_memory();
	rn_buf_deinit(&buf);
	return check_done();
}
