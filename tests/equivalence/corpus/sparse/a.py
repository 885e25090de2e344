# SPDX-License-Identifier: MIT
import os

fd = os.open("disk", os.O_WRONLY | os.O_CREAT, 0o644)
for _ in range(9):
    os.write(fd, bytes(1111))
os.write(fd, b"e")
