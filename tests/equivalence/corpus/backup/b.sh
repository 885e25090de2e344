# SPDX-License-Identifier: MIT
cp -a "$1" "$2"
