/* SPDX-License-Identifier: MIT */
/*
 * The ring: a sealed memfd with one producer and one consumer.
 *
 * A page of control words, then a power-of-two area of bytes that is mapped twice
 * in a row, so that a record is always contiguous. `head` and `tail` count bytes
 * since the beginning and never wrap in practice (2^64); they may start anywhere.
 *
 * The producer publishes with a release store of `head` and makes no system call
 * unless the consumer has announced, in `sleeping`, that it waits for `head` to
 * reach `wake_at`. A producer killed in the middle of a record has not published
 * it: what was published drains. The consumer trusts nothing but its own copy.
 *
 * The two ends may be two processes. What one wants of the other beside records stands in the
 * control page, too: `told` by the producer, `taken` by the consumer. Both are mere numbers.
 */
#ifndef RENACER_RING_H
#define RENACER_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "renacer/event.h"

#define RN_RING_MAGIC 0x31474e52524e4552ull /* "RENRRNG1" */
#define RN_RING_VERSION 2
#define RN_RING_CONTROL 4096u /* bytes before the data */
#define RN_RING_MIN (512u * 1024u)
#define RN_RING_MAX (1024u * 1024u * 1024u)

/* Written by the producer: what no record tells. ns, counts. */
struct rn_ring_told {
	_Atomic uint64_t calls; /* entries seen */
	_Atomic uint64_t lost_calls, lost_events;
	_Atomic uint64_t stops;
	_Atomic uint64_t tracer_ns, added_ns;
	_Atomic uint64_t filtered; /* 1 = by the kernel */
	_Atomic uint64_t turn; /* whose turn it is to read, where consumers follow each other */
};

/* Written by the consumer: what one that takes its place has to know. */
struct rn_ring_taken {
	_Atomic uint64_t lamport; /* the greatest time so far */
	_Atomic uint64_t spans;   /* made */
};

struct rn_ring_control {
	uint64_t magic;
	uint32_t version;
	uint32_t control_size; /* RN_RING_CONTROL */
	uint64_t size;         /* bytes of data, a power of two */
	_Alignas(64) _Atomic uint64_t head; /* written by the producer */
	_Atomic uint32_t closed;            /* the producer will write no more */
	_Alignas(64) _Atomic uint64_t tail; /* written by the consumer */
	_Alignas(64) _Atomic uint32_t sleeping; /* futex: 1 = the consumer waits… */
	_Atomic uint64_t wake_at;               /* …until head reaches this */
	_Alignas(64) _Atomic uint32_t blocked; /* futex: 1 = the producer waits for room */
	_Alignas(64) struct rn_ring_told told;
	_Alignas(64) struct rn_ring_taken taken;
};

enum rn_ring_error {
	RN_RING_OK = 0,
	RN_RING_SYSTEM = -1,   /* errno tells */
	RN_RING_NOT_SEALED = -2, /* the descriptor is not a memfd sealed against resizing */
	RN_RING_BAD_HEADER = -3, /* magic, version or size are not a ring's */
	RN_RING_CORRUPT = -4     /* content that no producer writes; `tail` was moved to `head` */
};

struct rn_ring {
	struct rn_ring_control *control;
	uint8_t *data;        /* size bytes, mapped twice */
	uint64_t size;        /* own copy: the shared one is not trusted */
	uint64_t head;        /* producer's own */
	uint64_t tail;        /* consumer's own */
	uint64_t cached_tail; /* producer's last look */
	uint64_t reserve;     /* bytes kept for structural records */
	bool holds; /* consumer: reads free no room, rn_ring_free() does */
	int fd;
};

/* Makes a ring of `size` data bytes (rounded up to a power of two). 0 or rn_ring_error. */
int rn_ring_create(struct rn_ring *ring, uint64_t size);
/* Maps the ring behind `fd` as its consumer. Refuses one that is not sealed. */
int rn_ring_attach(struct rn_ring *ring, int fd);
/*
 * Where there are no seals: for two ends in one process, which alone has the
 * descriptor. Another process could shrink the file below a reader (SIGBUS).
 */
int rn_ring_create_unsealed(struct rn_ring *ring, uint64_t size);
int rn_ring_attach_unsealed(struct rn_ring *ring, int fd);
void rn_ring_deinit(struct rn_ring *ring);

/*
 * Producer. rn_ring_reserve() gives room for `len` bytes (multiple of 8), or NULL
 * when the ring is full; `structural` records may use the reserve. Nothing is seen
 * by the consumer before rn_ring_commit().
 */
void *rn_ring_reserve(struct rn_ring *ring, uint32_t len, bool structural);
void rn_ring_commit(struct rn_ring *ring, uint32_t len);
/* Waits until the consumer made room or `timeout_ns` passed; false = no progress at all. */
bool rn_ring_wait_room(struct rn_ring *ring, uint32_t len, bool structural, uint64_t timeout_ns);
void rn_ring_close(struct rn_ring *ring);

/*
 * Consumer. rn_ring_read() copies the next records into buf (8-byte aligned, at
 * least RN_EVENT_MAX bytes), whole records only, each checked in the copy, and frees
 * their room, unless the ring `holds`. Returns bytes copied, 0 if the ring is empty, or RN_RING_CORRUPT.
 */
int64_t rn_ring_read(struct rn_ring *ring, void *buf, size_t cap);
/* What stands before `tail`, and was read, is done with; never called with less than before. */
void rn_ring_free(struct rn_ring *ring, uint64_t tail);
/* Sleeps until head >= tail + threshold, the ring is closed, the producer waits for room that
   a read would make, or timeout_ns passed; or for less. */
void rn_ring_sleep(struct rn_ring *ring, uint64_t threshold, uint64_t timeout_ns);
/* Ends a sleep of the consumer; any thread of its process. */
void rn_ring_wake(struct rn_ring *ring);
bool rn_ring_closed(const struct rn_ring *ring);
uint64_t rn_ring_used(const struct rn_ring *ring);

#endif
