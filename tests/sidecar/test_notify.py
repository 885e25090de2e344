# SPDX-License-Identifier: MIT
"""What the service manager hears, over a socket of ours in its place."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.sidecar.notify import Notifier
from tests.cli.tool import PATIENCE, environ
from tests.sidecar.serving import sidecar, traced

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self


class Manager:
    """Listens as systemd does. `abstract`: at a name that is in no file system."""

    def __init__(self, folder: Path, *, abstract: bool = False) -> None:
        self.name = f"@renacer-{os.getpid()}-{folder.name}" if abstract else str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name[1:] if abstract else self.name)
        self.socket.settimeout(PATIENCE)
        self.heard: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def hear(self, begin: str) -> str:
        """Waits for a line that begins so."""
        while True:
            lines = self.socket.recv(4096).decode().split("\n")
            self.heard += lines
            for line in lines:
                if line.startswith(begin):
                    return line


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_from_ready_to_stopping(tmp_path: Path, abstract: bool) -> None:
    with Manager(tmp_path, abstract=abstract) as manager, Receiver("null") as receiver:
        more = environ(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="200000")
        with sidecar(tmp_path, receiver.endpoint, env=more) as serving:
            manager.hear("READY=1")
            assert traced(serving.path, "true").code == 0
            status = manager.hear("STATUS=0 runs of 1")
            assert status == f"STATUS=0 runs of 1 so far, {serving.path}"
            since = time.monotonic()
            for _ in range(10):
                manager.hear("WATCHDOG=1")
            assert 0.5 < time.monotonic() - since < 10
            assert "STOPPING=1" not in manager.heard
            assert serving.end().code == 0
            manager.hear("STOPPING=1")
        assert manager.heard.count("READY=1") == 1


def test_a_watchdog_of_another_process(tmp_path: Path) -> None:
    with Manager(tmp_path) as manager:
        told = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "1000"}
        for pid, beats in (("1", False), (str(os.getpid()), True), ("", True)):
            notifier = Notifier({**told, "WATCHDOG_PID": pid})
            notifier.turn("")
            notifier.ready("it")
            notifier.close()
            assert manager.hear("WATCHDOG=1" if beats else "READY=1")
            if beats:
                manager.hear("READY=1")
    assert manager.heard.count("WATCHDOG=1") == 2
    assert manager.heard.count("STATUS=it") == 3


@pytest.mark.parametrize(
    "name",
    ["", "@", "/", "/none/such", "/" + "x" * 200, "vsock:2:1234", "relative", "@" + "y" * 200],
)
def test_nobody_hears(name: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "nonsense"})
    notifier.ready("a\nb")
    notifier.turn("c")
    notifier.stopping("d")
    assert notifier.patience(1.0) == 1.0
    notifier.close()
    notifier.close()


def test_what_is_said_is_one_line(tmp_path: Path) -> None:
    with Manager(tmp_path) as manager:
        notifier = Notifier({"NOTIFY_SOCKET": manager.name})
        notifier.ready("a\nMAINPID=1")
        notifier.close()
        assert "MAINPID" in manager.hear("STATUS=")
    assert not any(line.startswith("MAINPID") for line in manager.heard)
