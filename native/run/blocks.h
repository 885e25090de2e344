/* SPDX-License-Identifier: MIT */
/*
 * Finished blocks on their way from the consumer thread to Python: a bounded queue.
 * A queue to the network drops when it is full, and counts; one to a file waits.
 */
#ifndef RENACER_RUN_BLOCKS_H
#define RENACER_RUN_BLOCKS_H

#include <pthread.h>
#include <time.h>

#include "renacer/api.h"
#include "renacer/encode.h"

/* A place in the ring: all spans of the records before it were handed on, and how many. */
struct held_mark {
	uint64_t tail, made;
};

struct block {
	struct block *next;
	struct rn_buf buf;
	uint64_t spans;
	uint64_t first_seq;
	bool last; /* it ends with the root span */
	struct held_mark mark;
};

struct block_queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct block *head, **tail;
	struct block *spare; /* emptied blocks, to be filled again */
	unsigned spares;
	uint64_t bytes, limit; /* waiting now; at most */
	uint64_t spans, limit_spans; /* the same; limit 0 = none, else of a queue that drops */
	uint64_t dropped;      /* spans */
	bool drops;            /* else it waits */
	bool ended;
};

/* A condition that waits by CLOCK_MONOTONIC, and a deadline for it, `timeout_ms` from now. */
void rn_cond_init(pthread_cond_t *cond);
struct timespec rn_deadline(int timeout_ms);

int rn_blocks_init(struct block_queue *queue, uint64_t limit, bool drops);
void rn_blocks_deinit(struct block_queue *queue);
/* An empty block, or NULL: no memory. */
struct block *rn_blocks_get(struct block_queue *queue);
/* Hands it over. `must`: beyond the limit if need be. Dropped once the queue has ended: false. */
bool rn_blocks_put(struct block_queue *queue, struct block *block, bool must);
/* No more will come, or nobody takes any more: who waits is let go. */
void rn_blocks_end(struct block_queue *queue);
/* As rn_block_take(). */
int rn_blocks_take(struct block_queue *queue, int timeout_ms, struct block **block);
void rn_blocks_recycle(struct block_queue *queue, struct block *block);
/* Spans that were dropped, and of the same moment those that wait. */
void rn_blocks_counts(struct block_queue *queue, uint64_t *dropped, uint64_t *waiting);

#endif
