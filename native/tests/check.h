/* SPDX-License-Identifier: MIT */
/*
 * Assertions for tests written in plain C. The first that fails is told on stderr and
 * ends the program with 1; a test's main() ends with `return check_done();`.
 */
#ifndef RENACER_TESTS_CHECK_H
#define RENACER_TESTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long check_count;

__attribute__((unused, noreturn, format(printf, 3, 4))) static void
check_failed(const char *file, int line, const char *format, ...)
{
	__builtin_va_list args;

	fprintf(stderr, "%s:%d: ", file, line);
	__builtin_va_start(args, format);
	vfprintf(stderr, format, args);
	__builtin_va_end(args);
	fputc('\n', stderr);
	exit(1);
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		check_count++;                                                                     \
		if (!(condition))                                                                  \
			check_failed(__FILE__, __LINE__, "not true: %s", #condition);              \
	} while (0)

/* Integers of any type up to 64 bits. */
#define CHECK_INT(got, want)                                                                       \
	do {                                                                                       \
		long long check_got = (long long)(got);                                            \
		long long check_want = (long long)(want);                                          \
		check_count++;                                                                     \
		if (check_got != check_want)                                                       \
			check_failed(__FILE__, __LINE__, "%s is %lld, not %lld", #got, check_got,  \
				     check_want);                                                  \
	} while (0)

/* C strings; NULL equals NULL only. */
#define CHECK_STR(got, want)                                                                       \
	do {                                                                                       \
		const char *check_got = (got);                                                     \
		const char *check_want = (want);                                                   \
		check_count++;                                                                     \
		if (!check_got || !check_want ? check_got != check_want                            \
					      : strcmp(check_got, check_want) != 0)                \
			check_failed(__FILE__, __LINE__, "%s is\n%s\nnot\n%s", #got,               \
				     check_got ? check_got : "NULL",                               \
				     check_want ? check_want : "NULL");                            \
	} while (0)

__attribute__((unused)) static int check_done(void)
{
	printf("%lu checks passed\n", check_count);
	return 0;
}

#endif
