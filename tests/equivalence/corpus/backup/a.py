# SPDX-License-Identifier: MIT
import os
import shutil
import sys

start, end = sys.argv[1:]
os.mkdir(end)
for name in os.listdir(start):
    source, target = os.path.join(start, name), os.path.join(end, name)
    if os.path.islink(source) and os.readlink(source) != "plain":
        os.symlink(os.readlink(source), target)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
shutil.copystat(start, end)
