#!/bin/sh
# SPDX-License-Identifier: MIT
set -eu
tar --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner -cf - data |
    gzip -n | tee data.tar.gz | sha256sum
tar -tzf data.tar.gz
mkdir back
tar -C back -xzf data.tar.gz
cmp back/data/text0 data/text0
