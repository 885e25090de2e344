# SPDX-License-Identifier: MIT
echo "$1" >> current/log
