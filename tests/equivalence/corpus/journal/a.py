# SPDX-License-Identifier: MIT
import os

STEPS = [("journal", "set x\n"), ("data", "x\n")]
for name, text in STEPS:
    with open(name, "w") as file:
        for character in text:
            file.write(character)
        file.flush()
        os.fdatasync(file.fileno())
