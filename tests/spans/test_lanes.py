# SPDX-License-Identifier: MIT
"""Older kernels, tighter sandboxes and the other engine: each tells of the same causes."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from renacer_otel.spans import replay
from tests.engine.test_python_engine import PYTHON
from tests.engine.tools import environment, record
from tests.spans.test_channels import PRELUDE

if TYPE_CHECKING:
    from pathlib import Path

SUBJECT = PRELUDE + textwrap.dedent("""
    r, w = os.pipe()
    a, b = socket.socketpair()
    other = os.pipe()
    path, passes = sys.argv[1] + "/socket", sys.argv[2] == "passes"
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def work():
        os.close(w)
        receive(r, 1009)
        b.send(bytes(1013))
        if passes:
            _, (fd,), _, _ = socket.recv_fds(b, 1, 1)
            send(fd, 1019)
        one, _ = server.accept()
        one.send(bytes(1021))
        receive(r, 0)

    pid = child(work)
    send(w, 1009)
    receive(a.fileno(), 1013)
    if passes:
        socket.send_fds(a, [b"x"], [other[1]])
        receive(other[0], 1019)
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    receive(client.fileno(), 1021)
    os.close(w)
    os.waitpid(pid, 0)
""")
SIZES = (0, 1, 1009, 1013, 1019, 1021)
LANES = {
    "plain": ((), ""),
    "seccomp": ((), "seccomp"),
    "sealing": ((), "sealing"),
    "process_vm_readv": ((), "process_vm_readv"),
    "get_syscall_info": ((), "get_syscall_info"),
    "all": ((), "seccomp,sealing,process_vm_readv,get_syscall_info"),
    "python": (PYTHON, ""),
}
Edge = tuple[str, str, str]


def edges(path: Path) -> list[Edge]:
    """Kind, cause and effect of each that is certain, but for what Python's own work has."""
    run = replay.of_trace(path)
    assert run.is_whole
    names = replay.edge_names()
    ends = {int(row["seq"]): f"event {row['kind']}" for row in run.events}
    for row in run.calls:
        name = replay.call_name(int(row["abi"]), int(row["nr"]))
        size = f" {row['result']}" if row["result"] in SIZES else ""
        ends[int(row["seq"])] = name + size
    return sorted(
        (names[edge["kind"]], ends[int(edge["cause"])], ends[int(edge["effect"])])
        for edge in run.edges
        if edge["certain"]
        # A SIGCHLD comes into whichever call.
        and (names[edge["kind"]] != "wait" or ends[int(edge["effect"])].startswith("wait4"))
    )


@pytest.mark.parametrize("lane", LANES)
def test_the_same_causes(tmp_path: Path, lane: str) -> None:
    options, disable = LANES[lane]
    # The python engine does not look into messages: what is in them may be anybody's.
    passes = lane != "python"
    words = [sys.executable, "-ISc", SUBJECT, tmp_path, "passes" if passes else "keeps"]
    run = record(tmp_path, words, *options, env=environment(RENACER_DISABLE=disable))
    assert (run.done.status, run.done.errors) == (0, "")
    assert edges(run.path) == [
        ("connect", "connect 0", "accept4"),
        ("eof", "close 0", "read 0"),
        ("fork", "clone", "event 4"),
        ("pipe", "write 1009", "read 1009"),
        *([("pipe", "write 1019", "read 1019")] if passes else []),
        *([("unix", "sendmsg 1", "recvmsg 1")] if passes else []),
        ("unix", "sendto 1013", "read 1013"),
        ("unix", "sendto 1021", "read 1021"),
        ("wait", "event 6", "wait4"),
    ]
