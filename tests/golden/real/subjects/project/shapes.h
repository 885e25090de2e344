/* SPDX-License-Identifier: MIT */
#ifndef SHAPES_H
#define SHAPES_H

int area(int width, int height);
int count(const char *words);
void say(const char *what, int value);

#endif
