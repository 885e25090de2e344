#!/bin/sh
# SPDX-License-Identifier: MIT
#
# `./dev live`: builds the real back ends where they are missing, then runs the live tests
# against them. Arguments go to pytest. Needs the development environment on PATH.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
RENACER_BACKENDS=$("$here/backends/build.sh")
export RENACER_BACKENDS
cd "$here/../.."
exec python -m pytest -m live tests/live "$@"
