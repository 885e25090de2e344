/* SPDX-License-Identifier: MIT */
/* How much memory a process had resident at most: VmHWM of proc_pid_status(5). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine_private.h"

void rn_peak_add(struct rn_engine *e, const struct task *task, struct record *rec)
{
	char name[32], text[2048];
	const char *line;
	uint64_t bytes;
	ssize_t len;
	int fd;

	if (!e->config.peaks)
		return;
	snprintf(name, sizeof(name), "/proc/%d/status", task->tid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return;
	text[len] = 0;
	line = strstr(text, "\nVmHWM:"); /* a name has no line of its own: it is escaped */
	if (!line)
		return;
	bytes = strtoull(line + 7, NULL, 10) * 1024;
	rn_piece_add(rec, RN_PIECE_PEAK, RN_PIECE_NO_ARG, &bytes, sizeof(bytes), sizeof(bytes), 0);
}
