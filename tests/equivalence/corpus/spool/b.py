# SPDX-License-Identifier: MIT
import os
import sys

count = 0
for name in os.listdir(sys.argv[1]):
    path = os.path.join(sys.argv[1], name)
    with open(path) as source, open(os.path.join(sys.argv[2], name), "w") as target:
        target.write(source.read())
    os.unlink(path)
    count += 1
print(count, "letters")
