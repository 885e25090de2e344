/* SPDX-License-Identifier: MIT */
/*
 * One queue of bytes, or of messages, as the entries and exits of calls tell of it: who wrote what
 * is in it, and so whose bytes a read got. Pure data; positions are counts of bytes (messages) from
 * the queue's beginning, in the order in which they went in. Inner part of spans/.
 *
 * A write puts its bytes in between its entry and its exit, a read takes them out between its own.
 * Of each write is known where its first byte is at the earliest (after all that writes had written
 * which ended before it began) and where its last one is at the latest (before all that begins after
 * its end): where writes do not overlap, exactly. So it is with reads. How much a write has written
 * is told only by its end, and most reads end before the writes that fed them: until then it may
 * have written all that it was asked to.
 *
 * A read's causes are all writes that may have bytes among its own. One is certain if it must have:
 * if its place is known exactly, and the read's bytes cannot have come from elsewhere.
 */
#ifndef RENACER_SPANS_STREAM_H
#define RENACER_SPANS_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "cause.h"

/* No call moves more than that at once (MAX_RW_COUNT of the kernel); greater numbers are lies. */
#define RN_STREAM_MOST 0x7ffff000u

/* Writes that one stream remembers apart; older ones become one, of which nothing is certain. */
#define RN_STREAM_WRITES 4096u

/* What all streams of a run may hold together; zeroed = nothing yet. */
struct stream_pool {
	uint64_t held; /* writes that there is room for */
};

#define RN_STREAM_POOL (1u << 18)

struct stream;

/* Calls under way: the caller keeps them where they are until they end. */
struct stream_write {
	uint64_t number;
	uint32_t most;
	bool open, relays;
};

struct stream_read {
	struct stream_read *next, *former; /* of those under way, the oldest first */
	uint64_t from;  /* before it cannot be what it gets… */
	uint64_t first; /* …nor in writes before this one */
	uint64_t version; /* of the writes, when it began */
	uint32_t most;
	bool open, peeks;
};

/* NULL: no memory. */
struct stream *rn_stream_create(struct stream_pool *pool);
struct stream *rn_stream_hold(struct stream *stream);
void rn_stream_put(struct stream *stream); /* NULL is nothing */

/* A write of at most `most` begins. `relays`: its bytes come from elsewhere while it runs, so that
   what it causes may come after more than `cause`. */
void rn_stream_write_begin(struct stream *stream, struct stream_write *write,
			   const struct cause *cause, uint64_t most, bool relays);
/* It has ended, and has written `n`. `clock`: of what it relayed, at the latest; 0 = nothing. */
void rn_stream_write_end(struct stream *stream, struct stream_write *write, uint64_t n,
			 uint64_t clock);
/* It has ended, and how much it has written will not be known. */
void rn_stream_write_lost(struct stream *stream, struct stream_write *write);

/* A read of at most `most` begins; `peeks`: it leaves what it gets. */
void rn_stream_read_begin(struct stream *stream, struct stream_read *read, uint64_t most,
			  bool peeks);
#define RN_STREAM_RELAYS UINT64_MAX /* more still comes with it, of a time not known yet */

/* One of the writes that a read's bytes are from, or may be from. `carried`: the time of what came
   with it, at the latest; 0 = it brings itself alone. */
typedef void rn_stream_found(void *ctx, const struct cause *cause, bool certain, uint64_t carried);
/* It has ended with `n`, more than none. False: there may be causes that are not known. */
bool rn_stream_read_end(struct stream *stream, struct stream_read *read, uint64_t n,
			rn_stream_found *found, void *ctx);
/* It has ended with nothing. `empty`: because nothing was there. */
void rn_stream_read_nothing(struct stream *stream, struct stream_read *read, bool empty);
/* It has ended, and how much it has taken will not be known. */
void rn_stream_read_lost(struct stream *stream, struct stream_read *read);

/* Others write to it or read from it, unseen: from here on nothing is certain. */
void rn_stream_tear(struct stream *stream);
bool rn_stream_is_torn(const struct stream *stream);
/* Whether something may be in it. */
bool rn_stream_holds(const struct stream *stream);
/* Lamport time of all writes so far and of what they carried, at the latest; 0 = none. May be
   RN_STREAM_RELAYS. */
uint64_t rn_stream_newest(const struct stream *stream);
/* The writes that are remembered apart. */
uint32_t rn_stream_depth(const struct stream *stream);

#endif
