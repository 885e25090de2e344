# SPDX-License-Identifier: MIT
"""Whole runs with a spool on file systems that are full, read-only or broken."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import PATIENCE, RENACER, renacer, until
from tests.compiling import compiled_once
from tests.exporters.conftest import free_port
from tests.scale import some

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a file system")
# Waits for a line, makes some calls, waits again, makes some more.
SCRIPT = """
calls() { i=0; while [ $i -lt $1 ]; do echo >/dev/null; i=$((i+1)); done; }
calls 100; echo ready; read x; calls 600; echo half; read x; calls 100; echo hi; exit 7
"""


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options + ",mode=700", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def say(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(word + "\n")
    process.stdin.flush()


@pytest.mark.needs("mount", "umount")
@pytest.mark.parametrize("fault", some("full", "EIO", "no inodes", "EROFS", "EDQUOT", of=2))
def test_a_run_on_a_disk_that_takes_nothing(
    tmp_path: Path, shared_folder: Path, fault: str
) -> None:
    """It fails in mid-run, with the collector there: export goes on, nothing is lost; and what a
    run without a collector leaves there is whole."""
    options = {"full": "size=1m", "no inodes": "size=32m,nr_inodes=8"}.get(fault, "size=32m")
    env = {**os.environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "100"}
    if fault.startswith("E"):
        shim = Path(__file__).with_name("broken_disk.c")
        made = compiled_once(shared_folder / "broken_disk.so", shim, "-shared", "-fPIC")
        env |= {"LD_PRELOAD": str(made), "BROKEN_DISK": str(tmp_path / "broken")}
    with Receiver() as server, mounted(tmp_path / "disk", options) as disk:
        words = [
            RENACER, "--otlp-endpoint", server.endpoint, "--spool", str(disk / "spool"),
            "--spool-max", "8MiB",  # its segments are of half a MiB
            "--status-file", str(tmp_path / "status"), "--fold", "off",
            "-E", "LD_PRELOAD", "--", "sh", "-c", SCRIPT,
        ]  # fmt: skip
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=env,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            until(lambda: bool(server.totals()["requests"]))
            begin(fault, disk, tmp_path)
            say(process, "go")
            assert process.stdout.readline() == "half\n"
            say(process, "go")
            out, err = process.communicate(timeout=PATIENCE)
            end(fault, disk, tmp_path)
        assert (process.returncode, out) == (7, "hi\n"), err
        assert ", 0 rejected, 0 lost" in err, err
        number = getattr(errno, fault, errno.ENOSPC)
        assert os.strerror(number) in err
        spans = len(server.spans)
        assert spans > 5000
        assert len({each.span.span_id for each in server.spans}) == spans
        # What a run leaves there once there is room is all there, for the next one.
        absent = f"http://127.0.0.1:{free_port()}"
        kept = renacer("--otlp-endpoint", absent, "--spool", disk / "spool", "--flush-timeout",
                       "100ms", "--", "true")  # fmt: skip
        assert kept.totals.spooled > 5, kept.err
        done = renacer("spool", "send", disk / "spool", "--otlp-endpoint", server.endpoint)
        assert done.code == 0, done.err
        assert "damaged" not in kept.err + done.err
        assert len(server.spans) == spans + kept.totals.spooled
    assert not list(tmp_path.glob("core*"))


def begin(fault: str, disk: Path, folder: Path) -> None:
    if fault == "full":
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    elif fault == "no inodes":
        done = subprocess.run(
            ["touch", *(disk / f"filler{number}" for number in range(100))],
            capture_output=True,
            check=False,
        )
        assert b"No space left" in done.stderr
    else:
        (folder / "broken").write_text(str(getattr(errno, fault)))


def end(fault: str, disk: Path, folder: Path) -> None:
    if fault.startswith("E"):
        (folder / "broken").unlink()
    else:
        for each in disk.glob("filler*"):
            each.unlink()


@pytest.mark.needs("mount", "umount")
def test_a_disk_that_is_read_only_from_the_start(tmp_path: Path) -> None:
    """The command is not begun; what is there can be looked at."""
    absent = f"http://127.0.0.1:{free_port()}"
    with mounted(tmp_path / "disk", "size=8m") as disk:
        words = ["--otlp-endpoint", absent, "--flush-timeout", "0", "--spool", str(disk / "spool")]
        kept = renacer(*words, "--", "true").totals.spooled
        assert kept > 5
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        witness = tmp_path / "witness"
        done = renacer(*words, "--", "touch", witness)
        assert done.code == 125
        assert "Read-only file system" in done.error
        assert not witness.exists()
        listed = renacer("spool", "list", disk / "spool")
        assert listed.code == 0
        assert str(kept) in listed.out
