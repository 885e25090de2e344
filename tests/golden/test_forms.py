# SPDX-License-Identifier: MIT
"""The same run as TRACE, JSON and OTLP/JSON: `golden diff` compares what both forms tell."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import canonical, golden_file, learning
from renacer_otel.cli.main import main
from renacer_otel.spans import listing, replay
from tests.cli.tool import Done, renacer
from tests.loading.made import CALLS, printed, whole

if TYPE_CHECKING:
    from pathlib import Path

WORK = """
cat words.txt > sorted.txt
mkdir made
sort words.txt | tr a b >> sorted.txt
ls /nothing 2> /dev/null
mv sorted.txt made
"""
FORMS = {"record": "renacer", "json": "json", "otlp-json": "otlp"}
CHANGES = "echo more > more.txt\nchmod 600 words.txt\nrmdir made 2> /dev/null\n"
TOLD = ("more.txt", "0600", "rmdir(made)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`same.*` and `changed.*` in each form; `whole.json`: the listing of same.renacer."""
    place = tmp_path_factory.mktemp("forms")
    for name, more in {"same": "", "changed": CHANGES}.items():
        for form, end in FORMS.items():
            work = place / f"{name}-{form}"
            work.mkdir()
            (work / "words.txt").write_text("b\na\n")
            (work / "work.sh").write_text(WORK + more)
            (work / "work.sh").chmod(0o644)
            out = place / f"{name}.{end}"
            done = renacer(
                "-q", "--format", form, "-o", out, "--", "sh", "work.sh", cwd=work
            )  # fmt: skip
            assert done.err == ""
    (place / "whole.json").write_bytes(b"".join(listing.of_trace(place / "same.renacer")))
    return place


def diff(
    folder: Path, first: str, second: str, capfd: pytest.CaptureFixture[str], *words: str
) -> Done:
    capfd.readouterr()
    code = main(["golden", "diff", *words, str(folder / first), str(folder / second)])
    return Done(code, *capfd.readouterr())


def test_the_same_in_two_forms(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ends = [*FORMS.values()]
    for first, second in itertools.permutations(ends, 2):
        found = diff(folder, f"same.{first}", f"same.{second}", capfd)
        assert found.code == 0, found.out
        assert found.out.splitlines()[0].endswith(": the same")
        assert "not compared are what descriptors lead to" in found.out
    assert diff(folder, "same.renacer", "whole.json", capfd).code == 0


def test_changes_are_found(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for first, second in itertools.permutations(FORMS.values(), 2):
        found = diff(folder, f"same.{first}", f"changed.{second}", capfd)
        assert found.code == 1, (first, second, found.out)
        for words in TOLD:
            assert words in found.out, (first, second)


def test_a_golden_trace_needs_records(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    form = canonical.of_replay(replay.of_trace(folder / "same.renacer", shown=True))
    golden_file.write(learning.learn([form], "x", ["sh"]), tmp_path / "x.golden")
    golden = str(tmp_path / "x.golden")
    assert main(["golden", "diff", golden, str(folder / "same.renacer")]) == 0
    for words in ((golden, str(folder / "same.json")), (str(folder / "same.otlp"), golden)):
        capfd.readouterr()
        assert main(["golden", "diff", *words]) == 125
        assert "compare it with the NAME.json" in capfd.readouterr().err


def test_what_little_others_tell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A listing of Renacer's with three arguments of each call, and of no processes."""
    (tmp_path / "theirs.json").write_bytes(printed(whole(CALLS)))
    done = renacer("-q", "--format", "json", "-o", tmp_path / "ours.json", "--", "true")
    assert done.code == 0
    found = diff(tmp_path, "theirs.json", "ours.json", capfd)
    assert found.code == 1
    assert "arguments but paths" in found.out
    assert "/etc/hosts" in found.out
