#!/bin/sh
# SPDX-License-Identifier: MIT
# A pipeline of four programs.
set -eu
cat tree/d0/*.txt tree/d1/*.txt | gzip -n | tee packed.gz | wc -c > size.txt
