/* SPDX-License-Identifier: MIT */
/* How much memory a process had resident at most: VmHWM of proc_pid_status(5). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

void rn_peak_add(struct rn_engine *e, const struct task *task, struct record *rec)
{
	char name[32], text[2048];
	const char *line;
	uint64_t bytes;

	if (!e->config.peaks)
		return;
	snprintf(name, sizeof(name), "/proc/%d/status", task->tid);
	if (!rn_read_text(name, text, sizeof(text)))
		return;
	line = strstr(text, "\nVmHWM:"); /* a name has no line of its own: it is escaped */
	if (!line)
		return;
	bytes = strtoull(line + 7, NULL, 10) * 1024;
	rn_piece_add(rec, RN_PIECE_PEAK, RN_PIECE_NO_ARG, &bytes, sizeof(bytes), sizeof(bytes), 0);
}
