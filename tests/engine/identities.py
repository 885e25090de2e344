# SPDX-License-Identifier: MIT
"""What records tell of the objects that descriptors mean."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.engine.test_python_engine import PYTHON
from tests.engine.tools import CALL, EXIT, Event, read_events

if TYPE_CHECKING:
    from pathlib import Path

OBJECT, CLOEXEC = 13, 8
CONTEXT = 9
OTHER, FILE, PIPE, SOCKET, EVENTFD, MQUEUE, PIDFD = range(7)
NAMELESS = (EVENTFD, PIDFD, OTHER)  # of no inode of their own
READ, WRITE = 1, 2
ENGINES = [
    pytest.param((), "", id="ptrace"),
    pytest.param((), "get_syscall_info,process_vm_readv", id="fallbacks"),
    pytest.param(PYTHON, "", id="python"),
]


class Identity(NamedTuple):
    """A struct rn_object_id."""

    kind: int
    ways: int
    family: int
    type: int
    device: int
    inode: int
    peer: int
    local: tuple[str, int] | None
    remote: tuple[str, int] | None
    more: int


def identity(data: bytes) -> Identity:
    kind, ways, known, zero, family, form, *rest = struct.unpack("<BBBBHHIIQQHHI16s16s", data)
    major, minor, inode, peer, port, peer_port, more, address, peer_address = rest
    size = 16 if family == socket.AF_INET6 else 4
    ends: list[tuple[str, int] | None] = [None, None]
    for i, (raw, number) in enumerate(((address, port), (peer_address, peer_port))):
        if known >> i & 1:
            assert not any(raw[size:])
            ends[i] = socket.inet_ntop(family, raw[:size]), number
    assert zero == 0
    return Identity(
        kind, ways, family, form, os.makedev(major, minor), inode, peer, ends[0], ends[1], more
    )


def objects(event: Event) -> dict[int, Identity]:
    """By descriptor."""
    pieces = [piece for piece in event.pieces if piece.type == OBJECT]
    found = {piece.total: identity(piece.data) for piece in pieces}
    assert len(found) == len(pieces)
    return found


def told(path: Path) -> list[tuple[str, dict[int, Identity]]]:
    """Of each call that tells of objects: its name and what it tells."""
    events = read_events(path, pieces=True)
    finished = [event for event in events if event.kind in (CALL, EXIT)]
    return [(event.name, objects(event)) for event in finished if objects(event)]
