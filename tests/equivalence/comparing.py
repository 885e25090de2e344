# SPDX-License-Identifier: MIT
"""Compares two commands or traces in this process, and reads the report."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from renacer_otel.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = f"{shlex.quote(sys.executable)} -I -S -c"


def sh(script: str) -> str:
    return f"sh -c {shlex.quote(script)}"


def python(script: str) -> str:
    return f"{PYTHON} {shlex.quote(script)}"


def traces(*words: str | Path) -> tuple[int, dict[str, Any]]:
    with tempfile.NamedTemporaryFile() as report:
        code = main(["compare", "--format", "json", "-o", report.name, *map(str, words)])
        found: dict[str, Any] = json.loads(report.read())
    assert found["exit_code"] == code
    return code, found


def compared(a: str, b: str, *words: str | Path) -> tuple[int, dict[str, Any]]:
    """(exit code, the report): in this process, which need not start first."""
    return traces("--runs", "1", "--run", a, "--run", b, *words)


def sentences(found: dict[str, Any]) -> list[str]:
    return [each["sentence"] for each in found["differences"]]
