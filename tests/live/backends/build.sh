#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds what `./dev live` talks to: Jaeger v2 and the OpenTelemetry Collector, and otel-cli,
# which it traces, from the pinned module files beside this script, with the ordinary Go
# client. The binaries go to a cache folder named after what they are made from, so
# that a second run finds them and a changed module file builds anew.
#
#   build.sh [jaeger] [otelcol] [otel-cli]     default: all
#
# Progress goes to stderr; stdout is one line, the folder of the binaries.
# RENACER_CACHE        cache folder (default: $XDG_CACHE_HOME or ~/.cache, /renacer-otel)
# RENACER_BUILD_JOBS   how many packages are compiled at once (default 2)
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${RENACER_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or RENACER_CACHE}/.cache}/renacer-otel}
jobs=${RENACER_BUILD_JOBS:-2}

say() { printf 'backends: %s\n' "$*" >&2; }
fail() {
	say "$@"
	exit 1
}

[ $# -gt 0 ] || set -- jaeger otelcol otel-cli
for target; do
	case $target in
	jaeger | otelcol | otel-cli) ;;
	*) fail "no back end is called '$target': use jaeger, otelcol or otel-cli" ;;
	esac
done

# What the binaries depend on: the module files, the sources, and this script's flags.
hash=$(cd "$here" && {
	cat build.sh jaeger/go.mod jaeger/go.sum jaeger/tools.go otelcol/go.mod otelcol/go.sum \
		otelcol/*.go otel-cli/go.mod otel-cli/go.sum otel-cli/tools.go
	uname -m
} | sha256sum | cut -c1-16)
out=$cache/backends/$hash
mkdir -p "$out"

work=
cleanup() { [ -z "$work" ] || rm -rf -- "$work"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

build() {
	target=$1
	package=$2
	if [ -x "$out/$target" ]; then
		say "$target is there"
		return
	fi
	command -v go >/dev/null 2>&1 || fail "no 'go' on PATH, needed to build $target:" \
		"install Go 1.24.6 or newer (https://go.dev/dl/), or run the back ends with Docker" \
		"(docs/backends.md)"
	say "building $target with $(go env GOVERSION); cold, this takes some minutes"
	start=$(date +%s)
	# A copy, because Go may complete go.mod and go.sum, and the repository stays as it is.
	work=$(mktemp -d "$out/.build-$target.XXXXXX")
	cp "$here/$target"/go.* "$here/$target"/*.go "$work"
	# Without cgo and with the linker's dead code elimination left on (grpcnotrace), as the
	# projects' own releases are built.
	(
		cd "$work"
		export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod GOMAXPROCS="$jobs"
		nice -n 10 go build -p "$jobs" -buildvcs=false -trimpath -tags grpcnotrace \
			-ldflags '-s -w' -o "$target.bin" "$package"
	) || fail "building $target failed after $(($(date +%s) - start)) s: see Go's message above"
	mv "$work/$target.bin" "$out/$target"
	rm -rf -- "$work"
	work=
	say "$target built in $(($(date +%s) - start)) s"
}

for target; do
	case $target in
	jaeger) build jaeger github.com/jaegertracing/jaeger/cmd/jaeger ;;
	otelcol) build otelcol . ;;
	otel-cli) build otel-cli github.com/equinix-labs/otel-cli ;;
	esac
done
printf '%s\n' "$out"
