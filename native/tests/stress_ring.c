/* SPDX-License-Identifier: MIT */
/*
 * The ring at full speed: every byte of random records arrives, in order. Between two
 * processes, as it is used; between two threads of one, where ThreadSanitizer can
 * follow; and from a producer that is killed at any moment, of which a prefix arrives.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringtool.h"

#define BLOCK_NS 30000000000u

static _Alignas(8) uint8_t buf[4 * RN_EVENT_MAX];

struct load {
	struct rn_ring *ring;
	uint64_t seed;
	uint64_t records; /* UINT64_MAX = until killed */
	bool patient;     /* waits in the futex for room; else asks again and again */
};

static void produce(const struct load *load)
{
	struct rng rng = {load->seed};

	for (uint64_t n = 0; n < load->records; n++) {
		uint32_t len = pattern_len(&rng);
		void *to;

		while (!(to = rn_ring_reserve(load->ring, len, rng_below(&rng, 2) != 0))) {
			bool progress;

			if (!load->patient) {
				usleep(0);
				continue;
			}
			/* No answer in so long a time is a wake-up that was lost. */
			progress = rn_ring_wait_room(load->ring, len, false, BLOCK_NS);
			MUST(progress);
		}
		pattern_write(to, n, len);
		rn_ring_commit(load->ring, len);
	}
	rn_ring_close(load->ring);
}

static void *produce_main(void *load)
{
	produce(load);
	return NULL;
}

struct taken {
	uint64_t records, bytes, sleeps;
};

static void take(const uint8_t *chunk, int64_t len, struct taken *taken)
{
	for (int64_t at = 0; at < len;) {
		const struct rn_event *ev = (const struct rn_event *)(chunk + at);

		pattern_check(ev, taken->records++, ev->size);
		at += ev->size;
	}
	taken->bytes += (uint64_t)len;
}

/* Until the ring is closed, or `*gone` says that its producer is. */
static struct taken consume(struct rn_ring *ring, struct rng *rng, const volatile bool *gone)
{
	struct taken taken = {0};

	for (;;) {
		bool last = rn_ring_closed(ring) || (gone && *gone);
		size_t cap = rng_below(rng, 4) ? sizeof(buf) : RN_EVENT_MAX;
		int64_t got = rn_ring_read(ring, buf, cap);

		MUST(got >= 0);
		take(buf, got, &taken);
		if (got == 0 && last)
			return taken;
		if (got == 0 || rng_below(rng, 16) == 0) {
			uint64_t since = now_ns();

			rn_ring_sleep(ring, rng_below(rng, 2) ? 8 : ring->size / 4,
				      gone ? 1000000 : BLOCK_NS);
			MUST(now_ns() - since < BLOCK_NS);
			taken.sleeps++;
		}
	}
}

static void report(const char *what, const struct taken *taken, uint64_t since)
{
	double seconds = (double)(now_ns() - since) / 1e9;

	printf("%s: %llu records, %llu MiB, %llu sleeps, %.2f s\n", what,
	       (unsigned long long)taken->records, (unsigned long long)taken->bytes >> 20,
	       (unsigned long long)taken->sleeps, seconds);
}

static uint64_t records_to_send(void)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	return 8000 * (uint64_t)test_scale();
#else
	return 200000 * (uint64_t)test_scale();
#endif
}

static void test_two_processes(struct rng *rng, uint64_t start, bool patient)
{
	struct ends ends;
	struct load load = {&ends.producer, rng_next(rng) | 1, records_to_send(), patient};
	uint64_t since = now_ns();
	struct taken taken;
	int status;
	pid_t pid;

	ends_open(&ends, RN_RING_MIN, start);
	fflush(stdout);
	pid = fork_child();
	if (pid == 0) {
		produce(&load);
		_exit(0);
	}
	taken = consume(&ends.consumer, rng, NULL);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK_INT(taken.records, load.records);
	report(patient ? "two processes, waiting" : "two processes, asking", &taken, since);
	ends_close(&ends);
}

static void test_two_threads(struct rng *rng, uint64_t start)
{
	struct ends ends;
	struct load load = {&ends.producer, rng_next(rng) | 1, records_to_send(), true};
	uint64_t since = now_ns();
	struct taken taken;
	pthread_t thread;

	ends_open(&ends, RN_RING_MIN, start);
	/* ThreadSanitizer knows addresses, not pages: one mapping for both ends, or it
	   would not see that they meet. */
	rn_ring_deinit(&ends.consumer);
	ends.consumer = ends.producer;
	ends.consumer.tail = start;
	CHECK_INT(pthread_create(&thread, NULL, produce_main, &load), 0);
	taken = consume(&ends.consumer, rng, NULL);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(taken.records, load.records);
	report("two threads", &taken, since);
	rn_ring_deinit(&ends.producer);
}

static volatile bool child_gone;

static void on_child(int sig)
{
	(void)sig;
	child_gone = true;
}

/* What arrives is what was committed, whole and from the beginning: nothing torn. */
static void test_killed_producer(struct rng *rng)
{
	const unsigned kills = 60 * test_scale();
	struct taken sum = {0};
	uint64_t since = now_ns();
	unsigned blocked = 0;

	for (unsigned i = 0; i < kills; i++) {
		struct ends ends;
		struct load load = {&ends.producer, rng_next(rng) | 1, UINT64_MAX, true};
		uint64_t until, head;
		struct taken taken = {0};
		int status;
		pid_t pid;

		ends_open(&ends, RN_RING_MIN, rng_next(rng) & ~7ull);
		child_gone = false;
		pid = fork_child();
		if (pid == 0) {
			produce(&load);
			_exit(0);
		}
		/* Killed while it runs free, or once it has filled the ring and waits. */
		if (i % 4 == 0) {
			while (atomic_load(&ends.producer.control->blocked) == 0)
				;
			blocked++;
		} else {
			until = now_ns() + rng_below(rng, 3000000);
			while (now_ns() < until)
				if (i % 2)
					take(buf, rn_ring_read(&ends.consumer, buf, sizeof(buf)),
					     &taken);
		}
		CHECK_INT(kill(pid, SIGKILL), 0);
		CHECK_INT(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status));
		head = atomic_load(&ends.consumer.control->head);
		for (int64_t got; (got = rn_ring_read(&ends.consumer, buf, sizeof(buf))) != 0;) {
			CHECK(got > 0);
			take(buf, got, &taken);
		}
		CHECK_INT(ends.consumer.tail, head);
		CHECK_INT(atomic_load(&ends.consumer.control->head), head);
		/* A ring whose producer died while it waited still lets the consumer sleep. */
		until = now_ns();
		rn_ring_sleep(&ends.consumer, 8, 2000000);
		CHECK(now_ns() - until >= 2000000);
		sum.records += taken.records;
		sum.bytes += taken.bytes;
		ends_close(&ends);
	}
	CHECK(sum.records > kills);
	CHECK(blocked > 0);
	report("killed producers", &sum, since);
}

/* The consumer sleeps and wakes as it does in a run while the producer is killed. */
static void test_killed_under_a_sleeper(struct rng *rng)
{
	struct ends ends;
	struct load load = {&ends.producer, rng_next(rng) | 1, UINT64_MAX, true};
	uint64_t since = now_ns();
	struct sigaction action = {.sa_handler = on_child}, before;
	struct taken taken;
	int status;
	pid_t pid, killer;

	ends_open(&ends, RN_RING_MIN, 0);
	CHECK_INT(sigaction(SIGCHLD, &action, &before), 0);
	child_gone = false;
	fflush(stdout);
	pid = fork_child();
	if (pid == 0) {
		produce(&load);
		_exit(0);
	}
	killer = fork_child();
	if (killer == 0) {
		/* Once some megabytes have passed. */
		while (atomic_load(&ends.consumer.control->tail) < 16u << 20)
			usleep(100);
		kill(pid, SIGKILL);
		_exit(0);
	}
	taken = consume(&ends.consumer, rng, &child_gone);
	CHECK_INT(waitpid(killer, &status, 0), killer);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	/* The killer's end may have been the first that was seen. */
	for (int64_t got; (got = rn_ring_read(&ends.consumer, buf, sizeof(buf))) != 0;) {
		CHECK(got > 0);
		take(buf, got, &taken);
	}
	CHECK(taken.bytes >= 16u << 20);
	CHECK_INT(taken.bytes, atomic_load(&ends.consumer.control->head));
	CHECK_INT(sigaction(SIGCHLD, &before, NULL), 0);
	report("killed under a sleeper", &taken, since);
	ends_close(&ends);
}

int main(void)
{
	struct rng rng = test_rng();

	alarm(120 * test_scale()); /* a wait that nobody ends is a failure */
	test_two_processes(&rng, 0, true);
	test_two_processes(&rng, UINT64_MAX - (32u << 20) + 1, true);
	test_two_processes(&rng, 8 * 12345, false);
	test_two_threads(&rng, 0);
	test_two_threads(&rng, UINT64_MAX - (8u << 20) + 1);
	test_killed_producer(&rng);
	test_killed_under_a_sleeper(&rng);
	return check_done();
}
