# SPDX-License-Identifier: MIT
import os

os.umask(0o022)
os.makedirs("app/logs")
os.mkdir("app/v2")
os.mkdir("app/private", 0o700)
fd = os.open("app/v2/run.sh", os.O_WRONLY | os.O_CREAT, 0o755)
os.write(fd, b"#!/bin/sh\n")
os.write(fd, b"exit 0\n")
os.symlink("run.sh", "app/v2/start")
os.symlink("v2", "app/current")
os.mkfifo("app/queue")
