# SPDX-License-Identifier: MIT
"""The folder: ours alone, one process at a time, and no way in for others."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from renacer_otel.errors import SpoolError
from renacer_otel.exporters.spool_folder import SpoolFolder
from tests.exporters.conftest import child_environ

HOLDER = (
    "import sys, time\n"
    "from renacer_otel.exporters.spool_folder import SpoolFolder\n"
    "folder = SpoolFolder(sys.argv[1])\n"
    "print('held', flush=True)\n"
    "sys.stdin.read()\n"
)


def test_it_is_made_for_us_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        folder = SpoolFolder(str(tmp_path / "s"))
        os.close(folder.create(1))
        folder.keep("name", b"data")
        folder.close()
    finally:
        os.umask(old)
    for path in [tmp_path / "s", *(tmp_path / "s").rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_an_empty_folder_is_closed_to_others_and_a_full_one_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir(mode=0o755)
    SpoolFolder(str(tmp_path / "empty")).close()
    assert stat.S_IMODE((tmp_path / "empty").stat().st_mode) == 0o700
    (tmp_path / "full").mkdir(mode=0o755)
    (tmp_path / "full" / "file").touch()
    with pytest.raises(SpoolError, match=r"others may get into it \(mode 755\); chmod 700 it"):
        SpoolFolder(str(tmp_path / "full"))
    assert stat.S_IMODE((tmp_path / "full").stat().st_mode) == 0o755


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    for name in ("file", "fifo", "link"):
        with pytest.raises(SpoolError, match="no folder, or a symbolic link"):
            SpoolFolder(str(tmp_path / name))
    for name, reason in (("a/b", "No such file"), ("x" * 300, "too long"), ("\0", "not a path")):
        with pytest.raises(SpoolError, match=reason):
            SpoolFolder(str(tmp_path / name))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_another_users_folder(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(mode=0o700)
    os.chown(tmp_path / "s", 65534, 65534)
    with pytest.raises(SpoolError, match="belongs to user 65534"):
        SpoolFolder(str(tmp_path / "s"))


def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    words = [sys.executable, "-c", HOLDER, path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, env=child_environ(), text=True, **pipes) as holder:  # type: ignore[call-overload]
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SpoolError, match=f"process {holder.pid} uses it"):
            SpoolFolder(path)
        look = SpoolFolder(path, use=False)
        assert look.holder() == f"process {holder.pid}"
        look.close()
        holder.send_signal(signal.SIGKILL)
    folder = SpoolFolder(path)  # the lock went with it
    assert folder.segments() == []
    folder.close()


@pytest.mark.parametrize("what", ["folder", "fifo", "link", "hard link"])
def test_odd_locks(what: str, tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "s"
    victim.write_text("mine")
    path.mkdir(mode=0o700)
    lock = path / "lock"
    if what == "folder":
        lock.mkdir()
    elif what == "fifo":
        os.mkfifo(lock)
    elif what == "link":
        lock.symlink_to(victim)
    else:
        os.link(victim, lock)
    with pytest.raises(SpoolError, match="remove it"):
        SpoolFolder(str(path))
    assert victim.read_text() == "mine"


def test_a_folder_that_is_replaced_is_not_followed(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "s", tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = SpoolFolder(str(path))
    path.rename(tmp_path / "moved")
    path.symlink_to(elsewhere)
    os.close(folder.create(1))
    folder.keep("x", b"y")
    folder.close()
    assert list(elsewhere.iterdir()) == []


def test_set_aside_where_damaged_is_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = SpoolFolder(str(tmp_path / "s"))
    (tmp_path / "s" / "damaged").symlink_to(elsewhere)
    os.close(folder.create(1))
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        folder.set_aside(1)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        folder.keep("x", b"y")
    folder.close()
    assert list(elsewhere.iterdir()) == []
