# SPDX-License-Identifier: MIT
import sys

with open(sys.argv[1], "rb") as file:
    data = file.read()
print("{} {} {} {}".format(data.count(b"\n"), len(data.split()), len(data), sys.argv[1]))
