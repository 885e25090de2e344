# SPDX-License-Identifier: MIT
"""`renacer-otel compare --run`: where commands run."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from renacer_otel.cli import copies, terminal
from renacer_otel.cli.main import main
from tests.equivalence.comparing import compared, sentences, sh

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HUGE = 1 << 50


def test_a_hint_if_the_folder_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_text("x\n")
    assert compared("cat in", "sort in")[0] == 4
    assert capfd.readouterr().err.endswith("there is no in, as there is here: add --in-copy-of .\n")
    path = shlex.quote(str(tmp_path / "in"))
    assert compared(f"rm {path}", f"rm -- {path}")[0] == 4
    assert "let them work in a folder of their own" in capfd.readouterr().err
    assert compared("cat in", "cat other")[0] == 1
    assert not capfd.readouterr().err


def test_copies_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "data").write_text("one\n")
    (folder / "sub" / "data").chmod(0o640)
    os.link(folder / "sub" / "data", folder / "same")
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("sub/data")
    before = sorted(path.name for path in folder.rglob("*"))
    words = ("--in-copy-of", str(folder))
    code, found = compared(sh("echo two >> same; rm fifo; chmod 0 sub"),
                           sh("echo two >> sub/data; rm fifo; chmod 0 sub"), *words)  # fmt: skip
    assert code == 0, found
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert (folder / "same").read_text() == "one\n"
    code, found = compared(sh("pwd"), sh("pwd"), *words)
    assert code == 0
    code, found = compared("true", sh("rm sub/data"), *words)
    assert sentences(found)[0] == "same: names of one file is same, sub/data by A, not set by B"


def test_there_is_to_be_room_for_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, room = tmp_path / "in", tmp_path / "room"
    folder.mkdir()
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    try:
        os.truncate(os.open(folder / "huge", os.O_CREAT | os.O_WRONLY), HUGE)
    except OSError:
        monkeypatch.setattr(copies, "_Size", lambda entries, _: (entries, HUGE))
    for words in (
        ["compare", "--run", "touch ran", "--run", "true"],
        ["golden", "capture", "it", "--dir", str(tmp_path / "g"), "--", "touch", "ran"],
    ):
        place = words.index("--") if "--" in words else len(words)
        code = main([*words[:place], "--in-copy-of", str(folder), *words[place:]])
        told = capfd.readouterr().err
        assert code == 125
        assert told.startswith(
            f"renacer-otel: --in-copy-of {folder}: a copy needs 1.1 PB, {room} has "
        )
        assert told.endswith("; name another place for copies by TMPDIR\n")
        assert list(room.iterdir()) == []


def test_copies_are_not_in_what_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    room = tmp_path / "sub" / "room"
    room.mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    for folder in (tmp_path, tmp_path / "link", room):
        code = main(["compare", "--run", "true", "--run", "true", "--in-copy-of", str(folder)])
        told = capfd.readouterr().err
        assert (code, told.count("\n")) == (125, 1)
        assert f"--in-copy-of {folder}: its copies would be in it, in {room}; name" in told
    beside = tmp_path / "beside"
    beside.mkdir()
    assert compared("true", "true", "--in-copy-of", str(beside))[0] == 0


def test_a_terminal_is_told_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.Progress, "_AFTER_S", 0.0)
    monkeypatch.setattr(terminal.Progress, "_EACH_S", 0.0)
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_bytes(bytes(5000))

    def told(writing: int, reading: int) -> str:
        kept = os.dup(2)
        os.dup2(writing, 2)
        try:
            copies.copy(str(folder), tempfile.mkdtemp(dir=tmp_path) + "/copy")
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(writing)
        read = b""
        with open(reading, "rb", buffering=0) as file, suppress(OSError):  # EIO ends a terminal
            while data := file.read(1 << 16):
                read += data
        return read.decode()

    reading, writing = os.openpty()
    shown = told(writing, reading).split("\r\033[K")
    assert shown[0] == shown[-1] == ""
    assert f"renacer-otel: found 4 files to copy in {folder}"[:40] in [line[:40] for line in shown]
    whole = r"renacer-otel: copied 4 of 4 files, (\S+ kB) of \1, of /"
    assert re.match(whole, shown[-2])
    assert all(len(line) < 80 for line in shown)
    reading, writing = os.pipe()
    assert told(writing, reading) == ""
