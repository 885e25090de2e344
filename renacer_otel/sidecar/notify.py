# SPDX-License-Identifier: MIT
"""What a service manager is told of the sidecar: sd_notify(3), over the socket of NOTIFY_SOCKET.

Who was started by no service manager tells nobody. A manager that does not listen harms nothing.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATUS_S = 1.0  # a status is told so often, at most


class Notifier:
    """Tells of READY, STOPPING, STATUS and, where WATCHDOG_USEC asks for it, WATCHDOG."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        # "@" begins an abstract name; what begins with neither is of another kind (vsock).
        name = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._socket: socket.socket | None = None
        if name[:1] in ("@", "/"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._every = self._watchdog_s(environ) if self._socket else 0.0
        self._beat_at = 0.0
        self._status = ""
        self._status_at = 0.0

    @staticmethod
    def _watchdog_s(environ: Mapping[str, str]) -> float:
        """How often it is to hear of us, in seconds: twice within its limit; 0 = not at all."""
        limit, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        if not (limit.isascii() and limit.isdigit()) or pid not in ("", str(os.getpid())):
            return 0.0
        return int(limit[:18]) / 2e6

    def patience(self, seconds: float) -> float:
        """How long to sleep at most, of `seconds`, not to miss a beat."""
        if not self._every:
            return seconds
        return max(min(seconds, self._beat_at + self._every - time.monotonic()), 0.0)

    def ready(self, status: str) -> None:
        """Peers are served from now on."""
        self._send("READY=1", status)

    def turn(self, status: str) -> None:
        """Once round the loop: a beat where one is due, and what there is to be said."""
        now = time.monotonic()
        if self._every and now >= self._beat_at + self._every:
            self._beat_at = now
            self._send("WATCHDOG=1")
        if status != self._status and now >= self._status_at + _STATUS_S:
            self._send("", status)

    def stopping(self, status: str) -> None:
        """It ends, in order."""
        self._send("STOPPING=1", status)

    def close(self) -> None:
        """Nothing more is told."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _send(self, word: str, status: str = "") -> None:
        if self._socket is None:
            return
        lines = [word] if word else []
        if status:
            self._status, self._status_at = status, time.monotonic()
            lines.append(f"STATUS={one_line(status, 200)}")
        try:
            data = os.fsencode("\n".join(lines))
            self._socket.sendto(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL, self._address)
        except (OSError, ValueError):
            return
