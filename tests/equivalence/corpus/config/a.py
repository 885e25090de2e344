# SPDX-License-Identifier: MIT
import os


def replace():
    fd = os.open("config.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, b"level = 2\n")
    os.fsync(fd)
    os.close(fd)
    os.rename("config.new", "config")
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)


replace()
