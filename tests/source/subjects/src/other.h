/* SPDX-License-Identifier: MIT */
void other(const char *text);
