/* SPDX-License-Identifier: MIT */
/*
 * Included by the build before every source of the shared library (-include):
 * everything is hidden (-fvisibility=hidden) but the functions that api.h and
 * replay.h declare.
 */
#ifndef RENACER_EXPORT_H
#define RENACER_EXPORT_H

#pragma GCC visibility push(default)
#include "renacer/api.h"
#include "renacer/replay.h"
#pragma GCC visibility pop

#endif
