/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking at both ends of the ring. A wake-up that is lost shows as a
 * sleep that lasts until its limit, which is far longer than the test may take.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ringtool.h"

#define SIZE RN_RING_MIN
#define LIMIT_NS 20000000000u /* a sleep this long was never woken */
#define SOON_NS 10000000000u  /* and one that ended before this was */

struct sleeper {
	struct ends ends;
	pthread_t thread;
	uint64_t threshold;
	uint64_t slept_ns;
};

static void *sleep_once(void *arg)
{
	struct sleeper *sleeper = arg;
	uint64_t since = now_ns();

	rn_ring_sleep(&sleeper->ends.consumer, sleeper->threshold, LIMIT_NS);
	sleeper->slept_ns = now_ns() - since;
	return NULL;
}

static bool sleeps(const struct sleeper *sleeper)
{
	return atomic_load(&sleeper->ends.producer.control->sleeping) != 0;
}

static void send_to_sleep(struct sleeper *sleeper, uint64_t start, uint64_t threshold)
{
	ends_open(&sleeper->ends, SIZE, start);
	sleeper->threshold = threshold;
	CHECK_INT(pthread_create(&sleeper->thread, NULL, sleep_once, sleeper), 0);
	while (!sleeps(sleeper))
		sched_yield();
}

static void was_woken(struct sleeper *sleeper)
{
	CHECK_INT(pthread_join(sleeper->thread, NULL), 0);
	CHECK(sleeper->slept_ns < SOON_NS);
	CHECK(!sleeps(sleeper));
}

/* The threshold wakes, the record before it does not: the producer makes no call for it. */
static void test_threshold(uint64_t start)
{
	struct sleeper sleeper;

	send_to_sleep(&sleeper, start, 1024);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(put_record(&sleeper.ends.producer, i, 256));
		CHECK(sleeps(&sleeper));
	}
	CHECK(put_record(&sleeper.ends.producer, 3, 256));
	was_woken(&sleeper);
	ends_close(&sleeper.ends);
}

/* One who has announced its sleep and is not asleep yet must find the announcement void. */
static void test_waking_takes_the_announcement_back(void)
{
	struct ends ends;
	struct rn_ring_control *control;

	ends_open(&ends, SIZE, 0);
	control = ends.producer.control;
	atomic_store(&control->wake_at, 256);
	atomic_store(&control->sleeping, 1);
	CHECK(put_record(&ends.producer, 0, 128));
	CHECK_INT(atomic_load(&control->sleeping), 1);
	CHECK(put_record(&ends.producer, 1, 128));
	CHECK_INT(atomic_load(&control->sleeping), 0);
	atomic_store(&control->sleeping, 1);
	rn_ring_close(&ends.producer);
	CHECK_INT(atomic_load(&control->sleeping), 0);
	ends_close(&ends);
}

static void test_close_wakes(void)
{
	struct sleeper sleeper;

	send_to_sleep(&sleeper, 0, SIZE);
	CHECK(!rn_ring_closed(&sleeper.ends.consumer));
	rn_ring_close(&sleeper.ends.producer);
	was_woken(&sleeper);
	CHECK(rn_ring_closed(&sleeper.ends.consumer));
	ends_close(&sleeper.ends);
}

/* A producer that finds no room wakes whoever could make some, whatever its threshold. */
static void test_no_room_wakes(void)
{
	struct sleeper sleeper;

	send_to_sleep(&sleeper, 0, SIZE);
	while (put_record(&sleeper.ends.producer, 0, 4096 - 8))
		;
	CHECK(sleeps(&sleeper));
	CHECK(!rn_ring_wait_room(&sleeper.ends.producer, 4096 - 8, true, 1));
	was_woken(&sleeper);
	ends_close(&sleeper.ends);
}

/* Nothing to sleep for: there already, closed, or the time is over. */
static void test_no_sleep(void)
{
	uint64_t since = now_ns();
	struct ends ends;

	ends_open(&ends, SIZE, UINT64_MAX - 255);
	rn_ring_sleep(&ends.consumer, 8, 1000);
	rn_ring_sleep(&ends.consumer, UINT64_MAX / 4, 1000);
	CHECK(put_record(&ends.producer, 0, 256));
	rn_ring_sleep(&ends.consumer, 256, LIMIT_NS);
	rn_ring_sleep(&ends.consumer, 0, LIMIT_NS);
	rn_ring_close(&ends.producer);
	rn_ring_sleep(&ends.consumer, SIZE, LIMIT_NS);
	CHECK(now_ns() - since < SOON_NS);
	ends_close(&ends);
}

static void *wait_room(void *arg)
{
	struct sleeper *sleeper = arg;
	uint64_t since = now_ns();

	MUST(rn_ring_wait_room(&sleeper->ends.producer, SIZE / 2, true, LIMIT_NS));
	sleeper->slept_ns = now_ns() - since;
	return NULL;
}

static bool waits(const struct sleeper *sleeper)
{
	return atomic_load(&sleeper->ends.producer.control->blocked) != 0;
}

static void send_to_wait(struct sleeper *sleeper)
{
	ends_open(&sleeper->ends, SIZE, 0);
	while (put_record(&sleeper->ends.producer, 0, 4096))
		;
	CHECK_INT(pthread_create(&sleeper->thread, NULL, wait_room, sleeper), 0);
	while (!waits(sleeper))
		sched_yield();
}

/* A record is read, and the producer goes on. */
static void make_room(struct sleeper *sleeper)
{
	static _Alignas(8) uint8_t buf[RN_EVENT_MAX];

	CHECK_INT(rn_ring_read(&sleeper->ends.consumer, buf, sizeof(buf)), sizeof(buf));
	CHECK_INT(pthread_join(sleeper->thread, NULL), 0);
	CHECK(sleeper->slept_ns < SOON_NS);
}

static void test_read_wakes_producer(void)
{
	struct sleeper sleeper;

	send_to_wait(&sleeper);
	make_room(&sleeper);
	CHECK(!waits(&sleeper));
	CHECK(rn_ring_reserve(&sleeper.ends.producer, SIZE / 2, true) != NULL);
	ends_close(&sleeper.ends);
}

/* Damage too makes room: a producer is not left waiting behind it. */
static void test_corrupt_read_wakes_producer(void)
{
	static _Alignas(8) uint8_t buf[RN_EVENT_MAX];
	struct sleeper sleeper;

	send_to_wait(&sleeper);
	((struct rn_event *)sleeper.ends.producer.data)->kind = 0;
	CHECK_INT(rn_ring_read(&sleeper.ends.consumer, buf, sizeof(buf)), RN_RING_CORRUPT);
	CHECK_INT(pthread_join(sleeper.thread, NULL), 0);
	CHECK(sleeper.slept_ns < SOON_NS);
	ends_close(&sleeper.ends);
}

/* A producer waits already when the consumer, who has more in mind, would go to sleep. */
static void test_no_sleep_before_a_waiting_producer(void)
{
	struct sleeper sleeper;
	uint64_t since = now_ns();

	send_to_wait(&sleeper);
	rn_ring_sleep(&sleeper.ends.consumer, 2 * SIZE, LIMIT_NS);
	CHECK(now_ns() - since < SOON_NS);
	make_room(&sleeper);
	ends_close(&sleeper.ends);
}

/* Who is woken and finds nothing changed goes on to wait: there was no progress yet. */
static void test_woken_for_nothing(void)
{
	struct sleeper sleeper;
	_Atomic uint32_t *blocked;

	send_to_wait(&sleeper);
	blocked = &sleeper.ends.producer.control->blocked;
	for (unsigned i = 0; i < 3; i++) {
		atomic_store(blocked, 0);
		syscall(SYS_futex, blocked, FUTEX_WAKE, 1, NULL, NULL, 0);
		while (!waits(&sleeper))
			sched_yield();
	}
	make_room(&sleeper);
	ends_close(&sleeper.ends);
}

static void test_wait_room_tells_progress(void)
{
	static _Alignas(8) uint8_t buf[RN_EVENT_MAX];
	struct ends ends;

	ends_open(&ends, SIZE, 0);
	while (put_record(&ends.producer, 0, 4096))
		;
	CHECK(!rn_ring_wait_room(&ends.producer, 4096, true, 1000));
	CHECK_INT(rn_ring_read(&ends.consumer, buf, sizeof(buf)), sizeof(buf));
	/* Room for this one, and none yet for that one: both are progress. */
	CHECK(rn_ring_wait_room(&ends.producer, 4096, true, 1000));
	CHECK(!rn_ring_wait_room(&ends.producer, SIZE, true, 1000));
	CHECK_INT(rn_ring_read(&ends.consumer, buf, sizeof(buf)), sizeof(buf));
	CHECK(rn_ring_wait_room(&ends.producer, SIZE, true, 1000));
	ends_close(&ends);
}

/* A producer that was killed while it waited: its mark must not keep the consumer awake. */
static void test_sleep_beside_a_dead_producer(void)
{
	uint64_t since = now_ns();
	struct ends ends;

	ends_open(&ends, SIZE, 0);
	atomic_store(&ends.producer.control->blocked, 1);
	rn_ring_sleep(&ends.consumer, 8, 3000000);
	CHECK(now_ns() - since >= 3000000);
	ends_close(&ends);
}

/* Each record is waited for, and each wait for room ends by the read of it. */
struct rally {
	struct ends ends;
	unsigned rounds;
	unsigned late;
	_Atomic uint32_t seen;
};

static void *rally_consumer(void *arg)
{
	static _Alignas(8) uint8_t buf[RN_EVENT_MAX];
	struct rally *rally = arg;
	struct rng rng = {99};

	for (unsigned n = 0; n < rally->rounds;) {
		uint64_t since = now_ns();
		int64_t got;

		rn_ring_sleep(&rally->ends.consumer, RN_EVENT_HEADER, LIMIT_NS);
		rally->late += now_ns() - since > SOON_NS;
		got = rn_ring_read(&rally->ends.consumer, buf, sizeof(buf));
		MUST(got >= 0);
		n += (unsigned)(got / RN_EVENT_HEADER);
		atomic_store(&rally->seen, n);
		for (uint32_t spin = rng_below(&rng, 400); spin > 0; spin--)
			__asm__ volatile("");
	}
	return NULL;
}

static void test_no_wake_up_is_lost(struct rng *rng)
{
	static struct rally rally;
	pthread_t thread;

	rally.rounds = 30000 * test_scale();
	ends_open(&rally.ends, SIZE, 0);
	CHECK_INT(pthread_create(&thread, NULL, rally_consumer, &rally), 0);
	for (unsigned n = 0; n < rally.rounds; n++) {
		CHECK(put_record(&rally.ends.producer, n, RN_EVENT_HEADER));
		/* Only one record is ever there: the next sleep needs its own wake-up. */
		while (atomic_load(&rally.seen) != n + 1)
			if (rng_below(rng, 64) == 0)
				sched_yield();
		for (uint32_t spin = rng_below(rng, 400); spin > 0; spin--)
			__asm__ volatile("");
	}
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(rally.late, 0);
	ends_close(&rally.ends);
}

int main(void)
{
	struct rng rng = test_rng();

	alarm(120 * test_scale()); /* a wait that nobody ends is a failure */
	test_threshold(0);
	test_threshold(UINT64_MAX - 511);
	test_waking_takes_the_announcement_back();
	test_close_wakes();
	test_no_room_wakes();
	test_no_sleep();
	test_read_wakes_producer();
	test_corrupt_read_wakes_producer();
	test_woken_for_nothing();
	test_wait_room_tells_progress();
	test_sleep_beside_a_dead_producer();
	test_no_wake_up_is_lost(&rng);
	test_no_sleep_before_a_waiting_producer();
	return check_done();
}
