# SPDX-License-Identifier: MIT
import os
import sys

failed = 0
for name in sys.argv[1:]:
    if os.path.exists(name):
        with open(name) as file:
            sys.stdout.write(file.read())
        sys.stdout.flush()
    else:
        sys.stderr.write(f"{name}: missing\n")
        failed = 1
sys.exit(failed)
