/* SPDX-License-Identifier: MIT */
/* Futex calls as all their forms say it: futex(2) and the calls that came after it. */
#ifndef RENACER_SPANS_FUTEX_CALLS_H
#define RENACER_SPANS_FUTEX_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "renacer/event.h"

/* A word that a call names. */
struct futex_name {
	uint64_t address;
	bool is_private;
};

#define FUTEX_NAMES 8u /* that a wait is followed at */

struct futex_operation {
	bool waits, wakes, requeues, pi;
	bool unsure; /* its result does not say how many it woke at each word, or of what */
	bool cut;    /* it names more words than are here */
	uint32_t mask;
	uint32_t most; /* it wakes no more than these */
	unsigned n;
	struct futex_name names[FUTEX_NAMES];
};

/* `kind`: enum call_kind. false: nothing that waits or wakes. */
bool rn_futex_read(const struct rn_event *ev, unsigned kind, struct futex_operation *op);

#endif
