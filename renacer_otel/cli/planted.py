# SPDX-License-Identifier: MIT
"""Files to write to in folders that everyone may write to, as /tmp: others may have put something
by the name that we are given.

There a name that is free is made anew, and what is there already must be ours: by fs.protected_*
of the kernel (proc_sys_fs(5)), which are off on many machines, and for hard links, too. In all
other folders a name is opened as it is.
"""

from __future__ import annotations

import errno
import os
import stat

_REASON = "another user may have put it into this folder, which everyone may write to"


def opened(path: str | os.PathLike[str], flags: int, mode: int = 0o666) -> int:
    """As os.open(path, flags, mode), which makes files; see above. Raises OSError."""
    flags |= os.O_CLOEXEC | os.O_NOCTTY
    if not _is_shared(path):
        return os.open(path, flags, mode)
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return _opened_that_is_there(path, flags & ~(os.O_CREAT | os.O_EXCL))


def opener(path: str, flags: int) -> int:
    """For open()."""
    return opened(path, flags)


def _is_shared(path: str | os.PathLike[str]) -> bool:
    try:
        return bool(os.stat(os.path.dirname(path) or ".").st_mode & stat.S_IWOTH)
    except (OSError, ValueError):
        return False  # what is wrong is told by open()


def _opened_that_is_there(path: str | os.PathLike[str], flags: int) -> int:
    found = os.stat(path, follow_symlinks=False)
    owners = {os.geteuid(), os.stat(os.path.dirname(path) or ".").st_uid}
    if found.st_uid not in owners or (stat.S_ISREG(found.st_mode) and found.st_nlink > 1):
        raise PermissionError(errno.EPERM, _REASON)
    if stat.S_ISLNK(found.st_mode):
        return os.open(path, flags)  # its owner may lead us where it wants
    descriptor = os.open(path, (flags & ~os.O_TRUNC) | os.O_NOFOLLOW)
    try:
        now = os.fstat(descriptor)
        if (now.st_dev, now.st_ino) != (found.st_dev, found.st_ino):  # replaced meanwhile
            raise PermissionError(errno.EPERM, _REASON)
        if flags & os.O_TRUNC and stat.S_ISREG(now.st_mode):
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
