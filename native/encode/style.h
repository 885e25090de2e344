/* SPDX-License-Identifier: MIT */
/* How arguments are written in what leaves the process. */
#ifndef RENACER_ENCODE_STYLE_H
#define RENACER_ENCODE_STYLE_H

#include "../decode/decode.h"

static inline struct rn_style rn_style_of(const struct rn_trace *trace)
{
	return (struct rn_style){.string_limit = trace->string_limit,
				 .no_payload = !trace->payload,
				 .no_buffers = !trace->payload};
}

#endif
