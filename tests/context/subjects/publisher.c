/* SPDX-License-Identifier: MIT */
/* A shared object that has the thread-local; DIALECT and VISIBILITY are the compiler's. */
#include "published.h"

#ifdef PADDING
/* So that it does not fit into what is left of the static blocks. */
static __thread volatile char padding[PADDING];
#endif

__thread struct published *otel_thread_ctx_v1 MODEL;

void publish(struct published *record);
void publish(struct published *record)
{
#ifdef PADDING
	padding[0] = 1;
#endif
	otel_thread_ctx_v1 = record;
}
