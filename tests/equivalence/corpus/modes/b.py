# SPDX-License-Identifier: MIT
import os

for name in os.listdir():
    if name.endswith(".sh"):
        fd = os.open(name, os.O_RDONLY)
        os.fchmod(fd, 0o755)
os.chmod("secret", 0o600)
