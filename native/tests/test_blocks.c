/* SPDX-License-Identifier: MIT */
/* Queues of finished blocks, alone and behind a whole run: nothing lost uncounted, in order. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "ringtool.h"
#include "run/blocks.h"

#define LONG_MS 20000

static uint64_t dropped_by(struct block_queue *queue)
{
	uint64_t spans, waiting;

	rn_blocks_counts(queue, &spans, &waiting);
	return spans;
}

static struct block *block_of(struct block_queue *queue, uint64_t number, size_t len)
{
	struct block *block = rn_blocks_get(queue);

	MUST(block && block->buf.len == 0 && block->spans == 0 && block->first_seq == 0);
	MUST(rn_buf_reserve(&block->buf, len));
	memset(block->buf.data, (int)(number & 0xff), len);
	block->buf.len = len;
	block->spans = 1;
	block->first_seq = number;
	return block;
}

static uint64_t take_number(struct block_queue *queue, int timeout_ms)
{
	struct block *block = NULL;
	uint64_t number;

	if (rn_blocks_take(queue, timeout_ms, &block) != 1)
		return UINT64_MAX;
	number = block->first_seq;
	for (size_t i = 0; i < block->buf.len; i++)
		MUST(block->buf.data[i] == (number & 0xff));
	rn_blocks_recycle(queue, block);
	return number;
}

/* A queue that drops by spans, too; what is taken makes room. */
static void test_limit_of_spans(void)
{
	struct block_queue queue;

	rn_blocks_init(&queue, 1 << 20, true);
	queue.limit_spans = 3;
	for (uint64_t i = 0; i < 5; i++)
		rn_blocks_put(&queue, block_of(&queue, i, 10), false);
	CHECK_INT(dropped_by(&queue), 2);
	CHECK_INT(take_number(&queue, 0), 0);
	rn_blocks_put(&queue, block_of(&queue, 9, 10), false);
	CHECK_INT(dropped_by(&queue), 2);
	rn_blocks_put(&queue, block_of(&queue, 10, 10), true); /* must */
	CHECK_INT(dropped_by(&queue), 2);
	CHECK_INT(take_number(&queue, 0), 1);
	CHECK_INT(take_number(&queue, 0), 2);
	CHECK_INT(take_number(&queue, 0), 9);
	CHECK_INT(take_number(&queue, 0), 10);
	rn_blocks_deinit(&queue);
}

static void test_order_and_end(void)
{
	struct block_queue queue;
	struct block *block;

	rn_blocks_init(&queue, 1 << 20, true);
	CHECK_INT(rn_blocks_take(&queue, 0, &block), 0);
	CHECK_INT(rn_blocks_take(&queue, 1, &block), 0);
	for (uint64_t i = 0; i < 5; i++)
		rn_blocks_put(&queue, block_of(&queue, i, 100), false);
	for (uint64_t i = 0; i < 3; i++)
		CHECK_INT(take_number(&queue, 0), i);
	rn_blocks_put(&queue, block_of(&queue, 5, 100), false);
	rn_blocks_end(&queue);
	/* What was handed over before the end is still to be had. */
	for (uint64_t i = 3; i < 6; i++)
		CHECK_INT(take_number(&queue, 0), i);
	CHECK_INT(rn_blocks_take(&queue, LONG_MS, &block), -1);
	CHECK(block == NULL);
	CHECK_INT(rn_blocks_take(&queue, 0, &block), -1);
	CHECK_INT(dropped_by(&queue), 0);
	rn_blocks_deinit(&queue);
}

/* A queue to the network: the newest goes, is counted by spans, and the root span gets in. */
static void test_full_drops(void)
{
	struct block_queue queue;
	struct block *block;
	uint64_t dropped, waiting;

	rn_blocks_init(&queue, 1000, true);
	rn_blocks_put(&queue, block_of(&queue, 0, 5000), false); /* alone: longer than the limit */
	block = block_of(&queue, 1, 10);
	block->spans = 7;
	rn_blocks_put(&queue, block, false);
	CHECK_INT(dropped_by(&queue), 7);
	CHECK_INT(take_number(&queue, 0), 0);
	for (uint64_t i = 2; i < 13; i++)
		rn_blocks_put(&queue, block_of(&queue, i, 100), false);
	CHECK_INT(dropped_by(&queue), 7 + 1);
	rn_blocks_put(&queue, block_of(&queue, 13, 100), true);
	CHECK_INT(dropped_by(&queue), 8);
	rn_blocks_counts(&queue, &dropped, &waiting);
	CHECK_INT(dropped, 8);
	CHECK_INT(waiting, 11);
	for (uint64_t i = 2; i < 12; i++)
		CHECK_INT(take_number(&queue, 0), i);
	CHECK_INT(take_number(&queue, 0), 13);
	CHECK_INT(queue.bytes, 0);
	rn_blocks_counts(&queue, &dropped, &waiting);
	CHECK_INT(waiting, 0);
	rn_blocks_deinit(&queue);
}

/* A block for which memory ran out is nothing to send, whoever asks for it. */
static void test_failed_block(void)
{
	struct block_queue queue;
	struct block *block;

	for (int must = 0; must < 2; must++) {
		rn_blocks_init(&queue, 1000, true);
		block = block_of(&queue, 0, 100);
		block->spans = 3;
		block->buf.failed = true;
		rn_blocks_put(&queue, block, must);
		CHECK_INT(dropped_by(&queue), 3);
		CHECK_INT(rn_blocks_take(&queue, 0, &block), 0);
		/* And is not used again. */
		block = block_of(&queue, 1, 100);
		CHECK(!block->buf.failed);
		rn_blocks_put(&queue, block, false);
		CHECK_INT(take_number(&queue, 0), 1);
		rn_blocks_deinit(&queue);
	}
}

struct traffic {
	struct block_queue queue;
	uint64_t blocks, taken;
	_Atomic uint64_t handed_over;
};

static void *put_all(void *arg)
{
	struct traffic *traffic = arg;
	struct rng rng = {5};

	for (uint64_t i = 0; i < traffic->blocks; i++) {
		rn_blocks_put(&traffic->queue,
			      block_of(&traffic->queue, i, 1 + rng_below(&rng, 900)), false);
		atomic_store(&traffic->handed_over, i + 1);
	}
	rn_blocks_end(&traffic->queue);
	return NULL;
}

static void *take_all(void *arg)
{
	struct traffic *traffic = arg;
	uint64_t number;

	while ((number = take_number(&traffic->queue, LONG_MS)) != UINT64_MAX)
		MUST(number == traffic->taken++);
	return NULL;
}

/* A queue to a file: full, it waits; in the end every block has come, in order. */
static void test_full_waits(void)
{
	static struct traffic traffic;
	pthread_t from, to;

	traffic.blocks = 20000 * test_scale();
	rn_blocks_init(&traffic.queue, 4000, false);
	CHECK_INT(pthread_create(&from, NULL, put_all, &traffic), 0);
	/* Until it must wait: the next block would be one too many. */
	for (;;) {
		uint64_t bytes;

		pthread_mutex_lock(&traffic.queue.lock);
		bytes = traffic.queue.bytes;
		pthread_mutex_unlock(&traffic.queue.lock);
		CHECK(bytes <= 4000);
		if (bytes > 4000 - 900)
			break;
	}
	CHECK(atomic_load(&traffic.handed_over) < traffic.blocks);
	CHECK_INT(pthread_create(&to, NULL, take_all, &traffic), 0);
	CHECK_INT(pthread_join(from, NULL), 0);
	CHECK_INT(pthread_join(to, NULL), 0);
	CHECK_INT(traffic.taken, traffic.blocks);
	CHECK_INT(dropped_by(&traffic.queue), 0);
	CHECK(traffic.queue.spares <= 4);
	rn_blocks_deinit(&traffic.queue);
}

/* Nobody takes any more: whoever waits to put is let go, and its loss is counted. */
static void test_end_frees_who_waits(void)
{
	static struct traffic traffic;
	struct block *block;
	pthread_t from;

	traffic.blocks = 100;
	rn_blocks_init(&traffic.queue, 4000, false);
	CHECK_INT(pthread_create(&from, NULL, put_all, &traffic), 0);
	while (atomic_load(&traffic.handed_over) < 4)
		;
	rn_blocks_end(&traffic.queue);
	CHECK_INT(pthread_join(from, NULL), 0);
	CHECK_INT(traffic.handed_over, 100);
	while (rn_blocks_take(&traffic.queue, 0, &block) == 1) {
		traffic.taken++;
		rn_blocks_recycle(&traffic.queue, block);
	}
	CHECK(traffic.taken >= 4);
	CHECK_INT(traffic.taken + dropped_by(&traffic.queue), 100);
	rn_blocks_deinit(&traffic.queue);
}

static rn_run *synthetic_as(uint32_t outputs, bool otlp_json, uint64_t calls, uint64_t batch,
			    uint64_t queue)
{
	rn_config config = {
		.outputs = outputs,
		.otlp_json = otlp_json,
		.string_limit = 32,
		.block_limit_ns = 5000000000u,
		.ring_bytes = RN_RING_MIN,
		.batch_bytes = batch,
		.queue_bytes = queue,
		.trace_id = {1},
		.trace_flags = 1,
		.id_key = {1, 2},
	};
	rn_failure fail;
	rn_run *run = rn_run_new(&config, &fail);

	CHECK(run);
	CHECK_INT(rn_run_start_synthetic(run, calls, 0, &fail), 0);
	return run;
}

static rn_run *synthetic(uint32_t outputs, uint64_t calls, uint64_t batch, uint64_t queue)
{
	return synthetic_as(outputs, false, calls, batch, queue);
}

struct taken {
	uint64_t spans, records, bytes, blocks;
};

/* Takes one queue of a run to its end. */
static struct taken take_run(rn_run *run, int out)
{
	struct taken taken = {0};
	uint64_t last = 0, used;
	rn_block block;
	int result;

	while ((result = rn_block_take(run, out, LONG_MS, &block)) == 1) {
		static uint64_t offsets[1 << 16];
		uint64_t n = 0;

		CHECK(block.len > 0 && block.len <= 4u << 20 && block.spans > 0);
		if (out == RN_OUT_RECORD) {
			n = rn_index_records(block.data, block.len, offsets, 1 << 16, &used);
			CHECK_INT(used, block.len);
			CHECK_INT(n, block.spans);
		}
		for (uint64_t i = 0; i < n; i++) {
			const struct rn_event *ev =
				(const void *)((const uint8_t *)block.data + offsets[i]);

			if (i == 0)
				CHECK_INT(block.first_seq, ev->seq);
			CHECK(ev->seq > last);
			last = ev->seq;
		}
		taken.records += n;
		taken.spans += block.spans;
		taken.bytes += block.len;
		taken.blocks++;
		rn_block_release(run, out, &block);
		CHECK(block.owner == NULL);
	}
	CHECK_INT(result, -1);
	return taken;
}

static rn_stats wait_for_end(rn_run *run)
{
	rn_result result;
	rn_stats stats;

	while (!rn_run_wait(run, LONG_MS, &result))
		;
	CHECK(result.ended);
	rn_run_stats(run, &stats);
	return stats;
}

static void test_run_into_a_file(uint64_t calls)
{
	rn_run *run = synthetic(RN_OUT_RECORD, calls, 0, 0);
	struct taken taken = take_run(run, RN_OUT_RECORD);
	rn_stats stats = wait_for_end(run);

	CHECK_INT(taken.records, calls + 2);
	CHECK_INT(stats.calls, calls);
	CHECK_INT(stats.spans, calls + 2);
	CHECK_INT(stats.lost_events, 0);
	CHECK(stats.ring_peak > 0 && stats.ring_peak <= RN_RING_MIN);
	rn_run_free(run);
}

static void test_run_into_json(uint64_t calls)
{
	rn_run *run = synthetic(RN_OUT_JSON, calls, 65536, 0);
	struct taken taken = take_run(run, RN_OUT_JSON);
	rn_stats stats = wait_for_end(run);

	CHECK_INT(taken.spans, calls + 2);
	CHECK_INT(stats.spans, calls + 2);
	CHECK(taken.bytes / taken.blocks < 2 * 65536);
	rn_run_free(run);
}

/* The queue of the network, in JSON: objects with a comma between, none at the ends. */
static void test_run_into_json_for_a_network(uint64_t calls)
{
	rn_run *run = synthetic_as(RN_OUT_OTLP, true, calls, 4096, 1u << 30);
	uint64_t spans = 0, opened = 0;
	rn_block block;

	while (rn_block_take(run, RN_OUT_OTLP, LONG_MS, &block) == 1) {
		const char *text = block.data;

		CHECK(text[0] == '{' && text[block.len - 1] == '}');
		for (uint64_t i = 0; i + 10 <= block.len; i++)
			opened +=
				!memcmp(text + i, "{\"traceId\"", 10) && (!i || text[i - 1] == ',');
		spans += block.spans;
		rn_block_release(run, RN_OUT_OTLP, &block);
	}
	CHECK_INT(spans, calls + 2);
	CHECK_INT(opened, spans);
	rn_run_free(run);
}

/* To a network that takes nothing till the end: what there is room for, and the root span. */
static void test_run_into_a_full_queue(uint64_t calls, bool json)
{
	rn_run *run = synthetic_as(RN_OUT_OTLP, json, calls, 16384, 100000);
	rn_stats stats = wait_for_end(run);
	struct taken taken = take_run(run, RN_OUT_OTLP);

	CHECK(stats.dropped_spans > 0);
	CHECK(taken.bytes <= 100000 + 2 * 16384);
	CHECK_INT(taken.spans + stats.dropped_spans, calls + 2);
	CHECK_INT(stats.spans, calls + 2);
	rn_run_free(run);
}

/* A run that nobody listens to any more, in the middle of it. */
static void test_run_freed_in_the_middle(void)
{
	rn_block block;
	rn_run *run;

	rn_run_free(synthetic(RN_OUT_OTLP | RN_OUT_JSON, 20000, 4096, 8192));
	run = synthetic(RN_OUT_RECORD, 100000, 0, 0); /* far more than its queue takes */
	CHECK_INT(rn_block_take(run, RN_OUT_RECORD, LONG_MS, &block), 1);
	rn_block_release(run, RN_OUT_RECORD, &block);
	CHECK_INT(rn_block_take(run, 77, 0, &block), -1);
	rn_run_free(run);
	rn_run_free(NULL);
}

int main(void)
{
	alarm(120 * test_scale()); /* a wait that nobody ends is a failure */
	test_limit_of_spans();
	test_order_and_end();
	test_full_drops();
	test_failed_block();
	test_full_waits();
	test_end_frees_who_waits();
	test_run_into_a_file(100000 * test_scale());
	test_run_into_json(20000 * test_scale());
	test_run_into_json_for_a_network(20000 * test_scale());
	test_run_into_a_full_queue(20000 * test_scale(), false);
	test_run_into_a_full_queue(20000 * test_scale(), true);
	test_run_freed_in_the_middle();
	return check_done();
}
