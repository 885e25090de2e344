# SPDX-License-Identifier: MIT
import os

for folder, _, names in os.walk("."):
    for name in names:
        if name.endswith(".tmp"):
            os.unlink(os.path.join(folder, name))
# folders
