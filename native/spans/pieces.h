/* SPDX-License-Identifier: MIT */
#ifndef RENACER_SPANS_PIECES_H
#define RENACER_SPANS_PIECES_H

#include "renacer/span.h"

/* The pid whose end this wait has told of, or 0. */
int32_t rn_waited_for(const struct rn_call *call);

#endif
