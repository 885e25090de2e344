#!/bin/sh
# SPDX-License-Identifier: MIT
# A module without dependencies: built with an empty cache, tested, run.
set -eu
mkdir -p cache tmp home
HOME=$PWD/home GOCACHE=$PWD/cache GOTMPDIR=$PWD/tmp GOPATH=$PWD/home/go
GOFLAGS=-trimpath GOPROXY=off GOTOOLCHAIN=local GOTELEMETRY=off CGO_ENABLED=0
export HOME GOCACHE GOTMPDIR GOPATH GOFLAGS GOPROXY GOTOOLCHAIN GOTELEMETRY CGO_ENABLED
cd module
go build -o ../program .
go vet ./...
../program 5000
