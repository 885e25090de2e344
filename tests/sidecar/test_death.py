# SPDX-License-Identifier: MIT
"""Tracer or sidecar are killed, stopped, asked to end: what arrives then, and what is told."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import PATIENCE, children, environ, renacer, started, until
from tests.exporters.conftest import silent_port
from tests.scale import FULL
from tests.sidecar.serving import HANDED, sidecar, traced

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

KILLS = 1000 if FULL else 20
LOST = "renacer.lost"
# Calls without end; and so many, then the end.
ENDLESS = ("sh", "-c", "while :; do echo >/dev/null; done")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def spans_of(receiver: Receiver) -> list[Span]:
    return [each.span for each in receiver.spans]


def roots(receiver: Receiver) -> list[Span]:
    return [span for span in spans_of(receiver) if span.name == "renacer-otel run"]


def attributes(span: Span) -> dict[str, object]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in span.attributes
    }


def check_tree(spans: list[Span]) -> None:
    """One trace, no id twice, every parent there; calls of a thread in order without a hole."""
    assert len({span.trace_id for span in spans}) == 1
    ids = {span.span_id for span in spans}
    assert len(ids) == len(spans)
    assert {span.parent_span_id for span in spans} - ids == {b""}


def test_a_tracer_that_is_killed(tmp_path: Path, receiver: Receiver) -> None:
    """Again and again, at any time: what it had recorded arrives, and its tree is whole."""
    rng = random.Random(3)
    with sidecar(tmp_path, receiver.endpoint) as serving:
        for _ in range(KILLS):
            with started(f"--sidecar={serving.path}", "--", *ENDLESS) as tracer:
                until(lambda: has_a_ring(serving.pid))
                time.sleep(rng.uniform(0, 0.1))
                tracer.kill()
                tracer.wait()
            until(lambda: not has_a_ring(serving.pid))
        ended = serving.end()
    assert ended.code == 0
    assert ended.number("lost") == 0
    runs = ended.number("runs")
    assert runs == KILLS
    by_trace: dict[bytes, list[Span]] = {}
    for span in spans_of(receiver):
        by_trace.setdefault(span.trace_id, []).append(span)
    assert len(by_trace) == runs
    for spans in by_trace.values():
        check_tree(spans)
        assert sum(span.name == "renacer-otel run" for span in spans) == 1
    assert ended.number("sent") == len(spans_of(receiver))


def test_what_a_killed_tracer_left_open_is_unfinished(tmp_path: Path, receiver: Receiver) -> None:
    with sidecar(tmp_path, receiver.endpoint) as serving:
        with waiting(serving.path) as tracer:
            tracer.kill()
            tracer.wait()
        receiver.wait_for(1, timeout=PATIENCE)
        until(lambda: bool(roots(receiver)))
        assert "ends as unfinished" in serving.end().err
    check_tree(spans_of(receiver))
    (process,) = [span for span in spans_of(receiver) if span.name == "cat"]
    assert attributes(process)["renacer.unfinished"] is True
    assert "process.exit.code" not in attributes(process)


class waiting:  # noqa: N801 (a context manager)
    """A tracer whose `cat` waits for its input."""

    def __init__(self, path: Path, *words: str) -> None:
        self._ours, self._theirs = os.pipe()
        self._started = started(f"--sidecar={path}", *words, "--", "cat", f"/dev/fd/{self._ours}",
                                pass_fds=[self._ours])  # fmt: skip

    def __enter__(self) -> subprocess.Popen[str]:
        process = self._started.__enter__()
        os.close(self._ours)
        until(lambda: waits_in_read(process.pid))
        return process

    def say(self, text: bytes) -> None:
        """To the cat."""
        os.write(self._theirs, text)

    def end(self) -> None:
        """Of its input."""
        if self._theirs >= 0:
            os.close(self._theirs)
            self._theirs = -1

    def __exit__(self, *how: object) -> None:
        self.end()
        self._started.__exit__(None, None, None)


def waits_in_read(pid: int) -> bool:
    """Whether a child of this process is a cat that reads."""
    return any(map(_reads, children(pid)))


def _reads(pid: int) -> bool:
    try:
        called = Path(f"/proc/{pid}/syscall").read_text().split()[0]
        return Path(f"/proc/{pid}/comm").read_text() == "cat\n" and called == "0"
    except OSError:
        return False


def test_a_sidecar_that_is_killed_is_replaced(tmp_path: Path, receiver: Receiver) -> None:
    cat = waiting(tmp_path / "renacer-otel" / "sidecar.sock")
    with sidecar(tmp_path, receiver.endpoint) as first, cat as tracer:
        first.kill()
        cat.say(b"after the first\n")
        with sidecar(tmp_path, receiver.endpoint) as second:
            cat.say(b"with the second\n")
            until(lambda: has_a_ring(second.pid))
            cat.end()
            out, err = tracer.communicate(timeout=PATIENCE)
            ended = second.end()
    assert tracer.returncode == 0
    assert out == "after the first\nwith the second\n"
    assert "2 sidecars had the run, one after the other" in err
    assert re.search(r"[01] calls? that went on over it", err)
    assert "a sidecar died that had made " in err
    assert HANDED.search(err)
    assert ended.number("runs") == 1
    assert ended.number("lost") == 0
    spans = spans_of(receiver)
    assert len({span.span_id for span in spans}) == len(spans)
    assert len({span.trace_id for span in spans}) == 1
    (root,) = roots(receiver)
    assert [each.attributes[0].value.string_value for each in root.events if each.name == LOST][
        -1
    ] == "sidecar_replaced"
    names = [span.name for span in spans]
    assert names.count("write") == 2
    assert "execve" not in names  # the first had it, and had not sent it


def has_a_ring(pid: int) -> bool:
    """Whether a tracer has handed one over to it."""
    return "memfd:renacer-ring" in Path(f"/proc/{pid}/maps").read_text()


def test_a_sidecar_that_ends_hands_the_ring_back(tmp_path: Path, receiver: Receiver) -> None:
    config = tmp_path / "renacer.toml"
    config.write_text('[sidecar]\ndrain_timeout = "200ms"\n')
    cat = waiting(tmp_path / "renacer-otel" / "sidecar.sock")
    with sidecar(tmp_path, receiver.endpoint, "--config", str(config)) as first, cat as tracer:
        ended = first.end()
        assert ended.code == 0
        assert "1 run went on" in ended.err
        assert ended.number("lost") == 0
        sent = len(spans_of(receiver))
        assert sent == ended.number("sent") > 5
        assert not roots(receiver)
        with sidecar(tmp_path, receiver.endpoint) as second:
            cat.say(b"x\n")
            cat.end()
            _, err = tracer.communicate(timeout=PATIENCE)
            assert second.end().number("lost") == 0
    assert tracer.returncode == 0
    assert "a sidecar died" not in err
    assert "2 sidecars had the run" in err
    names = [span.name for span in spans_of(receiver)]
    assert names.count("execve") == 1
    assert names.count("write") == 1
    assert len(roots(receiver)) == 1
    check_tree_but_for_processes(spans_of(receiver))


def check_tree_but_for_processes(spans: list[Span]) -> None:
    """No id twice. The second sidecar does not know the processes that the first had met."""
    assert len({span.span_id for span in spans}) == len(spans)
    assert len({span.trace_id for span in spans}) == 1


def test_nobody_comes(tmp_path: Path, receiver: Receiver) -> None:
    """The command goes on; what nobody has read is told, to the call."""
    cat = waiting(tmp_path / "renacer-otel" / "sidecar.sock", "--flush-timeout", "200ms")
    with sidecar(tmp_path, receiver.endpoint) as first, cat as tracer:
        first.kill()
        cat.say(b"all the same\n")
        cat.end()
        out, err = tracer.communicate(timeout=PATIENCE)
    assert tracer.returncode == 0
    assert out == "all the same\n"
    assert "no sidecar has read " in err
    assert ": no sidecar at " in err


def test_a_sidecar_that_stands_still(tmp_path: Path, receiver: Receiver) -> None:
    """The ring's policy is what the command feels, and drops are counted to the event."""
    with sidecar(tmp_path, receiver.endpoint) as serving:
        traced(serving.path, "true")  # it has imported all that it needs
        os.kill(serving.pid, signal.SIGSTOP)
        try:
            since = time.monotonic()
            with started(
                f"--sidecar={serving.path}", "--", "true"
            ) as tracer:  # connected by the backlog, and not answered
                _, err = tracer.communicate(timeout=PATIENCE)
            assert tracer.returncode == 125
            assert "does not answer" in err
            assert time.monotonic() - since < 10
        finally:
            os.kill(serving.pid, signal.SIGCONT)
        assert traced(serving.path, "true").code == 0
        assert serving.end().code == 0


@pytest.mark.parametrize("policy", ["drop", "block"])
def test_drops_while_it_stands_still(tmp_path: Path, receiver: Receiver, policy: str) -> None:
    script = (
        "read x <$0; i=0; while [ $i -lt 4000 ]; do echo >/dev/null; i=$((i+1)); done; echo done"
    )
    with sidecar(tmp_path, receiver.endpoint) as serving:
        fifo = tmp_path / "go"
        os.mkfifo(fifo)
        with started(
            f"--sidecar={serving.path}", "--on-full", policy, "--block-limit", "100ms",
            "--ring-size", "512KiB", "--", "sh", "-c", script, fifo,
        ) as tracer:  # fmt: skip
            with fifo.open("w"):  # once it is opened for reading, it is being traced
                os.kill(serving.pid, signal.SIGSTOP)
            assert tracer.stdout is not None
            assert tracer.stdout.readline() == "done\n"
            os.kill(serving.pid, signal.SIGCONT)
            _, err = tracer.communicate(timeout=PATIENCE)
        ended = serving.end()
    assert tracer.returncode == 0
    assert "the ring was full: " in err
    match = HANDED.search(err)
    assert match
    calls = int(match["calls"].replace(",", ""))
    lost = int(err.rsplit(" lost;", 1)[0].rsplit(" ", 1)[1].replace(",", ""))
    assert lost > 100
    spans = spans_of(receiver)
    assert len(spans) == ended.number("sent")
    # All calls that were seen are there, or counted as lost; and a process, and the root.
    assert len(spans) == calls - lost + 2


def test_a_full_queue_drops_and_each_loss_is_told_once(tmp_path: Path) -> None:
    """A collector that never answers, and hardly any queue: what was made is lost, once."""
    config = tmp_path / "renacer.toml"
    config.write_text('[sidecar]\ndrain_timeout = "200ms"\nqueue_size = "64KiB"\n')
    with (
        silent_port() as port,
        sidecar(tmp_path, f"http://127.0.0.1:{port}", "--config", str(config)) as serving,
    ):
        command = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=20000"]
        done = renacer(f"--sidecar={serving.path}", "--fold=off", "--", *command, env=environ())
        made = HANDED.search(done.lines[-1])
        assert made, done.err
        dropped = re.search(r"the sidecar's queue was full: ([\d,]+) spans dropped", done.err)
        assert dropped, done.err
        ended = serving.end()
    assert ended.number("sent") == 0
    assert ended.number("lost") == int(made["spans"].replace(",", ""))
    assert f"the queue was full for {dropped[1]} of them" in ended.err
