# SPDX-License-Identifier: MIT
import os
import sys

name = sys.argv[1]
with open(name) as file:
    lines = file.readlines()
os.rename(name, name + "~")
with open(name, "w") as file:
    file.writelines(reversed(lines))
