# SPDX-License-Identifier: MIT
import mmap
import sys

name = sys.argv[1]
with open(name, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
    for at in range(len(memory)):
        memory[at] = memory[at] ^ 7
