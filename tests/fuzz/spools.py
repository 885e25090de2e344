# SPDX-License-Identifier: MIT
"""Fuzz target: the folder of a spool, as anybody may have left it."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING, cast

from renacer_otel.errors import SpoolError
from renacer_otel.exporters import spool_format as form
from renacer_otel.exporters.ledger import Ledger
from renacer_otel.exporters.spool import Spool
from renacer_otel.exporters.spool_folder import SpoolFolder
from renacer_otel.exporters.spool_look import Look
from tests.fuzz import commands, corpus
from tests.fuzz.mutation import damaged, number

if TYPE_CHECKING:
    import random
    from pathlib import Path

_MIB = 1 << 20
_NEW = b"a request that came later"
_LONGEST_S = 20.0
_NAMES = ["ffffffffffffffff.spool", "0000000000000002.spool", "lock", "x.spool", "damaged",
          "refused", "0000000000000000.spool", "0000000000000001.spool.tmp"]  # fmt: skip


class Target:
    """See the module's docstring. An input: files by name; a content of None is a folder, a text
    the target of a link."""

    def __init__(self, folder: Path) -> None:
        self._found = corpus.spools(folder)
        self._path = folder / "spool"

    def make(self, rng: random.Random) -> bytes:
        """A folder: segments damaged, also where their checksums are right, and odd files."""
        files: dict[str, bytes | str | None] = {}
        for name, content in rng.choice(self._found).items():
            files[name] = self._damaged(rng, content) if name.endswith(".spool") else content
        while rng.random() < 0.3:
            name = rng.choice(_NAMES)
            some = rng.choice([each for each in files.values() if isinstance(each, bytes)])
            match rng.randrange(4):
                case 0:
                    files[name] = some
                case 1:
                    files[name] = None
                case 2:
                    files[name] = rng.choice(sorted(files))
                case _:
                    files[name] = rng.randbytes(100)
        return corpus.packed(files)

    @staticmethod
    def _damaged(rng: random.Random, content: bytes) -> bytes:
        if rng.random() < 0.5:
            return damaged(rng, content)
        made = form.segment_head()
        payload = content[form.SEGMENT_HEAD + form.RECORD_HEAD :]
        for _ in range(rng.randrange(5)):
            one = damaged(rng, payload) if rng.random() < 0.5 else payload[: rng.randrange(2000)]
            spans = number(rng) & 0xFFFFFFFF if rng.random() < 0.3 else rng.randrange(1, 100)
            encoding = rng.choice([form.PROTOBUF, form.JSON])
            made += form.record_head(one, spans, encoding, rng.choice([0, 1, number(rng)])) + one
        return damaged(rng, made, 1) if rng.random() < 0.5 else made

    def run(self, data: bytes) -> None:
        """It is looked at, read to its end, and opened again: then nothing is left in it."""
        files = cast("dict[str, bytes | str | None]", corpus.unpacked(data))
        self._lay_out(files)
        try:
            folder = SpoolFolder(str(self._path), use=False)
            try:
                Look(folder)
            finally:
                folder.close()
            self._drained(new=True)
            if self._drained(new=False):
                raise commands.BrokenPromise("what was settled came again")
        except SpoolError as error:
            commands.check_error(error)

    def _lay_out(self, files: dict[str, bytes | str | None]) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(mode=0o700)
        for name, content in files.items():
            path = self._path / name
            if content is None:
                path.mkdir(mode=0o700)
            elif isinstance(content, str):
                os.symlink(content, path)
            else:
                with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                    file.write(content)

    def _drained(self, *, new: bool) -> list[bytes]:
        """All that it gives, settled. Raises SpoolError where the folder cannot serve."""
        told: list[str] = []
        ledger, folder = Ledger(), SpoolFolder(str(self._path))
        try:
            spool = Spool(folder, ledger, 8 * _MIB, "drop-newest", told.append, _MIB)
            found: list[bytes] = []
            guard = threading.Timer(_LONGEST_S, spool.stop)
            guard.start()
            try:
                if new:
                    ledger.emit(1)
                    spool.put(_NEW, 1, form.PROTOBUF)
                while spool.look_into_all() and spool.is_left():
                    taken = spool.take()
                    if taken is None:
                        raise commands.BrokenPromise("what is left does not come")
                    found.append(taken[1])
                    spool.settle(taken[0], {}, [])
            finally:
                guard.cancel()
                guard.join()
                spool.close()
        finally:
            folder.close()
        books = ledger.books()
        if not books.balanced or books.spooled or books.queued:
            raise commands.BrokenPromise(f"the books: {books}")
        if new and not books.dropped and found.count(_NEW) != 1:
            raise commands.BrokenPromise("what came later was lost")
        for sentence in told:
            if not sentence.isprintable() or len(sentence) > 500:
                raise commands.BrokenPromise(f"not one short line: {sentence!r}")
        return found

    def close(self) -> None:
        """Nothing is open."""
