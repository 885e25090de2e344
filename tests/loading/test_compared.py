# SPDX-License-Identifier: MIT
"""Traces of other forms compared: what they do not tell is no proof that two are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.cli.main import main
from tests.loading.made import CALLS, printed, whole
from tests.ring import traces

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_equal_without_proof(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(printed(whole(CALLS[:-1])))  # nothing is written
    assert main(["compare", str(path), str(path)]) == 1
    told = capfd.readouterr().out
    assert "renacer-json does not tell" in told
    assert "no difference was seen" in told


def test_two_forms(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, other = tmp_path / "trace.json", tmp_path / "trace"
    path.write_bytes(printed(whole(CALLS)))
    metadata = {**traces.METADATA, "id_key": [1, 2], "lamport_seed": 0}
    traces.write(other, [], {}, metadata)
    assert main(["compare", str(path), str(other)]) == 125
    assert "of the same form" in capfd.readouterr().err
