#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles what is to be compiled of this example; with lines, for NAME_source.json.
set -eu
cd -- "$(dirname -- "$0")"
mkdir -p build
"${CC:-cc}" -std=c11 -Wall -Wextra -O1 -g -o build/trivial_cli trivial_cli.c
