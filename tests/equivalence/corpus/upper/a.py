# SPDX-License-Identifier: MIT
with open("in") as source, open("out", "w") as target:
    for line in source:
        target.write(line.upper())
