# SPDX-License-Identifier: MIT
find . -name '*.tmp' -delete
