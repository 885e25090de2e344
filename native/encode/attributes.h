/* SPDX-License-Identifier: MIT */
/*
 * Private to encode/: what the OTLP protobuf and the OTLP/JSON back end share.
 */
#ifndef RENACER_ENCODE_ATTRIBUTES_H
#define RENACER_ENCODE_ATTRIBUTES_H

#include "renacer/encode.h"

/*
 * rn_utf8_escape() into a fixed place: writes at most `room` bytes, consumes at most
 * `limit` of `len`, whole code points and whole escapes only. Returns the bytes
 * written; *cut (may be NULL) tells whether input was left over.
 */
size_t rn_utf8_escape_to(uint8_t *out, size_t room, const void *data, size_t len, size_t limit,
			 bool *cut);

#endif
