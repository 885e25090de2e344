# SPDX-License-Identifier: MIT
"""Starts the real back ends as child processes, waits until they are ready, ends them."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
AGENT_CONFIG = REPOSITORY / "collector-config" / "agent.yaml"
READY_SECONDS = 30.0
STOP_SECONDS = 30.0

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Runs in the child: a killed test run leaves no back end behind."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def free_ports(count: int) -> list[int]:
    """Returns `count` different TCP ports of 127.0.0.1 that nobody listens on now.

    Somebody may take one before its user does; `start()` then tries with others.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


class PortTakenError(RuntimeError):
    """A back end could not listen on a port that was free a moment ago."""


class Backend:
    """One running back end; its log goes to `log`."""

    def __init__(
        self,
        argv: list[str],
        variables: Mapping[str, str],
        log: Path,
        health_port: int,
        health_path: str,
    ) -> None:
        self.log = log
        self._health = (health_port, health_path)
        # Nothing of the caller's OTEL_* or proxy settings reaches a back end.
        environment = {
            name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ
        }
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                argv,
                env={**environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def wait_ready(self) -> None:
        """Polls the health endpoint until it answers 200.

        Raises PortTakenError or RuntimeError, with the end of the log, when the back end
        ends or is not ready after READY_SECONDS.
        """
        port, path = self._health
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if http_get(port, path)[0] == http.client.OK:
                    return
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self.process.wait(timeout=0.05)
                text = self.log_text()
                if "address already in use" in text:
                    raise PortTakenError(text[-2000:])
                raise RuntimeError(f"back end ended with {status}:\n{text[-4000:]}")
        raise RuntimeError(f"not ready after {READY_SECONDS} s:\n{self.log_text()[-4000:]}")

    def stop(self) -> None:
        """Asks the back end to end, which makes it deliver what it holds, and reaps it.

        Raises RuntimeError if it had to be killed or ended with an error.
        """
        if self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            status = self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(
                f"did not end within {STOP_SECONDS} s:\n{self.log_text()[-4000:]}"
            ) from None
        if status != 0:
            raise RuntimeError(f"ended with {status}:\n{self.log_text()[-4000:]}")

    def kill(self) -> None:
        """Ends it at once and reaps it."""
        self.process.kill()
        self.process.wait()

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def http_get(port: int, path: str, timeout: float = 30.0) -> tuple[int, bytes]:
    """GET from 127.0.0.1, no proxy between: status and body. Raises OSError, HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Jaeger(Backend):
    """A Jaeger with memory storage that stores before it answers."""

    def __init__(self, binary: Path, log: Path) -> None:
        self.otlp_port, self.otlp_http_port, self.query_port, health = free_ports(4)
        super().__init__(
            [str(binary), "--config", str(HERE / "backends" / "jaeger.yaml")],
            {
                "JAEGER_OTLP_PORT": str(self.otlp_port),
                "JAEGER_OTLP_HTTP_PORT": str(self.otlp_http_port),
                "JAEGER_QUERY_PORT": str(self.query_port),
                "JAEGER_HEALTH_PORT": str(health),
            },
            log,
            health,
            "/status",
        )


class Collector(Backend):
    """A collector with collector-config/agent.yaml, in front of a Jaeger."""

    def __init__(self, binary: Path, log: Path, jaeger_otlp_port: int) -> None:
        self.otlp_port, self.otlp_http_port, health, metrics = free_ports(4)
        super().__init__(
            [str(binary), "--config", str(AGENT_CONFIG)],
            {
                "RENACER_COLLECTOR_GRPC": f"127.0.0.1:{self.otlp_port}",
                "RENACER_COLLECTOR_HTTP": f"127.0.0.1:{self.otlp_http_port}",
                "RENACER_COLLECTOR_HEALTH": f"127.0.0.1:{health}",
                "RENACER_COLLECTOR_METRICS_HOST": "127.0.0.1",
                "RENACER_COLLECTOR_METRICS_PORT": str(metrics),
                "RENACER_JAEGER_OTLP": f"127.0.0.1:{jaeger_otlp_port}",
            },
            log,
            health,
            "/",
        )
        self.metrics_port = metrics

    def sent_spans(self) -> int:
        """Spans that it says it has delivered; raises AssertionError where it says nothing."""
        status, body = http_get(self.metrics_port, "/metrics")
        assert status == http.client.OK, body
        total = 0
        seen = False
        for line in body.decode().splitlines():
            if line.startswith("otelcol_exporter_sent_spans"):
                seen = True
                total += int(float(line.rsplit(" ", 1)[1]))
        assert seen, body.decode()
        return total


class SecureCollector(Backend):
    """A collector that takes OTLP over TLS alone, from clients whose certificate it knows, and has
    delivered to a Jaeger what it acknowledges. `folder` holds PEM files: server.pem, server.key and
    ca.pem, of the clients.
    """

    def __init__(self, binary: Path, log: Path, jaeger_otlp_port: int, folder: Path) -> None:
        self.otlp_port, self.otlp_http_port, health = free_ports(3)
        super().__init__(
            [str(binary), "--config", str(HERE / "backends" / "tls.yaml")],
            {
                "OTLP_PORT": str(self.otlp_port),
                "OTLP_HTTP_PORT": str(self.otlp_http_port),
                "HEALTH_PORT": str(health),
                "JAEGER_OTLP_PORT": str(jaeger_otlp_port),
                "TLS_FOLDER": str(folder),
            },
            log,
            health,
            "/",
        )


class FileReader(Backend):
    """A collector that reads an OTLP/JSON file, as its file exporter writes them, to a Jaeger."""

    def __init__(self, binary: Path, log: Path, jaeger_otlp_port: int, file: Path) -> None:
        (health,) = free_ports(1)
        super().__init__(
            [str(binary), "--config", str(HERE / "backends" / "file.yaml")],
            {
                "HEALTH_PORT": str(health),
                "JAEGER_OTLP_PORT": str(jaeger_otlp_port),
                "TRACES_FILE": str(file),
            },
            log,
            health,
            "/",
        )


_B = TypeVar("_B", bound=Backend)


@contextlib.contextmanager
def running(make: Callable[[], _B]) -> Iterator[_B]:
    """A back end that is ready; ended afterwards, if the caller has not done so by `stop()`."""
    for attempts_left in (2, 1, 0):
        backend = make()
        try:
            backend.wait_ready()
            break
        except PortTakenError:
            if not attempts_left:
                raise
        except BaseException:
            backend.kill()
            raise
    try:
        yield backend
    finally:
        backend.stop()
