#!/bin/sh
# SPDX-License-Identifier: MIT
# capture_golden_traces.sh [FOLDER]: captures every example: NAME.golden, NAME.json, NAME_summary.txt,
# NAME_source.json and ANALYSIS.md, below golden_traces/ of each example, or of FOLDER/EXAMPLE. RUNS is
# how often each command is run (5), RENACER_OTEL the program (renacer-otel).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
folder=${1:-}
case $folder in
'' | /*) ;;
*) folder=$PWD/$folder ;;
esac
failed=0
for commands in "$here"/examples/*/commands.txt; do
    example=$(dirname -- "$commands")
    to=golden_traces
    [ -z "$folder" ] || to=$folder/$(basename -- "$example")
    cd -- "$example"
    if [ -x build.sh ]; then
        ./build.sh
    fi
    while read -r name command; do
        case $name in
        '' | '#'*) continue ;;
        esac
        # shellcheck disable=SC2086 # words of a command
        "${RENACER_OTEL:-renacer-otel}" golden capture "$name" --runs "${RUNS:-5}" --source \
            --dir "$to" -- $command </dev/null || failed=1
    done <"$commands"
done
exit "$failed"
