# SPDX-License-Identifier: MIT
"""Bad golden traces: each command tells it in one line, with exit code 3, at little cost."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import golden_file
from renacer_otel.errors import TraceUnreadable
from tests.golden import hostile
from tests.loading import bounded
from tests.scale import FULL

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = {
    "show": ["golden", "show", "bad", "--dir", "."],
    "check": ["golden", "check", "bad", "--dir", "."],
    "check --all": ["golden", "check", "--all", "--dir", ".", "--update"],
    "diff, before": ["golden", "diff", "bad.golden", "sound.golden"],
    "diff, after": ["golden", "diff", "sound", "bad", "--dir", "."],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    golden_file.write(hostile.SOUND, tmp_path / "sound.golden")
    return tmp_path


def refused(folder: Path, command: str) -> str:
    """The one line: of a check on stdout, which is its report."""
    words = COMMANDS[command]
    if not command.startswith("check"):
        return bounded.refused(folder, words)
    if "--all" in words:
        (folder / "sound.golden").unlink(missing_ok=True)  # whose command is not what is meant
    done = bounded.told(folder, words)
    assert (done.code, done.err) == (3, ""), done
    lines = done.out.splitlines()
    if "--update" in words:
        assert lines.pop().startswith(
            "  note: --update left it as it is: golden capture replaces it"
        )
    assert len(lines) == 1, done
    assert lines[0].isprintable()
    assert len(done.out) < 500
    return done.out


@pytest.mark.parametrize("name", hostile.CONTENTS)
def test_is_refused(folder: Path, name: str) -> None:
    path = folder / "bad.golden"
    path.write_bytes(hostile.CONTENTS[name]())
    with pytest.raises(TraceUnreadable, match=r"not a golden trace|damaged|version") as caught:
        golden_file.read(path)
    if name == "nothing":
        assert (
            "empty: its capture is not over, or was killed; capture it again"
            in caught.value.message
        )
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300
    assert caught.value.analysis_exit_code == 3


def test_is_no_file(folder: Path) -> None:
    path = folder / "bad.golden"
    path.mkdir()
    with pytest.raises(TraceUnreadable, match="not a golden trace, but a directory; move it away"):
        golden_file.read(path)
    path.rmdir()
    path.write_bytes(b"")
    path.chmod(0)
    remedy = "make it readable" if os.geteuid() else "empty"
    with pytest.raises(TraceUnreadable, match=remedy):
        golden_file.read(path)


def test_cut_at_every_byte() -> None:
    whole = golden_file.dump(hostile.SOUND)
    assert golden_file.load(whole) == hostile.SOUND
    for at in range(len(whole)):
        with pytest.raises(ValueError, match=r"not a golden trace|damaged"):
            golden_file.load(whole[:at])


def test_each_byte_changed() -> None:
    """The checksum sees it; and where that is made to fit, nothing but a ValueError comes."""
    whole, body = golden_file.dump(hostile.SOUND), hostile.body()
    for at in range(len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        with pytest.raises(ValueError, match=r"not a golden trace|damaged|version"):
            golden_file.load(changed)
    for at in range(len(body)):
        for value in (0, 0x7F, 0x80, 0xFF, body[at] ^ 1):
            changed = body[:at] + bytes([value]) + body[at + 1 :]
            with suppress(ValueError):
                assert golden_file.load(hostile.framed(changed)).runs


@pytest.mark.parametrize(
    ("command", "name"),
    [(command, name) for name in hostile.CONTENTS for command in COMMANDS]
    if FULL
    else [("show", "a million empty items"), ("check", "newer")],
)
def test_each_command_refuses(folder: Path, command: str, name: str) -> None:
    (folder / "bad.golden").write_bytes(hostile.CONTENTS[name]())
    told = refused(folder, command)
    assert "newer" in told or "version" in told or "damaged" in told or "not a golden" in told


@pytest.mark.parametrize("command", COMMANDS if FULL else ("diff, after",))
def test_a_gigabyte(folder: Path, command: str) -> None:
    """Of brackets, behind a head that is right."""
    with (folder / "bad.golden").open("wb") as file:
        file.write(hostile.framed(b"", length=1 << 30))
        if FULL:
            for _ in range(1 << 10):
                file.write(b"[" * (1 << 20))
        else:
            file.truncate(1 << 30)
    refused(folder, command)
