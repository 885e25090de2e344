#!/bin/sh
# SPDX-License-Identifier: MIT
# Two greps at a time.
set -eu
find tree -name '*.txt' -print0 | xargs -0 -n 12 -P 2 grep -lw word7 | sort > found.txt
