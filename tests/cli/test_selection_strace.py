# SPDX-License-Identifier: MIT
"""-e trace=, status=, -P beside real strace: the same calls."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

import pytest

from renacer_otel.sidecar import classes
from tests.cli.tool import PATIENCE, call_names, renacer, run_program

pytestmark = [
    pytest.mark.needs("strace", "cc"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86_64"),
]

# One more than the last call that strace 6.1 knows.
LIMIT = 451


@pytest.fixture(scope="module")
def every_call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The subject that makes every call once."""
    program = tmp_path_factory.mktemp("every") / "every_call"
    source = Path(__file__).with_name("every_call.c")
    flags = ("-O1", "-std=gnu11", "-mno-red-zone")
    subprocess.run(["cc", *flags, "-o", program, source], check=True, timeout=PATIENCE)
    return program


@pytest.fixture(scope="module", params=["64", "32"])
def abi(request: pytest.FixtureRequest, every_call: Path) -> str:
    """The ABI that the calls are made by; 32-bit ones need a kernel that has them."""
    chosen = str(request.param)
    if run_program([every_call, chosen, str(LIMIT)]).code != 0:
        pytest.skip(f"needs {chosen}-bit calls")
    return chosen


def seen_by_strace(trace: Path, *words: str | Path) -> list[str]:
    """The names of the calls that strace shows, in order."""
    assert run_program(["strace", "-f", "-o", trace, *words]).code == 0
    return call_names(trace.read_text())


def seen_by_us(trace: Path, *words: str | Path) -> list[str]:
    """The same of renacer-otel."""
    done = renacer("-o", trace, *words)
    assert done.code == 0
    assert done.totals.lost == 0
    return call_names(trace.read_text())


SPECS = [
    *(f"%{name}" for name in classes.CLASSES),
    *(name for name in classes.BARE if name != "net"),  # strace has %net alone
    "!%file",
    "/^[p-s].*64$",
    "!read,%network,?nonesuch,/_time64",
]


@pytest.mark.parametrize("spec", SPECS)
def test_trace(spec: str, abi: str, every_call: Path, tmp_path: Path) -> None:
    words = ("-e", f"trace={spec}", every_call, abi, str(LIMIT))
    theirs = {name for name in seen_by_strace(tmp_path / "strace", *words) if named(name)}
    assert theirs
    ours = {name for name in seen_by_us(tmp_path / "ours", *words) if named(name)}
    assert ours == theirs


def named(name: str) -> bool:
    """Whether it is a name, and not a number that has none."""
    return not name.startswith("syscall_0x")


FILES = 'exec 5< "$1"; read line <&5; read other < "$2"; cat "$1" "$1/no" 5<&-; exec 5<&-; true'


@pytest.mark.parametrize(
    "flags", [["-z"], ["-Z"], ["-e", "status=unfinished"], ["-e", "status=!successful"], ["-P"]]
)
def test_what_is_shown(flags: list[str], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        path.write_text("a line\nand more\n")
    if flags == ["-P"]:
        flags = ["-P", str(first)]
    words = (*flags, "sh", "-c", FILES, "sh", str(first), str(second))
    theirs = seen_by_strace(tmp_path / "strace", *words)
    ours = seen_by_us(tmp_path / "ours", *words)
    assert len(theirs) > 0
    assert sorted(ours) == sorted(theirs)  # in which order, processes race for
    assert not re.search(r"resumed", (tmp_path / "ours").read_text()) or flags[0] == "-P"
