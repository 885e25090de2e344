/* SPDX-License-Identifier: MIT */
/* What the text encoder remembers of threads: inner part of encode/. */
#ifndef RENACER_TEXT_STATE_H
#define RENACER_TEXT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A thread that has something pending on paper. */
struct text_thread {
	int32_t tid;        /* 0 = free */
	bool open;          /* the first half of a call is printed */
	bool done;          /* and the second as well */
	uint8_t next_arg;   /* and this argument comes next */
	uint64_t seq;       /* which call that is */
	const char *paused; /* the call that a signal cut short and that may be resumed, or NULL */
};

/* Threads by tid: open addressing, a power of two of slots, at most two thirds full. */
struct text_threads {
	struct text_thread *slots;
	size_t cap, count;
};

void rn_text_threads_deinit(struct text_threads *threads);
/* The thread, or NULL. Valid until the next add or remove. */
struct text_thread *rn_text_threads_find(struct text_threads *threads, int32_t tid);
/* The thread, made if need be; NULL if there is no memory. */
struct text_thread *rn_text_threads_add(struct text_threads *threads, int32_t tid);
void rn_text_threads_remove(struct text_threads *threads, struct text_thread *thread);

#endif
