# SPDX-License-Identifier: MIT
"""What a sidecar shows of itself: /metrics and /readyz by HTTP, and grpc.health.v1."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from renacer_otel._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renacer_otel.exporters.health import HealthServer
    from renacer_otel.exporters.metric_data import Metric
    from renacer_otel.exporters.metrics_server import MetricsServer, Page

_LOOK_S = 0.2


class Shown:
    """Use: open(), look() now and then, close(). Only what is asked for is imported and served.

    `listen`: host and port of the pages; `health`: the address of the health service, "" = none.
    `metrics` and `unready` ("" = ready) are called from other threads.
    """

    def __init__(
        self,
        listen: tuple[str, int] | None,
        health: str,
        metrics: Callable[[], list[Metric]],
        unready: Callable[[], str],
        environ: Mapping[str, str],
    ) -> None:
        self._listen, self._health_address = listen, health
        self._metrics, self._unready = metrics, unready
        self._service = environ.get("OTEL_SERVICE_NAME", "").strip() or "renacer-otel-sidecar"
        self._pages: MetricsServer | None = None
        self._health: HealthServer | None = None
        self._is_ready = False
        self._looked = 0.0

    def open(self) -> None:
        """Takes the addresses, and begins to answer. Raises OutputError, UsageError."""
        if self._listen is not None:
            from renacer_otel.exporters.metrics_server import MetricsServer, readiness

            pages = {"/metrics": self._page, "/readyz": readiness(self._unready)}
            self._pages = MetricsServer(self._listen, pages)
            self._pages.open()
            self._pages.start()
        if self._health_address:
            from renacer_otel.exporters.health import HealthServer

            self._health = HealthServer(self._health_address)
            self._health.start()

    def look(self, *, now: bool = False) -> None:
        """Tells the health service whether we are ready; a few times a second, or `now`."""
        if self._health is None:
            return
        at = time.monotonic()
        if not now and at < self._looked + _LOOK_S:
            return
        self._looked = at
        is_ready = not self._unready()
        if is_ready != self._is_ready:
            self._is_ready = is_ready
            self._health.set_ready(is_ready)

    def patience(self, seconds: float) -> float:
        """How long to sleep at most, of `seconds`, not to be late with a look."""
        return min(seconds, _LOOK_S) if self._health is not None else seconds

    def _page(self) -> Page:
        from renacer_otel.exporters.metrics_server import Page
        from renacer_otel.exporters.prometheus_text import CONTENT_TYPE, render

        resource = {"service.name": self._service, "service.version": __version__}
        return Page(render(self._metrics(), resource), CONTENT_TYPE)

    def close(self) -> None:
        """Idempotent."""
        if self._pages is not None:
            self._pages.close()
        if self._health is not None:
            self._health.stop()
        self._pages = self._health = None
