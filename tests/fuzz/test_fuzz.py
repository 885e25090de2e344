# SPDX-License-Identifier: MIT
"""The harness of `./dev fuzz`: what it feeds follows from the seed, and what breaks is kept."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from renacer_otel.analysis.loading import load
from renacer_otel.errors import TraceUnreadable
from tests.fuzz import (
    built,
    commands,
    corpus,
    mutation,
    otlp_json,
    python_target,
    run,
    spools,
    traces,
)

TEXT = b'{"a": [1, {"b": "x"}, null], "spans": [{"name": "read", "time": "12"}]}\n' * 2


@pytest.mark.parametrize("make", [mutation.damaged, mutation.damaged_json, mutation.damaged_text])
def test_the_same_seed_makes_the_same(make: object) -> None:
    assert callable(make)
    first, again = (
        [make(rng, TEXT) for _ in range(300)] for rng in (random.Random(5), random.Random(5))
    )
    assert first == again
    assert len(set(first)) > 200
    assert [make(random.Random(6), TEXT)] != first[:1]


def is_json(text: bytes) -> bool:
    try:
        return all(json.loads(line) is not ... for line in text.splitlines())
    except ValueError:
        return False


def test_most_of_damaged_json_is_json_still() -> None:
    rng = random.Random(1)
    sound = sum(is_json(mutation.damaged_json(rng, TEXT)) for _ in range(200))
    assert 120 < sound < 200


def test_frames_are_written_as_they_were_read(tmp_path: Path) -> None:
    data = corpus.traces(tmp_path)[0]
    made = traces.frames_of(data)
    again = data[:16] + b"".join(frame.packed() for frame in made)
    (tmp_path / "again").write_bytes(again)
    assert [frame.raw for frame in traces.frames_of(again)] == [frame.raw for frame in made]
    load(tmp_path / "again")


def test_every_target_holds_for_a_moment(tmp_path: Path) -> None:
    """Without sanitizers; `./dev fuzz` has them, and time."""
    for module in (traces, otlp_json, spools):
        folder = tmp_path / module.__name__
        folder.mkdir()
        target, rng = module.Target(folder), random.Random(3)
        for _ in range(20):
            target.run(target.make(rng))
        target.close()


class Fragile:
    """Breaks at its seventh input."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    def make(self, rng: random.Random) -> bytes:
        return rng.randbytes(8)

    def run(self, data: bytes) -> None:
        self.given.append(data)
        if len(self.given) == 7:
            raise ZeroDivisionError

    def close(self) -> None:
        raise AssertionError("it broke before")


def test_what_breaks_it_is_in_the_file(tmp_path: Path) -> None:
    target = Fragile()
    with pytest.raises(ZeroDivisionError):
        python_target._loop(target, 60.0, 1, tmp_path / "input")
    assert len(target.given) == 7
    assert (tmp_path / "input").read_bytes() == target.given[-1]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("printf bad >$4; echo 'AddressSanitizer: heap-buffer-overflow'; exit 1", "heap-buffer"),
        ("printf bad >$4; kill -ABRT $$", "exit code -6"),
        ("printf bad >$4; echo 1234", ""),
    ],
)
def test_a_broken_program_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    driver = tmp_path / "driver"
    driver.write_text(f"#!/bin/sh\n{script}\n")
    driver.chmod(0o700)
    monkeypatch.setattr(run, "KEPT", tmp_path / "kept")
    piece = run._run("c:ring", built.Built(driver, {}, {}, tmp_path), 1, 0xAB, tmp_path)
    if not told:
        assert (piece.inputs, piece.failure) == (1234, "")
        assert not (tmp_path / "kept").exists()
        return
    assert told in piece.failure
    kept = tmp_path / "kept" / "c-ring-ab"
    assert str(kept) in piece.failure
    assert kept.read_bytes() == b"bad"


def test_a_word_that_is_no_target() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", "nonsense"],
        cwd=built.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "invalid choice: 'nonsense'" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_error_must_be_one_short_line() -> None:
    commands.check_error(TraceUnreadable("damaged"))
    for message in ("two\nlines", "x" * 501, "\x1b[2J"):
        with pytest.raises(commands.BrokenPromise):
            commands.check_error(TraceUnreadable(message))
    with pytest.raises(commands.BrokenPromise, match="exit code 77"):
        commands.check_error(TraceUnreadable("it", 77))
