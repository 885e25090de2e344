/* SPDX-License-Identifier: MIT */
/*
 * Text to its descriptor. While tracees live, waiting is the ring's policy: the
 * tracer blocks no longer than --block-limit. Once they are gone nobody waits for
 * us, so that limit holds here, and what an output does not take by then is lost,
 * counted.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_private.h"

#define LOOK_MS 50
/* A pipe that polls writable takes this much without blocking (pipe(7)). */
#define SURE_BYTES 4096u

/* Waits until some bytes can be written: 0, or why they will not be. */
static int wait_writable(const struct rn_run *run, int fd, uint64_t *since)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLOUT};

	while (poll(&pollfd, 1, LOOK_MS) == 0) {
		if (atomic_load(&run->given_up))
			return EINTR;
		if (!rn_ring_closed(&run->ring_read))
			*since = rn_now();
		else if (rn_now() - *since > run->config.block_limit_ns)
			return ETIMEDOUT;
	}
	return 0;
}

static bool never_blocks(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

static int write_all(const struct rn_run *run, const struct text_out *out, size_t *done)
{
	bool sure = never_blocks(out->fd);
	uint64_t since = rn_now();
	int failure = 0;

	while (!failure && *done < out->buf.len) {
		size_t len = out->buf.len - *done;
		ssize_t n;

		if (!sure && len > SURE_BYTES)
			len = SURE_BYTES;
		if (!sure && (failure = wait_writable(run, out->fd, &since)) != 0)
			break;
		n = write(out->fd, out->buf.data + *done, len);
		if (n > 0) {
			*done += (size_t)n;
			since = rn_now();
		} else if (n < 0 && errno != EINTR && errno != EAGAIN) {
			failure = errno;
		}
	}
	return failure;
}

/*
 * Of the buffer `done` bytes are written, the rest is lost. A line comes in pieces where its call
 * blocks, and counts once.
 */
static void count_lost(struct rn_run *run, struct text_out *out, size_t done, int failure)
{
	uint64_t lines = 0;

	for (size_t i = done; i < out->buf.len; i++) {
		lines += !out->line_counted;
		out->line_counted = out->buf.data[i] != '\n';
	}
	if (out->buf.failed) {
		/* The line that there was no memory for, and what follows is another. */
		lines += !out->line_counted;
		out->line_counted = false;
	}
	atomic_fetch_add(&run->consumed.text_lost, lines);
	atomic_store(&run->consumed.text_errno, failure);
}

void rn_text_write(struct rn_run *run, struct text_out *out)
{
	size_t done = 0;
	int failure = out->buf.failed ? ENOMEM : atomic_load(&run->consumed.text_errno);

	/* What timed out once has had its time. */
	if (failure != ENOMEM && failure != ETIMEDOUT && failure != EINTR) {
		failure = run->text_files ? rn_text_files_open(run, out) : 0;
		if (!failure)
			failure = write_all(run, out, &done);
	}
	if (done && memchr(out->buf.data, '\n', done))
		out->line_counted = false;
	if (failure)
		count_lost(run, out, done, failure);
	out->buf.len = 0;
	out->buf.failed = false;
}

bool rn_text_out_init(struct rn_run *run, struct text_out *out)
{
	const struct rn_text_config config = {
		.flags = run->config.text_flags,
		.string_limit = run->config.string_limit,
		.column = run->config.text_column,
		.realtime_anchor = run->config.realtime_anchor,
		.monotonic_anchor = run->config.monotonic_anchor,
		.site = run->trace.site,
		.site_ctx = run->trace.site_ctx,
	};

	out->fd = run->config.text_fd;
	rn_buf_init(&out->buf);
	out->text = rn_text_create(&config);
	return out->text != NULL;
}

void rn_text_out_deinit(struct text_out *out)
{
	if (out->text)
		rn_text_destroy(out->text);
	rn_buf_deinit(&out->buf);
}
