# SPDX-License-Identifier: MIT
"""The spool against a model that is a list: whatever is done in whatever order, with restarts and
kills in between, the same requests come out in the same order, and the books are right."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from renacer_otel.exporters import spool_format as form
from renacer_otel.exporters.ledger import Ledger
from renacer_otel.exporters.spool import Entry, Spool
from renacer_otel.exporters.spool_folder import SpoolFolder
from tests.scale import FULL


class Model(RuleBasedStateMachine):
    """`waiting`: what the queue has to give, oldest first; `away`: what was taken of it."""

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="spool-model-"))
        self.number = 0
        self.waiting: list[bytes] = []
        self.away: list[tuple[Entry, bytes]] = []
        self.sent: set[bytes] = set()
        self.begin()

    def begin(self) -> None:
        self.ledger = Ledger()
        self.told: list[str] = []
        folder = SpoolFolder(str(self.path / "s"))
        self.spool = Spool(folder, self.ledger, 1 << 20, tell=self.told.append)
        self.dropped = 0

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.path)

    @rule(size=st.integers(0, 30_000))
    def put(self, size: int) -> None:
        self.number += 1
        data = b"%06d" % self.number + bytes(size)
        self.ledger.emit(1)
        if self.spool.put(data, 1, form.PROTOBUF):
            self.waiting.append(data)
        else:
            assert self.spool.status().bytes > 1_000_000  # it is nearly full
            self.dropped += 1

    @precondition(lambda self: len(self.waiting) > len(self.away))
    @rule()
    def take(self) -> None:
        taken = self.spool.take()
        assert taken is not None
        held = [data for _, data in self.away]
        assert taken[1] == next(data for data in self.waiting if data not in held)
        self.away.append(taken)

    @precondition(lambda self: self.away)
    @rule(which=st.integers(0, 100))
    def settle(self, which: int) -> None:
        entry, data = self.away.pop(which % len(self.away))
        self.spool.settle(entry, {}, [])
        self.waiting.remove(data)
        self.sent.add(data)

    @precondition(lambda self: self.away)
    @rule(which=st.integers(0, 100))
    def put_back(self, which: int) -> None:
        entry, _ = self.away.pop(which % len(self.away))
        self.spool.put_back(entry)

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.away.clear()
        self.begin()

    @rule()
    def kill(self) -> None:
        """As SIGKILL leaves it: a copy of the folder as it is at this moment."""
        copy = self.path / "copy"
        shutil.copytree(self.path / "s", copy)
        copy.chmod(0o700)
        self.spool.close()
        shutil.rmtree(self.path / "s")
        os.rename(copy, self.path / "s")
        self.away.clear()
        self.begin()

    @precondition(lambda self: self.waiting)
    @rule()
    def drain(self) -> None:
        while len(self.waiting) > len(self.away):
            self.take()
        while self.away:
            self.settle(0)
        assert not self.spool.is_left()

    @invariant()
    def books_are_right(self) -> None:
        books = self.ledger.books()
        assert books.balanced
        assert books.lost == self.dropped
        assert not self.told or all("full" in sentence for sentence in self.told)
        size = sum(each.stat().st_size for each in (self.path / "s").glob("*.spool"))
        assert size <= (1 << 20)


Model.TestCase.settings = settings(
    max_examples=200 if FULL else 25, stateful_step_count=40, deadline=None
)
TestModel = Model.TestCase
