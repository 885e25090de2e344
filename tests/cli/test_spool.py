# SPDX-License-Identifier: MIT
"""Runs with a spool: absent collectors cost nothing, and the books are right from outside."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.exporters.receiver import Receiver, Reply
from tests.cli.test_collector import deaf_port, nobody
from tests.cli.tool import Done, children, renacer, started, until
from tests.exporters.http_server import HttpCollector

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(path: Path, endpoint: str, *words: str | Path, command: Sequence[str] = ("true",)) -> Done:
    return renacer(
        "--spool", path, "--otlp-endpoint", endpoint, "--flush-timeout", "300ms", *words, "--",
        *command,
    )  # fmt: skip


def status_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    there = found["exported"] + found["queued"] + found["spooled"] + sum(found["dropped"].values())
    assert found["emitted"] + found["inherited"] == there
    return found


def test_all_is_sent_and_nothing_is_left(tmp_path: Path) -> None:
    path, status = tmp_path / "s", tmp_path / "status"
    with Receiver() as receiver:
        words = ("--spool", path, "--status-file", status, "--otlp-endpoint", receiver.endpoint)
        done = renacer(*words, "--fail-on-loss", "--", "ls", "/")
        assert receiver.count == done.totals.sent == done.totals.calls + 2
    assert done.code == 0
    assert len(done.lines) == 1
    assert sorted(entry.name for entry in path.iterdir()) == ["lock"]
    said = status_of(status)
    assert said["state"] == "ended"
    assert said["emitted"] == said["exported"] == done.totals.sent
    assert said["spool"]["segments"] == 0


def test_an_absent_collector_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with nobody() as endpoint:
        first = run(path, endpoint, "--fail-on-loss")
    assert first.code == 0
    kept = first.totals.calls + 2
    assert (first.totals.sent, first.totals.lost, first.totals.spooled) == (0, 0, kept)
    assert len(first.lines) == 2
    assert first.lines[0].startswith(f"renacer-otel: {kept} spans are kept in {path} (UNAVAILABLE:")
    assert f"renacer-otel spool send {path}" in first.lines[0]
    listed = renacer("spool", "list", path)
    assert listed.out.startswith(f"{kept} spans in ")
    with Receiver() as receiver:
        words = ("--spool", path, "--otlp-endpoint", receiver.endpoint)
        second = renacer(*words, "--", "true")
        spans = receiver.spans
    assert second.totals.sent == second.totals.calls + 2
    assert (
        second.lines[0] == f"renacer-otel: {receiver.endpoint}: {kept} spans of earlier runs sent"
    )
    assert len(spans) == kept + second.totals.calls + 2
    assert len({item.span.trace_id for item in spans}) == 2
    assert len({item.span.span_id for item in spans}) == len(spans)


def test_the_next_run_may_use_another_protocol(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with nobody() as endpoint:
        kept = run(path, endpoint, "--otlp-protocol", "http/json").totals.spooled
    with Receiver() as receiver:
        done = renacer("spool", "send", path, "--otlp-endpoint", receiver.endpoint)
        assert receiver.count == kept > 0
    assert done == Done(0, "", f"renacer-otel: {receiver.endpoint}: {kept} spans sent\n")
    with nobody() as endpoint:
        kept = run(path, endpoint).totals.spooled
    with HttpCollector() as server:
        words = ("--otlp-endpoint", server.endpoint, "--otlp-protocol", "http/json")
        assert renacer("spool", "send", path, *words).code == 0
        assert len(server.spans) == kept


def test_send_says_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with nobody() as endpoint:
        kept = run(path, endpoint).totals.spooled
        done = renacer("spool", "send", path, "--otlp-endpoint", endpoint, "--timeout", "200ms")
    assert done.code == 125
    assert done.error.startswith(f"{endpoint}: 0 spans sent, {kept} left in it: UNAVAILABLE")
    assert renacer("spool", "list", path).out.startswith(f"{kept} spans")


def test_without_a_right_to_send_spans_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Receiver(script=[Reply("UNAUTHENTICATED", "who are you?")] * 9) as receiver:
        done = run(path, receiver.endpoint)
    assert done.code == 0
    assert done.totals.spooled == done.totals.calls + 2
    assert "UNAUTHENTICATED: check OTEL_EXPORTER_OTLP_HEADERS" in done.lines[0]


def test_refused_for_good(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Receiver(script=[Reply("INVALID_ARGUMENT", "never")] * 9) as receiver:
        done = run(path, receiver.endpoint)
    spans = done.totals.calls + 2
    assert (done.totals.rejected, done.totals.lost, done.totals.spooled) == (spans, 0, 0)
    assert any("kept in refused/" in line for line in done.lines)
    assert any(f"rejected: INVALID_ARGUMENT {spans}" in line for line in done.lines)
    assert f"refused for good: {spans} spans" in renacer("spool", "list", path).out
    with Receiver() as receiver:
        words = ("--refused", "--otlp-endpoint", receiver.endpoint)
        assert renacer("spool", "send", path, *words).code == 0
        assert receiver.count == spans


CALLS = ("dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=4000", "status=none")


@pytest.mark.parametrize("protocol", ["grpc", "http/json"])
def test_a_full_spool_is_told_on_the_root_span(protocol: str, tmp_path: Path) -> None:
    """A spool for a part of the spans: what is dropped is counted, told at the end, in the status,
    and on the root span, which has room."""
    path, status = tmp_path / "s", tmp_path / "status"
    with nobody() as endpoint:
        words = ("--spool-max", "1MiB", "--status-file", status, "--otlp-protocol", protocol)
        done = run(path, endpoint, *words, command=CALLS)
    assert done.code == 0
    totals = done.totals
    assert totals.calls > 8_000
    assert totals.sent == 0
    assert totals.lost > 1_000
    assert any(f"spool_full {totals.lost:,}" in line for line in done.lines)
    said = status_of(status)
    assert said["dropped"] == {"spool_full": totals.lost}
    assert said["emitted"] == totals.spooled + totals.lost  # folded: fewer than the calls
    assert sum(each.stat().st_size for each in path.glob("*.spool")) < (1 << 20) * 1.1
    with Receiver() as receiver:
        assert renacer("spool", "send", path, "--otlp-endpoint", receiver.endpoint).code == 0
        assert receiver.count == totals.spooled
        (root,) = [item.span for item in receiver.spans if item.span.name == "renacer-otel run"]
    (event,) = root.events
    assert event.name == "renacer.lost"
    told = {pair.key: pair.value for pair in event.attributes}
    assert told["renacer.lost.reason"].string_value == "spool_full"
    assert told["renacer.lost.spans"].int_value == totals.lost


def test_a_second_run_on_the_same_folder_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with nobody() as endpoint:
        words = ("--spool", path, "--otlp-endpoint", endpoint, "--flush-timeout", "0")
        with started(*words, "--", "sleep", "60") as first:
            until(lambda: (path / "lock").exists() and (path / "lock").read_text() != "")
            done = run(path, endpoint, command=("touch", str(tmp_path / "witness")))
            assert done.code == 125
            assert f"process {first.pid} uses it" in done.error
            assert not (tmp_path / "witness").exists()
            until(lambda: bool(children(first.pid)))
            os.kill(children(first.pid)[0], signal.SIGKILL)
            first.wait(60)
        assert run(path, endpoint).code == 0


def test_killed_runs_leave_what_the_spool_took(tmp_path: Path) -> None:
    """kill -9 of the run: the spans that were spooled are sent by whoever comes next."""
    path, status = tmp_path / "s", tmp_path / "status"
    with deaf_port() as endpoint:
        words = ("--spool", path, "--status-file", status, "--otlp-endpoint", endpoint)
        loop = "while :; do /bin/true; done"
        with started(*words, "--", "sh", "-c", loop) as process:
            until(lambda: status.exists() and status_of(status)["spooled"] > 0)
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        spooled = status_of(status)["spooled"]
    with Receiver() as receiver:
        assert renacer("spool", "send", path, "--otlp-endpoint", receiver.endpoint).code == 0
        assert receiver.count >= spooled > 0
        ids = {item.span.span_id for item in receiver.spans}
    assert len(ids) == receiver.count


BAD = [
    ("--spool DIR", "--spool has no use without an endpoint; add --otlp-endpoint URL"),
    ("--status-file DIR", "--status-file has no use without an endpoint"),
    ("--spool-max 1GB -- true", "--spool-max and --spool-full have no use alone; add --spool DIR"),
    ("--spool DIR --spool-max 1KiB", "--spool-max: give 1MiB or more"),
    ("--spool DIR --spool-max 7", "--spool-max: the unit is missing in '7'"),
    ("--spool DIR --spool-full dropp", "'dropp' is not one of drop-newest, drop-oldest, block"),
    ("--spool FILE", "no folder, or a symbolic link; name the folder"),
    ("--spool DIR/a/b", "No such file or directory; name a folder that can be made"),
]


@pytest.mark.parametrize(("words", "told"), BAD)
def test_what_makes_no_sense(words: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = words.replace("DIR", str(tmp_path / "d")).replace("FILE", str(tmp_path / "file"))
    endpoint = [] if "endpoint" in told else ["--otlp-endpoint", "http://127.0.0.1:1"]
    done = renacer(*endpoint, *words.split(), "touch", tmp_path / "witness")
    if "--" in words.split():
        done = renacer(*endpoint, *words.split())
    assert done.code == 125
    assert told in done.error
    assert not (tmp_path / "witness").exists()


def test_a_status_that_cannot_be_written(tmp_path: Path) -> None:
    words = ("--otlp-endpoint", "http://127.0.0.1:1", "--status-file", tmp_path / "no" / "file")
    done = renacer(*words, "touch", tmp_path / "witness")
    assert done.code == 125
    assert done.error.endswith("No such file or directory; name a file that can be written")
    assert not (tmp_path / "witness").exists()


def test_a_status_without_a_spool(tmp_path: Path) -> None:
    status = tmp_path / "status"
    with nobody() as endpoint:
        words = ("--status-file", status, "--otlp-endpoint", endpoint, "--flush-timeout", "0")
        done = renacer(*words, "true")
    said = status_of(status)
    assert said["emitted"] == done.totals.lost == done.totals.calls + 2
    assert sum(said["dropped"].values()) == said["emitted"]
    assert "spool" not in said


@pytest.mark.parametrize("words", ["list", "send", "lst x", "list a b", "list NOWHERE", ""])
def test_spool_used_wrongly(words: str, tmp_path: Path) -> None:
    words = words.replace("NOWHERE", str(tmp_path / "nowhere"))
    done = renacer("spool", *words.split())
    assert done.code == (125 if words else 0)
    assert words == "" or done.error


def test_send_makes_no_folder(tmp_path: Path) -> None:
    words = ("--otlp-endpoint", "http://127.0.0.1:1")
    done = renacer("spool", "send", tmp_path / "typo", *words)
    assert done.code == 125
    assert "there is no such folder" in done.error
    assert not (tmp_path / "typo").exists()
