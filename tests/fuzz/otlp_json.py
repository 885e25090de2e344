# SPDX-License-Identifier: MIT
"""Fuzz target: traces in JSON, OTLP's and Renacer's, through their readers and the commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from renacer_otel.analysis.loading import load
from renacer_otel.errors import RenacerError
from tests.fuzz import commands, corpus
from tests.fuzz.mutation import damaged_json

if TYPE_CHECKING:
    import random
    from pathlib import Path


def _part(rng: random.Random, data: bytes) -> bytes:
    """A few of its spans or calls: small inputs are quick ones."""
    lines = [json.loads(line) for line in data.splitlines()]
    for line in lines:
        groups = [scope for each in line.get("resourceSpans", ()) for scope in each["scopeSpans"]]
        for holder, key in [(scope, "spans") for scope in groups] or [(line, "syscalls")]:
            rows = holder[key]
            holder[key] = [
                rows[at] for at in sorted(rng.sample(range(len(rows)), min(5, len(rows))))
            ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


class Target:
    """See the module's docstring."""

    def __init__(self, folder: Path) -> None:
        self._files = corpus.json_files(folder)
        self._path = folder / "trace"
        self._commands = commands.Commands(folder, self._path)
        self._turn = 0

    def make(self, rng: random.Random) -> bytes:
        """A file of one of the forms, a part of it, damaged."""
        return damaged_json(rng, _part(rng, rng.choice(self._files)))

    def run(self, data: bytes) -> None:
        """Raises what breaks a promise."""
        self._path.write_bytes(data)
        self._turn += 1
        if self._turn % 16 == 0:
            self._commands.run(self._turn // 16)
            return
        try:
            load(self._path)
        except RenacerError as error:
            commands.check_error(error)

    def close(self) -> None:
        """Nothing is open."""
