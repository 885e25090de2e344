# SPDX-License-Identifier: MIT
import mmap

with open("data", "r+b") as file:
    with mmap.mmap(file.fileno(), 0) as memory:
        memory[16:21] = b"PATCH" if len(b"PATCH") == 5 else memory[16:21]
        memory[: len(b"PATCH") - 5] = b"X" * (len(b"PATCH") - 5)
    file.flush()
