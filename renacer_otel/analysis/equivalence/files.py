# SPDX-License-Identifier: MIT
"""Files as a trace shows them change: what is behind a descriptor, behind a name, and on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renacer_otel.analysis.equivalence.contents import Extents, Messages, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renacer_otel.spans.content import Content


@dataclass
class Node:
    """A file. Times are those of Names.tick."""

    kind: str = "file"  # as in tree.py; "" = nobody told
    born: bool = False  # in this run; else it was there before, or may have been
    emptied: bool = False  # its content is all of this run
    mode: int | None = None  # if the run set it
    owner: tuple[int, int] | None = None
    target: str = ""  # of a symbolic link
    attributes: dict[str, str] = field(default_factory=dict)  # extended ones that the run set
    extents: Extents = field(default_factory=Extents)
    tail: Stream = field(default_factory=Stream)  # behind an end that is not known
    length: int | None = None  # if emptied, or cut to this length
    touched: bool = False
    mapped: bool = False  # written through memory, which a trace does not show
    dirty: bool = False  # written since it was synced last
    synced: int = 0  # when it was synced last
    ways: set[str] = field(default_factory=set)  # how it was written

    def write(self, offset: int | None, length: int, content: Content | None) -> None:
        """Bytes at an offset; None: at its end."""
        self.touched = self.dirty = True
        if offset is None and self.length is None:
            self.tail.add(length, content)
            self.ways.add("appended")
            return
        at = self.length or 0 if offset is None else offset
        self.extents.put(at, length, content)
        if self.length is not None:
            self.length = max(self.length, at + length)

    def cut(self, length: int) -> None:
        """Sets its length."""
        self.touched = self.dirty = True
        if length == 0:
            self.emptied = True
            self.extents, self.tail = Extents(), Stream()
        else:
            self.extents.cut(length)
        self.length = length

    @property
    def is_written(self) -> bool:
        """Whether its content is of this run, or some of it."""
        changed = self.emptied or self.mapped or self.length is not None
        return changed or bool(self.extents.end or self.tail.size)

    def sync(self, tick: int) -> None:
        """All that was written is on disk."""
        self.dirty = False
        self.synced = tick


@dataclass
class Open:
    """An open file description, which descriptors share. `stream`: the number of a descriptor that
    the command started with."""

    object: int = 0
    node: Node | None = None
    path: str = ""
    offset: int | None = 0  # None: not known
    append: bool = False
    writes: bool = False
    syncs: bool = False  # each write is synced
    stream: int | None = None
    connection: Connection | None = None


@dataclass
class Connection:
    """A socket's way to somebody. `role`: "to 192.0.2.1:80", "accepted"; "" = none yet."""

    role: str = ""
    datagrams: bool = False  # of a kind that needs no connection
    messages: Messages | None = None  # of a kind that keeps their boundaries
    inside: bool = False  # the other end is one of the run's own processes
    sent: Stream = field(default_factory=Stream)
    peers: dict[str, Connection] = field(default_factory=dict)  # of datagrams that name theirs
    bound: str = ""  # the address that it was given: "192.0.2.1:80", "@name", a path
    is_path: bool = False  # what it is bound to
    listens: bool = False
    accepted: list[Connection] = field(default_factory=list)
    own_clients: int = 0  # connected from within the run, and not accepted yet
    settings: dict[str, str] = field(default_factory=dict)  # options that the other end sees


@dataclass
class Publication:
    """How a file got the name that it has in the end."""

    tick: int
    renamed: bool
    clean: bool  # all that was written to it then was on disk


class Names:
    """Names of files, absolute or relative to the folder that the command started in."""

    def __init__(self) -> None:
        self.tick = 0
        self.nodes: dict[str, Node | None] = {}  # None: it is gone, and was there before
        self.published: dict[str, Publication] = {}
        self._before: dict[str, Node] = {}
        self._synced: dict[str, int] = {}  # folders, and when that was last
        self._all_synced = 0
        self._existed: set[str] = set()  # before the run

    def was_there(self, path: str) -> bool:
        """Whether a path is known to have been there before the run."""
        return path in self._existed

    def next(self) -> int:
        """Another moment."""
        self.tick += 1
        return self.tick

    def find(self, path: str) -> Node | None:
        """What is known to have this name."""
        return self.nodes.get(path) or self._before.get(path)

    def get(self, path: str) -> Node:
        """What has this name; a file of before the run where nothing else is known."""
        node = self.find(path)
        if node is None:
            node = self._before[path] = Node(kind="")
            self._existed.add(path)
        return node

    def put(self, path: str, node: Node, *, renamed: bool = False) -> None:
        """Gives a file a name; what had it has it no more."""
        self.nodes[path] = node
        self.published[path] = Publication(self.next(), renamed, not node.dirty)
        node.touched = True

    def touch(self, path: str, node: Node) -> None:
        """A file of before the run that is changed."""
        node.touched = True
        if self.nodes.get(path) is None:
            self.nodes[path] = node

    def remove(self, path: str) -> Node:
        """Takes a name away."""
        node = self.get(path)
        if path in self._existed:
            self.nodes[path] = None
        else:
            self.nodes.pop(path, None)
        self._before.pop(path, None)
        self.published.pop(path, None)
        return node

    def move(self, old: str, new: str) -> None:
        """A rename; with a folder goes what is in it."""
        moved = self.find(old)
        is_folder = moved is None or moved.kind in ("", "folder")
        for path, node in list(self.below(old)) if is_folder else ():
            publication = self.published.pop(path, None)
            del self.nodes[path]
            self.nodes[new + path[len(old) :]] = node
            if publication is not None:
                self.published[new + path[len(old) :]] = publication
        self.put(new, self.remove(old), renamed=True)

    def exchange(self, one: str, other: str) -> None:
        """Two files take each other's names."""
        first, second = self.get(one), self.get(other)
        self.put(one, second, renamed=True)
        self.put(other, first, renamed=True)

    def below(self, folder: str) -> Iterator[tuple[str, Node | None]]:
        """What is known in a folder."""
        start = folder + "/"
        for path, node in self.nodes.items():
            if path.startswith(start):
                yield path, node

    def sync_folder(self, folder: str) -> None:
        """The names in it are on disk."""
        self._synced[folder] = self.next()

    def is_synced(self, path: str) -> bool:
        """Whether its name was made durable after it was given."""
        publication = self.published.get(path)
        if publication is None:
            return False
        last = max(self._synced.get(os.path.dirname(path) or ".", 0), self._all_synced)
        return last > publication.tick

    def sync_all(self) -> None:
        """sync(2)."""
        tick = self.next()
        for node in self.nodes.values():
            if node is not None and node.dirty:
                node.sync(tick)
        self._all_synced = tick
