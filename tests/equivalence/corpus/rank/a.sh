# SPDX-License-Identifier: MIT
sort -k2,2n in | cut -d' ' -f1 | tee ranks
