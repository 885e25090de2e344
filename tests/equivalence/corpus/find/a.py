# SPDX-License-Identifier: MIT
import sys

found = False
with open(sys.argv[2]) as file:
    for number, line in enumerate(file, 1):
        if sys.argv[1] in line:
            print(f"{number}:{line}", end="")
            found = True
sys.exit(not found)
