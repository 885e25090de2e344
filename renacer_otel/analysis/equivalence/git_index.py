# SPDX-License-Identifier: MIT
"""What git's index says of what is staged, without what it remembers of inodes and times.

Form: gitformat-index(5), versions 2 and 3: "DIRC", version, number of entries; each entry has 62
bytes (64 if extended) and a name, with NULs up to a multiple of 8; then extensions, and a hash.
"""

from __future__ import annotations

import struct

_HEAD, _ENTRY, _HASH = 12, 62, 20
_EXTENDED = 0x4000
_LONGEST = 64 << 20


def is_one(path: str) -> bool:
    """Whether a file is one, by its name."""
    return path.endswith("/.git/index") or path == ".git/index"


def staged(data: bytes) -> bytes:
    """The index without what is not content; as it is if it is of another form."""
    if len(data) < _HEAD + _HASH or len(data) > _LONGEST:
        return data
    magic, version, count = struct.unpack_from(">4sII", data)
    if magic != b"DIRC" or version not in (2, 3):
        return data
    made, at = [data[:_HEAD]], _HEAD
    for _ in range(count):
        if at + _ENTRY > len(data):
            return data
        extended = struct.unpack_from(">H", data, at + 60)[0] & _EXTENDED
        name = at + _ENTRY + (2 if extended else 0)
        end = data.find(b"\0", name)
        if end < 0:
            return data
        # Left out: times, device, inode (24 bytes); the size, which is 0 if times are too close.
        made += [data[at + 24 : at + 36], data[at + 40 : end]]
        at += (end - at) // 8 * 8 + 8
    return b"".join([*made, data[at:-_HASH]])
