# SPDX-License-Identifier: MIT
import sys

with open(sys.argv[1]) as file:
    text = file.read()
new = "".join(sorted(text.splitlines(keepends=True)))
if text != new:
    with open(sys.argv[1], "w") as file:
        file.write(new)
