# SPDX-License-Identifier: MIT
"""What a program is given: descriptors, environment, limits, masks, identity, folder."""

import os
import resource
import sys

os.access("/conformance/begin", os.F_OK)
print("descriptors", sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1])
for number in range(3):
    flags = os.get_inheritable(number), os.get_blocking(number)
    print("stream", number, *flags)
environ = {name: value for name, value in os.environ.items() if name != "RENACER_DISABLE"}
print("environment", sorted(environ.items()))
for name in sorted(dir(resource)):
    if name.startswith("RLIMIT_"):
        print(name, resource.getrlimit(getattr(resource, name)))
mask = os.umask(0)
print(f"umask {mask:o}, nice {os.nice(0)}, cwd {os.path.basename(os.getcwd())}")
print("ids", os.getresuid(), os.getresgid(), sorted(os.getgroups()))
print("CPUs", len(os.sched_getaffinity(0)), os.cpu_count())
print("argv", sys.argv[1:])
with open("/proc/self/status") as status:
    for line in status:
        if line.startswith(("SigB", "SigI", "SigP", "ShdP", "Cap", "NoNewPrivs", "Threads")):
            print(line.rstrip())
os.access("/conformance/end", os.F_OK)
