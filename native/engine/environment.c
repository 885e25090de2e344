/* SPDX-License-Identifier: MIT */
/*
 * The variables that an exec gives to a program and that its process was not itself given, or not so:
 * what a run has chosen, and not what it came with. What a process was given is what the kernel shows
 * of it (/proc/TID/environ, see proc_pid_environ(5)): a program may write over that, and then there is
 * nothing to compare with.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"

#define OWN_MAX (2u * CAPTURE_MAX)
#define VARIABLES 2048u
#define TOLD_MAX (CAPTURE_MAX - 64) /* bytes of variables that are told */
#define LEAST_VALUE 4u              /* bytes of a value that is looked for in others */
#define PARTS 64u                   /* of a value, that are others' */
#define MARK '\x06' /* before and after the name of a variable whose value it is */

struct variable {
	const char *text;
	uint32_t name, len; /* bytes of the name, of all; without the NUL */
	bool met;
};

struct told {
	uint8_t *to;
	size_t used;
	uint64_t count;
	bool cut;
};

static struct variable own[VARIABLES]; /* one tracer thread in a process */

/* How many variables a process was given; -1: not known, or not to be told. */
static int read_own(int tid, char *text)
{
	char path[32];
	size_t len = 0;
	ssize_t got = 1;
	unsigned n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (len < OWN_MAX && (got = read(fd, text + len, OWN_MAX - len)) > 0)
		len += (size_t)got;
	close(fd);
	if (got != 0 || (len && text[len - 1]))
		return -1;
	for (size_t at = 0; at < len; n++) {
		size_t whole = strlen(text + at);
		const char *equals = memchr(text + at, '=', whole);

		if (n == VARIABLES || !equals || equals == text + at)
			return -1; /* a program's title, maybe */
		own[n] = (struct variable){.text = text + at,
					   .name = (uint32_t)(equals - (text + at)),
					   .len = (uint32_t)whole};
		at += whole + 1;
	}
	return (int)n;
}

/* The process's own variable of this name; NULL: it has none. `*from`: where to begin. */
static struct variable *find_own(unsigned n, unsigned *from, const char *name, size_t len)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned at = (*from + i) % n;

		if (own[at].name == len && memcmp(own[at].text, name, len) == 0) {
			*from = at + 1;
			return &own[at];
		}
	}
	return NULL;
}

static void tell(struct told *told, const char *data, size_t len)
{
	if (len > TOLD_MAX - told->used) {
		len = TOLD_MAX - told->used;
		told->cut = true;
	}
	memcpy(told->to + told->used, data, len);
	told->used += len;
}

/* A value in which other variables' values are these variables. */
static void tell_value(struct told *told, const char *value, size_t len,
		       struct variable *const parts[3])
{
	for (unsigned n = 0; len; n++) {
		const struct variable *first = NULL;
		const char *at = value + len;
		const char mark = MARK;

		for (unsigned i = 0; i < 3; i++) {
			size_t part = parts[i] ? parts[i]->len - parts[i]->name - 1 : 0;
			const char *found;

			if (part < LEAST_VALUE || n >= PARTS)
				continue;
			found = memmem(value, len, parts[i]->text + parts[i]->name + 1, part);
			if (found && found < at) {
				at = found;
				first = parts[i];
			}
		}
		tell(told, value, (size_t)(at - value));
		if (first) {
			tell(told, &mark, 1);
			tell(told, first->text, first->name);
			tell(told, &mark, 1);
			at += first->len - first->name - 1;
		}
		len -= (size_t)(at - value);
		value = at;
	}
}

static void tell_variable(struct told *told, unsigned n, const char *text, size_t len)
{
	static unsigned from;
	const char *equals = memchr(text, '=', len);
	size_t name = equals ? (size_t)(equals - text) : len;
	unsigned other = 0;
	struct variable *known;

	if (!equals || !name)
		return;
	known = find_own(n, &from, text, name);
	if (known)
		known->met = true;
	if (known && known->len == len && memcmp(known->text, text, len) == 0)
		return;
	told->count++;
	tell(told, text, name + 1);
	tell_value(told, equals + 1, len - name - 1,
		   (struct variable *[]){known, find_own(n, &other, "PATH", 4),
					 find_own(n, &other, "HOME", 4)});
	tell(told, "", 1);
}

void rn_capture_environment(struct rn_engine *e, struct task *task, struct record *rec,
			    unsigned arg, const uint64_t *pointers, unsigned n)
{
	/* The scratch areas lie in a row: its own, one of the new ones, what is told. */
	char *text = (char *)e->scratch[2];
	struct told told = {.to = e->scratch[3]};
	int known = n <= VARIABLES ? read_own(task->tid, (char *)e->scratch[0]) : -1;

	if (known < 0) {
		rn_piece_add(rec, RN_PIECE_ENV, arg, NULL, 0, n, RN_PIECE_UNREAD);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		struct rn_span_of_memory span = {
			.addr = pointers[i], .to = text, .len = CAPTURE_MAX, .string = true};
		const char *end;

		rn_memory_read(e, task->tid, &span, 1);
		end = memchr(text, 0, span.got);
		if (end)
			tell_variable(&told, (unsigned)known, text, (size_t)(end - text));
		else
			told.cut = true;
	}
	for (int i = 0; i < known; i++) {
		if (own[i].met)
			continue;
		tell(&told, own[i].text, own[i].name);
		tell(&told, "", 1);
		told.count++;
	}
	rn_piece_add(rec, RN_PIECE_ENV, arg, told.to, told.used, told.count,
		     told.cut ? RN_PIECE_CUT : 0);
}
