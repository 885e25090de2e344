/* SPDX-License-Identifier: MIT */
/* The ring: see ring.h for the protocol and its promises. */
#include "renacer/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct rn_ring_control) <= RN_RING_CONTROL, "it is a page");

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
/* Kept free for process starts, execs and exits: losing one would tear the tree. */
#define STRUCTURAL_RESERVE (64u * 1024u)

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
	/* Not FUTEX_PRIVATE: the two ends may be two processes. */
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u),
	};
}

/* Maps control page and data, the data twice in a row. */
static int map_ring(struct rn_ring *ring, uint64_t size)
{
	uint8_t *base = mmap(NULL, RN_RING_CONTROL + 2 * size, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return RN_RING_SYSTEM;
	if (mmap(base, RN_RING_CONTROL + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 ring->fd, 0) == MAP_FAILED ||
	    mmap(base + RN_RING_CONTROL + size, size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, ring->fd, RN_RING_CONTROL) == MAP_FAILED) {
		int err = errno;

		munmap(base, RN_RING_CONTROL + 2 * size);
		errno = err;
		return RN_RING_SYSTEM;
	}
	ring->control = (struct rn_ring_control *)base;
	ring->data = base + RN_RING_CONTROL;
	ring->size = size;
	return RN_RING_OK;
}

static int fail(struct rn_ring *ring, int code)
{
	int err = errno;

	if (ring->fd >= 0)
		close(ring->fd);
	ring->fd = -1;
	ring->control = NULL;
	errno = err;
	return code;
}

static int create(struct rn_ring *ring, uint64_t size, bool sealed)
{
	uint64_t rounded = RN_RING_MIN;

	if (size > RN_RING_MAX)
		size = RN_RING_MAX;
	while (rounded < size)
		rounded *= 2;
	memset(ring, 0, sizeof(*ring));
	ring->fd = memfd_create("renacer-ring", MFD_CLOEXEC | (sealed ? MFD_ALLOW_SEALING : 0u));
	if (ring->fd < 0)
		return fail(ring, RN_RING_SYSTEM);
	/* Allocated now: a page that cannot be had later would be a SIGBUS in the tracer. */
	do
		errno = posix_fallocate(ring->fd, 0, (off_t)(RN_RING_CONTROL + rounded));
	while (errno == EINTR);
	if (errno)
		return fail(ring, RN_RING_SYSTEM);
	if (sealed && fcntl(ring->fd, F_ADD_SEALS, SEALS) < 0)
		return fail(ring, RN_RING_NOT_SEALED);
	if (map_ring(ring, rounded) < 0)
		return fail(ring, RN_RING_SYSTEM);
	ring->control->magic = RN_RING_MAGIC;
	ring->control->version = RN_RING_VERSION;
	ring->control->control_size = RN_RING_CONTROL;
	ring->control->size = rounded;
	ring->reserve = STRUCTURAL_RESERVE;
	return RN_RING_OK;
}

int rn_ring_create(struct rn_ring *ring, uint64_t size)
{
	return create(ring, size, true);
}

int rn_ring_create_unsealed(struct rn_ring *ring, uint64_t size)
{
	return create(ring, size, false);
}

static int attach(struct rn_ring *ring, int fd, bool sealed)
{
	const struct rn_ring_control *control;
	struct stat st;
	uint64_t size;
	int seals = SEALS;

	memset(ring, 0, sizeof(*ring));
	ring->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (ring->fd < 0)
		return RN_RING_SYSTEM;
	if (sealed)
		seals = fcntl(ring->fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS)
		return fail(ring, RN_RING_NOT_SEALED);
	if (fstat(ring->fd, &st) < 0)
		return fail(ring, RN_RING_SYSTEM);
	if (st.st_size < (off_t)(RN_RING_CONTROL + RN_RING_MIN) ||
	    st.st_size > (off_t)(RN_RING_CONTROL + (uint64_t)RN_RING_MAX))
		return fail(ring, RN_RING_BAD_HEADER);
	size = (uint64_t)st.st_size - RN_RING_CONTROL;
	if ((size & (size - 1)) != 0)
		return fail(ring, RN_RING_BAD_HEADER);
	if (map_ring(ring, size) < 0)
		return fail(ring, RN_RING_SYSTEM);
	control = ring->control;
	if (control->magic != RN_RING_MAGIC || control->version != RN_RING_VERSION ||
	    control->control_size != RN_RING_CONTROL || control->size != size) {
		rn_ring_deinit(ring);
		ring->fd = -1;
		return RN_RING_BAD_HEADER;
	}
	ring->tail = atomic_load_explicit(&ring->control->tail, memory_order_relaxed);
	return RN_RING_OK;
}

int rn_ring_attach(struct rn_ring *ring, int fd)
{
	return attach(ring, fd, true);
}

int rn_ring_attach_unsealed(struct rn_ring *ring, int fd)
{
	return attach(ring, fd, false);
}

void rn_ring_deinit(struct rn_ring *ring)
{
	if (ring->control)
		munmap(ring->control, RN_RING_CONTROL + 2 * ring->size);
	if (ring->fd >= 0)
		close(ring->fd);
	ring->control = NULL;
	ring->fd = -1;
}

static bool has_room(const struct rn_ring *ring, uint32_t len, bool structural)
{
	uint64_t used = ring->head - ring->cached_tail;
	uint64_t kept = structural ? 0 : ring->reserve;

	return used <= ring->size && ring->size - used >= len + kept;
}

static bool look_for_room(struct rn_ring *ring, uint32_t len, bool structural)
{
	/* Ordered after `blocked` in rn_ring_wait_room(), as the consumer's look at it is after
	   its tail: one of the two sees the other. */
	ring->cached_tail = atomic_load_explicit(&ring->control->tail, memory_order_seq_cst);
	return has_room(ring, len, structural);
}

void *rn_ring_reserve(struct rn_ring *ring, uint32_t len, bool structural)
{
	if (!has_room(ring, len, structural) && !look_for_room(ring, len, structural))
		return NULL;
	return ring->data + (ring->head & (ring->size - 1));
}

static void wake_consumer(struct rn_ring *ring)
{
	struct rn_ring_control *control = ring->control;

	/* Ordered after what the sleeper looks at: head, closed or blocked. */
	if (atomic_exchange_explicit(&control->sleeping, 0, memory_order_seq_cst) != 0)
		futex(&control->sleeping, FUTEX_WAKE, 1, NULL);
}

void rn_ring_commit(struct rn_ring *ring, uint32_t len)
{
	struct rn_ring_control *control = ring->control;

	ring->head += len;
	/*
	 * Store head, then look whether the consumer sleeps; the consumer stores
	 * `sleeping`, then looks at head. Sequential consistency on both sides makes
	 * sure that one of the two sees the other.
	 */
	atomic_store_explicit(&control->head, ring->head, memory_order_seq_cst);
	if (atomic_load_explicit(&control->sleeping, memory_order_seq_cst) == 0)
		return;
	if ((int64_t)(ring->head - atomic_load_explicit(&control->wake_at, memory_order_relaxed)) >=
	    0)
		wake_consumer(ring);
}

static uint64_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool rn_ring_wait_room(struct rn_ring *ring, uint32_t len, bool structural, uint64_t timeout_ns)
{
	struct rn_ring_control *control = ring->control;
	uint64_t before = ring->cached_tail;
	uint64_t now = monotonic(), until = now + timeout_ns;

	do {
		struct timespec timeout = timespec_of(until - now);

		atomic_store_explicit(&control->blocked, 1, memory_order_seq_cst);
		if (!look_for_room(ring, len, structural)) {
			wake_consumer(ring);
			futex(&control->blocked, FUTEX_WAIT, 1, &timeout);
		}
		atomic_store_explicit(&control->blocked, 0, memory_order_relaxed);
		/* Woken for nothing: by a signal, or by a consumer that saw the mark of the
		   wait before this one and was late to answer it. */
	} while (!look_for_room(ring, len, structural) && ring->cached_tail == before &&
		 (now = monotonic()) < until);
	return ring->cached_tail != before;
}

void rn_ring_close(struct rn_ring *ring)
{
	atomic_store_explicit(&ring->control->closed, 1, memory_order_seq_cst);
	wake_consumer(ring);
}

bool rn_ring_closed(const struct rn_ring *ring)
{
	return atomic_load_explicit(&ring->control->closed, memory_order_acquire) != 0;
}

uint64_t rn_ring_used(const struct rn_ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->control->head, memory_order_acquire);

	return head - ring->tail;
}

void rn_ring_free(struct rn_ring *ring, uint64_t tail)
{
	struct rn_ring_control *control = ring->control;

	atomic_store_explicit(&control->tail, tail, memory_order_seq_cst);
	if (atomic_load_explicit(&control->blocked, memory_order_seq_cst) != 0 &&
	    atomic_exchange_explicit(&control->blocked, 0, memory_order_relaxed) != 0)
		futex(&control->blocked, FUTEX_WAKE, 1, NULL);
}

static void free_room(struct rn_ring *ring)
{
	if (!ring->holds)
		rn_ring_free(ring, ring->tail);
}

int64_t rn_ring_read(struct rn_ring *ring, void *buf, size_t cap)
{
	uint64_t head = atomic_load_explicit(&ring->control->head, memory_order_acquire);
	uint64_t available = head - ring->tail;
	size_t whole = 0;

	if (available == 0)
		return 0;
	if (available > ring->size || available % 8 != 0)
		goto corrupt;
	if (available < cap)
		cap = available;
	memcpy(buf, ring->data + (ring->tail & (ring->size - 1)), cap);
	while (whole < cap) {
		uint32_t size = rn_event_check((uint8_t *)buf + whole, cap - whole);

		if (size == 0)
			break;
		whole += size;
	}
	/* Nothing whole although a longest record would fit, or all there is is copied. */
	if (whole == 0 || (whole < cap && cap == available))
		goto corrupt;
	if (whole < cap && cap - whole >= RN_EVENT_MAX)
		goto corrupt;
	ring->tail += whole;
	free_room(ring);
	return (int64_t)whole;
corrupt:
	/* Good records before the damage are handed on; the next read reports it. */
	ring->tail = whole ? ring->tail + whole : head;
	free_room(ring);
	return whole ? (int64_t)whole : RN_RING_CORRUPT;
}

/* What ends a sleep; each is stored before its writer looks at `sleeping`. */
static bool may_sleep(const struct rn_ring *ring, uint64_t wake_at)
{
	const struct rn_ring_control *control = ring->control;
	uint64_t head = atomic_load_explicit(&control->head, memory_order_seq_cst);

	if ((int64_t)(head - wake_at) >= 0 ||
	    atomic_load_explicit(&control->closed, memory_order_seq_cst) != 0)
		return false;
	/* A producer that died while it waited leaves its mark for ever: only where a read
	   would make room does it keep the consumer up. */
	return head == ring->tail ||
	       atomic_load_explicit(&control->blocked, memory_order_seq_cst) == 0;
}

void rn_ring_wake(struct rn_ring *ring)
{
	wake_consumer(ring);
}

void rn_ring_sleep(struct rn_ring *ring, uint64_t threshold, uint64_t timeout_ns)
{
	struct rn_ring_control *control = ring->control;
	struct timespec timeout = timespec_of(timeout_ns);
	uint64_t wake_at = ring->tail + threshold;

	atomic_store_explicit(&control->wake_at, wake_at, memory_order_relaxed);
	atomic_store_explicit(&control->sleeping, 1, memory_order_seq_cst);
	if (may_sleep(ring, wake_at))
		futex(&control->sleeping, FUTEX_WAIT, 1, &timeout);
	atomic_store_explicit(&control->sleeping, 0, memory_order_relaxed);
}
