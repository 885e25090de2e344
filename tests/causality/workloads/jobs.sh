#!/bin/bash
# SPDX-License-Identifier: MIT
# Job control: a job is spoken to, stopped, continued, ended. $1 is a folder to work in.
set -m
mkfifo "$1/in" "$1/out"
cat <"$1/in" >"$1/out" &
exec 7>"$1/in" 8<"$1/out"
echo ready >&7
read -r answer <&8
[ "$answer" = ready ] || exit 1
kill -STOP %1
kill -CONT %1
kill -TERM %1
wait %1
exit 0
