# SPDX-License-Identifier: MIT
"""A command of a test's own, captured and checked in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.cli import recording
from renacer_otel.cli.main import main
from tests.cli.tool import Done

if TYPE_CHECKING:
    from pathlib import Path

WORK = "cat words.txt > sorted.txt\nmkdir -p made\nsort words.txt >> sorted.txt\n"


class Program:
    """A shell script in a folder of its own, and renacer-otel golden there, in this process."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd
        self._waits = recording.wait_for_another_second
        self.waits(is_so=False)
        self.traces = folder / "golden_traces"
        self.go_to(folder)
        (folder / "words.txt").write_text("b\na\n")
        self.write(WORK)

    def waits(self, *, is_so: bool) -> None:
        """Whether captures take another second; else they take less time."""
        wait = self._waits if is_so else lambda _: None
        self._monkeypatch.setattr(recording, "wait_for_another_second", wait)

    def go_to(self, folder: Path) -> None:
        self.folder = folder
        self._monkeypatch.chdir(folder)

    def write(self, script: str) -> None:
        (self.folder / "work.sh").write_text(script)

    def golden(self, *words: str) -> Done:
        self._capfd.readouterr()
        code = main(["golden", *words])
        return Done(code, *self._capfd.readouterr())

    def capture(self, name: str = "work", *words: str) -> Done:
        done = self.golden("capture", name, "--runs", "2", *words, "--", "sh", "work.sh")
        assert done.code == 0, done.err
        return done

    def check(self, *words: str, code: int) -> list[str]:
        """The lines of its report."""
        done = self.golden("check", *words)
        assert done.code == code, done.out + done.err
        return done.out.splitlines()


def program_fixture(text: str = WORK) -> Any:
    """A fixture that gives each test a Program of its own, with this script."""

    @pytest.fixture
    def program(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> Program:
        made = Program(tmp_path, monkeypatch, capfd)
        made.write(text)
        return made

    return program
