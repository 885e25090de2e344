/* SPDX-License-Identifier: MIT */
#include "blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define SPARES 4u

void rn_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

int rn_blocks_init(struct block_queue *queue, uint64_t limit, bool drops)
{
	*queue = (struct block_queue){.limit = limit, .drops = drops};
	queue->tail = &queue->head;
	pthread_mutex_init(&queue->lock, NULL);
	rn_cond_init(&queue->changed);
	return 0;
}

static void free_list(struct block *block)
{
	while (block) {
		struct block *next = block->next;

		rn_buf_deinit(&block->buf);
		free(block);
		block = next;
	}
}

void rn_blocks_deinit(struct block_queue *queue)
{
	free_list(queue->head);
	free_list(queue->spare);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
}

struct block *rn_blocks_get(struct block_queue *queue)
{
	struct block *block;

	pthread_mutex_lock(&queue->lock);
	block = queue->spare;
	if (block) {
		queue->spare = block->next;
		queue->spares--;
	}
	pthread_mutex_unlock(&queue->lock);
	if (!block) {
		block = calloc(1, sizeof(*block));
		if (!block)
			return NULL;
		rn_buf_init(&block->buf);
	}
	block->next = NULL;
	block->buf.len = 0;
	block->spans = 0;
	block->first_seq = 0;
	block->last = false;
	return block;
}

static void recycle_locked(struct block_queue *queue, struct block *block)
{
	if (queue->spares < SPARES && !block->buf.failed) {
		block->next = queue->spare;
		queue->spare = block;
		queue->spares++;
		return;
	}
	rn_buf_deinit(&block->buf);
	free(block);
}

static bool is_full(const struct block_queue *queue, const struct block *block)
{
	if (!queue->head)
		return false; /* or what is larger than the limit would never go */
	return queue->bytes + block->buf.len > queue->limit ||
	       (queue->limit_spans && queue->spans + block->spans > queue->limit_spans);
}

bool rn_blocks_put(struct block_queue *queue, struct block *block, bool must)
{
	bool taken;

	pthread_mutex_lock(&queue->lock);
	if (!queue->drops)
		while (!queue->ended && is_full(queue, block))
			pthread_cond_wait(&queue->changed, &queue->lock);
	taken = !queue->ended && !block->buf.failed && (must || !is_full(queue, block));
	if (!taken) {
		queue->dropped += block->spans;
		recycle_locked(queue, block);
	} else {
		queue->bytes += block->buf.len;
		queue->spans += block->spans;
		*queue->tail = block;
		queue->tail = &block->next;
		pthread_cond_broadcast(&queue->changed);
	}
	pthread_mutex_unlock(&queue->lock);
	return taken;
}

void rn_blocks_end(struct block_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->ended = true;
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
}

struct timespec rn_deadline(int timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return until;
}

int rn_blocks_take(struct block_queue *queue, int timeout_ms, struct block **block)
{
	struct timespec until = rn_deadline(timeout_ms);
	int result;

	pthread_mutex_lock(&queue->lock);
	while (!queue->head && !queue->ended)
		if (pthread_cond_timedwait(&queue->changed, &queue->lock, &until) == ETIMEDOUT)
			break;
	*block = queue->head;
	if (queue->head) {
		queue->head = (*block)->next;
		if (!queue->head)
			queue->tail = &queue->head;
		queue->bytes -= (*block)->buf.len;
		queue->spans -= (*block)->spans;
		(*block)->next = NULL;
		pthread_cond_broadcast(&queue->changed);
		result = 1;
	} else {
		result = queue->ended ? -1 : 0;
	}
	pthread_mutex_unlock(&queue->lock);
	return result;
}

void rn_blocks_recycle(struct block_queue *queue, struct block *block)
{
	pthread_mutex_lock(&queue->lock);
	recycle_locked(queue, block);
	pthread_mutex_unlock(&queue->lock);
}

void rn_blocks_counts(struct block_queue *queue, uint64_t *dropped, uint64_t *waiting)
{
	pthread_mutex_lock(&queue->lock);
	*dropped = queue->dropped;
	*waiting = queue->spans;
	pthread_mutex_unlock(&queue->lock);
}
