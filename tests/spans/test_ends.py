# SPDX-License-Identifier: MIT
"""Who ended a process by a signal, and who was told of its end, by pidfds too."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.spans import replay
from tests.cli.tool import renacer
from tests.spans.test_channels import PRELUDE

if TYPE_CHECKING:
    from pathlib import Path

SUBJECT = """
import json
SYS_clone, CLONE_PIDFD = 56, 0x1000
pids = {}

def waits():
    os.read(block[0], 1)

block = os.pipe()
pids["kill"] = child(waits)
os.kill(pids["kill"], signal.SIGKILL)
os.waitpid(pids["kill"], 0)

# Delivered, and fatal. It is ready for that: bytes say so.
r, w = os.pipe()
pids["term"] = child(lambda: (os.write(w, b"1"), waits()))
os.read(r, 1)
os.kill(pids["term"], signal.SIGTERM)
os.waitpid(pids["term"], 0)

pids["ready"] = child(lambda: None)
fd = os.pidfd_open(pids["ready"])
p = select.poll()
p.register(fd, select.POLLIN)
p.poll()
assert libc.waitid(3, fd, None, os.WEXITED) == 0

pids["epoll"] = child(lambda: None)
fd = os.pidfd_open(pids["epoll"])
p = select.epoll()
p.register(fd, select.EPOLLIN)
p.poll()
os.waitid(os.P_PIDFD, fd, os.WEXITED)

pidfd = ctypes.c_int(-1)
libc.syscall.restype = ctypes.c_long
null = ctypes.c_void_p(0)
made = libc.syscall(SYS_clone, CLONE_PIDFD | signal.SIGCHLD, null, ctypes.byref(pidfd), null, null)
if made == 0:
    waits()
    os._exit(0)
pids["clone"] = made
signal.pidfd_send_signal(pidfd.value, signal.SIGKILL)
os.waitpid(made, 0)
with open(sys.argv[1] + "/pids", "w") as file:
    json.dump(pids, file)
"""


class Run:
    """What a TRACE says, and the links of its processes' spans."""

    def __init__(self, folder: Path, cpu: str) -> None:
        trace = folder / "run.renacer"
        with Receiver() as receiver:
            done = renacer(
                *("-q", "--otlp-endpoint", receiver.endpoint, "--cpu", cpu),
                *("--format", "record", "-o", trace),
                *("--", sys.executable, "-S", "-c", PRELUDE + SUBJECT, folder),
            )
            assert (done.code, done.err) == (0, "")
            self.spans = [item.span for item in receiver.spans]
        self.run = replay.of_trace(trace)
        self.pids: dict[str, int] = json.loads((folder / "pids").read_text())
        self.name_of_span = {span.span_id: span.name for span in self.spans}

    def calls(self, *names: str) -> list[Any]:
        """In the order of their entries."""
        return [
            row
            for row in sorted(self.run.calls, key=lambda row: int(row["seq"]))
            if replay.call_name(int(row["abi"]), int(row["nr"])) in names
        ]

    def edges(self, effect: int, kind: str) -> list[tuple[int, bool]]:
        names = replay.edge_names()
        return [
            (int(edge["cause"]), bool(edge["certain"]))
            for edge in self.run.edges
            if edge["effect"] == effect and names[edge["kind"]] == kind
        ]

    def end(self, which: str) -> int:
        """The number of the end of a process."""
        threads = self.run.threads
        (found,) = (
            int(event["seq"])
            for event in self.run.events
            if event["kind"] == 6
            and event["last"]
            and threads[event["thread"]]["pid"] == self.pids[which]
        )
        return found

    def lamport_end(self, which: str) -> int:
        (found,) = (
            process.lamport_end
            for process in self.run.processes.values()
            if process.pid == self.pids[which]
        )
        return found

    def links(self, which: str) -> list[str]:
        """Names of the calls that the process's span is linked to as ended by them."""
        (span,) = (
            span
            for span in self.spans
            for pair in span.attributes
            if pair.key == "process.pid" and pair.value.int_value == self.pids[which]
        )
        return [
            self.name_of_span[link.span_id]
            for link in span.links
            if link.attributes[0].value.string_value == "signal"
        ]


@pytest.mark.parametrize("cpu", ["auto", "free"])
def test_ends(cpu: str, tmp_path: Path) -> None:
    run = Run(tmp_path, cpu)
    first, second = run.calls("kill")
    assert run.edges(run.end("kill"), "signal") == [(int(first["seq"]), True)]
    assert run.lamport_end("kill") > first["lamport_start"]
    assert run.links("kill") == ["kill"]
    assert run.edges(run.end("term"), "signal") == []  # its delivery has that
    assert run.lamport_end("term") > second["lamport_start"]
    assert run.links("term") == ["kill"]
    (sent,) = run.calls("pidfd_send_signal")
    assert run.edges(run.end("clone"), "signal") == [(int(sent["seq"]), True)]
    assert run.links("clone") == ["pidfd_send_signal"]
    (poll,) = run.calls("poll", "ppoll")
    (epoll,) = run.calls("epoll_wait", "epoll_pwait")
    waits = run.calls("waitid")
    for ready, wait, which in zip((poll, epoll), waits, ("ready", "epoll"), strict=True):
        assert ready["result"] == 1
        assert ready["lamport_end"] > run.lamport_end(which)
        assert run.edges(int(wait["seq"]), "wait") == [(run.end(which), True)]
