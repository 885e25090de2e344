/* SPDX-License-Identifier: MIT */
/*
 * Queues: whose bytes a read got. By hand, and against a model in which threads write and read at
 * random, at instants that the records do not tell.
 */
#include "../spans/stream.h"

#include "records.h"

#define FOUND_MAX 8192u

struct seen {
	unsigned n, certain;
	uint64_t seq[FOUND_MAX];
	bool is_certain[FOUND_MAX];
	uint64_t carried;
};

static struct stream_pool pool;

static void on_found(void *ctx, const struct cause *cause, bool certain, uint64_t carried)
{
	struct seen *seen = ctx;

	CHECK(seen->n < FOUND_MAX);
	seen->seq[seen->n] = cause->seq;
	seen->is_certain[seen->n++] = certain;
	seen->certain += certain;
	if (carried > seen->carried)
		seen->carried = carried;
}

static struct cause cause_of(uint64_t seq)
{
	return (struct cause){.seq = seq, .clock = seq};
}

static void begin_write(struct stream *stream, struct stream_write *write, uint64_t seq,
			uint64_t most)
{
	struct cause cause = cause_of(seq);

	rn_stream_write_begin(stream, write, &cause, most, false);
}

static void put(struct stream *stream, uint64_t seq, uint64_t most, uint64_t n)
{
	struct stream_write write;

	begin_write(stream, &write, seq, most);
	rn_stream_write_end(stream, &write, n, 0);
}

static struct seen *end_read(struct stream *stream, struct stream_read *read, uint64_t n)
{
	static struct seen seen;

	memset(&seen, 0, sizeof(seen));
	rn_stream_read_end(stream, read, n, on_found, &seen);
	return &seen;
}

static struct seen *take(struct stream *stream, uint64_t n)
{
	struct stream_read read;

	rn_stream_read_begin(stream, &read, 65536, false);
	return end_read(stream, &read, n);
}

/* These and no others, all of them certain or none. */
static void check_found(const struct seen *seen, bool certain, unsigned n, uint64_t first,
			uint64_t second)
{
	CHECK_INT(seen->n, n);
	CHECK_INT(seen->certain, certain ? n : 0);
	if (n > 0)
		CHECK_INT(seen->seq[0], first);
	if (n > 1)
		CHECK_INT(seen->seq[1], second);
}

static void test_one_after_another(void)
{
	struct stream *stream = rn_stream_create(&pool);
	struct stream_read peek;

	put(stream, 1, 10, 10);
	put(stream, 2, 10, 4); /* a short one */
	put(stream, 3, 10, 0); /* EAGAIN */
	put(stream, 4, 10, 10);
	check_found(take(stream, 9), true, 1, 1, 0);
	rn_stream_read_begin(stream, &peek, 100, true);
	check_found(end_read(stream, &peek, 2), true, 2, 1, 2);
	check_found(take(stream, 2), true, 2, 1, 2);
	check_found(take(stream, 3), true, 1, 2, 0);
	check_found(take(stream, 10), true, 1, 4, 0);
	CHECK_INT(rn_stream_depth(stream), 0);
	CHECK(!rn_stream_holds(stream));
	CHECK(!rn_stream_is_torn(stream));
	rn_stream_put(stream);
}

/* Most reads end before the write that fed them does. */
static void test_open_write(void)
{
	struct stream *stream = rn_stream_create(&pool);
	struct stream_write write;

	put(stream, 1, 3, 3);
	begin_write(stream, &write, 2, 100);
	check_found(take(stream, 20), true, 2, 1, 2);
	check_found(take(stream, 20), true, 1, 2, 0);
	rn_stream_write_end(stream, &write, 60, 0);
	put(stream, 3, 5, 5);
	check_found(take(stream, 28), true, 2, 2, 3);
	CHECK_INT(rn_stream_depth(stream), 0);
	rn_stream_put(stream);
}

static void test_overlapping_writes(void)
{
	struct stream *stream = rn_stream_create(&pool);
	struct stream_write a, b;

	begin_write(stream, &a, 1, 10);
	begin_write(stream, &b, 2, 10);
	rn_stream_write_end(stream, &b, 10, 0);
	check_found(take(stream, 10), false, 2, 1, 2);
	rn_stream_write_end(stream, &a, 10, 0);
	/* From here on it is known again where writes are. */
	put(stream, 3, 10, 10);
	check_found(take(stream, 10), false, 2, 1, 2);
	check_found(take(stream, 10), true, 1, 3, 0);
	/* One of the two turns out to have written nothing. */
	begin_write(stream, &a, 4, 10);
	begin_write(stream, &b, 5, 10);
	rn_stream_write_end(stream, &a, 10, 0);
	rn_stream_write_end(stream, &b, 0, 0);
	check_found(take(stream, 10), true, 1, 4, 0);
	rn_stream_put(stream);
}

static void test_overlapping_reads(void)
{
	struct stream *stream = rn_stream_create(&pool);
	struct stream_read a, b;

	rn_stream_read_begin(stream, &a, 100, false);
	rn_stream_read_begin(stream, &b, 100, false);
	/* Only one write is there: whoever comes first, it is the cause. */
	put(stream, 1, 10, 10);
	check_found(end_read(stream, &a, 10), true, 1, 1, 0);
	rn_stream_read_begin(stream, &a, 100, false);
	put(stream, 2, 10, 10);
	put(stream, 3, 10, 10);
	check_found(end_read(stream, &a, 10), false, 2, 2, 3);
	/* It began before the first was read. */
	check_found(end_read(stream, &b, 10), false, 3, 1, 2);
	CHECK_INT(rn_stream_depth(stream), 0);
	put(stream, 4, 10, 10);
	check_found(take(stream, 10), true, 1, 4, 0);
	rn_stream_put(stream);
}

/* Two reads share one write that both are certainly from. */
static void test_reads_within_a_write(void)
{
	struct stream *stream = rn_stream_create(&pool);
	struct stream_read a, b;

	put(stream, 1, 100, 100);
	rn_stream_read_begin(stream, &a, 10, false);
	rn_stream_read_begin(stream, &b, 10, false);
	check_found(end_read(stream, &b, 10), true, 1, 1, 0);
	check_found(end_read(stream, &a, 10), true, 1, 1, 0);
	CHECK(rn_stream_holds(stream));
	rn_stream_put(stream);
}

static void test_cut_off(void)
{
	struct stream *stream = rn_stream_create(&pool);
	struct stream_write write;
	struct stream_read read;

	begin_write(stream, &write, 1, 10);
	rn_stream_write_lost(stream, &write);
	put(stream, 2, 10, 10);
	check_found(take(stream, 10), false, 2, 1, 2);
	check_found(take(stream, 5), false, 1, 2, 0);
	/* While something is written, that nothing was there tells nothing. */
	begin_write(stream, &write, 3, 10);
	rn_stream_read_begin(stream, &read, 10, false);
	rn_stream_read_nothing(stream, &read, true);
	rn_stream_write_end(stream, &write, 10, 0);
	CHECK_INT(take(stream, 10)->certain, 0);
	rn_stream_read_begin(stream, &read, 10, false);
	rn_stream_read_nothing(stream, &read, true);
	CHECK(!rn_stream_holds(stream));
	put(stream, 4, 10, 10);
	check_found(take(stream, 10), true, 1, 4, 0);

	/* A reader that is killed while nothing is there has taken nothing. */
	rn_stream_read_begin(stream, &read, 10, false);
	rn_stream_read_lost(stream, &read);
	put(stream, 5, 10, 10);
	check_found(take(stream, 10), true, 1, 5, 0);
	/* Else it may have. */
	put(stream, 6, 10, 10);
	rn_stream_read_begin(stream, &read, 10, false);
	rn_stream_read_lost(stream, &read);
	put(stream, 7, 10, 10);
	check_found(take(stream, 10), false, 2, 6, 7);
	rn_stream_read_begin(stream, &read, 10, false);
	rn_stream_read_nothing(stream, &read, true);
	put(stream, 8, 10, 10);
	check_found(take(stream, 10), true, 1, 8, 0);
	rn_stream_put(stream);
}

static void test_torn(void)
{
	struct stream *stream = rn_stream_create(&pool);
	struct stream_read read;
	struct seen seen = {0};

	put(stream, 1, 10, 10);
	rn_stream_read_begin(stream, &read, 100, false);
	CHECK(!rn_stream_read_end(stream, &read, 11, on_found, &seen)); /* more than was written */
	check_found(&seen, false, 1, 1, 0);
	CHECK(rn_stream_is_torn(stream));
	put(stream, 2, 10, 10);
	put(stream, 3, 10, 10);
	check_found(take(stream, 10), false, 1, 3, 0);
	rn_stream_put(stream);

	/* Nothing there, though something was written and never read. */
	stream = rn_stream_create(&pool);
	put(stream, 1, 10, 10);
	rn_stream_read_begin(stream, &read, 100, false);
	rn_stream_read_nothing(stream, &read, true);
	CHECK(rn_stream_is_torn(stream));
	rn_stream_put(stream);
}

static void test_relays(void)
{
	struct stream *stream = rn_stream_create(&pool);
	struct stream_write write;
	struct cause cause = cause_of(1);
	struct seen *seen;

	rn_stream_write_begin(stream, &write, &cause, 100, true);
	CHECK(rn_stream_newest(stream) == RN_STREAM_RELAYS);
	seen = take(stream, 10);
	check_found(seen, true, 1, 1, 0);
	CHECK(seen->carried == RN_STREAM_RELAYS);
	rn_stream_write_end(stream, &write, 20, 77);
	CHECK_INT(rn_stream_newest(stream), 77);
	seen = take(stream, 10);
	check_found(seen, true, 1, 1, 0);
	CHECK_INT(seen->carried, 77);
	rn_stream_put(stream);
}

/* Nobody reads: the memory of one stream is bounded, and of all together. */
static void test_bounds(void)
{
	struct stream *streams[128];
	struct stream *stream = rn_stream_create(&pool);
	struct stream_write open;
	struct seen *seen;

	for (unsigned i = 0; i < 3 * RN_STREAM_WRITES; i++)
		put(stream, i + 1, 1, 1);
	CHECK_INT(rn_stream_depth(stream), RN_STREAM_WRITES);
	seen = take(stream, 2 * RN_STREAM_WRITES);
	check_found(seen, false, 1, 2 * RN_STREAM_WRITES + 1, 0);
	seen = take(stream, 2);
	CHECK_INT(seen->n, 2);
	CHECK_INT(seen->seq[0], 2 * RN_STREAM_WRITES + 1);
	CHECK(!seen->is_certain[0] && seen->is_certain[1]);
	rn_stream_put(stream);
	CHECK_INT(pool.held, 0);

	/* One that is open while it is merged. */
	stream = rn_stream_create(&pool);
	begin_write(stream, &open, 1, 1000);
	for (unsigned i = 0; i < 2 * RN_STREAM_WRITES; i++)
		put(stream, i + 2, 1, 1);
	rn_stream_write_end(stream, &open, 900, 0);
	CHECK(take(stream, 5)->certain == 0);
	take(stream, 2 * RN_STREAM_WRITES + 895);
	CHECK(!rn_stream_is_torn(stream));
	put(stream, 1u << 20, 7, 7);
	check_found(take(stream, 7), true, 1, 1u << 20, 0);
	rn_stream_put(stream);

	for (unsigned k = 0; k < 128; k++) {
		streams[k] = rn_stream_create(&pool);
		for (unsigned i = 0; i < RN_STREAM_WRITES; i++)
			put(streams[k], i + 1, 1, 1);
		CHECK(pool.held <= RN_STREAM_POOL + 128 * 4);
	}
	CHECK_INT(take(streams[127], 2)->certain, 0);
	for (unsigned k = 0; k < 128; k++)
		rn_stream_put(streams[k]);
	CHECK_INT(pool.held, 0);
}

/* Whatever it is told: numbers too great, ends without beginnings, ends twice. */
static void test_lies(void)
{
	struct stream *stream = rn_stream_create(&pool);
	struct stream_write write = {0};
	struct stream_read read = {0};

	rn_stream_write_end(stream, &write, 5, 0);
	rn_stream_write_lost(stream, &write);
	CHECK(!rn_stream_read_end(stream, &read, 5, on_found, NULL));
	rn_stream_read_nothing(stream, &read, true);
	rn_stream_read_lost(stream, &read);
	CHECK(!rn_stream_holds(stream));
	put(stream, 1, 10, UINT64_MAX);
	check_found(take(stream, 10), true, 1, 1, 0);
	begin_write(stream, &write, 2, UINT64_MAX);
	rn_stream_write_end(stream, &write, 10, 0);
	rn_stream_write_end(stream, &write, 10, 0);
	rn_stream_read_begin(stream, &read, 10, false);
	check_found(end_read(stream, &read, UINT64_MAX), true, 1, 2, 0);
	CHECK_INT(end_read(stream, &read, 10)->n, 0);
	CHECK(!rn_stream_holds(stream));
	rn_stream_put(stream);
}

/*
 * The model: WRITERS and READERS, each in a call or not. What really happens, a byte or several
 * going in or out, happens at any instant between the two ends of a call.
 */
#define WRITERS 3u
#define READERS 3u
#define MODEL_BYTES (1u << 16)

struct model {
	struct rng rng;
	struct stream *stream;
	uint64_t bytes[MODEL_BYTES]; /* who wrote each */
	uint64_t in, out, seq;
	struct model_writer {
		struct stream_write write;
		bool busy;
		uint64_t seq, most, done;
	} writers[WRITERS];
	struct model_reader {
		struct stream_read read;
		bool busy, peeks, empty; /* found nothing there */
		uint64_t most, n;
		uint64_t got[256];
	} readers[READERS];
	unsigned nwriters, nreaders;
	bool kills;
	unsigned long links, truths;
};

static void model_move(struct model *m)
{
	unsigned k = rng_below(&m->rng, m->nwriters + m->nreaders);
	struct model_writer *w;
	struct model_reader *r;
	uint64_t n;

	if (k < m->nwriters) {
		w = &m->writers[k];
		n = w->busy ? rng_below(&m->rng, (uint32_t)(w->most - w->done) + 1) : 0;
		for (; n && m->in < MODEL_BYTES; n--, w->done++)
			m->bytes[m->in++] = w->seq;
		return;
	}
	r = &m->readers[k - m->nwriters];
	if (!r->busy || (r->peeks && r->n))
		return;
	n = rng_below(&m->rng, (uint32_t)(r->most - r->n) + 1);
	r->empty |= n && m->in == m->out;
	for (uint64_t i = 0; i < n && m->out + (r->peeks ? i : 0) < m->in; i++)
		r->got[r->n++] = m->bytes[r->peeks ? m->out + i : m->out++];
}

static void model_writer_turn(struct model *m, struct model_writer *w)
{
	if (w->busy) {
		w->busy = false;
		if (m->kills && rng_below(&m->rng, 8) == 0)
			rn_stream_write_lost(m->stream, &w->write);
		else
			rn_stream_write_end(m->stream, &w->write, w->done, 0);
		return;
	}
	w->busy = true;
	w->seq = ++m->seq;
	w->most = rng_below(&m->rng, 9);
	w->done = 0;
	begin_write(m->stream, &w->write, w->seq, w->most);
}

static void model_check(struct model *m, const struct model_reader *r, const struct seen *seen)
{
	for (uint64_t i = 0; i < r->n; i++) {
		unsigned k = 0;

		while (k < seen->n && seen->seq[k] != r->got[i])
			k++;
		CHECK(k < seen->n); /* each true cause was found */
		m->truths++;
		m->links += seen->is_certain[k];
		if (m->nwriters == 1 && m->nreaders == 1 && !m->kills)
			CHECK(seen->is_certain[k]);
	}
	for (unsigned k = 0; k < seen->n; k++) {
		uint64_t i = 0;

		while (i < r->n && seen->seq[k] != r->got[i])
			i++;
		CHECK(i < r->n || !seen->is_certain[k]); /* and none that is certain is wrong */
	}
}

static void model_reader_turn(struct model *m, struct model_reader *r)
{
	if (!r->busy) {
		r->busy = true;
		r->peeks = rng_below(&m->rng, 8) == 0;
		r->most = rng_below(&m->rng, 21);
		r->n = 0;
		r->empty = false;
		rn_stream_read_begin(m->stream, &r->read, r->most, r->peeks);
		return;
	}
	r->busy = false;
	if (m->kills && rng_below(&m->rng, 8) == 0)
		rn_stream_read_lost(m->stream, &r->read);
	else if (r->n)
		model_check(m, r, end_read(m->stream, &r->read, r->n));
	else
		rn_stream_read_nothing(m->stream, &r->read, r->empty);
}

static void model_run(struct model *m, unsigned writers, unsigned readers, bool kills)
{
	m->stream = rn_stream_create(&pool);
	m->in = m->out = 0;
	m->nwriters = writers;
	m->nreaders = readers;
	m->kills = kills;
	memset(m->writers, 0, sizeof(m->writers));
	memset(m->readers, 0, sizeof(m->readers));
	for (unsigned i = 0; i < 400; i++) {
		unsigned k = rng_below(&m->rng, 2 * (writers + readers));

		if (k < writers)
			model_writer_turn(m, &m->writers[k]);
		else if (k < writers + readers)
			model_reader_turn(m, &m->readers[k - writers]);
		else
			model_move(m);
		CHECK(!rn_stream_is_torn(m->stream));
	}
	rn_stream_put(m->stream);
}

static void test_model(void)
{
	static struct model m;

	m.rng = test_rng();
	for (unsigned i = 0; i < 300 * test_scale(); i++) {
		model_run(&m, 1, 1, false);
		model_run(&m, 1, 1, true);
		model_run(&m, 1 + rng_below(&m.rng, WRITERS), 1 + rng_below(&m.rng, READERS),
			  i % 2);
	}
	printf("model: %lu of %lu bytes are of certain causes\n", m.links, m.truths);
	CHECK_INT(pool.held, 0);
}

int main(void)
{
	test_one_after_another();
	test_open_write();
	test_overlapping_writes();
	test_overlapping_reads();
	test_reads_within_a_write();
	test_cut_off();
	test_torn();
	test_relays();
	test_bounds();
	test_lies();
	test_model();
	return check_done();
}
