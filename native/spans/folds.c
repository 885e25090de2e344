/* SPDX-License-Identifier: MIT */
/* Runs of calls, thread by thread; see folds.h. */
#include "folds.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024u /* a power of two */
#define KEPT (2u * RN_FOLD_PERIOD)
#define LEAST_CALLS 4u /* in a run */
/* A run is told once nothing has come for so long, or once it has been going on for so long. */
#define IDLE_NS 1000000000u
#define LONG_NS 10000000000u

/* A call with its records. */
struct kept {
	struct rn_call call;
	uint8_t trace_id[16];
	uint8_t *bytes;
	size_t room;
};

struct run {
	struct run *next; /* in its bucket */
	int32_t tid;
	unsigned n; /* calls kept, the oldest first… */
	struct kept *kept[KEPT];
	bool runs; /* …of a run those of the group that is not complete */
	struct kept *of[RN_FOLD_PERIOD]; /* the run's first ones */
	struct rn_fold fold;
	uint64_t t1, lamport_end; /* of the run */
	uint64_t since, latest; /* when the first and the last one kept began and ended */
};

struct folds {
	rn_fold_told *told;
	void *ctx;
	struct run *bucket[BUCKETS];
	uint64_t waiting, folded;
	struct rn_roles moves;
};

/* Calls whose results are numbers of bytes. */
static const char *const moving[] = {
	"read",
	"write",
	"pread64",
	"pwrite64",
	"readv",
	"writev",
	"preadv",
	"pwritev",
	"preadv2",
	"pwritev2",
	"send",
	"sendto",
	"sendmsg",
	"recv",
	"recvfrom",
	"recvmsg",
	"sendfile",
	"sendfile64",
	"splice",
	"tee",
	"vmsplice",
	"copy_file_range",
	"getrandom",
	"getdents",
	"getdents64",
	"process_vm_readv",
	"process_vm_writev",
};

struct folds *rn_folds_create(rn_fold_told *told, void *ctx)
{
	struct folds *folds = calloc(1, sizeof(*folds));

	if (!folds)
		return NULL;
	folds->told = told;
	folds->ctx = ctx;
	for (size_t i = 0; i < sizeof(moving) / sizeof(moving[0]); i++)
		rn_roles_set(&folds->moves, moving[i], 1);
	return folds;
}

static void free_kept(struct kept *kept)
{
	if (kept)
		free(kept->bytes);
	free(kept);
}

static void free_run(struct run *run)
{
	for (unsigned i = 0; i < KEPT; i++)
		free_kept(run->kept[i]);
	for (unsigned i = 0; i < RN_FOLD_PERIOD; i++)
		free_kept(run->of[i]);
	free(run);
}

void rn_folds_destroy(struct folds *folds)
{
	if (!folds)
		return;
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (folds->bucket[i]) {
			struct run *run = folds->bucket[i];

			folds->bucket[i] = run->next;
			free_run(run);
		}
	}
	free(folds);
}

static struct run **bucket_of(struct folds *folds, int32_t tid)
{
	return &folds->bucket[(uint32_t)tid & (BUCKETS - 1)];
}

static struct run *find(struct folds *folds, int32_t tid)
{
	struct run *run = *bucket_of(folds, tid);

	while (run && run->tid != tid)
		run = run->next;
	return run;
}

static struct run *run_of(struct folds *folds, int32_t tid)
{
	struct run **at = bucket_of(folds, tid);
	struct run *run = find(folds, tid);

	if (run)
		return run;
	run = calloc(1, sizeof(*run));
	if (!run)
		return NULL;
	run->tid = tid;
	run->next = *at;
	*at = run;
	return run;
}

static bool keep(struct kept **at, const struct rn_call *call)
{
	size_t entry = call->entry ? call->entry->size : 0;
	size_t exit = call->exit && call->exit != call->entry ? call->exit->size : 0;
	struct kept *kept = *at;

	if (!kept) {
		kept = *at = calloc(1, sizeof(*kept));
		if (!kept)
			return false;
	}
	if (kept->room < entry + exit) {
		uint8_t *bytes = realloc(kept->bytes, entry + exit);

		if (!bytes)
			return false;
		kept->bytes = bytes;
		kept->room = entry + exit;
	}
	kept->call = *call;
	memcpy(kept->trace_id, call->trace_id, 16);
	kept->call.trace_id = kept->trace_id;
	if (entry) {
		memcpy(kept->bytes, call->entry, entry);
		kept->call.entry = (const struct rn_event *)kept->bytes;
	}
	if (exit) { /* records are multiples of 8 long */
		memcpy(kept->bytes + entry, call->exit, exit);
		kept->call.exit = (const struct rn_event *)(kept->bytes + entry);
	} else if (call->exit) {
		kept->call.exit = kept->call.entry;
	}
	return true;
}

/* Tells the oldest `n` of those kept by themselves. */
static void tell_oldest(struct folds *folds, struct run *run, unsigned n)
{
	struct kept *told[KEPT];

	for (unsigned i = 0; i < n; i++) {
		told[i] = run->kept[i];
		folds->waiting--;
		folds->told(folds->ctx, &told[i]->call);
	}
	memmove(run->kept, run->kept + n, (KEPT - n) * sizeof(run->kept[0]));
	memcpy(run->kept + KEPT - n, told, n * sizeof(told[0]));
	run->n -= n;
}

static void tell_run(struct folds *folds, struct run *run)
{
	struct rn_call call = run->of[0]->call;

	call.t1 = run->t1;
	call.lamport_end = run->lamport_end;
	call.fold = &run->fold;
	run->runs = false;
	folds->waiting--;
	folds->folded += run->fold.count;
	folds->told(folds->ctx, &call);
}

static void flush(struct folds *folds, struct run *run)
{
	if (run->runs)
		tell_run(folds, run);
	tell_oldest(folds, run, run->n);
}

/* One more call, the i-th of its group. */
static void count(const struct folds *folds, struct run *run, unsigned i,
		  const struct rn_call *call)
{
	struct rn_folded *of = &run->fold.of[i];
	uint64_t ns = call->t1 > call->t0 ? call->t1 - call->t0 : 0;
	bool first = run->fold.count < run->fold.period;

	if (first) {
		*of = (struct rn_folded){
			.desc = call->desc,
			.nr = call->nr,
			.moves = rn_role(&folds->moves, call->abi, call->nr),
			.min_ns = ns,
			.max_ns = ns,
		};
	} else if (run->fold.period == 1) {
		run->fold.varies |= rn_fold_differs(&run->of[0]->call, call);
	}
	run->fold.count++;
	of->sum_ns += ns;
	if (ns < of->min_ns)
		of->min_ns = ns;
	if (ns > of->max_ns)
		of->max_ns = ns;
	if (of->moves && call->result > 0)
		of->bytes += (uint64_t)call->result;
	if (call->t1 > run->t1)
		run->t1 = call->t1;
	run->lamport_end = call->lamport_end;
}

/* The last calls kept are a group that is repeated: how many make it; 0: there is none. */
static unsigned repeats(const struct run *run)
{
	for (unsigned period = 1; period <= RN_FOLD_PERIOD; period++) {
		unsigned calls = 2 * period > LEAST_CALLS ? 2 * period : LEAST_CALLS;
		unsigned first = run->n - calls, i = period;

		if (run->n < calls)
			return 0;
		while (i < calls && rn_fold_same(&run->kept[first + i - period]->call,
						 &run->kept[first + i]->call))
			i++;
		if (i == calls)
			return period;
	}
	return 0;
}

static void begin_run(struct folds *folds, struct run *run, unsigned period)
{
	unsigned calls = 2 * period > LEAST_CALLS ? 2 * period : LEAST_CALLS;

	tell_oldest(folds, run, run->n - calls);
	run->fold = (struct rn_fold){.period = period};
	run->t1 = 0;
	run->runs = true;
	run->since = run->kept[0]->call.t0;
	for (unsigned i = 0; i < period; i++) {
		struct kept *first = run->kept[i];

		run->kept[i] = run->of[i];
		run->of[i] = first;
		count(folds, run, i, &first->call);
	}
	for (unsigned i = period; i < calls; i++)
		count(folds, run, i % period, &run->kept[i]->call);
	folds->waiting -= calls - 1;
	run->n = 0;
}

/* A call that may continue the run. false: it does not, and the run is over. */
static bool continues(struct folds *folds, struct run *run, const struct rn_call *call)
{
	unsigned period = run->fold.period;

	if (!rn_fold_same(&run->of[run->n]->call, call) ||
	    (period > 1 && !keep(&run->kept[run->n], call))) {
		tell_run(folds, run);
		return false;
	}
	if (period == 1) {
		count(folds, run, 0, call);
		return true;
	}
	run->n++;
	folds->waiting++;
	if (run->n == period) {
		for (unsigned i = 0; i < period; i++)
			count(folds, run, i, &run->kept[i]->call);
		folds->waiting -= period;
		run->n = 0;
	}
	return true;
}

bool rn_folds_add(struct folds *folds, const struct rn_call *call)
{
	bool small = (!call->entry || call->entry->size <= RN_FOLD_RECORD) &&
		     (!call->exit || call->exit->size <= RN_FOLD_RECORD);
	struct run *run = small ? run_of(folds, call->tid) : find(folds, call->tid);
	unsigned period;

	if (!run)
		return false;
	run->latest = call->t1;
	if (small && run->runs && continues(folds, run, call))
		return true;
	if (run->n == KEPT)
		tell_oldest(folds, run, 1);
	if (!small || !keep(&run->kept[run->n], call)) {
		flush(folds, run);
		return false;
	}
	if (run->n++ == 0)
		run->since = call->t0;
	folds->waiting++;
	period = repeats(run);
	if (period)
		begin_run(folds, run, period);
	return true;
}

void rn_folds_flush(struct folds *folds, int32_t tid)
{
	struct run *run = find(folds, tid);

	if (run)
		flush(folds, run);
}

static const struct rn_process *process_of(const struct run *run)
{
	if (run->runs)
		return run->of[0]->call.process;
	return run->n ? run->kept[0]->call.process : NULL;
}

void rn_folds_flush_process(struct folds *folds, const struct rn_process *process)
{
	if (!folds->waiting)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct run *run = folds->bucket[i]; run; run = run->next)
			if (process_of(run) == process)
				flush(folds, run);
}

void rn_folds_flush_all(struct folds *folds)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct run *run = folds->bucket[i]; run; run = run->next)
			flush(folds, run);
}

void rn_folds_age(struct folds *folds, uint64_t now)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct run **at = &folds->bucket[i];

		while (*at) {
			struct run *run = *at;
			bool idle = run->latest + IDLE_NS < now;

			if (idle || run->since + LONG_NS < now)
				flush(folds, run);
			if (idle) { /* its thread may be gone */
				*at = run->next;
				free_run(run);
			} else {
				at = &run->next;
			}
		}
	}
}

uint64_t rn_folds_waiting(const struct folds *folds)
{
	return folds->waiting;
}

uint64_t rn_folds_folded(const struct folds *folds)
{
	return folds->folded;
}
