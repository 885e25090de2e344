# SPDX-License-Identifier: MIT
import collections
import sys

with open(sys.argv[2]) as file:
    lines = collections.deque(file, int(sys.argv[1]))
sys.stdout.write("".join(lines))
