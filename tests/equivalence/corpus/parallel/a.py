# SPDX-License-Identifier: MIT
import os
import sys

pipes = []
for name in sys.argv[1:]:
    ours, theirs = os.pipe()
    if os.fork() == 0:
        with open(name) as file:
            count = len(file.read().split())
        os.write(theirs, str(count).encode())
        os._exit(0)
    os.close(theirs)
    pipes.append((name, ours))
counts = []
text = ""
for name, end in pipes:
    counts.append(int(os.read(end, 100)))
    text += f"{name} {counts[-1]}\n"
with open("counts", "w") as out:
    out.write(text)
print("all", sum(counts))
