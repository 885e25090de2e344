# SPDX-License-Identifier: MIT
import shutil
import sys

target = sys.argv[2]
shutil.copyfile(sys.argv[1], target)
shutil.copymode(sys.argv[1], target)
