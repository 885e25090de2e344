/* SPDX-License-Identifier: MIT */
/* One traced command: a tracer thread, a consumer thread, and what they share. */
#ifndef RENACER_RUN_PRIVATE_H
#define RENACER_RUN_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "blocks.h"
#include "metered.h"
#include "recorder.h"
#include "renacer/api.h"
#include "renacer/encode.h"
#include "renacer/engine.h"
#include "renacer/interpret.h"
#include "renacer/redact.h"
#include "renacer/ring.h"
#include "renacer/summary.h"
#include "spans/shape.h"

/* Counted by the consumer, read by any thread. */
struct consumed {
	_Atomic uint64_t text_lost; /* lines */
	_Atomic int text_errno;
	_Atomic uint64_t ring_peak;
	_Atomic uint64_t corrupt;
};

/* What a consumer has read, and what of it is still in the ring: held.c */
struct held {
	pthread_mutex_t lock; /* of all but `handed` */
	bool on;
	bool stays; /* a block was not taken: nothing is freed any more */
	uint64_t freed;     /* the ring's tail, as others see it */
	unsigned unreleased; /* blocks */
	struct held_mark read;  /* the next block's */
	struct held_mark clean; /* all before it is in blocks that were handed on by then */
	uint64_t handed;    /* read.tail when a block was last handed on; the consumer's own */
};

struct sink {
	struct block_queue queue;
	struct block *block; /* being filled; NULL: no memory */
	uint64_t started;    /* when its first span went in */
	uint64_t made;       /* spans so far */
	uint64_t lost;       /* spans for which there was no memory */
	struct rn_trace trace; /* the run's, with… */
	struct rn_redact redact; /* …what is secret in this output */
};

/* One stream of text. */
struct text_out {
	struct rn_text *text;
	struct rn_buf buf;
	int fd;
	bool line_counted; /* a piece of the line that it is in was lost, and counted */
};

/* What the consumer takes from the ring at once: room for one longest record behind any start. */
#define RN_CHUNK (1024u * 1024u)

/* The consumer thread exists before the command, and begins after it. */
enum consumer_state { CONSUMER_WAITS, CONSUMER_RUNS, CONSUMER_STOPS };

struct rn_run {
	rn_config config;
	char **argv, **envp; /* argv[0] is NULL where there is no command */
	int32_t *attach;
	int *attach_errors;
	char *tracestate, *options;
	uint32_t *groups;
	char *text_prefix; /* NULL = one stream */
	uint64_t *wanted;   /* asked for; NULL = all */
	uint64_t *recorded; /* by the engine: those, and what descriptors are followed by */
	uint64_t *kept;     /* calls that always have a span; NULL = none */
	char **paths;
	int32_t *path_fds;
	struct rn_ring ring;      /* the producer's end */
	struct rn_ring ring_read; /* the consumer's */
	struct rn_engine *engine;
	struct rn_interpreter *interpreter;
	struct rn_trace trace;
	struct rn_limits limits; /* of it */
	struct rn_sites *sites; /* NULL: nothing is shown of them */
	struct rn_rules *rules; /* NULL: nothing is secret */
	uint8_t *chunk;           /* the consumer's, of RN_CHUNK bytes */
	pthread_t tracer, consumer;
	bool tracer_running, consumer_running;
	uint64_t synthetic; /* calls to make up, instead of a command */
	uint64_t synthetic_rate; /* of them a second; 0 = as fast as can be */
	bool fed_ended;     /* no more records come */
	bool fed_stalled;   /* the ring stayed full for the whole block limit */
	_Atomic uint64_t fed_stops, fed_ns;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool launched, done;
	bool judged, violated; /* see rn_run_judge() */
	enum consumer_state consumer_state;
	_Atomic bool given_up;
	_Atomic bool cut;  /* the producer, another process, is no more */
	_Atomic bool left; /* somebody else is to be the consumer */
	struct rn_launch_result launch;
	int wait_status;
	struct rn_totals totals; /* final ones, once done */
	uint64_t t_start;

	struct rn_shaper *shape; /* NULL: no spans are made */
	struct recorder *recorder; /* NULL: all goes out */
	struct sink otlp, json, record, csv, listing;
	struct rn_listing listed;
	rn_counted *counted;
	rn_meter *meter; /* NULL = nothing is measured */
	struct text_out text;
	struct text_files *text_files; /* a file for each thread, or NULL */
	struct consumed consumed;
	struct held held;
};

/* parts.c */
int rn_run_make_ring(rn_run *run); /* 0 or rn_ring_error */
bool rn_run_make_engine(rn_run *run);
bool rn_run_make_interpreter(rn_run *run);
/* halves.c */
/* The end of the ring that this process has; of both, the producer's. */
const struct rn_ring *rn_run_own_ring(const rn_run *run);
/* What the producer counted, whichever process it is. */
struct rn_producer_counts {
	uint64_t calls, lost_calls, lost_events, stops, tracer_ns, added_ns;
	bool filtered;
};
struct rn_producer_counts rn_run_produced(const rn_run *run);
/* Whether the producer wants this consumer, and no other. */
bool rn_run_has_turn(const rn_run *run);
/* held.c: for a consumer whose config says that it holds; else they do nothing. */
void rn_held_begin(rn_run *run);
/* The consumer has made all that there is of what it has read. */
void rn_held_read(rn_run *run);
/* Whether so much was read since a block was handed on that one should be. */
bool rn_held_is_much(const rn_run *run);
/* A block is handed on to who releases it; or nobody takes it, or it is no whole block. */
void rn_held_hand_on(rn_run *run, struct block *block);
void rn_held_dropped(rn_run *run, bool is_failed);
/* Any thread: what was made is safe. */
void rn_held_release(rn_run *run, const struct block *block);
/* stats.c: all is over. */
void rn_run_done(rn_run *run, const struct rn_totals *totals);
/* settings.c */
/* False without memory; what was copied is freed by rn_run_free_config(). */
bool rn_run_copy_config(rn_run *run, const rn_config *config);
void rn_run_free_config(rn_run *run);
/* consumer.c */
void *rn_consumer_main(void *run);
/* text_output.c */
bool rn_text_out_init(struct rn_run *run, struct text_out *out);
void rn_text_out_deinit(struct text_out *out);
void rn_text_write(struct rn_run *run, struct text_out *out);
/* text_files.c */
struct text_files *rn_text_files_create(void);
void rn_text_files_destroy(struct text_files *files);
/* The thread's stream, made if need be; NULL without memory: a line is counted as lost. */
struct text_out *rn_text_files_of(struct rn_run *run, int32_t tid);
/* The thread is gone: what it has is written. */
void rn_text_files_end(struct rn_run *run, int32_t tid);
void rn_text_files_flush(struct rn_run *run);
/* Calls `act` for the stream of every thread. */
void rn_text_files_each(struct rn_run *run, void (*act)(struct text_out *, void *), void *arg);
/* Opens the stream's file before it is written to; 0 or errno. */
int rn_text_files_open(struct rn_run *run, struct text_out *out);
/* sinks.c */
int rn_sinks_init(struct rn_run *run);
void rn_sinks_deinit(struct rn_run *run);
unsigned rn_sinks_observers(struct rn_run *run, struct rn_observer *to);
void rn_sinks_record(struct rn_run *run, const void *records, size_t len, uint64_t first_seq,
		     uint64_t n);
/* Once there is run->interpreter. */
void rn_sinks_follow(struct rn_run *run);
/* Hands on what waits: all of it, or what waits for long. */
void rn_sinks_flush(struct rn_run *run, bool all);
void rn_sinks_finish(struct rn_run *run, struct rn_run_span *span);
/* Ends all queues. Any thread. */
void rn_sinks_end(struct rn_run *run);
/* span_sinks.c */
bool rn_span_sinks_init(struct rn_run *run);
/* Encoded already, by the recorder's order; or, the run is `ctx`, not yet. */
void rn_spans_put(struct rn_run *run, const void *data, size_t len, uint32_t split);
void rn_spans_process(void *ctx, const struct rn_process *process);
/* sinks.c, for those */
bool rn_sink_begin(struct sink *sink);
/* `must`: however full its queue is. */
void rn_sink_added(struct rn_run *run, struct sink *sink, bool must);
void rn_sink_hand_on(struct rn_run *run, struct sink *sink, bool must);
/* counted.c */
rn_counted *rn_counted_of_run(const rn_config *config);
struct rn_observer rn_counted_observer(rn_counted *counted);
/* synthetic.c */
void rn_synthetic(struct rn_run *run);
/* fed.c: the tracer thread of a fed run; it waits for the end. */
void rn_fed_wait(struct rn_run *run);

uint64_t rn_now(void);

#endif
