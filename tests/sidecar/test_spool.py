# SPDX-License-Identifier: MIT
"""A sidecar with a spool: what it has taken from a ring arrives, whoever is killed, and when."""

from __future__ import annotations

import random
import re
import signal
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.test_collector import nobody
from tests.cli.tool import PATIENCE, environ, renacer, until
from tests.exporters.relay import Relay
from tests.scale import FULL
from tests.sidecar.serving import handed, sidecar, traced
from tests.sidecar.test_death import roots, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span
    from typing_extensions import Self

KILLS = 1000 if FULL else 20
KILLS_A_ROUND = 20
# Of a run, that may be going on when a sidecar is killed: a shell's wait, and a child's own.
OPEN_CALLS = 2
KEPT = re.compile(r"renacer-otel: ([\d,]+) spans are kept in ")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def ids(receiver: Receiver) -> set[bytes]:
    return {each.span.span_id for each in receiver.spans}


def is_call(span: Span) -> bool:
    return any(each.key == "syscall.name" for each in span.attributes)


def kept(err: str) -> int:
    match = KEPT.search(err)
    assert match, err
    return int(match[1].replace(",", ""))


def test_what_no_collector_takes_is_sent_by_the_next(tmp_path: Path, receiver: Receiver) -> None:
    spool = tmp_path / "spool"
    with nobody() as endpoint, sidecar(tmp_path, endpoint, "--spool", str(spool)) as first:
        _, spans = handed(traced(first.path, "true"))
        first.process.send_signal(signal.SIGTERM)
        first.process.send_signal(signal.SIGINT)  # at once
        ended = first.end()
    assert ended.code == 0
    assert (ended.number("sent"), ended.number("lost")) == (0, 0)
    assert kept(ended.err) == spans
    assert f"{spool} (" in ended.err
    assert "the next sidecar with this --spool sends them" in ended.err
    config = tmp_path / "renacer.toml"
    config.write_text(f'[sidecar]\nspool = "{spool}"\nspool_max = "2MiB"\nspool_full = "block"\n')
    with sidecar(tmp_path, receiver.endpoint, "--config", str(config)) as second:
        until(lambda: receiver.count == spans)
        _, more = handed(traced(second.path, "true"))
        ended = second.end()
    assert ended.number("sent") == spans + more == len(ids(receiver))
    assert "kept" not in ended.err


def test_one_spool_has_one_sidecar(tmp_path: Path, receiver: Receiver) -> None:
    """The second says so; the lock of one that was killed is no hindrance."""
    spool = ("--spool", str(tmp_path / "spool"))
    with sidecar(tmp_path, receiver.endpoint, *spool) as first:
        done = renacer("sidecar", "--listen", tmp_path / "other" / "s", *spool,
                       "--otlp-endpoint", receiver.endpoint)  # fmt: skip
        assert done.code == 125
        assert f"pid {first.pid}" in done.error or str(first.pid) in done.error
        first.kill()
    with sidecar(tmp_path, receiver.endpoint, *spool) as second:
        assert traced(second.path, "true").code == 0
        assert second.end().code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--spool-max", "1GiB"), "have no use alone; add --spool DIR"),
        (("--spool", "s", "--spool-max", "10KiB"), "--spool-max: give 1MiB or more"),
        (("--spool", "s", "--spool-full", "wait"), "--spool-full"),
        (("--spool", "/dev/null"), "spool /dev/null: no folder"),
    ],
)
def test_wrong_words(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = renacer("sidecar", "--otlp-endpoint", "http://localhost:1", "--listen",
                   tmp_path / "s", *words, cwd=tmp_path)  # fmt: skip
    assert done.code == 125
    assert told in done.error


def test_a_full_spool_is_told_by_all(tmp_path: Path) -> None:
    """By the sidecar, to the tracer, and on the root, for which there is room."""
    spool = tmp_path / "spool"
    script = "i=0; while [ $i -lt 3000 ]; do echo >/dev/null; i=$((i+1)); done"
    with nobody() as endpoint, sidecar(
        tmp_path, endpoint, "--spool", str(spool), "--spool-max", "1MiB"
    ) as first:  # fmt: skip
        done = renacer(f"--sidecar={first.path}", "--max-trace-spans", "0", "--fold", "off", "--",
                       "sh", "-c", script, env=environ())  # fmt: skip
        first.process.send_signal(signal.SIGTERM)
        first.process.send_signal(signal.SIGINT)
        ended = first.end()
    assert done.code == 0
    _, spans = handed(done)
    lost = ended.number("lost")
    assert lost > 1000
    assert kept(ended.err) == spans - lost
    assert f"spool_full {lost:,}" in ended.err
    assert "full (1,048,576 bytes, --spool-max); spans are dropped" in ended.err
    assert f"{lost:,} spans dropped" in done.err
    with Receiver() as receiver:
        sent = renacer("spool", "send", spool, "--otlp-endpoint", receiver.endpoint)
        assert sent.code == 0
        (root,) = roots(receiver)
    (event,) = root.events
    said = {each.key: each.value for each in event.attributes}
    assert said["renacer.lost.reason"].string_value == "not_spooled"
    assert 0 < said["renacer.lost.spans"].int_value <= lost


def test_a_killed_sidecar_takes_nothing_with_it(tmp_path: Path, receiver: Receiver) -> None:
    """Nothing that it had made is unsure: what was not on disk is in the ring still."""
    spool = ("--spool", str(tmp_path / "spool"))
    cat = waiting(tmp_path / "renacer-otel" / "sidecar.sock")
    with sidecar(tmp_path, receiver.endpoint, *spool) as first, cat as tracer:
        first.kill()
        cat.say(b"after the first\n")
        with sidecar(tmp_path, receiver.endpoint, *spool) as second:
            cat.end()
            out, err = tracer.communicate(timeout=PATIENCE)
            ended = second.end()
    assert tracer.returncode == 0
    assert out == "after the first\n"
    assert "a sidecar died" not in err
    assert ended.number("lost") == 0
    match = Runs.TOLD.search(err)
    assert match, err
    calls, lost = map(int, match.groups())
    assert lost <= OPEN_CALLS  # cat's read; its execve, if the sidecar died at once
    arrived = {each.span.span_id for each in receiver.spans if is_call(each.span)}
    assert len(arrived) == calls - lost
    names = [each.span.name for each in receiver.spans]
    assert names.count("write") == 1


class Runs:
    """Tracers one after the other, each with a trace of its own, until they are to end."""

    SCRIPT = "i=0; while [ $i -lt 300 ]; do echo >/dev/null; i=$((i+1)); done; /bin/true"
    TOLD = re.compile(r"([\d,]+) calls?, [\d,]+ spans? handed to the sidecar, ([\d,]+) lost")

    def __init__(self, path: Path, rng: random.Random) -> None:
        self._path = path
        self._rng = rng
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._go_on) for _ in range(2)]
        self.told: dict[bytes, tuple[int, int]] = {}  # of each trace: calls, and those lost
        self.wrong: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _go_on(self) -> None:
        while not self._over.is_set():
            trace = self._rng.randbytes(16)
            done = renacer(
                f"--sidecar={self._path}", "--trace-parent", f"00-{trace.hex()}-{'1' * 16}-01",
                "--block-limit", "60s", "--flush-timeout", "60s", "--fold", "off",
                "--max-trace-spans", "0", "--", "sh", "-c", self.SCRIPT, env=environ(),
            )  # fmt: skip
            if done.code == 125 and len(done.lines) == 1:
                continue  # nobody was there, and the command was not started
            match = self.TOLD.search(done.lines[-1]) if done.code == 0 else None
            if match is None:
                self.wrong.append(f"{done.code}: {done.err}")
                continue
            calls, lost = (int(number.replace(",", "")) for number in match.groups())
            self.told[trace] = (calls, lost)
            if re.search("a sidecar died that|no sidecar has read|ring was full|dropped", done.err):
                self.wrong.append(done.err)


@pytest.mark.timeout(3600)
def test_a_sidecar_that_is_killed_at_any_time(tmp_path: Path) -> None:
    """Runs go on meanwhile, and the collector is up and down: all calls arrive but those that are
    told, and only calls that went on over a kill are."""
    rng = random.Random(5)
    spool = str(tmp_path / "spool")
    for _ in range(KILLS // KILLS_A_ROUND):
        with Receiver() as receiver, Relay(receiver.port) as relay, ExitStack() as last:
            endpoint = f"http://127.0.0.1:{relay.port}"
            with Runs(tmp_path / "renacer-otel" / "sidecar.sock", rng) as runs:
                for _ in range(KILLS_A_ROUND):
                    if rng.random() < 0.5:
                        relay.end()
                    else:
                        relay.begin(rng.choice(("refused", "reset")))
                    with sidecar(tmp_path, endpoint, "--spool", spool) as serving:
                        time.sleep(rng.uniform(0, 0.5))
                        serving.kill()
                relay.end()
                serving = last.enter_context(sidecar(tmp_path, endpoint, "--spool", spool))
            ended = serving.end()
            assert not runs.wrong
            assert (ended.code, ended.number("lost"), "kept" in ended.err) == (0, 0, False)
            assert len(runs.told) > 2
            arrived: dict[bytes, set[bytes]] = {}
            for each in receiver.spans:
                if is_call(each.span):
                    arrived.setdefault(each.span.trace_id, set()).add(each.span.span_id)
            for trace, (calls, lost) in runs.told.items():
                assert len(arrived[trace]) == calls - lost, (trace.hex(), calls, lost)
                assert lost <= OPEN_CALLS * KILLS_A_ROUND
