# SPDX-License-Identifier: MIT
"""Random programs of several lanes (processes and threads), and what truly happened in them.

A program is played through in one order while it is made, so it ends in every order: a channel has
one reader, all that is ever sent fits into it, and nobody waits for what comes later.
"""

from __future__ import annotations

import ctypes
import random
from dataclasses import dataclass, field
from enum import IntEnum

LANES, OBJECTS, OPS, ROWS, CARRIED = 16, 24, 96, 256, 8
BLOCKS, READERS = 4, 8
WRITES, LOWERS, CLOSES = 1, 2, 4  # enum lock_how
NONE = 0xFFFF
ID_MAGIC = 0xCA5A


class Kind(IntEnum):
    """enum object of script.h."""

    PIPE = 1
    FIFO = 2
    STREAM = 3
    MESSAGES = 4
    PACKETS = 5
    TCP = 6
    EVENTFD = 7
    WORD = 8
    QUEUE = 9
    LISTENER = 10
    FLOCK = 11
    BYTES = 12
    OPEN = 13


class Op(IntEnum):
    """enum op_kind of script.h."""

    END = 0
    SEND = 1
    RECV = 2
    SPAWN = 3
    WAIT = 4
    JOIN = 5
    EXEC = 6
    SIGNAL = 7
    AWAIT = 8
    WAKE = 9
    SLEEP = 10
    NOISE = 11
    SHUT = 12
    DRAIN = 13
    CONNECT = 14
    ACCEPT = 15
    LOCK = 16


BYTES = (Kind.PIPE, Kind.FIFO, Kind.STREAM, Kind.TCP)
WHOLE = (Kind.MESSAGES, Kind.PACKETS, Kind.QUEUE)
LOCKED = (Kind.FLOCK, Kind.BYTES, Kind.OPEN)


class _Op(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint16) for name in ("kind", "object", "n", "how")]


class Row(ctypes.Structure):
    """A call as its lane logged it."""

    _fields_ = [
        ("nr", ctypes.c_int32),
        ("state", ctypes.c_uint16),
        ("ncarried", ctypes.c_uint16),
        ("result", ctypes.c_int64),
        ("op", ctypes.c_uint32),
        ("lane", ctypes.c_uint16),
        ("at_entry", ctypes.c_uint8),
        ("forked", ctypes.c_uint8),
        ("carried", ctypes.c_uint64 * CARRIED),
    ]


class _Lane(ctypes.Structure):
    _fields_ = [
        ("tid", ctypes.c_int32),
        *((name, ctypes.c_uint32) for name in ("alive", "signals", "op", "nrows", "pid")),
        *((name, ctypes.c_uint32) for name in ("forks_begun", "forks_ended")),
    ]


class _Object(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_uint32),
        ("in", ctypes.c_int32),
        ("out", ctypes.c_int32),
        ("word", ctypes.c_uint32),
    ]


class _Block(ctypes.Structure):
    _fields_ = [
        ("writer", ctypes.c_uint64),
        ("reader", ctypes.c_uint64 * READERS),
        ("readers", ctypes.c_uint32),
        ("zero", ctypes.c_uint32),
    ]


class Shared(ctypes.Structure):
    """struct shared of script.h."""

    _fields_ = [
        ("lanes", ctypes.c_uint32),
        ("objects", ctypes.c_uint32),
        ("folder", ctypes.c_char * 240),
        ("object", _Object * OBJECTS),
        ("block", (_Block * BLOCKS) * OBJECTS),
        ("lane", _Lane * LANES),
        ("op", (_Op * OPS) * LANES),
        ("row", (Row * ROWS) * LANES),
    ]


@dataclass
class Lane:
    """A process or a thread, as it is made up."""

    number: int
    parent: Lane | None
    process: int  # the lane that leads its process
    ops: list[tuple[Op, int, int, int]] = field(default_factory=list)
    children: list[Lane] = field(default_factory=list)  # not waited for
    ended: bool = False
    signals: int = 0  # sent to it
    awaited: int = 0
    execs: int = 0

    @property
    def is_thread(self) -> bool:
        return self.process != self.number

    def room(self) -> int:
        """How many ops it may still get, with what it needs to end."""
        return OPS - 2 - len(self.children) - len(self.ops)


@dataclass
class Object:
    """Something that carries words, or wakes."""

    number: int
    kind: Kind
    writers: set[int] = field(default_factory=set)
    reader: int | None = None
    sent: list[int] = field(default_factory=list)  # words of each message not yet taken
    total: int = 0
    slept: int = 0  # how often a sleep was made up; of one that has ended 1: until it is drained
    ended: bool = False  # nothing is sent any more
    private: bool = False
    process: int | None = None  # the only one that may use it


@dataclass
class Program:
    """A script."""

    seed: str
    lanes: list[Lane]
    objects: list[Object]
    several: bool = False

    @property
    def contended(self) -> set[int]:
        """Objects that more than one lane writes to, or that all who sleep are woken by."""
        return {
            thing.number
            for thing in self.objects
            if (len(thing.writers) > 1 and thing.kind not in LOCKED)
            or (self.several and thing.kind == Kind.WORD)
        }

    def image(self, folder: str) -> Shared:
        """The file as the subject is to find it."""
        shared = Shared()
        shared.lanes, shared.objects = len(self.lanes), len(self.objects)
        shared.folder = folder.encode()
        for thing in self.objects:
            shared.object[thing.number].kind = thing.kind
        for lane in self.lanes:
            shared.lane[lane.number].pid = lane.process
            for place, op in enumerate(lane.ops):
                shared.op[lane.number][place] = _Op(*op)
        return shared


class _Maker:
    def __init__(self, seed: str, kinds: frozenset[str], several: bool, steps: int) -> None:
        self.random = random.Random(seed)
        self.kinds = kinds
        self.several = several
        self.steps = steps
        self.lanes = [Lane(0, None, 0)]
        carriers = [kind for kind in Kind if kind.name.lower() in kinds]
        self.objects = [
            Object(number, self.random.choice(carriers))
            for number in range(self.random.randint(8, OBJECTS) if carriers else 0)
        ]
        self.limit = self.random.randint(4, LANES)
        self.alone: set[int] = set()  # processes that stay of one thread

    def make(self, seed: str) -> Program:
        acts = [
            (self.spawn, 6),
            (self.send, 14),
            (self.receive, 16),
            (self.wake, 4),
            (self.sleep, 6),
            (self.signal, 4),
            (self.await_signals, 6),
            (self.noise, 4),
            (self.shut, 2),
            (self.drain, 3),
            (self.connect, 5),
            (self.accept, 6),
            (self.lock, 10),
            (self.execute, 1),
            (self.finish, 1),
            (self.wait, 3),
        ]
        todo = [act for act, weight in acts for _ in range(weight)]
        for _ in range(self.steps):
            lane = self.random.choice([lane for lane in self.lanes if not lane.ended])
            if lane.room() > 2:
                self.random.choice(todo)(lane)
        self.end(self.lanes[0])
        return Program(seed, self.lanes, self.objects, self.several)

    def pick(self, things: list[Object]) -> Object | None:
        return self.random.choice(things) if things else None

    def spawn(self, lane: Lane) -> None:
        if len(self.lanes) == self.limit:
            return
        thread = "thread" in self.kinds and self.random.random() < 0.4
        thread = thread and lane.process not in self.alone
        number = len(self.lanes)
        child = Lane(number, lane, lane.process if thread else number)
        self.lanes.append(child)
        lane.children.append(child)
        lane.ops.append((Op.SPAWN, number, 0, int(thread)))

    def send(self, lane: Lane) -> None:
        thing = self.pick([thing for thing in self.objects if self.may_send(lane, thing)])
        if thing is None:
            return
        words = self.random.choice((2, 2, 3, 8, 31, 128))
        if thing.kind == Kind.EVENTFD:
            words = 1
        elif self.several and thing.kind in WHOLE:
            words = 2  # in whichever order they come
        thing.writers.add(lane.number)
        thing.sent.append(words)
        thing.total += words
        lane.ops.append((Op.SEND, thing.number, words, self.random.randrange(4)))

    def may_send(self, lane: Lane, thing: Object) -> bool:
        if thing.kind in (Kind.WORD, Kind.LISTENER, *LOCKED) or lane.number == thing.reader:
            return False
        if thing.ended:
            return False
        if thing.kind == Kind.EVENTFD:  # its numbers add up: one is all it can carry
            return thing.total == 0
        if thing.writers - {lane.number} and not self.several:
            return False
        if thing.kind in WHOLE:
            return (thing.total < 16) if self.several else len(thing.sent) < 8
        return thing.total < 3000

    def receive(self, lane: Lane) -> None:
        things = [
            thing
            for thing in self.objects
            if thing.sent and self.may_take(lane, thing)
            and thing.kind not in (Kind.WORD, Kind.LISTENER)
        ]  # fmt: skip
        thing = self.pick(things)
        if thing is None:
            return
        thing.reader = lane.number
        if thing.kind in BYTES:
            # No more senders than a row has room for.
            there = sum(thing.sent[:CARRIED])
            words = self.random.choice((there, there, self.random.randint(2, max(2, there))))
            words = min(words, there, 14 if self.several else 512)
            left = words
            while left:
                part = min(left, thing.sent[0])
                left -= part
                thing.sent[0] -= part
                if not thing.sent[0]:
                    thing.sent.pop(0)
        else:
            words = thing.sent.pop(0)
        lane.ops.append((Op.RECV, thing.number, words, self.random.randrange(4)))

    def may_take(self, lane: Lane, thing: Object) -> bool:
        return thing.reader in (None, lane.number) and lane.number not in thing.writers

    def shut(self, lane: Lane) -> None:
        things = [
            thing
            for thing in self.objects
            if "eof" in self.kinds and thing.kind in (Kind.STREAM, Kind.TCP)
            and thing.writers == {lane.number} and not thing.ended
        ]  # fmt: skip
        thing = self.pick(things)
        if thing is not None:
            thing.ended = True
            thing.slept = 1
            lane.ops.append((Op.SHUT, thing.number, 0, 0))

    def drain(self, lane: Lane) -> None:
        things = [
            thing
            for thing in self.objects
            if thing.ended and thing.slept and self.may_take(lane, thing)
        ]
        thing = self.pick(things)
        if thing is not None:
            thing.reader = lane.number
            thing.slept = 0
            thing.sent.clear()
            lane.ops.append((Op.DRAIN, thing.number, 14, self.random.randrange(4)))

    def connect(self, lane: Lane) -> None:
        things = [
            thing
            for thing in self.objects
            if thing.kind == Kind.LISTENER and thing.reader != lane.number and thing.total < 60
        ]
        thing = self.pick(things)
        if thing is not None:
            thing.writers.add(lane.number)
            thing.total += 1
            thing.sent.append(1)
            lane.ops.append((Op.CONNECT, thing.number, 0, 0))

    def accept(self, lane: Lane) -> None:
        things = [
            thing
            for thing in self.objects
            if thing.kind == Kind.LISTENER and thing.sent and self.may_take(lane, thing)
        ]
        thing = self.pick(things)
        if thing is not None:
            thing.reader = lane.number
            thing.sent.pop()
            lane.ops.append((Op.ACCEPT, thing.number, 0, 0))

    def lock(self, lane: Lane) -> None:
        """A lock is taken and let go of: nobody waits for anything while he has one."""
        thing = self.pick(
            [
                thing
                for thing in self.objects
                if thing.kind in LOCKED and thing.total < CARRIED and self.may_lock(lane, thing)
            ]
        )
        if thing is None:
            return
        thing.writers.add(lane.number)
        thing.total += 1
        first = self.random.randrange(BLOCKS)
        blocks = self.random.randint(1, BLOCKS - first)
        if thing.kind == Kind.FLOCK or self.random.random() < 0.4:
            first, blocks = 0, BLOCKS
        how = self.random.choice((0, WRITES, WRITES, WRITES | LOWERS))
        # A child of another thread has the description, too.
        if sum(other.process == lane.process for other in self.lanes) == 1:
            self.alone.add(lane.process)
            how |= CLOSES * (self.random.random() < 0.5)
        lane.ops.append((Op.LOCK, thing.number, first | blocks << 8, how))

    def may_lock(self, lane: Lane, thing: Object) -> bool:
        """Not two lanes of a process that locks for itself."""
        return thing.kind != Kind.BYTES or not any(
            self.lanes[other].process == lane.process for other in thing.writers - {lane.number}
        )

    def words(self, lane: Lane) -> list[Object]:
        """Futexes that a lane may use: private ones within one process only."""
        return [
            thing
            for thing in self.objects
            if thing.kind == Kind.WORD and thing.process in (None, lane.process)
        ]

    def use(self, lane: Lane, thing: Object) -> int:
        if not thing.total:
            thing.private = self.random.random() < 0.3
            thing.process = lane.process if thing.private else None
        return int(thing.private)

    def wake(self, lane: Lane) -> None:
        words = [
            thing
            for thing in self.words(lane)
            if self.several or (thing.writers <= {lane.number} and thing.reader != lane.number)
        ]
        thing = self.pick(words)
        if thing is not None:
            private = self.use(lane, thing)
            thing.writers.add(lane.number)
            thing.total += 1
            lane.ops.append((Op.WAKE, thing.number, 0, private | 2 * self.several))

    def sleep(self, lane: Lane) -> None:
        words = [
            thing
            for thing in self.words(lane)
            if thing.total > thing.slept and (self.several or self.may_take(lane, thing))
        ]  # fmt: skip
        thing = self.pick(words)
        if thing is not None:
            thing.reader = lane.number
            thing.slept += 1
            lane.ops.append((Op.SLEEP, thing.number, thing.slept, int(thing.private)))

    def signal(self, lane: Lane) -> None:
        near = [child for child in lane.children if not child.ended]
        above = lane.parent
        while above:
            near.append(above)
            above = above.parent
        if "signal" not in self.kinds or not near:
            return
        to = self.random.choice(near)
        if to.room() < 3:
            return
        to.signals += 1
        # To a whole process only where there is one that can take it.
        alone = sum(other.process == to.process for other in self.lanes) == 1
        whole = alone and self.random.random() < 0.3
        if whole:
            self.alone.add(to.number)
        forged = self.random.random() < 0.2
        lane.ops.append((Op.SIGNAL, to.number, 0, int(whole) | 2 * forged))

    def await_signals(self, lane: Lane) -> None:
        if lane.signals > lane.awaited:
            lane.awaited = lane.signals
            lane.ops.append((Op.AWAIT, 0, lane.awaited, 0))

    def noise(self, lane: Lane) -> None:
        lane.ops.append((Op.NOISE, 0, 0, self.random.randrange(4)))

    def execute(self, lane: Lane) -> None:
        alone = sum(other.process == lane.process for other in self.lanes) == 1
        if "exec" in self.kinds and alone and not lane.is_thread and lane.execs < 2:
            lane.execs += 1
            lane.ops.append((Op.EXEC, 0, 0, 0))

    def wait(self, lane: Lane) -> None:
        for child in lane.children:
            if child.ended:
                lane.children.remove(child)
                lane.ops.append((Op.JOIN if child.is_thread else Op.WAIT, child.number, 0,
                                 self.random.randrange(2)))  # fmt: skip
                return

    def finish(self, lane: Lane) -> None:
        """Only one that has nothing to wait for; the command last."""
        if lane.parent and not lane.children and self.random.random() < 0.3:
            self.end(lane)

    def end(self, lane: Lane) -> None:
        for child in self.random.sample(lane.children, len(lane.children)):
            if not child.ended:
                self.end(child)
        self.await_signals(lane)
        while lane.children:
            self.wait(lane)
        lane.ended = True


ALL_KINDS = frozenset(
    [*(kind.name.lower() for kind in Kind), "thread", "signal", "exec", "eof"]
)  # fmt: skip


def program(
    seed: str, kinds: frozenset[str] = ALL_KINDS, several: bool = False, steps: int = 260
) -> Program:
    """The program of a seed. `several`: objects may have more than one writer."""
    return _Maker(seed, kinds, several, steps).make(seed)
