# SPDX-License-Identifier: MIT
import sys

with open(sys.argv[1], "rb") as source:
    while line := source.readline().decode():
        name, size = line.split()
        print(name, size)
        with open(name, "wb") as target:
            target.write(source.read(int(size)))
# done
