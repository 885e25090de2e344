# SPDX-License-Identifier: MIT
"""-y, -yy, --decode-fds: what is behind descriptors, beside real strace and in spans."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from renacer_otel.ring import trace_file
from tests.cli.descriptors import HOSTILE
from tests.cli.tool import call_lines, renacer, run_program
from tests.decode.normal import threads

SUBJECT = Path(__file__).with_name("descriptors.py")
FD_LINK, FD_DETAIL = 11, 12
# Those whose other arguments are shown alike for sure: the test is about descriptors.
CALLS = (
    "openat,read,write,close,dup,dup2,dup3,fcntl,pipe2,pidfd_open,pidfd_send_signal,eventfd2,mmap,"
    "socket,bind,listen,connect,accept4,getsockname,sendto,recvfrom,socketpair,"
    "poll,pselect6,epoll_ctl,sendmsg,recvmsg"
)


def subject(folder: Path) -> list[str | Path]:
    return [sys.executable, "-I", "-S", SUBJECT, folder]


def spans_of(trace: Path) -> list[tuple[str, dict[str, Any]]]:
    """Name and attributes of each span of OTLP/JSON lines."""
    return [
        (
            span["name"],
            {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]},
        )
        for line in trace.read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


# Inodes have few digits on a machine that has just started, pids always may; in -yy two inodes
# stand with an arrow.
_NUMBERS = r"(?<=:\[)\d+(?=[\],-])|(?<=->)\d+(?=[\],])|(?<=pid:)\d+|(?<=pidfd_open\()\d+|\d{4,}"


def lines(text: str) -> list[str]:
    """What the subject itself did, without the numbers that differ from run to run."""
    (own,) = threads(text)
    start = next(i for i, line in enumerate(own) if '"/dev/null", O_RDWR' in line)
    # When an interpreter takes memory is its own affair; nl_pad and half of u64 are what its
    # stack held.
    return [
        re.sub(_NUMBERS, "N", re.sub(r"nl_pad=\w+, |, u64=\d+", "", line))
        for line in own[start:]
        if "MAP_ANONYMOUS" not in line
    ]


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    "options",
    [
        ["-y"],
        ["-yy"],
        ["--decode-fds"],
        ["--decode-fds=dev,pidfd"],
        ["--decode-fds=!path"],
        ["--decode-fds=all"],
        ["--decode-fds=none"],
    ],
    ids=" ".join,
)
def test_lines_are_those_of_strace(tmp_path: Path, options: list[str]) -> None:
    folder = tmp_path / "work"
    traces = []
    for tool in (["strace"], None):
        folder.mkdir()
        words: list[str | Path] = [
            *options,
            "-e",
            f"trace={CALLS}",
            "-f",
            "-o",
            tmp_path / "log",
            "--",
        ]
        if tool:
            done = run_program([*tool, *words, *subject(folder)])
        else:
            done = renacer("--no-propagate", *words, *subject(folder))
        assert done.code == 0, done.err
        traces.append(lines((tmp_path / "log").read_text(errors="strict")))
        folder.rename(tmp_path / f"done{len(traces)}")
    assert traces[0]
    assert traces[0] == traces[1]


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    trace = tmp_path / "log"
    assert renacer("-yy", "-o", trace, "--", *subject(tmp_path)).code == 0
    data = trace.read_bytes()
    assert b'\\74x\\76\\n\\33]0;t\\7\\377\\303(1 \\\\\\"(deleted)' in data
    assert all(32 <= byte < 127 or byte == 10 for byte in data)
    assert all(re.match(r"\d+ +\S", line) for line in data.decode("ascii").splitlines())


def test_nothing_is_captured_unless_asked_for(tmp_path: Path) -> None:
    trace = tmp_path / "run.renacer"
    for options, wanted in (([], set()), (["-y"], {FD_LINK}), (["-yy"], {FD_LINK, FD_DETAIL})):
        done = renacer(*options, "--format", "record", "-o", trace, "--", *subject(tmp_path))
        assert done.code == 0, done.err
        with trace_file.open_trace(trace) as reader:
            found = {
                piece.type
                for frame in reader
                for row in range(len(frame.events))
                for piece in frame.pieces(row)
            }
        assert found & {FD_LINK, FD_DETAIL} == wanted
        (tmp_path / os.fsdecode(HOSTILE)).unlink(missing_ok=True)
        for left in ("elsewhere", "linked"):
            (tmp_path / left).unlink(missing_ok=True)


def test_spans_have_paths_and_peers(tmp_path: Path) -> None:
    trace = tmp_path / "spans.json"
    done = renacer("-yy", "--format", "otlp-json", "-o", trace, "--", *subject(tmp_path))
    assert done.code == 0, done.err
    spans = spans_of(trace)
    assert any(own.get("file.path") == "/dev/null" for name, own in spans if name == "write")
    ends = [
        own for name, own in spans if name == "sendto" and own.get("network.transport") == "tcp"
    ]
    near, far = ends[:2]
    assert near["network.type"] == "ipv4"
    assert near["network.peer.address"] == far["network.local.address"] == "127.0.0.1"
    assert near["network.peer.port"] == far["network.local.port"]
    assert near["network.local.port"] == far["network.peer.port"]
    names = [own.get("network.local.address") for name, own in spans if name == "recvfrom"]
    assert any(f"{tmp_path}/<x>" in str(name) for name in names)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--decode-fds=soket"], "did you mean socket?"),
        (["-y", "--decode-fds=path"], "drop one of them"),
    ],
)
def test_mistakes_are_told(options: list[str], error: str) -> None:
    done = renacer(*options, "true")
    assert done.code == 125
    assert error in done.error


def test_a_fd_that_is_closed_is_a_number() -> None:
    done = renacer(
        "-yy", "-e", "trace=close", "--", sys.executable, "-c", "import os; os.closerange(700, 702)"
    )
    assert done.code == 0
    assert not [line for line in call_lines(done.err) if "close(70" in line and "<" in line]
