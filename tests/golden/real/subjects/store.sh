#!/bin/sh
# SPDX-License-Identifier: MIT
# Transactions that are synced to the disk, in a new database.
set -eu
rm -f store.db
sqlite3 -batch store.db ".read store.sql"
