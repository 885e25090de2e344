# SPDX-License-Identifier: MIT
"""Work in a process of its own: what comes back, how it ends, and that nothing of it is left."""

from __future__ import annotations

import datetime
import decimal
import os
import signal
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.analysis.sql import apart, asked, evaluate, tables, values
from renacer_otel.cli.main import main
from renacer_otel.errors import RenacerError, UsageError
from tests.cli.tool import run_program, the_error
from tests.query.test_limits import UNHEEDING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renacer_otel.spans.replay import Replay

    Send = Callable[[bytes], None]


def came(work: Callable[[Send], None], seconds: float = 60.0) -> list[bytes]:
    with apart.apart(work, seconds) as pieces:
        return list(pieces)


def test_what_is_sent_comes_in_pieces() -> None:
    data = os.urandom(3 * apart.PIECE + 5)

    def work(send: Send) -> None:
        send(data)
        send(b"")
        send(b"end")

    pieces = came(work)
    assert b"".join(pieces) == data + b"end"
    assert max(map(len, pieces)) == apart.PIECE


def test_errors_come_back() -> None:
    def failing(error: BaseException) -> Callable[[Send], None]:
        def work(send: Send) -> None:
            send(b"some")
            raise error

        return work

    for error in (UsageError("wrong"), RenacerError("too much")):
        with apart.apart(failing(error), 60.0) as pieces:
            assert next(pieces) == b"some"
            with pytest.raises(type(error), match=f"^{error}$"):
                next(pieces)
    with pytest.raises(RenacerError, match="no memory for the query"):
        came(failing(MemoryError()))
    with pytest.raises(RuntimeError, match=r"^ValueError: a mistake of ours") as caught:
        came(failing(ValueError("a mistake of ours")))
    assert "in work" in str(caught.value.__cause__)


def test_who_reads_may_take_time() -> None:
    def work(send: Send) -> None:
        for _ in range(8):
            send(bytes(apart.PIECE))

    with apart.apart(work, 3.0) as pieces:
        next(pieces)
        time.sleep(3.5)
        assert len(list(pieces)) == 7


def test_time_is_counted_in_sum() -> None:
    def work(send: Send) -> None:
        while True:
            send(b"more")
            time.sleep(0.05)

    with pytest.raises(RenacerError, match=r"longer than 0\.5 s"):
        came(work, 0.5)


def test_nothing_of_ours_is_open() -> None:
    mine, theirs = os.pipe()
    try:
        with apart.apart(lambda _: time.sleep(300), 60.0):
            os.close(theirs)
            assert os.read(mine, 1) == b""  # nobody else has it
    finally:
        os.close(mine)


FEW = """
import os, resource
from renacer_otel.analysis.sql.apart import apart

def come():
    with apart(lambda send: send(b"answer"), 60.0) as pieces:
        return list(pieces)

taken = [os.dup(2)]
resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 9, taken[0] + 9))
try:
    while True:
        taken.append(os.dup(2))
except OSError:
    os.close(taken.pop())
try:
    come()
except OSError as error:
    print(error.strerror)
os.close(taken.pop())
print(come())
"""


def test_two_free_descriptors_are_enough() -> None:
    """In a process of its own: nobody else in this one is to lack descriptors."""
    done = run_program([sys.executable, "-c", FEW])
    assert (done.code, done.err) == (0, "")
    assert done.out == "Too many open files\n[b'answer']\n"


def test_it_ends_itself_where_nobody_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_GRACE", 0.2 - 60.0)
    with pytest.raises(RenacerError, match="took longer than 60 s"):
        came(lambda _: time.sleep(300))


@pytest.mark.parametrize(
    "sent",
    [b"", b"d", b"x\0\0\0\0", b"d\xff\xff\xff\xff", b"d\0\0\1\0", b"e\2\0\0\0[]", b"e\1\0\0\0x"],
)
def test_nonsense_is_one_line(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    def frame(pipe: int, *_: object) -> None:
        os.write(pipe, sent)
        os._exit(0)

    monkeypatch.setattr(apart, "_frame", frame)
    with pytest.raises(RenacerError, match=r"nonsense|without a word"):
        came(lambda _: None)


@pytest.mark.parametrize(
    ("number", "told"), [(9, "SIGKILL, as the kernel does where memory is short"), (11, "SIGSEGV")]
)
def test_a_process_that_dies(
    trace: Path,
    run: Replay,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: int,
    told: str,
) -> None:
    monkeypatch.setattr(tables, "build", lambda *_: os.kill(os.getpid(), number))
    assert main(["query", str(trace), "FROM calls"]) == 125
    out, err = capfd.readouterr()
    assert out == ""
    assert told in the_error(err)
    with pytest.raises(RenacerError, match=told):
        evaluate(run, "(SELECT count(*) FROM calls) > 0")


def test_no_process(run: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(RenacerError, match="no process for the query: Resource temporarily"):
        evaluate(run, "true")
    assert len(os.listdir("/proc/self/fd")) == before


def test_from_threads(run: Replay) -> None:
    """At once, one of them not heeding its time: each has its own answer."""
    found: dict[int, object] = {}

    def ask(number: int) -> None:
        sql = f"SELECT count(*) + {number} AS n FROM calls"
        if number == 0:
            sql = UNHEEDING[0]
        try:
            found[number] = evaluate(run, sql, seconds=2.0 if number == 0 else 60.0)[1]
        except RenacerError as error:
            found[number] = error.message

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = len(run.calls)
    assert found.pop(0) == "the query took longer than 2 s and was ended"
    assert found == {number: [{"n": calls + number}] for number in (1, 2, 3)}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


VALUES: list[Any] = [
    None, True, False, 0, -5, 1 << 63, -(1 << 126), 10**5000, 1.5, float("inf"), "a\nb\ud800", "",
    b"\0\xff", decimal.Decimal("1.50"), datetime.date(2020, 1, 2), datetime.time(1, 2, 3, 4),
    datetime.datetime(2020, 1, 2, 3, 4, 5, 6, datetime.timezone.utc),
    datetime.timedelta(-1, 2, 3), uuid.UUID(int=5), [1, [b"x", None]], (1, "a"),
    {"a": 1, "int": [decimal.Decimal(2)]}, {1: {b"k": "v"}}, [{}],
]  # fmt: skip


NONSENSE = (
    '{"int": 5}', '{"bytes": 5}', '{"int": "0x1", "str": 1}', '{"os.system": "ls"}', "{}",
    '{"UUID": 5}', '{"Decimal": "x"}', "[" * 100_000, '{"timedelta": ["a"]}', "nothing",
)  # fmt: skip


def test_values_come_back_as_they_were() -> None:
    for value in VALUES:
        again = values.read(values.written(value))
        assert again == value
        assert type(again) is type(value)
    assert values.read(values.written(range(3))) == "range(0, 3)"
    for text in NONSENSE:
        with pytest.raises(ValueError):  # noqa: PT011 (of whatever words)
            values.read(text)


def test_long_values_are_cut(run: Replay) -> None:
    sql = "SELECT repeat('x', 1000000) AS a, 5 AS b, range(100000) AS c"
    ((word, five, numbers),) = asked.rows(run, sql, 1).rows
    assert word == "x" * 1000 + "…"
    assert five == 5
    assert numbers.startswith("[0, 1, 2")
    assert len(numbers) == 1001
    holds, found = evaluate(run, "SELECT repeat('x', 60000) AS a, range(10) AS b")
    assert not holds
    assert found == [{"a": "x" * 60000, "b": list(range(10))}]
    many = ", ".join(["repeat('x', 999)"] * 1000)
    with pytest.raises(RenacerError, match="takes more than 16 MB"):
        evaluate(run, f"SELECT {many} FROM range(20)")
