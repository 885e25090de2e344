# SPDX-License-Identifier: MIT
"""Fixtures of the live tests: real back ends, built by backends/build.sh."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.register_assert_rewrite(
    *(
        f"tests.live.{name}"
        for name in ("backend", "compare", "jaeger_api", "oracle", "otlp_client")
    )
)

from tests.live.backend import HERE, Collector, Jaeger, running  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def backends() -> Path:
    """Folder of the back ends and otel-cli; builds them where `run.sh` has not done so."""
    folder = os.environ.get("RENACER_BACKENDS")
    if folder is None:
        built = subprocess.run(
            [str(HERE / "backends" / "build.sh")], stdout=subprocess.PIPE, text=True, check=True
        )
        folder = built.stdout.rstrip("\n")
    return Path(folder)


@pytest.fixture(scope="session")
def jaeger(backends: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    """A real Jaeger; what it has acknowledged can be read back at once."""
    log = tmp_path_factory.mktemp("jaeger") / "jaeger.log"
    with running(lambda: Jaeger(backends / "jaeger", log)) as process:
        yield process


@pytest.fixture
def collector(backends: Path, jaeger: Jaeger, tmp_path: Path) -> Iterator[Collector]:
    """A real collector with agent.yaml before that Jaeger.

    It batches, so a test calls `collector.stop()`, which delivers all, before it reads back.
    """
    log = tmp_path / "collector.log"
    with running(lambda: Collector(backends / "otelcol", log, jaeger.otlp_port)) as process:
        yield process
