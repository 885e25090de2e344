# SPDX-License-Identifier: MIT
rm -f log.2
mv log.1 log.2
mv log log.1
: > log
