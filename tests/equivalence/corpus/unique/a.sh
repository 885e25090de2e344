# SPDX-License-Identifier: MIT
LC_ALL=C sort -u in > out
