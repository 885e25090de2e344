# SPDX-License-Identifier: MIT
import hashlib
import os
import sys

seen = {}
for name in sorted(os.listdir(sys.argv[1])):
    path = os.path.join(sys.argv[1], name)
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).digest()
    if digest in seen:
        print(f"{name} is as {seen[digest]}")
        os.unlink(path)
    else:
        seen[digest] = name
