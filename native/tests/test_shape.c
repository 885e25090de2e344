/* SPDX-License-Identifier: MIT */
/* What spans there are of a run: folding, thinning, splitting; see spans/shape.h. */
#include <errno.h>

#include "fuzz.h"
#include "spans/shape.h"
#include "world.h"

#define TOLD_MAX 4096u

/* A span, whatever it is. */
struct told {
	uint8_t trace_id[16];
	uint64_t span_id, parent, t0, t1, lamport0, lamport1;
	const char *name; /* of a call; of a process "process", of a root "run" */
	struct rn_fold fold; /* count 0 = no fold */
	struct rn_omitted omitted;
	struct rn_link links[RN_RUN_LINKS];
	uint32_t nlinks, more_links, part;
	uint64_t folded, parts;
};

static struct told told[TOLD_MAX];
static unsigned ntold;
static struct rn_shaper *shape;
static struct rn_interpreter *in;
static struct world w; /* records only: it has no interpreter of its own */
static size_t call_bytes = 100;

static struct told *next(const uint8_t *trace_id, uint64_t span_id, uint64_t parent,
			 const char *name)
{
	struct told *to = &told[ntold++];

	CHECK(ntold < TOLD_MAX);
	memset(to, 0, sizeof(*to));
	memcpy(to->trace_id, trace_id, 16);
	to->span_id = span_id;
	to->parent = parent;
	to->name = name;
	return to;
}

static void put_links(struct told *to, const struct rn_link *links, uint32_t n, uint32_t more)
{
	CHECK(n <= RN_RUN_LINKS);
	if (n)
		memcpy(to->links, links, n * sizeof(*links));
	to->nlinks = n;
	to->more_links = more;
}

static size_t on_call(void *ctx, const struct rn_call *call)
{
	struct told *to =
		next(call->trace_id, call->span_id, call->parent_span_id, call->desc->name);

	(void)ctx;
	to->t0 = call->t0;
	to->t1 = call->t1;
	to->lamport0 = call->lamport_start;
	to->lamport1 = call->lamport_end;
	if (call->fold)
		to->fold = *call->fold;
	put_links(to, call->links, call->nlinks, call->more_links);
	return call_bytes;
}

static size_t on_process(void *ctx, const struct rn_process *process)
{
	struct told *to = next(process->ctx.trace_id, process->ctx.span_id, process->parent_span_id,
			       "process");

	(void)ctx;
	to->t0 = process->t_start;
	to->t1 = process->t_end;
	to->omitted = process->omitted;
	to->part = process->part;
	put_links(to, process->links, process->nlinks, process->more_links);
	return 100;
}

static size_t on_run(void *ctx, const struct rn_run_span *run)
{
	struct told *to = next(run->ctx.trace_id, run->ctx.span_id, run->parent_span_id, "run");

	(void)ctx;
	to->omitted = run->omitted;
	to->part = run->part;
	to->folded = run->folded;
	to->parts = run->parts;
	put_links(to, run->links, run->nlinks, run->more_links);
	return 100;
}

static struct rn_shape_config plain(void)
{
	struct rn_shape_config config = {.parts = {.trace_flags = 3,
						   .key = {11, 22},
						   .max_bytes = UINT64_MAX,
						   .out = {NULL, on_call, on_process, on_run}}};

	memcpy(config.parts.trace_id, WORLD_TRACE, 16);
	return config;
}

static void open_shape(struct rn_shape_config config)
{
	struct rn_interpreter_config interpreter = {
		.trace_flags = 3,
		.key = {11, 22},
		.lamport_seed = WORLD_SEED,
		.tracestate = "",
		.t_start = WORLD_START,
		.engine = "test",
		.command = "cmd",
		.options = "",
	};
	struct rn_observer observer;

	ntold = 0;
	memset(&w, 0, sizeof(w));
	w.now = WORLD_START;
	w.key = interpreter.key;
	memcpy(interpreter.trace_id, WORLD_TRACE, 16);
	shape = rn_shape_create(&config);
	CHECK(shape);
	observer = rn_shape_observer(shape);
	in = w.in = rn_interpreter_create(&interpreter, &observer, 1);
	CHECK(in);
	rn_shape_follow(shape, in);
	world_start(&w, 7, 7, 1, 0, 0);
}

static void close_shape(void)
{
	struct rn_run_span run;

	rn_interpreter_finish(in, &run);
	rn_shape_finish(shape, &run);
	CHECK_INT(run.totals.spans, ntold);
	rn_interpreter_destroy(in);
	rn_shape_destroy(shape);
}

/* A call on a descriptor; `length`: of its buffer. */
static uint64_t io(const char *name, int32_t tid, uint64_t fd, uint64_t length, int64_t result)
{
	struct rn_event *ev = world_syscall(&w, RN_SYSCALL, tid, tid < 10 ? 7 : tid, name);

	ev->t1 = w.now += 5;
	ev->args[0] = fd;
	ev->args[1] = 0x1000 + w.seq;
	ev->args[2] = length;
	ev->result = result;
	if (result < 0)
		ev->flags = RN_FLAG_FAILED;
	world_feed(&w);
	return w.seq++;
}

static unsigned named(const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ntold; i++)
		n += strcmp(told[i].name, name) == 0;
	return n;
}

static const struct told *the(const char *name)
{
	const struct told *found = NULL;

	for (unsigned i = 0; i < ntold; i++)
		if (strcmp(told[i].name, name) == 0) {
			CHECK(!found);
			found = &told[i];
		}
	CHECK(found);
	return found;
}

static void test_runs_become_one(void)
{
	struct rn_shape_config config = plain();
	const struct told *one;
	uint64_t first, begun;

	config.fold = RN_FOLDS_ALWAYS;
	open_shape(config);
	first = io("read", 7, 3, 100, 10);
	begun = w.now - 5;
	for (unsigned i = 1; i < 50; i++)
		io("read", 7, 3, 100, 10);
	close_shape();
	one = the("read");
	CHECK_INT(one->fold.count, 50);
	CHECK_INT(one->fold.period, 1);
	CHECK(one->span_id == rn_id_of(&w.key, first));
	CHECK_INT(one->t0, begun);
	CHECK_INT(one->t1, w.now);
	CHECK_INT(one->lamport1 - one->lamport0, 2 * 50 - 1);
	CHECK_INT(one->fold.of[0].min_ns, 5);
	CHECK_INT(one->fold.of[0].max_ns, 5);
	CHECK_INT(one->fold.of[0].sum_ns, 250);
	CHECK_INT(one->fold.of[0].bytes, 500);
	/* The buffer's address is another each time; descriptor, length and result are not. */
	CHECK_INT(one->fold.varies, 2);
	CHECK_INT(the("run")->folded, 50);
}

static void test_groups(void)
{
	struct rn_shape_config config = plain();
	const struct told *one;

	config.fold = RN_FOLDS_ALWAYS;
	open_shape(config);
	io("getpid", 7, 0, 0, 7);
	for (unsigned i = 0; i < 20; i++) {
		io("read", 7, 3, 100, 10);
		io("lseek", 7, 3, 0, 0);
		io("write", 7, 4, 10, 10);
	}
	io("read", 7, 3, 100, 10);
	close_shape();
	CHECK_INT(named("getpid"), 1);
	CHECK_INT(named("read"), 2); /* the group, and the one that begins no other */
	one = told[1].fold.count ? &told[1] : &told[0];
	CHECK_INT(one->fold.count, 60);
	CHECK_INT(one->fold.period, 3);
	CHECK_STR(one->fold.of[0].desc->name, "read");
	CHECK_STR(one->fold.of[2].desc->name, "write");
	CHECK(one->fold.of[0].moves && !one->fold.of[1].moves);
	CHECK_INT(one->fold.of[2].bytes, 200);
}

/* What ends a run: an error, another descriptor, another thread's does not. */
static void test_what_is_never_folded(void)
{
	struct rn_shape_config config = plain();
	unsigned folds = 0, alone = 0;

	config.fold = RN_FOLDS_ALWAYS;
	open_shape(config);
	world_start(&w, 8, 7, 1, 7, 7);
	for (unsigned i = 0; i < 10; i++) {
		io("read", 7, 3, 100, 10);
		io("read", 8, 3, 100, 10);
	}
	io("read", 7, 3, 100, -EIO);
	for (unsigned i = 0; i < 10; i++)
		io("read", 7, 3, 100, 10);
	for (unsigned i = 0; i < 10; i++)
		io("read", 7, 4, 100, 10);
	for (unsigned i = 0; i < 3; i++)
		io("write", 7, 4, 100, 10); /* too few */
	close_shape();
	for (unsigned i = 0; i < ntold; i++) {
		folds += told[i].fold.count == 10;
		alone += told[i].fold.count == 0;
	}
	CHECK_INT(folds, 4);
	CHECK_INT(alone, 1 + 3 + 2); /* the error, the writes, process and run */
}

static void test_what_is_kept_for_long_is_told(void)
{
	struct rn_shape_config config = plain();

	config.fold = RN_FOLDS_ALWAYS;
	open_shape(config);
	for (unsigned i = 0; i < 10; i++)
		io("read", 7, 3, 100, 10);
	rn_shape_age(shape, w.now + 500000000u);
	CHECK_INT(ntold, 0);
	rn_shape_age(shape, w.now + 2000000000u);
	CHECK_INT(ntold, 1);
	io("read", 7, 3, 100, 10);
	close_shape();
	CHECK_INT(ntold, 4);
}

static void test_auto_begins_when_half_full(void)
{
	struct rn_shape_config config = plain();
	unsigned alone = 0;

	config.fold = RN_FOLDS_AUTO;
	config.parts.max_spans = 200;
	open_shape(config);
	for (unsigned i = 0; i < 5000; i++)
		io("read", 7, 3, 100, 10);
	close_shape();
	for (unsigned i = 0; i < ntold; i++)
		alone += told[i].fold.count == 0;
	CHECK(alone >= 98 && alone <= 102);
	CHECK_INT(ntold, alone + 1);
	CHECK_INT(the("run")->parts, 0);
}

static void test_thinning(void)
{
	struct rn_shape_config config = plain();
	const struct told *process;

	config.min_ns = 10;
	config.keep_errors = true;
	open_shape(config);
	for (unsigned i = 0; i < 20; i++)
		io("read", 7, 3, 100, 10); /* 5 ns each */
	io("write", 7, 3, 100, -EIO);
	close_shape();
	CHECK_INT(named("read"), 0);
	CHECK_INT(named("write"), 1);
	process = the("process");
	CHECK_INT(process->omitted.calls, 20);
	CHECK_INT(process->omitted.ns, 100);
	CHECK_INT(the("run")->omitted.calls, 20);

	config = plain();
	config.spans = RN_SPANS_NONE;
	config.keep_errors = true;
	open_shape(config);
	io("write", 7, 3, 100, -EIO);
	close_shape();
	CHECK_INT(ntold, 1);
	CHECK_INT(the("run")->omitted.calls, 1);
}

/* Of a wait that is told the link to its child is there; to a fork that is not, it is not. */
static void test_links_to_what_is_not_told(void)
{
	struct rn_shape_config config = plain();
	const struct told *child = NULL, *wait;

	config.spans = RN_SPANS_PROCESS;
	config.keep_ns = 25;
	open_shape(config);
	world_enter(&w, 7, 7, "fork");
	world_start(&w, 20, 20, 2, 7, 7);
	world_return(&w, 7, 7, "fork", 20);
	world_enter(&w, 7, 7, "wait4");
	w.now += 20;
	world_exit(&w, 20, 20, 0);
	world_return(&w, 7, 7, "wait4", 20);
	close_shape();
	for (unsigned i = 0; i < ntold; i++)
		if (told[i].span_id == rn_id_of_process(&w.key, 2))
			child = &told[i];
	CHECK(child);
	CHECK_INT(child->nlinks, 0);
	CHECK_INT(child->more_links, 1);
	wait = the("wait4");
	CHECK_INT(wait->nlinks, 1);
	CHECK(wait->links[0].span_id == child->span_id);
	CHECK_INT(named("fork"), 0);
	CHECK_INT(the("run")->omitted.links, 1);
}

static bool same_trace(const struct told *a, const void *trace_id)
{
	return memcmp(a->trace_id, trace_id, 16) == 0;
}

static const struct told *find(const uint8_t *trace_id, uint64_t span_id)
{
	for (unsigned i = 0; i < ntold; i++)
		if (told[i].span_id == span_id && same_trace(&told[i], trace_id))
			return &told[i];
	return NULL;
}

/* Every parent is in its trace, and every link leads to a span. */
static void check_whole(void)
{
	for (unsigned i = 0; i < ntold; i++) {
		CHECK(!told[i].parent || find(told[i].trace_id, told[i].parent));
		for (unsigned n = 0; n < told[i].nlinks; n++)
			CHECK(find(told[i].links[n].trace_id, told[i].links[n].span_id));
	}
}

static unsigned in_trace(const uint8_t *trace_id)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ntold; i++)
		n += same_trace(&told[i], trace_id);
	return n;
}

static void test_parts(void)
{
	struct rn_shape_config config = plain();
	const struct told *run = NULL, *root = NULL;
	unsigned roots = 0, copies = 0, calls = 0;

	config.parts.max_spans = 20;
	open_shape(config);
	world_start(&w, 20, 20, 2, 7, 7);
	for (unsigned i = 0; i < 100; i++)
		io("read", i % 3 ? 20 : 7, 3, 100, 10);
	close_shape();
	check_whole();
	for (unsigned i = 0; i < ntold; i++) {
		CHECK(in_trace(told[i].trace_id) <= 20);
		calls += strcmp(told[i].name, "read") == 0;
		if (strcmp(told[i].name, "run") == 0 && told[i].part) {
			roots++;
			root = &told[i];
		} else if (strcmp(told[i].name, "run") == 0) {
			run = &told[i];
		} else if (told[i].part) {
			copies++;
		}
	}
	CHECK_INT(calls, 100);
	CHECK(run && same_trace(run, WORLD_TRACE));
	CHECK(roots >= 5 && roots < 20);
	CHECK_INT(run->parts, roots + 1);
	CHECK_INT(run->nlinks, roots);
	CHECK_INT(copies, 2 * roots);
	/* The last one: to the run, to the one before. */
	CHECK_INT(root->part, roots + 1);
	CHECK_INT(root->nlinks, 2);
	CHECK_STR(root->links[0].edge, "run");
	CHECK_STR(root->links[1].edge, "previous");
	/* A process's copy is the child of its maker's. */
	for (unsigned i = 0; i < ntold; i++)
		if (told[i].part && told[i].nlinks && strcmp(told[i].name, "process") == 0 &&
		    told[i].links[0].span_id == rn_id_of_process(&w.key, 2)) {
			const struct told *above = find(told[i].trace_id, told[i].parent);

			CHECK_STR(above->name, "process");
			CHECK(above->links[0].span_id == rn_id_of_process(&w.key, 1));
			CHECK(above->t0 <= told[i].t0 && above->t1 >= told[i].t1);
		}
}

/* A call that lasts through several parts is in the one in which it began, with its parent. */
static void test_calls_that_outlast_their_part(void)
{
	struct rn_shape_config config = plain();
	const struct told *first, *second;
	uint64_t early, late = 0;

	config.parts.max_spans = 20;
	open_shape(config);
	world_start(&w, 20, 20, 2, 7, 7);
	world_start(&w, 30, 30, 3, 7, 7);
	early = world_enter(&w, 20, 20, "pause");
	for (unsigned i = 0; i < 100; i++) {
		io("read", 7, 3, 100, 10);
		if (i == 30)
			late = world_enter(&w, 30, 30, "poll");
	}
	world_return(&w, 20, 20, "pause", 0);
	world_return(&w, 30, 30, "poll", 0);
	close_shape();
	check_whole();
	first = the("pause");
	second = the("poll");
	CHECK(first->span_id == rn_id_of(&w.key, early) && same_trace(first, WORLD_TRACE));
	CHECK(second->span_id == rn_id_of(&w.key, late) && !same_trace(second, WORLD_TRACE));
	CHECK_STR(find(second->trace_id, second->parent)->name, "process");
	CHECK(find(second->trace_id, second->parent)->links[0].span_id ==
	      rn_id_of_process(&w.key, 3));
}

static void test_links_between_parts(void)
{
	struct rn_shape_config config = plain();
	const struct told *child = NULL;

	config.parts.max_spans = 20;
	open_shape(config);
	for (unsigned i = 0; i < 40; i++)
		io("read", 7, 3, 100, 10);
	world_enter(&w, 7, 7, "fork");
	world_start(&w, 20, 20, 2, 7, 7);
	world_return(&w, 7, 7, "fork", 20);
	for (unsigned i = 0; i < 40; i++)
		io("read", 7, 3, 100, 10);
	world_exit(&w, 20, 20, 0);
	world_call(&w, 7, 7, "wait4", 20);
	close_shape();
	check_whole();
	for (unsigned i = 0; i < ntold; i++)
		if (told[i].span_id == rn_id_of_process(&w.key, 2))
			child = &told[i];
	/* Processes stay in the first trace, the calls that made them do not. */
	CHECK(child && same_trace(child, WORLD_TRACE));
	CHECK_STR(child->links[0].edge, "fork");
	CHECK(!same_trace(child, child->links[0].trace_id));
	CHECK_INT(the("wait4")->nlinks, 1);
	CHECK(memcmp(the("wait4")->links[0].trace_id, WORLD_TRACE, 16) == 0);
}

static void test_parts_by_bytes(void)
{
	struct rn_shape_config config = plain();

	config.parts.max_spans = 1000000;
	config.parts.max_bytes = 1000000;
	call_bytes = 50000;
	open_shape(config);
	for (unsigned i = 0; i < 100; i++)
		io("read", 7, 3, 100, 10);
	close_shape();
	call_bytes = 100;
	check_whole();
	for (unsigned i = 0; i < ntold; i++)
		CHECK(in_trace(told[i].trace_id) <= 20 + 2);
}

/* Many records that make sense, through all choices. */
static void test_many(void)
{
	static _Alignas(8) uint8_t records[3000 * RN_EVENT_HEADER];
	struct rng rng = test_rng();

	for (unsigned round = 0; round < 300 * test_scale(); round++) {
		size_t len = 0;
		int32_t open[8] = {0};
		uint64_t now = 1000;
		static const int32_t calls[] = {0, 1, 8, 39}; /* read, write, lseek, getpid */

		while (len + RN_EVENT_HEADER <= sizeof(records)) {
			int32_t tid = 1 + (int32_t)rng_below(&rng, 5);
			struct rn_event *ev = (struct rn_event *)(records + len);
			unsigned what = rng_below(&rng, 100);

			record_begin(ev, RN_SYSCALL, tid, tid);
			ev->abi = RN_ABI_X86_64;
			ev->t0 = ev->t1 = now += 10;
			ev->nr = calls[what / 8 % 4];
			ev->args[0] = what % 8 == 0;
			ev->result = what == 50 ? -5 : 3;
			ev->flags = what == 50 ? RN_FLAG_FAILED : 0;
			if (open[tid]) { /* the rest of a call */
				ev->kind = RN_SYSCALL_EXIT;
				ev->nr = open[tid];
				ev->result = ev->nr == 57 ? 1 + (tid + 1) % 5 : ev->result;
				open[tid] = 0;
			} else if (what == 97) {
				ev->kind = RN_SYSCALL_ENTER;
				ev->nr = open[tid] = 57; /* fork */
			} else if (what == 98) {
				ev->kind = RN_SYSCALL_ENTER;
				ev->nr = open[tid] = 61; /* wait4 */
			} else if (what == 99) {
				ev->kind = RN_PROCESS_START;
				ev->pid = ev->tid = 1 + (tid + 1) % 5;
				ev->args[1] = ev->args[2] = (uint64_t)tid;
				open[ev->tid] = 0;
			} else if (what == 96) {
				ev->kind = RN_EXIT;
				ev->args[2] = 1;
				open[tid] = 0;
			} else {
				ev->t1 = now += rng_below(&rng, 8) ? 5 : 600;
			}
			len += RN_EVENT_HEADER;
		}
		CHECK_INT(fuzz_shape(records, len), 0);
	}
}

int main(void)
{
	test_runs_become_one();
	test_groups();
	test_what_is_never_folded();
	test_what_is_kept_for_long_is_told();
	test_auto_begins_when_half_full();
	test_thinning();
	test_links_to_what_is_not_told();
	test_parts();
	test_calls_that_outlast_their_part();
	test_links_between_parts();
	test_parts_by_bytes();
	test_many();
	return check_done();
}
