# SPDX-License-Identifier: MIT
with open("in") as source:
    lines = set(source)
with open("out", "w") as target:
    target.writelines(sorted(lines))
