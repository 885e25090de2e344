# SPDX-License-Identifier: MIT
import os
import sys


def read(path):
    with open(path) as file:
        return dict(map(str.strip, line.split("=")) for line in file)


settings = read(sys.argv[1])
settings.update(read(sys.argv[2]))
target = sys.argv[3]
with open(os.open(target + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
    for name, value in sorted(settings.items()):
        out.write(f"{name} = {value}\n")
    out.flush()
    os.fsync(out.fileno())
os.replace(target + ".tmp", target)
