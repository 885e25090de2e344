# SPDX-License-Identifier: MIT
"""Collectors that are absent, that hang, that refuse: the command does not notice."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from renacer_otel.exporters.receiver import Receiver, Reply
from tests.cli.tool import Done, environ, renacer

# What the machine may take on top of what is promised; it may be loaded.
SLACK = 10.0

# Writes when it began and when it ended, by the clock that everybody shares, and exits with 3.
SUBJECT = (
    "import sys, time\n"
    "begin = time.monotonic()\n"
    "file = open('/dev/zero', 'rb', buffering=0)\n"
    "for _ in range(int(sys.argv[2])):\n"
    "    file.read(1)\n"
    "print(begin, time.monotonic(), file=open(sys.argv[1], 'w'))\n"
    "sys.exit(3)\n"
)


class Timed(NamedTuple):
    """A run, how long the command took, and how much longer the run (both in seconds)."""

    done: Done
    command: float
    after: float


def timed(folder: Path, calls: int, *words: str, **variables: str) -> Timed:
    """Traces the subject."""
    times = folder / "times"
    subject = (sys.executable, "-S", "-c", SUBJECT, times, str(calls))
    done = renacer(*words, "--", *subject, env=environ(**variables))
    end = time.monotonic()
    begin, finish = (float(word) for word in times.read_text().split())
    return Timed(done, finish - begin, end - finish)


@contextmanager
def deaf_port() -> Iterator[str]:
    """An endpoint that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def nobody() -> Iterator[str]:
    """An endpoint where nobody listens."""
    with socket.socket() as holder:  # bound and not listening: nobody else gets the port
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}"


@contextmanager
def hanging() -> Iterator[str]:
    """A collector that takes requests and never answers."""
    with Receiver(script=[Reply(hang=True)] * 1000) as receiver:
        yield receiver.endpoint


TROUBLES = {"absent": nobody, "deaf": deaf_port, "hanging": hanging}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_command_is_not_delayed(trouble: str, tmp_path: Path) -> None:
    with TROUBLES[trouble]() as endpoint:
        words = ("--otlp-endpoint", endpoint, "--flush-timeout", "100ms", "--fold", "off",
                 "--max-trace-spans", "0")  # fmt: skip
        run = timed(tmp_path, 20_000, *words)
    assert run.done.code == 3
    # It would be delayed by a timeout: of connecting (20 s) or of a request (10 s).
    assert run.command < SLACK
    assert run.after < 0.1 + SLACK
    totals = run.done.totals
    assert totals.calls > 20_000
    assert (totals.sent, totals.rejected) == (0, 0)
    assert totals.lost == totals.calls + 2  # the process and the run
    assert len(run.done.lines) == 2
    assert run.done.lines[0].startswith(f"renacer-otel: {endpoint}: {totals.lost:,} spans lost, 0 ")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_flush_timeout_is_used_and_kept(trouble: str, tmp_path: Path) -> None:
    with TROUBLES[trouble]() as endpoint:
        run = timed(tmp_path, 1, "--otlp-endpoint", endpoint, "--flush-timeout", "1500ms")
    assert run.done.code == 3
    assert 1.2 < run.after < 1.5 + SLACK
    assert run.done.totals.sent == 0
    assert run.done.totals.lost == run.done.totals.calls + 2


def test_no_time_to_flush(tmp_path: Path) -> None:
    with hanging() as endpoint:
        run = timed(tmp_path, 1, "--otlp-endpoint", endpoint, "--flush-timeout", "0")
    assert run.done.code == 3
    assert run.done.totals.lost == run.done.totals.calls + 2


def test_fail_on_loss(tmp_path: Path) -> None:
    with nobody() as endpoint:
        words = ("-q", "--fail-on-loss", "--otlp-endpoint", endpoint, "--flush-timeout", "0")
        run = timed(tmp_path, 1, *words)
    assert run.done.code == 125
    assert len(run.done.lines) == 2
    assert "spans lost" in run.done.lines[0]
    assert "--fail-on-loss was given" in run.done.lines[1]


def test_reason_is_told(tmp_path: Path) -> None:
    with nobody() as endpoint:
        done = renacer("--otlp-endpoint", endpoint, "--flush-timeout", "500ms", "true")
    assert done.code == 0
    assert done.lines[0].endswith("connection refused: no collector listens there")


def test_collector_that_refuses() -> None:
    with Receiver(
        script=[Reply(code="PERMISSION_DENIED", message="not\nyou\x1b")] * 50
    ) as receiver:
        done = renacer("--otlp-endpoint", receiver.endpoint, "true")
        assert receiver.count == 0
    assert done.code == 0
    totals = done.totals
    assert totals.rejected == totals.calls + 2
    assert (totals.sent, totals.lost) == (0, 0)
    assert len(done.lines) == 2
    assert "PERMISSION_DENIED" in done.lines[0]
    assert done.lines[0].isprintable()


def test_collector_that_takes_a_part() -> None:
    with Receiver(script=[Reply(rejected=5, message="too many")]) as receiver:
        done = renacer("--otlp-endpoint", receiver.endpoint, "true")
    totals = done.totals
    assert totals.rejected == 5
    assert totals.sent == totals.calls + 2 - 5
    assert "too many" in done.lines[0]
    assert renacer_fails_on(5) == 125


def renacer_fails_on(rejected: int) -> int:
    """The exit code with --fail-on-loss of a run of which so many spans are rejected."""
    with Receiver(script=[Reply(rejected=rejected, message="x")]) as receiver:
        return renacer("--fail-on-loss", "--otlp-endpoint", receiver.endpoint, "true").code


def test_collector_with_a_remark() -> None:
    with Receiver(script=[Reply(message="slow down")]) as receiver:
        done = renacer("-q", "--otlp-endpoint", receiver.endpoint, "--fail-on-loss", "true")
    assert done.code == 0
    assert done.error == f"warning: {receiver.endpoint} says: slow down"


def test_collector_that_comes_late(tmp_path: Path) -> None:
    """Unavailable at first: tried again within --flush-timeout, nothing lost."""
    with Receiver(script=[Reply(code="UNAVAILABLE")] * 3) as receiver:
        words = ("--otlp-endpoint", receiver.endpoint, "--flush-timeout", "30s", "--fail-on-loss")
        run = timed(tmp_path, 1, *words)
        assert receiver.count == run.done.totals.sent == run.done.totals.calls + 2
    assert run.done.code == 3
    assert len(run.done.lines) == 1


def test_variables_in_place_of_flags(tmp_path: Path) -> None:
    with Receiver() as receiver:
        done = renacer(
            "true",
            env=environ(
                OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
                OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=receiver.endpoint,
                OTEL_EXPORTER_OTLP_HEADERS="x-key=a%20b",
                OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
                OTEL_SERVICE_NAME="from the environment",
                OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
            ),
        )
        assert done.totals.sent == receiver.count > 0
        assert dict(receiver.calls[0].metadata)["x-key"] == "a b"
        resource = receiver.spans[0].resource
    attributes = {pair.key: pair.value.string_value for pair in resource.attributes}
    assert attributes["service.name"] == "from the environment"
    assert attributes["deployment.environment.name"] == "test"


def test_exporting_switched_off(tmp_path: Path) -> None:
    with Receiver() as receiver:
        words = ("--otlp-endpoint", receiver.endpoint, "true")
        done = renacer(*words, env=environ(OTEL_SDK_DISABLED="true"))
        assert receiver.totals()["requests"] == 0
    assert done.code == 0
    assert done.lines[0] == "renacer-otel: warning: OTEL_SDK_DISABLED is true: nothing is exported"
    assert done.totals.sent is None


@pytest.mark.parametrize("verbose", [True, False])
def test_a_wait_for_the_collector_is_told(tmp_path: Path, verbose: bool) -> None:
    with deaf_port() as endpoint:
        words = ["--otlp-endpoint", endpoint, "--flush-timeout", "1500ms"]
        run = timed(tmp_path, 10, *words, *(["--verbose"] if verbose else []))
    assert run.done.code == 3
    told = [line for line in run.done.lines if "waiting for http://127.0.0.1" in line]
    assert len(told) == verbose
