/* SPDX-License-Identifier: MIT */
#include "shapes.h"

int main(void)
{
	say("area", area(6, 7));
	say("words", count("of a few words"));
	return 0;
}
