# SPDX-License-Identifier: MIT
"""Where a sidecar listens, and who may come."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.sidecar import wire
from renacer_otel.sidecar.place import Place, PlaceError, default_path
from tests.cli.tool import renacer
from tests.sidecar.serving import handed, sidecar, traced

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def socket_of(tmp_path: Path) -> Path:
    return tmp_path / "renacer-otel" / "sidecar.sock"


def test_modes(tmp_path: Path) -> None:
    path = socket_of(tmp_path)
    with Place(str(path)):
        assert mode(path) == 0o600
        assert mode(path.parent) == 0o700
        assert mode(path.with_name("sidecar.sock.lock")) == 0o600
    assert not path.exists()


def test_modes_for_others(tmp_path: Path) -> None:
    path = socket_of(tmp_path)
    with Place(str(path), allows_others=True):
        assert mode(path) == 0o666
        assert mode(path.parent) == 0o711
    with Place(str(path)):
        assert mode(path) == 0o600
        assert mode(path.parent) == 0o700


def test_the_umask_is_as_before(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with Place(str(socket_of(tmp_path))):
            assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_one_at_a_time(tmp_path: Path) -> None:
    path = str(socket_of(tmp_path))
    with Place(path), pytest.raises(PlaceError, match="another sidecar serves it"):
        Place(path)
    with Place(path):
        pass


def test_what_a_killed_one_left_is_replaced(tmp_path: Path) -> None:
    with Receiver("null") as receiver:
        with sidecar(tmp_path, receiver.endpoint) as first:
            first.kill()
        assert socket_of(tmp_path).is_socket()
        with sidecar(tmp_path, receiver.endpoint) as second:
            assert handed(traced(second.path, "true"))[1] > 5
            assert second.end().code == 0
    assert not socket_of(tmp_path).exists()


def planted_file(path: Path, victim: Path) -> None:
    del victim
    path.write_text("theirs")


def planted_link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def planted_fifo(path: Path, victim: Path) -> None:
    del victim
    os.mkfifo(path)


def planted_folder(path: Path, victim: Path) -> None:
    del victim
    path.mkdir()


@pytest.mark.parametrize("plant", [planted_file, planted_link, planted_fifo, planted_folder])
@pytest.mark.parametrize("name", ["sidecar.sock", "sidecar.sock.lock"])
def test_what_others_planted_stays(tmp_path: Path, plant: object, name: str) -> None:
    if plant is planted_file and name.endswith("lock"):
        pytest.skip("a regular file of ours is a lock")
    victim = tmp_path / "victim"
    victim.write_text("dear")
    path = socket_of(tmp_path)
    path.parent.mkdir(mode=0o700)
    planted = path.with_name(name)
    plant(planted, victim)  # type: ignore[operator]
    before = planted.lstat()
    with pytest.raises(PlaceError):
        Place(str(path))
    assert planted.lstat().st_ino == before.st_ino
    assert mode(planted) == stat.S_IMODE(before.st_mode)
    assert victim.read_text() == "dear"


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PlaceError, match="symbolic link"):
        Place(str(tmp_path / "link" / "renacer-otel" / "sidecar.sock"))
    with pytest.raises(PlaceError, match="symbolic link"):
        Place(str(tmp_path / "link" / "sidecar.sock"))
    assert not list((tmp_path / "real").iterdir())
    done = traced(tmp_path / "link" / "sidecar.sock", "true")
    assert done.code == 125
    assert "symbolic link" in done.error


def test_a_folder_that_others_write_to(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(PlaceError, match="chmod go-w"):
        Place(str(folder / "sidecar.sock"))
    assert "chmod go-w" in traced(folder / "sidecar.sock", "true").error


@needs_root
def test_a_folder_that_is_another_s(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(PlaceError, match=f"belongs to uid {NOBODY}"):
        Place(str(folder / "sidecar.sock"))


def test_long_names(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True, mode=0o700)
    with Receiver("null") as receiver, sidecar(folder, receiver.endpoint) as serving:
        assert len(str(serving.path)) > 200
        assert handed(traced(serving.path, "true"))[1] > 5
        assert serving.end().code == 0
    with pytest.raises(PlaceError, match="at most 80 bytes"):
        Place(str(folder / ("z" * 81)))


def test_default_path() -> None:
    assert default_path({}) == "/run/renacer-otel/sidecar.sock"
    found = default_path({"XDG_RUNTIME_DIR": "/run/user/7"})
    assert found == "/run/user/7/renacer-otel/sidecar.sock"
    assert default_path({"XDG_RUNTIME_DIR": "relative"}) == default_path({})


def test_the_default_is_the_same_on_both_sides(tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    with Receiver("null") as receiver, sidecar(runtime, receiver.endpoint) as serving:
        assert handed(renacer("--sidecar", "--", "true", env=env))[1] > 5
        done = renacer("--", "true", env={**env, "RENACER_SIDECAR": "1"})
        assert handed(done)[1] > 5
        assert serving.end().number("runs") == 2


def answer_to_nobody(path: Path) -> str:
    """What the sidecar says to a process of another user's that talks out of its turn."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(path))
                with suppress(BrokenPipeError):  # refused already: why is there to be read
                    peer.sendall(wire.frame(wire.END, {}))
                os.write(theirs, peer.recv(4096))
        except OSError as error:
            os.write(theirs, str(error).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said.decode("ascii", "replace")


def reachable(folder: Path) -> None:
    """So that others can come to a socket in it."""
    for each in (folder, *folder.parents):
        if not each.stat().st_mode & 0o001:
            each.chmod(0o711)


@needs_root
def test_other_users(tmp_path: Path) -> None:
    """The socket is made reachable by hand: who is refused by its mode alone shows nothing."""
    config = tmp_path / "renacer.toml"
    config.write_text(f"[sidecar]\nallow_uids = [{NOBODY}]\n")
    with Receiver("null") as receiver:
        with sidecar(tmp_path, receiver.endpoint) as serving:
            reachable(tmp_path)
            assert "Permission denied" in answer_to_nobody(serving.path)
            reachable(serving.path.parent)
            serving.path.chmod(0o666)
            said = answer_to_nobody(serving.path)
            assert f"uid {NOBODY} is not allowed here (allow_uids)" in said
            assert serving.end().number("runs") == 0
        with sidecar(tmp_path, receiver.endpoint, "--config", str(config)) as serving:
            assert "end out of its turn" in answer_to_nobody(serving.path)
            assert serving.end().code == 0
