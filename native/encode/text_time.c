/* SPDX-License-Identifier: MIT */
/* The times before a line, as strace writes them for -t, -tt, -ttt and -r. */
#include <time.h>

#include "text_line.h"

#define NS_PER_S 1000000000u

static void put_digits(struct line *line, uint64_t value, unsigned width)
{
	for (unsigned i = width; i-- > 0; value /= 10)
		line->end[i] = (char)('0' + value % 10);
	line->end += width;
}

/* The time of day of a minute is looked up once a minute: that may read a file (TZ). */
static void put_time_of_day(struct rn_text *text, struct line *line, uint64_t seconds)
{
	uint64_t minute = seconds / 60;

	if (minute != text->minute || text->minute == 0) {
		struct tm tm = {0};
		time_t start = (time_t)(minute * 60);
		struct line to = {.end = text->minute_text};

		localtime_r(&start, &tm);
		put_digits(&to, (uint64_t)tm.tm_hour, 2);
		*to.end++ = ':';
		put_digits(&to, (uint64_t)tm.tm_min, 2);
		*to.end++ = ':';
		text->minute = minute;
	}
	memcpy(line->end, text->minute_text, sizeof(text->minute_text));
	line->end += sizeof(text->minute_text);
	put_digits(line, seconds % 60, 2);
}

static void put_micros(struct line *line, uint64_t ns)
{
	*line->end++ = '.';
	put_digits(line, ns % NS_PER_S / 1000, 6);
}

static void put_relative(struct line *line, uint64_t ns, bool behind_another)
{
	char digits[RN_NUMBER_MAX];
	size_t len = (size_t)(rn_write_u64(digits, ns / NS_PER_S) - digits);

	if (behind_another)
		PUT(line, "(+");
	for (size_t i = len; i < 6; i++)
		*line->end++ = ' ';
	memcpy(line->end, digits, len);
	line->end += len;
	put_micros(line, ns);
	put(line, behind_another ? ") " : " ");
}

void rn_text_put_time(struct rn_text *text, struct line *line, uint64_t at)
{
	const unsigned any = RN_TEXT_TIME | RN_TEXT_TIME_US | RN_TEXT_TIME_UNIX;
	uint64_t real = text->realtime_anchor + (at - text->monotonic_anchor);
	uint64_t before = text->last_time ? text->last_time : at;

	text->last_time = at;
	if (text->flags & RN_TEXT_TIME_UNIX)
		line->end = rn_write_u64(line->end, real / NS_PER_S);
	else if (text->flags & any)
		put_time_of_day(text, line, real / NS_PER_S);
	if (text->flags & (RN_TEXT_TIME_US | RN_TEXT_TIME_UNIX))
		put_micros(line, real);
	if (text->flags & any)
		*line->end++ = ' ';
	if (text->flags & RN_TEXT_RELATIVE)
		put_relative(line, at > before ? at - before : 0, text->flags & any);
}
