# SPDX-License-Identifier: MIT
"""Names that others have put something by, in folders that all may write to; set-id programs."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.cli import planted
from renacer_otel.exporters.receiver import Receiver
from renacer_otel.sidecar.place import Place, PlaceError
from tests.cli.tool import RENACER, renacer, run_program
from tests.compiling import compiled
from tests.exporters.conftest import free_port
from tests.scale import some
from tests.sidecar.test_place import reachable

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
# Another user, who may read the installation wherever it is, and has no other right.
AS_NOBODY = [
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
]  # fmt: skip


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder as /tmp is."""
    made = tmp_path / "shared"
    made.mkdir()
    made.chmod(0o1777)
    reachable(made)
    return made


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """What is to stay as it is."""
    made = tmp_path / "victim"
    made.write_text("dear")
    return made


def plant(kind: str, path: Path, victim: Path) -> None:
    """As another user: a link to the victim, a file or a FIFO of theirs, another name of it."""
    if kind == "hard link":
        os.link(victim, path)
        return
    if os.geteuid() != 0:
        pytest.skip("needs root to be somebody else")
    if kind == "symbolic link":
        path.symlink_to(victim)
    elif kind == "FIFO":
        os.mkfifo(path, 0o666)
    else:
        path.write_text("theirs")
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


KINDS = ["symbolic link", "hard link", "FIFO", "file"]
SOME = some(*KINDS, of=1)
TOLD = "another user may have put it into this folder, which everyone may write to"


@pytest.mark.parametrize("kind", KINDS)
def test_outputs(shared: Path, victim: Path, kind: str) -> None:
    """The command is not begun."""
    plant(kind, shared / "out", victim)
    before = (shared / "out").lstat()
    witness = shared / "witness"
    for form in {"FIFO": ("text", "otlp-json"), "file": ("record",)}.get(kind, ("text", "csv")):
        done = renacer("-o", shared / "out", "--format", form, "--", "touch", witness)
        assert done.code == 125
        assert TOLD in done.error
    assert not witness.exists()
    assert victim.read_text() == "dear"
    now = (shared / "out").lstat()
    assert (now.st_ino, now.st_size, now.st_mtime_ns) == (
        before.st_ino, before.st_size, before.st_mtime_ns,
    )  # fmt: skip


@pytest.mark.parametrize("kind", SOME)
def test_reports(shared: Path, victim: Path, kind: str, tmp_path: Path) -> None:
    trace = tmp_path / "x.renacer"
    assert renacer("-q", "--format", "record", "-o", trace, "true").code == 0
    plant(kind, shared / "out", victim)
    for words in (["report", trace], ["query", trace, "select 1"]):
        done = renacer(*map(str, words), "-o", shared / "out")
        assert done.code == 125, done
        assert TOLD in done.err
    assert victim.read_text() == "dear"


def test_what_is_ours_is_written_as_ever(shared: Path, tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.write_text("former")
    (shared / "out").write_text("former")
    (shared / "link").symlink_to(ours)
    os.mkfifo(shared / "fifo")
    for name in ("out", "link", "new"):
        assert renacer("-q", "-o", shared / name, "true").code == 0
        assert (shared / name).read_text().startswith("execve(") or "execve(" in (
            shared / name
        ).read_text()
    assert "execve(" in ours.read_text()
    assert "former" not in ours.read_text() + (shared / "out").read_text()
    assert renacer("-q", "-A", "-o", shared / "out", "true").code == 0
    assert (shared / "out").read_text().count("execve(") == 2
    reader = os.open(shared / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert renacer("-q", "-o", shared / "fifo", "true").code == 0
        assert b"execve(" in os.read(reader, 1 << 16)
    finally:
        os.close(reader)


@needs_root
def test_replaced_between_the_look_and_the_opening(
    shared: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared / "out"
    path.write_text("ours")
    real = os.open

    def swap(name: Path, flags: int, *mode: int, by: Callable[[], None]) -> int:
        if not flags & os.O_EXCL:
            path.unlink()
            by()
        return real(name, flags, *mode)

    for by in (lambda: path.symlink_to(victim), lambda: os.link(victim, path)):
        path.unlink(missing_ok=True)
        path.write_text("ours")
        monkeypatch.setattr(os, "open", partial(swap, by=by))
        with pytest.raises(OSError, match=r"symbolic links|another user"):
            planted.opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        monkeypatch.undo()
        assert victim.read_text() == "dear"


@pytest.mark.parametrize("kind", SOME)
def test_files_of_threads(shared: Path, victim: Path, kind: str) -> None:
    """-ff opens them as threads come: what was put there is left alone, and the loss is told."""
    with subprocess.Popen(
        [RENACER, "-ff", "-o", shared / "out", "--", "sh", "-c", 'echo $$; read x; exit 7'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        pid = process.stdout.readline().strip()
        process.communicate("\n")
    assert "exit_group(7)" in (shared / f"out.{pid}").read_text()
    # The next process's number cannot be known: a file for each of the next ones.
    for number in range(int(pid) + 1, int(pid) + 60):
        plant(kind, shared / f"out.{number}", victim)
    before = victim.stat().st_size
    done = renacer("-ff", "-o", shared / "out", "--", "sh", "-c", "echo $$; exit 7")
    assert done.code == 7
    if int(pid) < int(done.out) < int(pid) + 60:
        assert "the output could not be written" in done.err
    assert victim.stat().st_size == before
    assert victim.read_text() == "dear"


@pytest.mark.parametrize("kind", SOME)
def test_the_status_file_and_what_is_written_beside_it(
    shared: Path, victim: Path, kind: str
) -> None:
    """It takes the name over; what was there, and the victim, are not written to."""
    plant(kind, shared / "status", victim)
    endpoint = f"http://127.0.0.1:{free_port()}"
    done = renacer(
        "--status-file", shared / "status", "--otlp-endpoint", endpoint, "--flush-timeout", "0",
        "--", "true",
    )  # fmt: skip
    assert done.code == 0
    assert '"state": "ended"' in (shared / "status").read_text()
    assert stat.S_ISREG((shared / "status").lstat().st_mode)
    assert victim.read_text() == "dear"


@pytest.mark.parametrize("kind", KINDS)
def test_spool_and_socket(shared: Path, victim: Path, kind: str) -> None:
    plant(kind, shared / "spool", victim)
    done = renacer("--otlp-endpoint", "http://h:1", "--spool", shared / "spool", "--", "true")
    assert done.code == 125
    assert done.error.startswith("spool ")
    plant(kind, shared / "socket", victim)
    with pytest.raises(PlaceError):
        Place(str(shared / "socket"))
    assert victim.read_text() == "dear"


def test_the_folder_of_the_socket_is_replaced(tmp_path: Path) -> None:
    """What is made after that is made in the folder that was looked at."""
    folder, elsewhere = tmp_path / "renacer-otel", tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    place = Place(str(folder / "socket"))
    with place:
        folder.rename(tmp_path / "moved")
        folder.symlink_to(elsewhere)
        assert (tmp_path / "moved" / "socket").is_socket()
    assert list(elsewhere.iterdir()) == []
    assert not (tmp_path / "moved" / "socket").exists()


# --- rights of files --------------------------------------------------------------------------

WHO = (
    '#include <stdio.h>\n#include <unistd.h>\nint main(void) { printf("%d\\n", (int)geteuid()); }\n'
)


@pytest.fixture
def set_id(tmp_path: Path) -> Path:
    """A program of root's that runs as root."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a program that is root's")
    source = tmp_path / "who.c"
    source.write_text(WHO)
    made = compiled(tmp_path / "who", source)
    made.chmod(0o4755)
    reachable(tmp_path)
    if run_program([*AS_NOBODY, made]).out != "0\n":
        pytest.skip("set-id programs have no effect here")
    return made


@pytest.mark.needs("setpriv")
@pytest.mark.parametrize("depth", ["command", "child"])
@pytest.mark.parametrize("options", [(), ("-e", "trace=none", "--seccomp-bpf", "on")])
def test_set_id_as_a_user(set_id: Path, depth: str, options: tuple[str, ...]) -> None:
    words = [str(set_id)] if depth == "command" else ["sh", "-c", f"{set_id}; {set_id}; exit 7"]
    done = run_program([*AS_NOBODY, RENACER, *options, "-o", "/dev/null", "--", *words], cwd="/")
    assert set(done.out.split()) == {str(NOBODY)}, done.err
    assert done.code == (7 if depth == "child" else 0)
    number = "2 programs" if depth == "child" else "1 program"
    assert f"warning: {number} ran without the rights of set-id bits" in done.err
    assert "run renacer-otel as root, with -u USER" in done.err


@pytest.mark.needs("setpriv")
def test_set_id_where_nothing_is_lost(set_id: Path, tmp_path: Path) -> None:
    """As root, as root with -u, and untraced programs beside it: there is nothing to say."""
    for options, who in ((("-u", "nobody"), "0"), ((), "0")):
        done = renacer(*options, "-o", "/dev/null", "--", set_id)
        assert (done.code, done.out.strip()) == (0, who), done.err
        assert "set-id" not in done.err
    done = run_program([*AS_NOBODY, RENACER, "-o", "/dev/null", "--", "true"], cwd="/")
    assert done.code == 0, done.err
    assert "set-id" not in done.err


@pytest.mark.needs("setpriv", "setcap")
def test_capabilities_of_a_file(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a program rights")
    made = tmp_path / "true"
    shutil.copy(shutil.which("true") or "/bin/true", made)
    made.chmod(0o755)
    reachable(tmp_path)
    if run_program(["setcap", "cap_net_raw+ep", made]).code:
        pytest.skip("files have no capabilities here")
    done = run_program([*AS_NOBODY, RENACER, "-o", "/dev/null", "--", made], cwd="/")
    assert done.code == 0, done.err
    assert re.search(r"warning: 1 program ran without the rights of .* file capabilities", done.err)


@pytest.mark.needs("setpriv")
@needs_root
def test_another_user_is_refused_by_the_sidecar(tmp_path: Path) -> None:
    """By its socket's mode, whoever may read the installation; with a word where it may come."""
    from tests.sidecar.serving import sidecar

    with Receiver("null") as server, sidecar(tmp_path, server.endpoint) as serving:
        words = [*AS_NOBODY, RENACER, f"--sidecar={serving.path}", "--", "true"]
        done = run_program(words, cwd="/")
        assert done.code == 125
        reachable(serving.path.parent)
        serving.path.chmod(0o666)
        again = run_program(words, cwd="/")
        assert again.code == 125
        ended = serving.end()
    assert "Permission denied" in done.error or "belongs to" in done.error
    assert again.error
    assert ended.number("runs") == 0
