/* SPDX-License-Identifier: MIT */
/*
 * The growing byte buffer of the encoders. It doubles, so that appending is cheap,
 * and keeps its memory until rn_buf_deinit(): callers reset `len` to use it again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "renacer/encode.h"

#define BUF_FIRST 1024u

void rn_buf_init(struct rn_buf *buf)
{
	memset(buf, 0, sizeof(*buf));
}

void rn_buf_deinit(struct rn_buf *buf)
{
	free(buf->data);
	rn_buf_init(buf);
}

bool rn_buf_reserve(struct rn_buf *buf, size_t more)
{
	size_t need, cap;
	uint8_t *data;

	if (buf->failed)
		return false;
	if (more <= buf->cap - buf->len)
		return true;
	if (__builtin_add_overflow(buf->len, more, &need)) {
		buf->failed = true;
		return false;
	}
	cap = buf->cap ? buf->cap : BUF_FIRST;
	while (cap < need)
		if (__builtin_mul_overflow(cap, (size_t)2, &cap))
			cap = need;
	data = realloc(buf->data, cap);
	if (!data) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

void rn_buf_put(struct rn_buf *buf, const void *data, size_t len)
{
	if (!len || !rn_buf_reserve(buf, len))
		return;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

void rn_buf_printf(struct rn_buf *buf, const char *format, ...)
{
	va_list args;
	size_t room;
	int len;

	/* vsnprintf() ends with a NUL that is not part of the content. */
	if (!rn_buf_reserve(buf, 64))
		return;
	room = buf->cap - buf->len;
	va_start(args, format);
	len = vsnprintf((char *)buf->data + buf->len, room, format, args);
	va_end(args);
	if (len < 0) {
		buf->failed = true;
		return;
	}
	if ((size_t)len >= room) {
		if (!rn_buf_reserve(buf, (size_t)len + 1))
			return;
		va_start(args, format);
		vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, args);
		va_end(args);
	}
	buf->len += (size_t)len;
}
