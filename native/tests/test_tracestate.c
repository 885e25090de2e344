/* SPDX-License-Identifier: MIT */
/* The time in a tracestate: found, and set in place, in lists of every form. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "engine/tracestate.h"

#define OURS "renacer=00000000000f4240"
#define NOW 0xfedcba9876543210ull
#define SET "renacer=fedcba9876543210"

static void becomes(const char *text, const char *wanted)
{
	size_t len = strlen(text);
	struct rn_lamport_member member;
	char *copy = malloc(len + 1); /* so that a sanitizer sees what is read behind it */

	CHECK(copy);
	memcpy(copy, text, len + 1);
	CHECK(rn_tracestate_find(copy, len, &member));
	CHECK_INT(member.time, 1000000);
	rn_tracestate_set(copy, &member, NOW);
	CHECK_STR(copy, wanted);
	CHECK(rn_tracestate_find(copy, len, &member));
	CHECK(member.time == NOW);
	free(copy);
}

static void is_left(const char *text)
{
	size_t len = strlen(text);
	struct rn_lamport_member member;
	char *copy = malloc(len ? len : 1);

	CHECK(copy);
	memcpy(copy, text, len);
	CHECK(!rn_tracestate_find(copy, len, &member));
	free(copy);
}

static void test_the_member_goes_to_the_front(void)
{
	becomes(OURS, SET);
	becomes(OURS ",a=b", SET ",a=b");
	becomes("a=b," OURS, SET ",a=b");
	becomes("a=b,c=d," OURS ",e=f", SET ",a=b,c=d,e=f");
	becomes("a=b , " OURS "\t,e= f", " " SET "\t,a=b ,e= f");
	becomes(",," OURS ",", SET ",,,");
	becomes(" " OURS, " " SET);
	becomes("x-y_z/*@0=!~ ~," OURS, SET ",x-y_z/*@0=!~ ~");
	becomes("renacer-otel=1," OURS, SET ",renacer-otel=1");
}

static void test_what_is_not_valid_is_left(void)
{
	static const char *const bad[] = {
		"",
		"a=b",
		"renacer",
		"renacer=",
		"renacer=00000000000F4240",
		"renacer=0000000000f4240",
		"renacer=000000000000f4240",
		"renacer=0x0000000000f424",
		"Renacer=00000000000f4240",
		OURS "," OURS,
		OURS ",a",
		OURS ",a=",
		OURS ",=b",
		OURS ",a=b=c",
		OURS ",A=b",
		OURS ",-a=b",
		OURS ",a =b",
		OURS ",a=\x7f",
		OURS ",a=\x80",
		OURS ",a=b\n",
		OURS ",a=1,b=2,a=3",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_left(bad[i]);
}

static void test_limits(void)
{
	static char text[RN_TRACESTATE_LIMIT + 2], wanted[sizeof(text)];
	struct rn_lamport_member member;
	char *end = text;

	for (int i = 0; i < 31; i++)
		end += sprintf(end, "k%d=v,", i);
	strcpy(end, OURS);
	sprintf(wanted, SET ",%.*s", (int)(end - text) - 1, text);
	becomes(text, wanted);
	strcat(text, ",one=more");
	is_left(text);

	strcpy(text, OURS ",k=");
	end = text + strlen(text);
	memset(end, 'v', 256);
	end[256] = 0;
	memcpy(wanted, text, sizeof(wanted));
	memcpy(wanted, SET, strlen(SET));
	becomes(text, wanted);
	strcat(text, "v");
	is_left(text);
	sprintf(text, OURS ",%0256d=v", 7);
	memcpy(wanted, text, sizeof(wanted));
	memcpy(wanted, SET, strlen(SET));
	becomes(text, wanted);
	sprintf(text, OURS ",%0257d=v", 7);
	is_left(text);

	memset(text, ',', sizeof(text));
	memcpy(text, OURS, strlen(OURS));
	CHECK(rn_tracestate_find(text, RN_TRACESTATE_LIMIT, &member));
	CHECK(!rn_tracestate_find(text, RN_TRACESTATE_LIMIT + 1, &member));
}

int main(void)
{
	test_the_member_goes_to_the_front();
	test_what_is_not_valid_is_left();
	test_limits();
	return check_done();
}
