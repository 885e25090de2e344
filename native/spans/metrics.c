/* SPDX-License-Identifier: MIT */
/* Calls, measured; see metrics.h. */
#include "renacer/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "io_calls.h"
#include "slots.h"

#define CALLS_MAX (RN_ABI_CALLS * 2u) /* names of calls: all ABIs have most of them in common */
#define PROGRAM_MAX 255u              /* bytes of a name: NAME_MAX */
#define SEEN 64u                      /* processes whose program is remembered; a power of two */
#define RECENT 256u                   /* numbers of calls; a power of two */
#define REST 0u                       /* the series for what is beyond the limit */

static const char other[] = RN_METRICS_OTHER; /* keys are compared by their pointers */

struct rn_measured {
	struct rn_series *series;
	uint64_t n_series, series_cap;
	struct slots series_slots;
	struct rn_error_series *errors;
	uint64_t n_errors, errors_cap;
	struct slots error_slots;
	char **programs;
	uint64_t n_programs, programs_cap;
	struct slots program_slots;
	uint64_t moving[RN_IO_WAYS]; /* series that have bytes to tell of */
	uint64_t missed;
};

struct program_seen {
	uint64_t ordinal; /* of the process; 0 = none */
	uint32_t execs;
	uint32_t program;
};

/* The series of the last call that had this number; the next one's, mostly. */
struct recent {
	uint64_t ordinal; /* of its process; 0 = none */
	uint32_t execs;
	int32_t nr;
	uint32_t series;
	uint8_t abi;
};

struct rn_metrics {
	bool by_pid;
	uint32_t limit;
	struct rn_measured *now;
	struct program_seen seen[SEEN];
	struct recent recent[RECENT];
	const char *calls[CALLS_MAX];
	uint32_t n_calls;
	const char *call_of[RN_ABI_COUNT][RN_ABI_CALLS]; /* one of these; NULL = not looked up */
};

/* --- what was measured ----------------------------------------------------------------------- */

static uint64_t key_hash(const struct rn_series_key *key, uint64_t more)
{
	return rn_mix(rn_mix((uintptr_t)key->call ^ more) ^
		      ((uint64_t)key->program << 32 | (uint32_t)key->pid));
}

static uint64_t hash_of_series(const void *ctx, uint64_t i)
{
	return key_hash(&((const struct rn_measured *)ctx)->series[i].key, 0);
}

static uint64_t hash_of_error(const void *ctx, uint64_t i)
{
	const struct rn_error_series *error = &((const struct rn_measured *)ctx)->errors[i];

	return key_hash(&error->key, (uint32_t)error->err);
}

static uint64_t text_hash(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (unsigned i = 0; i < PROGRAM_MAX && text[i]; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3u;
	return rn_mix(hash);
}

static uint64_t hash_of_program(const void *ctx, uint64_t i)
{
	return text_hash(((const struct rn_measured *)ctx)->programs[i]);
}

static bool same_key(const struct rn_series_key *a, const struct rn_series_key *b)
{
	return a->call == b->call && a->program == b->program && a->pid == b->pid;
}

static struct rn_series *add_series(struct rn_measured *m, const struct rn_series_key *key)
{
	uint64_t mask, at;

	if (!rn_list_room((void **)&m->series, m->n_series, &m->series_cap, sizeof(*m->series)) ||
	    !rn_slots_grow(&m->series_slots, m->n_series, hash_of_series, m))
		return NULL;
	mask = m->series_slots.size - 1;
	for (at = key_hash(key, 0) & mask; m->series_slots.slot[at];)
		at = (at + 1) & mask;
	m->series[m->n_series] = (struct rn_series){.key = *key};
	m->series_slots.slot[at] = (uint32_t)++m->n_series;
	return &m->series[m->n_series - 1];
}

static struct rn_series *find_series(struct rn_measured *m, const struct rn_series_key *key)
{
	uint64_t mask = m->series_slots.size - 1;

	for (uint64_t at = key_hash(key, 0) & mask; m->series_slots.slot[at];
	     at = (at + 1) & mask) {
		uint32_t i = m->series_slots.slot[at] - 1;

		if (i != REST && same_key(&m->series[i].key, key))
			return &m->series[i];
	}
	return NULL;
}

static struct rn_error_series *add_error(struct rn_measured *m, const struct rn_series_key *key,
					 int32_t err)
{
	uint64_t mask, at;

	if (!rn_list_room((void **)&m->errors, m->n_errors, &m->errors_cap, sizeof(*m->errors)) ||
	    !rn_slots_grow(&m->error_slots, m->n_errors, hash_of_error, m))
		return NULL;
	mask = m->error_slots.size - 1;
	for (at = key_hash(key, (uint32_t)err) & mask; m->error_slots.slot[at];)
		at = (at + 1) & mask;
	m->errors[m->n_errors] = (struct rn_error_series){.key = *key, .err = err};
	m->error_slots.slot[at] = (uint32_t)++m->n_errors;
	return &m->errors[m->n_errors - 1];
}

static struct rn_error_series *find_error(struct rn_measured *m, const struct rn_series_key *key,
					  int32_t err)
{
	uint64_t mask = m->error_slots.size - 1;

	for (uint64_t at = key_hash(key, (uint32_t)err) & mask; m->error_slots.slot[at];
	     at = (at + 1) & mask) {
		uint32_t i = m->error_slots.slot[at] - 1;

		if (i != REST && m->errors[i].err == err && same_key(&m->errors[i].key, key))
			return &m->errors[i];
	}
	return NULL;
}

#define NO_MEMORY UINT32_MAX
#define NO_PLACE (UINT32_MAX - 1)

/* Its number, NO_MEMORY, or NO_PLACE: there are as many as the limit says. */
static uint32_t program_of(struct rn_measured *m, const char *name, uint32_t limit)
{
	uint64_t mask, at;
	char *copy;

	if (!rn_list_room((void **)&m->programs, m->n_programs, &m->programs_cap,
			  sizeof(*m->programs)) ||
	    !rn_slots_grow(&m->program_slots, m->n_programs, hash_of_program, m))
		return NO_MEMORY;
	mask = m->program_slots.size - 1;
	for (at = text_hash(name) & mask; m->program_slots.slot[at]; at = (at + 1) & mask) {
		uint32_t i = m->program_slots.slot[at] - 1;

		if (strncmp(m->programs[i], name, PROGRAM_MAX) == 0)
			return i;
	}
	if (m->n_programs >= limit)
		return NO_PLACE;
	copy = strndup(name, PROGRAM_MAX);
	if (!copy)
		return NO_MEMORY;
	m->programs[m->n_programs] = copy;
	m->program_slots.slot[at] = (uint32_t)++m->n_programs;
	return (uint32_t)m->n_programs - 1;
}

static struct rn_measured *measured_create(void)
{
	static const struct rn_series_key rest = {"", 0, 0};
	struct rn_measured *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	if (add_series(m, &rest) && add_error(m, &rest, 0))
		return m;
	rn_measured_destroy(m);
	return NULL;
}

void rn_measured_destroy(struct rn_measured *m)
{
	if (!m)
		return;
	for (uint64_t i = 0; i < m->n_programs; i++)
		free(m->programs[i]);
	free(m->programs);
	free(m->program_slots.slot);
	free(m->series);
	free(m->series_slots.slot);
	free(m->errors);
	free(m->error_slots.slot);
	free(m);
}

/* What is found by slots is not copied: nothing is looked for in a copy. */
static struct rn_measured *measured_copy(const struct rn_measured *from)
{
	struct rn_measured *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->missed = from->missed;
	m->series = malloc(from->n_series * sizeof(*m->series));
	m->errors = malloc(from->n_errors * sizeof(*m->errors));
	m->programs = calloc(from->n_programs + 1, sizeof(*m->programs));
	if (!m->series || !m->errors || !m->programs)
		goto fail;
	m->n_series = from->n_series;
	memcpy(m->series, from->series, from->n_series * sizeof(*m->series));
	m->n_errors = from->n_errors;
	memcpy(m->errors, from->errors, from->n_errors * sizeof(*m->errors));
	for (; m->n_programs < from->n_programs; m->n_programs++) {
		m->programs[m->n_programs] = strdup(from->programs[m->n_programs]);
		if (!m->programs[m->n_programs])
			goto fail;
	}
	return m;
fail:
	rn_measured_destroy(m);
	return NULL;
}

/* --- measuring ------------------------------------------------------------------------------- */

struct rn_metrics *rn_metrics_create(const struct rn_metrics_config *config)
{
	struct rn_metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return NULL;
	rn_io_calls_init();
	metrics->by_pid = config->by_pid;
	metrics->limit = config->limit ? config->limit : RN_METRICS_LIMIT;
	metrics->now = measured_create();
	if (metrics->now)
		return metrics;
	free(metrics);
	return NULL;
}

void rn_metrics_destroy(struct rn_metrics *metrics)
{
	if (!metrics)
		return;
	rn_measured_destroy(metrics->now);
	free(metrics);
}

/* Its name: one pointer for calls of one name in several ABIs. */
static const char *call_of(struct rn_metrics *metrics, const struct rn_call *call)
{
	const char **known = NULL;
	uint32_t i = 0;

	if (call->abi < RN_ABI_COUNT && (uint32_t)call->nr < RN_ABI_CALLS)
		known = &metrics->call_of[call->abi][call->nr];
	if (known && *known)
		return *known;
	if (!call->desc->name)
		return other;
	while (i < metrics->n_calls && strcmp(metrics->calls[i], call->desc->name) != 0)
		i++;
	if (i == CALLS_MAX)
		return other;
	if (i == metrics->n_calls)
		metrics->calls[metrics->n_calls++] = call->desc->name;
	if (known)
		*known = metrics->calls[i];
	return metrics->calls[i];
}

static uint32_t program_of_call(struct rn_metrics *metrics, const struct rn_process *process)
{
	struct program_seen *seen = &metrics->seen[process->ordinal & (SEEN - 1)];
	uint32_t program;

	if (seen->ordinal == process->ordinal && seen->execs == process->execs && seen->ordinal)
		return seen->program;
	program = program_of(metrics->now, process->name ? process->name : "", metrics->limit);
	if (program != NO_MEMORY)
		*seen = (struct program_seen){process->ordinal, process->execs, program};
	return program;
}

/* NULL: no memory. */
static struct rn_series *look_for_series(struct rn_metrics *metrics, const struct rn_call *call)
{
	struct rn_measured *now = metrics->now;
	struct rn_series_key key = {.call = call_of(metrics, call)};
	struct rn_series *series;

	key.program = program_of_call(metrics, call->process);
	if (key.program == NO_MEMORY)
		return NULL;
	if (key.program == NO_PLACE)
		return &now->series[REST];
	if (metrics->by_pid)
		key.pid = call->pid;
	series = find_series(now, &key);
	if (series)
		return series;
	return now->n_series < metrics->limit ? add_series(now, &key) : &now->series[REST];
}

static struct rn_series *series_of(struct rn_metrics *metrics, const struct rn_call *call)
{
	const struct rn_process *process = call->process;
	struct recent *recent = &metrics->recent[(uint32_t)call->nr & (RECENT - 1)];
	struct rn_series *series;

	if (recent->nr == call->nr && recent->ordinal == process->ordinal &&
	    recent->execs == process->execs && recent->abi == call->abi && recent->ordinal)
		return &metrics->now->series[recent->series];
	series = look_for_series(metrics, call);
	if (series)
		*recent = (struct recent){process->ordinal, process->execs, call->nr,
					  (uint32_t)(series - metrics->now->series), call->abi};
	return series;
}

static void count_error(struct rn_metrics *metrics, const struct rn_series *series, int64_t result)
{
	struct rn_measured *now = metrics->now;
	int32_t err = result < 0 && result >= -INT32_MAX ? (int32_t)-result : 0;
	struct rn_error_series *error = NULL;

	if (series != &now->series[REST]) {
		error = find_error(now, &series->key, err);
		if (!error && now->n_errors < metrics->limit) {
			error = add_error(now, &series->key, err);
			now->missed += !error;
		}
	}
	if (!error)
		error = &now->errors[REST];
	error->count++;
}

static void count_bytes(struct rn_metrics *metrics, struct rn_series *series, enum rn_io_way way,
			uint64_t bytes)
{
	struct rn_measured *now = metrics->now;

	if (!series->moved[way] && series != &now->series[REST]) {
		/* Both ways are one metric. */
		if (now->moving[RN_IO_READ] + now->moving[RN_IO_WRITE] + 1 >= metrics->limit)
			series = &now->series[REST];
		else
			now->moving[way]++;
	}
	series->moved[way] = true;
	if (__builtin_add_overflow(series->bytes[way], bytes, &series->bytes[way]))
		series->bytes[way] = UINT64_MAX;
}

static uint64_t time_of(const struct rn_call *call)
{
	return call->t1 > call->t0 ? call->t1 - call->t0 : 0;
}

void rn_metrics_call(struct rn_metrics *metrics, const struct rn_call *call)
{
	struct rn_series *series = series_of(metrics, call);
	struct rn_moved moved;

	if (!series) {
		metrics->now->missed++;
		return;
	}
	if (call->flags & RN_FLAG_UNFINISHED) {
		series->unfinished++;
		return;
	}
	rn_histogram_add(&series->time, time_of(call));
	if (call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED)) {
		count_error(metrics, series, call->result);
		return;
	}
	moved = rn_io_of(call);
	for (unsigned way = 0; way < RN_IO_WAYS; way++)
		if (moved.ways & 1u << way)
			count_bytes(metrics, series, (enum rn_io_way)way, moved.bytes);
}

void rn_metrics_span(struct rn_metrics *metrics, const struct rn_call *call)
{
	struct rn_series *series;

	if (call->fold || call->flags & RN_FLAG_UNFINISHED || !(call->trace_flags & 1))
		return;
	series = series_of(metrics, call);
	/* None was counted: what was measured began anew since. */
	if (!series || !series->time.count ||
	    (series->slowest.span_id && time_of(call) <= series->slowest.ns))
		return;
	series->slowest.ns = time_of(call);
	series->slowest.at = call->t1;
	series->slowest.span_id = call->span_id;
	memcpy(series->slowest.trace_id, call->trace_id, 16);
}

struct rn_measured *rn_metrics_take(struct rn_metrics *metrics, enum rn_anew anew)
{
	struct rn_measured *now = metrics->now, *taken;

	if (anew == RN_ANEW_ALL) {
		taken = now;
		now = measured_create();
		if (!now)
			return NULL;
		metrics->now = now;
		memset(metrics->seen, 0, sizeof(metrics->seen));
		memset(metrics->recent, 0, sizeof(metrics->recent));
		return taken;
	}
	taken = measured_copy(now);
	for (uint64_t i = 0; taken && anew == RN_ANEW_SLOWEST && i < now->n_series; i++)
		now->series[i].slowest.span_id = 0;
	return taken;
}

const struct rn_series *rn_measured_series(const struct rn_measured *measured, uint64_t *n)
{
	*n = measured->n_series;
	return measured->series;
}

const struct rn_error_series *rn_measured_errors(const struct rn_measured *measured, uint64_t *n)
{
	*n = measured->n_errors;
	return measured->errors;
}

const char *rn_measured_program(const struct rn_measured *measured, const struct rn_series_key *key)
{
	return key->program < measured->n_programs ? measured->programs[key->program] : "";
}

uint64_t rn_measured_missed(const struct rn_measured *measured)
{
	return measured->missed;
}
