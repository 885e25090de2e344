#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds and runs the C tests: run.sh [--build] [KIND [NAME...]], without Python.
#
# KIND is plain, asan, ubsan, tsan, or several joined by commas. Every native/tests/test_*.c and
# stress_*.c is a program, linked with all sources of the core and with the other
# native/tests/*.c. Exit 0 = passed, 77 = skipped. $CC (cc), $CFLAGS and RENACER_TEST_SCALE are
# honoured. With NAMEs (test_ring), only those run. With --build nothing is run: drive_*.c are made
# programs instead, and librenacer.so of the same objects, in build/native-tests/KIND.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
cd "$root"
only_build=''
if [ "${1:-}" = --build ]; then
    only_build=1
    shift
fi
kind=${1:-plain}
[ $# -eq 0 ] || shift
: "${CC:=cc}"

sanitize=''
runner=''
for part in $(printf '%s' "$kind" | tr ',' ' '); do
    case $part in
    plain) ;;
    asan) sanitize="$sanitize -fsanitize=address" ;;
    ubsan) sanitize="$sanitize -fsanitize=undefined -fno-sanitize-recover=all" ;;
    tsan)
        sanitize="$sanitize -fsanitize=thread"
        # Older ThreadSanitizer runtimes cannot start where the kernel randomises many bits.
        if setarch -R true 2>/dev/null; then runner='setarch -R'; fi
        ;;
    *)
        printf 'run.sh: no such kind: %s (plain, asan, ubsan, tsan)\n' "$part" >&2
        exit 125
        ;;
    esac
done

made=build/native-tests/$kind
flags="-std=c11 -D_GNU_SOURCE= -O1 -g -fPIC -fno-omit-frame-pointer -pthread $sanitize
 -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes
 -Inative/include -Inative -Inative/tests ${CFLAGS:-}"
mkdir -p "$made"

if [ -n "$sanitize" ]; then
    printf 'int main(void) { return 0; }\n' >"$made/probe.c"
    # shellcheck disable=SC2086 # words
    if ! { $CC $flags -o "$made/probe" "$made/probe.c" && $runner "$made/probe"; } \
        >"$made/probe.log" 2>&1; then
        cat "$made/probe.log" >&2
        printf 'run.sh: %s has no runtime for %s: install gcc, or clang with compiler-rt\n' \
            "$CC" "$kind" >&2
        exit 1
    fi
fi

# Objects of another compiler, other flags or older headers are made anew.
key=$({
    printf '%s\n' "$CC $flags"
    find native -name '*.h' -o -name '*.inc' | LC_ALL=C sort | xargs cat
} | cksum)
if [ "$key" != "$(cat "$made/key" 2>/dev/null)" ]; then
    rm -f "$made"/*.o "$made"/test_* "$made"/stress_* "$made"/drive_* "$made"/librenacer.so
    printf '%s\n' "$key" >"$made/key"
fi

stale() { # OUTPUT INPUT...: whether an input is newer, or there is no output
    output=$1
    shift
    [ -f "$output" ] || return 0
    [ -n "$(find "$@" -newer "$output")" ]
}

object() { # SOURCE: name of its object
    printf '%s/%s.o' "$made" "$(printf '%s' "${1%.c}" | tr '/' '-')"
}

core=$(find native -name '*.c' ! -path 'native/tests/*' ! -path 'native/build/*' | LC_ALL=C sort)
common=''
programs=''
drivers=''
for file in native/tests/*.c; do
    case $file in
    'native/tests/*.c') ;;
    native/tests/test_*.c | native/tests/stress_*.c) programs="$programs $file" ;;
    native/tests/drive_*.c) drivers="$drivers $file" ;;
    *) common="$common $file" ;;
    esac
done

[ -z "$only_build" ] || programs=$drivers
todo=''
for file in $core $common $programs; do
    if stale "$(object "$file")" "$file"; then
        todo="$todo $file $(object "$file")"
    fi
done
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
if [ -n "$todo" ]; then
    # shellcheck disable=SC2016,SC2086 # the inner shell expands; words
    printf '%s %s\n' $todo | CC=$CC flags=$flags xargs -P "$jobs" -n 2 sh -c \
        '$CC $flags -c -o "$1.part" "$0" && mv "$1.part" "$1" || exit 255' || exit 1
fi

linked=''
for file in $core $common; do
    linked="$linked $(object "$file")"
done

if [ -n "$only_build" ]; then
    objects=''
    for file in $core; do
        objects="$objects $(object "$file")"
    done
    # shellcheck disable=SC2086 # words
    if stale "$made/librenacer.so" $objects; then
        $CC $flags -shared -o "$made/librenacer.so.part" $objects
        mv "$made/librenacer.so.part" "$made/librenacer.so"
    fi
    for file in $drivers; do
        program=$made/$(basename "$file" .c)
        # shellcheck disable=SC2086 # words
        if stale "$program" "$(object "$file")" $linked; then
            $CC $flags -o "$program" "$(object "$file")" $linked
        fi
    done
    exit 0
fi

wanted=''
for file in $programs; do
    name=$(basename "$file" .c)
    if [ $# -gt 0 ]; then
        case " $* " in *" $name "*) ;; *) continue ;; esac
    fi
    wanted="$wanted $name"
    rm -f "$made/$name.status"
done
# As many at a time as there are CPUs: they are to hold beside a load. How each ended is written
# to NAME.status, and told in order.
if [ -n "$wanted" ]; then
    # shellcheck disable=SC2016,SC2086 # the inner shell expands; words
    printf '%s\n' $wanted | CC=$CC flags=$flags made=$made linked=$linked runner=$runner \
        ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
        TSAN_OPTIONS=halt_on_error=1 xargs -P "$jobs" -n 1 sh -c '
            program=$made/$0 status=0
            object=$made/native-tests-$0.o
            {
                if [ ! -f "$program" ] || [ -n "$(find $object $linked -newer "$program")" ]; then
                    $CC $flags -o "$program" $object $linked
                fi && $runner "$program"
            } >"$program.log" 2>&1 </dev/null || status=$?
            printf "%s\n" "$status" >"$program.status"'
fi

passed=0
failed=0
skipped=0
for name in $wanted; do
    program=$made/$name
    status=$(cat "$program.status")
    case $status in
    0) passed=$((passed + 1)) ;;
    77)
        skipped=$((skipped + 1))
        printf 'run.sh: %s skipped: %s\n' "$name" "$(tail -n 1 "$program.log")" >&2
        ;;
    *)
        failed=$((failed + 1))
        printf 'run.sh: %s (%s) FAILED, exit %s:\n' "$name" "$kind" "$status" >&2
        cat "$program.log" >&2
        ;;
    esac
done
printf 'C tests (%s): %d passed, %d failed, %d skipped\n' "$kind" $passed $failed $skipped
if [ $((passed + failed + skipped)) -eq 0 ]; then
    printf 'run.sh: no such test: %s\n' "${*:-native/tests/test_*.c}" >&2
    exit 1
fi
[ $failed -eq 0 ]
