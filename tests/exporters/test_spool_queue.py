# SPDX-License-Identifier: MIT
"""The queue: in order, at least once, bounded; each span in one place of the ledger at any time."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters import spool as spool_module
from renacer_otel.exporters import spool_format as form
from renacer_otel.exporters.ledger import Ledger
from renacer_otel.exporters.spool import Entry, Spool
from renacer_otel.exporters.spool_folder import SpoolFolder, name_of
from tests.exporters.conftest import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20


class Made:
    """A spool with its ledger and what it told."""

    def __init__(self, path: Path, limit: int = MIB, on_full: str = "drop-newest") -> None:
        self.told: list[str] = []
        self.ledger = Ledger()
        self.spool = Spool(
            SpoolFolder(str(path)), self.ledger, limit, on_full, self.told.append, MIB
        )

    def put(self, data: bytes, spans: int = 1) -> bool:
        self.ledger.emit(spans)
        return self.spool.put(data, spans, form.PROTOBUF)

    def take(self) -> tuple[Entry, bytes]:
        taken = self.spool.take()
        assert taken is not None
        return taken

    def ack(self) -> bytes:
        """Takes the oldest, and settles it."""
        entry, data = self.take()
        self.spool.settle(entry, {}, [])
        return data

    def rest(self) -> list[bytes]:
        """All that is left, settled."""
        found = []
        limit = threading.Timer(10 * PATIENCE, self.spool.stop)  # nothing comes that should
        limit.start()
        while self.spool.is_left():
            if len(self.spool._disk.segments) < 20 and not self.spool.look_into_all():
                break  # only damage was left
            taken = self.spool.take()
            if taken is None:
                break
            found.append(taken[1])
            self.spool.settle(taken[0], {}, [])
        limit.cancel()
        limit.join()
        return found


@contextmanager
def spool_in(path: Path, limit: int = MIB, on_full: str = "drop-newest") -> Iterator[Made]:
    made = Made(path, limit, on_full)
    try:
        yield made
    finally:
        assert made.ledger.books().balanced
        made.spool.close()
        assert made.ledger.books().balanced


def segments(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.name.endswith(".spool"))


def test_first_in_first_out(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s") as made:
        sent = [b"%d" % number * 10 for number in range(50)]
        assert all(made.put(data, spans=2) for data in sent)
        assert made.ledger.books().spooled == 100
        assert [made.ack() for _ in sent] == sent
        assert made.ledger.books()._asdict() == {
            "emitted": 100,
            "inherited": 0,
            "exported": 100,
            "queued": 0,
            "spooled": 0,
            "dropped": {},
        }
    assert segments(tmp_path / "s") == []


def test_what_is_not_settled_is_there_again(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s") as made:
        for number in range(5):
            made.put(b"%d" % number)
        assert made.ack() == b"0"
        assert made.take()[1] == b"1"  # on its way when the process ends
    with spool_in(tmp_path / "s") as made:
        made.put(b"new")
        assert made.rest() == [b"1", b"2", b"3", b"4", b"new"]
        books = made.ledger.books()
        assert (books.inherited, books.emitted, books.exported) == (4, 1, 5)
    assert segments(tmp_path / "s") == []


def test_an_entry_that_was_put_back_comes_again(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s") as made:
        made.put(b"a")
        made.put(b"b")
        entry, data = made.take()
        assert data == b"a"
        assert made.take()[1] == b"b"
        made.spool.put_back(entry)
        assert made.take() == (entry, b"a")


def test_one_that_waits_lets_others_pass(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s") as made:
        made.put(b"a")
        made.put(b"b")
        entry, _ = made.take()
        made.spool.put_back(entry, 0.05)
        assert made.take()[1] == b"b"
        assert made.take() == (entry, b"a")  # once its time has come


def test_take_waits_and_stop_ends_it(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s") as made:
        found: list[object] = []

        def taker() -> None:
            found.append(made.spool.take())
            found.append(made.spool.take())

        thread = threading.Thread(target=taker)
        thread.start()
        made.put(b"x")
        until(lambda: len(found) == 1)
        made.spool.stop()
        thread.join()
        assert found[1] is None


def test_partial_refusal_is_booked(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s") as made:
        made.put(b"abc", spans=3)
        entry, _ = made.take()
        made.spool.settle(entry, {"rejected: X": 1}, [(b"c", 1)])
        books = made.ledger.books()
        assert (books.exported, books.dropped) == (2, {"rejected: X": 1})
        assert "kept in refused/" in made.told[0]
    with spool_in(tmp_path / "s") as made:
        made.spool.close()
        folder = SpoolFolder(str(tmp_path / "s"))
        assert folder.readmit() == 1
        folder.close()
    with spool_in(tmp_path / "s") as made:
        assert made.rest() == [b"c"]


# --- a full spool -----------------------------------------------------------------------------

RECORD = b"x" * 10_000


def fill(made: Made) -> int:
    count = 0
    while made.put(b"%08d" % count + RECORD):
        count += 1
    return count


def test_full_drops_the_newest_and_keeps_within_the_limit(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s") as made:
        count = fill(made)
        assert 80 < count < 105
        assert made.ledger.books().dropped == {"spool_full": 1}
        size = sum(path.stat().st_size for path in (tmp_path / "s").glob("*.spool"))
        assert size <= MIB
        assert [sentence for sentence in made.told if "full" in sentence] == [
            f"spool {tmp_path / 's'}: full (1,048,576 bytes, --spool-max); spans are dropped"
        ]
        # The end of a run has room of its own.
        made.ledger.emit(1)
        assert made.spool.put(RECORD, 1, form.PROTOBUF, last=True)
        for _ in range(20):
            made.ack()
        assert made.put(RECORD)
        assert len(made.rest()) == count - 20 + 2


def test_full_drops_the_oldest(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s", on_full="drop-oldest") as made:
        for number in range(300):
            assert made.put(b"%08d" % number + RECORD)
        books = made.ledger.books()
        assert books.spooled + books.dropped["spool_full"] == 300
        left = [int(data[:8]) for data in made.rest()]
        assert left == list(range(300 - books.spooled, 300))
        assert len(left) > 60
        assert sum("full" in sentence for sentence in made.told) == 1


def test_full_drops_none_that_is_on_its_way(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s", on_full="drop-oldest") as made:
        made.put(b"%08d" % 0 + RECORD)
        entry, _ = made.take()
        for number in range(1, 200):
            made.put(b"%08d" % number + RECORD)
        made.spool.settle(entry, {}, [])
        assert made.ledger.books().exported == 1


def test_full_blocks_until_there_is_room(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s", on_full="block") as made:
        done: list[bool] = []

        def writer() -> None:
            done.extend(made.put(b"%08d" % number + RECORD) for number in range(300))

        thread = threading.Thread(target=writer)
        thread.start()
        until(lambda: bool(made.told))
        assert len(done) < 150
        found = [made.ack() for _ in range(300)]
        thread.join()
        assert all(done)
        assert [int(data[:8]) for data in found] == list(range(300))


def test_a_hurry_ends_the_wait_for_room(tmp_path: Path) -> None:
    with spool_in(tmp_path / "s", on_full="block") as made:
        made.spool.hurry(0.05)
        fill(made)
        assert made.ledger.books().dropped == {"spool_full": 1}


def test_a_request_larger_than_the_spool_is_dropped(tmp_path: Path) -> None:
    for policy in ("drop-newest", "drop-oldest"):
        with spool_in(tmp_path / policy, on_full=policy) as made:
            assert made.put(b"another")
            assert not made.put(bytes(2 * MIB), spans=9)
            assert made.ledger.books().dropped == {"spool_full": 9}
            assert made.rest() == [b"another"]


# --- a disk that fails ------------------------------------------------------------------------


class Faulty:
    """os.pwritev as a failing disk has it: half of what it is given, then an error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error = 0
        self._half = True
        self._real = os.pwritev
        monkeypatch.setattr(os, "pwritev", self)

    def __call__(self, descriptor: int, pieces: list[memoryview], offset: int) -> int:
        if not self.error:
            return self._real(descriptor, pieces, offset)
        if self._half:
            self._half = False
            whole = b"".join(pieces)
            return self._real(descriptor, [memoryview(whole[: len(whole) // 2])], offset)
        self._half = True
        raise OSError(self.error, os.strerror(self.error))


@pytest.fixture
def quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "_RETRY_S", 0.0)
    monkeypatch.setattr(spool_module, "_MAX_RETRY_S", 0.0)


@pytest.mark.parametrize("number", [28, 5, 30, 122, 27])  # ENOSPC EIO EROFS EDQUOT EFBIG
def test_a_failing_disk_is_gone_on_without(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_retry: None
) -> None:
    disk = Faulty(monkeypatch)
    with spool_in(tmp_path / "s") as made:
        assert made.put(b"a")
        disk.error = number
        assert made.put(b"b")
        assert made.put(b"c")
        books = made.ledger.books()
        assert (books.spooled, books.queued) == (1, 2)
        assert not made.spool.status().writing
        assert made.ack() == b"a"
        assert made.ack() == b"b"  # from memory
        disk.error = 0
        assert made.put(b"d")
        books = made.ledger.books()
        assert (books.spooled, books.queued) == (2, 0)
        assert made.spool.status().writing
        assert made.rest() == [b"c", b"d"]
    assert segments(tmp_path / "s") == []
    assert [sentence.split(": ", 1)[1].split(";")[0] for sentence in made.told] == [
        os.strerror(number),
        "takes spans again",
    ]


def test_no_half_record_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Faulty(monkeypatch)
    with spool_in(tmp_path / "s") as made:
        assert made.put(b"a" * 1000)
        disk.error = 28
        assert made.put(b"b" * 1000)
        (name,) = segments(tmp_path / "s")
        data = (tmp_path / "s" / name).read_bytes()
        assert len(data) == form.SEGMENT_HEAD + form.RECORD_HEAD + 1000
        disk.error = 0
    with spool_in(tmp_path / "s") as made:
        assert made.rest() == [b"a" * 1000, b"b" * 1000]
        assert not made.told


def test_memory_is_bounded_and_what_it_does_not_take_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_retry: None
) -> None:
    disk = Faulty(monkeypatch)
    disk.error = 28
    with spool_in(tmp_path / "s") as made:
        for _ in range(200):
            made.put(RECORD)
        books = made.ledger.books()
        assert books.queued == MIB // len(RECORD)
        assert books.dropped == {"disk_full": 200 - books.queued}
    assert made.ledger.books().dropped == {"disk_full": 200}  # it never got to the disk
    assert segments(tmp_path / "s") == []


def test_a_disk_that_fails_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with spool_in(tmp_path / "s") as made:
        made.put(b"a")
        made.put(b"b")
        real = os.pread
        monkeypatch.setattr(os, "pread", lambda d, n, at: real(d, n, at) if at < 60 else b"")
        made.spool.stop()
        monkeypatch.undo()
    with spool_in(tmp_path / "s") as made:
        assert made.rest() == [b"a", b"b"]


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="needs root and mount: a file system"
)
def test_a_real_disk_that_is_full(tmp_path: Path) -> None:
    """A tmpfs of 1 MiB: export goes on, what has no place is counted, room is found again."""
    import subprocess

    mount = tmp_path / "mount"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(mount)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        made = Made(mount / "s", limit=64 * MIB)
        for number in range(150):
            assert made.put(b"%08d" % number + RECORD)
        books = made.ledger.books()
        assert books.balanced
        assert books.queued > 40
        assert books.dropped == {}
        assert "No space left on device" in made.told[0]
        found = [made.ack() for _ in range(120)]
        assert [int(data[:8]) for data in found] == list(range(120))
        until(lambda: made.put(b"%08d" % 150 + RECORD) and made.spool.status().writing)
        assert made.ledger.books().queued == 0
        made.spool.close()
        again = Made(mount / "s", limit=64 * MIB)
        numbers = [int(data[:8]) for data in again.rest()]
        assert numbers[:31] == list(range(120, 151))
        assert again.told == []
        again.spool.close()
    finally:
        subprocess.run(["umount", str(mount)], check=True)


# --- damage -----------------------------------------------------------------------------------


def spool_of(path: Path, count: int) -> Path:
    """A spool with so many records, and its one segment."""
    with spool_in(path) as made:
        for number in range(count):
            made.put(b"%03d" % number * 5, spans=number + 1)
    (name,) = segments(path)
    return path / name


def test_damage_is_set_aside_told_once_and_does_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "s"
    segment = spool_of(path, 5)
    data = bytearray(segment.read_bytes())
    length = form.RECORD_HEAD + 15
    data[form.SEGMENT_HEAD + length + form.RECORD_HEAD + 3] ^= 1  # payload of the second
    data[form.SEGMENT_HEAD + 3 * length] ^= 1  # head of the fourth
    segment.write_bytes(data)
    with spool_in(path) as made:
        assert made.rest() == [b"%03d" % number * 5 for number in (0, 2, 4)]
        books = made.ledger.books()
        assert (books.exported, books.dropped) == (1 + 3 + 5, {"damaged": 2})
        assert len(made.told) == 2
        assert all(form.DAMAGED in sentence for sentence in made.told)
    assert segments(path) == []
    kept = {entry.name for entry in (path / "damaged").iterdir()}
    assert kept == {f"{segment.name}.at-{form.SEGMENT_HEAD + at * length}" for at in (1, 3)}
    with spool_in(path) as made:
        assert made.rest() == []
        assert made.told == []


def test_damage_that_stays_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "s"
    segment = spool_of(path, 3)
    segment.write_bytes(segment.read_bytes() + b"rubbish")
    told = []
    for _ in range(2):
        with spool_in(path) as made:
            assert made.take()[1] == b"000" * 5  # never settled: the segment stays
            told.append(len(made.told))
    assert told == [1, 0]


def test_odd_things_by_a_segments_name(tmp_path: Path) -> None:
    path = tmp_path / "s"
    segment = spool_of(path, 2)
    victim = tmp_path / "victim"
    victim.write_bytes(b"not ours")
    (path / name_of(0)).mkdir()
    os.mkfifo(path / name_of(10))
    (path / name_of(11)).symlink_to(victim)
    os.link(victim, path / name_of(12))
    (path / name_of(13)).touch()
    (path / name_of(14)).write_bytes(b"foreign" * 100)
    (path / "0123.spool.bak").write_bytes(b"another's")
    (path / name_of(15)).write_bytes(segment.read_bytes())  # a duplicate
    with spool_in(path) as made:
        made.put(b"new")
        expected = [b"000" * 5, b"001" * 5]
        assert made.rest() == [*expected, *expected, b"new"]
        assert len(made.told) == 5
    assert segments(path) == []
    assert victim.read_bytes() == b"not ours"
    assert (path / "0123.spool.bak").exists()
    assert len(list((path / "damaged").iterdir())) == 5


def test_a_newer_version_is_left_whole(tmp_path: Path) -> None:
    import struct
    import zlib

    path = tmp_path / "s"
    segment = spool_of(path, 1)
    front = struct.pack("<8sI", form.SEGMENT_MAGIC, 2)
    data = front + struct.pack("<I", zlib.crc32(front)) + segment.read_bytes()[16:]
    segment.write_bytes(data)
    with spool_in(path) as made:
        assert made.rest() == []
        assert "newer version" in made.told[0]
    assert (path / "damaged" / segment.name).read_bytes() == data


def test_a_torn_end_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "s"
    segment = spool_of(path, 3)
    os.truncate(segment, segment.stat().st_size - 1)
    with spool_in(path) as made:
        assert made.rest() == [b"000" * 5, b"001" * 5]
        assert "cut short, 3 spans" in made.told[0]


def test_very_many_files(tmp_path: Path, test_scale: int) -> None:
    """The first is had within 5 s of the start, and none is skipped."""
    import time

    count = 3_000 if test_scale == 1 else 100_000
    path = tmp_path / "s"
    path.mkdir(mode=0o700)
    for number in range(1, count + 1):
        data = b"%d" % number
        head = form.record_head(data, 1, form.PROTOBUF, 0)
        (path / name_of(number)).write_bytes(form.segment_head() + head + data)
    begin = time.monotonic()
    with spool_in(path, limit=1 << 30) as made:
        assert made.ack() == b"1"
        assert time.monotonic() - begin < 5.0
        assert [int(data) for data in made.rest()] == list(range(2, count + 1))


def test_very_many_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.mkdir(mode=0o700)
    for number in range(1, 1001):
        (path / name_of(number)).write_bytes(b"bad")
    with spool_in(path) as made:
        made.put(b"good")
        assert made.ack() == b"good"
        assert len(made.told) == 50
        assert made.told[-1].endswith("no more is told of it")
