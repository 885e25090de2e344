#!/bin/sh
# SPDX-License-Identifier: MIT
# A workspace without dependencies: built, tested, run.
set -eu
toolchain=${RUSTUP_HOME:-$HOME/.rustup}
mkdir -p home
CARGO_HOME=$PWD/home RUSTUP_HOME=$toolchain CARGO_NET_OFFLINE=true CARGO_TERM_PROGRESS_WHEN=never
CARGO_INCREMENTAL=0
export CARGO_HOME RUSTUP_HOME CARGO_NET_OFFLINE CARGO_TERM_PROGRESS_WHEN CARGO_INCREMENTAL
cd project
cargo build --offline -j 2
cargo test --offline --quiet -j 1 -- --test-threads=1
cp target/debug/program ../program
../program one two two three three three
