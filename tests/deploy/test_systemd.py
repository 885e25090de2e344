# SPDX-License-Identifier: MIT
"""The unit, as systemd's own tools judge it, and the sidecar under what it forbids."""

from __future__ import annotations

import configparser
import ctypes
import os
import re
import subprocess
from pathlib import Path

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import RENACER, environ
from tests.sidecar.serving import handed, sidecar, traced

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "renacer-otel-sidecar.service"
if not UNIT.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)
_MOST_EXPOSED = 1.5  # of 10, by systemd 252
_SET_MDWE, _REFUSE_EXEC_GAIN = 65, 1  # <linux/prctl.h>


def analyzed(*words: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    text = UNIT.read_text(encoding="utf-8")
    made = tmp_path / UNIT.name
    made.write_text(text.replace("/opt/renacer-otel/bin/renacer-otel", RENACER))
    return made


@pytest.mark.needs("systemd-analyze")
def test_systemd_has_nothing_to_say(unit: Path) -> None:
    said = analyzed("verify", "--man=no", "--recursive-errors=no", str(unit))
    assert not [line for line in said.splitlines() if UNIT.name in line], said


@pytest.mark.needs("systemd-analyze")
def test_it_is_hardened(unit: Path) -> None:
    said = analyzed(
        "security", "--offline=yes", f"--threshold={int(10 * _MOST_EXPOSED)}", str(unit)
    )
    score = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", said)
    assert score
    assert 0 < float(score[1]) <= _MOST_EXPOSED, said


def test_it_says_what_the_sidecar_does() -> None:
    read = configparser.RawConfigParser(strict=False)
    read.optionxform = str  # type: ignore[method-assign, assignment]
    read.read(UNIT)
    service = read["Service"]
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "main"
    # The default place, which needs no --listen.
    assert service["RuntimeDirectory"] == "renacer-otel"
    assert service["RuntimeDirectoryMode"] == "0700"
    assert int(service["TimeoutStopSec"]) > 10  # drain_timeout
    assert "PrivateUsers" not in service
    assert service["ExecStart"].split()[1:] == [
        "sidecar",
        "--config",
        "/etc/renacer-otel/sidecar.toml",
    ]


def test_the_configuration_is_one(tmp_path: Path) -> None:
    with Receiver("null") as receiver:
        text = UNIT.with_name("sidecar.toml").read_text(encoding="utf-8")
        config = tmp_path / "sidecar.toml"
        # As DynamicUser= has it: a folder of a link's.
        (tmp_path / "private").mkdir(mode=0o700)
        (tmp_path / "state").symlink_to("private")
        text = text.replace("/var/lib/renacer-otel", str(tmp_path / "state"))
        config.write_text(text.replace("http://127.0.0.1:4317", receiver.endpoint))
        with sidecar(tmp_path, receiver.endpoint, "--config", str(config)) as serving:
            assert traced(serving.path, "true").code == 0
            ended = serving.end()
        assert ended.code == 0
        assert ended.number("lost") == 0
        assert (tmp_path / "private" / "spool" / "lock").is_file()


def _no_writable_code() -> None:
    """MemoryDenyWriteExecute=, by the kernel's own means; where it has none, nothing."""
    ctypes.CDLL(None).prctl(_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0)
    os.umask(0o077)


def test_it_serves_without_writable_code(tmp_path: Path) -> None:
    with (
        Receiver("null") as receiver,
        sidecar(
            tmp_path, receiver.endpoint, env=environ(), preexec_fn=_no_writable_code
        ) as serving,
    ):
        done = traced(serving.path, "true")
        assert done.code == 0
        assert handed(done)[1] > 5
        ended = serving.end()
        assert ended.code == 0
        assert ended.number("lost") == 0
